// Orthogonal changes of basis that leave the model's function as it is.
//
// Between the norms of a transformer a basis may change freely:
//
//   x·wᵀ = (x·Q)·(w·Q)ᵀ           what reads x takes w·Q
//   (x·wᵀ)·Q = x·(Qᵀ·w)ᵀ          what makes x takes Qᵀ·w
//
// once the norm between them has no parameters of its own: RMSNorm commutes with Q
// after its γ is folded into the weights that follow (`foldNorm`), LayerNorm after
// its mean subtraction, too, is moved into what writes the stream (`centerRows`,
// `centerOutputs`; never for RMSNorm, which subtracts no mean). All in f64.
//
// A Hadamard matrix spreads an outlier over all inputs and costs n·log n. For
// n = 2^k·K the rotation is (H_{2^k} ⊗ H_K), K the least 2^j·odd for which a
// Hadamard matrix is known to a construction here (Paley I and II, and
// Goethals–Seidel for 156 and 172): 576 = 16·36, 1536 = 128·12. Where there is
// none, a random orthogonal matrix of the odd part of n takes the place of H_K and
// is counted in bytes.
#ifndef FINGPT_COMPRESS_ROTATION_H
#define FINGPT_COMPRESS_ROTATION_H

#include "fingpt/Compress/LinearAlgebra.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace fingpt::compress {

/// c ← c + w·β (with beta; bias must have one element per row), then w ← w·diag(γ).
void foldNorm(MatrixView<double> w, const std::vector<double> &gamma,
              const std::vector<double> *beta = nullptr, std::vector<double> *bias = nullptr);
/// Subtracts each row's mean: embeddings of a LayerNorm model.
void centerRows(MatrixView<double> embedding);
/// Subtracts the mean over the outputs from w [out, in] and from the bias: what writes into the
/// residual stream of a LayerNorm model.
void centerOutputs(MatrixView<double> w, std::vector<double> *bias = nullptr);

/// x·H for natural-order Walsh–Hadamard H of size n = 2^k, in place, not normalised.
void walshHadamard(double *x, int64_t n);
void walshHadamard(float *x, int64_t n);

/// A matrix of ±1 with H·Hᵀ = size·1, if one of the constructions gives it (1, 2 and multiples
/// of 4 such as 12, 20, 28, 36, 40, 44, 52, 60, 76, 108, 140, 156, 172).
std::optional<Matrix<double>> hadamardMatrix(int64_t size);

/// Q = diag(signs)·(H_{2^k} ⊗ kernel)/norm, orthogonal: as fin.hadamard where K is 1.
class Rotation {
public:
  /// Signs are 1 without a seed. The same seed gives the same signs everywhere (and the same
  /// random kernel, to the last bits that the math library decides).
  static Result<Rotation> make(int64_t size, std::optional<uint64_t> seed = {});

  int64_t size() const { return n; }
  int64_t powerOfTwo() const { return n / kernel.rows(); }
  /// True if Q·√n has entries ±1.
  bool isHadamard() const { return exact; }
  const std::vector<double> &signs() const { return sign; }
  /// Sign bits, and 4 bytes per element of a random kernel.
  int64_t storedBytes() const;

  /// Rows: x ← x·Q, and back: x ← x·Qᵀ.
  void apply(MatrixView<double> x) const;
  void applyInverse(MatrixView<double> x) const;
  /// w ← Qᵀ·w for what writes into the rotated basis; its bias is a row for `apply`.
  void applyToOutputs(MatrixView<double> w) const;
  Matrix<double> dense() const;

private:
  void multiplyBlocks(MatrixView<double> x, Transpose t) const;
  int64_t n = 0;
  bool exact = true;
  Matrix<double> kernel; ///< K × K, orthogonal
  std::vector<double> sign;
};

/// A uniformly distributed orthogonal matrix, decided by the seed to the last bits that the math
/// library decides.
Result<Matrix<double>> randomOrthogonal(int64_t n, uint64_t seed);

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_ROTATION_H
