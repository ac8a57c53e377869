#include "fingpt/Compress/Gram.h"

#include "Clones.h"
#include "RowChunks.h"
#include "fingpt/Runtime/ThreadPool.h"

#include <algorithm>
#include <cblas.h>
#include <cmath>
#include <functional>
#include <limits>
#include <string>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

constexpr int64_t TileSamples = 512;

/// h += tileᵀ·tile, upper blocks only, each one serial BLAS call. An even number of blocks: two
/// threads then have equally many off the diagonal and on it, where a block is half the work.
void addProducts(ConstMatrixD tile, MatrixView<double> h) {
  SerialBlas serial;
  int64_t n = tile.cols, wanted = Pieces::ofAtMost(n, 192).count;
  Pieces blocks(n, wanted > 1 ? (wanted + 1) / 2 * 2 : 1);
  std::vector<std::pair<int64_t, int64_t>> pairs;
  for (int64_t distance = blocks.count - 1; distance >= 0; --distance)
    for (int64_t i = 0; i + distance < blocks.count; ++i)
      pairs.emplace_back(i * blocks.size, (i + distance) * blocks.size);
  dealOut(pairs.size(), [&](size_t p) {
    auto [i, j] = pairs[p];
    auto height = static_cast<int>(std::min(blocks.size, n - i));
    auto width = static_cast<int>(std::min(blocks.size, n - j));
    auto samples = static_cast<int>(tile.rows), stride = static_cast<int>(tile.stride);
    if (i == j)
      cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, height, samples, 1.0, tile.data + i,
                  stride, 1.0, &h(i, i), static_cast<int>(h.stride));
    else
      cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, height, width, samples, 1.0,
                  tile.data + i, stride, tile.data + j, stride, 1.0, &h(i, j),
                  static_cast<int>(h.stride));
  });
}

/// NaN or Inf among x: x − x is NaN then.
FINGPT_CLONES bool anyNotFinite(const float *x, int64_t n) {
  uint32_t found = 0;
  for (int64_t j = 0; j < n; ++j)
    found |= x[j] - x[j] == 0 ? 0u : 1u;
  return found != 0;
}

/// One sample: in f64, and what is kept beside its products.
FINGPT_CLONES void takeSample(const float *x, int64_t n, double *wide, double *sumAbs,
                              float *maxAbs) {
  for (int64_t j = 0; j < n; ++j) {
    float magnitude = std::fabs(x[j]);
    wide[j] = x[j];
    sumAbs[j] += magnitude;
    maxAbs[j] = magnitude > maxAbs[j] ? magnitude : maxAbs[j];
  }
}

/// Rows in chunks: their output errors, in row order. Only the upper triangle U of H is there and
/// only it is multiplied by: with D its diagonal, Δ·H·Δᵀ = 2·Δ·U·Δᵀ − Δ·D·Δᵀ.
std::vector<double> chunkedErrors(int64_t rows, int64_t cols, ConstMatrixD h,
                                  const std::function<void(int64_t, double *)> &deltaRow) {
  std::vector<double> errors(static_cast<size_t>(rows));
  SerialBlas serial;
  RowChunks chunks(rows);
  ThreadPool::global().parallelFor(chunks.count, [&](size_t begin, size_t end) {
    Matrix<double> delta(chunks.height, cols), image;
    for (size_t c = begin; c < end; ++c) {
      int64_t height = chunks.rows(c);
      for (int64_t i = 0; i < height; ++i)
        deltaRow(chunks.first(c) + i, delta.row(i));
      image = delta;
      cblas_dtrmm(CblasRowMajor, CblasRight, CblasUpper, CblasNoTrans, CblasNonUnit,
                  static_cast<int>(height), static_cast<int>(cols), 1.0, h.data,
                  static_cast<int>(h.stride), image.data(), static_cast<int>(cols));
      for (int64_t i = 0; i < height; ++i) {
        double sum = 0;
        for (int64_t j = 0; j < cols; ++j)
          sum += delta(i, j) * (2 * image(i, j) - delta(i, j) * h(j, j));
        errors[static_cast<size_t>(chunks.first(c) + i)] = std::max(sum, 0.0);
      }
    }
  });
  return errors;
}

