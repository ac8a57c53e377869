// What verifiers and the inference of result types share.
#ifndef FINGPT_LIB_DIALECT_FIN_IR_SHAPEUTILS_H
#define FINGPT_LIB_DIALECT_FIN_IR_SHAPEUTILS_H

#include "fingpt/Dialect/Fin/IR/Fin.h"

namespace fingpt::fin {

/// For operands whose constraints have been checked.
inline mlir::RankedTensorType tensorType(mlir::Value v) {
  return mlir::cast<mlir::RankedTensorType>(v.getType());
}

/// True if two extents can be equal: one is dynamic or both are the same.
inline bool compatible(int64_t a, int64_t b) {
  return mlir::ShapedType::isDynamic(a) || mlir::ShapedType::isDynamic(b) || a == b;
}

/// The type of `v` if it is a tensor of `rank`; null, with an error, if not. Result types
/// are inferred before the constraints of the operands are checked.
inline mlir::RankedTensorType tensorOfRank(std::optional<mlir::Location> loc, llvm::StringRef op,
                                           mlir::Value v, int64_t rank) {
  auto type = mlir::dyn_cast<mlir::RankedTensorType>(v.getType());
  if (type && type.getRank() == rank)
    return type;
  (void)mlir::emitOptionalError(loc, "'", op, "' op needs a tensor of rank ", rank, ", got ",
                                v.getType());
  return {};
}

} // namespace fingpt::fin

#endif // FINGPT_LIB_DIALECT_FIN_IR_SHAPEUTILS_H
