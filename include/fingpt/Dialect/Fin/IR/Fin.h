// The `fin` dialect: ops, attributes, interfaces. Generated declarations; the
// definitions and their documentation are in the .td files beside this one.
#ifndef FINGPT_DIALECT_FIN_IR_FIN_H
#define FINGPT_DIALECT_FIN_IR_FIN_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "fingpt/Dialect/Fin/IR/FinDialect.h.inc"
#include "fingpt/Dialect/Fin/IR/FinEnums.h.inc"
#include "fingpt/Dialect/Fin/IR/FinInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "fingpt/Dialect/Fin/IR/FinAttrs.h.inc"
#define GET_OP_CLASSES
#include "fingpt/Dialect/Fin/IR/FinOps.h.inc"

namespace fingpt::fin {

/// The element type in which sums, norms and angles of `storage` are computed:
/// f64 for f64, f32 for everything else.
mlir::Type accumulationType(mlir::Type storage);

/// Bytes of a row of `n` codes of `bits` bits.
inline int64_t packedRowBytes(int64_t n, unsigned bits) { return (n * bits + 7) / 8; }

/// The i8 tensor type that stores `codes` (see fin.unpack).
mlir::RankedTensorType packedType(mlir::RankedTensorType codes);

} // namespace fingpt::fin

#endif // FINGPT_DIALECT_FIN_IR_FIN_H
