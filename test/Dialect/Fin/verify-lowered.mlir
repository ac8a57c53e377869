// fin-verify-lowered: what may not reach the translation to LLVM.
// RUN: fingpt-opt %s --fin-verify-lowered --split-input-file --verify-diagnostics \
// RUN:   --allow-unregistered-dialect

// Buffers that come in, loops, scratch outside them, scalars that go out.
func.func @fine(%x: memref<4xf32>, %n: index) -> f32 {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %scratch = memref.alloc() : memref<4xf32>
  scf.for %i = %zero to %n step %one {
    %v = memref.load %x[%i] : memref<4xf32>
    memref.store %v, %scratch[%i] : memref<4xf32>
  }
  %r = memref.load %scratch[%zero] : memref<4xf32>
  return %r : f32
}

// -----

// Ops that nobody knows are not this pass's business, and do not end it.
func.func @unknown() {
  "other.op"() : () -> ()
  return
}

// -----

func.func @fin_op() {
  // expected-error @+1 {{'fin.param' op is left after lowering}}
  %w = fin.param "w" : tensor<4xf32>
  return
}

// -----

func.func @kernel(%x: memref<2x4xf32>, %w: memref<6x4xf32>, %y: memref<2x6xf32>) {
  // expected-error @+1 {{'fin_kernel.linear' op is left after lowering}}
  fin_kernel.linear ins(%x, %w : memref<2x4xf32>, memref<6x4xf32>) outs(%y : memref<2x6xf32>)
  return
}

// -----

func.func @tensor(%n: index) {
  // expected-error @+1 {{'tensor.empty' op still uses tensors after bufferization}}
  %t = tensor.empty(%n) : tensor<?xf32>
  return
}

// -----

func.func @loop(%n: index) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  scf.for %i = %zero to %n step %one {
    // expected-error @+1 {{'memref.alloc' op allocates scratch inside a loop}}
    %scratch = memref.alloc() : memref<4xf32>
  }
  return
}

// -----

func.func @result(%x: memref<4xf32>) -> memref<4xf32> {
  // expected-error @+1 {{returns a buffer: results must be written to destinations}}
  return %x : memref<4xf32>
}
