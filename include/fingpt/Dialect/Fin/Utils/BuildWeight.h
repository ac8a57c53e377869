// From what a method made of a weight to parameters and an expression over them.
//
//   CompressedWeight c = *compressWeight(problem, scheme);     // numbers
//   Value w = *buildWeight(b, loc, type, "…q_proj.weight", c, params);
//   // params has "…q_proj.weight.q.codes", ".q.scales", ".q.zeros", ".b", ".a"
//   // w = fin.sum (fin.dequantize …), (fin.low_rank …)
#ifndef FINGPT_DIALECT_FIN_UTILS_BUILDWEIGHT_H
#define FINGPT_DIALECT_FIN_UTILS_BUILDWEIGHT_H

#include "fingpt/Compress/CompressedWeight.h"
#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Params/ParamStore.h"

#include "mlir/IR/Builders.h"

namespace fingpt::fin {

/// Puts the leaves of `weight` into `params` under keys that begin with `name` and are free there
/// and in `taken`, and creates the expression of type `type` ([out, in] f32) at `b`. `weight`
/// must have terms. Error: the store's.
Result<mlir::Value> buildWeight(mlir::OpBuilder &b, mlir::Location loc, mlir::RankedTensorType type,
                                const std::string &name, const compress::CompressedWeight &weight,
                                ParamStore &params, const ParamStore *taken = nullptr);

} // namespace fingpt::fin

#endif // FINGPT_DIALECT_FIN_UTILS_BUILDWEIGHT_H
