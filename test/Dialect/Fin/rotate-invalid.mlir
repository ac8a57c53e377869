// fin-rotate: models whose residual stream has no free basis.
// RUN: fingpt-opt %s --split-input-file --fin-rotate --verify-diagnostics

module attributes {fin.params = "random:1"} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x8xf32> {
    %table = fin.param "embed_tokens.weight" : tensor<10x4xf32>
    %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x4xf32>
    %g = fin.param "layers.0.norm.weight" : tensor<4xf32>
    // expected-error @+1 {{'fin-rotate': norm "layers.0.norm.weight" keeps its parameters, which pin the residual stream: run fin-fold-norms first}}
    %n = fin.rms_norm %h, %g {eps = 1.0e-5 : f64} : tensor<?x?x4xf32>, tensor<4xf32>
    %w = fin.param "layers.0.fc.weight" : tensor<8x4xf32>
    %y = fin.linear %n, %w : tensor<?x?x4xf32>, tensor<8x4xf32>
    return %y : tensor<?x?x8xf32>
  }
}

// -----

// A norm on a branch: nothing can take its gain.
module attributes {fin.params = "random:1"} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x8xf32> {
    %table = fin.param "embed_tokens.weight" : tensor<10x4xf32>
    %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x4xf32>
    %w = fin.param "layers.0.o_proj.weight" : tensor<4x4xf32>
    %o = fin.linear %h, %w : tensor<?x?x4xf32>, tensor<4x4xf32>
    %g = fin.param "layers.0.post_norm.weight" : tensor<4xf32>
    // expected-error @+1 {{'fin-rotate': norm "layers.0.post_norm.weight" keeps its parameters, which 'arith.addf' uses and no weight can take: the residual stream has no free basis}}
    %n = fin.rms_norm %o, %g {eps = 1.0e-5 : f64} : tensor<?x?x4xf32>, tensor<4xf32>
    %h1 = arith.addf %h, %n : tensor<?x?x4xf32>
    %head = fin.param "lm_head.weight" : tensor<8x4xf32>
    %y = fin.linear %h1, %head : tensor<?x?x4xf32>, tensor<8x4xf32>
    return %y : tensor<?x?x8xf32>
  }
}

// -----

module attributes {fin.params = "random:1"} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x8xf32> {
    %table = fin.param "embed_tokens.weight" : tensor<10x4xf32>
    %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x4xf32>
    // expected-error @+1 {{'fin-rotate': 'fin.layer_norm' subtracts a mean, which pins the residual stream: run fin-fold-norms=center first (where it leaves a layer_norm, the model has no free basis)}}
    %n = fin.layer_norm %h {eps = 1.0e-5 : f64} : (tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
    %w = fin.param "layers.0.fc.weight" : tensor<8x4xf32>
    %y = fin.linear %n, %w : tensor<?x?x4xf32>, tensor<8x4xf32>
    return %y : tensor<?x?x8xf32>
  }
}

// -----

module attributes {fin.params = "random:1"} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %table = fin.param "embed_tokens.weight" : tensor<10x4xf32>
    %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x4xf32>
    // expected-error @+1 {{'fin-rotate': the residual stream is what @forward returns: its basis is not free}}
    return %h : tensor<?x?x4xf32>
  }
}

// -----

module attributes {fin.params = "random:1"} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x8xf32> {
    %table = fin.param "embed_tokens.weight" : tensor<10x4xf32>
    %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x4xf32>
    // expected-error @+1 {{'fin-rotate': 'fin.silu' needs the residual stream in its own basis: only linear layers, tables, sums and norms without parameters let it change}}
    %n = fin.silu %h : tensor<?x?x4xf32>
    %w = fin.param "layers.0.fc.weight" : tensor<8x4xf32>
    %y = fin.linear %n, %w : tensor<?x?x4xf32>, tensor<8x4xf32>
    return %y : tensor<?x?x8xf32>
  }
}

// -----

// expected-error @+1 {{'fin-rotate': @forward looks no tokens up in a table}}
module attributes {fin.params = "random:1"} {
  func.func @forward(%x: tensor<?x?x4xf32>) -> tensor<?x?x4xf32> {
    return %x : tensor<?x?x4xf32>
  }
}
