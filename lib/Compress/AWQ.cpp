#include "fingpt/Compress/AWQ.h"

#include "GroupCodec.h"
#include "fingpt/Runtime/ThreadPool.h"

#include <algorithm>
#include <cblas.h>
#include <cmath>
#include <limits>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

constexpr int64_t SampledRows = 512;
constexpr int GridPoints = 20, ClipPoints = 10;

/// w·diag(s). What would overflow saturates; its error then speaks against s.
Matrix<float> columnsTimes(ConstMatrixF w, const std::vector<float> &s) {
  constexpr float Largest = std::numeric_limits<float>::max();
  Matrix<float> out(w.rows, w.cols);
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.cols; ++j)
      out(i, j) = std::clamp(w(i, j) * s[static_cast<size_t>(j)], -Largest, Largest);
  return out;
}
void divideColumns(Matrix<float> &w, const std::vector<float> &s) {
  for (int64_t i = 0; i < w.rows(); ++i)
    for (int64_t j = 0; j < w.cols(); ++j)
      w(i, j) /= s[static_cast<size_t>(j)];
}

/// At most SampledRows rows, evenly spaced, so that every head and every range is met.
Matrix<float> sample(ConstMatrixF w) {
  int64_t rows = std::min(w.rows, SampledRows);
  Matrix<float> out(rows, w.cols);
  for (int64_t i = 0; i < rows; ++i) {
    const float *row = w.row(i * w.rows / rows);
    std::copy(row, row + w.cols, out.row(i));
  }
  return out;
}

std::vector<float> scalesFor(const std::vector<double> &meanAbs, double alpha) {
  std::vector<double> s;
  for (double m : meanAbs)
    s.push_back(std::max(std::pow(m, alpha), 1e-4));
  double largest = 1, least = 1;
  if (!s.empty()) {
    largest = *std::max_element(s.begin(), s.end());
    least = *std::min_element(s.begin(), s.end());
  }
  double unit = std::sqrt(largest) * std::sqrt(least);
  std::vector<float> out;
  for (double v : s)
    out.push_back(static_cast<float>(v / unit));
  return out;
}

/// Σ tr(ΔHΔᵀ) of rounding each weight with columns scaled by s.
Result<double> scaledError(const std::vector<ConstMatrixF> &weights, ConstMatrixD h,
                           const QuantScheme &scheme, const std::vector<float> &s) {
  double total = 0;
  for (ConstMatrixF w : weights) {
    auto rounded = quantizeScaled(w, h, s, scheme, /*clip=*/false);
    if (!rounded)
      return rounded.takeError();
    total += rounded->error;
  }
  return total;
}

/// Chooses the range of every group of some rows by Δ_g·H_gg·Δ_gᵀ and codes the rows.
class ClipSearch {
public:
  ClipSearch(ConstMatrixF scaled, ConstMatrixD h, const GroupCodec &codec, QuantizedWeight &target)
      : w(scaled), h(h), codec(codec), target(target) {}

  void run(int64_t first, int64_t count) {
    codes = Matrix<uint8_t>(count, w.cols);
    for (int64_t g = 0; g < target.groups; ++g)
      searchGroup(first, count, g);
    for (int64_t i = 0; i < count; ++i)
      codec.storeRow(target, first + i, codes.row(i));
  }

private:
  void searchGroup(int64_t first, int64_t count, int64_t g) {
    int64_t begin = g * target.groupSize, n = std::min(target.groupSize, w.cols - begin);
    std::vector<double> least(static_cast<size_t>(count), INFINITY);
    std::vector<GroupParams> best(static_cast<size_t>(count)), trial(static_cast<size_t>(count));
    Matrix<double> delta(count, n), image(count, n);
    std::vector<uint8_t> code(static_cast<size_t>(n));
    std::vector<float> decoded(static_cast<size_t>(n));
    for (int step = 0; step < ClipPoints; ++step) {
      float share = 1 - static_cast<float>(step) / 20;
      for (int64_t i = 0; i < count; ++i) {
        const float *values = w.row(first + i) + begin;
        float lo, hi;
        groupRanges(values, n, n, &lo, &hi);
        GroupParams p = trial[static_cast<size_t>(i)] = codec.cover(lo * share, hi * share);
        codec.encode(values, n, p, code.data());
        codec.decode(code.data(), n, p, decoded.data());
        for (int64_t j = 0; j < n; ++j)
          delta(i, j) = static_cast<double>(decoded[static_cast<size_t>(j)]) - values[j];
      }
      cblas_dsymm(CblasRowMajor, CblasRight, CblasUpper, static_cast<int>(count),
                  static_cast<int>(n), 1.0, &h(begin, begin), static_cast<int>(h.stride),
                  delta.data(), static_cast<int>(n), 0.0, image.data(), static_cast<int>(n));
      for (int64_t i = 0; i < count; ++i) {
        auto k = static_cast<size_t>(i);
        double error = 0;
        for (int64_t j = 0; j < n; ++j)
          error += delta(i, j) * image(i, j);
        if (error < least[k]) {
          least[k] = error;
          best[k] = trial[k];
        }
      }
    }
    for (int64_t i = 0; i < count; ++i) {
      const GroupParams &p = best[static_cast<size_t>(i)];
      codec.store(target, first + i, g, p);
      codec.encode(w.row(first + i) + begin, n, p, codes.row(i) + begin);
    }
  }

