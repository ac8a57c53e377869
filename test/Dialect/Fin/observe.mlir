// fin-observe: what calibration reads becomes results of @forward.
// RUN: fingpt-opt %s --split-input-file --fin-observe | FileCheck %s
// RUN: fingpt-opt %s --split-input-file --fin-observe=residual=true | FileCheck %s --check-prefix=RESIDUAL
// RUN: fingpt-opt %s --split-input-file --fin-observe="only=_proj skip=[qo]_proj" | FileCheck %s --check-prefix=SOME
// RUN: fingpt-opt %S/../../Codegen/Inputs/two-layers.mlir --fin-observe=residual=true \
// RUN:     --fin-jit-graph=cache=false --fin-jit-bufferize | FileCheck %s --check-prefix=JIT

// Compiled, taps are destinations behind the logits, also where one is the other's first term
// (residual.0 and residual.1, which linears read too).
// JIT-LABEL: func.func @forward(
// JIT-SAME:    %{{[^:]+}}: !llvm.ptr, %{{[^:]+}}: memref<?x?xi32>, %{{[^:]+}}: memref<?x?x10xf32>,
// JIT-SAME:    %{{[^:]+}}: memref<?x?x8xf32>, %{{[^:]+}}: memref<?x?x8xf32>, %{{[^:]+}}: memref<?x?x8xf32>, %{{[^:]+}}: memref<?x?x16xf32>,
// JIT-SAME:    %{{[^:]+}}: memref<?x?x8xf32>, %{{[^:]+}}: memref<?x?x8xf32>, %{{[^:]+}}: memref<?x?x8xf32>, %{{[^:]+}}: memref<?x?x16xf32>,
// JIT-SAME:    %{{[^:]+}}: memref<?x?x8xf32>, %{{[^:]+}}: memref<?x?x8xf32>, %{{[^:]+}}: memref<?x?x8xf32>, %{{[^:]+}}: memref<?x?x8xf32>)
// JIT-SAME:    attributes {fin.params

!h = tensor<?x?x4xf32>
!w = tensor<4x4xf32>

// q and k share an input; k is codes and scales under its name; a weight that two linears use is
// measured where it is used first; the head is the table. A linear by a value that is no weight
// (%gate) has no tap.
// CHECK-LABEL: func.func @forward(
// CHECK-SAME:    -> (tensor<?x?x8xf32>,
// CHECK-SAME:        tensor<?x?x4xf32> {fin.tap = ["l.0.q_proj.weight", "l.0.k_proj.weight"]},
// CHECK-SAME:        tensor<?x?x4xf32> {fin.tap = ["l.0.o_proj.weight"]},
// CHECK-SAME:        tensor<?x?x4xf32> {fin.tap = ["embed.weight"]}) {
// CHECK:         %[[H0:.*]] = fin.embedding
// CHECK:         %[[N:.*]] = fin.rms_norm %[[H0]]
// CHECK:         %[[Q:.*]] = fin.linear %[[N]]
// CHECK:         %[[SUM:.*]] = arith.mulf
// CHECK:         %[[H1:.*]] = arith.addf %[[H0]]
// CHECK:         %[[LOGITS:.*]] = fin.linear %[[FINAL:.*]], %{{.*}} : tensor<?x?x4xf32>, tensor<8x4xf32>
// CHECK:         return %[[LOGITS]], %[[N]], %[[SUM]], %[[FINAL]]

// RESIDUAL-LABEL: func.func @forward(
// RESIDUAL-SAME:    {fin.tap = ["embed.weight"]}, tensor<?x?x4xf32> {fin.tap = ["residual.0"]}, tensor<?x?x4xf32> {fin.tap = ["residual.1"]}) {
// RESIDUAL:         %[[H0:.*]] = fin.embedding
// RESIDUAL:         %[[H1:.*]] = arith.addf %[[H0]]
// RESIDUAL:         return {{.*}}, %[[H0]], %[[H1]] :

