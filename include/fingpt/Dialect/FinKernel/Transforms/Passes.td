#ifndef FINGPT_DIALECT_FINKERNEL_TRANSFORMS_PASSES_TD
#define FINGPT_DIALECT_FINKERNEL_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def FinKernelToRuntime : Pass<"fin-kernel-to-runtime", "::mlir::ModuleOp"> {
  let summary = "fin_kernel ops on memrefs become calls of the runtime";
  let description = [{
    `fin_kernel.linear` becomes `fingpt_linear_f32`, `fin_kernel.attention`
    becomes `fingpt_attention_f32` (`fingpt/Runtime/Kernels.h`), with raw
    pointers, extents and strides.
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::mlir::func::FuncDialect",
                           "::mlir::memref::MemRefDialect"];
}

def FinScopeScratch : Pass<"fin-scope-scratch", "::mlir::ModuleOp"> {
  let summary = "scratch buffers come from the runtime's arena";
  let description = [{
    What remains as `memref.alloc` after bufferization is scratch of one call.
    The pass brackets every function that allocates by `fingpt_arena_mark` and
    `fingpt_arena_release`; allocations themselves are lowered to the generic
    allocation function, which the runtime serves from the arena. Memory is kept
    between calls, so a steady state allocates nothing.

    Refused: a function that returns a buffer, or allocates inside a loop.
  }];
  let dependentDialects = ["::mlir::func::FuncDialect"];
}

def FinDropReturnedArguments : Pass<"fin-drop-returned-arguments", "::mlir::ModuleOp"> {
  let summary = "functions do not return buffers that came in";
  let description = [{
    After bufferization a donated argument is also returned. The caller has the
    buffer already: the result goes, in private and public functions, and its
    uses take the call's operand.

    ```mlir
    func.func @f(%c: memref<4xf32>) -> memref<4xf32> { ... return %c }
    // becomes
    func.func @f(%c: memref<4xf32>) { ... return }
    ```
  }];
}

def FinExpandCopies : Pass<"fin-expand-copies"> {
  let summary = "memref.copy becomes linalg.copy, hence loops";
  let description = [{
    A strided `memref.copy` would call a support library; loops need none, and
    LLVM turns the contiguous ones back into block copies.
  }];
  let dependentDialects = ["::mlir::linalg::LinalgDialect"];
}

def FinApproximateMath : Pass<"fin-approximate-math"> {
  let summary = "polynomials for exp, tanh and erf in f32";
  let description = [{
    Calls of the C library keep a loop from being vectorized; these
    approximations are arithmetic. Their error is a few units in the last place
    (docs/numerics.md). f64 is left alone.
  }];
  let dependentDialects = ["::mlir::vector::VectorDialect", "::mlir::math::MathDialect",
                           "::mlir::arith::ArithDialect"];
}

#endif // FINGPT_DIALECT_FINKERNEL_TRANSFORMS_PASSES_TD
