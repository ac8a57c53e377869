// fin-bind-params: the ABI of compiled code.
// RUN: fingpt-opt %s --fin-bind-params --split-input-file | FileCheck %s

!h = tensor<?x4xf32>

// A layer takes the address of its first slot last, and reads each parameter behind it:
// address, offset 0, static sizes and strides. Nothing says that it may be written.
// CHECK-LABEL: func.func private @layer(
// CHECK-SAME:    %[[H:[^:]+]]: tensor<?x4xf32>, %[[T:[^:]+]]: !llvm.ptr) -> tensor<?x4xf32>
// CHECK:         %[[W:.*]] = llvm.load %[[T]] invariant {alignment = 8 : i64}
// CHECK:         llvm.insertvalue %[[W]], %{{.*}}[0]
// CHECK:         llvm.insertvalue %[[W]], %{{.*}}[1]
// CHECK:         %[[ROWS:.*]] = llvm.mlir.constant(6 : i64)
// CHECK-NEXT:    llvm.insertvalue %[[ROWS]], %{{.*}}[3, 0]
// CHECK-NEXT:    %[[STRIDE:.*]] = llvm.mlir.constant(4 : i64)
// CHECK-NEXT:    llvm.insertvalue %[[STRIDE]], %{{.*}}[4, 0]
// CHECK-NEXT:    %[[BUFFER:.*]] = builtin.unrealized_conversion_cast %{{.*}} to memref<6x4xf32>
// CHECK-NEXT:    %[[UP:.*]] = bufferization.to_tensor %[[BUFFER]] restrict : memref<6x4xf32> to tensor<6x4xf32>
// CHECK:         %[[SECOND:.*]] = llvm.getelementptr %[[T]][1] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
// CHECK-NEXT:    llvm.load %[[SECOND]] invariant
// CHECK:         %[[DOWN:.*]] = bufferization.to_tensor %{{.*}} restrict : memref<4x6xf32> to tensor<4x6xf32>
// CHECK:         fin.linear %[[H]], %[[UP]]
// CHECK:         fin.linear %{{.*}}, %[[DOWN]]
func.func private @layer(%h: !h, %up: tensor<6x4xf32>, %down: tensor<4x6xf32>) -> !h {
  %u = fin.linear %h, %up : !h, tensor<6x4xf32>
  %d = fin.linear %u, %down : tensor<?x6xf32>, tensor<4x6xf32>
  return %d : !h
}

// The table comes first; the slots of a call are consecutive, a parameter that the
// function itself uses stands after them, once. The result becomes a destination that
// may be written; what the caller gave may not.
// CHECK-LABEL: func.func @forward(
// CHECK-SAME:    %[[T:[^:]+]]: !llvm.ptr, %[[X:[^:]+]]: tensor<?x4xf32> {bufferization.writable = false},
// CHECK-SAME:    %[[OUT:[^:]+]]: tensor<?x4xf32> {bufferization.writable = true}) -> tensor<?x4xf32>
// CHECK-SAME:    attributes {fin.params = ["0.up", "0.down", "1.up", "1.down", "norm"]}
// CHECK:         %[[NORM_SLOT:.*]] = llvm.getelementptr %[[T]][4]
// CHECK:         call @layer(%[[X]], %[[T]])
// CHECK:         %[[SLOT:.*]] = llvm.getelementptr %[[T]][2]
// CHECK:         call @layer(%{{.*}}, %[[SLOT]])
// CHECK-NOT:     llvm.load
// CHECK:         %[[Y:.*]] = bufferization.materialize_in_destination %{{.*}} in %[[OUT]]
// CHECK:         return %[[Y]]
func.func @forward(%x: !h) -> !h {
  %up0 = fin.param "0.up" : tensor<6x4xf32>
  %down0 = fin.param "0.down" : tensor<4x6xf32>
  %h0 = call @layer(%x, %up0, %down0) : (!h, tensor<6x4xf32>, tensor<4x6xf32>) -> !h
  %up1 = fin.param "1.up" : tensor<6x4xf32>
  %down1 = fin.param "1.down" : tensor<4x6xf32>
  %h1 = call @layer(%h0, %up1, %down1) : (!h, tensor<6x4xf32>, tensor<4x6xf32>) -> !h
  %g = fin.param "norm" : tensor<4xf32>
  %n = fin.rms_norm %h1, %g {eps = 1.0e-5 : f64} : !h, tensor<4xf32>
  %again = fin.param "norm" : tensor<4xf32>
  %m = fin.rms_norm %n, %again {eps = 1.0e-5 : f64} : !h, tensor<4xf32>
  return %m : !h
}

// -----

// A scalar is a descriptor without sizes.
// CHECK-LABEL: func.func @scalar(
// CHECK:         llvm.mlir.poison : !llvm.struct<(ptr, ptr, i64)>
// CHECK:         builtin.unrealized_conversion_cast %{{.*}} : !llvm.struct<(ptr, ptr, i64)> to memref<f32>
func.func @scalar(%x: tensor<f32>) -> tensor<f32> {
  %w = fin.param "w" : tensor<f32>
  %y = arith.addf %x, %w : tensor<f32>
  return %y : tensor<f32>
}

// -----

!c = tensor<2x2x?x?x4xf32>
!k = tensor<?x?x4xf32>

