// What fin-bind-params refuses.
// RUN: fingpt-opt %s --fin-bind-params --split-input-file --verify-diagnostics

// One table cannot serve two layouts of one function.
func.func private @f(%x: tensor<4xf32>, %w: tensor<4xf32>) -> tensor<4xf32> {
  %y = arith.addf %x, %w : tensor<4xf32>
  return %y : tensor<4xf32>
}
func.func @forward(%x: tensor<4xf32>) -> tensor<4xf32> {
  %w = fin.param "w" : tensor<4xf32>
  %0 = call @f(%x, %w) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  // expected-error @+1 {{passes other parameters than an earlier call of the same function}}
  %1 = call @f(%0, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// -----

func.func @prepare() {
  %w = fin.param "w" : tensor<4xf32>
  // expected-error @+1 {{'fin.store' op must store the result of a call}}
  fin.store %w, "prepared/w" : tensor<4xf32>
  return
}

// -----

func.func private @prepare_0(%w: tensor<4xf32>) -> tensor<4xf32> attributes {fin.prepare} {
  return %w : tensor<4xf32>
}
func.func @prepare() {
  %w = arith.constant dense<1.0> : tensor<4xf32>
  // expected-error @+1 {{must take parameters only}}
  %0 = call @prepare_0(%w) : (tensor<4xf32>) -> tensor<4xf32>
  fin.store %0, "prepared/w" : tensor<4xf32>
  return
}
