// fin-fold-norms: what it cannot rewrite.
// RUN: fingpt-opt %s --split-input-file --fin-fold-norms --verify-diagnostics

// expected-error @+1 {{'fin-fold-norms': needs a function @forward}}
module {
}

// -----

// expected-error @+1 {{'fin-fold-norms': the module has @decode already: it must run before fin-add-kv-cache and fin-hoist-weights}}
module attributes {fin.params = "random:1"} {
  func.func @forward(%x: tensor<?x?x4xf32>) -> tensor<?x?x4xf32> {
    return %x : tensor<?x?x4xf32>
  }
  func.func @decode(%x: tensor<?x?x4xf32>) -> tensor<?x?x4xf32> {
    return %x : tensor<?x?x4xf32>
  }
}
