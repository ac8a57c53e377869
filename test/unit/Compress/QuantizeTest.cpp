#include "fingpt/Compress/Quantize.h"

#include "CompressTesting.h"
#include "Isa.h"
#include "fingpt/Support/Float.h"

#include <atomic>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

const char *const AllSchemes[] = {"w2g16",
                                  "w3g32",
                                  "w4g128",
                                  "w5g64",
                                  "w6g48",
                                  "w7g128",
                                  "w8g32-asym",
                                  "w2g64-sym",
                                  "w4-sym",
                                  "w8",
                                  "w4g128-min",
                                  "w3-min",
                                  "w4g64-sym-signed",
                                  "w8-signed",
                                  "w4g64-sym-dq",
                                  "nf4",
                                  "nf4-dq",
                                  "fp4",
                                  "mxfp4",
                                  "nvfp4"};

QuantizedWeight rounded(const WeightSource &w, const char *scheme) {
  auto parsed = parseScheme(scheme);
  EXPECT_TRUE(bool(parsed)) << scheme;
  auto q = quantize(w, *parsed);
  EXPECT_TRUE(bool(q)) << scheme << ": " << (q ? "" : q.error().message());
  return q ? *q : QuantizedWeight();
}

double meanSquaredError(ConstMatrixF a, ConstMatrixF b) {
  double sum = 0;
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.cols; ++j)
      sum += std::pow(double(a(i, j)) - b(i, j), 2);
  return sum / double(a.rows * a.cols);
}

/// The op's definition, element by element, from the stored fields.
Matrix<float> defined(const QuantizedWeight &q) {
  Matrix<float> w(q.rows, q.cols);
  for (int64_t i = 0; i < q.rows; ++i)
    for (int64_t j = 0; j < q.cols; ++j) {
      int64_t g = j / q.groupSize;
      uint8_t code = q.code(i, j);
      float value = code;
      if (q.scheme.signedCodes && code >> (q.scheme.bits - 1))
        value -= float(1 << q.scheme.bits);
      w(i, j) = q.scheme.isLookup() ? q.codebook[code] * q.scale(i, g)
                                    : (value - q.zero(i, g)) * q.scale(i, g) + q.min(i, g);
    }
  return w;
}

TEST(Quantize, DequantizeFollowsTheOps) {
  std::mt19937 random(1);
  for (auto [rows, cols] : {std::pair<int64_t, int64_t>{5, 576}, {300, 33}, {2, 1}, {3, 200}}) {
    Matrix<float> w = randomWeight(random, rows, cols);
    for (const char *scheme : AllSchemes) {
      QuantizedWeight q = rounded(w, scheme);
      EXPECT_EQ(meanSquaredError(dequantized(q), defined(q)), 0) << scheme;
    }
  }
}

TEST(Quantize, PacksLowBitsFirstAndPadsRows) {
  Matrix<float> w(1, 3);
  w(0, 0) = -8, w(0, 1) = 7.6f, w(0, 2) = 1;
  QuantizedWeight q = rounded(w, "w4-sym");
  // scale 16/15 rounded up to f16; codes round(w/s) + 8.
  EXPECT_EQ(q.codes, (RawBytes{1 | 15 << 4, 9}));
  EXPECT_EQ(q.constantZero(), 8);
  QuantizedWeight s = rounded(w, "w4-sym-signed");
  EXPECT_EQ(s.codes, (RawBytes{9 | 7 << 4, 1}));
  EXPECT_EQ(s.constantZero(), 0);
  Matrix<float> nine(1, 9);
  for (int64_t j = 0; j < 9; ++j)
    nine(0, j) = float(j % 8);
  QuantizedWeight t = rounded(nine, "w3");
  EXPECT_EQ(t.codes.size(), 4U); // 27 bits
  for (int64_t j = 0; j < 9; ++j)
    EXPECT_EQ(t.code(0, j), j % 8);
}

