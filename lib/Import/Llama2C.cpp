// llama2.c checkpoints: Llama with interleaved rotary pairs and eps 1e-5, whose
// tensors get the names of the Hugging Face model.
#include "Architecture.h"
#include "GGUF/Names.h"

#include "fingpt/Import/Import.h"
#include "fingpt/Params/Llama2CFile.h"

namespace fingpt {

Result<ImportedModel> importLlama2C(const std::string &path, mlir::MLIRContext &context) {
  auto file = Llama2CFile::open(path);
  if (!file)
    return file.takeError();
  const Llama2CDims &dims = (*file)->dims();
  ImportedModel model;
  model.config = Json{{"architectures", Json::array({"LlamaForCausalLM"})},
                      {"model_type", "llama"},
                      {"vocab_size", dims.vocab},
                      {"hidden_size", dims.dim},
                      {"intermediate_size", dims.hidden},
                      {"num_hidden_layers", dims.layers},
                      {"num_attention_heads", dims.heads},
                      {"num_key_value_heads", dims.kvHeads},
                      {"max_position_embeddings", dims.sequence},
                      {"rms_norm_eps", 1e-5},
                      {"rope_theta", 10000.0},
                      {"tie_word_embeddings", !dims.separateHead}};
  Result<ModelConfig> c = readConfig("llama", model.config, path);
  if (!c)
    return c.takeError();

  model.params = std::make_shared<ParamStore>();
  if (Status s = model.params->add(*file); !s)
    return s.takeError();
  std::vector<std::string> fileNames;
  for (const Llama2CTensor &t : (*file)->tensors())
    fileNames.push_back(t.name);
  Result<std::vector<std::string>> renamed = aliasNames(*model.params, "llama", fileNames, path);
  if (!renamed)
    return renamed.takeError();

  FileConventions conventions;
  conventions.file = path;
  conventions.ropeStyle = fin::RopeStyle::Interleaved;
  auto graph = buildModel(*c, *model.params, std::move(conventions), *renamed, context);
  if (!graph)
    return graph.takeError();
  model.graph = std::move(*graph);
  model.kind = SourceKind::Llama2C;
  model.source = path;
  model.architecture = "llama";
  return model;
}

} // namespace fingpt
