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
//   auto in = sliceInputs(w, *basis, k);
//
// The norms must be free of parameters (`foldNorm` of Rotation.h) and keep dividing by the
// *original* width. The projection loses Σ_{j ≥ k} λ_j of Σ‖x‖². The head is rotated and not
// sliced: the last point is as wide as the model. Heads, their size and the KV cache stay.
//
// The stored parameters may grow: a tied head is untied and every residual sum gains a
// shortcut. OPT-125M has 147,250,880 after slicing 20% and 125.2M before (`slicedParameters`).
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
};
/// H uncentred, as `Gram` holds it. The reference adds 1% of the mean diagonal first; that moves
/// all eigenvalues alike and no eigenvector, so it is left out. Error: H has NaN or Inf.
Result<PcaBasis> pcaBasis(ConstMatrixD h);

/// Turns the first k directions by a random orthogonal matrix: the same subspace, its variance
/// spread over all k. Without it the first directions are outliers.
Status orient(PcaBasis &basis, int64_t k, uint64_t seed);

/// ⌊(1 − fraction)·width⌋ down to a multiple of `align`, not below `align`; `width` itself at 0.
int64_t slicedWidth(int64_t width, double fraction, int64_t align = 8);
/// The least multiple of `align` (or the whole width) whose tail is at most 1 − `explained` of
/// the sum. Widths then differ from point to point; whether that beats equal ones depends on the
/// model (OPT-13B better, Llama-2-7B worse in the paper).
int64_t widthForVariance(const PcaBasis &basis, double explained, int64_t align = 8);

/// (w·Q)[:, :k] for w [out, D].
Matrix<double> sliceInputs(ConstMatrixD w, const PcaBasis &basis, int64_t k);
/// (Qᵀ·w)[:k, :] for w [D, in]; a bias is a w of one column.
Matrix<double> sliceOutputs(ConstMatrixD w, const PcaBasis &basis, int64_t k);
/// (Q_fromᵀ·Q_to)[:kFrom, :kTo]: x·shortcut carries the stream from one basis to the next.
Matrix<double> shortcut(const PcaBasis &from, int64_t kFrom, const PcaBasis &to, int64_t kTo);

/// Samples with row t scaled by √weights[t], for a GramAccumulator: H = Σ weight_t·xᵀx. With the
/// sensitivity of the output to token t as its weight, slicing loses less where it matters
/// (output-aware slicing); equal weights give SliceGPT. Error: a weight that is negative or not
/// finite, or another number of weights than samples.
Result<Matrix<float>> weightTokens(ConstMatrixF samples, const std::vector<double> &weights);

/// What decides the number of parameters of a sliced transformer.
struct SlicedShape {
  int64_t layers = 0, hidden = 0, vocabulary = 0;
  int64_t positions = 0;    ///< rows of a learned position table, 0 without one
  int64_t attentionIn = 0;  ///< output rows of q, k and v together
  int64_t attentionOut = 0; ///< inputs of the attention's output linear
  int64_t mlpIn = 0;        ///< output rows that read the stream: of gate and up together
  int64_t mlpOut = 0;       ///< inputs of the MLP's output linear
  /// A norm with β gives every linear that reads it a bias, the head too.
  bool normBias = false;
  bool inputBias = false, outputBias = false; ///< of the linears that read, that write the stream
  bool parallel = false; ///< attention and MLP read one point: one shortcut per layer
};
/// Parameters when the points have these widths: 2·layers + 1 of them (layers + 1 if parallel),
/// from the embeddings on; the last must be `hidden`. Error: another number, or a width out of
/// range.
Result<int64_t> slicedParameters(const SlicedShape &shape, const std::vector<int64_t> &widths);
/// The same for one width at all points but the last.
Result<int64_t> slicedParameters(const SlicedShape &shape, int64_t width);

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_SLICING_H
