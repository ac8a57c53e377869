// Passes over the `fin` dialect. One pass, one file in lib/Dialect/Fin/Transforms,
// one test of the same name; what each does is said in Passes.td.
#ifndef FINGPT_DIALECT_FIN_TRANSFORMS_PASSES_H
#define FINGPT_DIALECT_FIN_TRANSFORMS_PASSES_H

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/FinKernel/IR/FinKernel.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Pass/Pass.h"

namespace fingpt::fin {

#define GEN_PASS_DECL
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"

} // namespace fingpt::fin

#endif // FINGPT_DIALECT_FIN_TRANSFORMS_PASSES_H
