// fin-drop-layers: a layer's input is handed on in place of its result.
// RUN: fingpt-opt %s --split-input-file --fin-drop-layers=layers=1 | FileCheck %s
// RUN: fingpt-opt %s --split-input-file --fin-drop-layers="layers=0,2 force=true" | FileCheck %s --check-prefix=ENDS

// Norms with and without parameters of their own: what belongs to layer 1 goes, the norm
// of layer 2 stays. The number of layers follows.
// CHECK:       layers = 2
// CHECK-LABEL: func.func @forward
// CHECK:         %[[D0:.*]] = fin.linear {{.*}}
// CHECK-NEXT:    %[[H1:.*]] = arith.addf %{{.*}}, %[[D0]]
// CHECK-NEXT:    %[[N2:.*]] = fin.rms_norm %[[H1]] {
// CHECK-NEXT:    %[[W2:.*]] = fin.param "layers.2.fc.weight"
// CHECK-NEXT:    %[[D2:.*]] = fin.linear %[[N2]], %[[W2]]
// CHECK-NEXT:    %[[H3:.*]] = arith.addf %[[H1]], %[[D2]]
// CHECK-NEXT:    %[[NF:.*]] = fin.rms_norm %[[H3]]
// CHECK-NOT:     layers.1
// ENDS:        layers = 1
// ENDS-LABEL: func.func @forward
// ENDS:         %[[H:.*]] = fin.embedding
// ENDS:         fin.rms_norm %[[H]]
// ENDS-NOT:     layers.{{[02]}}
// ENDS:         fin.param "layers.1.fc.weight"
// ENDS-NOT:     layers.{{[02]}}
module attributes {fin.model = #fin.model<arch = "llama", context_length = 8, vocab_size = 10, layers = 3>} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x10xf32> {
    %table = fin.param "embed_tokens.weight" : tensor<10x4xf32>
    %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x4xf32>
    %g0 = fin.param "layers.0.norm.weight" : tensor<4xf32>
    %n0 = fin.rms_norm %h, %g0 {eps = 1.0e-5 : f64} : tensor<?x?x4xf32>, tensor<4xf32>
    %w0 = fin.param "layers.0.fc.weight" : tensor<4x4xf32>
    %d0 = fin.linear %n0, %w0 : tensor<?x?x4xf32>, tensor<4x4xf32>
    %h1 = arith.addf %h, %d0 : tensor<?x?x4xf32>
    %n1 = fin.rms_norm %h1 {eps = 1.0e-5 : f64} : tensor<?x?x4xf32>
    %w1 = fin.param "layers.1.fc.weight" : tensor<4x4xf32>
    %d1 = fin.linear %n1, %w1 : tensor<?x?x4xf32>, tensor<4x4xf32>
    %h2 = arith.addf %h1, %d1 : tensor<?x?x4xf32>
    %n2 = fin.rms_norm %h2 {eps = 1.0e-5 : f64} : tensor<?x?x4xf32>
    %w2 = fin.param "layers.2.fc.weight" : tensor<4x4xf32>
    %d2 = fin.linear %n2, %w2 : tensor<?x?x4xf32>, tensor<4x4xf32>
    %h3 = arith.addf %h2, %d2 : tensor<?x?x4xf32>
    %nf = fin.rms_norm %h3 {eps = 1.0e-5 : f64} : tensor<?x?x4xf32>
    %head = fin.param "lm_head.weight" : tensor<10x4xf32>
    %y = fin.linear %nf, %head : tensor<?x?x4xf32>, tensor<10x4xf32>
    return %y : tensor<?x?x10xf32>
  }
}

// -----

// Parallel branches (Phi): the sums that take both go too. The layer after it has its norm
// behind the sum (BERT).
// CHECK-LABEL: func.func @forward
// CHECK:         %[[W0:.*]] = fin.param "layers.0.fc.weight"
// CHECK-NEXT:    %[[H:.*]] = fin.linear %{{.*}}, %[[W0]]
// CHECK-NEXT:    %[[W2:.*]] = fin.param "layers.2.fc.weight"
// CHECK-NEXT:    %[[D2:.*]] = fin.linear %[[H]], %[[W2]]
// CHECK-NEXT:    arith.addf %[[H]], %[[D2]]
// ENDS-LABEL: func.func @forward(
// ENDS-SAME:    %[[X:[^:]*]]: tensor
// ENDS-NOT:     layers.{{[02]}}
// ENDS:         fin.rms_norm %[[X]]
// ENDS:         %[[H:.*]] = arith.addf %{{.*}}, %[[X]]
// ENDS-NEXT:    return %[[H]]
func.func @forward(%x: tensor<?x?x4xf32>) -> tensor<?x?x4xf32> {
  %w0 = fin.param "layers.0.fc.weight" : tensor<4x4xf32>
  %h = fin.linear %x, %w0 : tensor<?x?x4xf32>, tensor<4x4xf32>
  %n = fin.rms_norm %h {eps = 1.0e-5 : f64} : tensor<?x?x4xf32>
  %wa = fin.param "layers.1.attn.weight" : tensor<4x4xf32>
  %a = fin.linear %n, %wa : tensor<?x?x4xf32>, tensor<4x4xf32>
  %wm = fin.param "layers.1.mlp.weight" : tensor<4x4xf32>
  %m = fin.linear %n, %wm : tensor<?x?x4xf32>, tensor<4x4xf32>
  %both = arith.addf %a, %m : tensor<?x?x4xf32>
  %h1 = arith.addf %both, %h : tensor<?x?x4xf32>
  %w2 = fin.param "layers.2.fc.weight" : tensor<4x4xf32>
  %d2 = fin.linear %h1, %w2 : tensor<?x?x4xf32>, tensor<4x4xf32>
  %s2 = arith.addf %h1, %d2 : tensor<?x?x4xf32>
  %g2 = fin.param "layers.2.norm.weight" : tensor<4xf32>
  %h2 = fin.rms_norm %s2, %g2 {eps = 1.0e-5 : f64} : tensor<?x?x4xf32>, tensor<4xf32>
  return %h2 : tensor<?x?x4xf32>
}
