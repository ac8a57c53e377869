// fin-drop-layers: numbers and layers that it refuses.
// RUN: fingpt-opt %s --split-input-file --fin-drop-layers=layers=1 --verify-diagnostics
// RUN: not fingpt-opt %s --split-input-file --fin-drop-layers 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not fingpt-opt %s --split-input-file --fin-drop-layers=layers=9 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not fingpt-opt %s --split-input-file --fin-drop-layers=layers=0 2>&1 | FileCheck %s --check-prefix=FIRST
// RUN: not fingpt-opt %s --split-input-file --fin-drop-layers=layers=2 2>&1 | FileCheck %s --check-prefix=LAST
// RUN: not fingpt-opt %s --split-input-file --fin-drop-layers="layers=0,1,2 force=true" 2>&1 | FileCheck %s --check-prefix=ALL

// NONE: error: 'fin-drop-layers': layers: missing, expected numbers such as layers=3,7
// UNKNOWN: error: 'fin-drop-layers': layers: there is no layer 9 (the model has 0 to 2)
// FIRST: error: 'fin-drop-layers': layer 0 is the first, which models hardly live without: say force if it must go
// LAST: error: 'fin-drop-layers': layer 2 is the last, which models hardly live without: say force if it must go
// ALL: error: 'fin-drop-layers': layers: these are all layers of the model

// A value from the middle of layer 1 is used in layer 2.
func.func @forward(%x: tensor<?x?x4xf32>) -> tensor<?x?x4xf32> {
  %w0 = fin.param "layers.0.fc.weight" : tensor<4x4xf32>
  %h0 = fin.linear %x, %w0 : tensor<?x?x4xf32>, tensor<4x4xf32>
  %w1 = fin.param "layers.1.fc1.weight" : tensor<8x4xf32>
  %u = fin.linear %h0, %w1 : tensor<?x?x4xf32>, tensor<8x4xf32>
  %w1b = fin.param "layers.1.fc2.weight" : tensor<4x8xf32>
  %d1 = fin.linear %u, %w1b : tensor<?x?x8xf32>, tensor<4x8xf32>
  %h1 = arith.addf %h0, %d1 : tensor<?x?x4xf32>
  %w2 = fin.param "layers.2.fc.weight" : tensor<4x8xf32>
  // expected-error @+1 {{'fin-drop-layers': layer 1 cannot be left out: 'fin.linear' of layer 2 uses more than its result}}
  %d2 = fin.linear %u, %w2 : tensor<?x?x8xf32>, tensor<4x8xf32>
  %h2 = arith.addf %h1, %d2 : tensor<?x?x4xf32>
  return %h2 : tensor<?x?x4xf32>
}

// -----

// Its input is returned beside what is made of it.
func.func @forward(%x: tensor<?x?x4xf32>) -> (tensor<?x?x4xf32>, tensor<?x?x4xf32>) {
  %w0 = fin.param "layers.0.fc.weight" : tensor<4x4xf32>
  %h0 = fin.linear %x, %w0 : tensor<?x?x4xf32>, tensor<4x4xf32>
  %w1 = fin.param "layers.1.fc.weight" : tensor<4x4xf32>
  %h1 = fin.linear %h0, %w1 : tensor<?x?x4xf32>, tensor<4x4xf32>
  %w2 = fin.param "layers.2.fc.weight" : tensor<4x4xf32>
  %h2 = fin.linear %h1, %w2 : tensor<?x?x4xf32>, tensor<4x4xf32>
  // expected-error @+1 {{'fin-drop-layers': layer 1 cannot be left out: 'func.return' returns more than its result}}
  return %h2, %h0 : tensor<?x?x4xf32>, tensor<?x?x4xf32>
}

// -----

// It changes the width of the stream.
func.func @forward(%x: tensor<?x?x4xf32>) -> tensor<?x?x8xf32> {
  %w0 = fin.param "layers.0.fc.weight" : tensor<4x4xf32>
  %h0 = fin.linear %x, %w0 : tensor<?x?x4xf32>, tensor<4x4xf32>
  %w1 = fin.param "layers.1.fc.weight" : tensor<8x4xf32>
  // expected-error @+1 {{'fin-drop-layers': layer 1 cannot be left out: 'fin.linear' reads nothing that its result could be replaced by}}
  %h1 = fin.linear %h0, %w1 : tensor<?x?x4xf32>, tensor<8x4xf32>
  %w2 = fin.param "layers.2.fc.weight" : tensor<8x8xf32>
  %h2 = fin.linear %h1, %w2 : tensor<?x?x8xf32>, tensor<8x8xf32>
  return %h2 : tensor<?x?x8xf32>
}
