// The cache of a model is updated in place: decoding allocates nothing of its type,
// copies nothing of its size, and no buffer leaves a function. Both with kernels and by
// the definitions.
// RUN: fingpt-opt %S/Inputs/two-layers.mlir --fin-jit-graph --fin-jit-bufferize | FileCheck %s \
// RUN:   --implicit-check-not='{{memref.alloc.*memref<2x2x}}' \
// RUN:   --implicit-check-not='{{copy.*memref<(2x2x|1x1x\?|\?x\?x4xf32)}}' \
// RUN:   --implicit-check-not='{{return %.*memref}}'
// RUN: fingpt-opt %S/Inputs/two-layers.mlir --fin-jit-graph --fin-jit-bufferize=reference=true | FileCheck %s \
// RUN:   --implicit-check-not='{{memref.alloc.*memref<2x2x}}' \
// RUN:   --implicit-check-not='{{copy.*memref<(2x2x|1x1x\?|\?x\?x4xf32)}}' \
// RUN:   --implicit-check-not='{{return %.*memref}}'

// One function serves both layers of both entries. It takes the whole cache and the
// number of the layer: a view as operand would be copied in and out. It returns nothing.
// CHECK-LABEL: func.func private @prefill_layer(
// CHECK-SAME:    %{{[^:]+}}: memref<?x?x8xf32>, %{{[^:]+}}: memref<?x?xi32>, %[[CACHE:[^:]+]]: memref<2x2x?x?x4xf32>, %[[L:[^:]+]]: index, %{{[^:]+}}: !llvm.ptr) {
// A row of keys and one of values are copied per token, into the cache itself.
// CHECK:         %[[K:.*]] = memref.subview %[[CACHE]][%[[L]], 0,
// CHECK:         linalg.copy ins(%{{[^ ]+}} : memref<1x1x4xf32, {{.*}}) outs(%[[K]] : memref<1x1x4xf32
// CHECK:         %[[V:.*]] = memref.subview %[[CACHE]][%[[L]], 1,
// CHECK:         linalg.copy ins(%{{[^ ]+}} : memref<1x1x4xf32, {{.*}}) outs(%[[V]] : memref<1x1x4xf32
// Attention reads views of it.
// CHECK:         memref.subview %[[CACHE]][%[[L]], 0, 0, 0, 0]
// CHECK:         memref.subview %[[CACHE]][%[[L]], 1, 0, 0, 0]
// CHECK:         return{{$}}

// The caller's cache goes through unchanged.
// CHECK-LABEL: func.func @decode(
// CHECK-SAME:    %{{[^:]+}}: !llvm.ptr, %{{[^:]+}}: memref<?x?xi32>, %[[P:[^:]+]]: memref<?x?xi32>, %[[CACHE:[^:]+]]: memref<2x2x?x?x4xf32>, %{{[^:]+}}: memref<?x?x10xf32>) attributes
// CHECK-NOT:     scf.for
// CHECK:         %[[H:.*]] = memref.alloc{{.*}} : memref<?x?x8xf32>
// CHECK:         call @prefill_layer(%[[H]], %[[P]], %[[CACHE]], %c0, %{{[^ ]+}})
// CHECK:         call @prefill_layer(%[[H]], %[[P]], %[[CACHE]], %c1, %{{[^ ]+}})
// CHECK:         return{{$}}
