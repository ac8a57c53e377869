#include "fingpt/Compress/GPTQ.h"

#include "CompressTesting.h"

using namespace fingpt;
using namespace fingpt::compress;

namespace {

GptqResult run(ConstMatrixF w, ConstMatrixD h, const char *scheme, GptqOptions options = {}) {
  auto r = gptq(w, h, *parseScheme(scheme), options);
  EXPECT_TRUE(bool(r)) << scheme << ": " << (r ? "" : r.error().message());
  return r ? std::move(*r) : GptqResult();
}

TEST(GPTQ, EqualsRoundingForScaledIdentity) {
  std::mt19937 random(1);
  Matrix<float> w = randomWeight(random, 50, 300);
  Matrix<double> h(300, 300);
  for (int64_t j = 0; j < 300; ++j)
    h(j, j) = 7;
  for (const char *scheme : {"w4g128", "w3g48-sym", "w2g16-min", "w4", "nf4", "mxfp4", "nf4-dq"})
    for (bool actOrder : {false, true}) {
      GptqResult r = run(w, h, scheme, {{}, actOrder});
      EXPECT_EQ(dequantized(r.weight).data()[777],
                dequantized(*quantize(w, *parseScheme(scheme))).data()[777]);
      EXPECT_TRUE(r.weight == *quantize(w, *parseScheme(scheme))) << scheme;
      EXPECT_TRUE(r.keptRounding);
    }
}

/// Optimal brain surgery without the factor: quantize the first remaining column, spread its
/// error by the inverse of the remaining Gram matrix, invert again without it.
Matrix<double> surgeryOracle(ConstMatrixF w, ConstMatrixD h, const QuantizedWeight &fixed) {
  Matrix<double> live(w), out(w.rows, w.cols);
  int64_t n = w.cols;
  for (int64_t j = 0; j < n; ++j) {
    Matrix<double> rest(h.block(j, j, n - j, n - j)), inverse = rest;
    EXPECT_TRUE(cholesky(inverse));
    invertLower(inverse);
    inverse = product(inverse, inverse, Transpose::Yes);
    for (int64_t i = 0; i < w.rows; ++i) {
      int64_t g = j / fixed.groupSize;
      double scale = fixed.scale(i, g), zero = fixed.zero(i, g);
      double code = std::nearbyint(live(i, j) / scale) + zero;
      out(i, j) = (std::min(std::max(code, 0.0), 15.0) - zero) * scale;
      double error = live(i, j) - out(i, j);
      for (int64_t k = j; k < n; ++k)
        live(i, k) -= error / inverse(0, 0) * inverse(0, k - j);
    }
  }
  return out;
}

TEST(GPTQ, EqualsExactBrainSurgery) {
  std::mt19937 random(2);
  for (int64_t n : {3, 24, 150}) {
    Matrix<float> w = randomWeight(random, 9, n);
    auto damped = conditioned(gramOf(correlatedSamples(random, 2 * n, n)).h, 0.01);
    ASSERT_TRUE(bool(damped));
    QuantScheme scheme = *parseScheme("w4g64-sym");
    auto fixed = quantize(w, scheme);
    auto factor = inverseFactor(damped->h, {0, 1});
    ASSERT_TRUE(bool(factor));
    // The sweep itself, with the scales of rounding.
    struct Fixed : ColumnQuantizer {
      const QuantizedWeight *q;
      void quantize(const SweepRows &rows, int64_t j, float *out) override {
        for (int64_t i = 0; i < rows.count; ++i) {
          float scale = q->scale(rows.first + i, j / q->groupSize);
          float code = std::nearbyint(rows.live(j, i) / scale) + 8;
          out[i] = (std::min(std::max(code, 0.0f), 15.0f) - 8) * scale;
        }
      }
    } quantizer;
    quantizer.q = &*fixed;
    Matrix<float> swept(9, n);
    compensate(w, factor->factor, {{}, blocksForGroups(n, 64)}, quantizer, swept);
    EXPECT_LT(maxDifference(Matrix<double>(swept.view()), surgeryOracle(w, damped->h, *fixed)),
              1e-6)
        << n;
  }
}

TEST(GPTQ, BeatsRoundingOnCorrelatedInputs) {
  std::mt19937 random(3);
  Matrix<float> w = randomWeight(random, 150, 320, 0.05);
  Gram gram = gramOf(correlatedSamples(random, 1000, 320));
  for (const char *scheme : {"w4g128", "w3g64", "w2g32-min", "w4-sym", "w4g96-sym-clip", "nf4",
                             "mxfp4", "nvfp4", "nf4-dq", "w8"})
    for (bool actOrder : {false, true}) {
      GptqResult r = run(w, gram.h, scheme, {{}, actOrder});
      EXPECT_FALSE(r.keptRounding) << scheme;
      EXPECT_LT(r.error, 0.75 * r.roundingError) << scheme;
      EXPECT_NEAR(outputError(dequantized(r.weight).view(), w, gram.h) / r.error, 1, 1e-9);
      EXPECT_EQ(r.weight.storedBytes(), storedBytes(*parseScheme(scheme), 150, 320));
      EXPECT_TRUE(r.note.empty());
    }
}

TEST(GPTQ, GroupsAreFittedOnLiveWeights) {
  EXPECT_EQ(blocksForGroups(300, 128), (std::vector<int64_t>{0, 128, 256}));
  EXPECT_EQ(blocksForGroups(300, 48), (std::vector<int64_t>{0, 96, 192, 288}));
  EXPECT_EQ(blocksForGroups(500, 192), (std::vector<int64_t>{0, 128, 192, 320, 384}));
  EXPECT_EQ(blocksForGroups(300, 300), (std::vector<int64_t>{0, 128, 256}));
  EXPECT_TRUE(blocksForGroups(0, 0).empty());
}

// The inputs of the largest weights hardly matter: their range is given up.
TEST(GPTQ, RangeSearchWeighsErrorsByWhatTheyCost) {
  std::mt19937 random(10);
  Matrix<float> w = randomWeight(random, 40, 128), x = randomWeight(random, 500, 128);
  for (int64_t j = 0; j < 128; j += 2) {
    for (int64_t i = 0; i < 40; ++i)
      w(i, j) *= 3;
    for (int64_t t = 0; t < 500; ++t)
      x(t, j) *= 0.01f;
  }
  Gram gram = gramOf(x);
  for (auto [plain, searched] : {std::pair<const char *, const char *>{"w3g64", "w3g64-clip"},
                                 {"w3g64-sym", "w3g64-sym-clip"},
                                 {"nf4", "nf4-clip"}})
    for (bool actOrder : {false, true})
      EXPECT_LT(run(w, gram.h, searched, {{1e-6, 1}, actOrder}).error,
                0.25 * run(w, gram.h, plain, {{1e-6, 1}, actOrder}).error)
          << searched << " " << actOrder;
}

TEST(GPTQ, NeverWorseThanRoundingAtAnyCondition) {
  std::mt19937 random(4);
  Matrix<float> w = randomWeight(random, 20, 100);
  for (double condition = 1; condition <= 1e16; condition *= 1e4)
    for (double fraction : {0.0, 0.01}) {
      Matrix<double> h = conditionedMatrix(random, 100, condition);
      GptqResult r = run(w, h, "w3g32", {{fraction, 1}, false});
      EXPECT_LE(r.error, r.roundingError);
      EXPECT_TRUE(checkFinite(dequantized(r.weight).view(), "weight"));
    }
}

TEST(GPTQ, FewerSamplesDeadInputsAndOutliers) {
  std::mt19937 random(5);
  Matrix<float> x = correlatedSamples(random, 30, 96), w = randomWeight(random, 24, 96);
  for (int64_t i = 0; i < 30; ++i) {
    x(i, 3) = x(i, 64) = 0;
    x(i, 40) *= 1e4f;
  }
  Gram gram = gramOf(x);
  for (bool actOrder : {false, true}) {
    GptqResult r = run(w, gram.h, "w4g32", {{}, actOrder});
    EXPECT_EQ(r.deadInputs, 2);
    EXPECT_LE(r.error, r.roundingError);
    Matrix<float> back = dequantized(r.weight);
    EXPECT_EQ(back(5, 3), 0);
    EXPECT_EQ(back(7, 64), 0);
  }
  GptqResult none = run(w, Matrix<double>(96, 96), "w4g32");
  EXPECT_EQ(none.deadInputs, 96);
  EXPECT_EQ(none.error, 0);
}

TEST(GPTQ, DegenerateWeights) {
  std::mt19937 random(6);
  Gram gram = gramOf(correlatedSamples(random, 200, 64));
  for (float value : {0.0f, 1.0f, -2.5f, 1e30f, 1e-30f, 1e-42f}) {
    Matrix<float> w(10, 64);
    for (int64_t i = 0; i < 10; ++i)
      for (int64_t j = 0; j < 64; ++j)
        w(i, j) = i == 4 ? 0 : value;
    for (const char *scheme : {"w4g32", "w3-min", "w4-sym", "nf4", "nvfp4", "mxfp4"}) {
      GptqResult r = run(w, gram.h, scheme);
      EXPECT_LE(r.error, r.roundingError);
      EXPECT_TRUE(checkFinite(dequantized(r.weight).view(), scheme));
    }
  }
  Matrix<float> bad(4, 64);
  bad(2, 9) = NAN;
  auto refused = gptq(bad, gram.h, *parseScheme("w4g32"));
  ASSERT_FALSE(bool(refused));
  EXPECT_NE(refused.error().message().find("[2, 9]"), std::string::npos);
  EXPECT_FALSE(bool(gptq(Matrix<float>(4, 65), gram.h, *parseScheme("w4g32"))));
}

TEST(GPTQ, SaysWhenItKeepsRoundingOrRaisesDamping) {
  std::mt19937 random(7);
  Matrix<float> w = randomWeight(random, 8, 32);
  Matrix<double> h = conditionedMatrix(random, 32, 10);
  h(0, 31) += 3; // indefinite: only much damping makes it a Gram matrix
  auto r = gptq(w, h, *parseScheme("w4g32"), {{0.01, 1000}, false});
  ASSERT_TRUE(bool(r));
  EXPECT_GT(r->escalations, 0);
  EXPECT_FALSE(r->note.empty());
  EXPECT_FALSE(bool(gptq(w, h, *parseScheme("w4g32"), {{0.01, 0.01}, false})));
}

TEST(GPTQ, SameBitsForAnyThreadCount) {
  std::mt19937 random(8);
  Matrix<float> w = randomWeight(random, 700, 260);
  Gram gram = gramOf(correlatedSamples(random, 500, 260));
  QuantizedWeight first = run(w, gram.h, "w4g64").weight;
  forThreadCounts([&] { EXPECT_TRUE(run(w, gram.h, "w4g64").weight == first); });
}

} // namespace