TEST(Quantize, ErrorIsWithinHalfAScale) {
  std::mt19937 random(2);
  for (double size : {1.0, 1e-3, 40.0, 1e30, 1e-30, 1e-40}) {
    Matrix<float> w = randomWeight(random, 40, 300, size);
    for (const char *scheme :
         {"w2g16", "w3g32", "w4g128", "w8g32-asym", "w4g64-sym", "w8", "w4g128-min", "w5-min"}) {
      QuantizedWeight q = rounded(w, scheme);
      Matrix<float> back = dequantized(q);
      for (int64_t i = 0; i < w.rows(); ++i)
        for (int64_t j = 0; j < w.cols(); ++j) {
          double bound = 0.5 * q.scale(i, j / q.groupSize) * (1 + 1e-4) +
                         1e-6 * std::fabs(double(w(i, j))) + 3e-43;
          ASSERT_LE(std::fabs(double(back(i, j)) - w(i, j)), bound) << scheme << " " << size;
        }
    }
  }
}

TEST(Quantize, IsIdempotent) {
  std::mt19937 random(3);
  Matrix<float> w = randomWeight(random, 30, 256);
  // Symmetric scales cover ±max with 2^bits codes, of which one end is cut by half a step: the
  // range of a rounded weight is another one, so only the other formats are projections.
  for (const char *scheme : {"w4g128", "w3g32-min", "nf4", "fp4", "mxfp4"}) {
    Matrix<float> once = dequantized(rounded(w, scheme));
    Matrix<float> twice = dequantized(rounded(once, scheme));
    EXPECT_LT(meanSquaredError(twice, once), 0.05 * meanSquaredError(once, w)) << scheme;
  }
  // A weight that the format holds exactly comes back exactly.
  Matrix<float> exact(4, 64);
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t j = 0; j < 64; ++j)
      exact(i, j) = float((i + 5 * j) % 16) * 0.25f;
  EXPECT_EQ(meanSquaredError(dequantized(rounded(exact, "w4g64")), exact), 0);
  EXPECT_EQ(meanSquaredError(dequantized(rounded(exact, "w4g64-min")), exact), 0);
}

TEST(Quantize, ErrorFallsWithBitsAndWithSmallerGroups) {
  std::mt19937 random(4);
  Matrix<float> w = randomWeight(random, 64, 512);
  double previous = INFINITY;
  for (int bits = 2; bits <= 8; ++bits) {
    double error =
        meanSquaredError(dequantized(rounded(w, ("w" + std::to_string(bits) + "g64").c_str())), w);
    EXPECT_LT(error, previous);
    previous = error;
  }
  previous = INFINITY;
  for (const char *scheme : {"w4-sym", "w4g256-sym", "w4g128-sym", "w4g64-sym", "w4g16-sym"}) {
    double error = meanSquaredError(dequantized(rounded(w, scheme)), w);
    EXPECT_LT(error, previous);
    previous = error;
  }
}

TEST(Quantize, NormalFloatBeatsUniformOnGaussianWeights) {
  std::mt19937 random(5);
  Matrix<float> w = randomWeight(random, 128, 1024, 0.02);
  QuantizedWeight nf4 = rounded(w, "nf4"), uniform = rounded(w, "w4g64-sym");
  EXPECT_NEAR(nf4.bitsPerWeight(), uniform.bitsPerWeight(), 0.005);
  EXPECT_LT(meanSquaredError(dequantized(nf4), w), meanSquaredError(dequantized(uniform), w));
  // Coding the scales costs little of it.
  QuantizedWeight twice = rounded(w, "nf4-dq");
  EXPECT_LT(twice.storedBytes(), nf4.storedBytes());
  EXPECT_LT(meanSquaredError(dequantized(twice), w), 1.02 * meanSquaredError(dequantized(nf4), w));
}

