#ifndef FINGPT_LIB_DRIVER_COMPRESSPLAN_H
#define FINGPT_LIB_DRIVER_COMPRESSPLAN_H

#include "fingpt/Dialect/Fin/Utils/Weights.h"
#include "fingpt/Driver/Compress.h"

namespace fingpt {

/// The forms that a recipe gives to the weights of a graph.
Result<std::vector<PlannedWeight>> planWeights(mlir::func::FuncOp forward, const ParamStore &params,
                                               const Recipe &recipe);

/// True if the logits are this weight's products.
bool isOutputHead(const fin::LinearWeight &w);

} // namespace fingpt

#endif // FINGPT_LIB_DRIVER_COMPRESSPLAN_H
