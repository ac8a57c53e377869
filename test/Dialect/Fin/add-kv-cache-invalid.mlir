// What fin-add-kv-cache refuses.
// RUN: fingpt-opt %s --fin-add-kv-cache --split-input-file --verify-diagnostics

// expected-error @+1 {{'fin-add-kv-cache': needs a function @forward}}
module {}

// -----

// A declaration has no body to clone.
// expected-error @+1 {{'fin-add-kv-cache': needs a function @forward}}
module {
  func.func private @forward(tensor<?x?xi32>) -> tensor<?x?x4xf32>
}

// -----

// expected-error @+1 {{'fin-add-kv-cache': the module already has @decode}}
module {
  func.func @forward(%t: tensor<?x?xi32>) { return }
  func.func @decode() { return }
}

// -----

// expected-error @+1 {{'fin-add-kv-cache': the module already has @prefill}}
module {
  func.func @forward(%t: tensor<?x?xi32>) { return }
  func.func @prefill() { return }
}

// -----

// expected-error @+1 {{'fin-add-kv-cache': @forward must be (tokens) -> logits [batch, tokens, width]}}
func.func @forward(%t: tensor<?xi32>) -> tensor<?xi32> {
  return %t : tensor<?xi32>
}

// -----

// Encoders with token types have no cache.
// expected-error @+1 {{'fin-add-kv-cache': @forward must be (tokens) -> logits [batch, tokens, width]}}
func.func @forward(%t: tensor<?x?xi32>, %types: tensor<?x?xi32>, %x: tensor<?x?x4xf32>) -> tensor<?x?x4xf32> {
  return %x : tensor<?x?x4xf32>
}

// -----

// A result of another rank has no last token.
// expected-error @+1 {{'fin-add-kv-cache': @forward must be (tokens) -> logits [batch, tokens, width]}}
func.func @forward(%t: tensor<?x?xi32>) -> tensor<?x4xf32> {
  %p = fin.positions %t : tensor<?x?xi32>
  %w = fin.param "w" : tensor<8x4xf32>
  %e = fin.embedding %t, %w : tensor<?x?xi32>, tensor<8x4xf32>
  %a = fin.attention %e at %p, %e, %e {heads = 1 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
     : (tensor<?x?x4xf32>, tensor<?x?xi32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %y = tensor.collapse_shape %a [[0, 1], [2]] : tensor<?x?x4xf32> into tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// expected-error @+1 {{'fin-add-kv-cache': @forward has no fin.attention}}
func.func @forward(%t: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
  %w = fin.param "w" : tensor<8x4xf32>
  %e = fin.embedding %t, %w : tensor<?x?xi32>, tensor<8x4xf32>
  return %e : tensor<?x?x4xf32>
}

// -----

func.func @forward(%t: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
  %w = fin.param "w" : tensor<8x4xf32>
  %e = fin.embedding %t, %w : tensor<?x?xi32>, tensor<8x4xf32>
  // expected-error @+1 {{cannot be cached: it must be causal, at positions from fin.positions of the tokens, without offset}}
  %a = fin.attention %e, %e, %e {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  return %a : tensor<?x?x4xf32>
}

// -----

// Positions that the caller could not continue.
func.func @forward(%t: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
  %w = fin.param "w" : tensor<8x4xf32>
  %e = fin.embedding %t, %w : tensor<?x?xi32>, tensor<8x4xf32>
  // expected-error @+1 {{cannot be cached: it must be causal, at positions from fin.positions}}
  %a = fin.attention %e at %t, %e, %e {heads = 1 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
     : (tensor<?x?x4xf32>, tensor<?x?xi32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  return %a : tensor<?x?x4xf32>
}

// -----

// Position p + 2 would see two keys of the future.
func.func @forward(%t: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
  %p = fin.positions %t {offset = 2 : i64} : tensor<?x?xi32>
  %w = fin.param "w" : tensor<8x4xf32>
  %e = fin.embedding %t, %w : tensor<?x?xi32>, tensor<8x4xf32>
  // expected-error @+1 {{cannot be cached: it must be causal, at positions from fin.positions of the tokens, without offset}}
  %a = fin.attention %e at %p, %e, %e {heads = 1 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
     : (tensor<?x?x4xf32>, tensor<?x?xi32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  return %a : tensor<?x?x4xf32>
}

// -----

func.func @forward(%t: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
  %p = fin.positions %t : tensor<?x?xi32>
  %w = fin.param "w" : tensor<8x4xf32>
  %l = arith.constant dense<1> : tensor<1xi32>
  %e = fin.embedding %t, %w : tensor<?x?xi32>, tensor<8x4xf32>
  // expected-error @+1 {{cannot be cached: it has lengths or a mask}}
  %a = fin.attention %e at %p, %e, %e lengths %l {heads = 1 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
     : (tensor<?x?x4xf32>, tensor<?x?xi32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>, tensor<1xi32>) -> tensor<?x?x4xf32>
  return %a : tensor<?x?x4xf32>
}

// -----

// Layers of other widths would need a cache each.
func.func @forward(%t: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
  %p = fin.positions %t : tensor<?x?xi32>
  %w = fin.param "w" : tensor<8x4xf32>
  %u = fin.param "u" : tensor<2x4xf32>
  %e = fin.embedding %t, %w : tensor<?x?xi32>, tensor<8x4xf32>
  %a = fin.attention %e at %p, %e, %e {heads = 1 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
     : (tensor<?x?x4xf32>, tensor<?x?xi32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
  %k = fin.linear %a, %u : tensor<?x?x4xf32>, tensor<2x4xf32>
  // expected-error @+1 {{cannot be cached: keys 'tensor<?x?x2xf32>' and values 'tensor<?x?x2xf32>' must have one type in all layers, the first has 'tensor<?x?x4xf32>'}}
  %b = fin.attention %a at %p, %k, %k {heads = 2 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
     : (tensor<?x?x4xf32>, tensor<?x?xi32>, tensor<?x?x2xf32>, tensor<?x?x2xf32>) -> tensor<?x?x4xf32>
  return %b : tensor<?x?x4xf32>
}

// -----

// Keys and values share one cache tensor.
func.func @forward(%t: tensor<?x?xi32>) -> tensor<?x?x2xf32> {
  %p = fin.positions %t : tensor<?x?xi32>
  %w = fin.param "w" : tensor<8x4xf32>
  %u = fin.param "u" : tensor<2x4xf32>
  %e = fin.embedding %t, %w : tensor<?x?xi32>, tensor<8x4xf32>
  %v = fin.linear %e, %u : tensor<?x?x4xf32>, tensor<2x4xf32>
  // expected-error @+1 {{cannot be cached: keys 'tensor<?x?x4xf32>' and values 'tensor<?x?x2xf32>' must have one type}}
  %b = fin.attention %e at %p, %e, %v {heads = 1 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
     : (tensor<?x?x4xf32>, tensor<?x?xi32>, tensor<?x?x4xf32>, tensor<?x?x2xf32>) -> tensor<?x?x2xf32>
  return %b : tensor<?x?x2xf32>
}
