// Second moments of a linear's input, and the norm that they define.
//
// Calibration feeds samples x [tokens, in]; what is kept is independent of
// their number:
//
//   GramAccumulator sums(1536);
//   sums.add(x);                  // x: [2048, 1536] f32, any number of times
//   Gram gram = sums.finish();    // gram.h: [1536, 1536] f64 = Σ xᵀx
//
// Replacing w [out, in] by w + Δ changes the output y = x·wᵀ by x·Δᵀ, and its
// squared norm over the calibration data is tr(ΔHΔᵀ) (`outputError`). This is
// the norm in which every method of this library measures and minimises.
//
// H = Σ xᵀx is singular with fewer samples than inputs or with an input that
// is always 0, so what inverts it first calls `conditioned`: the diagonal of
// dead inputs is set to the mean of the live ones (they are decoupled: any
// positive value gives the same result for the others) and a fraction of that
// mean is added to every diagonal element. If the factorisation still fails,
// the fraction grows tenfold at a time; the result says to what.
#ifndef FINGPT_COMPRESS_GRAM_H
#define FINGPT_COMPRESS_GRAM_H

#include "fingpt/Compress/LinearAlgebra.h"

#include <cstdint>
#include <vector>

namespace fingpt::compress {

struct Gram {
  Matrix<double> h;           ///< [in, in]; only the upper triangle is defined
  std::vector<double> sumAbs; ///< Σ|x_j|
  std::vector<float> maxAbs;  ///< max|x_j|
  int64_t samples = 0;

  int64_t columns() const { return h.rows(); }
  std::vector<double> meanAbs() const;
  /// H is singular: warn.
  bool underdetermined() const { return samples < columns(); }
  /// For a table that is a head, too: tokens are looked up in it, so a row's own error counts
  /// beside that of the products. Adds the mean diagonal element to all of them.
  void addLookups();
  /// Adds the sums of other data. The order of merges decides the last bits.
  Status merge(const Gram &other);
};

/// Sums samples in f64, in tiles of 512 rows counted over all calls: the bits do not
/// depend on how the samples are split into calls, nor on the thread count.
/// Memory: one tile and H.
class GramAccumulator {
public:
  explicit GramAccumulator(int64_t columns);
  /// Error: another width, or a value that is not finite, named by sample (counted over
  /// all calls) and column. The samples of a failed call are not counted.
  Status add(ConstMatrixF samples);
  /// The sums so far; accumulation may go on.
  Gram finish();

private:
  void flush();
  Gram sums;
  Matrix<double> tile;
  int64_t filled = 0;
};

/// Error: not [columns, columns], or NaN, Inf or a negative diagonal element in the upper
/// triangle, named by row and column.
Status checkGram(ConstMatrixD h, int64_t columns);

/// The full symmetric matrix from its upper triangle.
Matrix<double> symmetric(ConstMatrixD upper);

struct DampingOptions {
  double fraction = 0.01; ///< of the mean diagonal
  double limit = 1;       ///< escalation stops here
};

/// H with dead inputs patched and the diagonal raised.
struct ConditionedGram {
  Matrix<double> h;          ///< full symmetric
  std::vector<int64_t> dead; ///< inputs j with H_jj = 0
  double fraction = 0;       ///< what was added, as a fraction of the mean diagonal
  int escalations = 0;       ///< how often the fraction grew
};
/// Patch and damp without factoring. Error: as `checkGram`.
Result<ConditionedGram> conditioned(ConstMatrixD h, double fraction);

/// The lower factor L of the conditioned matrix, L·Lᵀ = H'.
struct CholeskyGram {
  Matrix<double> factor;
  ConditionedGram info; ///< without `h`
};
Result<CholeskyGram> choleskyFactor(ConstMatrixD h, const DampingOptions &options = {});
/// The upper factor U of the inverse, UᵀU = H'⁻¹: U_jj² is the variance that is left of
/// input j once the inputs after it are known. One factorisation of the reversed matrix and
/// one triangular inverse; H'⁻¹ is never formed.
Result<CholeskyGram> inverseFactor(ConstMatrixD h, const DampingOptions &options = {});

/// Per row of delta: Δ_i·H·Δ_iᵀ, never negative.
std::vector<double> rowOutputErrors(ConstMatrixD delta, ConstMatrixD h);
/// tr(ΔHΔᵀ).
double outputError(ConstMatrixD delta, ConstMatrixD h);
/// tr((ŵ−w)H(ŵ−w)ᵀ), without a copy of the matrices.
double outputError(ConstMatrixF approximation, ConstMatrixF w, ConstMatrixD h);
/// tr(wHwᵀ).
double outputNorm(ConstMatrixF w, ConstMatrixD h);
/// tr(ΔHΔᵀ) / tr(wHwᵀ); 0 if both are 0.
double relativeOutputError(ConstMatrixF approximation, ConstMatrixF w, ConstMatrixD h);

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_GRAM_H
