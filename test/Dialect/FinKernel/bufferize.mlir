// A kernel writes the buffer of its destination, whatever stood there: nothing is
// allocated for a result that has a place, nothing is copied.
// RUN: fingpt-opt %s --eliminate-empty-tensors --one-shot-bufferize="bufferize-function-boundaries function-boundary-type-conversion=identity-layout-map" --canonicalize --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @in_place(
// CHECK-SAME:    %[[X:[^:]+]]: memref<?x4xf32>, %[[W:[^:]+]]: memref<6x4xf32>, %[[OUT:[^:]+]]: memref<?x6xf32>)
// CHECK-NOT:     memref.alloc
// CHECK-NOT:     memref.copy
// CHECK:         fin_kernel.linear ins(%[[X]], %[[W]] : memref<?x4xf32>, memref<6x4xf32>) outs(%[[OUT]] : memref<?x6xf32>){{$}}
// CHECK-NOT:     memref.copy
// CHECK:         return %[[OUT]]
func.func @in_place(%x: tensor<?x4xf32> {bufferization.writable = false},
                    %w: tensor<6x4xf32> {bufferization.writable = false},
                    %out: tensor<?x6xf32> {bufferization.writable = true}) -> tensor<?x6xf32> {
  %zero = arith.constant 0 : index
  %n = tensor.dim %x, %zero : tensor<?x4xf32>
  %e = tensor.empty(%n) : tensor<?x6xf32>
  %y = fin_kernel.linear ins(%x, %w : tensor<?x4xf32>, tensor<6x4xf32>) outs(%e : tensor<?x6xf32>) -> tensor<?x6xf32>
  %r = bufferization.materialize_in_destination %y in %out : (tensor<?x6xf32>, tensor<?x6xf32>) -> tensor<?x6xf32>
  return %r : tensor<?x6xf32>
}

// -----

// The old content of the destination is not read by the kernel: what was read of it
// before needs no copy.
// CHECK-LABEL: func.func @overwrites(
// CHECK-NOT:     memref.alloc
// CHECK-NOT:     memref.copy
// CHECK:         return
func.func @overwrites(%x: tensor<4x4xf32> {bufferization.writable = false},
                      %w: tensor<4x4xf32> {bufferization.writable = false},
                      %out: tensor<4x4xf32> {bufferization.writable = true}) -> (f32, tensor<4x4xf32>) {
  %zero = arith.constant 0 : index
  %before = tensor.extract %out[%zero, %zero] : tensor<4x4xf32>
  %y = fin_kernel.linear ins(%x, %w : tensor<4x4xf32>, tensor<4x4xf32>) outs(%out : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %before, %y : f32, tensor<4x4xf32>
}

// -----

// What the caller keeps is not overwritten.
// CHECK-LABEL: func.func @read_only(
// CHECK-SAME:    %[[X:[^:]+]]: memref<4x4xf32>, %[[KEPT:[^:]+]]: memref<4x4xf32>)
// CHECK:         %[[NEW:.*]] = memref.alloc
// CHECK:         fin_kernel.linear ins(%[[X]], %[[X]] : {{.*}}) outs(%[[NEW]] : memref<4x4xf32>)
func.func @read_only(%x: tensor<4x4xf32> {bufferization.writable = false},
                     %kept: tensor<4x4xf32> {bufferization.writable = false}) -> tensor<4x4xf32> {
  %y = fin_kernel.linear ins(%x, %x : tensor<4x4xf32>, tensor<4x4xf32>) outs(%kept : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %y : tensor<4x4xf32>
}

// -----

// An input that is also the destination would change while it is read.
// CHECK-LABEL: func.func @own_input(
// CHECK-SAME:    %[[X:[^:]+]]: memref<4x4xf32>, %[[W:[^:]+]]: memref<4x4xf32>)
// CHECK:         %[[NEW:.*]] = memref.alloc
// CHECK:         fin_kernel.linear ins(%[[X]], %[[W]] : {{.*}}) outs(%[[NEW]] : memref<4x4xf32>)
func.func @own_input(%x: tensor<4x4xf32> {bufferization.writable = true},
                     %w: tensor<4x4xf32> {bufferization.writable = false}) -> tensor<4x4xf32> {
  %y = fin_kernel.linear ins(%x, %w : tensor<4x4xf32>, tensor<4x4xf32>) outs(%x : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %y : tensor<4x4xf32>
}

// -----

// Keys and values are views of the cache: strided, not copied.
// CHECK-LABEL: func.func @cache_views(
// CHECK-SAME:    %[[CACHE:[^:]+]]: memref<2x2x?x?x4xf32>
// CHECK-NOT:     memref.alloc
// CHECK-NOT:     memref.copy
// CHECK:         %[[K:.*]] = memref.subview %[[CACHE]][0, 0, 0, 0, 0]
// CHECK:         %[[V:.*]] = memref.subview %[[CACHE]][0, 1, 0, 0, 0]
// CHECK-NOT:     memref.copy
// CHECK:         fin_kernel.attention %{{.*}}, %[[K]], %[[V]] at %{{.*}} outs
func.func @cache_views(%c: tensor<2x2x?x?x4xf32> {bufferization.writable = false},
                       %q: tensor<?x?x8xf32> {bufferization.writable = false},
                       %p: tensor<?x?xi32> {bufferization.writable = false}, %b: index, %s: index,
                       %out: tensor<?x?x8xf32> {bufferization.writable = true}) -> tensor<?x?x8xf32> {
  %k = tensor.extract_slice %c[0, 0, 0, 0, 0] [1, 1, %b, %s, 4] [1, 1, 1, 1, 1] : tensor<2x2x?x?x4xf32> to tensor<?x?x4xf32>
  %v = tensor.extract_slice %c[0, 1, 0, 0, 0] [1, 1, %b, %s, 4] [1, 1, 1, 1, 1] : tensor<2x2x?x?x4xf32> to tensor<?x?x4xf32>
  %a = fin_kernel.attention %q, %k, %v at %p outs(%out) {heads = 2 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
     : (tensor<?x?x8xf32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<?x?xi32>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return %a : tensor<?x?x8xf32>
}
