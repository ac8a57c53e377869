// A GGUF file: its metadata as a configuration, its tensors under Hugging Face
// names, its quantization as weight expressions.
#include "../Architecture.h"
#include "Config.h"
#include "Names.h"

#include "fingpt/Import/Import.h"

namespace fingpt {

Result<ImportedModel> importGGUF(const std::string &path, mlir::MLIRContext &context) {
  auto file = GGUFFile::open(path);
  if (!file)
    return file.takeError();
  const GGUFFile &gguf = **file;
  Result<std::string> kind = gguf.string("general.type", "model");
  if (!kind)
    return kind.takeError();
  if (*kind != "model")
    return Error::at(escaped(path, 1000) + ":general.type", "kind of file", "\"model\"",
                     quote(*kind));
  Result<GGUFSplits> splits = openSplits(*file);
  if (!splits)
    return splits.takeError();

  ImportedModel model;
  model.params = std::make_shared<ParamStore>();
  if (Status s = model.params->add(*splits); !s)
    return s.takeError();
  Result<Json> config = configFromGGUF(gguf, *model.params);
  if (!config)
    return config.takeError();
  // The numbers have been checked by their own keys; what remains is the
  // architecture's rules, about the configuration made of them.
  Result<ModelConfig> c =
      readConfig((*config)["model_type"].get_ref<const std::string &>(), *config, path);
  if (!c)
    return c.takeError();

  Result<std::string> arch = gguf.string("general.architecture");
  std::vector<std::string> fileNames;
  for (const auto &split : *splits)
    for (const GGUFTensor &t : split->tensors())
      fileNames.push_back(t.name);
  auto names = aliasNames(*model.params, *arch, fileNames, path);
  if (!names)
    return names.takeError();
  // Read into the configuration.
  for (const char *done : {"rope_factors_short.weight", "rope_factors_long.weight"})
    names->erase(std::remove(names->begin(), names->end(), done), names->end());

  FileConventions conventions;
  conventions.file = path;
  // Converters to `llama` permute the rows of q and k into interleaved pairs.
  if (*arch == "llama")
    conventions.ropeStyle = fin::RopeStyle::Interleaved;
  conventions.normPlusOneStored = true;
  conventions.conv1DTransposed = true;
  if (model.params->find("rope_freqs.weight"))
    conventions.ropeDivisors = "rope_freqs.weight";
  auto graph = buildModel(*c, *model.params, std::move(conventions), *names, context);
  if (!graph)
    return graph.takeError();
  model.graph = std::move(*graph);
  model.kind = SourceKind::GGUF;
  model.source = path;
  model.architecture = c->architecture;
  model.config = std::move(*config);
  return model;
}

} // namespace fingpt