// The new value of a donated cache, through appends and calls, needs no destination:
// the caller has the buffer.
// CHECK-LABEL: func.func @decode(
// CHECK-SAME:    %{{[^:]+}}: !llvm.ptr, %{{[^:]+}}: tensor<?x?x4xf32> {bufferization.writable = false}, %{{[^:]+}}: tensor<?x?xi32> {bufferization.writable = false},
// CHECK-SAME:    %{{[^:]+}}: tensor<2x2x?x?x4xf32> {bufferization.writable = true}) -> tensor<2x2x?x?x4xf32>
// CHECK-NOT:     bufferization.materialize_in_destination
// CHECK:         return
func.func private @layer(%c: !c, %k: !k, %p: tensor<?x?xi32>) -> !c {
  %zero = arith.constant 0 : index
  %0 = fin.cache_append %c[%zero], %k, %k at %p : !c, !k, !k, tensor<?x?xi32>
  return %0 : !c
}
func.func @decode(%k: !k, %p: tensor<?x?xi32>, %c: !c {bufferization.writable = true}) -> !c {
  %one = arith.constant 1 : index
  %0 = fin.cache_append %c[%one], %k, %k at %p : !c, !k, !k, tensor<?x?xi32>
  %1 = call @layer(%0, %k, %p) : (!c, !k, tensor<?x?xi32>) -> !c
  return %1 : !c
}

// -----

// An argument that is returned but not donated is a result like any other: the caller
// waits for it in its destination.
// CHECK-LABEL: func.func @identity(
// CHECK-SAME:    %{{[^:]+}}: !llvm.ptr, %[[X:[^:]+]]: tensor<?x4xf32> {bufferization.writable = false}, %[[OUT:[^:]+]]: tensor<?x4xf32> {bufferization.writable = true})
// CHECK:         bufferization.materialize_in_destination %[[X]] in %[[OUT]]
func.func @identity(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  return %x : tensor<?x4xf32>
}

// -----

!h = tensor<?x4xf32>

// Destinations stand in the order of the results, and are written in the order in which these are
// defined: a sum may take the buffer of its first term only after that has been copied.
// CHECK-LABEL: func.func @both(
// CHECK-SAME:    %[[SUM:[^:]+]]: tensor<?x4xf32> {bufferization.writable = true}, %[[TERM:[^:]+]]: tensor<?x4xf32> {bufferization.writable = true})
// CHECK:         %[[A:.*]] = fin.silu
// CHECK:         %[[B:.*]] = arith.addf %[[A]]
// CHECK:         %[[FIRST:.*]] = bufferization.materialize_in_destination %[[A]] in %[[TERM]]
// CHECK:         %[[SECOND:.*]] = bufferization.materialize_in_destination %[[B]] in %[[SUM]]
// CHECK:         return %[[SECOND]], %[[FIRST]]
func.func @both(%x: !h) -> (!h, !h) {
  %a = fin.silu %x : !h
  %b = arith.addf %a, %x : !h
  return %b, %a : !h, !h
}

// -----

// @prepare runs on the host: it becomes data, and what it calls becomes public, with
// the table first and the result's destination last.
// CHECK-LABEL: module attributes {fin.prepare = [
// CHECK-SAME:    {function = @prepare_0, key = "prepared/w0", params = ["w0.codes", "w0.scales"]},
// CHECK-SAME:    {function = @prepare_0, key = "prepared/w1", params = ["w1.codes", "w1.scales"]}]}
// CHECK:       func.func @prepare_0(%[[T:[^:]+]]: !llvm.ptr, %[[OUT:[^:]+]]: tensor<4x4xf32> {bufferization.writable = true}) -> tensor<4x4xf32> attributes {fin.prepare}
// CHECK:         fin.unpack %{{.*}} : tensor<4x2xi8> -> tensor<4x4xui4>
// CHECK:         bufferization.materialize_in_destination %{{.*}} in %[[OUT]]
// CHECK-NOT:   @prepare()
func.func private @prepare_0(%b: tensor<4x2xi8>, %s: tensor<4x1xf32>) -> tensor<4x4xf32> attributes {fin.prepare} {
  %q = fin.unpack %b : tensor<4x2xi8> -> tensor<4x4xui4>
  %w = fin.dequantize %q scales %s {group_size = 4 : i64} : (tensor<4x4xui4>, tensor<4x1xf32>) -> tensor<4x4xf32>
  return %w : tensor<4x4xf32>
}
func.func @prepare() {
  %c0 = fin.param "w0.codes" : tensor<4x2xi8>
  %s0 = fin.param "w0.scales" : tensor<4x1xf32>
  %w0 = call @prepare_0(%c0, %s0) : (tensor<4x2xi8>, tensor<4x1xf32>) -> tensor<4x4xf32>
  fin.store %w0, "prepared/w0" : tensor<4x4xf32>
  %c1 = fin.param "w1.codes" : tensor<4x2xi8>
  %s1 = fin.param "w1.scales" : tensor<4x1xf32>
  %w1 = call @prepare_0(%c1, %s1) : (tensor<4x2xi8>, tensor<4x1xf32>) -> tensor<4x4xf32>
  fin.store %w1, "prepared/w1" : tensor<4x4xf32>
  return
}
