// fin-slice: bases and streams that it refuses.
// RUN: rm -rf %t && mkdir %t
// RUN: %python %S/Inputs/write-bases.py %t/good residual.0=4x3 residual.1=4x3
// RUN: fingpt-opt %s --split-input-file --fin-slice=bases=%t/good --verify-diagnostics
// RUN: split-file %s %t
// RUN: not fingpt-opt %t/chain.mlir --fin-slice 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: %python %S/Inputs/write-bases.py %t/missing residual.1=4x3
// RUN: not fingpt-opt %t/chain.mlir --fin-slice=bases=%t/missing 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: %python %S/Inputs/write-bases.py %t/rows residual.0=5x3
// RUN: not fingpt-opt %t/chain.mlir --fin-slice=bases=%t/rows 2>&1 | FileCheck %s --check-prefix=ROWS
// RUN: %python %S/Inputs/write-bases.py %t/wide residual.0=4x5
// RUN: not fingpt-opt %t/chain.mlir --fin-slice=bases=%t/wide 2>&1 | FileCheck %s --check-prefix=WIDE
// RUN: %python %S/Inputs/write-bases.py %t/type residual.0=4x3:F32
// RUN: not fingpt-opt %t/chain.mlir --fin-slice=bases=%t/type 2>&1 | FileCheck %s --check-prefix=TYPE
// RUN: %python %S/Inputs/write-bases.py %t/scaled residual.0=4x3*1.5
// RUN: not fingpt-opt %t/chain.mlir --fin-slice=bases=%t/scaled 2>&1 | FileCheck %s --check-prefix=SCALED
// RUN: %python %S/Inputs/write-bases.py %t/more residual.0=4x3 residual.1=4x3 residual.2=4x3
// RUN: not fingpt-opt %t/chain.mlir --fin-slice=bases=%t/more 2>&1 | FileCheck %s --check-prefix=MORE
// RUN: not fingpt-opt %t/chain.mlir --fin-slice=bases=%t/absent 2>&1 | FileCheck %s --check-prefix=ABSENT

// RUN: not fingpt-opt %t/chain.mlir --fin-slice="bases=%t/good stats=%t/good" 2>&1 | FileCheck %s --check-prefix=BOTH
// RUN: not fingpt-opt %t/chain.mlir --fin-slice="stats=%t/good percent=95" 2>&1 | FileCheck %s --check-prefix=PERCENT
// RUN: not fingpt-opt %t/chain.mlir --fin-slice=stats=%t/good 2>&1 | FileCheck %s --check-prefix=STATS

// NONE: error: 'fin-slice': one file says how, expected bases or stats, got none
// BOTH: error: 'fin-slice': one file says how, expected bases or stats, got both
// PERCENT: error: 'fin-slice': percent: out of range, expected 0 to less than 90, got 95
// STATS: error: {{.*}}good
// MISSING: error: {{.*}}missing: tensor "residual.0": missing, expected F64 [4, at most that], got nothing
// ROWS: error: {{.*}}rows: tensor "residual.0": is no basis of this stream, expected F64 [4, at most that], got F64 [5, 3]
// WIDE: error: {{.*}}wide: tensor "residual.0": is no basis of this stream, expected F64 [4, at most that], got F64 [4, 5]
// TYPE: error: {{.*}}type: tensor "residual.0": is no basis of this stream, expected F64 [4, at most that], got F32 [4, 3]
// SCALED: error: {{.*}}scaled: tensor "residual.0": columns 0 and 0 are not orthonormal, expected product 1, got 2.25
// MORE: error: {{.*}}more: tensor "residual.2": belongs to no point, expected 2 residual points, got more
// ABSENT: error: {{.*}}absent

//--- chain.mlir
module attributes {fin.params = "random:1"} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x8xf32> {
    %table = fin.param "embed_tokens.weight" : tensor<10x4xf32>
    %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x4xf32>
    %n = fin.rms_norm %h {eps = 1.0e-5 : f64} : tensor<?x?x4xf32>
    %w = fin.param "layers.0.fc.weight" : tensor<4x4xf32>
    %d = fin.linear %n, %w : tensor<?x?x4xf32>, tensor<4x4xf32>
    %h1 = arith.addf %h, %d : tensor<?x?x4xf32>
    %head = fin.param "lm_head.weight" : tensor<8x4xf32>
    %y = fin.linear %h1, %head : tensor<?x?x4xf32>, tensor<8x4xf32>
    return %y : tensor<?x?x8xf32>
  }
}