TEST(Quantize, CodebookCodesAreNearest) {
  std::mt19937 random(6);
  Matrix<float> w = randomWeight(random, 20, 128);
  for (const char *scheme : {"nf4", "fp4", "mxfp4", "nvfp4", "nf4-dq"}) {
    QuantizedWeight q = rounded(w, scheme);
    for (int64_t i = 0; i < w.rows(); ++i)
      for (int64_t j = 0; j < w.cols(); ++j) {
        float scale = q.scale(i, j / q.groupSize);
        double chosen = std::fabs(double(q.codebook[q.code(i, j)]) * scale - w(i, j));
        for (float value : q.codebook)
          ASSERT_LE(chosen, std::fabs(double(value) * scale - w(i, j)) + 1e-6) << scheme;
      }
  }
}

TEST(Quantize, ClipSearchLowersTheError) {
  std::mt19937 random(7);
  Matrix<float> w = randomWeight(random, 50, 256);
  for (int64_t i = 0; i < 50; ++i)
    w(i, i) = 6;
  for (auto [plain, searched] : {std::pair<const char *, const char *>{"w3g128", "w3g128-clip"},
                                 {"w2g64-sym", "w2g64-sym-clip"},
                                 {"nvfp4", "nvfp4-clip"},
                                 {"mxfp4", "mxfp4-clip"},
                                 {"w3g64-min", "w3g64-min-clip"}})
    EXPECT_LT(meanSquaredError(dequantized(rounded(w, searched)), w),
              meanSquaredError(dequantized(rounded(w, plain)), w))
        << searched;
}

TEST(Quantize, ClipSearchMovesOneEndAlone) {
  std::mt19937 random(8);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (float outlier : {3.0f, -3.0f})
    for (float offset : {0.0f, 50.0f}) { // an offset only minima can follow
      Matrix<float> w(20, 256);
      for (int64_t i = 0; i < 20; ++i)
        for (int64_t j = 0; j < 256; ++j)
          w(i, j) = offset + (j == 5 + i ? outlier : uniform(random));
      if (offset == 0)
        EXPECT_LT(meanSquaredError(dequantized(rounded(w, "w3g256-clip")), w),
                  0.7 * meanSquaredError(dequantized(rounded(w, "w3g256")), w));
      EXPECT_LT(meanSquaredError(dequantized(rounded(w, "w3g256-min-clip")), w),
                0.7 * meanSquaredError(dequantized(rounded(w, "w3g256-min")), w));
    }
}

TEST(Quantize, DegenerateWeights) {
  const float tiny = std::numeric_limits<float>::denorm_min();
  for (float value :
       {0.0f, -0.0f, 1.0f, -3.0f, 1e30f, -1e30f, 1e-30f, tiny, 100 * tiny, 3e38f, 0.1f}) {
    Matrix<float> w(20, 70);
    for (int64_t i = 0; i < w.rows(); ++i)
      for (int64_t j = 0; j < w.cols(); ++j)
        w(i, j) = value;
    for (const char *scheme : AllSchemes) {
      Matrix<float> back = dequantized(rounded(w, scheme));
      ASSERT_TRUE(checkFinite(back.view(), scheme));
      // E2M1 blocks reach 6 of the 8 that an E8M0 scale may have to cover, and start at 2^-128.
      double share = std::string(scheme) != "mxfp4" ? 0.5 : std::fabs(value) < 0x1p-127f ? 1 : 0.26;
      double bound = share * std::fabs(double(value)) + 50 * double(tiny);
      ASSERT_LE(std::fabs(double(back(3, 69)) - value), bound) << scheme << " " << value;
    }
  }
  Matrix<float> mixed(3, 64);
  for (int64_t j = 0; j < 64; ++j) {
    mixed(1, j) = j == 7 ? 1e4f : 0.0f;
    mixed(2, j) = j % 2 ? 5.0f : -0.0f;
  }
  for (const char *scheme : AllSchemes)
    EXPECT_TRUE(checkFinite(dequantized(rounded(mixed, scheme)).view(), scheme));
  for (const char *scheme : AllSchemes) // no rows, no columns
    EXPECT_EQ(rounded(Matrix<float>(0, 64), scheme).codes.size(), 0U);
  uint16_t none = 0;
  for (const char *scheme : AllSchemes) {
    EXPECT_EQ(rounded(Matrix<float>(4, 0), scheme).groups, 0);
    EXPECT_EQ(rounded(WeightSource(&none, DType::BF16, 4, 0), scheme).groups, 0);
  }
}

