#include "fingpt/Driver/Model.h"

#include "fingpt/Codegen/CPU/Pipeline.h"
#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Utils/ModelParams.h"

#include <filesystem>

using namespace mlir;

namespace fingpt {

Model::Model() {
  DialectRegistry registry;
  registerCPUDialects(registry);
  context = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
}

static fin::ModelAttr facts(ModuleOp graph) {
  return graph->getAttrOfType<fin::ModelAttr>("fin.model");
}

Result<std::unique_ptr<Model>> Model::load(const std::string &source) {
  std::unique_ptr<Model> model(new Model);
  Result<ImportedModel> imported = importModel(source, *model->context);
  if (!imported)
    return imported.takeError();
  model->model = std::make_unique<ImportedModel>(std::move(*imported));
  fin::setModelParams(*model->context, model->model->params);
  if (!facts(model->graph()) || !model->graph().lookupSymbol<func::FuncOp>("forward"))
    return Error::at(escaped(source, 1000), "no model",
                     "a module with the attribute fin.model "
                     "and a function @forward",
                     "neither or one of them");
  return model;
}

std::string Model::architecture() const {
  fin::ModelAttr a = facts(graph());
  return a ? a.getArch().str() : model->architecture;
}
int64_t Model::contextLength() const {
  fin::ModelAttr a = facts(graph());
  return a ? a.getContextLength() : 0;
}
int64_t Model::vocabSize() const {
  fin::ModelAttr a = facts(graph());
  return a ? a.getVocabSize() : 0;
}

bool Model::isDecoder() const {
  bool causal = false;
  graph()->walk([&](fin::AttentionOp op) { causal |= op.getCausal(); });
  return causal && vocabSize() > 0;
}

/// A llama2.c file carries no tokenizer: it lies beside it, as tokenizer.bin or as
/// the only tok*.bin.
static Result<std::string> findTokenizerBin(const std::string &source) {
  namespace fs = std::filesystem;
  fs::path directory = fs::path(source).parent_path();
  std::error_code ec;
  std::vector<std::string> found;
  for (const fs::directory_entry &entry :
       fs::directory_iterator(directory.empty() ? "." : directory, ec)) {
    std::string name = entry.path().filename().string();
    if (name == "tokenizer.bin")
      return entry.path().string();
    if (StringRef(name).starts_with("tok") && StringRef(name).ends_with(".bin"))
      found.push_back(entry.path().string());
  }
  if (found.size() == 1)
    return found.front();
  return Error::at(escaped(source, 1000), "no tokenizer: expected tokenizer.bin beside the file "
                                          "(--tokenizer names another)");
}

Result<const Tokenizer *> Model::tokenizer() {
  if (!tokens) {
    std::string path = tokenizerPath;
    if (path.empty()) {
      path = model->source;
      if (model->kind == SourceKind::Llama2C) {
        Result<std::string> found = findTokenizerBin(path);
        if (!found)
          return found.takeError();
        path = *found;
      }
    }
    Result<std::unique_ptr<Tokenizer>> loaded = Tokenizer::load(path);
    if (!loaded)
      return loaded.takeError();
    tokens = std::move(*loaded);
  }
  return static_cast<const Tokenizer *>(tokens.get());
}

Result<std::unique_ptr<JITModel>> Model::compile(const JITOptions &options) {
  return JITModel::compile(graph(), model->params, options);
}

} // namespace fingpt
