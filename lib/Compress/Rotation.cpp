#include "fingpt/Compress/Rotation.h"

#include "Random.h"
#include "fingpt/Runtime/ThreadPool.h"

#include <cmath>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

/// Butterflies over `blocks` = 2^k runs of `width` elements each.
template <typename T> void butterflies(T *x, int64_t blocks, int64_t width) {
  for (int64_t half = 1; half < blocks; half *= 2)
    for (int64_t i = 0; i < blocks; i += 2 * half)
      for (int64_t k = i * width; k < (i + half) * width; ++k) {
        T a = x[k], b = x[k + half * width];
        x[k] = a + b;
        x[k + half * width] = a - b;
      }
}

/// The least 2^j·odd dividing n with a known Hadamard matrix.
std::optional<Matrix<double>> kernelFor(int64_t n) {
  int64_t odd = n;
  while (odd % 2 == 0)
    odd /= 2;
  constexpr int64_t Largest = 2048; // beyond, its product costs more than it is worth
  for (int64_t k = odd; k <= n && k <= Largest && n % k == 0; k *= 2)
    if (auto h = hadamardMatrix(k))
      return h;
  return std::nullopt;
}

void multiplyColumns(MatrixView<double> x, const std::vector<double> &factors) {
  for (int64_t i = 0; i < x.rows; ++i)
    for (int64_t j = 0; j < x.cols; ++j)
      x(i, j) *= factors[static_cast<size_t>(j)];
}

} // namespace

void compress::foldNorm(MatrixView<double> w, const std::vector<double> &gamma,
                        const std::vector<double> *beta, std::vector<double> *bias) {
  assert(static_cast<int64_t>(gamma.size()) == w.cols);
  if (beta)
    for (int64_t i = 0; i < w.rows; ++i)
      for (int64_t j = 0; j < w.cols; ++j)
        (*bias)[static_cast<size_t>(i)] += w(i, j) * (*beta)[static_cast<size_t>(j)];
  multiplyColumns(w, gamma);
}

void compress::centerRows(MatrixView<double> embedding) {
  for (int64_t i = 0; i < embedding.rows; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < embedding.cols; ++j)
      sum += embedding(i, j);
    for (int64_t j = 0; j < embedding.cols; ++j)
      embedding(i, j) -= sum / static_cast<double>(embedding.cols);
  }
}

void compress::centerOutputs(MatrixView<double> w, std::vector<double> *bias) {
  std::vector<double> sums(static_cast<size_t>(w.cols));
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.cols; ++j)
      sums[static_cast<size_t>(j)] += w(i, j);
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.cols; ++j)
      w(i, j) -= sums[static_cast<size_t>(j)] / static_cast<double>(w.rows);
  if (bias)
    centerRows({bias->data(), 1, static_cast<int64_t>(bias->size())});
}

void compress::walshHadamard(double *x, int64_t n) {
  assert(n > 0 && (n & (n - 1)) == 0);
  butterflies(x, n, 1);
}
void compress::walshHadamard(float *x, int64_t n) {
  assert(n > 0 && (n & (n - 1)) == 0);
  butterflies(x, n, 1);
}

Result<Matrix<double>> compress::randomOrthogonal(int64_t n, uint64_t seed) {
  Random random(seed);
  Matrix<double> gaussian(n, n);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      gaussian(i, j) = random.normal();
  return orthogonalFactor(gaussian);
}

Result<Rotation> Rotation::make(int64_t size, std::optional<uint64_t> seed) {
  if (size < 1)
    return Error::at("rotation", "size", "at least 1", std::to_string(size));
  Rotation r;
  r.n = size;
  if (auto kernel = kernelFor(size)) {
    r.kernel = std::move(*kernel);
    double norm = std::sqrt(static_cast<double>(r.kernel.rows()));
    for (int64_t i = 0; i < r.kernel.rows(); ++i)
      for (int64_t j = 0; j < r.kernel.cols(); ++j)
        r.kernel(i, j) /= norm;
  } else {
    int64_t odd = size;
    while (odd % 2 == 0)
      odd /= 2;
    constexpr uint64_t KernelStream = 0x5bd1e995; // other numbers than the signs are made of
    auto random = randomOrthogonal(odd, seed.value_or(0) ^ KernelStream);
    if (!random)
      return random.takeError();
    r.kernel = std::move(*random);
    r.exact = false;
  }
  r.sign.assign(static_cast<size_t>(size), 1.0);
  if (seed) {
    Random random(*seed);
    for (double &s : r.sign)
      s = random.next() >> 63 ? -1 : 1;
  }
  return r;
}

int64_t Rotation::storedBytes() const {
  return (n + 7) / 8 + (exact ? 0 : 4 * kernel.rows() * kernel.cols());
}

void Rotation::multiplyBlocks(MatrixView<double> x, Transpose t) const {
  int64_t width = kernel.rows(), blocks = n / width;
  double norm = 1 / std::sqrt(static_cast<double>(blocks));
  constexpr int64_t Rows = 16;
  SerialBlas serial;
  auto tiles = static_cast<size_t>((x.rows + Rows - 1) / Rows);
  ThreadPool::global().parallelFor(tiles, [&](size_t begin, size_t end) {
    Matrix<double> image(blocks, width);
    for (auto i = static_cast<int64_t>(begin) * Rows;
         i < std::min(static_cast<int64_t>(end) * Rows, x.rows); ++i) {
      MatrixView<double> row{x.row(i), blocks, width};
      if (width > 1) {
        gemm(1.0, row, Transpose::No, kernel, t, 0.0, image.view());
        std::copy(image.data(), image.data() + n, x.row(i));
      }
      butterflies(x.row(i), blocks, width);
      for (int64_t j = 0; j < n; ++j)
        x(i, j) *= norm;
    }
  });
}

void Rotation::apply(MatrixView<double> x) const {
  assert(x.cols == n);
  multiplyColumns(x, sign);
  multiplyBlocks(x, Transpose::No);
}

void Rotation::applyInverse(MatrixView<double> x) const {
  assert(x.cols == n);
  multiplyBlocks(x, Transpose::Yes); // the power-of-two part is symmetric
  multiplyColumns(x, sign);
}

void Rotation::applyToOutputs(MatrixView<double> w) const {
  assert(w.rows == n);
  Matrix<double> t(w.cols, w.rows); // Qᵀ·w = (wᵀ·Q)ᵀ
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.cols; ++j)
      t(j, i) = w(i, j);
  apply(t);
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.cols; ++j)
      w(i, j) = t(j, i);
}

Matrix<double> Rotation::dense() const {
  Matrix<double> q(n, n);
  for (int64_t i = 0; i < n; ++i)
    q(i, i) = 1;
  apply(q);
  return q;
}