TEST(Quantize, ScalesThatDoNotFitF16AreF32) {
  std::mt19937 random(8);
  EXPECT_EQ(rounded(randomWeight(random, 4, 64), "w4g32").scaleType, DType::F16);
  EXPECT_EQ(rounded(randomWeight(random, 4, 64, 1e6), "w4g32").scaleType, DType::F32);
  EXPECT_EQ(rounded(randomWeight(random, 4, 64, 1e-8), "w4g32").scaleType, DType::F32);
  EXPECT_EQ(rounded(Matrix<float>(4, 64), "w4g32").scaleType, DType::F16);
}

TEST(Quantize, RefusesNonFiniteNamingRowAndColumn) {
  for (float bad : {NAN, INFINITY, -INFINITY})
    for (const char *scheme : AllSchemes) {
      Matrix<float> w(60, 100);
      w(41, 99) = bad;
      w(17, 66) = bad;
      auto q = quantize(w, *parseScheme(scheme));
      ASSERT_FALSE(bool(q)) << scheme;
      EXPECT_NE(q.error().message().find("[17, 66]"), std::string::npos) << q.error().message();
    }
  // In the fast lane, in the first and in the last piece of a row.
  constexpr int64_t Rows = 60, Cols = 4128;
  Matrix<float> w(Rows, Cols);
  for (float bad : {NAN, INFINITY, -INFINITY})
    for (auto [row, col] : {std::pair<int64_t, int64_t>{0, 300}, {17, 4127}, {59, 2047}})
      for (DType type : {DType::BF16, DType::F16}) {
        std::vector<uint16_t> half(Rows * Cols);
        half[size_t(row * Cols + col)] = type == DType::F16 ? floatToF16(bad) : floatToBf16(bad);
        for (const char *scheme : {"w4g64", "w3g64-sym", "w8", "nf4", "fp4", "mxfp4", "nvfp4"}) {
          auto q = quantize({half.data(), type, Rows, Cols}, *parseScheme(scheme));
          ASSERT_FALSE(bool(q)) << scheme;
          std::string place = "[" + std::to_string(row) + ", " + std::to_string(col) + "]";
          EXPECT_NE(q.error().message().find(place), std::string::npos) << q.error().message();
        }
      }
}

/// Weights as f32, and as both formats of 16 bits.
struct ThreeFormats {
  Matrix<float> w;
  std::vector<uint16_t> bf16, f16;

  explicit ThreeFormats(Matrix<float> values) : w(std::move(values)) {
    for (int64_t i = 0; i < w.rows() * w.cols(); ++i) {
      bf16.push_back(floatToBf16(w.data()[i]));
      f16.push_back(floatToF16(w.data()[i]));
    }
  }
  /// Columns [first, first + n).
  std::vector<WeightSource> sources(int64_t first, int64_t n) const {
    return {WeightSource(w.block(0, first, w.rows(), n)),
            WeightSource(bf16.data() + first, DType::BF16, w.rows(), n, w.cols()),
            WeightSource(f16.data() + first, DType::F16, w.rows(), n, w.cols())};
  }
  std::vector<WeightSource> sources() const { return sources(0, w.cols()); }
};

