#include "fingpt/Compress/LinearAlgebra.h"

#include "RowChunks.h"
#include "fingpt/Runtime/ThreadPool.h"
#include "fingpt/Support/Checked.h"

#include <algorithm>
#include <cblas.h>
#include <cmath>
#include <lapacke.h>
#include <limits>
#include <mutex>
#include <string>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

// The count of scopes guards state that is OpenBLAS's own.
std::mutex serialMutex;
int serialScopes = 0;
int savedThreads = 1;

CBLAS_TRANSPOSE op(Transpose t) { return t == Transpose::Yes ? CblasTrans : CblasNoTrans; }
blasint toBlas(int64_t n) { return static_cast<blasint>(n); }

void serialGemm(double alpha, ConstMatrixD a, CBLAS_TRANSPOSE ta, ConstMatrixD b,
                CBLAS_TRANSPOSE tb, int64_t depth, double beta, MatrixView<double> c) {
  cblas_dgemm(CblasRowMajor, ta, tb, toBlas(c.rows), toBlas(c.cols), toBlas(depth), alpha, a.data,
              toBlas(a.stride), b.data, toBlas(b.stride), beta, c.data, toBlas(c.stride));
}
void serialGemm(float alpha, ConstMatrixF a, CBLAS_TRANSPOSE ta, ConstMatrixF b, CBLAS_TRANSPOSE tb,
                int64_t depth, float beta, MatrixView<float> c) {
  cblas_sgemm(CblasRowMajor, ta, tb, toBlas(c.rows), toBlas(c.cols), toBlas(depth), alpha, a.data,
              toBlas(a.stride), b.data, toBlas(b.stride), beta, c.data, toBlas(c.stride));
}

template <typename T>
void tiledGemm(T alpha, MatrixView<const T> a, Transpose ta, MatrixView<const T> b, Transpose tb,
               T beta, MatrixView<T> c) {
  int64_t depth = ta == Transpose::Yes ? a.rows : a.cols;
  assert(depth == (tb == Transpose::Yes ? b.cols : b.rows));
  if (c.rows == 0 || c.cols == 0)
    return;
  SerialBlas serial;
  Pieces down = Pieces::ofAtMost(c.rows, 256), across = Pieces::ofAtMost(c.cols, 512);
  auto tiles = static_cast<size_t>(down.count * across.count);
  ThreadPool::global().parallelFor(tiles, [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      int64_t i = static_cast<int64_t>(t) / across.count * down.size;
      int64_t j = static_cast<int64_t>(t) % across.count * across.size;
      int64_t height = std::min(down.size, c.rows - i), width = std::min(across.size, c.cols - j);
      auto tileA =
          ta == Transpose::Yes ? a.block(0, i, depth, height) : a.block(i, 0, height, depth);
      auto tileB = tb == Transpose::Yes ? b.block(j, 0, width, depth) : b.block(0, j, depth, width);
      serialGemm(alpha, tileA, op(ta), tileB, op(tb), depth, beta, c.block(i, j, height, width));
    }
  });
}

/// Tile `t` of `count`, ordered so that equal contiguous runs of t hold about
/// equal work when the work of tiles grows or falls linearly.
int64_t balanced(size_t t, int64_t count) {
  auto i = static_cast<int64_t>(t);
  return i % 2 ? count - 1 - i / 2 : i / 2;
}

template <typename T> Status finiteOrError(MatrixView<const T> a, std::string_view what) {
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.cols; ++j)
      if (!std::isfinite(a(i, j)))
        return Error::at(std::string(what) + "[" + std::to_string(i) + ", " + std::to_string(j) +
                             "]",
                         "value", "a finite number", std::to_string(a(i, j)));
  return Status::ok();
}

Error lapackError(const char *routine, lapack_int info) {
  return Error(std::string(routine) + (info < 0
                                           ? ": argument " + std::to_string(-info) + " was refused"
                                           : ": no convergence (" + std::to_string(info) + ")"));
}

