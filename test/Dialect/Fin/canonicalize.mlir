// Folds of weight expressions, and what must not fold.
// RUN: fingpt-opt %s --canonicalize --split-input-file | FileCheck %s

!w = tensor<4x8xf32>

// A sum of one term is that term.
// CHECK-LABEL: func.func @sum_of_one
// CHECK-SAME: (%[[A:.*]]: tensor<4x8xf32>)
// CHECK-NEXT: return %[[A]]
func.func @sum_of_one(%a: !w) -> !w {
  %0 = fin.sum %a : !w
  return %0 : !w
}

// Terms are added from the left: a leading sum joins without another rounding.
// CHECK-LABEL: func.func @leading_sum
// CHECK-SAME: (%[[A:.*]]: tensor<4x8xf32>, %[[B:.*]]: tensor<4x8xf32>, %[[C:.*]]: tensor<4x8xf32>)
// CHECK-NEXT: %[[S:.*]] = fin.sum %[[A]], %[[B]], %[[C]], %[[A]] : tensor<4x8xf32>
// CHECK-NEXT: return %[[S]]
func.func @leading_sum(%a: !w, %b: !w, %c: !w) -> !w {
  %0 = fin.sum %a, %b : !w
  %1 = fin.sum %0, %c : !w
  %2 = fin.sum %1, %a : !w
  return %2 : !w
}

// A leading sum that is used twice is computed once.
// CHECK-LABEL: func.func @shared_leading_sum
// CHECK: %[[INNER:.*]] = fin.sum %{{.*}}, %{{.*}} : tensor<4x8xf32>
// CHECK: fin.sum %[[INNER]], %[[INNER]] : tensor<4x8xf32>
func.func @shared_leading_sum(%a: !w, %b: !w) -> !w {
  %0 = fin.sum %a, %b : !w
  %1 = fin.sum %0, %0 : !w
  return %1 : !w
}

// c + (a + b) rounds otherwise than (c + a) + b.
// CHECK-LABEL: func.func @trailing_sum
// CHECK: %[[INNER:.*]] = fin.sum %{{.*}}, %{{.*}} : tensor<4x8xf32>
// CHECK: fin.sum %{{.*}}, %[[INNER]] : tensor<4x8xf32>
func.func @trailing_sum(%a: !w, %b: !w, %c: !w) -> !w {
  %0 = fin.sum %a, %b : !w
  %1 = fin.sum %c, %0 : !w
  return %1 : !w
}

// Terms do not cancel and equal ones are not merged.
// CHECK-LABEL: func.func @equal_terms
// CHECK: fin.sum %[[A:.*]], %[[A]] : tensor<4x8xf32>
func.func @equal_terms(%a: !w) -> !w {
  %0 = fin.sum %a, %a : !w
  return %0 : !w
}

// CHECK-LABEL: func.func @concat_of_one
// CHECK-SAME: (%[[A:.*]]: tensor<4x8xf32>)
// CHECK-NEXT: return %[[A]]
func.func @concat_of_one(%a: !w) -> !w {
  %0 = fin.concat %a along columns : !w
  return %0 : !w
}

// CHECK-LABEL: func.func @concat_of_two
// CHECK: fin.concat
func.func @concat_of_two(%a: !w) -> tensor<8x8xf32> {
  %0 = fin.concat %a, %a along rows : !w, !w
  return %0 : tensor<8x8xf32>
}

// CHECK-LABEL: func.func @transpose_twice
// CHECK-SAME: (%[[A:.*]]: tensor<4x8xf32>)
// CHECK-NEXT: return %[[A]]
func.func @transpose_twice(%a: !w) -> !w {
  %0 = fin.transpose %a : !w
  %1 = fin.transpose %0 : tensor<8x4xf32>
  return %1 : !w
}

// Square, so that types would allow it: one transpose is not the identity.
// CHECK-LABEL: func.func @transpose_once
// CHECK: fin.transpose
func.func @transpose_once(%a: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = fin.transpose %a : tensor<4x4xf32>
  return %0 : tensor<4x4xf32>
}

// H/√n is its own inverse.
// CHECK-LABEL: func.func @hadamard_twice
// CHECK-SAME: (%[[A:.*]]: tensor<4x8xf32>)
// CHECK-NEXT: return %[[A]]
func.func @hadamard_twice(%a: !w) -> !w {
  %0 = fin.hadamard %a {size = 4 : i64} : !w
  %1 = fin.hadamard %0 {size = 4 : i64} : !w
  return %1 : !w
}

// Blocks of one element are the identity, unless signs flip them.
// CHECK-LABEL: func.func @hadamard_of_one
// CHECK-SAME: (%[[A:.*]]: tensor<4x8xf32>, %[[S:.*]]: tensor<8xf32>)
// CHECK-NEXT: %[[FLIPPED:.*]] = fin.hadamard %[[A]] signs %[[S]] {size = 1 : i64}
// CHECK-NEXT: return %[[A]], %[[FLIPPED]]
func.func @hadamard_of_one(%a: !w, %s: tensor<8xf32>) -> (!w, !w) {
  %0 = fin.hadamard %a {size = 1 : i64} : !w
  %1 = fin.hadamard %a signs %s {size = 1 : i64} : !w, tensor<8xf32>
  return %0, %1 : !w, !w
}

// Blocks of other sizes are no inverses.
// CHECK-LABEL: func.func @hadamard_sizes
// CHECK: fin.hadamard %{{.*}} {size = 4 : i64}
// CHECK: fin.hadamard %{{.*}} {size = 8 : i64}
func.func @hadamard_sizes(%a: !w) -> !w {
  %0 = fin.hadamard %a {size = 4 : i64} : !w
  %1 = fin.hadamard %0 {size = 8 : i64} : !w
  return %1 : !w
}

// x·D·H/√n twice is not x: signs, in either place, forbid the fold.
// CHECK-LABEL: func.func @hadamard_signs
// CHECK-COUNT-4: fin.hadamard
// CHECK: return
func.func @hadamard_signs(%a: !w, %s: tensor<8xf32>) -> (!w, !w) {
  %0 = fin.hadamard %a signs %s {size = 4 : i64} : !w, tensor<8xf32>
  %1 = fin.hadamard %0 {size = 4 : i64} : !w
  %2 = fin.hadamard %a {size = 4 : i64} : !w
  %3 = fin.hadamard %2 signs %s {size = 4 : i64} : !w, tensor<8xf32>
  return %1, %3 : !w, !w
}

// What nobody uses goes; a store is an effect and stays.
// CHECK-LABEL: func.func @dead
// CHECK-NEXT: %[[W:.*]] = fin.param "w"
// CHECK-NEXT: fin.store %[[W]], "copy"
// CHECK-NEXT: return
func.func @dead() {
  %0 = fin.param "w" : !w
  %1 = fin.param "unused" : !w
  %2 = fin.sum %0, %1 : !w
  fin.store %0, "copy" : !w
  return
}
