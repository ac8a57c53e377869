// A model as the verbs use it: imported, with its tokenizer, compiled on demand.
//
//   auto model = Model::load("SmolLM2.gguf");
//   auto code = (*model)->compile({});               // JIT for this machine
//   Generator generator(**model, **code, options);
#ifndef FINGPT_DRIVER_MODEL_H
#define FINGPT_DRIVER_MODEL_H

#include "fingpt/Codegen/CPU/JIT.h"
#include "fingpt/Import/Import.h"
#include "fingpt/Tokenizer/Tokenizer.h"

#include "mlir/IR/MLIRContext.h"

#include <memory>
#include <string>

namespace fingpt {

class Model {
public:
  /// Imports `source` (any accepted form); reads headers only. A `tokenizer` replaces that beside
  /// the weights, is loaded at once, and what is written of the model carries it.
  static Result<std::unique_ptr<Model>> load(const std::string &source,
                                             const std::string &tokenizer = {});

  ImportedModel &imported() { return *model; }
  const ImportedModel &imported() const { return *model; }
  mlir::ModuleOp graph() const { return *model->graph; }
  /// From the module's fin.model.
  std::string architecture() const;
  int64_t contextLength() const;
  int64_t vocabSize() const; ///< width of the logits; 0 for an encoder
  /// True if @forward yields next-token logits under a causal mask.
  bool isDecoder() const;

  /// The tokenizer that was given, or the one beside the weights; loaded once.
  Result<const Tokenizer *> tokenizer();

  Result<std::unique_ptr<JITModel>> compile(const JITOptions &options);

private:
  Model();
  std::unique_ptr<mlir::MLIRContext> context; // outlives the graph
  std::unique_ptr<ImportedModel> model;
  std::unique_ptr<Tokenizer> tokens;
};

} // namespace fingpt

#endif // FINGPT_DRIVER_MODEL_H
