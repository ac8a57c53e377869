#include "Architecture.h"
#include "Diagnostics.h"

#include "mlir/IR/Verifier.h"
#include "llvm/Support/GlobPattern.h"

#include <unordered_set>

namespace fingpt {

static const std::vector<Architecture> &architectures() {
  // Checkpoints of a model without its head lack the outermost prefix.
  static const std::vector<const char *> model = {"model.", ""};
  static const std::vector<const char *> gemma3 = {"model.", "", "model.language_model.",
                                                   "language_model.model."};
  static const std::vector<const char *> buffers = {"*.rotary_emb.inv_freq"};
  static const std::vector<const char *> images = {"vision_tower.*", "model.vision_tower.*",
                                                   "multi_modal_projector.*",
                                                   "model.multi_modal_projector.*"};
  static const std::vector<const char *> masks = {"*.attn.bias", "*.attn.masked_bias"};
  static const std::vector<const char *> heads = {"*embeddings.position_ids",
                                                  "*pooler.dense.weight", "*pooler.dense.bias",
                                                  "cls.seq_relationship.*", "cls.predictions.*"};
  static const char *table = "embed_tokens.weight";
  static const std::vector<Architecture> all = {
      {"bert", buildBert, "embeddings.word_embeddings.weight", {"bert.", ""}, heads},
      {"gemma", buildLlama, table, model, buffers},
      {"gemma2", buildLlama, table, model, buffers},
      {"gemma3_text", buildLlama, table, gemma3, images},
      {"gpt2", buildGPT2, "wte.weight", {"transformer.", ""}, masks},
      {"llama", buildLlama, table, model, buffers},
      {"mistral", buildLlama, table, model, buffers},
      {"opt", buildOPT, table, {"model.decoder.", "decoder.", ""}, {}},
      {"phi", buildPhi, table, model, buffers},
      {"phi3", buildLlama, table, model, buffers},
      {"qwen2", buildLlama, table, model, buffers},
      {"qwen3", buildLlama, table, model, buffers},
  };
  return all;
}

/// Null if unknown.
static const Architecture *findArchitecture(std::string_view modelType) {
  for (const Architecture &a : architectures())
    if (modelType == a.modelType)
      return &a;
  return nullptr;
}

static bool matchesAny(const std::vector<llvm::GlobPattern> &globs, const std::string &name) {
  for (const llvm::GlobPattern &g : globs)
    if (g.match(name))
      return true;
  return false;
}

Result<mlir::OwningOpRef<mlir::ModuleOp>> buildModel(const ModelConfig &config, ParamStore &store,
                                                     FileConventions conventions,
                                                     const std::vector<std::string> &names,
                                                     mlir::MLIRContext &context) {
  const Architecture *found = findArchitecture(config.architecture);
  if (!found)
    return Error::at(escaped(conventions.file, 1000),
                     "no graph is known for " + quote(config.architecture));
  const Architecture &architecture = *found;
  conventions.prefix = architecture.prefixes.front();
  for (const char *prefix : architecture.prefixes) {
    std::string probe = std::string(prefix) + architecture.probe;
    if (store.find(probe) || store.findBlockForm(probe)) {
      conventions.prefix = prefix;
      break;
    }
  }
  std::string file = conventions.file;
  TransformerBuilder b(context, store, config, std::move(conventions));
  mlir::Value result = architecture.build(b, config);
  auto module = b.finish(result);
  if (!module)
    return module.takeError();

  std::vector<llvm::GlobPattern> ignorable;
  for (const char *glob : architecture.ignorable)
    if (auto pattern = llvm::GlobPattern::create(glob))
      ignorable.push_back(std::move(*pattern));
  for (const std::string &name : names) {
    if (b.used().count(name) || matchesAny(ignorable, name))
      continue;
    const ParamInfo *info = store.find(name);
    return Error::at(
        escaped(info ? info->source : file, 1000) + ": tensor " + quote(name), "unexpected",
        "no such tensor in a " + config.architecture + " model of " +
            std::to_string(config.layers) + (config.layers == 1 ? " layer" : " layers"),
        info ? shapeText(info->shape) : "one");
  }
  // What the config says must also hold together: the verifier is the last
  // word.
  DiagnosticCapture capture(&context);
  if (mlir::failed(mlir::verify(**module)))
    return capture.error(file);
  return module;
}

} // namespace fingpt
