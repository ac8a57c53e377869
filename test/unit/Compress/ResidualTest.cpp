#include "fingpt/Compress/Residual.h"

#include "CompressTesting.h"
#include "fingpt/Compress/GPTQ.h"

using namespace fingpt;
using namespace fingpt::compress;

namespace {

BaseQuantizer rounding(const char *scheme) {
  return [scheme = *parseScheme(scheme)](ConstMatrixF w) { return quantize(w, scheme); };
}

double errorOf(ConstMatrixF w, const ResidualWeight &r, ConstMatrixD h) {
  Matrix<double> delta = r.factors.dense();
  Matrix<float> base = dequantized(r.base);
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.cols; ++j)
      delta(i, j) += double(base(i, j)) - w(i, j);
  return h.rows ? outputError(delta, h) : squaredNorm(delta);
}

TEST(Residual, PairLowersTheErrorAndFallsWithRank) {
  std::mt19937 random(1);
  Matrix<float> w = randomWeight(random, 64, 128);
  Gram gram = gramOf(correlatedSamples(random, 600, 128));
  auto white = Whitener::cholesky(gram.h, {1e-6, 1});
  auto base = gptq(w, gram.h, *parseScheme("w3g64"));
  ASSERT_TRUE(white && base);
  double previous = base->error;
  for (int64_t rank : {4, 8, 16, 32}) {
    auto r = lowRankResidual(w, base->weight, *white, gram.h, {rank, {}});
    ASSERT_TRUE(bool(r));
    EXPECT_NEAR(r->error / errorOf(w, *r, gram.h), 1, 1e-9);
    EXPECT_NEAR(r->baseError / base->error, 1, 1e-9);
    EXPECT_LT(r->error, previous);
    previous = r->error;
    EXPECT_EQ(r->storedBytes(), base->weight.storedBytes() + 2 * rank * (64 + 128));
  }
  auto full = lowRankResidual(w, base->weight, *white, gram.h, {64, {}});
  EXPECT_LT(full->error, 1e-15 * base->error);
}

TEST(Residual, WhiteningBeatsPlainSvdOfTheResidual) {
  std::mt19937 random(2);
  Matrix<float> w = randomWeight(random, 64, 128);
  Gram gram = gramOf(correlatedSamples(random, 600, 128));
  auto white = Whitener::cholesky(gram.h, {1e-6, 1});
  auto base = quantize(w, *parseScheme("w3g64"));
  auto whitened = lowRankResidual(w, *base, *white, gram.h, {8, {}});
  auto plain = lowRankResidual(w, *base, Whitener::identity(128), gram.h, {8, {}});
  ASSERT_TRUE(whitened && plain);
  EXPECT_LT(whitened->error, 0.9 * plain->error);
}

TEST(Residual, AlternationIsNoWorseThanItsStart) {
  std::mt19937 random(3);
  Matrix<float> w = randomWeight(random, 96, 128, 0.02);
  Whitener plain = Whitener::identity(128);
  Matrix<double> none;
  double previous = INFINITY;
  for (int iterations : {1, 2, 5}) { // LoftQ: NF4 base, no data
    auto r = alternate(w, rounding("nf4"), plain, none, {16, {}}, iterations);
    ASSERT_TRUE(bool(r));
    auto q = quantize(w, *parseScheme("nf4"));
    double start = 0;
    Matrix<float> back = dequantized(*q);
    for (int64_t i = 0; i < 96; ++i)
      for (int64_t j = 0; j < 128; ++j)
        start += std::pow(double(back(i, j)) - w(i, j), 2);
    EXPECT_NEAR(r->baseError / start, 1, 1e-9);
    EXPECT_LT(r->error, start);
    EXPECT_LE(r->error, previous);
    EXPECT_NEAR(r->error / errorOf(w, *r, none), 1, 1e-9);
    previous = r->error;
  }
}

TEST(Residual, AlternationUnderGramWithCompensation) {
  std::mt19937 random(4);
  Matrix<float> w = randomWeight(random, 64, 96);
  Gram gram = gramOf(correlatedSamples(random, 500, 96));
  auto white = Whitener::cholesky(gram.h);
  BaseQuantizer compensated = [&](ConstMatrixF target) -> Result<QuantizedWeight> {
    auto r = gptq(target, gram.h, *parseScheme("w2g32"));
    if (!r)
      return r.takeError();
    return std::move(r->weight);
  };
  auto once = alternate(w, compensated, *white, gram.h, {12, {}}, 1);
  auto more = alternate(w, compensated, *white, gram.h, {12, {}}, 4);
  ASSERT_TRUE(once && more);
  EXPECT_LE(more->error, once->error);
  EXPECT_LT(more->error, more->baseError);
}

