// fin-fold-norms: gains and biases of norms go into the weights behind them.
// RUN: fingpt-opt %s --split-input-file --fin-fold-norms --verify-diagnostics | FileCheck %s
// RUN: fingpt-opt %s --split-input-file --fin-fold-norms=center 2>/dev/null | FileCheck %s --check-prefix=CENTER

// Two linears that read one norm; the norm keeps no parameters.
// CHECK-LABEL: func.func @forward(%{{.*}}: tensor<?x?x4xf32>)
// CHECK:         %[[N:.*]] = fin.rms_norm %{{.*}} {eps = 1.000000e-05 : f64} : tensor<?x?x4xf32>
// CHECK-NEXT:    %[[W0:.*]] = fin.param "layers.0.q_proj.weight.folded" : tensor<6x4xf32>
// CHECK-NEXT:    %[[Q:.*]] = fin.linear %[[N]], %[[W0]] : tensor<?x?x4xf32>, tensor<6x4xf32>
// CHECK-NEXT:    %[[W1:.*]] = fin.param "layers.0.k_proj.weight.folded" : tensor<2x4xf32>
// CHECK-NEXT:    fin.linear %[[N]], %[[W1]]
// A q norm feeds no linear: it keeps its gain.
// CHECK:         %[[G:.*]] = fin.param "layers.0.q_norm.weight"
// CHECK:         fin.rms_norm %[[Q]], %[[G]]
// An RMSNorm reads this stream: there is no mean to move.
// CENTER-LABEL: func.func @forward
// CENTER-NOT:     .folded2
module attributes {fin.params = "random:1"} {
  func.func @forward(%x: tensor<?x?x4xf32>) -> (tensor<?x?x6xf32>, tensor<?x?x2xf32>) {
    %g = fin.param "layers.0.norm.weight" : tensor<4xf32>
    %n = fin.rms_norm %x, %g {eps = 1.0e-5 : f64} : tensor<?x?x4xf32>, tensor<4xf32>
    %wq = fin.param "layers.0.q_proj.weight" : tensor<6x4xf32>
    %q = fin.linear %n, %wq : tensor<?x?x4xf32>, tensor<6x4xf32>
    %wk = fin.param "layers.0.k_proj.weight" : tensor<2x4xf32>
    %k = fin.linear %n, %wk : tensor<?x?x4xf32>, tensor<2x4xf32>
    %gq = fin.param "layers.0.q_norm.weight" : tensor<3xf32>
    %qn = fin.rms_norm %q, %gq {eps = 1.0e-5 : f64, head_dim = 3 : i64} : tensor<?x?x6xf32>, tensor<3xf32>
    return %qn, %k : tensor<?x?x6xf32>, tensor<?x?x2xf32>
  }
}

// -----

