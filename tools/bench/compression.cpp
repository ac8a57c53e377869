// Speed of rounding and of the calibration's products as a share of this machine's roofs.
//
//   bench-compression [rounds, default 7]
//
// Rounding: weights of a 1B model, [2048, 8192] in bf16, f16 or f32, rotating over 512 MB; the roof
// is the rate at which all threads read memory, and what counts is the bytes of the weights alone,
// not those of the codes that are written. Calibration: Σ xᵀx in f64 as GramAccumulator sums it,
// n(n+1) operations per sample; the roof is the rate of f64 multiply-adds, half of f32's; and the
// product of drifts in f32, 2n² per sample, against the f32 rate. Every round measures the roofs
// beside the work; printed are the median and the range of the ratios. Results are checked against
// plain loops first.
#include "Isa.h"
#include "measure.h"
#include "roofs.h"

#include "fingpt/Compress/Gram.h"
#include "fingpt/Compress/Quantize.h"
#include "fingpt/Runtime/ThreadPool.h"
#include "fingpt/Support/Float.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

using namespace fingpt;
using namespace fingpt::bench;
using namespace fingpt::compress;

namespace {

constexpr int64_t Rows = 2048, Cols = 8192;
constexpr size_t Bytes = size_t(512) << 20; ///< of the weights of each type

template <typename T> T must(Result<T> r) {
  if (!r)
    fail(r.error().message());
  return std::move(*r);
}

/// Every weight has the nearest of the values that its group can take.
void checkRounding(const WeightSource &w, const QuantizedWeight &q, const std::string &scheme) {
  Matrix<float> back = dequantized(q);
  std::vector<float> scratch(size_t(q.cols));
  for (int64_t i = 0; i < q.rows; i += 97) {
    const float *row = w.row(i, scratch.data());
    for (int64_t j = 0; j < q.cols; ++j) {
      double x = row[j], found = std::fabs(back(i, j) - x), least = INFINITY;
      int64_t g = j / q.groupSize;
      for (int code = 0; code < 1 << q.scheme.bits; ++code) {
        double value = q.scheme.isLookup() ? double(q.codebook[size_t(code)]) * q.scale(i, g)
                                           : (code - double(q.zero(i, g))) * q.scale(i, g);
        least = std::min(least, std::fabs(value - x));
      }
      if (!(found <= least + 1e-5 * q.scale(i, g))) // values are f32
        fail(scheme + " [" + std::to_string(i) + ", " + std::to_string(j) + "]: off by " +
             std::to_string(found) + ", could be " + std::to_string(least));
    }
  }
}

void checkGram(ConstMatrixF x) {
  GramAccumulator sums(x.cols);
  if (!sums.add(x))
    fail("samples were refused");
  Gram gram = sums.finish();
  for (int64_t i = 0; i < x.cols; i += 37)
    for (int64_t j = i; j < x.cols; j += 53) {
      double sum = 0;
      for (int64_t t = 0; t < x.rows; ++t)
        sum += double(x(t, i)) * x(t, j);
      if (!(std::fabs(sum - gram.h(i, j)) < 1e-8))
        fail("Gram matrix [" + std::to_string(i) + ", " + std::to_string(j) + "]");
    }
}

/// Weights of one type, and how fast a scheme rounds them.
struct Rounding {
  const void *data;
  DType type;
  QuantScheme scheme;
  Series series;

