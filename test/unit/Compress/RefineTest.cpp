#include "fingpt/Compress/Refine.h"

#include "CompressTesting.h"
#include "fingpt/Compress/GPTQ.h"
#include "fingpt/Support/Float.h"

#include <cstring>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

double errorOf(const QuantizedWeight &q, ConstMatrixF w, ConstMatrixD h) {
  return outputError(dequantized(q).view(), w, h);
}

RefineResult run(ConstMatrixF w, ConstMatrixD h, const QuantizedWeight &start,
                 RefineOptions options = {}) {
  auto r = refine(w, h, start, options);
  EXPECT_TRUE(bool(r)) << (r ? "" : r.error().message());
  return r ? std::move(*r) : RefineResult();
}

TEST(Refine, LowersTheErrorOfGptq) {
  std::mt19937 random(1);
  Matrix<float> w = randomWeight(random, 150, 320, 0.05);
  Gram gram = gramOf(correlatedSamples(random, 1000, 320));
  struct Case {
    const char *scheme;
    double most; ///< of GPTQ's error, without and with columns by diagonal
  };
  for (auto [scheme, most] :
       {Case{"w2g64", 0.8}, Case{"w2g32-min", 0.8}, Case{"w2g128-sym", 0.8},
        Case{"w2-signed-sym", 0.85}, Case{"w3g128", 0.9}, Case{"w3g64-min", 0.9},
        Case{"w3g96-sym", 0.9}, Case{"w4g128", 0.97}, Case{"nf4", 0.95}, Case{"nf4-dq", 0.99},
        Case{"mxfp4", 0.95}, Case{"nvfp4", 0.95}})
    for (bool actOrder : {false, true}) {
      auto start = gptq(w, gram.h, *parseScheme(scheme), {{}, actOrder});
      ASSERT_TRUE(bool(start)) << scheme;
      RefineResult r = run(w, gram.h, start->weight);
      EXPECT_NEAR(r.startError / start->error, 1, 1e-9);
      EXPECT_NEAR(r.error / errorOf(r.weight, w, gram.h), 1, 1e-9);
      EXPECT_LT(r.error, most * r.startError) << scheme << " " << actOrder;
      EXPECT_EQ(r.weight.storedBytes(), start->weight.storedBytes());
      EXPECT_TRUE(r.weight.scheme == start->weight.scheme);
      EXPECT_EQ(r.weight.scaleType, start->weight.scaleType);
      if (r.weight.scaleCodes)
        EXPECT_EQ(r.weight.scaleCodes->codes, start->weight.scaleCodes->codes);
    }
}

/// The f32 or f16 at `cell`, moved by `steps` units in the last place.
void nudge(std::vector<uint8_t> &bytes, size_t cell, int steps) {
  uint16_t half;
  std::memcpy(&half, bytes.data() + 2 * cell, 2);
  half = static_cast<uint16_t>(half + steps);
  std::memcpy(bytes.data() + 2 * cell, &half, 2);
}
void setCode(QuantizedWeight &q, int64_t row, int64_t col, int code) {
  uint8_t &byte = q.codes[size_t(row * q.rowBytes() + col / 2)];
  byte = static_cast<uint8_t>(col % 2 ? (byte & 15) | code << 4 : (byte & 240) | code);
}

