// Row-wise kernels around a quantized key/value cache: codes of rows, and the
// Hadamard transform that spreads a row's outliers first.
#include "fingpt/Runtime/Kernels.h"
#include "fingpt/Runtime/ThreadPool.h"
#include "fingpt/Support/Float.h"
#include "fingpt/Support/QuantizedRows.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace fingpt;

namespace {

/// Runs body(begin, end) over `count` rows. By reference: a copy of the body
/// could allocate.
template <typename Body> void forRows(int64_t count, int64_t width, Body &body) {
  constexpr int64_t MinWork = 32768; // Elements that are worth a thread.
  ThreadPool::global().parallelFor(
      size_t(std::max<int64_t>(count, 0)), [&body](size_t begin, size_t end) { body(begin, end); },
      size_t(std::max<int64_t>(MinWork / std::max<int64_t>(width, 1), 1)));
}

void storeHalf(uint16_t half, uint8_t *to) {
  to[0] = uint8_t(half & 255);
  to[1] = uint8_t(half >> 8);
}

constexpr float LargestHalf = 65504;

/// Codes of one run; scale and minimum go to table[0..4).
void quantizeRun(const float *x, int64_t n, int64_t bits, uint8_t *codes, uint8_t *table) {
  float least = std::numeric_limits<float>::infinity(), most = -least;
  bool isNan = false;
  for (int64_t i = 0; i < n; ++i) {
    isNan |= x[i] != x[i];
    least = x[i] < least ? x[i] : least;
    most = x[i] > most ? x[i] : most;
  }
  if (isNan)
    least = most = std::numeric_limits<float>::quiet_NaN();
  const float levels = float((1 << bits) - 1);
  // Comparisons that keep a NaN.
  float lower = least < -LargestHalf ? -LargestHalf : least;
  lower = lower > LargestHalf ? LargestHalf : lower;
  float step = (most - least) / levels;
  step = step > LargestHalf ? LargestHalf : step;
  uint16_t minHalf = floatToF16(lower), scaleHalf = floatToF16(step);
  storeHalf(scaleHalf, table);
  storeHalf(minHalf, table + 2);
  float min = f16ToFloat(minHalf), scale = f16ToFloat(scaleHalf);
  auto code = [&](float value) {
    float q = (value - min) / scale;
    q = q > 0 ? q : 0.0f; // NaN too
    q = q < levels ? q : levels;
    return uint8_t((q + 8388608.0f) - 8388608.0f); // to even
  };
  bool constant = scale == 0;
  if (bits == 8) {
    for (int64_t i = 0; i < n; ++i)
      codes[i] = constant ? 0 : code(x[i]);
    return;
  }
  for (int64_t i = 0; i < n / 2; ++i)
    codes[i] = constant ? 0 : uint8_t(code(x[2 * i]) | code(x[2 * i + 1]) << 4);
}

/// x·H/√n in place, natural order.
void transformRun(float *x, int64_t n, float factor) {
  for (int64_t half = 1; half < n; half *= 2)
    for (int64_t begin = 0; begin < n; begin += 2 * half)
      for (int64_t i = begin; i < begin + half; ++i) {
        float a = x[i], b = x[i + half];
        x[i] = a + b;
        x[i + half] = a - b;
      }
  for (int64_t i = 0; i < n; ++i)
    x[i] *= factor;
}

} // namespace

extern "C" void fingpt_quantize_rows_f32(const float *x, uint8_t *rows, int64_t count,
                                         int64_t width, int64_t bits, int64_t group) {
  int64_t groups = width / group, codeBytes = width * bits / 8,
          rowBytes = quantizedRowBytes(width, bits, group);
  auto body = [&](size_t begin, size_t end) {
    for (auto r = int64_t(begin); r < int64_t(end); ++r)
      for (int64_t g = 0; g < groups; ++g)
        quantizeRun(x + r * width + g * group, group, bits,
                    rows + r * rowBytes + g * group * bits / 8,
                    rows + r * rowBytes + codeBytes + g * 4);
  };
  forRows(count, width, body);
}

extern "C" void fingpt_hadamard_f32(const float *x, const float *signs, float *y, int64_t rows,
                                    int64_t width, int64_t size) {
  float factor = float(1.0 / std::sqrt(double(size)));
  auto body = [&](size_t begin, size_t end) {
    for (auto r = int64_t(begin); r < int64_t(end); ++r) {
      const float *from = x + r * width;
      float *to = y + r * width;
      for (int64_t i = 0; i < width; ++i)
        to[i] = signs ? from[i] * signs[i] : from[i];
      for (int64_t i = 0; i < width; i += size)
        transformRun(to + i, size, factor);
    }
  };
  forRows(rows, width, body);
}
