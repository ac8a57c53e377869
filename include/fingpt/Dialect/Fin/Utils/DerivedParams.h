// Dense parameters made from the weights of a graph: computed in f64, stored in f32.
//
//   DerivedParams derived(params, "rotated");
//   Value rotated = *derived.change(w, {576, 576}, Blocks::OfRows, /*tag=*/0,
//                                   [&](Matrix<double> rows) { q.apply(rows); return rows; });
//   // a fin.param "model.layers.0.self_attn.q_proj.weight.rotated" beside w's op
//
// The key is the weight's name and the suffix, numbered from 2 if it is taken
// ("….weight.rotated2"); `weightName` takes the suffix off again. Weights that were
// stored in 16 bits become f32: rounding them again is the business of whoever
// compresses them.
#ifndef FINGPT_DIALECT_FIN_UTILS_DERIVEDPARAMS_H
#define FINGPT_DIALECT_FIN_UTILS_DERIVEDPARAMS_H

#include "fingpt/Compress/Matrix.h"
#include "fingpt/Params/ParamStore.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/DenseMap.h"

#include <string>
#include <vector>

namespace fingpt::fin {

/// STEM, STEM2, STEM3, …: the first that is no key of the store.
std::string freeKey(const ParamStore &params, const std::string &stem);

/// What a change is applied to: any number of rows at a time, or all of them.
enum class Blocks { OfRows, Whole };

class DerivedParams {
public:
  using Change = llvm::function_ref<compress::Matrix<double>(compress::Matrix<double>)>;

  DerivedParams(ParamStore &params, llvm::StringRef suffix)
      : params(params), suffix(suffix.str()) {}

  /// The values of a weight [out, in], or of a vector as one row. Error: `denseWeight`'s, or
  /// a value that is not finite.
  Result<compress::Matrix<double>> values(mlir::Value weight) const;
  Result<std::vector<double>> vector(mlir::Value weight) const;

  /// A parameter of `shape` that holds `change(weight)`, right behind the op of `weight`. The
  /// same weight and tag give the same parameter again, and the change is not computed.
  /// `name` replaces the weight's own.
  Result<mlir::Value> change(mlir::Value weight, llvm::ArrayRef<int64_t> shape, Blocks blocks,
                             uint64_t tag, Change change, llvm::StringRef name = {});

  /// A new parameter "NAME.SUFFIX", or NAME itself if `exact`.
  Result<mlir::Value> add(mlir::OpBuilder &b, mlir::Location loc, const std::string &name,
                          llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<double> values,
                          bool exact = false);

private:
  ParamStore &params;
  std::string suffix;
  llvm::DenseMap<std::pair<mlir::Value, uint64_t>, mlir::Value> made;
};

} // namespace fingpt::fin

#endif // FINGPT_DIALECT_FIN_UTILS_DERIVEDPARAMS_H
