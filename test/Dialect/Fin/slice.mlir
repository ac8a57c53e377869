// fin-slice: every point of the residual stream keeps the coordinates of its basis.
// RUN: rm -rf %t && mkdir %t
// RUN: %python %S/Inputs/write-bases.py %t/bases residual.0=8x6 residual.1=8x5+1
// RUN: fingpt-opt %s --fin-slice=bases=%t/bases | FileCheck %s
// RUN: %python %S/Inputs/write-bases.py %t/last residual.0=8x6 residual.1=8x6 residual.2=8x4
// RUN: fingpt-opt %s --fin-slice=bases=%t/last | FileCheck %s --check-prefix=LAST
// RUN: fingpt-opt %s --fin-slice=bases=%t/bases --fin-add-kv-cache -o /dev/null

// The tables make the first point, in 6 of 8 coordinates. What a norm divides by stays.
// CHECK-LABEL: func.func @forward
// CHECK:         fin.param "embed_tokens.weight.sliced" : tensor<10x6xf32>
// CHECK:         fin.param "embed_positions.weight.sliced" : tensor<16x6xf32>
// CHECK:         %[[H0:.*]] = arith.addf %{{.*}} : tensor<?x?x6xf32>
// CHECK:         %[[N0:.*]] = fin.rms_norm %[[H0]] {eps = 1.000000e-05 : f64, width = 8 : i64} : tensor<?x?x6xf32>
// CHECK:         fin.param "layers.0.qkv_proj.weight.sliced" : tensor<8x6xf32>
// CHECK:         fin.attention
// CHECK-SAME:      -> tensor<?x?x8xf32>
// The second in 5: the branch writes them, the residual comes by a shortcut.
// CHECK-DAG:     %[[WO:.*]] = fin.param "layers.0.o_proj.weight.sliced" : tensor<5x8xf32>
// CHECK-DAG:     %[[CO:.*]] = fin.param "layers.0.o_proj.bias.sliced" : tensor<5xf32>
// CHECK:         %[[O:.*]] = fin.linear %{{.*}}, %[[WO]] bias %[[CO]]
// CHECK:         %[[S0:.*]] = fin.param "layers.0.o_proj.shortcut.weight" : tensor<5x6xf32>
// CHECK-NEXT:    %[[R0:.*]] = fin.linear %[[H0]], %[[S0]]
// CHECK-NEXT:    %[[H1:.*]] = arith.addf %[[R0]], %[[O]] : tensor<?x?x5xf32>
// CHECK-NEXT:    fin.rms_norm %[[H1]] {eps = 1.000000e-05 : f64, width = 8 : i64} : tensor<?x?x5xf32>
// CHECK:         fin.param "layers.0.fc1.weight.sliced" : tensor<12x5xf32>
// The last has no basis in the file: the stream returns to its 8 coordinates.
// CHECK:         fin.param "layers.0.fc2.weight.sliced" : tensor<8x12xf32>
// CHECK:         %[[S1:.*]] = fin.param "layers.0.fc2.shortcut.weight" : tensor<8x5xf32>
// CHECK-NEXT:    %[[R1:.*]] = fin.linear %[[H1]], %[[S1]]
// CHECK-NEXT:    %[[H2:.*]] = arith.addf %{{.*}}, %[[R1]] : tensor<?x?x8xf32>
// CHECK-NEXT:    fin.rms_norm %[[H2]] {eps = 1.000000e-05 : f64} : tensor<?x?x8xf32>
// CHECK-NEXT:    fin.param "lm_head.weight.sliced" : tensor<10x8xf32>

// One basis at two points needs no shortcut. With a basis for the last the head is sliced.
// LAST-LABEL: func.func @forward
// LAST-NOT:     o_proj.shortcut
// LAST:         fin.param "layers.0.fc2.weight.sliced" : tensor<4x12xf32>
// LAST:         fin.param "layers.0.fc2.shortcut.weight" : tensor<4x6xf32>
// LAST:         fin.rms_norm %{{.*}} {eps = 1.000000e-05 : f64, width = 8 : i64} : tensor<?x?x4xf32>
// LAST-NEXT:    fin.param "lm_head.weight.sliced" : tensor<10x4xf32>
module attributes {fin.params = "random:1"} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x10xf32> {
    %table = fin.param "embed_tokens.weight" : tensor<10x8xf32>
    %e = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x8xf32>
    %pos = fin.positions %tokens : tensor<?x?xi32>
    %places = fin.param "embed_positions.weight" : tensor<16x8xf32>
    %p = fin.embedding %pos, %places : tensor<?x?xi32>, tensor<16x8xf32>
    %h = arith.addf %e, %p : tensor<?x?x8xf32>
    %n = fin.rms_norm %h {eps = 1.0e-5 : f64} : tensor<?x?x8xf32>
    %w = fin.param "layers.0.qkv_proj.weight" : tensor<8x8xf32>
    %q = fin.linear %n, %w : tensor<?x?x8xf32>, tensor<8x8xf32>
    %a = fin.attention %q at %pos, %q, %q {heads = 2 : i64, kv_heads = 2 : i64, causal,
                                           scale = 0.5 : f64}
       : (tensor<?x?x8xf32>, tensor<?x?xi32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>)
         -> tensor<?x?x8xf32>
    %wo = fin.param "layers.0.o_proj.weight" : tensor<8x8xf32>
    %co = fin.param "layers.0.o_proj.bias" : tensor<8xf32>
    %o = fin.linear %a, %wo bias %co : tensor<?x?x8xf32>, tensor<8x8xf32>, tensor<8xf32>
    %h1 = arith.addf %h, %o : tensor<?x?x8xf32>
    %n1 = fin.rms_norm %h1 {eps = 1.0e-5 : f64} : tensor<?x?x8xf32>
    %w1 = fin.param "layers.0.fc1.weight" : tensor<12x8xf32>
    %u = fin.linear %n1, %w1 : tensor<?x?x8xf32>, tensor<12x8xf32>
    %r = fin.relu %u : tensor<?x?x12xf32>
    %w2 = fin.param "layers.0.fc2.weight" : tensor<8x12xf32>
    %d = fin.linear %r, %w2 : tensor<?x?x12xf32>, tensor<8x12xf32>
    %h2 = arith.addf %d, %h1 : tensor<?x?x8xf32>
    %n2 = fin.rms_norm %h2 {eps = 1.0e-5 : f64} : tensor<?x?x8xf32>
    %head = fin.param "lm_head.weight" : tensor<10x8xf32>
    %y = fin.linear %n2, %head : tensor<?x?x8xf32>, tensor<10x8xf32>
    return %y : tensor<?x?x10xf32>
  }
}