// Rows longer than a piece: every group is what it is as a weight of its own.
TEST(Quantize, GroupsOfALongRowAreWhatTheyAreAlone) {
  std::mt19937 random(10);
  for (int64_t cols : {2080, 4128}) {
    ThreeFormats w(randomWeight(random, 5, cols, 0.02));
    for (const char *scheme :
         {"w4g64", "w3", "w3g96", "w5g32", "w7g64", "w4g20", "w3g20", "w4g64-min", "w4g96-clip",
          "w8g64-asym", "w2g128-sym-signed", "w4g1024", "nf4", "nf4g160", "fp4", "mxfp4"}) {
      std::vector<WeightSource> sources = w.sources();
      for (size_t k = 0; k < sources.size(); ++k) {
        QuantizedWeight q = rounded(sources[k], scheme);
        for (int64_t g = 0; g < q.groups; ++g) {
          int64_t first = g * q.groupSize, n = std::min(q.groupSize, cols - first);
          QuantizedWeight alone = rounded(w.sources(first, n)[k], scheme);
          ASSERT_EQ(alone.groups, 1) << scheme;
          for (int64_t i = 0; i < q.rows; ++i) {
            ASSERT_EQ(q.scale(i, g), alone.scale(i, 0)) << scheme << ", source " << k;
            ASSERT_EQ(q.zero(i, g), alone.zero(i, 0)) << scheme << ", source " << k;
            ASSERT_EQ(q.min(i, g), alone.min(i, 0)) << scheme << ", source " << k;
            for (int64_t j = 0; j < n; ++j)
              ASSERT_EQ(q.code(i, first + j), alone.code(i, j))
                  << scheme << ", source " << k << " [" << i << ", " << first + j << "]";
          }
        }
      }
    }
  }
}

TEST(Quantize, SixteenBitSourcesReadAsTheirValues) {
  std::mt19937 random(9);
  std::vector<uint16_t> half, brain;
  Matrix<float> halfValues(9, 70), brainValues(9, 70);
  for (int64_t i = 0; i < 9; ++i)
    for (int64_t j = 0; j < 70; ++j) {
      auto h = static_cast<uint16_t>(random() & 0xbfff); // |x| < 2, subnormals included
      half.push_back(h);
      halfValues(i, j) = f16ToFloat(h);
      brain.push_back(floatToBf16(f16ToFloat(h)));
      brainValues(i, j) = bf16ToFloat(brain.back());
    }
  EXPECT_EQ(rounded(WeightSource(half.data(), DType::F16, 9, 70), "w4g32"),
            rounded(halfValues, "w4g32"));
  EXPECT_EQ(rounded(WeightSource(brain.data(), DType::BF16, 9, 70), "w4g32"),
            rounded(brainValues, "w4g32"));
  Matrix<double> wide(halfValues.view());
  EXPECT_EQ(rounded(WeightSource(wide.data(), DType::F64, 9, 70), "nf4"),
            rounded(halfValues, "nf4"));
  half[75] = 0x7c00;
  EXPECT_FALSE(bool(quantize(WeightSource(half.data(), DType::F16, 9, 70), *parseScheme("w8"))));
  EXPECT_FALSE(bool(quantize(WeightSource(half.data(), DType::I16, 9, 70), *parseScheme("w8"))));
  float scratch[65536];
  std::vector<uint16_t> all(65536);
  for (size_t k = 0; k < all.size(); ++k)
    all[k] = static_cast<uint16_t>(k);
  const float *widened = WeightSource(all.data(), DType::F16, 1, 65536).row(0, scratch);
  for (size_t k = 0; k < all.size(); ++k) {
    float expected = f16ToFloat(all[k]);
    if (std::isnan(expected))
      ASSERT_TRUE(std::isnan(widened[k]));
    else
      ASSERT_EQ(floatToBits(widened[k]), floatToBits(expected));
  }
}

/// The codes with and without what is written for this machine's instructions.
void expectSameBitsWithoutFastLane(const WeightSource &w, const char *scheme) {
  Isa before = currentIsa();
  setIsaForTesting(Isa::Baseline);
  QuantizedWeight plain = rounded(w, scheme);
  for (Isa isa : {Isa::Avx2, Isa::Avx512})
    if (setIsaForTesting(isa) == isa)
      EXPECT_EQ(rounded(w, scheme), plain)
          << scheme << " of " << w.cols() << " columns, " << isaName(isa);
  setIsaForTesting(before);
}