// SOME-LABEL: func.func @forward(
// SOME-SAME:    -> (tensor<?x?x8xf32>, tensor<?x?x4xf32> {fin.tap = ["l.0.k_proj.weight"]}) {
module {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x8xf32> {
    %table = fin.param "embed.weight" : tensor<8x4xf32>
    %h0 = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<8x4xf32>
    %n = fin.rms_norm %h0 {eps = 1.0e-5 : f64} : !h
    %wq = fin.param "l.0.q_proj.weight" : !w
    %q = fin.linear %n, %wq : !h, !w
    %ck = fin.param "l.0.k_proj.weight.codes" : tensor<4x4xui4>
    %sk = fin.param "l.0.k_proj.weight.scales" : tensor<4x1xf16>
    %wk = fin.dequantize %ck scales %sk {group_size = 32 : i64, zero = 8 : i64}
        : (tensor<4x4xui4>, tensor<4x1xf16>) -> !w
    %k = fin.linear %n, %wk : !h, !w
    %a = arith.mulf %q, %k : !h
    %wo = fin.param "l.0.o_proj.weight" : !w
    %o = fin.linear %a, %wo : !h, !w
    %again = fin.linear %o, %wo : !h, !w
    %h1 = arith.addf %h0, %again : !h
    %m = fin.rms_norm %h1 {eps = 1.0e-5 : f64} : !h
    %y = fin.linear %m, %table : !h, tensor<8x4xf32>
    return %y : tensor<?x?x8xf32>
  }
}

// -----

!h = tensor<?x?x4xf32>
!w = tensor<4x4xf32>

// A model that normalizes after its sums, and whose linears read the embeddings themselves: that
// result has both names. The norm behind a point belongs to the next piece.
// CHECK-LABEL: func.func @forward(
// CHECK-SAME:    -> (tensor<?x?x4xf32>, tensor<?x?x4xf32> {fin.tap = ["l.0.fc.weight"]},
// CHECK-SAME:        tensor<?x?x4xf32> {fin.tap = ["l.1.fc.weight"]}) {
// RESIDUAL-LABEL: func.func @forward(
// RESIDUAL-SAME:    {fin.tap = ["l.0.fc.weight", "residual.0"]}, tensor<?x?x4xf32> {fin.tap = ["l.1.fc.weight"]}, tensor<?x?x4xf32> {fin.tap = ["residual.1"]}) {
// RESIDUAL:         %[[H0:.*]] = fin.embedding
// RESIDUAL:         %[[S0:.*]] = arith.addf %[[H0]]
// RESIDUAL:         %[[H1:.*]] = fin.rms_norm %[[S0]]
// RESIDUAL:         return %{{.*}}, %[[H0]], %[[H1]], %[[S0]] :
module {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = fin.param "embed.weight" : tensor<8x4xf32>
    %h0 = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<8x4xf32>
    %w0 = fin.param "l.0.fc.weight" : !w
    %d0 = fin.linear %h0, %w0 : !h, !w
    %s0 = arith.addf %h0, %d0 : !h
    %h1 = fin.rms_norm %s0 {eps = 1.0e-5 : f64} : !h
    %w1 = fin.param "l.1.fc.weight" : !w
    %d1 = fin.linear %h1, %w1 : !h, !w
    %s1 = arith.addf %h1, %d1 : !h
    %h2 = fin.rms_norm %s1 {eps = 1.0e-5 : f64} : !h
    return %h2 : !h
  }
}

// -----

!h = tensor<?x?x4xf32>
!w = tensor<4x4xf32>

// Nothing to see: nothing changes. What is no weight (%x) is not measured.
// CHECK-LABEL: func.func @forward(
// CHECK-SAME:    -> tensor<?x?x4xf32> {
// RESIDUAL-LABEL: func.func @forward(
// RESIDUAL-SAME:    -> tensor<?x?x4xf32> {
module {
  func.func @forward(%x: !h, %w: !w) -> !h {
    %y = fin.linear %x, %w : !h, !w
    return %y : !h
  }
}
