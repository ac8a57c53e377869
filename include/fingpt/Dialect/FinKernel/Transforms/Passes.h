// Passes over `fin_kernel` and bufferized code; documented in Passes.td.
#ifndef FINGPT_DIALECT_FINKERNEL_TRANSFORMS_PASSES_H
#define FINGPT_DIALECT_FINKERNEL_TRANSFORMS_PASSES_H

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

namespace fingpt::fin_kernel {

#define GEN_PASS_DECL
#include "fingpt/Dialect/FinKernel/Transforms/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "fingpt/Dialect/FinKernel/Transforms/Passes.h.inc"

} // namespace fingpt::fin_kernel

#endif // FINGPT_DIALECT_FINKERNEL_TRANSFORMS_PASSES_H
