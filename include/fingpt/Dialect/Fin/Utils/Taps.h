// What calibration looks at: the inputs of linear layers, and the points of the residual stream.
//
//                                     piece   taps
//   h0 = embedding(tokens)            0
//   n  = norm(h0)                     1       n: q, k, v
//   a  = attention(q·n, k·n, v·n)     1       a: o
//   h1 = h0 + o·a                     1
//   …
//   y  = head·norm(h2)                3       norm(h2): head
//
// Linears that read one value share a tap. Pieces begin and end at the points h0, h1, h2: where
// one float tensor [batch, tokens, width] is all that is alive. Norms before linears belong to
// their piece; what depends on tokens alone (positions) belongs to none.
#ifndef FINGPT_DIALECT_FIN_UTILS_TAPS_H
#define FINGPT_DIALECT_FIN_UTILS_TAPS_H

#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include <vector>

namespace fingpt::fin {

/// Of a result: the names under which statistics know it, as `fin-observe` says them.
inline constexpr llvm::StringLiteral kTapAttr = "fin.tap";

/// An input that linears share.
struct Tap {
  mlir::Value input;
  /// At least one, in program order. A weight that several linears use is measured where it is
  /// used first: each name is in one tap.
  std::vector<LinearWeight> weights;
};

/// The taps of all linears whose weight is a weight expression, in program order.
std::vector<Tap> linearTaps(mlir::func::FuncOp function);

/// Ops between two points of the residual stream.
struct Piece {
  llvm::SmallVector<mlir::Operation *> ops; ///< whose results are float tensors and no weights
  mlir::Value in;                           ///< null for the first
  mlir::Value out;                          ///< what the function returns, for the last
};

/// Cuts a function of one block. Every piece but the first has linears; the first may be the
/// embeddings alone.
std::vector<Piece> residualPieces(mlir::func::FuncOp function);

} // namespace fingpt::fin

#endif // FINGPT_DIALECT_FIN_UTILS_TAPS_H
