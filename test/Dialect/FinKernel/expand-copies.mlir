// fin-expand-copies: copies become loops, so that no support library is called.
// RUN: fingpt-opt %s --fin-expand-copies | FileCheck %s --implicit-check-not=memref.copy
// RUN: fingpt-opt %s --fin-expand-copies --convert-linalg-to-loops | FileCheck %s --check-prefix=LOOPS

// CHECK-LABEL: func.func @strided(
// CHECK-SAME:    %[[FROM:[^:]+]]: memref<?x4xf32, strided<[8, 1], offset: ?>>, %[[TO:[^:]+]]: memref<?x4xf32>)
// CHECK:         linalg.copy ins(%[[FROM]] : {{.*}}) outs(%[[TO]] : memref<?x4xf32>)

// LOOPS-LABEL: func.func @strided
// LOOPS:         scf.for
// LOOPS:           scf.for
// LOOPS:             memref.load
// LOOPS:             memref.store
func.func @strided(%from: memref<?x4xf32, strided<[8, 1], offset: ?>>, %to: memref<?x4xf32>) {
  memref.copy %from, %to : memref<?x4xf32, strided<[8, 1], offset: ?>> to memref<?x4xf32>
  return
}

// In loops, and of integers, too.
// CHECK-LABEL: func.func @nested
// CHECK:         scf.for
// CHECK:           linalg.copy
func.func @nested(%from: memref<4xi32>, %to: memref<4xi32>, %n: index) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  scf.for %i = %zero to %n step %one {
    memref.copy %from, %to : memref<4xi32> to memref<4xi32>
  }
  return
}
