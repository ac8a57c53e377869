// Quantized rows, the attention that reads them, and the Hadamard transform.
#include "AllocationCount.h"
#include "KernelTable.h"
#include "KernelTesting.h"

#include "fingpt/Runtime/Kernels.h"
#include "fingpt/Support/Float.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace fingpt;

namespace {

struct Rows {
  int64_t count, width, bits, group, rowBytes;
  std::vector<uint8_t> bytes;

  Rows(const std::vector<float> &x, int64_t width, int64_t bits, int64_t group)
      : count(int64_t(x.size()) / width), width(width), bits(bits), group(group),
        rowBytes(width * bits / 8 + width / group * 4), bytes(size_t(count * rowBytes)) {
    fingpt_quantize_rows_f32(x.data(), bytes.data(), count, width, bits, group);
  }
  int code(int64_t row, int64_t column) const {
    const uint8_t *codes = &bytes[size_t(row * rowBytes)];
    return bits == 8 ? codes[column] : codes[column / 2] >> (column % 2 * 4) & 15;
  }
  float half(int64_t row, int64_t group, int64_t field) const {
    const uint8_t *at = &bytes[size_t(row * rowBytes + width * bits / 8 + group * 4 + field * 2)];
    return f16ToFloat(uint16_t(at[0] | at[1] << 8));
  }
  float scale(int64_t row, int64_t g) const { return half(row, g, 0); }
  float min(int64_t row, int64_t g) const { return half(row, g, 1); }
  float value(int64_t row, int64_t column) const {
    float product = float(code(row, column)) * scale(row, column / group);
    return product + min(row, column / group);
  }
  std::vector<float> values() const {
    std::vector<float> x;
    for (int64_t r = 0; r < count; ++r)
      for (int64_t c = 0; c < width; ++c)
        x.push_back(value(r, c));
    return x;
  }
};

TEST(QuantizeRows, EveryValueIsWithinHalfAStep) {
  std::mt19937 random(1);
  for (int64_t bits : {4, 8})
    for (int64_t group : {2, 16, 64})
      for (float size : {1e-3f, 1.0f, 300.0f}) {
        std::vector<float> x = randomFloats(random, 7 * 192, size);
        Rows rows(x, 192, bits, group);
        for (int64_t r = 0; r < 7; ++r)
          for (int64_t c = 0; c < 192; ++c) {
            float scale = rows.scale(r, c / group), min = rows.min(r, c / group);
            // Half a step; what rounding scale and minimum to f16 moves the ends by.
            float ends = std::fabs(min) * 0x1p-11f +
                         float((1 << bits) - 1) * std::max(scale * 0x1p-10f, 0x1p-24f);
            EXPECT_LE(std::fabs(x[size_t(r * 192 + c)] - rows.value(r, c)),
                      0.5001f * scale + ends + 0x1p-24f)
                << "bits " << bits << " group " << group << " size " << size;
          }
      }
}

TEST(QuantizeRows, EndsOfTheRangeAreTheFirstAndTheLastCode) {
  std::vector<float> x{-1, 0, 2, 1, 5, 5, 5, 5};
  Rows rows(x, 8, 4, 4);
  EXPECT_EQ(rows.code(0, 0), 0);
  EXPECT_EQ(rows.code(0, 2), 15);
  EXPECT_EQ(rows.code(0, 1), 5);
  EXPECT_EQ(rows.scale(0, 0), f16ToFloat(floatToF16(0.2f)));
  for (int64_t c = 4; c < 8; ++c) { // a run of one value is exact
    EXPECT_EQ(rows.code(0, c), 0);
    EXPECT_EQ(rows.value(0, c), 5.0f);
  }
  EXPECT_EQ(rows.bytes[0], 0x50); // the lower half of a byte comes first
}

TEST(QuantizeRows, WhatIsNotFiniteStaysInItsRun) {
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> x{1, NAN, 3, 4, 1, infinity, 3,     4, -infinity, 2,
                       3, 4,   1, 2, 3, 4,        1e30f, 0, -1e30f,    1};
  Rows rows(x, 20, 8, 4);
  for (int64_t c = 0; c < 4; ++c)
    EXPECT_TRUE(std::isnan(rows.value(0, c)));
  for (int64_t c = 4; c < 20; ++c)
    EXPECT_TRUE(std::isfinite(rows.value(0, c))) << c;
  EXPECT_NEAR(rows.value(0, 13), 2, 0.01);
  EXPECT_GE(rows.value(0, 5), 60000);
  EXPECT_LE(rows.value(0, 8), -60000);
}

TEST(QuantizeRows, RunsOfEveryLevelAreTheSameBits) {
  std::mt19937 random(2);
  for (int64_t bits : {4, 8})
    for (int64_t group : {2, 16, 30, 64, 128}) {
      Rows rows(randomFloats(random, 3 * group), group, bits, group);
      forEachIsa([&] {
        for (int64_t r = 0; r < 3; ++r) {
          std::vector<float> out(size_t(group), -7.0f);
          kernels().dequantizeRun(&rows.bytes[size_t(r * rows.rowBytes)], bits, group,
                                  rows.scale(r, 0), rows.min(r, 0), out.data());
          for (int64_t c = 0; c < group; ++c)
            EXPECT_EQ(out[size_t(c)], rows.value(r, c)) << "bits " << bits << " column " << c;
        }
      });
    }
}

/// Attention over quantized rows against attention over their values: the same bits.
void compareAttention(int64_t B, int64_t T, int64_t S, int64_t heads, int64_t kvHeads,
                      int64_t headDim, int64_t valueDim, int64_t bits, int64_t group,
                      int64_t window) {
  std::mt19937 random(3);
  FingptAttention shape{};
  shape.batch = B;
  shape.tokens = T;
  shape.keys = S;
  shape.heads = heads;
  shape.kvHeads = kvHeads;
  shape.headDim = headDim;
  shape.valueDim = valueDim;
  shape.qToken = heads * headDim;
  shape.qBatch = T * shape.qToken;
  shape.outToken = heads * valueDim;
  shape.outBatch = T * shape.outToken;
  shape.scale = 1.0f / std::sqrt(float(headDim));
  shape.causal = 1;
  shape.window = window;
  std::vector<float> q = randomFloats(random, B * shape.qBatch);
  Rows k(randomFloats(random, B * S * kvHeads * headDim), kvHeads * headDim, bits, group);
  Rows v(randomFloats(random, B * S * kvHeads * valueDim), kvHeads * valueDim, bits, group);
  std::vector<int32_t> positions;
  for (int64_t b = 0; b < B; ++b)
    for (int64_t t = 0; t < T; ++t)
      positions.push_back(int32_t(S - T + t - b)); // keys past the last position are not read
  auto run = [&](const FingptAttention &s, const void *keys, const void *values) {
    std::vector<float> out(size_t(B * shape.outBatch), -7.0f);
    fingpt_attention_f32(&s, q.data(), keys, values, positions.data(), nullptr, nullptr, 0, 0, 0,
                         nullptr, out.data());
    return out;
  };
  FingptAttention dense = shape;
  dense.kToken = kvHeads * headDim;
  dense.vToken = kvHeads * valueDim;
  dense.kBatch = S * dense.kToken;
  dense.vBatch = S * dense.vToken;
  std::vector<float> keys = k.values(), values = v.values();
  FingptAttention coded = shape;
  coded.kvBits = int32_t(bits);
  coded.kvGroup = group;
  coded.kToken = k.rowBytes;
  coded.vToken = v.rowBytes;
  coded.kBatch = S * coded.kToken;
  coded.vBatch = S * coded.vToken;
  forEachIsa([&] {
    for (unsigned threads : {1u, 2u, 5u}) {
      ThreadCount scope(threads);
      EXPECT_TRUE(sameBits(run(coded, k.bytes.data(), v.bytes.data()),
                           run(dense, keys.data(), values.data())))
          << "bits " << bits << " T " << T << " S " << S;
    }
  });
}

TEST(QuantizedAttention, EqualsAttentionOverTheValues) {
  for (int64_t bits : {4, 8}) {
    compareAttention(1, 1, 300, 9, 3, 64, 64, bits, 64, 0); // a step of decoding
    compareAttention(1, 1, 300, 4, 4, 32, 32, bits, 16, 100);
    compareAttention(2, 150, 290, 6, 2, 64, 64, bits, 32, 0); // a prompt, in blocks
    compareAttention(2, 20, 129, 2, 1, 16, 48, bits, 8, 5);
  }
}

TEST(QuantizedAttention, AllocatesNothingInSteadyState) {
  ThreadCount scope(2);
  std::mt19937 random(4);
  std::vector<float> x = randomFloats(random, 600 * 128);
  Rows rows(x, 128, 4, 64);
  FingptAttention s{1,   1,   600,    4, 2, 64, 64, 256, 256, 0, rows.rowBytes, 0, rows.rowBytes,
                    256, 256, 0.125f, 0, 0, 1,  4,  64};
  std::vector<float> out(256);
  std::vector<int32_t> positions{599};
  size_t before = 0;
  for (int i = 0; i < 4; ++i) {
    if (i == 2)
      before = allocationCount();
    fingpt_quantize_rows_f32(x.data(), rows.bytes.data(), 600, 128, 4, 64);
    fingpt_attention_f32(&s, x.data(), rows.bytes.data(), rows.bytes.data(), positions.data(),
                         nullptr, nullptr, 0, 0, 0, nullptr, out.data());
  }
  EXPECT_EQ(allocationCount(), before);
}

TEST(Hadamard, IsTheMatrix) {
  std::mt19937 random(5);
  for (int64_t size : {1, 2, 8, 64})
    for (bool signs : {false, true}) {
      const int64_t rows = 5, width = 192;
      std::vector<float> x = randomFloats(random, rows * width), y(x.size());
      std::vector<float> flips(size_t(width), 1.0f);
      for (size_t i = 0; i < flips.size(); i += 3)
        flips[i] = -1;
      fingpt_hadamard_f32(x.data(), signs ? flips.data() : nullptr, y.data(), rows, width, size);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < width; ++c) {
          double sum = 0, total = 0;
          for (int64_t j = 0; j < size; ++j) {
            int64_t from = c / size * size + j;
            double term = x[size_t(r * width + from)] * (signs ? flips[size_t(from)] : 1.0f);
            total += std::fabs(term);
            sum += __builtin_popcountll(uint64_t(c % size & j)) % 2 ? -term : term;
          }
          double root = std::sqrt(double(size));
          EXPECT_NEAR(y[size_t(r * width + c)], sum / root, 8 * Epsilon * total / root + 1e-12);
        }
      std::vector<float> inPlace = x; // x and y may be the same
      fingpt_hadamard_f32(inPlace.data(), signs ? flips.data() : nullptr, inPlace.data(), rows,
                          width, size);
      EXPECT_TRUE(sameBits(inPlace, y));
    }
}

} // namespace
