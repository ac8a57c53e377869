#include "fingpt/Driver/Model.h"

#include "fingpt/Codegen/CPU/Pipeline.h"
#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Utils/ModelParams.h"

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

Result<std::unique_ptr<Model>> Model::load(const std::string &source,
                                           const std::string &tokenizer) {
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
  model->model->tokenizer = tokenizer;
  if (!tokenizer.empty())
    if (Result<const Tokenizer *> loaded = model->tokenizer(); !loaded)
      return loaded.error();
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

Result<const Tokenizer *> Model::tokenizer() {
  if (!tokens) {
    Result<std::string> path = tokenizerPath(*model);
    if (!path)
      return path.takeError();
    Result<std::unique_ptr<Tokenizer>> loaded = Tokenizer::load(*path);
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
