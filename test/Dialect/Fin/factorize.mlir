// fin-factorize: weights become low-rank pairs where that saves bytes.
// RUN: fingpt-opt %s --fin-factorize=scheme=svd40 | FileCheck %s
// RUN: fingpt-opt %s --fin-factorize=scheme=svd40+w8 | FileCheck %s --check-prefix=CODES
// RUN: %python %S/Inputs/write-stats.py %t.stats layers.0.up_proj.weight:64 layers.0.gate.weight:96
// RUN: fingpt-opt %s --fin-factorize="scheme=svd40 stats=%t.stats" | FileCheck %s
// RUN: fingpt-opt %s --fin-factorize="scheme=svd40:asvd stats=%t.stats" | FileCheck %s
// RUN: not fingpt-opt %s --fin-factorize=scheme=w4 2>&1 | FileCheck %s --check-prefix=KIND
// RUN: not fingpt-opt %s --fin-factorize=scheme=svd40:svd-llm 2>&1 | FileCheck %s --check-prefix=STATS
// RUN: not fingpt-opt %s --fin-factorize=scheme=svd40:svd-llm-v2 2>&1 | FileCheck %s --check-prefix=STATS

// 60% of 64·96 parameters are rank 23, down to a multiple of 8.
// CHECK:         %[[B:.*]] = fin.param "layers.0.up_proj.weight.lr.b" : tensor<96x16xf16>
// CHECK:         %[[B32:.*]] = arith.extf %[[B]]
// CHECK:         %[[A:.*]] = fin.param "layers.0.up_proj.weight.lr.a" : tensor<16x64xf16>
// CHECK:         %[[A32:.*]] = arith.extf %[[A]]
// CHECK:         %[[W:.*]] = fin.low_rank %[[B32]], %[[A32]]
// CHECK:         fin.linear %{{.*}}, %[[W]]
// Codes take fewer bytes than a pair would.
// CHECK:         fin.param "layers.0.gate.weight.codes" : tensor<8x96xui4>

// CODES:         fin.param "layers.0.up_proj.weight.lr.b.codes" : tensor<96x16xui8>
// CODES:         fin.param "layers.0.up_proj.weight.lr.a.codes" : tensor<16x64xui8>
// KIND:          error: {{.*}}scheme "w4": is no low-rank pair
// STATS:         error: {{.*}}layers.0.up_proj.weight{{.*}}calibration statistics
module attributes {fin.params = "random:7"} {
  func.func @forward(%x: tensor<?x?x64xf32>) -> tensor<?x?x8xf32> {
    %up = fin.param "layers.0.up_proj.weight" : tensor<96x64xf32>
    %u = fin.linear %x, %up : tensor<?x?x64xf32>, tensor<96x64xf32>
    %codes = fin.param "layers.0.gate.weight.codes" : tensor<8x96xui4>
    %scales = fin.param "layers.0.gate.weight.scales" : tensor<8x1xf16>
    %gate = fin.dequantize %codes scales %scales {group_size = 96 : i64}
          : (tensor<8x96xui4>, tensor<8x1xf16>) -> tensor<8x96xf32>
    %g = fin.linear %u, %gate : tensor<?x?x96xf32>, tensor<8x96xf32>
    return %g : tensor<?x?x8xf32>
  }
}