constexpr const char *FastSchemes[] = {"w4g64",
                                       "w4g64-sym",
                                       "nf4",
                                       "fp4",
                                       "w4g96",
                                       "w4",
                                       "nf4g1024",
                                       "fp4g96",
                                       "nf4-clip",
                                       "mxfp4",
                                       "mxfp4-clip",
                                       "nvfp4",
                                       "w4g48",
                                       "w4g64-min",
                                       "w2g64",
                                       "w3g64",
                                       "w5g64",
                                       "w6g64",
                                       "w7g64",
                                       "w8g64",
                                       "w8",
                                       "w3g96",
                                       "w2g64-sym",
                                       "w3g64-sym",
                                       "w5g64-sym",
                                       "w8g64-asym",
                                       "w6g32",
                                       "w7g256",
                                       "w3g32-clip",
                                       "w4g32-clip",
                                       "w8g64-asym-clip",
                                       "w2g64-sym-signed",
                                       "w3g96-sym-signed",
                                       "w4g64-sym-signed",
                                       "w7g64-sym-signed",
                                       "w8-signed"};

TEST(Quantize, FastLaneGivesTheSameBits) {
  std::mt19937 random(11);
  for (int64_t cols : {32, 64, 96, 160, 576, 2080}) {
    Matrix<float> w = randomWeight(random, 40, cols, 0.02);
    for (int64_t j = 0; j < cols; ++j) {
      w(3, j) = 0;
      w(4, j) = j % 3 ? 0.0f : -0.0f;
      w(5, j) = std::fabs(w(5, j));
      w(6, j) = -std::fabs(w(6, j));
      w(7, j) *= j == 5 ? 1e4f : 1e-4f; // small codes, scales below what f16 holds normally
      w(8, j) *= 1e-5f;
      w(9, j) *= 1e-25f; // below all scales but MXFP4's
    }
    ThreeFormats formats(std::move(w));
    for (const char *scheme : FastSchemes)
      for (const WeightSource &source : formats.sources())
        expectSameBitsWithoutFastLane(source, scheme);
  }
}

// Every bf16 number below the largest of its group, for many scales, and f32 numbers about every
// midpoint.
TEST(Quantize, FastLaneIsExactAtMidpoints) {
  std::vector<uint16_t> brain;
  for (uint16_t largest = floatToBf16(0.5f); largest <= floatToBf16(1.0f); ++largest)
    for (uint32_t bits = 0; bits < 0x3f80; ++bits) {
      if (brain.size() % 64 == 0)
        brain.push_back(largest);
      brain.push_back(static_cast<uint16_t>(bits % 2 ? bits : bits | 0x8000));
    }
  brain.resize(brain.size() / 64 * 64);
  auto rows = static_cast<int64_t>(brain.size() / 64);
  for (const char *scheme : FastSchemes)
    expectSameBitsWithoutFastLane({brain.data(), DType::BF16, rows, 64}, scheme);

  for (const char *scheme : {"w2g64", "w3g64-sym", "w4g64", "w4g64-sym-signed", "w5g64",
                             "w6g64-sym", "w7g64", "w8g64", "w8g64-asym"}) {
    // Groups of other ranges, then up to 32 ulp off where the code changes.
    Matrix<float> near(16, 65 * 64);
    for (int64_t i = 0; i < near.rows(); ++i)
      for (int64_t g = 0; g < 65; ++g) {
        near(i, 64 * g) = -1 - static_cast<float>(i) / 100;
        near(i, 64 * g + 1) = 1;
      }
    QuantizedWeight q = rounded(near, scheme);
    int64_t codes = int64_t(1) << q.scheme.bits;
    for (int64_t i = 0; i < near.rows(); ++i)
      for (int64_t j = 0; j < near.cols(); ++j)
        if (j % 64 > 1) {
          auto code = static_cast<float>(1 + (5 * i + j) % std::max<int64_t>(codes - 3, 1));
          float middle = (code + 0.5f - q.zero(i, 0)) * q.scale(i, 0);
          int64_t step = j / 64 - 32;
          near(i, j) = bitsToFloat(static_cast<uint32_t>(floatToBits(middle) + step));
        }
    expectSameBitsWithoutFastLane(near, scheme);
  }
  for (const char *scheme : {"nf4", "fp4", "mxfp4", "nvfp4", "nf4g32", "fp4g48"}) {
    Matrix<float> near(16, 65 * 64);
    for (int64_t i = 0; i < near.rows(); ++i)
      for (int64_t j = 0; j < near.cols(); j += 16)
        near(i, j) = -1 - static_cast<float>(i) / 100;
    QuantizedWeight q = rounded(near, scheme);
    for (int64_t i = 0; i < near.rows(); ++i)
      for (int64_t j = 0; j < near.cols(); ++j)
        if (j % 16 > 0) {
          auto k = size_t(5 * i + j) % 15; // of two codes that follow each other
          float middle = (q.codebook[k] + q.codebook[k + 1]) / 2 * q.scale(i, 0);
          int64_t step = j / 64 - 32;
          near(i, j) = bitsToFloat(static_cast<uint32_t>(floatToBits(middle) + step));
        }
    expectSameBitsWithoutFastLane(near, scheme);
  }
}