// At the end no single code, scale, minimum or zero has a neighbour that is better.
TEST(Refine, EndsAtALocalOptimum) {
  std::mt19937 random(2);
  Matrix<float> w = randomWeight(random, 5, 72);
  Gram gram = gramOf(correlatedSamples(random, 200, 72));
  for (const char *scheme : {"w4g32", "w4g32-min", "w4g32-sym", "nf4"}) {
    auto start = quantize(w, *parseScheme(scheme));
    RefineResult r = run(w, gram.h, *start, {1000, 0});
    EXPECT_LT(r.error, 0.8 * r.startError);
    auto expectNoBetter = [&](const QuantizedWeight &q, const char *what) {
      EXPECT_GE(errorOf(q, w, gram.h), r.error * (1 - 1e-9)) << scheme << " " << what;
    };
    for (int64_t i = 0; i < 5; ++i) {
      for (int64_t j = 0; j < 72; ++j)
        for (int code = 0; code < 16; ++code) {
          QuantizedWeight other = r.weight;
          setCode(other, i, j, code);
          expectNoBetter(other, "code");
        }
      for (int64_t g = 0; g < r.weight.groups; ++g)
        for (int step : {-1, 1}) {
          QuantizedWeight other = r.weight;
          nudge(other.scales, size_t(i * r.weight.groups + g), step);
          expectNoBetter(other, "scale");
          if (other.mins.empty())
            continue;
          other = r.weight;
          nudge(other.mins, size_t(i * r.weight.groups + g), step);
          expectNoBetter(other, "min");
        }
    }
  }
}

// One group per row and codes that fit exactly: descent finds the planted scales and codes.
TEST(Refine, RecoversAPlantedGrid) {
  std::mt19937 random(3);
  Gram gram = gramOf(correlatedSamples(random, 300, 64));
  for (const char *scheme : {"w3g64-min", "w3g64", "w3g64-sym"}) {
    Matrix<float> source = randomWeight(random, 40, 64);
    QuantizedWeight planted = *quantize(source, *parseScheme(scheme));
    Matrix<float> w = dequantized(planted);
    QuantizedWeight start = planted;
    for (int64_t i = 0; i < 40; ++i) {
      nudge(start.scales, size_t(i), 60); // 3 to 6%
      if (!start.mins.empty())
        nudge(start.mins, size_t(i), -30);
    }
    RefineResult r = run(w, gram.h, start, {100, 0});
    EXPECT_LT(r.error, 1e-4 * r.startError) << scheme;
  }
}

TEST(Refine, KeepsWhatCannotBeImproved) {
  std::mt19937 random(4);
  Matrix<float> w = randomWeight(random, 30, 64);
  Matrix<double> none(64, 64);
  auto start = quantize(w, *parseScheme("w4g32"));
  RefineResult r = run(w, none, *start);
  EXPECT_TRUE(r.weight == *start);
  EXPECT_EQ(r.error, 0);
  Matrix<float> exact = dequantized(*start);
  Gram gram = gramOf(correlatedSamples(random, 100, 64));
  r = run(exact, gram.h, *start);
  EXPECT_TRUE(r.weight == *start);
  // With H = 1 codes are nearest already: only scales and zeros move.
  Matrix<double> one(64, 64);
  for (int64_t j = 0; j < 64; ++j)
    one(j, j) = 1;
  auto coded = quantize(w, *parseScheme("nf4-dq"));
  EXPECT_TRUE(run(w, one, *coded).weight == *coded);
  EXPECT_LT(run(w, one, *start).error, run(w, one, *start).startError);
}

TEST(Refine, Errors) {
  std::mt19937 random(6);
  Matrix<float> w = randomWeight(random, 8, 64);
  Gram gram = gramOf(correlatedSamples(random, 100, 64));
  auto start = quantize(w, *parseScheme("w4g32"));
  EXPECT_FALSE(bool(refine(Matrix<float>(9, 64), gram.h, *start)));
  EXPECT_FALSE(bool(refine(Matrix<float>(8, 63), gram.h, *start)));
  w(3, 40) = INFINITY;
  auto r = refine(w, gram.h, *start);
  ASSERT_FALSE(bool(r));
  EXPECT_NE(r.error().message().find("[3, 40]"), std::string::npos);
}

TEST(Refine, SameBitsForAnyThreadCount) {
  std::mt19937 random(7);
  Matrix<float> w = randomWeight(random, 300, 200);
  Gram gram = gramOf(correlatedSamples(random, 500, 200));
  auto start = quantize(w, *parseScheme("w3g64"));
  RefineResult first = run(w, gram.h, *start);
  forThreadCounts([&] { EXPECT_TRUE(run(w, gram.h, *start).weight == first.weight); });
}

} // namespace