//--- others.mlir
// -----

module attributes {fin.params = "random:1"} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x8xf32> {
    %table = fin.param "embed_tokens.weight" : tensor<10x4xf32>
    %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x4xf32>
    // expected-error @+1 {{'fin-slice': the stream is sliced already: this norm has 4 of 6 coordinates}}
    %n = fin.rms_norm %h {eps = 1.0e-5 : f64, width = 6 : i64} : tensor<?x?x4xf32>
    %w = fin.param "layers.0.fc.weight" : tensor<4x4xf32>
    %d = fin.linear %n, %w : tensor<?x?x4xf32>, tensor<4x4xf32>
    %h1 = arith.addf %h, %d : tensor<?x?x4xf32>
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
    // expected-error @+1 {{'fin-slice': 'fin.layer_norm' subtracts a mean}}
    %n = fin.layer_norm %h {eps = 1.0e-5 : f64} : (tensor<?x?x4xf32>) -> tensor<?x?x4xf32>
    %w = fin.param "layers.0.fc.weight" : tensor<8x4xf32>
    %y = fin.linear %n, %w : tensor<?x?x4xf32>, tensor<8x4xf32>
    return %y : tensor<?x?x8xf32>
  }
}

// -----

// A branch that two sums take would need two bases.
// expected-error @+1 {{shares a branch of the residual stream with another sum}}
module attributes {fin.params = "random:1"} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x8xf32> {
    %table = fin.param "embed_tokens.weight" : tensor<10x4xf32>
    %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x4xf32>
    %w = fin.param "layers.0.fc.weight" : tensor<4x4xf32>
    %d = fin.linear %h, %w : tensor<?x?x4xf32>, tensor<4x4xf32>
    %h1 = arith.addf %h, %d : tensor<?x?x4xf32>
    %h2 = arith.addf %h1, %d : tensor<?x?x4xf32>
    %head = fin.param "lm_head.weight" : tensor<8x4xf32>
    %y = fin.linear %h2, %head : tensor<?x?x4xf32>, tensor<8x4xf32>
    return %y : tensor<?x?x8xf32>
  }
}

// -----

// Two points of the stream are added: what goes from one to the other is no branch.
// expected-error @+1 {{'arith.addf': joins no branch to the residual stream}}
module attributes {fin.params = "random:1"} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x8xf32> {
    %table = fin.param "embed_tokens.weight" : tensor<10x4xf32>
    %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x4xf32>
    %w = fin.param "layers.0.fc.weight" : tensor<4x4xf32>
    %d = fin.linear %h, %w : tensor<?x?x4xf32>, tensor<4x4xf32>
    %h1 = arith.addf %h, %d : tensor<?x?x4xf32>
    %h2 = arith.addf %h1, %h : tensor<?x?x4xf32>
    %head = fin.param "lm_head.weight" : tensor<8x4xf32>
    %y = fin.linear %h2, %head : tensor<?x?x4xf32>, tensor<8x4xf32>
    return %y : tensor<?x?x8xf32>
  }
}

// -----

// What reads it there would need a basis that no point gives it.
// expected-error @+1 {{'arith.addf': writes the residual stream, but no sum takes its result}}
module attributes {fin.params = "random:1"} {
  func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x8xf32> {
    %table = fin.param "embed_tokens.weight" : tensor<10x4xf32>
    %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x4xf32>
    %w = fin.param "layers.0.fc.weight" : tensor<4x4xf32>
    %d = fin.linear %h, %w : tensor<?x?x4xf32>, tensor<4x4xf32>
    %h1 = arith.addf %h, %d : tensor<?x?x4xf32>
    %w1 = fin.param "layers.1.fc.weight" : tensor<4x4xf32>
    %d1 = fin.linear %h1, %w1 : tensor<?x?x4xf32>, tensor<4x4xf32>
    %both = arith.addf %d, %d1 : tensor<?x?x4xf32>
    %head = fin.param "lm_head.weight" : tensor<8x4xf32>
    %y = fin.linear %both, %head : tensor<?x?x4xf32>, tensor<8x4xf32>
    return %y : tensor<?x?x8xf32>
  }
}