  WeightSource weight(size_t k) const {
    return {static_cast<const char *>(data) + k * size_t(Rows * Cols) * dtypeSize(type), type, Rows,
            Cols};
  }
  /// Bytes per second.
  double rate() const {
    double start = now();
    for (size_t k = 0; k < Bytes / (size_t(Rows * Cols) * dtypeSize(type)); ++k)
      if (!quantize(weight(k), scheme))
        fail("a weight was refused");
    return double(Bytes) / (now() - start);
  }
};

template <typename T, typename Convert>
const void *filled(const std::vector<float> &values, const Convert &convert) {
  size_t count = Bytes / sizeof(T);
  T *data = hugeBuffer<T>(count);
  for (size_t i = 0; i < count; ++i)
    data[i] = i < values.size() ? convert(values[i]) : data[i - values.size()];
  return data;
}

} // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): a result is looked at before it is taken
int main(int argc, char **argv) {
  int rounds = argc > 1 ? std::max(int(std::strtol(argv[1], nullptr, 10)), 1) : 7;
  std::printf("%u threads, %s; %d rounds, median (range)\n", ThreadPool::global().size(),
              isaName(currentIsa()), rounds);

  std::mt19937 random(1); // NOLINT(bugprone-random-generator-seed): the same data every time
  std::normal_distribution<float> normal(0, 0.02f);
  std::vector<float> values(1000003);
  for (float &v : values)
    v = normal(random);
  const void *bf16 = filled<uint16_t>(values, floatToBf16),
             *f16 = filled<uint16_t>(values, floatToF16),
             *f32 = filled<float>(values, [](float v) { return v; });
  constexpr int64_t Samples = 2048, MaxWidth = 2048;
  Matrix<float> x(Samples, MaxWidth);
  for (int64_t i = 0; i < Samples * MaxWidth; ++i)
    x.data()[i] = normal(random) * 50;

  std::vector<Rounding> rounding;
  auto add = [&](const void *data, DType type, const char *text, const std::string &name) {
    rounding.push_back({data, type, must(parseScheme(text)), Series{name, {}}});
    const Rounding &r = rounding.back();
    checkRounding(r.weight(0), must(quantize(r.weight(0), r.scheme)), name);
  };
  for (const char *text : {"w4g64", "w4g128", "w4g64-sym", "nf4", "fp4", "w8g64", "w8", "w6g64",
                           "w3g64", "w2g64", "mxfp4", "nvfp4"})
    add(bf16, DType::BF16, text, text);
  for (const char *text : {"w4g64", "w8g64", "nf4"}) {
    add(f16, DType::F16, text, std::string(text) + " from f16");
    add(f32, DType::F32, text, std::string(text) + " from f32");
  }
  std::vector<std::pair<int64_t, Series>> grams, drifts;
  for (int64_t n : {576, 1536, 2048}) {
    grams.emplace_back(n, Series{"n = " + std::to_string(n), {}});
    drifts.emplace_back(n, Series{"n = " + std::to_string(n), {}});
    checkGram(x.block(0, 0, 700, n));
  }

  Series read{"DRAM read", {}}, fma{"multiply-add, f32", {}};
  const auto *floats = static_cast<const float *>(bf16);
  for (int round = 0; round < rounds; ++round) {
    for (Rounding &r : rounding) {
      double roof = readRate(floats, Bytes / sizeof(float));
      double rate = r.rate();
      roof = std::max(roof, readRate(floats, Bytes / sizeof(float)));
      r.series.values.push_back(rate / roof);
      read.values.push_back(roof);
    }
    for (size_t k = 0; k < grams.size(); ++k) {
      int64_t n = grams[k].first;
      Matrix<float> samples(x.block(0, 0, Samples, n)), product(n, n);
      double roof = fmaRate();
      GramAccumulator sums(n);
      double start = now();
      if (!sums.add(samples))
        fail("samples were refused");
      double seconds = now() - start;
      grams[k].second.values.push_back(double(n) * double(n + 1) * Samples / seconds / (roof / 2));
      start = now();
      for (int64_t t = 0; t < Samples; t += 512)
        gemm(1.0f, samples.block(t, 0, 512, n), Transpose::Yes, samples.block(t, 0, 512, n),
             Transpose::No, 1.0f, product.view());
      seconds = now() - start;
      drifts[k].second.values.push_back(2 * double(n) * double(n) * Samples / seconds / roof);
      fma.values.push_back(roof);
    }
  }

  std::printf("roofs\n");
  read.print("GB/s", 1e-9);
  fma.print("GFLOP/s", 1e-9);
  std::printf("rounding, from bf16 unless it says another, of DRAM read\n");
  for (Rounding &r : rounding)
    r.series.print("%", 100);
  std::printf("sum of x^T x in f64, of f64 multiply-add\n");
  for (auto &[n, series] : grams)
    series.print("%", 100);
  std::printf("product of drifts in f32, of f32 multiply-add\n");
  for (auto &[n, series] : drifts)
    series.print("%", 100);
  return 0;
}
