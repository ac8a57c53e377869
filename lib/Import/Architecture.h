// An architecture: how its config.json is read and what graph it means. To add
// one, write these two functions in a file of lib/Import/Architectures and a
// row in Architectures.cpp (docs/importing.md has a worked example).
#ifndef FINGPT_LIB_IMPORT_ARCHITECTURE_H
#define FINGPT_LIB_IMPORT_ARCHITECTURE_H

#include "ConfigReader.h"
#include "ModelConfig.h"
#include "TransformerBuilder.h"

#include <vector>

namespace fingpt {

struct Architecture {
  const char *modelType; ///< `model_type` of config.json
  void (*read)(ConfigReader &config, ModelConfig &out);
  mlir::Value (*build)(TransformerBuilder &b, const ModelConfig &config);
  /// A tensor that every file has, under one of these prefixes; the first that
  /// fits is the file's prefix.
  const char *probe;
  std::vector<const char *> prefixes;
  /// Globs over whole names: tensors that may be there and mean nothing here.
  std::vector<const char *> ignorable;
};

/// Null if unknown.
const Architecture *findArchitecture(std::string_view modelType);
/// "bert, gemma, …" for messages.
std::string knownArchitectures();

/// The graph of `architecture`, checked against `store`. A tensor of `names`
/// (every tensor of the file) that the graph does not use must be ignorable.
Result<mlir::OwningOpRef<mlir::ModuleOp>> buildModel(const Architecture &architecture,
                                                     const ModelConfig &config, ParamStore &store,
                                                     FileConventions conventions,
                                                     const std::vector<std::string> &names,
                                                     mlir::MLIRContext &context);

/// Reads the config by the architecture's rules. `file` is for messages.
Result<ModelConfig> readConfig(const Architecture &architecture, const Json &config,
                               const std::string &file, const std::string &pointer = "");

// The architectures, one file each.
void readLlama(ConfigReader &, ModelConfig &);
void readMistral(ConfigReader &, ModelConfig &);
void readQwen2(ConfigReader &, ModelConfig &);
void readQwen3(ConfigReader &, ModelConfig &);
void readPhi3(ConfigReader &, ModelConfig &);
void readGemma(ConfigReader &, ModelConfig &);
void readGemma2(ConfigReader &, ModelConfig &);
void readGemma3(ConfigReader &, ModelConfig &);
mlir::Value buildLlama(TransformerBuilder &, const ModelConfig &);

void readGPT2(ConfigReader &, ModelConfig &);
mlir::Value buildGPT2(TransformerBuilder &, const ModelConfig &);
void readOPT(ConfigReader &, ModelConfig &);
mlir::Value buildOPT(TransformerBuilder &, const ModelConfig &);
void readPhi(ConfigReader &, ModelConfig &);
mlir::Value buildPhi(TransformerBuilder &, const ModelConfig &);
void readBert(ConfigReader &, ModelConfig &);
mlir::Value buildBert(TransformerBuilder &, const ModelConfig &);

} // namespace fingpt

#endif // FINGPT_LIB_IMPORT_ARCHITECTURE_H
