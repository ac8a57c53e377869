// fin-outline-layers: one function per distinct layer.
// RUN: fingpt-opt %s --fin-outline-layers --split-input-file | FileCheck %s

!h = tensor<?x?x4xf32>

// Two layers that differ in their parameters only share a function. The hidden state
// that goes out takes the buffer of the one that came in. Ops before the first layer
// and from the first parameter without a number on stay.
// CHECK-LABEL: func.func private @forward_layer(
// CHECK-SAME:    %[[H:[^:]+]]: tensor<?x?x4xf32>, %[[W:[^:]+]]: tensor<4x4xf32>) -> tensor<?x?x4xf32>
// CHECK-NEXT:    %[[Y:.*]] = fin.linear %[[H]], %[[W]]
// CHECK-NEXT:    %[[A:.*]] = fin.silu %[[Y]]
// CHECK-NEXT:    %[[SUM:.*]] = arith.addf %[[H]], %[[A]]
// CHECK-NEXT:    %[[OUT:.*]] = bufferization.materialize_in_destination %[[SUM]] in %[[H]]
// CHECK-NEXT:    return %[[OUT]]
// CHECK-NOT:   func.func private
// CHECK-LABEL: func.func @forward(
// CHECK:         %[[E:.*]] = fin.embedding
// CHECK-NEXT:    %[[W0:.*]] = fin.param "layers.0.w"
// CHECK-NEXT:    %[[H0:.*]] = call @forward_layer(%[[E]], %[[W0]])
// CHECK-NEXT:    %[[W1:.*]] = fin.param "layers.1.w"
// CHECK-NEXT:    %[[H1:.*]] = call @forward_layer(%[[H0]], %[[W1]])
// CHECK-NEXT:    %[[G:.*]] = fin.param "norm"
// CHECK-NEXT:    %[[N:.*]] = fin.rms_norm %[[H1]], %[[G]]
// CHECK-NEXT:    return %[[N]]
func.func @forward(%tokens: tensor<?x?xi32>) -> !h {
  %table = fin.param "embed" : tensor<10x4xf32>
  %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x4xf32>
  %w0 = fin.param "layers.0.w" : tensor<4x4xf32>
  %y0 = fin.linear %h, %w0 : !h, tensor<4x4xf32>
  %a0 = fin.silu %y0 : !h
  %h0 = arith.addf %h, %a0 : !h
  %w1 = fin.param "layers.1.w" : tensor<4x4xf32>
  %y1 = fin.linear %h0, %w1 : !h, tensor<4x4xf32>
  %a1 = fin.silu %y1 : !h
  %h1 = arith.addf %h0, %a1 : !h
  %g = fin.param "norm" : tensor<4xf32>
  %n = fin.rms_norm %h1, %g {eps = 1.0e-5 : f64} : !h, tensor<4xf32>
  return %n : !h
}

// -----

!h = tensor<?x4xf32>

// Layers that differ in an attribute or in an op have functions of their own; a third
// that equals the first shares its.
// CHECK-DAG: func.func private @[[ONE:forward_layer]](
// CHECK-DAG: func.func private @[[TWO:forward_layer_2]](
// CHECK-LABEL: func.func @forward(
// CHECK:         call @[[ONE]](
// CHECK:         call @[[TWO]](
// CHECK:         call @[[ONE]](
func.func @forward(%x: !h) -> !h {
  %g0 = fin.param "h.0.norm" : tensor<4xf32>
  %h0 = fin.rms_norm %x, %g0 {eps = 1.0e-5 : f64} : !h, tensor<4xf32>
  %g1 = fin.param "h.1.norm" : tensor<4xf32>
  %h1 = fin.rms_norm %h0, %g1 {eps = 1.0e-6 : f64} : !h, tensor<4xf32>
  %g2 = fin.param "h.2.norm" : tensor<4xf32>
  %h2 = fin.rms_norm %h1, %g2 {eps = 1.0e-5 : f64} : !h, tensor<4xf32>
  return %h2 : !h
}

// -----

!h = tensor<?x4xf32>

// A single layer is outlined too. Weight expressions and constants move with it, once
// per layer function, and parameters are arguments.
// CHECK-LABEL: func.func private @f_layer(
// CHECK-SAME:    %[[X:[^:]+]]: tensor<?x4xf32>, %[[B:[^:]+]]: tensor<4x2xf32>, %[[A:[^:]+]]: tensor<2x4xf32>)
// CHECK-NEXT:    %[[W:.*]] = fin.low_rank %[[B]], %[[A]]
// CHECK-NEXT:    fin.linear %[[X]], %[[W]]
// CHECK-LABEL: func.func @f(
// CHECK-NOT:     fin.low_rank
// CHECK:         call @f_layer
func.func @f(%x: !h) -> !h {
  %b = fin.param "h.0.b" : tensor<4x2xf32>
  %a = fin.param "h.0.a" : tensor<2x4xf32>
  %w = fin.low_rank %b, %a : tensor<4x2xf32>, tensor<2x4xf32>
  %y = fin.linear %x, %w : !h, tensor<4x4xf32>
  return %y : !h
}

// -----

!h = tensor<?x4xf32>

