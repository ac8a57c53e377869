// Weights of a graph: what they are called, where they are used, their values.
//
//   %q = fin.param "model.layers.0.self_attn.q_proj.weight.codes" …
//   %w = fin.dequantize %q scales %s mins %m …
//   %y = fin.linear %x, %w
//
//   for (LinearWeight &l : linearWeights(forward))   // l.weight = %w
//     l.name;                     // "model.layers.0.self_attn.q_proj.weight"
//     denseWeight(l.weight, params);   // [out, in] f32, as the ops define it
//
// A weight is a value computed of parameters and constants alone. Its name is what
// the keys of its parameters have in common up to a dot, so that it stays the same
// however the weight is rewritten.
#ifndef FINGPT_DIALECT_FIN_UTILS_WEIGHTS_H
#define FINGPT_DIALECT_FIN_UTILS_WEIGHTS_H

#include "fingpt/Compress/Quantize.h"
#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Params/ParamStore.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Support/Regex.h"

#include <optional>
#include <string>

namespace fingpt::fin {

/// Tells weights from values that depend on arguments; remembers, so that shared
/// subexpressions cost nothing: a graph of strangers may double them at every op. Valid
/// until an op that it has seen is erased.
class WeightAnalysis {
public:
  bool isWeight(mlir::Value v);

private:
  enum class State { Open, Weight, Other };
  llvm::DenseMap<mlir::Operation *, State> states;
};

/// Calls `visit` with the ops that `v` is computed of, operands before users; with each
/// once, as `seen` remembers from call to call. The graph may be as deep as it likes.
void walkSources(mlir::Value v, llvm::SmallPtrSetImpl<mlir::Operation *> &seen,
                 llvm::function_ref<void(mlir::Operation *)> visit);

/// The parameters that `weight` is made of, each once, in operand order.
llvm::SmallVector<ParamOp> weightParams(mlir::Value weight);

/// "model.layers.0.self_attn.q_proj.weight" of codes, scales and factors under that
/// stem; the key of a single parameter, without what a pass appended to it (".dense",
/// ".folded", ".rotated", ".sliced"); empty without parameters.
/// Rows of a fused tensor are weights of their own: "….c_attn.weight.part64" begins at row 64.
std::string weightName(mlir::Value weight);

/// The layer number in a weight's name, or -1.
int64_t layerOfName(llvm::StringRef name);
/// The name without numbers between its dots: one for the same matrix of every layer.
std::string kindOfName(llvm::StringRef name);

/// Which weights a pass is for, by name.
class NameFilter {
public:
  /// Two regular expressions, searched for anywhere in the name; empty ones match everything
  /// and nothing. Error: names the option that is no regular expression.
  static Result<NameFilter> parse(const std::string &only, const std::string &skip);
  bool matches(llvm::StringRef name) const;

private:
  std::optional<llvm::Regex> only, skip;
};

/// A weight that linears multiply by or that tokens are looked up in, with all of its uses.
struct LinearWeight {
  std::string name;
  mlir::Value weight;                ///< [out, in], float
  llvm::SmallVector<LinearOp> users; ///< in program order; none: a table alone
  bool embedding = false;            ///< a table; with users: a tied head
  int64_t rows() const;
  int64_t cols() const;
};
/// Those of linears in the order of their first use, then tables that only tokens are looked up
/// in. Tables of positions or token types are none.
std::vector<LinearWeight> linearWeights(mlir::func::FuncOp function);

/// Erases weight expressions that nothing uses any more.
void eraseDeadWeights(mlir::func::FuncOp function);

/// Bytes that the parameters of a weight take in the store.
Result<uint64_t> storedBytes(mlir::Value weight, const ParamStore &params);

/// A weight's values, in place where the store has them as floats. The store must outlive it.
class DenseWeight {
public:
  /// To be read row by row; gives the pages of a mapped file back.
  const compress::WeightSource &source() const { return from; }
  /// As f32; converts a 16-bit or f64 tensor on first call.
  compress::ConstMatrixF view();

private:
  friend Result<DenseWeight> denseWeight(mlir::Value, const ParamStore &);
  DenseWeight(compress::WeightSource from) : from(from) {}
  compress::WeightSource from;
  TensorData owner;
  std::shared_ptr<std::vector<float>> values;
  compress::Matrix<float> converted;
  bool isF32 = false;
};
/// Evaluates the ops of a weight [out, in] (or a vector, as one row), in f32 as their
/// decompositions do. Error: an op that is no weight expression, a parameter that is missing.
Result<DenseWeight> denseWeight(mlir::Value weight, const ParamStore &params);

} // namespace fingpt::fin

#endif // FINGPT_DIALECT_FIN_UTILS_WEIGHTS_H