TEST(Residual, RecoversAPlantedPair) {
  std::mt19937 random(5);
  Matrix<float> grid(40, 64), w(40, 64); // what 4 bits hold exactly, and a pair on top
  Matrix<double> pair = product(randomMatrix(random, 40, 3), randomMatrix(random, 3, 64));
  for (int64_t i = 0; i < 40; ++i)
    for (int64_t j = 0; j < 64; ++j) {
      grid(i, j) = float((i * 7 + j * 5) % 16) - 8;
      w(i, j) = float(grid(i, j) + pair(i, j));
    }
  Gram gram = gramOf(correlatedSamples(random, 300, 64));
  auto white = Whitener::cholesky(gram.h);
  auto base = quantize(grid, *parseScheme("w4g64-min"));
  auto r = lowRankResidual(w, *base, *white, gram.h, {3, {}});
  ASSERT_TRUE(bool(r));
  EXPECT_LT(r->error, 1e-10 * r->baseError);
  EXPECT_LT(maxDifference(r->factors.dense(), pair), 1e-5);
}

TEST(Residual, CodedFactors) {
  std::mt19937 random(6);
  Matrix<float> w = randomWeight(random, 64, 128);
  Gram gram = gramOf(correlatedSamples(random, 600, 128));
  auto white = Whitener::cholesky(gram.h);
  auto base = quantize(w, *parseScheme("w3g64"));
  auto exact = lowRankResidual(w, *base, *white, gram.h, {16, {}});
  auto coded = lowRankResidual(w, *base, *white, gram.h, {16, *parseScheme("w8g64")});
  ASSERT_TRUE(exact && coded && coded->codedPair);
  EXPECT_LT(coded->storedBytes(), exact->storedBytes());
  EXPECT_LT(coded->error, coded->baseError);
  EXPECT_NEAR(coded->error / errorOf(w, *coded, gram.h), 1, 1e-9);
}

TEST(Residual, DegenerateWeights) {
  Whitener plain = Whitener::identity(32);
  for (float value : {0.0f, 2.0f, 1e30f, 1e-30f}) {
    Matrix<float> w(8, 32);
    for (int64_t i = 0; i < 8; ++i)
      for (int64_t j = 0; j < 32; ++j)
        w(i, j) = value;
    auto r = alternate(w, rounding("w4g32"), plain, Matrix<double>(), {4, {}}, 3);
    ASSERT_TRUE(bool(r)) << value;
    EXPECT_LE(r->error, r->baseError);
    EXPECT_TRUE(checkFinite(r->factors.a.view(), "a"));
  }
  Matrix<float> bad(8, 32);
  bad(0, 31) = NAN;
  EXPECT_FALSE(bool(alternate(bad, rounding("w4g32"), plain, Matrix<double>(), {4, {}})));
  EXPECT_FALSE(
      bool(alternate(Matrix<float>(8, 33), rounding("w4g32"), plain, Matrix<double>(), {})));
  Matrix<float> good(8, 32);
  auto base = quantize(good, *parseScheme("w4g32"));
  EXPECT_FALSE(bool(lowRankResidual(good, *base, plain, Matrix<double>(), {-1, {}})));
  EXPECT_FALSE(
      bool(lowRankResidual(Matrix<float>(9, 32), *base, plain, Matrix<double>(), {4, {}})));
  EXPECT_EQ(lowRankResidual(good, *base, plain, Matrix<double>(), {99, {}})->factors.rank(), 8);
}

TEST(Residual, SameBitsForAnyThreadCount) {
  std::mt19937 random(7);
  Matrix<float> w = randomWeight(random, 200, 128);
  Gram gram = gramOf(correlatedSamples(random, 300, 128));
  auto white = Whitener::cholesky(gram.h);
  auto first = alternate(w, rounding("w3g64"), *white, gram.h, {8, {}}, 3);
  forThreadCounts([&] {
    auto r = alternate(w, rounding("w3g64"), *white, gram.h, {8, {}}, 3);
    EXPECT_TRUE(r->base == first->base && sameBits(r->factors.a, first->factors.a));
    EXPECT_EQ(r->error, first->error);
  });
}

} // namespace