// An op whose parameter has no number stands between layers, and what follows it
// without parameters belongs to neither.
// CHECK-LABEL: func.func @forward(
// CHECK:         call @forward_layer
// CHECK:         fin.param "shared"
// CHECK:         fin.rms_norm
// CHECK:         fin.silu
// CHECK:         call @forward_layer
func.func @forward(%x: !h) -> !h {
  %w0 = fin.param "h.0.w" : tensor<4x4xf32>
  %y0 = fin.linear %x, %w0 : !h, tensor<4x4xf32>
  %g = fin.param "shared" : tensor<4xf32>
  %n = fin.rms_norm %y0, %g {eps = 1.0e-5 : f64} : !h, tensor<4xf32>
  %s = fin.silu %n : !h
  %w1 = fin.param "h.1.w" : tensor<4x4xf32>
  %y1 = fin.linear %s, %w1 : !h, tensor<4x4xf32>
  return %y1 : !h
}

// -----

// A layer whose result no input can hold stays where it is.
// CHECK-NOT:   func.func private
// CHECK-LABEL: func.func @forward(
// CHECK:         fin.linear
func.func @forward(%x: tensor<?x4xf32>) -> tensor<?x8xf32> {
  %w = fin.param "h.0.w" : tensor<8x4xf32>
  %y = fin.linear %x, %w : tensor<?x4xf32>, tensor<8x4xf32>
  return %y : tensor<?x8xf32>
}

// -----

!h = tensor<?x?x4xf32>
!c = tensor<2x2x?x?x4xf32>
!p = tensor<?x?xi32>

// The cache is threaded through, and the number of the layer is an argument: it does
// not make layers different. The appended cache is its own destination. The head, from
// the selection of the last token on, is no part of the last layer.
// CHECK-LABEL: func.func private @decode_layer(
// CHECK-SAME:    %[[H:[^:]+]]: tensor<?x?x4xf32>, %[[CACHE:[^:]+]]: tensor<2x2x?x?x4xf32>, %[[P:[^:]+]]: tensor<?x?xi32>, %[[L:[^:]+]]: index, %[[W:[^:]+]]: tensor<4x4xf32>)
// CHECK:         %[[NEW:.*]] = fin.cache_append %[[CACHE]][%[[L]]], %{{.*}}, %{{.*}} at %[[P]]
// CHECK:         fin.cache_read %[[NEW]][%[[L]]]
// CHECK:         %[[A:.*]] = fin.attention
// CHECK:         %[[OUT:.*]] = bufferization.materialize_in_destination %[[A]] in %[[H]]
// CHECK:         return
// CHECK-SAME:      %[[NEW]]
// CHECK-LABEL: func.func @decode(
// CHECK-DAG:     %[[ZERO:.*]] = arith.constant 0 : index
// CHECK-DAG:     %[[ONE:.*]] = arith.constant 1 : index
// CHECK:         call @decode_layer(%{{.*}}, %{{.*}}, %{{.*}}, %[[ZERO]], %{{.*}})
// CHECK:         call @decode_layer(%{{.*}}, %{{.*}}, %{{.*}}, %[[ONE]], %{{.*}})
// CHECK:         fin.select_last
func.func @decode(%h: !h, %p: !p, %c: !c) -> (tensor<?x1x4xf32>, !c) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %w0 = fin.param "h.0.w" : tensor<4x4xf32>
  %k0 = fin.linear %h, %w0 : !h, tensor<4x4xf32>
  %c0 = fin.cache_append %c[%zero], %k0, %k0 at %p : !c, !h, !h, !p
  %key0, %value0 = fin.cache_read %c0[%zero] : !c
  %a0 = fin.attention %k0 at %p, %key0, %value0 {heads = 1 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
      : (!h, !p, !h, !h) -> !h
  %w1 = fin.param "h.1.w" : tensor<4x4xf32>
  %k1 = fin.linear %a0, %w1 : !h, tensor<4x4xf32>
  %c1 = fin.cache_append %c0[%one], %k1, %k1 at %p : !c, !h, !h, !p
  %key1, %value1 = fin.cache_read %c1[%one] : !c
  %a1 = fin.attention %k1 at %p, %key1, %value1 {heads = 1 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
      : (!h, !p, !h, !h) -> !h
  %last = fin.select_last %a1 : !h
  return %last, %c1 : tensor<?x1x4xf32>, !c
}

// -----

!h = tensor<?x?x4xf32>

// A hidden state that is read behind its reader (fin-observe returns it) keeps its buffer: the
// second layer would overwrite it, and stays.
// CHECK-LABEL: func.func private @forward_layer(
// CHECK-LABEL: func.func @forward(
// CHECK:         %[[H1:.*]] = call @forward_layer(
// CHECK-NOT:     call
// CHECK:         %[[H2:.*]] = arith.addf %[[H1]]
// CHECK:         return %[[H2]], %[[H1]]
func.func @forward(%tokens: tensor<?x?xi32>) -> (!h, !h) {
  %table = fin.param "embed" : tensor<8x4xf32>
  %h0 = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<8x4xf32>
  %w0 = fin.param "layers.0.w" : tensor<4x4xf32>
  %y0 = fin.linear %h0, %w0 : !h, tensor<4x4xf32>
  %h1 = arith.addf %h0, %y0 : !h
  %w1 = fin.param "layers.1.w" : tensor<4x4xf32>
  %y1 = fin.linear %h1, %w1 : !h, tensor<4x4xf32>
  %h2 = arith.addf %h1, %y1 : !h
  return %h2, %h1 : !h, !h
}
