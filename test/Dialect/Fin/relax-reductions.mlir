// fin-relax-reductions: sums of static extent may be reassociated, sums over the
// context may not.
// RUN: fingpt-opt %s --fin-decompose --fin-relax-reductions --split-input-file | FileCheck %s

// A width is static: LLVM may sum in lanes.
// CHECK-LABEL: func.func @linear
// CHECK:         %[[P:.*]] = arith.mulf %{{.*}}, %{{.*}} fastmath<contract> : f32
// CHECK:         arith.addf %{{.*}}, %[[P]] fastmath<reassoc,contract> : f32
func.func @linear(%x: tensor<?x4xf32>, %w: tensor<6x4xf32>) -> tensor<?x6xf32> {
  %0 = fin.linear %x, %w : tensor<?x4xf32>, tensor<6x4xf32>
  return %0 : tensor<?x6xf32>
}

// -----

// CHECK-LABEL: func.func @dynamic_width
// CHECK-NOT:     fastmath
// CHECK:         return
func.func @dynamic_width(%x: tensor<2x?xf32>, %w: tensor<6x?xf32>) -> tensor<2x6xf32> {
  %0 = fin.linear %x, %w : tensor<2x?xf32>, tensor<6x?xf32>
  return %0 : tensor<2x6xf32>
}

// -----

// The dot products of queries and keys run over a head; softmax and the values run
// over the context, whose length must not change a row.
// CHECK-LABEL: func.func @attention
// CHECK:         arith.addf %{{.*}}, %{{.*}} fastmath<reassoc,contract> : f32
// CHECK:         math.exp
// CHECK-NOT:     fastmath
// CHECK:         return
func.func @attention(%q: tensor<?x?x8xf32>, %k: tensor<?x?x4xf32>, %p: tensor<?x?xi32>)
    -> tensor<?x?x8xf32> {
  %0 = fin.attention %q at %p, %k, %k {heads = 2 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
     : (tensor<?x?x8xf32>, tensor<?x?xi32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x8xf32>
  return %0 : tensor<?x?x8xf32>
}

// -----

// The sums of a norm are marked, what follows them is not; neither are maxima.
// CHECK-LABEL: func.func @norm
// CHECK:         arith.addf %{{.*}}, %{{.*}} fastmath<reassoc,contract> : f32
// CHECK:         arith.addf %{{.*}}, %{{.*}} : f32
// CHECK:         math.sqrt
// CHECK-NOT:     fastmath
// CHECK:         arith.maximumf
// CHECK-NOT:     fastmath
// CHECK:         math.exp
// CHECK:         arith.addf %{{.*}}, %{{.*}} fastmath<reassoc,contract> : f32
func.func @norm(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %0 = fin.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x8xf32>
  %1 = fin.softmax %0 : tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}
