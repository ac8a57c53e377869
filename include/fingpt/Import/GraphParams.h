// What a graph wants from a parameter store, and whether the store has it.
//
//   fin.param "…q_proj.weight.codes" : tensor<576x576xui4>   U8  [576, 288],
//   packed fin.param "…q_proj.weight.scales" : tensor<576x18xf16>   F16 [576,
//   18]
#ifndef FINGPT_IMPORT_GRAPHPARAMS_H
#define FINGPT_IMPORT_GRAPHPARAMS_H

#include "fingpt/Params/ParamStore.h"
#include "fingpt/Support/Result.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"

#include <memory>
#include <string>
#include <vector>

namespace fingpt {

struct GraphParam {
  std::string key;
  mlir::RankedTensorType type;
  DType dtype; ///< as stored
  Shape shape; ///< as stored: rows of codes are packed bytes
};

/// Every parameter of the module once, in the order of first use. Refuses a key
/// that stands for two kinds of bytes. `file` is for messages.
Result<std::vector<GraphParam>> graphParams(mlir::ModuleOp module, const std::string &file);

/// Error unless `store` holds every parameter of the module as it is stored.
Status checkGraphParams(mlir::ModuleOp module, const ParamStore &store, const std::string &file);

/// Makes every parameter of the module by `rule`, for tests without data:
///   "random:SEED"  floats normal with sigma 0.02, vectors near 1 unless their
///                  name ends in "bias"; codes random; i32 vectors 0, 1, 2, …
///   "splat:VALUE"  floats VALUE, integers 0
Status makeGraphParams(mlir::ModuleOp module, const std::string &rule, ParamStore &store,
                       const std::string &file);

/// The store of what the module's attribute `fin.params` names: files beside `file`, or a
/// rule of makeGraphParams. Empty without the attribute, if the graph needs nothing.
Result<std::shared_ptr<ParamStore>> loadGraphParams(mlir::ModuleOp module, const std::string &file);

} // namespace fingpt

#endif // FINGPT_IMPORT_GRAPHPARAMS_H