double inOrder(const std::vector<double> &values) {
  double sum = 0;
  for (double v : values)
    sum += v;
  return sum;
}

/// Both factors: condition, factor, and on failure damp ten times as much.
Result<CholeskyGram> factorWithDamping(ConstMatrixD h, const DampingOptions &options,
                                       bool reversed) {
  double fraction = options.fraction;
  int64_t n = h.rows;
  for (int escalations = 0;; ++escalations) {
    auto info = conditioned(h, fraction);
    if (!info)
      return info.takeError();
    Matrix<double> factor = std::move(info->h);
    info->h = {};
    if (reversed)
      std::reverse(factor.data(), factor.data() + n * n);
    Status s = cholesky(factor);
    if (s) {
      if (reversed) {
        // H' = V·Vᵀ with V upper is the reversed Cholesky factor, and U = V⁻¹.
        invertLower(factor);
        std::reverse(factor.data(), factor.data() + n * n);
      }
      info->escalations = escalations;
      return CholeskyGram{std::move(factor), std::move(*info)};
    }
    fraction = std::max(fraction * 10, 1e-10);
    if (fraction > options.limit * (1 + 1e-9))
      return Error::at("Gram matrix", s.error().message() + " with damping up to " +
                                          std::to_string(options.limit) + " of the mean diagonal");
  }
}

} // namespace

std::vector<double> Gram::meanAbs() const {
  std::vector<double> mean(sumAbs);
  for (double &m : mean)
    m /= static_cast<double>(std::max<int64_t>(samples, 1));
  return mean;
}

void Gram::addLookups() {
  double mean = 0;
  for (int64_t j = 0; j < columns(); ++j)
    mean += h(j, j) / double(columns());
  for (int64_t j = 0; j < columns(); ++j)
    h(j, j) += mean;
}

Status Gram::merge(const Gram &other) {
  if (columns() != other.columns())
    return Error::at("Gram matrix", "columns", std::to_string(columns()),
                     std::to_string(other.columns()));
  for (int64_t i = 0; i < columns(); ++i)
    for (int64_t j = i; j < columns(); ++j)
      h(i, j) += other.h(i, j);
  for (size_t j = 0; j < sumAbs.size(); ++j) {
    sumAbs[j] += other.sumAbs[j];
    maxAbs[j] = std::max(maxAbs[j], other.maxAbs[j]);
  }
  samples += other.samples;
  return Status::ok();
}

GramAccumulator::GramAccumulator(int64_t columns) : tile(TileSamples, columns) {
  sums.h = Matrix<double>(columns, columns);
  sums.sumAbs.resize(static_cast<size_t>(columns));
  sums.maxAbs.resize(static_cast<size_t>(columns));
}

Status GramAccumulator::add(ConstMatrixF samples) {
  int64_t n = sums.columns();
  if (samples.cols != n)
    return Error::at("calibration samples", "columns", std::to_string(n),
                     std::to_string(samples.cols));
  constexpr size_t Grain = 64;
  std::vector<uint8_t> bad(static_cast<size_t>(samples.rows));
  ThreadPool::global().parallelFor(
      bad.size(),
      [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i)
          bad[i] = anyNotFinite(samples.row(static_cast<int64_t>(i)), n);
      },
      Grain);
  if (auto it = std::find(bad.begin(), bad.end(), 1); it != bad.end()) {
    int64_t i = it - bad.begin(), j = 0;
    while (std::isfinite(samples(i, j)))
      ++j;
    return Error::at("calibration sample " + std::to_string(sums.samples + i) + ", column " +
                         std::to_string(j),
                     "value", "a finite number", std::to_string(samples(i, j)));
  }
  for (int64_t first = 0; first < samples.rows;) {
    int64_t count = std::min(TileSamples - filled, samples.rows - first);
    ThreadPool::global().parallelFor(
        static_cast<size_t>(n),
        [&](size_t begin, size_t end) {
          auto j = static_cast<int64_t>(begin);
          for (int64_t i = 0; i < count; ++i)
            takeSample(samples.row(first + i) + j, static_cast<int64_t>(end - begin),
                       tile.row(filled + i) + j, sums.sumAbs.data() + j, sums.maxAbs.data() + j);
        },
        Grain);
    first += count;
    sums.samples += count;
    filled += count;
    if (filled == TileSamples)
      flush();
  }
  return Status::ok();
}