TEST(Quantize, GivesBackRowsAndMeasuresThemWhereTheyLie) {
  std::mt19937 random(12);
  Matrix<float> w = randomWeight(random, 3000, 640);
  for (const char *scheme : {"w4g64", "nvfp4", "nf4-dq", "w3g64-min"})
    forThreadCounts([&] {
      std::vector<std::atomic<int>> given(3000);
      WeightSource source(w);
      source.release = [&](int64_t begin, int64_t end) {
        EXPECT_LE((end - begin) * source.rowBytes(), 1 << 20);
        for (int64_t i = begin; i < end; ++i)
          ++given[size_t(i)];
      };
      QuantizedWeight q = rounded(source, scheme);
      for (const std::atomic<int> &times : given)
        ASSERT_GE(times, 1);
      EXPECT_EQ(q, rounded(w, scheme));
      Matrix<float> back = dequantized(q);
      double norm = squaredNorm(Matrix<double>(w.view()));
      double expected = meanSquaredError(back, w) * double(w.rows() * w.cols()) / norm;
      EXPECT_NEAR(relativeError(source, q) / expected, 1, 1e-9) << scheme;
      EXPECT_EQ(relativeError(source, q), relativeError(w, q));
      EXPECT_EQ(relativeError(back, q), 0);
    });
}

TEST(Quantize, SameBitsForAnyThreadCount) {
  std::mt19937 random(10);
  Matrix<float> w = randomWeight(random, 333, 700);
  for (const char *scheme : {"w4g128", "w3g64-min", "nf4-dq", "nvfp4", "w4g32-sym-clip"}) {
    QuantizedWeight first = rounded(w, scheme);
    forThreadCounts([&] { EXPECT_EQ(rounded(w, scheme), first) << scheme; });
  }
}

TEST(Quantize, EightBitFloatTables) {
  std::vector<float> e4m3 = scaleTable(DType::F8E4M3), e8m0 = scaleTable(DType::F8E8M0);
  EXPECT_EQ(e4m3[126], 448);
  EXPECT_EQ(e4m3[1], 0x1p-9f);
  EXPECT_EQ(e4m3[0x38], 1);
  EXPECT_EQ(e4m3[0xb8], -1);
  EXPECT_TRUE(std::isnan(e4m3[127]));
  EXPECT_EQ(e8m0[127], 1);
  EXPECT_EQ(e8m0[0], 0x1p-127f);
  EXPECT_TRUE(std::isnan(e8m0[255]));
}

} // namespace
