// The parameters that belong to a graph, for passes that read and make tensors.
//
//   Result<std::shared_ptr<ParamStore>> params = modelParams(module);
//
// A driver that has a store gives it to the context once (`setModelParams`). fingpt-opt
// registers a loader instead, which opens what the module's attribute `fin.params` names
// when a pass first asks; other passes then never open a file. One context holds one model.
#ifndef FINGPT_DIALECT_FIN_UTILS_MODELPARAMS_H
#define FINGPT_DIALECT_FIN_UTILS_MODELPARAMS_H

#include "fingpt/Params/ParamStore.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"

#include <functional>
#include <memory>

namespace fingpt::fin {

using ParamLoader = std::function<Result<std::shared_ptr<ParamStore>>(mlir::ModuleOp)>;

/// Contexts made from `registry` load parameters by `loader` when first asked.
void registerParamLoader(mlir::DialectRegistry &registry, ParamLoader loader);

/// Gives the context its parameters; the fin dialect must be loaded. Once per context.
void setModelParams(mlir::MLIRContext &context, std::shared_ptr<ParamStore> params);

/// The parameters of the module's context. Error: there is no store and no loader, or the
/// loader's.
Result<std::shared_ptr<ParamStore>> modelParams(mlir::ModuleOp module);

} // namespace fingpt::fin

#endif // FINGPT_DIALECT_FIN_UTILS_MODELPARAMS_H
