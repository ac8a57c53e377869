// Truncation that loses least output: SVD of the whitened weight.
//
//   w [576, 1536], H = XᵀX [1536, 1536], rank 200:
//
//   auto white = Whitener::cholesky(gram.h);          // R·Rᵀ = H'
//   auto parts = decompose(w, *white);                // w·R = U·Σ·Vᵀ
//   LowRank f = parts->factors(200);                  // b [576, 200], a [200, 1536]
//   // tr((w − b·a)·H'·(w − b·a)ᵀ) = parts->tail(200) = Σ_{k ≥ 200} σ_k², the least possible
//
// b = U_r√Σ_r and a = √Σ_r·V_rᵀ·R⁻¹. Any R with R·Rᵀ = H' gives the same loss (SVD-LLM,
// arXiv:2403.07378, uses Cholesky; v2, arXiv:2503.12340, the eigenvectors). R = 1 is plain
// SVD and a diagonal R is ASVD, the baselines.
//
// A pair pays only if r < mn/(m+n); ranks are aligned to 8, since kernels are.
#ifndef FINGPT_COMPRESS_LOWRANK_H
#define FINGPT_COMPRESS_LOWRANK_H

#include "fingpt/Compress/Gram.h"
#include "fingpt/Compress/Quantize.h"

namespace fingpt::compress {

/// A square matrix R on the input side, and division by it.
class Whitener {
public:
  static Whitener identity(int64_t columns);
  /// R = diag(mean|x|^alpha), inputs of mean 0 counted as the least positive one.
  static Whitener activationScale(const std::vector<double> &meanAbs, double alpha = 0.5);
  /// R = L, L·Lᵀ = H' (conditioned, damping escalated if need be).
  static Result<Whitener> cholesky(ConstMatrixD h, const DampingOptions &options = {});
  /// R = Q√Λ of the undamped H; eigenvalues below `tolerance` of the largest count as 0, and
  /// division by them gives 0.
  static Result<Whitener> eigen(ConstMatrixD h, double tolerance = 1e-12);

  int64_t columns() const { return width; }
  /// x·R
  Matrix<double> apply(ConstMatrixD x) const;
  /// x ← x·R⁻¹
  void divide(Matrix<double> &x) const;
  /// Fraction of the mean diagonal that `cholesky` added.
  double damping() const { return added; }

private:
  enum class Kind { Identity, Diagonal, Lower, Eigen };
  Kind kind = Kind::Identity;
  int64_t width = 0;
  double added = 0;
  std::vector<double> diagonal; ///< Diagonal: of R; Eigen: √λ, 0 below the tolerance
  Matrix<double> matrix;        ///< Lower: L; Eigen: eigenvectors in rows
};

/// w ≈ b·a
struct LowRank {
  Matrix<double> b; ///< [out, rank]
  Matrix<double> a; ///< [rank, in]
  int64_t rank() const { return a.rows(); }
  int64_t parameters() const { return rank() * (b.rows() + a.cols()); }
  Matrix<double> dense() const { return product(b, a); }
};

/// Moves a power of two between the factors of every rank-one term, so that formats of short range
/// hold both; the product stays the same to the bit.
void balance(LowRank &factors);

class WeightSvd {
public:
  /// Σ_{k ≥ rank} σ_k²
  double tail(int64_t rank) const;
  /// The best pair of a rank up to min(out, in); √Σ on each side, but for a power of two that
  /// brings both factors to one magnitude.
  LowRank factors(int64_t rank) const;
  const std::vector<double> &sigma() const { return parts.sigma; }

private:
  friend Result<WeightSvd> decompose(ConstMatrixD w, const Whitener &whitener);
  Svd parts;
  const Whitener *whitener = nullptr;
};
/// SVD of w·R. The whitener must outlive the result.
Result<WeightSvd> decompose(ConstMatrixD w, const Whitener &whitener);
Result<WeightSvd> decompose(ConstMatrixD w, Whitener &&whitener) = delete;
/// Only the singular values of w·R, for allocation.
Result<std::vector<double>> whitenedSpectrum(ConstMatrixD w, const Whitener &whitener);

/// Largest rank with r < mn/(m+n), 0 if there is none.
int64_t largestPayingRank(int64_t rows, int64_t cols);
/// ⌊kept·mn/(m+n)⌋, down to a multiple of `align` (not below `align`, if that pays) and to a rank
/// that pays.
int64_t rankForRatio(int64_t rows, int64_t cols, double kept, int64_t align = 8);
/// The share removed, a percentage of few digits, for which `rankForRatio` gives `rank`, which is
/// one that it can give.
double removedForRank(int64_t rows, int64_t cols, int64_t rank, int64_t align = 8);

/// One weight to allot a rank to.
struct Spectrum {
  int64_t rows = 0, cols = 0;
  std::vector<double> sigma; ///< of w·R, with H divided by its sample count
  std::string type;          ///< matrices of one type (all q, all down) share a budget at first
};
/// Ranks that keep the share `kept` of all parameters (SVD-LLM v2): within a type, the removed
/// share of a weight is proportional to 1/ln of its loss at the uniform ratio (1/ln(1+loss)
/// if any is ≤ e). From there `align` ranks at a time are dropped where they cost least, or added
/// where they gain most, by σ²/(m+n), until the budget is met within one step. No rank exceeds the
/// largest that pays.
std::vector<int64_t> allocateRanks(const std::vector<Spectrum> &weights, double kept,
                                   int64_t align = 8);

/// Both factors in codes; groups run along the rank in b and along the inputs in a.
struct QuantizedLowRank {
  QuantizedWeight b, a;
  int64_t storedBytes() const { return b.storedBytes() + a.storedBytes(); }
  LowRank dequantized() const;
};
Result<QuantizedLowRank> quantizeFactors(const LowRank &factors, const QuantScheme &scheme);

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_LOWRANK_H
