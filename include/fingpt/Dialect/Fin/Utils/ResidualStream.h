// The residual stream of a graph: the values that must change their basis together.
//
//   h0 = embedding                      points:  h0, h1, h2
//   h1 = h0 + o(attention(norm(h0)))    writers: o, down, the table
//   h2 = h1 + down(mlp(norm(h1)))       readers: q, k, v, gate, up, head
//   logits = head(norm(h2))
//
// A change of basis x → x·Q passes through sums, products with constants and
// `fin.rms_norm` without parameters. So the values that these ops connect share one
// basis: it is free if nothing but linear layers and tables writes them and nothing
// but linear layers reads them. Everything else pins it.
#ifndef FINGPT_DIALECT_FIN_UTILS_RESIDUALSTREAM_H
#define FINGPT_DIALECT_FIN_UTILS_RESIDUALSTREAM_H

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Support/Result.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SetVector.h"

#include <vector>

namespace fingpt::fin {

struct Stream {
  llvm::SetVector<mlir::Value> values;   ///< in program order
  llvm::SmallVector<EmbeddingOp> tables; ///< whose rows enter
  llvm::SmallVector<LinearOp> writers;   ///< whose results are values
  llvm::SmallVector<LinearOp> readers;   ///< whose inputs are values
  /// All other ops that write or read values, in program order: each pins the basis.
  llvm::SetVector<mlir::Operation *> pins;
  int64_t width() const;
};

enum class Norms { Pin, Pass };

/// The values that share a basis with `seed`. With Norms::Pass they include what
/// `fin.rms_norm` without parameters makes of them.
Stream findStream(mlir::Value seed, Norms norms);

/// The largest stream that an embedding writes; empty without embeddings.
Stream residualStream(mlir::func::FuncOp forward);

/// True if nothing pins the stream. Otherwise emits an error on the first op that does,
/// with its name and what would help.
mlir::LogicalResult checkFree(const Stream &stream, llvm::StringRef what);

/// h' = h + branch: where the stream goes from one point to the next.
struct ResidualAdd {
  mlir::arith::AddFOp op;
  unsigned trunk = 0; ///< operand number of h
  int64_t from = 0;   ///< point of h
  int64_t to = 0;     ///< point of h'
  LinearOp writer;    ///< the last linear of the branch
};

/// The stream between its residual sums. Point 0 is the embeddings' sum, the others are
/// numbered in program order.
struct ResidualPoints {
  std::vector<mlir::Value> points;
  std::vector<ResidualAdd> adds; ///< adds[i].to == i + 1
  /// Whose basis every value of the stream is in; a branch is in that of its sum.
  llvm::DenseMap<mlir::Value, int64_t> pointOf;
};

/// Error: a sum that joins no branch to the stream, a branch that two sums use.
Result<ResidualPoints> residualPoints(const Stream &stream);

/// @forward of a module that has no function made from it yet; emits an error in the name of
/// `pass` otherwise.
mlir::FailureOr<mlir::func::FuncOp> forwardAlone(mlir::ModuleOp module, llvm::StringRef pass);

} // namespace fingpt::fin

#endif // FINGPT_DIALECT_FIN_UTILS_RESIDUALSTREAM_H
