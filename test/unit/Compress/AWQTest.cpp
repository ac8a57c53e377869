#include "fingpt/Compress/AWQ.h"

#include "CompressTesting.h"

using namespace fingpt;
using namespace fingpt::compress;

namespace {

/// Samples of which a few inputs are far larger than the rest.
Matrix<float> salientSamples(std::mt19937 &random, int64_t tokens, int64_t n) {
  Matrix<float> x = randomWeight(random, tokens, n);
  for (int64_t i = 0; i < tokens; ++i)
    for (int64_t j = 5; j < n; j += 37)
      x(i, j) *= 30;
  return x;
}

TEST(AWQ, ScaledGraphIsTheDenseOne) {
  std::mt19937 random(1);
  Matrix<float> x = salientSamples(random, 300, 128), w = randomWeight(random, 40, 128);
  Gram gram = gramOf(x);
  auto s = searchAwqScales({w.view()}, gram, *parseScheme("w3g64"));
  ASSERT_TRUE(bool(s));
  Matrix<double> xs(x.view()), ws(w.view());
  for (int64_t j = 0; j < 128; ++j) {
    for (int64_t i = 0; i < 300; ++i)
      xs(i, j) /= s->scales[size_t(j)];
    for (int64_t i = 0; i < 40; ++i)
      ws(i, j) *= s->scales[size_t(j)];
  }
  Matrix<double> dense =
      product(Matrix<double>(x.view()), Matrix<double>(w.view()), Transpose::No, Transpose::Yes);
  EXPECT_LT(maxDifference(product(xs, ws, Transpose::No, Transpose::Yes), dense), 1e-10);
}

TEST(AWQ, BeatsRoundingWithPlantedSalientInputs) {
  std::mt19937 random(2);
  Gram gram = gramOf(salientSamples(random, 400, 256));
  Matrix<float> q = randomWeight(random, 700, 256), k = randomWeight(random, 64, 256);
  for (const char *text : {"w3g128", "w4g64-sym", "w4g64-min", "nf4", "nf4-dq"}) {
    QuantScheme scheme = *parseScheme(text);
    auto s = searchAwqScales({q.view(), k.view()}, gram, scheme);
    ASSERT_TRUE(bool(s));
    EXPECT_GT(s->alpha, 0) << text;
    EXPECT_LT(s->error, 0.6 * s->roundingError) << text;
    auto wq = quantizeScaled(q, gram.h, s->scales, scheme, false);
    auto wk = quantizeScaled(k, gram.h, s->scales, scheme, false);
    ASSERT_TRUE(wq && wk);
    EXPECT_NEAR((wq->error + wk->error) / s->error, 1, 1e-12);
    // What the graph computes: the weight divided by s again.
    Matrix<float> back = dequantized(wq->weight);
    for (int64_t i = 0; i < back.rows(); ++i)
      for (int64_t j = 0; j < back.cols(); ++j)
        back(i, j) /= s->scales[size_t(j)];
    EXPECT_NEAR(outputError(back.view(), q, gram.h) / wq->error, 1, 1e-9);
  }
}

TEST(AWQ, UnscaledIsRounding) {
  std::mt19937 random(3);
  Matrix<float> w = randomWeight(random, 30, 64);
  Gram gram = gramOf(randomWeight(random, 100, 64));
  QuantScheme scheme = *parseScheme("w4g32");
  auto plain = quantizeScaled(w, gram.h, std::vector<float>(64, 1), scheme, false);
  ASSERT_TRUE(bool(plain));
  EXPECT_TRUE(plain->weight == *quantize(w, scheme));
  auto s = searchAwqScales({w.view()}, gram, scheme);
  ASSERT_TRUE(bool(s));
  EXPECT_LE(s->error, s->roundingError);
}

TEST(AWQ, ClippingNeverHurtsAndHelpsHeavyTails) {
  std::mt19937 random(4);
  Matrix<float> w = randomWeight(random, 90, 200);
  for (int64_t i = 0; i < 90; ++i)
    for (int64_t j = i % 20; j < 200; j += 64)
      w(i, j) *= 2.5f;
  Gram gram = gramOf(correlatedSamples(random, 500, 200));
  for (const char *text : {"w3g128", "w2g64-sym", "w3g64-min", "nf4"}) {
    std::vector<float> ones(200, 1);
    auto plain = quantizeScaled(w, gram.h, ones, *parseScheme(text), false);
    auto clip = quantizeScaled(w, gram.h, ones, *parseScheme(text), true);
    ASSERT_TRUE(plain && clip);
    EXPECT_LE(clip->error, plain->error) << text;
  }
  auto plain = quantizeScaled(w, gram.h, std::vector<float>(200, 1), *parseScheme("w2g128"), false);
  auto clip = quantizeScaled(w, gram.h, std::vector<float>(200, 1), *parseScheme("w2g128"), true);
  EXPECT_LT(clip->error, 0.95 * plain->error);
}

TEST(AWQ, DeadInputsAndErrors) {
  std::mt19937 random(5);
  Matrix<float> x = salientSamples(random, 50, 96), w = randomWeight(random, 8, 96);
  for (int64_t i = 0; i < 50; ++i)
    x(i, 7) = 0;
  Gram gram = gramOf(x);
  auto s = searchAwqScales({w.view()}, gram, *parseScheme("w4g32"));
  ASSERT_TRUE(bool(s));
  for (float v : s->scales)
    EXPECT_TRUE(std::isfinite(v) && v > 0);
  Matrix<float> zero(8, 96);
  EXPECT_EQ(searchAwqScales({zero.view()}, gram, *parseScheme("w4g32"))->error, 0);
  EXPECT_FALSE(
      bool(quantizeScaled(w, gram.h, std::vector<float>(95, 1), *parseScheme("w8"), false)));
  EXPECT_FALSE(
      bool(quantizeScaled(w, gram.h, std::vector<float>(96, 1), *parseScheme("nf4-dq"), true)));
  w(3, 3) = NAN;
  EXPECT_FALSE(bool(searchAwqScales({w.view()}, gram, *parseScheme("w4g32"))));
}

TEST(AWQ, SameBitsForAnyThreadCount) {
  std::mt19937 random(6);
  Matrix<float> w = randomWeight(random, 200, 128);
  Gram gram = gramOf(salientSamples(random, 200, 128));
  QuantScheme scheme = *parseScheme("w3g64");
  auto first = searchAwqScales({w.view()}, gram, scheme);
  auto q = quantizeScaled(w, gram.h, first->scales, scheme, true);
  forThreadCounts([&] {
    auto again = searchAwqScales({w.view()}, gram, scheme);
    EXPECT_EQ(again->scales, first->scales);
    EXPECT_TRUE(quantizeScaled(w, gram.h, again->scales, scheme, true)->weight == q->weight);
  });
}

} // namespace
