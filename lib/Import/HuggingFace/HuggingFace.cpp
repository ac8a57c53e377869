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

Result<ImportedModel> importHuggingFace(const std::string &path, mlir::MLIRContext &context) {
  std::string directory = path;
  while (directory.size() > 1 && directory.back() == '/')
    directory.pop_back();
  std::string configFile = directory + "/config.json";
  Result<Json> json = readJsonFile(configFile, 16u << 20);
  if (!json)
    return json.takeError();
  Result<ModelConfig> c = readHuggingFaceConfig(*json, configFile);
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
  auto graph = buildModel(*c, *model.params, std::move(conventions), names, context);
  if (!graph)
    return graph.takeError();
  model.graph = std::move(*graph);
  model.kind = SourceKind::HuggingFace;
  model.source = path;
  model.architecture = c->architecture;
  model.config = std::move(*json);
  return model;
}

} // namespace fingpt
