// fin-decompose: which ops are rewritten, which stay, and what it refuses.
// RUN: fingpt-opt %s --fin-decompose | FileCheck %s --check-prefix=ALL
// RUN: fingpt-opt %s --fin-decompose=only=rms_norm,silu | FileCheck %s --check-prefix=ONLY
// RUN: fingpt-opt %s --fin-decompose=only=fin.linear | FileCheck %s --check-prefix=PREFIXED
// RUN: fingpt-opt %s --fin-decompose=except=linear | FileCheck %s --check-prefix=EXCEPT
// RUN: fingpt-opt %s --fin-decompose="only=linear,silu except=silu" | FileCheck %s --check-prefix=BOTH
// RUN: not fingpt-opt %S/Inputs/decompose-codes.mlir --fin-decompose 2>&1 | FileCheck %s --check-prefix=CODES
// RUN: not fingpt-opt %s --fin-decompose=only=linear,linaer 2>&1 | FileCheck %s --check-prefix=UNKNOWN -DOPTION=only
// RUN: not fingpt-opt %s --fin-decompose=except=linaer 2>&1 | FileCheck %s --check-prefix=UNKNOWN -DOPTION=except
// RUN: echo | not fingpt-opt --fin-decompose=only=fin.param 2>&1 | FileCheck %s --check-prefix=PARAM

// A misspelt name is no silent choice of nothing.
// UNKNOWN: error: fin-decompose: [[OPTION]]: op, expected one of attention, {{.*}}, linear, {{.*}}, transpose, got "linaer"
// PARAM:   error: fin-decompose: only: op, expected one of {{.*}}, got "fin.param"

// A parameter has no definition: it is bound by fin-bind-params. One that only served
// as codes goes with its user.
// ALL-LABEL: func.func @f
// ALL-NOT:   fin.{{[a-oq-z]}}
// ALL:       fin.param "w" : tensor<6x4xf32>
// ALL-NOT:   fin.

// The name may carry the dialect.
// ONLY-LABEL: func.func @f
// ONLY-NOT:   fin.rms_norm
// ONLY:       fin.linear
// ONLY-NOT:   fin.silu
// ONLY:       return

// PREFIXED-LABEL: func.func @f
// PREFIXED:       fin.rms_norm
// PREFIXED-NOT:   fin.linear
// PREFIXED:       fin.silu

// EXCEPT-LABEL: func.func @f
// EXCEPT-NOT:   fin.rms_norm
// EXCEPT:       fin.linear
// EXCEPT-NOT:   fin.silu
// EXCEPT:       return

// What is left alone stays even if it is chosen.
// BOTH-LABEL: func.func @f
// BOTH-NOT:   fin.linear
// BOTH:       fin.silu
func.func @f(%x: tensor<?x4xf32>) -> tensor<?x6xf32> {
  %w = fin.param "w" : tensor<6x4xf32>
  %unused = fin.param "unused" : tensor<4xf32>
  %0 = fin.rms_norm %x {eps = 1.0e-5 : f64} : tensor<?x4xf32>
  %1 = fin.linear %0, %w : tensor<?x4xf32>, tensor<6x4xf32>
  %2 = fin.silu %1 : tensor<?x6xf32>
  return %2 : tensor<?x6xf32>
}

// Codes that cross a function have no bytes behind them.
// CODES: error: 'fin.dequantize' op needs codes that come from fin.unpack or fin.param