  ConstMatrixF w;
  ConstMatrixD h;
  const GroupCodec &codec;
  QuantizedWeight &target;
  Matrix<uint8_t> codes;
};

QuantizedWeight clipped(ConstMatrixF scaled, ConstMatrixD h, const std::vector<float> &s,
                        const QuantScheme &scheme) {
  // The Gram matrix of x·diag(1/s).
  Matrix<double> inner(h.rows, h.cols);
  for (int64_t i = 0; i < h.rows; ++i)
    for (int64_t j = i; j < h.cols; ++j)
      inner(i, j) = h(i, j) / s[static_cast<size_t>(i)] / s[static_cast<size_t>(j)];
  float largest = 0;
  for (int64_t i = 0; i < scaled.rows; ++i)
    for (int64_t j = 0; j < scaled.cols; ++j)
      largest = std::max(largest, std::fabs(scaled(i, j)));
  GroupCodec codec(scheme, largest);
  QuantizedWeight q = codec.allocate(scaled.rows, scaled.cols);
  constexpr int64_t Chunk = 64;
  SerialBlas serial;
  auto chunks = static_cast<size_t>((scaled.rows + Chunk - 1) / Chunk);
  ThreadPool::global().parallelFor(chunks, [&](size_t begin, size_t end) {
    ClipSearch search(scaled, inner, codec, q);
    for (size_t c = begin; c < end; ++c) {
      int64_t first = static_cast<int64_t>(c) * Chunk;
      search.run(first, std::min(Chunk, scaled.rows - first));
    }
  });
  return q;
}

double errorOf(const QuantizedWeight &q, ConstMatrixF w, ConstMatrixD h,
               const std::vector<float> &s) {
  Matrix<float> back = dequantized(q);
  divideColumns(back, s);
  return outputError(back.view(), w, h);
}

} // namespace

Result<ScaledWeight> compress::quantizeScaled(ConstMatrixF w, ConstMatrixD h,
                                              const std::vector<float> &scales,
                                              const QuantScheme &scheme, bool clip) {
  if (Status s = checkGram(h, w.cols); !s)
    return s.takeError().in("AWQ");
  if (static_cast<int64_t>(scales.size()) != w.cols)
    return Error::at("AWQ", "scales", std::to_string(w.cols), std::to_string(scales.size()));
  if (clip && scheme.doubleQuant)
    return Error::at("AWQ", "clipping does not go with coded scales (" + schemeText(scheme) + ")");
  if (Status s = checkFinite(w, "weight "); !s)
    return s.takeError();
  Matrix<float> scaled = columnsTimes(w, scales);
  auto rounded = quantize(scaled, scheme);
  if (!rounded)
    return rounded.takeError();
  ScaledWeight out;
  out.weight = std::move(*rounded);
  out.error = errorOf(out.weight, w, h, scales);
  if (clip) {
    QuantizedWeight narrowed = clipped(scaled, h, scales, scheme);
    if (double error = errorOf(narrowed, w, h, scales); error < out.error) {
      out.weight = std::move(narrowed);
      out.error = error;
    }
  }
  return out;
}

Result<AwqScales> compress::searchAwqScales(const std::vector<ConstMatrixF> &weights,
                                            const Gram &gram, const QuantScheme &scheme) {
  std::vector<double> meanAbs = gram.meanAbs();
  std::vector<Matrix<float>> sampled;
  std::vector<ConstMatrixF> views;
  for (ConstMatrixF w : weights)
    sampled.push_back(sample(w));
  for (const Matrix<float> &w : sampled)
    views.push_back(w.view());

  AwqScales best;
  double least = INFINITY;
  for (int step = 0; step < GridPoints; ++step) {
    double alpha = step / static_cast<double>(GridPoints);
    auto error = scaledError(views, gram.h, scheme, scalesFor(meanAbs, alpha));
    if (!error)
      return error.takeError();
    if (*error < least) {
      least = *error;
      best.alpha = alpha;
    }
  }
  best.scales = scalesFor(meanAbs, best.alpha);
  std::vector<float> ones = scalesFor(meanAbs, 0);
  for (auto [scales, target] :
       {std::pair(&ones, &best.roundingError), std::pair(&best.scales, &best.error)}) {
    auto error = scaledError(weights, gram.h, scheme, *scales);
    if (!error)
      return error.takeError();
    *target = *error;
  }
  if (!(best.error < best.roundingError)) {
    best.alpha = 0;
    best.scales = ones;
    best.error = best.roundingError;
  }
  return best;
}
