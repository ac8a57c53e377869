#include "fingpt/Compress/HQQ.h"

#include "CompressTesting.h"

using namespace fingpt;
using namespace fingpt::compress;

namespace {

TEST(HQQ, NoGroupIsWorseThanRounding) {
  std::mt19937 random(1);
  Matrix<float> w = randomWeight(random, 60, 200, 0.05);
  for (int64_t i = 0; i < 60; ++i)
    w(i, 3 * i) = 1.5f; // outliers, which the |·|^0.7 norm leaves out
  for (const char *text : {"w4g64-min", "w2g64-min", "w3-min", "w8g32-min"}) {
    QuantScheme scheme = *parseScheme(text);
    auto r = hqq(w, scheme);
    ASSERT_TRUE(bool(r)) << text;
    Matrix<float> back = dequantized(r->weight), plain = dequantized(*quantize(w, scheme));
    double whole = 0;
    for (int64_t i = 0; i < 60; ++i)
      for (int64_t first = 0; first < 200; first += r->weight.groupSize) {
        double a = 0, b = 0;
        for (int64_t j = first; j < std::min<int64_t>(first + r->weight.groupSize, 200); ++j) {
          a += std::fabs(double(back(i, j)) - w(i, j));
          b += std::fabs(double(plain(i, j)) - w(i, j));
        }
        ASSERT_LE(a, b) << text;
        whole += a;
      }
    EXPECT_NEAR(r->meanError, whole / (60 * 200), 1e-12);
    EXPECT_LT(r->meanError, r->roundingMeanError) << text;
  }
}

TEST(HQQ, StoresWhatTheSchemeSays) {
  std::mt19937 random(2);
  Matrix<float> w = randomWeight(random, 64, 256);
  auto r = hqq(w, *parseScheme("w4g64-min"));
  ASSERT_TRUE(bool(r));
  EXPECT_NEAR(r->weight.bitsPerWeight(), 4.5, 1e-9);
}

TEST(HQQ, DegenerateWeightsAndErrors) {
  for (float value : {0.0f, 3.0f, -1e30f, 1e-30f, 1e-42f}) {
    Matrix<float> w(4, 70);
    for (int64_t i = 0; i < 4; ++i)
      for (int64_t j = 0; j < 70; ++j)
        w(i, j) = value;
    auto r = hqq(w, *parseScheme("w3g32-min"));
    ASSERT_TRUE(bool(r));
    EXPECT_LE(r->meanError, r->roundingMeanError);
    EXPECT_TRUE(checkFinite(dequantized(r->weight).view(), "weight"));
  }
  Matrix<float> bad(2, 32);
  bad(1, 1) = INFINITY;
  EXPECT_FALSE(bool(hqq(bad, *parseScheme("w4g32-min"))));
  EXPECT_FALSE(bool(hqq(bad, *parseScheme("w4g32"))));
}

TEST(HQQ, SameBitsForAnyThreadCount) {
  std::mt19937 random(3);
  Matrix<float> w = randomWeight(random, 100, 128);
  auto first = hqq(w, *parseScheme("w3g64-min"));
  forThreadCounts([&] { EXPECT_TRUE(hqq(w, *parseScheme("w3g64-min"))->weight == first->weight); });
}

} // namespace
