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

#endif // FINGPT_DIALECT_FINKERNEL_TRANSFORMS_PASSES_TD
