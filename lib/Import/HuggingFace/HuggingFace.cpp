// A Hugging Face directory: config.json and safetensors, alone or in shards.
#include "../Architecture.h"

#include "fingpt/Import/Import.h"

#include <filesystem>

namespace fs = std::filesystem;

namespace fingpt {

/// Opens the weights of a directory; returns the file that names them.
static Result<std::string> openWeights(const std::string &directory, ParamStore &store) {
  std::string single = directory + "/model.safetensors";
  std::string index = single + ".index.json";
  std::error_code ec;
  if (fs::exists(single, ec)) {
    if (Status s = store.addSafetensors(single); !s)
      return s.takeError();
    return single;
  }
  if (fs::exists(index, ec)) {
    if (Status s = store.addSafetensorsIndex(index); !s)
      return s.takeError();
    return index;
  }
  bool pickle = fs::exists(directory + "/pytorch_model.bin", ec) ||
                fs::exists(directory + "/pytorch_model.bin.index.json", ec);
  return Error::at(
      escaped(directory, 1000), "weights", "model.safetensors or model.safetensors.index.json",
      pickle ? "pytorch_model.bin, a pickle that can run code (convert it first)" : "neither");
}

/// Multimodal files keep the language model's configuration under text_config.
static const Json *textConfig(const Json &config) {
  auto it = config.find("text_config");
  return it != config.end() && it->is_object() ? &*it : nullptr;
}

Result<ImportedModel> importHuggingFace(const std::string &path, mlir::MLIRContext &context) {
  std::string directory = path;
  while (directory.size() > 1 && directory.back() == '/')
    directory.pop_back();
  std::string configFile = directory + "/config.json";
  Result<Json> json = readJsonFile(configFile, 16u << 20);
  if (!json)
    return json.takeError();
  JsonObject root(*json, configFile);
  if (Status s = root.expectObject(); !s)
    return s.takeError();

  const Json *nested = textConfig(*json);
  const Json &config = nested ? *nested : *json;
  std::string pointer = nested ? "/text_config" : "";
  Result<std::string> type = JsonObject(config, configFile, pointer).string("model_type");
  if (!type)
    return type.takeError();
  const Architecture *architecture = findArchitecture(*type);
  if (!architecture)
    return Error::at(escaped(configFile, 1000) + ":" + pointer + "/model_type", "architecture",
                     "one of " + knownArchitectures(), quote(*type));
  if (const Json *q = root.find("quantization_config"))
    return Error::at(root.where("quantization_config"), "quantized checkpoint",
                     "plain F32, F16 or BF16 weights",
                     q->is_object() && q->contains("quant_method") ? describe((*q)["quant_method"])
                                                                   : describe(*q));
  Result<ModelConfig> c = readConfig(*architecture, config, configFile, pointer);
  if (!c)
    return c.takeError();

  ImportedModel model;
  model.params = std::make_shared<ParamStore>();
  Result<std::string> weights = openWeights(directory, *model.params);
  if (!weights)
    return weights.takeError();
  std::vector<std::string> names;
  for (const ParamInfo *info : model.params->list())
    names.push_back(info->name);

  FileConventions conventions;
  conventions.file = *weights;
  auto graph = buildModel(*architecture, *c, *model.params, std::move(conventions), names, context);
  if (!graph)
    return graph.takeError();
  model.graph = std::move(*graph);
  model.kind = SourceKind::HuggingFace;
  model.source = path;
  model.architecture = architecture->modelType;
  model.config = std::move(*json);
  return model;
}

} // namespace fingpt
