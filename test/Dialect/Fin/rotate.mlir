// fin-rotate: one Q for the residual stream, H per head for values, more of it online.
// RUN: fingpt-opt %s --fin-rotate=seed=7 | FileCheck %s
// RUN: fingpt-opt %s --fin-rotate="kind=random online=true" | FileCheck %s --check-prefix=ONLINE
// RUN: not fingpt-opt %s --fin-rotate=kind=cosine 2>&1 | FileCheck %s --check-prefix=KIND

// KIND: error: kind: of rotation, expected hadamard or random, got "cosine"

// Every weight that touches the stream is turned; the tied head stays tied; norms and
// activations stay as they are.
// CHECK-LABEL: func.func @forward
// CHECK-NEXT:    %[[TABLE:.*]] = fin.param "embed_tokens.weight.rotated" : tensor<10x8xf32>
// CHECK-NEXT:    %[[H:.*]] = fin.embedding %{{.*}}, %[[TABLE]]
// CHECK:         %[[N:.*]] = fin.rms_norm %[[H]] {eps = 1.000000e-05 : f64}
// CHECK:         fin.param "layers.0.q_proj.weight.rotated"
// CHECK:         fin.rope half
// CHECK:         fin.param "layers.0.v_proj.weight.rotated"
// CHECK-NEXT:    fin.param "layers.0.v_proj.bias.rotated"
// CHECK-NOT:     fin.hadamard
// CHECK:         fin.attention
// CHECK-NEXT:    fin.param "layers.0.o_proj.weight.rotated"
// CHECK:         %[[A:.*]] = fin.relu
// CHECK-NEXT:    %[[W:.*]] = fin.param "layers.0.fc2.weight.rotated" : tensor<8x12xf32>
// CHECK-NEXT:    fin.linear %[[A]], %[[W]]
// CHECK:         fin.linear %{{.*}}, %[[TABLE]]

// Rotary queries and keys are turned after rope, the MLP's activation before its last
// linear: in runs of the largest power of two that divides 12.
// ONLINE-LABEL: func.func @forward
// ONLINE:         %[[Q:.*]] = fin.rope half
// ONLINE:         %[[K:.*]] = fin.rope half
// ONLINE-DAG:     %[[QR:.*]] = fin.hadamard %[[Q]] {size = 4 : i64} : tensor<?x?x8xf32>
// ONLINE-DAG:     %[[KR:.*]] = fin.hadamard %[[K]] {size = 4 : i64} : tensor<?x?x4xf32>
// ONLINE:         fin.attention %[[QR]] at %{{.*}}, %[[KR]], %{{.*}}
// ONLINE:         %[[A:.*]] = fin.relu
// ONLINE:         %[[AR:.*]] = fin.hadamard %[[A]] {size = 4 : i64} : tensor<?x?x12xf32>
// ONLINE:         fin.linear %[[AR]], %{{.*}} : tensor<?x?x12xf32>, tensor<8x12xf32>
module attributes {fin.params = "random:1"} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x10xf32> {
    %table = fin.param "embed_tokens.weight" : tensor<10x8xf32>
    %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x8xf32>
    %pos = fin.positions %tokens : tensor<?x?xi32>
    %n = fin.rms_norm %h {eps = 1.0e-5 : f64} : tensor<?x?x8xf32>
    %wq = fin.param "layers.0.q_proj.weight" : tensor<8x8xf32>
    %q = fin.linear %n, %wq : tensor<?x?x8xf32>, tensor<8x8xf32>
    %qr = fin.rope half %q at %pos {base = 1.0e4 : f64, head_dim = 4 : i64}
        : tensor<?x?x8xf32>, tensor<?x?xi32>
    %wk = fin.param "layers.0.k_proj.weight" : tensor<4x8xf32>
    %k = fin.linear %n, %wk : tensor<?x?x8xf32>, tensor<4x8xf32>
    %kr = fin.rope half %k at %pos {base = 1.0e4 : f64, head_dim = 4 : i64}
        : tensor<?x?x4xf32>, tensor<?x?xi32>
    %wv = fin.param "layers.0.v_proj.weight" : tensor<4x8xf32>
    %cv = fin.param "layers.0.v_proj.bias" : tensor<4xf32>
    %v = fin.linear %n, %wv bias %cv : tensor<?x?x8xf32>, tensor<4x8xf32>, tensor<4xf32>
    %a = fin.attention %qr at %pos, %kr, %v {heads = 2 : i64, kv_heads = 1 : i64, causal,
                                             scale = 0.5 : f64}
       : (tensor<?x?x8xf32>, tensor<?x?xi32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>)
         -> tensor<?x?x8xf32>
    %wo = fin.param "layers.0.o_proj.weight" : tensor<8x8xf32>
    %o = fin.linear %a, %wo : tensor<?x?x8xf32>, tensor<8x8xf32>
    %h1 = arith.addf %h, %o : tensor<?x?x8xf32>
    %n1 = fin.rms_norm %h1 {eps = 1.0e-5 : f64} : tensor<?x?x8xf32>
    %w1 = fin.param "layers.0.fc1.weight" : tensor<12x8xf32>
    %u = fin.linear %n1, %w1 : tensor<?x?x8xf32>, tensor<12x8xf32>
    %r = fin.relu %u : tensor<?x?x12xf32>
    %w2 = fin.param "layers.0.fc2.weight" : tensor<8x12xf32>
    %d = fin.linear %r, %w2 : tensor<?x?x12xf32>, tensor<8x12xf32>
    %h2 = arith.addf %h1, %d : tensor<?x?x8xf32>
    %n2 = fin.rms_norm %h2 {eps = 1.0e-5 : f64} : tensor<?x?x8xf32>
    %y = fin.linear %n2, %table : tensor<?x?x8xf32>, tensor<10x8xf32>
    return %y : tensor<?x?x10xf32>
  }
}
