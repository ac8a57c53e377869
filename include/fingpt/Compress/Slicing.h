// Deleting rows and columns in PCA bases of the residual stream (SliceGPT, arXiv:2401.15024).
//
//   point     x [tokens, 768]              H = Σ xᵀx     Q [768, 768], columns by eigenvalue
//   reads x   w [out, 768]  → w·Q[:, :608]               [out, 608]
//   makes x   w [768, in]   → Q[:, :608]ᵀ·w              [608, in], and so its bias
//   residual  x [·, 608]    → x·(Q_prevᵀ·Q_next)[:608, :608]   a shortcut: each point has its own Q
//
//   auto basis = pcaBasis(gram.h);                      // of the stream before the norm
//   int64_t k = slicedWidth(768, 0.2);                  // 608
//   orient(*basis, k, /*seed=*/7);                      // then quantization finds no outliers
//
// Pass fin-slice applies the bases to a graph. The norms must be free of parameters (`foldNorm` of
// Rotation.h) and keep dividing by the *original* width. The projection loses Σ_{j ≥ k} λ_j of
// Σ‖x‖². The head is rotated and not sliced: the last point is as wide as the model. Heads, their
// size and the KV cache stay.
//
// The stored parameters may grow: a tied head is untied and every residual sum gains a
// shortcut. OPT-125M has 147,250,880 after slicing 20% and 125.2M before.
#ifndef FINGPT_COMPRESS_SLICING_H
#define FINGPT_COMPRESS_SLICING_H

#include "fingpt/Compress/Gram.h"

#include <cstdint>
#include <vector>

namespace fingpt::compress {

/// An orthogonal basis of one point of the residual stream.
struct PcaBasis {
  Matrix<double> q;             ///< [D, D]; column j is direction j
  std::vector<double> spectrum; ///< λ_j of H, descending, never negative

  int64_t width() const { return q.rows(); }
  /// What slicing to k loses: Σ_{j ≥ k} λ_j = Σ ‖x − x·Q_k·Q_kᵀ‖² over the calibration data.
  double tail(int64_t k) const;
  /// Q[:, :k]
  ConstMatrixD first(int64_t k) const { return q.block(0, 0, width(), k); }
};
/// H uncentred, as `Gram` holds it. The reference adds 1% of the mean diagonal first; that moves
/// all eigenvalues alike and no eigenvector, so it is left out. Error: H has NaN or Inf.
Result<PcaBasis> pcaBasis(ConstMatrixD h);

/// Turns the first k directions by a random orthogonal matrix: the same subspace, its variance
/// spread over all k. Without it the first directions are outliers.
Status orient(PcaBasis &basis, int64_t k, uint64_t seed);

/// ⌊(1 − fraction)·width⌋ down to a multiple of `align`, not below `align`; `width` itself at 0.
int64_t slicedWidth(int64_t width, double fraction, int64_t align = 8);

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_SLICING_H
