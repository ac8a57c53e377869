// Dense linear algebra on row-major matrices, as OpenBLAS and LAPACK compute it,
// with the same bits for every thread count.
//
//   Matrix<double> c(576, 1536);
//   gemm(1, a, Transpose::No, b, Transpose::Yes, 0, c.view());   // c = a·bᵀ
//
// BLAS itself runs on one thread here: its own split into threads depends on
// their number, and with it the order of sums. The work is instead cut into
// tiles of fixed size, each one serial BLAS call, that the thread pool deals out.
// LAPACK's eigenvalue and singular-value drivers are serial calls; a caller
// with many weights runs those in its own parallel loop, where the loops of
// this library run inline. While any function of this library is at work, the
// OpenBLAS thread count of the process is 1; it is restored after.
#ifndef FINGPT_COMPRESS_LINEARALGEBRA_H
#define FINGPT_COMPRESS_LINEARALGEBRA_H

#include "fingpt/Compress/Matrix.h"
#include "fingpt/Support/Result.h"

#include <cstdint>
#include <vector>

namespace fingpt::compress {

/// Holds OpenBLAS at one thread for a scope; nests and may be held by several
/// threads at once. The last to leave restores the count.
class SerialBlas {
public:
  SerialBlas();
  ~SerialBlas();
  SerialBlas(const SerialBlas &) = delete;
  SerialBlas &operator=(const SerialBlas &) = delete;
};

enum class Transpose { No, Yes };

/// c = alpha·op(a)·op(b) + beta·c. Equal tiles of at most 256 × 512 in parallel.
void gemm(double alpha, ConstMatrixD a, Transpose ta, ConstMatrixD b, Transpose tb, double beta,
          MatrixView<double> c);
void gemm(float alpha, ConstMatrixF a, Transpose ta, ConstMatrixF b, Transpose tb, float beta,
          MatrixView<float> c);

/// a·b, in a new matrix.
Matrix<double> product(ConstMatrixD a, ConstMatrixD b, Transpose ta = Transpose::No,
                       Transpose tb = Transpose::No);

/// x·h for symmetric h, of which only the upper triangle is read.
Matrix<double> timesSymmetric(ConstMatrixD x, ConstMatrixD h);

/// x ← x·U or x·Uᵀ for the rows of x, U upper triangular.
void timesUpper(MatrixView<double> x, ConstMatrixD u, Transpose transpose);

/// Replaces the lower triangle of `a` (the only part read) by L with L·Lᵀ = a and
/// the rest by zeros. Error: not positive definite, naming the column.
Status cholesky(MatrixView<double> a);

/// The inverse of a lower triangular matrix, in place. The diagonal must not be 0.
void invertLower(MatrixView<double> l);

/// x ← x·L⁻¹ for the rows of x, L lower triangular.
void solveRightLower(ConstMatrixD l, MatrixView<double> x);

struct EigenPairs {
  std::vector<double> values; ///< descending
  Matrix<double> vectors;     ///< row i is the unit eigenvector of values[i]
};
/// Eigenpairs of a symmetric matrix, of which only the upper triangle is read. The largest
/// component of each vector is positive, so that the signs are defined.
Result<EigenPairs> eigh(ConstMatrixD a);

struct Svd {
  Matrix<double> u;          ///< m × k, k = min(m, n)
  std::vector<double> sigma; ///< descending
  Matrix<double> vt;         ///< k × n
};
/// a = u·diag(sigma)·vt. Signs as in `eigh`, by the rows of vt.
Result<Svd> svd(ConstMatrixD a);
Result<std::vector<double>> singularValues(ConstMatrixD a);

/// The orthogonal factor of a square matrix, with the signs that make the
/// diagonal of R positive: uniformly distributed if `a` is Gaussian.
Result<Matrix<double>> orthogonalFactor(ConstMatrixD a);

/// Frobenius norm squared.
double squaredNorm(ConstMatrixD a);

/// Error "WHAT [row, column]: not finite …" for the first NaN or Inf.
Status checkFinite(ConstMatrixD a, std::string_view what);
Status checkFinite(ConstMatrixF a, std::string_view what);

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_LINEARALGEBRA_H
