// What every architecture takes from its config.json: ranges, and the class
// defaults of transformers for absent keys. No MLIR here: a config.json is read,
// and fuzzed, without it.
#ifndef FINGPT_LIB_IMPORT_CONFIG_CONFIGRULES_H
#define FINGPT_LIB_IMPORT_CONFIG_CONFIGRULES_H

#include "ModelConfig.h"

#include <string>
#include <string_view>

namespace fingpt {

/// "bert, gemma, …" for messages.
std::string knownArchitectures();

/// Reads `config`, which `file` has at `pointer` ("" is the root), by the rules
/// of one of knownArchitectures().
Result<ModelConfig> readConfig(std::string_view modelType, const Json &config,
                               const std::string &file, const std::string &pointer = "");

/// The whole config.json of a Hugging Face directory: its `model_type` says by
/// which rules; of a multimodal model, its language model is read.
Result<ModelConfig> readHuggingFaceConfig(const Json &json, const std::string &file);

} // namespace fingpt

#endif // FINGPT_LIB_IMPORT_CONFIG_CONFIGRULES_H
