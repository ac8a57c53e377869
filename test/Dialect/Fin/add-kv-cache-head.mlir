// Which ops fin-add-kv-cache runs on one token in @prefill: those on the way to the
// logits that treat every token alone and serve nothing else.
// RUN: fingpt-opt %s --fin-add-kv-cache --split-input-file | FileCheck %s

!h = tensor<?x?x4xf32>

// A binary op ends the walk: its other operand has all tokens.
// CHECK-LABEL: func.func @prefill
// CHECK:         arith.addf %{{.*}}, %{{.*}} : tensor<?x?x4xf32>
// CHECK-NEXT:    fin.select_last
// CHECK-NEXT:    fin.silu %{{.*}} : tensor<?x1x4xf32>
func.func @forward(%t: tensor<?x?xi32>) -> !h {
  %p = fin.positions %t : tensor<?x?xi32>
  %w = fin.param "w" : tensor<8x4xf32>
  %e = fin.embedding %t, %w : tensor<?x?xi32>, tensor<8x4xf32>
  %a = fin.attention %e at %p, %e, %e {heads = 1 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
     : (!h, tensor<?x?xi32>, !h, !h) -> !h
  %s = arith.addf %a, %e : !h
  %y = fin.silu %s : !h
  return %y : !h
}

// -----

!h = tensor<?x?x4xf32>

// So does a value that something else uses.
// CHECK-LABEL: func.func @prefill
// CHECK:         %[[N:.*]] = fin.rms_norm %{{.*}} : tensor<?x?x4xf32>
// CHECK:         fin.attention %[[N]]
// CHECK:         fin.select_last
// CHECK-NEXT:    return
func.func @forward(%t: tensor<?x?xi32>) -> !h {
  %p = fin.positions %t : tensor<?x?xi32>
  %w = fin.param "w" : tensor<8x4xf32>
  %e = fin.embedding %t, %w : tensor<?x?xi32>, tensor<8x4xf32>
  %n = fin.rms_norm %e {eps = 1.0e-5 : f64} : !h
  %a = fin.attention %n at %p, %n, %n {heads = 1 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
     : (!h, tensor<?x?xi32>, !h, !h) -> !h
  return %a : !h
}
