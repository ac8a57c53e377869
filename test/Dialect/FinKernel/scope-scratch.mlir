// fin-scope-scratch: functions that allocate bracket their scratch by marks of the
// arena; those that do not stay as they are.
// RUN: fingpt-opt %s --fin-scope-scratch --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-DAG:   func.func private @fingpt_arena_mark() -> i64
// CHECK-DAG:   func.func private @fingpt_arena_release(i64)
// CHECK-LABEL: func.func @scratch
// CHECK-NEXT:    %[[MARK:.*]] = call @fingpt_arena_mark() : () -> i64
// CHECK:         memref.alloc
// CHECK:         memref.alloc
// CHECK:         call @fingpt_arena_release(%[[MARK]]) : (i64) -> ()
// CHECK-NEXT:    return
// CHECK-LABEL: func.func @none
// CHECK-NEXT:    return
func.func @scratch(%n: index) {
  %a = memref.alloc(%n) : memref<?xf32>
  %b = memref.alloc(%n) : memref<?xf32>
  return
}
func.func @none(%x: memref<?xf32>) {
  return
}

// -----

// Every way out releases; functions share the declarations.
// CHECK-COUNT-2: func.func private @fingpt_arena_
// CHECK-NOT:   func.func private
// CHECK:       func.func @branches
// CHECK:         %[[MARK:.*]] = call @fingpt_arena_mark
// CHECK:         call @fingpt_arena_release(%[[MARK]])
// CHECK-NEXT:    return
// CHECK:         call @fingpt_arena_release(%[[MARK]])
// CHECK-NEXT:    return
// CHECK:       func.func @other
// CHECK:         call @fingpt_arena_mark
func.func @branches(%c: i1) {
  %a = memref.alloc() : memref<4xf32>
  cf.cond_br %c, ^one, ^two
^one:
  return
^two:
  return
}
func.func @other() {
  %a = memref.alloc() : memref<4xf32>
  return
}

// -----

// A buffer that goes out would be released under its reader.
// expected-error @+1 {{'fin-scope-scratch': returns a buffer that may be scratch}}
func.func @escapes() -> memref<4xf32> {
  %a = memref.alloc() : memref<4xf32>
  return %a : memref<4xf32>
}

// -----

// The arena would grow with the trip count.
func.func @loop(%n: index) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  scf.for %i = %zero to %n step %one {
    // expected-error @+1 {{allocates scratch inside a loop}}
    %a = memref.alloc() : memref<4xf32>
  }
  return
}
