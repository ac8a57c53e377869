// fin-approximate-math: arithmetic in place of exp, tanh and erf in f32, so that loops
// vectorize. Everything else keeps its precision.
// RUN: fingpt-opt %s --fin-approximate-math | FileCheck %s

// CHECK-LABEL: func.func @f32
// CHECK-NOT:     math.exp
// CHECK-NOT:     math.tanh
// CHECK-NOT:     math.erf
// CHECK:         return
func.func @f32(%x: f32, %v: vector<8xf32>) -> (f32, f32, f32, vector<8xf32>) {
  %0 = math.exp %x : f32
  %1 = math.tanh %x : f32
  %2 = math.erf %x : f32
  %3 = math.exp %v : vector<8xf32>
  return %0, %1, %2, %3 : f32, f32, f32, vector<8xf32>
}

// The oracle's type is exact.
// CHECK-LABEL: func.func @f64
// CHECK:         math.exp %{{.*}} : f64
// CHECK:         math.tanh %{{.*}} : f64
// CHECK:         math.erf %{{.*}} : f64
func.func @f64(%x: f64) -> (f64, f64, f64) {
  %0 = math.exp %x : f64
  %1 = math.tanh %x : f64
  %2 = math.erf %x : f64
  return %0, %1, %2 : f64, f64, f64
}

// Angles grow with the context; polynomials would lose them.
// CHECK-LABEL: func.func @angles
// CHECK:         math.sin %{{.*}} : f32
// CHECK:         math.cos %{{.*}} : f32
// CHECK:         math.sqrt %{{.*}} : f32
func.func @angles(%x: f32) -> (f32, f32, f32) {
  %0 = math.sin %x : f32
  %1 = math.cos %x : f32
  %2 = math.sqrt %x : f32
  return %0, %1, %2 : f32, f32, f32
}