// A LayerNorm's bias becomes one of the linear, which may have none. Whatever the weight's
// form, it is dense afterwards. The tied head goes its own way, and a remark says so.
// CHECK-LABEL: func.func @forward
// CHECK-DAG:     %[[TABLE:.*]] = fin.param "embed_tokens.weight" : tensor<10x4xf32>
// CHECK-DAG:     %[[HEAD:.*]] = fin.param "lm_head.weight.folded" : tensor<10x4xf32>
// CHECK:         %[[H:.*]] = fin.embedding %{{.*}}, %[[TABLE]]
// CHECK:         %[[N:.*]] = fin.layer_norm %[[H]] {eps = 1.000000e-05 : f64}
// CHECK-DAG:     %[[W:.*]] = fin.param "layers.0.fc1.weight.folded" : tensor<4x4xf32>
// CHECK-DAG:     %[[C:.*]] = fin.param "layers.0.fc1.bias.folded" : tensor<4xf32>
// CHECK:         fin.linear %[[N]], %[[W]] bias %[[C]]
// CHECK:         %[[B:.*]] = fin.param "lm_head.bias.folded" : tensor<10xf32>
// CHECK:         fin.linear %{{.*}}, %[[HEAD]] bias %[[B]]
// The tables' rows and the outputs of what writes the stream are centred: no mean is left.
// CENTER-LABEL: func.func @forward
// CENTER-DAG:     %[[TABLE:.*]] = fin.param "embed_tokens.weight.folded" : tensor<10x4xf32>
// CENTER:         %[[H:.*]] = fin.embedding %{{.*}}, %[[TABLE]]
// CENTER:         %[[N:.*]] = fin.rms_norm %[[H]] {eps = 1.000000e-05 : f64} : tensor<?x?x4xf32>
// CENTER:         fin.linear %[[N]], %{{.*}}
// CENTER-DAG:     %[[W:.*]] = fin.param "layers.0.fc2.weight.folded" : tensor<4x4xf32>
// CENTER-DAG:     %[[C:.*]] = fin.param "layers.0.fc2.bias.folded" : tensor<4xf32>
// CENTER:         fin.linear %{{.*}}, %[[W]] bias %[[C]]
// CENTER:         fin.rms_norm
// CENTER-NOT:     fin.layer_norm
module attributes {fin.params = "random:1"} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x10xf32> {
    %table = fin.param "embed_tokens.weight" : tensor<10x4xf32>
    %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x4xf32>
    %g = fin.param "layers.0.norm.weight" : tensor<4xf32>
    %b = fin.param "layers.0.norm.bias" : tensor<4xf32>
    %n = fin.layer_norm %h weight %g bias %b {eps = 1.0e-5 : f64}
       : (tensor<?x?x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x?x4xf32>
    %b1 = fin.param "layers.0.fc1.weight.b" : tensor<4x2xf32>
    %a1 = fin.param "layers.0.fc1.weight.a" : tensor<2x4xf32>
    %w1 = fin.low_rank %b1, %a1 : tensor<4x2xf32>, tensor<2x4xf32>
    %u = fin.linear %n, %w1 : tensor<?x?x4xf32>, tensor<4x4xf32>
    %r = fin.relu %u : tensor<?x?x4xf32>
    %w2 = fin.param "layers.0.fc2.weight" : tensor<4x4xf32>
    %c2 = fin.param "layers.0.fc2.bias" : tensor<4xf32>
    %d = fin.linear %r, %w2 bias %c2 : tensor<?x?x4xf32>, tensor<4x4xf32>, tensor<4xf32>
    %h1 = arith.addf %h, %d : tensor<?x?x4xf32>
    %gf = fin.param "norm.weight" : tensor<4xf32>
    %bf = fin.param "norm.bias" : tensor<4xf32>
    %nf = fin.layer_norm %h1 weight %gf bias %bf {eps = 1.0e-5 : f64}
       : (tensor<?x?x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x?x4xf32>
    // expected-remark @+1 {{the head is no longer tied to the table "embed_tokens.weight": it needs 10 x 4 values of its own}}
    %y = fin.linear %nf, %table : tensor<?x?x4xf32>, tensor<10x4xf32>
    return %y : tensor<?x?x10xf32>
  }
}

// -----

// After its sum (BERT): the norm makes the stream, so its parameters and its mean stay.
// CHECK-LABEL: func.func @forward
// CHECK:         fin.layer_norm %{{.*}} weight %{{.*}} bias %{{.*}}
// CENTER-LABEL: func.func @forward
// CENTER:         fin.layer_norm %{{.*}} weight %{{.*}} bias %{{.*}}
module attributes {fin.params = "random:1"} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = fin.param "embed_tokens.weight" : tensor<10x4xf32>
    %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x4xf32>
    %g = fin.param "norm.weight" : tensor<4xf32>
    %b = fin.param "norm.bias" : tensor<4xf32>
    %n = fin.layer_norm %h weight %g bias %b {eps = 1.0e-5 : f64}
       : (tensor<?x?x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x?x4xf32>
    %w = fin.param "fc.weight" : tensor<4x4xf32>
    %d = fin.linear %n, %w : tensor<?x?x4xf32>, tensor<4x4xf32>
    %y = arith.addf %n, %d : tensor<?x?x4xf32>
    return %y : tensor<?x?x4xf32>
  }
}
