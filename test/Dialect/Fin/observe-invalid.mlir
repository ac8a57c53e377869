// fin-observe: functions that it refuses.
// RUN: fingpt-opt %s --split-input-file --fin-observe --verify-diagnostics
// RUN: not fingpt-opt %S/../../Codegen/Inputs/two-layers.mlir --fin-observe="only=(" 2>&1 | FileCheck %s --check-prefix=REGEX
// RUN: not fingpt-opt %S/../../Codegen/Inputs/two-layers.mlir --fin-observe=skip=* 2>&1 | FileCheck %s --check-prefix=SKIP
// RUN: not fingpt-opt %S/../../Codegen/Inputs/two-layers.mlir --fin-observe --fin-jit-graph 2>&1 | FileCheck %s --check-prefix=CACHE
// REGEX: error: 'fin-observe': only: is no regular expression ({{.*}}), expected POSIX extended syntax, got "("
// SKIP: error: 'fin-observe': skip: is no regular expression ({{.*}}), expected POSIX extended syntax, got "*"
// CACHE: error: 'fin-add-kv-cache': @forward must be (tokens) -> logits

// expected-error @below {{'fin-observe': needs a function @forward}}
module {
}

// -----

!h = tensor<?x?x4xf32>

// expected-error @below {{'fin-observe': the module has @decode already: it must run before fin-add-kv-cache and fin-hoist-weights}}
module {
  func.func private @decode()
  func.func @forward(%x: !h) -> !h {
    return %x : !h
  }
}

// -----

module {
  // expected-error @below {{'fin-observe': @forward must be one block that returns a tensor}}
  func.func @forward() {
    return
  }
}

// -----

!h = tensor<?x?x4xf32>

module {
  // expected-error @below {{'fin-observe': @forward must be one block that returns a tensor}}
  func.func @forward(%x: !h) -> !h {
    cf.br ^end
  ^end:
    return %x : !h
  }
}

// -----

!h = tensor<?x?x4xf32>

module {
  // expected-error @below {{'fin-observe': @forward has taps already: result 1}}
  func.func @forward(%x: !h) -> (!h, !h {fin.tap = ["w"]}) {
    return %x, %x : !h, !h
  }
}

// -----

!h = tensor<?x?x4xf32>

module {
  // expected-error @below {{'fin-observe': @forward is called, and would return more}}
  func.func @forward(%x: !h) -> !h {
    return %x : !h
  }
  func.func @main(%x: !h) -> !h {
    // expected-note @below {{here}}
    %y = call @forward(%x) : (!h) -> !h
    return %y : !h
  }
}

// -----

!h = tensor<?x?x4xf32>
!w = tensor<4x4xf32>

module {
  func.func @forward(%x: !h, %c: i1) -> !h {
    %w = fin.param "l.0.fc.weight" : !w
    %y = scf.if %c -> !h {
      %a = fin.silu %x : !h
      // expected-error @below {{'fin-observe': the input of "l.0.fc.weight" exists inside a region only and cannot be returned}}
      %b = fin.linear %a, %w : !h, !w
      scf.yield %b : !h
    } else {
      scf.yield %x : !h
    }
    return %y : !h
  }
}
