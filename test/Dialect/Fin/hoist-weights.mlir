// fin-hoist-weights: what depends on parameters alone is computed once per load.
// RUN: fingpt-opt %s --fin-hoist-weights --split-input-file | FileCheck %s

// Equal forms share one function, in which codes are bytes; each value has a key of
// its own, named by its tensor. Parameters as they are stored stay.
// CHECK-LABEL: func.func private @prepare_0(
// CHECK-SAME:    %[[BYTES:[^:]+]]: tensor<4x4xi8>, %[[SCALES:[^:]+]]: tensor<4x1xf16>) -> tensor<4x8xf32> attributes {fin.prepare}
// CHECK-NEXT:    %[[CODES:.*]] = fin.unpack %[[BYTES]] : tensor<4x4xi8> -> tensor<4x8xui4>
// CHECK-NEXT:    %[[W:.*]] = fin.dequantize %[[CODES]] scales %[[SCALES]]
// CHECK-NEXT:    return %[[W]]
// CHECK-LABEL: func.func @forward
// CHECK:         %[[W0:.*]] = fin.param "prepared/layers.0.w" : tensor<4x8xf32>
// CHECK-NEXT:    fin.linear %{{.*}}, %[[W0]]
// CHECK-NEXT:    %[[BACK:.*]] = fin.param "back" : tensor<8x4xf32>
// CHECK-NEXT:    fin.linear %{{.*}}, %[[BACK]]
// CHECK-NEXT:    %[[W1:.*]] = fin.param "prepared/layers.1.w" : tensor<4x8xf32>
// CHECK-NEXT:    fin.linear %{{.*}}, %[[W1]]
// CHECK-NEXT:    return
// CHECK-LABEL: func.func @prepare()
// CHECK-DAG:     %[[C0:.*]] = fin.param "layers.0.w.codes" : tensor<4x4xi8>
// CHECK-DAG:     %[[S0:.*]] = fin.param "layers.0.w.scales" : tensor<4x1xf16>
// CHECK:         %[[R0:.*]] = call @prepare_0(%[[C0]], %[[S0]])
// CHECK-NEXT:    fin.store %[[R0]], "prepared/layers.0.w" : tensor<4x8xf32>
// CHECK-DAG:     %[[C1:.*]] = fin.param "layers.1.w.codes" : tensor<4x4xi8>
// CHECK-DAG:     %[[S1:.*]] = fin.param "layers.1.w.scales" : tensor<4x1xf16>
// CHECK:         %[[R1:.*]] = call @prepare_0(%[[C1]], %[[S1]])
// CHECK-NEXT:    fin.store %[[R1]], "prepared/layers.1.w" : tensor<4x8xf32>
// CHECK-NEXT:    return
func.func @forward(%x: tensor<?x8xf32>) -> tensor<?x4xf32> {
  %c0 = fin.param "layers.0.w.codes" : tensor<4x8xui4>
  %s0 = fin.param "layers.0.w.scales" : tensor<4x1xf16>
  %w0 = fin.dequantize %c0 scales %s0 {group_size = 8 : i64}
      : (tensor<4x8xui4>, tensor<4x1xf16>) -> tensor<4x8xf32>
  %y0 = fin.linear %x, %w0 : tensor<?x8xf32>, tensor<4x8xf32>
  %back = fin.param "back" : tensor<8x4xf32>
  %x1 = fin.linear %y0, %back : tensor<?x4xf32>, tensor<8x4xf32>
  %c1 = fin.param "layers.1.w.codes" : tensor<4x8xui4>
  %s1 = fin.param "layers.1.w.scales" : tensor<4x1xf16>
  %w1 = fin.dequantize %c1 scales %s1 {group_size = 8 : i64}
      : (tensor<4x8xui4>, tensor<4x1xf16>) -> tensor<4x8xf32>
  %y1 = fin.linear %x1, %w1 : tensor<?x8xf32>, tensor<4x8xf32>
  return %y1 : tensor<?x4xf32>
}

// -----

