// From a model as people have it to a graph and its parameters.
//
//   MLIRContext context;
//   Result<ImportedModel> model = importModel("SmolLM2.gguf", context);
//   model->graph;    // module with @forward(%tokens) -> logits, over fin.param
//   keys model->params;   // ParamStore that knows every key of the graph
//
// SRC may be
//   * a GGUF file (of a split model, the first),
//   * a Hugging Face directory (config.json + model.safetensors[.index.json]),
//   * a llama2.c .bin file,
//   * a model directory of this project (fingpt.json, graph.mlir,
//   model.safetensors),
//   * an .mlir file (its fin.params attribute names the parameter file beside
//   it).
//
// Only headers are read: no pass and no importer touches bytes it need not
// touch.
#ifndef FINGPT_IMPORT_IMPORT_H
#define FINGPT_IMPORT_IMPORT_H

#include "fingpt/Params/ParamStore.h"
#include "fingpt/Support/Json.h"
#include "fingpt/Support/Result.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <memory>
#include <string>

namespace fingpt {

enum class SourceKind { GGUF, HuggingFace, Llama2C, ModelDirectory, MLIRFile };

struct ImportedModel {
  mlir::OwningOpRef<mlir::ModuleOp> graph;
  std::shared_ptr<ParamStore> params;
  SourceKind kind;
  std::string source;       ///< path as given
  std::string architecture; ///< "llama", "qwen2", …
  /// Hugging Face style configuration: as read, or made from GGUF metadata.
  Json config;
  /// File or directory of a tokenizer that replaces the source's own; empty for that.
  std::string tokenizer;
};

/// Where the tokenizer of a model lies: a file or a directory. A llama2.c file carries none: it
/// is tokenizer.bin beside it, or the only tok*.bin.
Result<std::string> tokenizerPath(const ImportedModel &model);

/// What `path` is; an error that lists the accepted forms if none fits.
Result<SourceKind> detectSource(const std::string &path);

/// Imports any accepted form. `context` must have the fin dialect registered.
Result<ImportedModel> importModel(const std::string &path, mlir::MLIRContext &context);

Result<ImportedModel> importGGUF(const std::string &path, mlir::MLIRContext &context);
Result<ImportedModel> importHuggingFace(const std::string &path, mlir::MLIRContext &context);
Result<ImportedModel> importLlama2C(const std::string &path, mlir::MLIRContext &context);
Result<ImportedModel> importModelDirectory(const std::string &path, mlir::MLIRContext &context);
Result<ImportedModel> importMLIR(const std::string &path, mlir::MLIRContext &context);

} // namespace fingpt

#endif // FINGPT_IMPORT_IMPORT_H
