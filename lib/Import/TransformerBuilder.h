// Emits one function of fin ops. An architecture says what stands where:
//
//   Value h = b.embedding(b.tokens(), b.weight("model.embed_tokens.weight",
//   vocab, hidden)); Value n = b.rmsNorm(h, "model.layers.0.input_layernorm");
//   Value q = b.linear(n, "model.layers.0.self_attn.q_proj", 576);
//
// Every parameter is checked against the store where it is first used: present,
// of the expected shape, of a type that can be computed with. The first problem
// is kept, building goes on with the expected types (so an architecture's code
// has no error paths), and finish() reports it.
//
// Names are relative to the file's prefix ("model.", "transformer.", …), except
// those that begin with '/'.
#ifndef FINGPT_LIB_IMPORT_TRANSFORMERBUILDER_H
#define FINGPT_LIB_IMPORT_TRANSFORMERBUILDER_H

#include "Config/ModelConfig.h"

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Params/ParamStore.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <map>
#include <optional>
#include <set>
#include <string>

namespace fingpt {

/// How one kind of file writes down what the architecture means.
struct FileConventions {
  std::string file; ///< for messages
  /// Of the tensors: "model.", "transformer.", …, ""; found by buildModel().
  std::string prefix;
  fin::RopeStyle ropeStyle = fin::RopeStyle::Half;
  /// Where a norm multiplies by 1 + w, the file holds 1 + w.
  bool normPlusOneStored = false;
  /// Conv1D weights are stored as [out, in], like any other.
  bool conv1DTransposed = false;
  /// A tensor that divides the rotary frequencies, or empty.
  std::string ropeDivisors;
};

class TransformerBuilder {
public:
  using Value = mlir::Value;

  TransformerBuilder(mlir::MLIRContext &context, ParamStore &store, const ModelConfig &config,
                     FileConventions conventions);

  // The function. Call one of these first, finish() last.
  void beginDecoder(); ///< @forward(%tokens)
  void beginEncoder(); ///< @forward(%tokens, %lengths, %token_types)
  /// Returns `result` from @forward; the module, or the first error.
  Result<mlir::OwningOpRef<mlir::ModuleOp>> finish(Value result);
  Value tokens() const { return tokenIds; }
  Value tokenTypes() const { return typeIds; }
  /// Marks what follows as layer `index`; returns its names' prefix
  /// "layers.3.".
  std::string layer(const std::string &list, int64_t index);
  /// What follows belongs to no layer.
  void endLayers();
  /// True once something was wrong: loops over layers stop.
  bool failed() const { return problem.has_value(); }

  // Parameters, as f32 values.
  bool has(const std::string &name) const;
  Value vector(const std::string &name, int64_t length);
  Value weight(const std::string &name, int64_t out, int64_t in);
  /// Rows [first, first + count) of a weight of `out` rows. Of a
  /// block-quantized tensor they become parameters of their own, called
  /// PART.codes, PART.scales, …
  Value weightRows(const std::string &name, int64_t out, int64_t in, int64_t first, int64_t count,
                   const std::string &part);
  Value vectorPart(const std::string &name, int64_t length, int64_t first, int64_t count);
  /// The output head, [vocab, width]: `name`, or `table` where they are tied.
  Value headWeight(const std::string &name, const std::string &tableName, Value table,
                   int64_t width);

  // Ops.
  Value embedding(Value ids, Value table);
  Value positions(int64_t offset = 0);
  /// x·wᵀ (+ b) by the tensors NAME.weight and, if `bias`, NAME.bias.
  Value linear(Value x, const std::string &name, int64_t out, bool bias = false);
  Value linear(Value x, Value weight, Value bias = {});
  /// Norms by NAME.weight (and NAME.bias), over heads of `headDim` if given.
  Value rmsNorm(Value x, const std::string &name, int64_t headDim = 0);
  Value layerNorm(Value x, const std::string &name, bool affine = true, int64_t headDim = 0);
  Value rope(Value x, const RopeConfig &rope);
  /// Causal in a decoder, bounded by %lengths in an encoder; window, scale and
  /// soft cap by the config.
  Value attention(Value q, Value k, Value v, int64_t layer);
  Value activate(Value x);
  Value add(Value a, Value b);
  Value multiply(Value a, Value b);
  Value scale(Value x, double factor);
  Value softCap(Value x, double cap); ///< x itself if cap is 0
  int64_t widthOf(Value v) const;
  /// Keys that the graph refers to, without the fields of block forms.
  const std::set<std::string> &used() const { return usedNames; }

private:
  /// Linears of the layers are stored [in, out].
  bool transposed() const { return config.conv1D && !files.conv1DTransposed; }
  void begin(bool decoder);
  void fail(Error error);
  std::string key(const std::string &name) const;
  mlir::RankedTensorType f32(llvm::ArrayRef<int64_t> shape) const;
  Value param(const std::string &key, mlir::RankedTensorType type);
  /// A plain tensor as f32, or a placeholder after fail().
  Value plain(const std::string &key, const Shape &shape);
  Value blockWeight(const BlockForm &form);
  Value blockScales(const BlockForm &form, const std::string &key, const std::string &super,
                    bool negated);
  Value blockRows(const BlockForm &form, const std::string &part, int64_t first, int64_t count);

  ParamStore &store;
  const ModelConfig &config;
  FileConventions files;
  mlir::OpBuilder b;
  mlir::Location loc;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  mlir::func::FuncOp function;
  Value tokenIds, lengths, typeIds, tokenPositions, divisors;
  std::map<std::string, Value> weights; ///< by key: a shared tensor is one param
  std::set<std::string> usedNames;
  std::optional<Error> problem;
};

} // namespace fingpt

#endif // FINGPT_LIB_IMPORT_TRANSFORMERBUILDER_H