double largestComponent(const double *v, int64_t n, int64_t step = 1) {
  double largest = 0;
  for (int64_t j = 0; j < n; ++j)
    if (std::fabs(v[j * step]) > std::fabs(largest))
      largest = v[j * step];
  return largest;
}

/// Column-major data of the transpose is row-major data of the matrix, so LAPACK
/// sees aᵀ = v·diag(sigma)·uᵀ and no copy is transposed.
lapack_int decompose(bool vectors, Matrix<double> &a, Svd &out) {
  lapack_int n = toBlas(a.cols()), m = toBlas(a.rows()), k = std::min(m, n);
  Matrix<double> copy;
  if (vectors)
    copy = a; // for the slow driver, if the fast one does not converge
  lapack_int info =
      LAPACKE_dgesdd(LAPACK_COL_MAJOR, vectors ? 'S' : 'N', n, m, a.data(), n, out.sigma.data(),
                     out.vt.data(), n, out.u.data(), std::max(k, 1));
  if (info <= 0 || !vectors)
    return info;
  std::vector<double> superdiagonal(static_cast<size_t>(std::max(k, 1)));
  return LAPACKE_dgesvd(LAPACK_COL_MAJOR, 'S', 'S', n, m, copy.data(), n, out.sigma.data(),
                        out.vt.data(), n, out.u.data(), std::max(k, 1), superdiagonal.data());
}

} // namespace

SerialBlas::SerialBlas() {
  std::lock_guard<std::mutex> lock(serialMutex);
  if (serialScopes++ == 0) {
    savedThreads = openblas_get_num_threads();
    openblas_set_num_threads(1);
  }
}
SerialBlas::~SerialBlas() {
  std::lock_guard<std::mutex> lock(serialMutex);
  if (--serialScopes == 0)
    openblas_set_num_threads(savedThreads);
}

void compress::gemm(double alpha, ConstMatrixD a, Transpose ta, ConstMatrixD b, Transpose tb,
                    double beta, MatrixView<double> c) {
  tiledGemm<double>(alpha, a, ta, b, tb, beta, c);
}
void compress::gemm(float alpha, ConstMatrixF a, Transpose ta, ConstMatrixF b, Transpose tb,
                    float beta, MatrixView<float> c) {
  tiledGemm<float>(alpha, a, ta, b, tb, beta, c);
}

Matrix<double> compress::product(ConstMatrixD a, ConstMatrixD b, Transpose ta, Transpose tb) {
  Matrix<double> c(ta == Transpose::Yes ? a.cols : a.rows, tb == Transpose::Yes ? b.rows : b.cols);
  gemm(1.0, a, ta, b, tb, 0.0, c.view());
  return c;
}

Matrix<double> compress::timesSymmetric(ConstMatrixD x, ConstMatrixD h) {
  Matrix<double> y(x.rows, x.cols);
  SerialBlas serial;
  constexpr int64_t Rows = 128;
  auto tiles = static_cast<size_t>((x.rows + Rows - 1) / Rows);
  ThreadPool::global().parallelFor(tiles, [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      int64_t i = static_cast<int64_t>(t) * Rows, height = std::min(Rows, x.rows - i);
      cblas_dsymm(CblasRowMajor, CblasRight, CblasUpper, toBlas(height), toBlas(x.cols), 1.0,
                  h.data, toBlas(h.stride), x.row(i), toBlas(x.stride), 0.0, y.row(i),
                  toBlas(y.cols()));
    }
  });
  return y;
}

void compress::timesUpper(MatrixView<double> x, ConstMatrixD u, Transpose transpose) {
  SerialBlas serial;
  RowChunks chunks(x.rows);
  ThreadPool::global().parallelFor(chunks.count, [&](size_t begin, size_t end) {
    for (size_t c = begin; c < end; ++c)
      cblas_dtrmm(CblasRowMajor, CblasRight, CblasUpper, op(transpose), CblasNonUnit,
                  toBlas(chunks.rows(c)), toBlas(x.cols), 1.0, u.data, toBlas(u.stride),
                  x.row(chunks.first(c)), toBlas(x.stride));
  });
}

