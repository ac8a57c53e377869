// fin-drop-returned-arguments: a buffer that came in does not go out again.
// RUN: fingpt-opt %s --fin-drop-returned-arguments --split-input-file | FileCheck %s

!c = memref<4xf32>

// The users of a call's result take the operand; other results stay, in order.
// CHECK-LABEL: func.func private @layer(
// CHECK-SAME:    %{{[^:]+}}: memref<4xf32>, %{{[^:]+}}: memref<4xf32>, %[[N:[^:]+]]: index) -> index
// CHECK-NEXT:    return %[[N]] : index
func.func private @layer(%x: !c, %c: !c, %n: index) -> (!c, index, !c) {
  return %c, %n, %x : !c, index, !c
}

// A caller that returns a callee's argument loses its result as well.
// CHECK-LABEL: func.func @decode(
// CHECK-SAME:    %[[X:[^:]+]]: memref<4xf32>, %[[C:[^:]+]]: memref<4xf32>, %[[N:[^:]+]]: index) -> index
// CHECK-NEXT:    %[[FIRST:.*]] = call @layer(%[[X]], %[[C]], %[[N]]) : (memref<4xf32>, memref<4xf32>, index) -> index
// CHECK-NEXT:    %[[SECOND:.*]] = call @layer(%[[X]], %[[C]], %[[FIRST]])
// CHECK-NEXT:    return %[[SECOND]] : index
func.func @decode(%x: !c, %c: !c, %n: index) -> (!c, index) {
  %c1, %n1, %x1 = call @layer(%x, %c, %n) : (!c, !c, index) -> (!c, index, !c)
  %c2, %n2, %x2 = call @layer(%x1, %c1, %n1) : (!c, !c, index) -> (!c, index, !c)
  return %c2, %n2 : !c, index
}

// -----

// Buffers made inside, and scalars, go out; declarations are left alone.
// CHECK-LABEL: func.func @made(
// CHECK-SAME:    -> (memref<4xf32>, index)
// CHECK:         return %{{.*}}, %{{.*}} : memref<4xf32>, index
// CHECK:       func.func private @declared(memref<4xf32>) -> memref<4xf32>
func.func @made(%n: index) -> (memref<4xf32>, index) {
  %a = memref.alloc() : memref<4xf32>
  return %a, %n : memref<4xf32>, index
}
func.func private @declared(memref<4xf32>) -> memref<4xf32>
