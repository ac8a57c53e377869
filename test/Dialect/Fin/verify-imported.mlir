// fin-verify-imported: what every importer promises.
// RUN: fingpt-opt %s --fin-verify-imported --split-input-file --verify-diagnostics

// Kept promises: upstream ops on tensors may stand beside those of fin.
#model = #fin.model<arch = "llama", context_length = 8, vocab_size = 4, layers = 1>
module attributes {fin.model = #model} {
  func.func @forward(%t: tensor<?x?xi32>, %l: tensor<?xi32>) -> tensor<?x?x4xf32> {
    %w = fin.param "w" : tensor<4x4xf32>
    %again = fin.param "w" : tensor<4x4xf32>
    %s = arith.addf %w, %again : tensor<4x4xf32>
    %e = fin.embedding %t, %s : tensor<?x?xi32>, tensor<4x4xf32>
    %x = math.exp %e : tensor<?x?x4xf32>
    return %x : tensor<?x?x4xf32>
  }
}

// -----

// expected-error @+1 {{an imported module needs the attribute fin.model}}
module {}

// -----

// expected-error @+1 {{an imported module needs the attribute fin.model}}
module attributes {fin.model = "llama"} {}

// -----

#model = #fin.model<arch = "llama", context_length = 8, vocab_size = 4, layers = 1>
// expected-error @+1 {{an imported module needs a public function @forward}}
module attributes {fin.model = #model} {}

// -----

#model = #fin.model<arch = "llama", context_length = 8, vocab_size = 4, layers = 1>
// expected-error @+1 {{an imported module needs a public function @forward}}
module attributes {fin.model = #model} {
  func.func private @forward(%t: tensor<?x?xi32>) { return }
}

// -----

#model = #fin.model<arch = "llama", context_length = 8, vocab_size = 4, layers = 1>
module attributes {fin.model = #model} {
  // expected-error @+1 {{the first argument of @forward must be tokens, tensor<?x?xi32>}}
  func.func @forward() { return }
}

// -----

#model = #fin.model<arch = "llama", context_length = 8, vocab_size = 4, layers = 1>
module attributes {fin.model = #model} {
  // expected-error @+1 {{the first argument of @forward must be tokens, tensor<?x?xi32>}}
  func.func @forward(%t: tensor<?x?xi64>) { return }
}

// -----

#model = #fin.model<arch = "llama", context_length = 8, vocab_size = 4, layers = 1>
module attributes {fin.model = #model} {
  // expected-error @+1 {{@forward must return one float tensor [batch, tokens, width] of static width}}
  func.func @forward(%t: tensor<?x?xi32>) { return }
}

// -----

#model = #fin.model<arch = "llama", context_length = 8, vocab_size = 4, layers = 1>
module attributes {fin.model = #model} {
  // expected-error @+1 {{@forward must return one float tensor [batch, tokens, width] of static width}}
  func.func @forward(%t: tensor<?x?xi32>, %x: tensor<?x?x?xf32>) -> tensor<?x?x?xf32> {
    return %x : tensor<?x?x?xf32>
  }
}

// -----

#model = #fin.model<arch = "llama", context_length = 8, vocab_size = 4, layers = 1>
module attributes {fin.model = #model} {
  // expected-error @+1 {{@forward must return one float tensor}}
  func.func @forward(%t: tensor<?x?xi32>, %x: tensor<?x?x4xi32>) -> tensor<?x?x4xi32> {
    return %x : tensor<?x?x4xi32>
  }
}

// -----

#model = #fin.model<arch = "llama", context_length = 8, vocab_size = 4, layers = 1>
module attributes {fin.model = #model} {
  func.func @forward(%t: tensor<?x?xi32>, %x: tensor<?x?x4xf32>) -> tensor<?x?x4xf32> {
    // expected-error @+1 {{may not stand in an imported graph: expected an op of fin, arith, math, tensor, linalg or func}}
    %m = memref.alloc() : memref<4xf32>
    return %x : tensor<?x?x4xf32>
  }
}

// -----

#model = #fin.model<arch = "llama", context_length = 8, vocab_size = 4, layers = 1>
module attributes {fin.model = #model} {
  func.func @forward(%t: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %w = fin.param "w" : tensor<4x4xf32>
    %e = fin.embedding %t, %w : tensor<?x?xi32>, tensor<4x4xf32>
    // expected-error @+1 {{'fin.param' op key "w" has type 'tensor<4x4xf16>' here and 'tensor<4x4xf32>' elsewhere}}
    %other = fin.param "w" : tensor<4x4xf16>
    return %e : tensor<?x?x4xf32>
  }
}

// -----

#model = #fin.model<arch = "llama", context_length = 8, vocab_size = 4, layers = 1>
module attributes {fin.model = #model} {
  // expected-error @+1 {{@forward must return one tensor and taps: result 2 has no attribute fin.tap}}
  func.func @forward(%t: tensor<?x?xi32>, %x: tensor<?x?x4xf32>)
      -> (tensor<?x?x4xf32>, tensor<?x?x4xf32> {fin.tap = ["w"]}, tensor<?x?x4xf32>) {
    return %x, %x, %x : tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>
  }
}

// -----

// What fin-observe returns is no mistake.
#model = #fin.model<arch = "llama", context_length = 8, vocab_size = 4, layers = 1>
module attributes {fin.model = #model} {
  func.func @forward(%t: tensor<?x?xi32>, %x: tensor<?x?x4xf32>)
      -> (tensor<?x?x4xf32>, tensor<?x?x4xf32> {fin.tap = ["w"]}) {
    return %x, %x : tensor<?x?x4xf32>, tensor<?x?x4xf32>
  }
}