// One expression in two functions is computed once; upstream ops on parameters are
// hoisted like those of fin.
// CHECK-LABEL: func.func private @prepare_0(%{{.*}}: tensor<4x4xf16>) -> tensor<4x4xf32>
// CHECK-NEXT:    arith.extf
// CHECK-NOT:   @prepare_1
// CHECK-LABEL: func.func @prefill
// CHECK:         fin.param "prepared/w" : tensor<4x4xf32>
// CHECK-LABEL: func.func @decode
// CHECK:         fin.param "prepared/w" : tensor<4x4xf32>
// CHECK-LABEL: func.func @prepare()
// CHECK-COUNT-1: fin.store
// CHECK-NOT:     fin.store
func.func @prefill(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %w = fin.param "w" : tensor<4x4xf16>
  %wide = arith.extf %w : tensor<4x4xf16> to tensor<4x4xf32>
  %y = fin.linear %x, %wide : tensor<?x4xf32>, tensor<4x4xf32>
  return %y : tensor<?x4xf32>
}
func.func @decode(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %w = fin.param "w" : tensor<4x4xf16>
  %wide = arith.extf %w : tensor<4x4xf16> to tensor<4x4xf32>
  %y = fin.linear %x, %wide : tensor<?x4xf32>, tensor<4x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// Two forms of one tensor have two keys, numbered; one that the file holds already is
// not taken. Constants count as static and are part of the form.
// CHECK-LABEL: func.func private @prepare_1(
// CHECK-NEXT:    %[[C:.*]] = arith.constant dense<[1, 0]> : tensor<2xi32>
// CHECK-NEXT:    fin.permute %{{.*}} along rows by %[[C]]
// CHECK-LABEL: func.func private @prepare_0(
// CHECK:         fin.transpose
// CHECK-LABEL: func.func @forward
// CHECK:         fin.param "prepared/w#2" : tensor<2x2xf32>
// CHECK:         fin.param "prepared/w#3" : tensor<2x2xf32>
// CHECK:         fin.param "prepared/w" : tensor<2x2xf32>
func.func @forward(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %w = fin.param "w" : tensor<2x2xf32>
  %t = fin.transpose %w : tensor<2x2xf32>
  %y = fin.linear %x, %t : tensor<?x2xf32>, tensor<2x2xf32>
  %p = arith.constant dense<[1, 0]> : tensor<2xi32>
  %r = fin.permute %w along rows by %p : tensor<2x2xf32>, tensor<2xi32>
  %z = fin.linear %y, %r : tensor<?x2xf32>, tensor<2x2xf32>
  %taken = fin.param "prepared/w" : tensor<2x2xf32>
  %v = fin.linear %z, %taken : tensor<?x2xf32>, tensor<2x2xf32>
  return %v : tensor<?x2xf32>
}

// -----

// A weight that is used as it is and in another expression: both are made of what is
// stored, so that the steps of @prepare depend on nothing of each other.
// CHECK-LABEL: func.func private @prepare_1(
// CHECK-SAME:    %{{.*}}: tensor<8x2xi8>, %{{.*}}: tensor<8x1xf16>, %{{.*}}: tensor<4xf32>)
// CHECK:         fin.dequantize
// CHECK:         fin.scale
// CHECK-LABEL: func.func @forward
// CHECK:         %[[TABLE:.*]] = fin.param "prepared/embed" : tensor<8x4xf32>
// CHECK:         fin.embedding %{{.*}}, %[[TABLE]]
// CHECK:         %[[HEAD:.*]] = fin.param "prepared/embed#2" : tensor<8x4xf32>
// CHECK:         fin.linear %{{.*}}, %[[HEAD]]
// CHECK-LABEL: func.func @prepare()
// CHECK-NOT:     fin.param "prepared/
// CHECK:         return
func.func @forward(%t: tensor<?x?xi32>) -> tensor<?x?x8xf32> {
  %c = fin.param "embed.codes" : tensor<8x4xui4>
  %s = fin.param "embed.scales" : tensor<8x1xf16>
  %w = fin.dequantize %c scales %s {group_size = 4 : i64}
     : (tensor<8x4xui4>, tensor<8x1xf16>) -> tensor<8x4xf32>
  %e = fin.embedding %t, %w : tensor<?x?xi32>, tensor<8x4xf32>
  %f = fin.param "norm" : tensor<4xf32>
  %h = fin.scale %w along columns by %f : tensor<8x4xf32>, tensor<4xf32>
  %y = fin.linear %e, %h : tensor<?x?x4xf32>, tensor<8x4xf32>
  return %y : tensor<?x?x8xf32>
}

// -----

// What depends on an argument, on nothing but constants, or is a plain parameter stays:
// there is nothing to prepare.
// CHECK-LABEL: func.func @dynamic
// CHECK:         arith.constant
// CHECK:         arith.negf
// CHECK:         fin.param "w"
// CHECK:         fin.scale
// CHECK-NOT:   @prepare
func.func @dynamic(%x: tensor<?x2xf32>, %f: tensor<2xf32>) -> (tensor<?x2xf32>, tensor<2xf32>) {
  %c = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %n = arith.negf %c : tensor<2xf32>
  %w = fin.param "w" : tensor<2x2xf32>
  %s = fin.scale %w along rows by %f : tensor<2x2xf32>, tensor<2xf32>
  %y = fin.linear %x, %s : tensor<?x2xf32>, tensor<2x2xf32>
  return %y, %n : tensor<?x2xf32>, tensor<2xf32>
}

// -----

// Expressions that differ in a constant are two forms.
// CHECK-LABEL: func.func private @prepare_1
// CHECK:         dense<[0.000000e+00, 1.000000e+00, 2.000000e+00, 5.000000e+00]>
// CHECK-LABEL: func.func private @prepare_0
// CHECK:         dense<[0.000000e+00, 1.000000e+00, 2.000000e+00, 3.000000e+00]>
func.func @forward(%x: tensor<?x?x4xf32>) -> tensor<?x?x2xf32> {
  %c0 = fin.param "layers.0.w.codes" : tensor<2x4xui2>
  %b0 = arith.constant dense<[0.0, 1.0, 2.0, 3.0]> : tensor<4xf32>
  %w0 = fin.lookup %c0, %b0 : (tensor<2x4xui2>, tensor<4xf32>) -> tensor<2x4xf32>
  %y0 = fin.linear %x, %w0 : tensor<?x?x4xf32>, tensor<2x4xf32>
  %c1 = fin.param "layers.1.w.codes" : tensor<2x4xui2>
  %b1 = arith.constant dense<[0.0, 1.0, 2.0, 5.0]> : tensor<4xf32>
  %w1 = fin.lookup %c1, %b1 : (tensor<2x4xui2>, tensor<4xf32>) -> tensor<2x4xf32>
  %y1 = fin.linear %x, %w1 : tensor<?x?x4xf32>, tensor<2x4xf32>
  %y = arith.addf %y0, %y1 : tensor<?x?x2xf32>
  return %y : tensor<?x?x2xf32>
}
