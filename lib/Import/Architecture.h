// An architecture: how its config.json is read (Config/ConfigRules.cpp) and what
// graph it means. To add one, write a function for each and a row in
// Architectures.cpp (docs/importing.md has a worked example).
#ifndef FINGPT_LIB_IMPORT_ARCHITECTURE_H
#define FINGPT_LIB_IMPORT_ARCHITECTURE_H

#include "Config/ConfigRules.h"
#include "TransformerBuilder.h"

#include <vector>

namespace fingpt {

struct Architecture {
  const char *modelType; ///< `model_type` of config.json
  mlir::Value (*build)(TransformerBuilder &b, const ModelConfig &config);
  /// A tensor that every file has, under one of these prefixes; the first that
  /// fits is the file's prefix.
  const char *probe;
  std::vector<const char *> prefixes;
  /// Globs over whole names: tensors that may be there and mean nothing here.
  std::vector<const char *> ignorable;
};

/// The graph of what `config` says, checked against `store`. A tensor of `names`
/// (every tensor of the file) that the graph does not use must be ignorable.
Result<mlir::OwningOpRef<mlir::ModuleOp>> buildModel(const ModelConfig &config, ParamStore &store,
                                                     FileConventions conventions,
                                                     const std::vector<std::string> &names,
                                                     mlir::MLIRContext &context);

// The graphs, one file each.
mlir::Value buildLlama(TransformerBuilder &, const ModelConfig &);
mlir::Value buildGPT2(TransformerBuilder &, const ModelConfig &);
mlir::Value buildOPT(TransformerBuilder &, const ModelConfig &);
mlir::Value buildPhi(TransformerBuilder &, const ModelConfig &);
mlir::Value buildBert(TransformerBuilder &, const ModelConfig &);

} // namespace fingpt

#endif // FINGPT_LIB_IMPORT_ARCHITECTURE_H
