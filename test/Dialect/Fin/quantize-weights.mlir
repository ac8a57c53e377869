// fin-quantize-weights: weights become codes, scales and residual pairs.
// RUN: fingpt-opt %s --fin-quantize-weights=scheme=w4g16 | FileCheck %s
// RUN: fingpt-opt %s --fin-quantize-weights="scheme=nf4 embeddings=true" | FileCheck %s --check-prefix=NF4
// RUN: fingpt-opt %s --fin-quantize-weights="scheme=w3g16+lr4 only=up_proj" | FileCheck %s --check-prefix=PAIR
// RUN: fingpt-opt %s --fin-factorize=scheme=svd60 --fin-quantize-weights=scheme=w8 \
// RUN:   | FileCheck %s --check-prefix=FACTORS
// RUN: not fingpt-opt %s --fin-quantize-weights=scheme=w9 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: not fingpt-opt %s --fin-quantize-weights=scheme=svd25 2>&1 | FileCheck %s --check-prefix=KIND
// RUN: not fingpt-opt %s --fin-quantize-weights=scheme=w4g16:gptq 2>&1 | FileCheck %s --check-prefix=STATS
// RUN: not fingpt-opt %s --fin-quantize-weights="only=(" 2>&1 | FileCheck %s --check-prefix=REGEX

// Groups of 16 in 40 inputs: three, the last ragged. The tied table stays.
// CHECK-LABEL: func.func @forward
// CHECK:         %[[TABLE:.*]] = fin.param "embed.weight" : tensor<64x40xf32>
// CHECK:         %[[Q:.*]] = fin.param "layers.0.up_proj.weight.q.codes" : tensor<48x40xui4>
// CHECK:         %[[S:.*]] = fin.param "layers.0.up_proj.weight.q.scales" : tensor<48x3xf16>
// CHECK:         %[[Z:.*]] = fin.param "layers.0.up_proj.weight.q.zeros" : tensor<48x3xui4>
// CHECK:         %[[W:.*]] = fin.dequantize %[[Q]] scales %[[S]] zeros %[[Z]] {group_size = 16 : i64}
// CHECK:         fin.linear %{{.*}}, %[[W]]
// CHECK:         fin.param "layers.0.down_proj.weight.q.codes" : tensor<40x48xui4>
// CHECK-NOT:     fin.param "layers.0.up_proj.weight" :
// CHECK:         fin.linear %{{.*}}, %[[TABLE]]

// A tied table is one expression, in both of its uses.
// NF4:           %[[CODES:.*]] = fin.param "embed.weight.q.codes" : tensor<64x40xui4>
// NF4:           %[[T:.*]] = fin.lookup %[[CODES]], %{{.*}} scales %{{.*}} {group_size = 40 : i64}
// NF4:           fin.embedding %{{.*}}, %[[T]]
// NF4:           fin.linear %{{.*}}, %[[T]]

// PAIR:          %[[BASE:.*]] = fin.dequantize
// PAIR:          %[[LR:.*]] = fin.low_rank
// PAIR:          %[[SUM:.*]] = fin.sum %[[BASE]], %[[LR]] : tensor<48x40xf32>
// PAIR:          fin.linear %{{.*}}, %[[SUM]]
// PAIR:          fin.param "layers.0.down_proj.weight" : tensor<40x48xf32>

// FACTORS:       fin.param "layers.0.up_proj.weight.lr.b.q.codes" : tensor<48x8xui8>
// FACTORS:       fin.param "layers.0.up_proj.weight.lr.a.q.codes" : tensor<8x40xui8>
// FACTORS:       fin.low_rank

// BITS:          error: {{.*}}w9
// KIND:          error: {{.*}}scheme "svd25": is no quantization
// STATS:         error: {{.*}}gptq, expected calibration statistics
// REGEX:         error: {{.*}}only: is no regular expression
module attributes {fin.params = "random:7"} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x64xf32> {
    %table = fin.param "embed.weight" : tensor<64x40xf32>
    %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<64x40xf32>
    %up = fin.param "layers.0.up_proj.weight" : tensor<48x40xf32>
    %u = fin.linear %h, %up : tensor<?x?x40xf32>, tensor<48x40xf32>
    %down = fin.param "layers.0.down_proj.weight" : tensor<40x48xf32>
    %d = fin.linear %u, %down : tensor<?x?x48xf32>, tensor<40x48xf32>
    %y = fin.linear %d, %table : tensor<?x?x40xf32>, tensor<64x40xf32>
    return %y : tensor<?x?x64xf32>
  }
}