Status compress::cholesky(MatrixView<double> a) {
  constexpr int64_t Block = 256;
  SerialBlas serial;
  int64_t n = a.rows;
  for (int64_t k = 0; k < n; k += Block) {
    int64_t width = std::min(Block, n - k);
    MatrixView<double> diagonal = a.block(k, k, width, width);
    // Row-major lower is column-major upper.
    lapack_int info =
        LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', toBlas(width), diagonal.data, toBlas(a.stride));
    if (info != 0)
      return Error("Cholesky factor: not positive definite at column " +
                   std::to_string(k + std::max<lapack_int>(info, 1) - 1));
    int64_t below = n - k - width, tiles = (below + Block - 1) / Block;
    auto tile = [&](int64_t i) {
      int64_t row = k + width + i * Block;
      return a.block(row, k, std::min(Block, n - row), width);
    };
    ThreadPool::global().parallelFor(static_cast<size_t>(tiles), [&](size_t begin, size_t end) {
      for (size_t t = begin; t < end; ++t) {
        auto panel = tile(static_cast<int64_t>(t));
        cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit,
                    toBlas(panel.rows), toBlas(width), 1.0, diagonal.data, toBlas(a.stride),
                    panel.data, toBlas(a.stride));
      }
    });
    ThreadPool::global().parallelFor(static_cast<size_t>(tiles), [&](size_t begin, size_t end) {
      for (size_t t = begin; t < end; ++t) {
        int64_t i = balanced(t, tiles);
        for (int64_t j = 0; j <= i; ++j) {
          auto left = tile(i), right = tile(j);
          serialGemm(-1.0, left, CblasNoTrans, right, CblasTrans, width, 1.0,
                     a.block(k + width + i * Block, k + width + j * Block, left.rows, right.rows));
        }
      }
    });
  }
  for (int64_t i = 0; i < n; ++i)
    std::fill(a.row(i) + i + 1, a.row(i) + n, 0.0);
  return Status::ok();
}

void compress::invertLower(MatrixView<double> l) {
  // Column tile by column tile: L·X = I from the tile's first row down.
  constexpr int64_t Block = 128;
  SerialBlas serial;
  int64_t n = l.rows, tiles = (n + Block - 1) / Block;
  Matrix<double> inverse(n, n);
  ThreadPool::global().parallelFor(static_cast<size_t>(tiles), [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      int64_t j = balanced(t, tiles) * Block, width = std::min(Block, n - j);
      for (int64_t i = j; i < j + width; ++i)
        inverse(i, i) = 1;
      cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, toBlas(n - j),
                  toBlas(width), 1.0, &l(j, j), toBlas(l.stride), &inverse(j, j), toBlas(n));
    }
  });
  for (int64_t i = 0; i < n; ++i)
    std::copy(inverse.row(i), inverse.row(i) + n, l.row(i));
}

void compress::solveRightLower(ConstMatrixD l, MatrixView<double> x) {
  constexpr int64_t Rows = 128;
  SerialBlas serial;
  auto tiles = static_cast<size_t>((x.rows + Rows - 1) / Rows);
  ThreadPool::global().parallelFor(tiles, [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      int64_t i = static_cast<int64_t>(t) * Rows;
      cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit,
                  toBlas(std::min(Rows, x.rows - i)), toBlas(x.cols), 1.0, l.data, toBlas(l.stride),
                  x.row(i), toBlas(x.stride));
    }
  });
}

