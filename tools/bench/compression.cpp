// Speed of rounding and of the calibration's products as a share of this machine's roofs.
//
//   bench-compression [rounds, default 7]
//
// Rounding: weights of a 1B model, [2048, 8192] in bf16, rotating over 512 MB; the roof is the rate
// at which all threads read memory, and what counts is the bytes of the weights alone, not those of
// the codes that are written. Calibration: Σ xᵀx in f64 as GramAccumulator sums it, n(n+1)
// operations per sample; the roof is the rate of f64 multiply-adds, half of f32's; and the product
// of drifts in f32, 2n² per sample, against the f32 rate. Every round measures the roofs beside the
// work; printed are the median and the range of the ratios. Results are checked against plain loops
// first.
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

constexpr int64_t Rows = 2048, Cols = 8192, Weights = 16;

template <typename T> T must(Result<T> r) {
  if (!r)
    fail(r.error().message());
  return std::move(*r);
}

/// Every weight has the nearest of the values that its group can take.
void checkRounding(const uint16_t *w, const QuantizedWeight &q, const std::string &scheme) {
  Matrix<float> back = dequantized(q);
  for (int64_t i = 0; i < q.rows; i += 97)
    for (int64_t j = 0; j < q.cols; ++j) {
      double x = bf16ToFloat(w[i * q.cols + j]), found = std::fabs(back(i, j) - x),
             least = INFINITY;
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

double secondsOfRounding(const uint16_t *weights, const QuantScheme &scheme) {
  double start = now();
  for (int64_t k = 0; k < Weights; ++k) {
    WeightSource w(weights + k * Rows * Cols, DType::BF16, Rows, Cols);
    if (!quantize(w, scheme))
      fail("a weight was refused");
  }
  return now() - start;
}

} // namespace

// NOLINTNEXTLINE(bugprone-exception-escape): a result is looked at before it is taken
int main(int argc, char **argv) {
  int rounds = argc > 1 ? std::max(int(std::strtol(argv[1], nullptr, 10)), 1) : 7;
  std::printf("%u threads, %s; %d rounds, median (range)\n", ThreadPool::global().size(),
              isaName(currentIsa()), rounds);

  std::mt19937 random(1); // NOLINT(bugprone-random-generator-seed): the same data every time
  std::normal_distribution<float> normal(0, 0.02f);
  const size_t count = size_t(Weights * Rows * Cols);
  auto *weights = hugeBuffer<uint16_t>(count);
  for (size_t i = 0; i < count; ++i)
    weights[i] = i < 1000003 ? floatToBf16(normal(random)) : weights[i - 1000003];
  constexpr int64_t Samples = 2048, MaxWidth = 2048;
  Matrix<float> x(Samples, MaxWidth);
  for (int64_t i = 0; i < Samples * MaxWidth; ++i)
    x.data()[i] = normal(random) * 50;

  std::vector<std::pair<QuantScheme, Series>> rounding;
  for (const char *text : {"w4g64", "w4g128", "w4g64-sym", "nf4", "fp4", "w8g64", "w8", "w6g64",
                           "w3g64", "w2g64", "mxfp4", "nvfp4"}) {
    QuantScheme scheme = must(parseScheme(text));
    checkRounding(weights, must(quantize({weights, DType::BF16, Rows, Cols}, scheme)), text);
    rounding.emplace_back(scheme, Series{text, {}});
  }
  std::vector<std::pair<int64_t, Series>> grams, drifts;
  for (int64_t n : {576, 1536, 2048}) {
    grams.emplace_back(n, Series{"n = " + std::to_string(n), {}});
    drifts.emplace_back(n, Series{"n = " + std::to_string(n), {}});
    checkGram(x.block(0, 0, 700, n));
  }

  Series read{"DRAM read", {}}, fma{"multiply-add, f32", {}};
  const auto *floats = reinterpret_cast<const float *>(weights);
  for (int round = 0; round < rounds; ++round) {
    for (auto &[scheme, series] : rounding) {
      double roof = readRate(floats, count / 2);
      double seconds = secondsOfRounding(weights, scheme);
      roof = std::max(roof, readRate(floats, count / 2));
      series.values.push_back(double(count) * 2 / seconds / roof);
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
  std::printf("rounding from bf16, of DRAM read\n");
  for (auto &[scheme, series] : rounding)
    series.print("%", 100);
  std::printf("sum of x^T x in f64, of f64 multiply-add\n");
  for (auto &[n, series] : grams)
    series.print("%", 100);
  std::printf("product of drifts in f32, of f32 multiply-add\n");
  for (auto &[n, series] : drifts)
    series.print("%", 100);
  return 0;
}