void GramAccumulator::flush() {
  if (filled > 0)
    addProducts(ConstMatrixD(tile.view()).rowRange(0, filled), sums.h);
  filled = 0;
}

Gram GramAccumulator::finish() {
  // A copy takes the partial tile, so that later samples fill it as if this had not happened.
  Gram result = sums;
  if (filled > 0)
    addProducts(ConstMatrixD(tile.view()).rowRange(0, filled), result.h);
  return result;
}

Status compress::checkGram(ConstMatrixD h, int64_t columns) {
  if (h.rows != columns || h.cols != columns)
    return Error::at("Gram matrix", "shape",
                     std::to_string(columns) + "x" + std::to_string(columns),
                     std::to_string(h.rows) + "x" + std::to_string(h.cols));
  for (int64_t i = 0; i < columns; ++i)
    for (int64_t j = i; j < columns; ++j)
      if (!std::isfinite(h(i, j)) || (i == j && h(i, j) < 0))
        return Error::at("Gram matrix [" + std::to_string(i) + ", " + std::to_string(j) + "]",
                         "value", i == j ? "a finite number of at least 0" : "a finite number",
                         std::to_string(h(i, j)));
  return Status::ok();
}

Matrix<double> compress::symmetric(ConstMatrixD upper) {
  Matrix<double> h(upper);
  for (int64_t i = 0; i < h.rows(); ++i)
    for (int64_t j = 0; j < i; ++j)
      h(i, j) = h(j, i);
  return h;
}

Result<ConditionedGram> compress::conditioned(ConstMatrixD h, double fraction) {
  int64_t n = h.rows;
  if (Status s = checkGram(h, n); !s)
    return s.takeError();
  double trace = 0;
  ConditionedGram out;
  for (int64_t j = 0; j < n; ++j) {
    trace += h(j, j);
    if (h(j, j) == 0)
      out.dead.push_back(j);
  }
  auto live = n - static_cast<int64_t>(out.dead.size());
  double mean = live > 0 ? trace / static_cast<double>(live) : 1;
  out.h = symmetric(h);
  for (int64_t j : out.dead)
    out.h(j, j) = mean;
  for (int64_t j = 0; j < n; ++j)
    out.h(j, j) += fraction * mean;
  out.fraction = fraction;
  return out;
}

Result<CholeskyGram> compress::choleskyFactor(ConstMatrixD h, const DampingOptions &options) {
  return factorWithDamping(h, options, /*reversed=*/false);
}
Result<CholeskyGram> compress::inverseFactor(ConstMatrixD h, const DampingOptions &options) {
  return factorWithDamping(h, options, /*reversed=*/true);
}

std::vector<double> compress::rowOutputErrors(ConstMatrixD delta, ConstMatrixD h) {
  return chunkedErrors(delta.rows, delta.cols, h, [&](int64_t i, double *out) {
    std::copy(delta.row(i), delta.row(i) + delta.cols, out);
  });
}

double compress::outputError(ConstMatrixD delta, ConstMatrixD h) {
  return inOrder(rowOutputErrors(delta, h));
}

double compress::outputError(ConstMatrixF approximation, ConstMatrixF w, ConstMatrixD h) {
  return inOrder(chunkedErrors(w.rows, w.cols, h, [&](int64_t i, double *out) {
    const float *a = approximation.row(i), *b = w.row(i);
    for (int64_t j = 0; j < w.cols; ++j)
      out[j] = static_cast<double>(a[j]) - b[j];
  }));
}

double compress::outputNorm(ConstMatrixF w, ConstMatrixD h) {
  return inOrder(chunkedErrors(w.rows, w.cols, h, [&](int64_t i, double *out) {
    std::copy(w.row(i), w.row(i) + w.cols, out);
  }));
}

double compress::relativeOutputError(ConstMatrixF approximation, ConstMatrixF w, ConstMatrixD h) {
  double error = outputError(approximation, w, h);
  return error == 0 ? 0 : error / outputNorm(w, h);
}