Result<EigenPairs> compress::eigh(ConstMatrixD a) {
  assert(a.rows == a.cols);
  int64_t n = a.rows;
  Matrix<double> work(n, n);
  for (int64_t i = 0; i < n; ++i)
    std::copy(a.row(i) + i, a.row(i) + n, work.row(i) + i);
  if (Status s = checkFinite(work, "symmetric matrix "); !s)
    return s.takeError();
  std::vector<double> ascending(static_cast<size_t>(n));
  SerialBlas serial;
  lapack_int info = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'L', toBlas(n), work.data(),
                                   toBlas(std::max<int64_t>(n, 1)), ascending.data());
  if (info != 0)
    return lapackError("dsyevd", info);
  EigenPairs out{{}, Matrix<double>(n, n)};
  for (int64_t i = 0; i < n; ++i) {
    out.values.push_back(ascending[static_cast<size_t>(n - 1 - i)]);
    const double *v = work.row(n - 1 - i);
    double sign = largestComponent(v, n) < 0 ? -1 : 1;
    std::transform(v, v + n, out.vectors.row(i), [&](double x) { return sign * x; });
  }
  return out;
}

Result<Svd> compress::svd(ConstMatrixD a) {
  if (Status s = checkFinite(a, "matrix "); !s)
    return s.takeError();
  int64_t k = std::min(a.rows, a.cols);
  Svd out{Matrix<double>(a.rows, k), std::vector<double>(static_cast<size_t>(k)),
          Matrix<double>(k, a.cols)};
  if (k == 0)
    return out;
  Matrix<double> work(a);
  SerialBlas serial;
  if (lapack_int info = decompose(true, work, out); info != 0)
    return lapackError("dgesdd", info);
  for (int64_t i = 0; i < k; ++i) {
    if (largestComponent(out.vt.row(i), a.cols) >= 0)
      continue;
    for (int64_t j = 0; j < a.cols; ++j)
      out.vt(i, j) = -out.vt(i, j);
    for (int64_t j = 0; j < a.rows; ++j)
      out.u(j, i) = -out.u(j, i);
  }
  return out;
}

Result<std::vector<double>> compress::singularValues(ConstMatrixD a) {
  if (Status s = checkFinite(a, "matrix "); !s)
    return s.takeError();
  int64_t k = std::min(a.rows, a.cols);
  Svd out{Matrix<double>(1, 1), std::vector<double>(static_cast<size_t>(k)), Matrix<double>(1, 1)};
  if (k == 0)
    return out.sigma;
  Matrix<double> work(a);
  SerialBlas serial;
  if (lapack_int info = decompose(false, work, out); info != 0)
    return lapackError("dgesdd", info);
  return std::move(out.sigma);
}

Result<Matrix<double>> compress::orthogonalFactor(ConstMatrixD a) {
  assert(a.rows == a.cols);
  lapack_int n = toBlas(a.rows);
  // Column-major columns: factor aᵀ's storage, then transpose.
  Matrix<double> q(a.rows, a.cols);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      q(j, i) = a(i, j);
  std::vector<double> tau(static_cast<size_t>(n)), signs(static_cast<size_t>(n));
  SerialBlas serial;
  if (lapack_int info = LAPACKE_dgeqrf(LAPACK_COL_MAJOR, n, n, q.data(), n, tau.data()); info != 0)
    return lapackError("dgeqrf", info);
  for (int64_t i = 0; i < n; ++i)
    signs[static_cast<size_t>(i)] = q(i, i) < 0 ? -1 : 1;
  if (lapack_int info = LAPACKE_dorgqr(LAPACK_COL_MAJOR, n, n, n, q.data(), n, tau.data());
      info != 0)
    return lapackError("dorgqr", info);
  Matrix<double> out(a.rows, a.cols);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      out(i, j) = q(j, i) * signs[static_cast<size_t>(j)];
  return out;
}

double compress::squaredNorm(ConstMatrixD a) {
  double total = 0;
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.cols; ++j)
      total += a(i, j) * a(i, j);
  return total;
}

Status compress::checkFinite(ConstMatrixD a, std::string_view what) {
  return finiteOrError(a, what);
}
Status compress::checkFinite(ConstMatrixF a, std::string_view what) {
  return finiteOrError(a, what);
}
