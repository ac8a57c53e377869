// The `fin_kernel` dialect; see FinKernelOps.td.
#ifndef FINGPT_DIALECT_FINKERNEL_IR_FINKERNEL_H
#define FINGPT_DIALECT_FINKERNEL_IR_FINKERNEL_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "fingpt/Dialect/FinKernel/IR/FinKernelDialect.h.inc"
#define GET_OP_CLASSES
#include "fingpt/Dialect/FinKernel/IR/FinKernelOps.h.inc"

namespace fingpt::fin_kernel {

/// Lets one-shot bufferization handle the dialect's ops.
void registerBufferizationModels(mlir::DialectRegistry &registry);

} // namespace fingpt::fin_kernel

#endif // FINGPT_DIALECT_FINKERNEL_IR_FINKERNEL_H
