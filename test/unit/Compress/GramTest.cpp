#include "CompressTesting.h"

using namespace fingpt;
using namespace fingpt::compress;

namespace {

TEST(Gram, EqualsTheSumOfProducts) {
  std::mt19937 random(1);
  Matrix<float> x = randomWeight(random, 1100, 300);
  Gram gram = gramOf(x);
  Matrix<double> wide(x.view()), expected = product(wide, wide, Transpose::Yes);
  EXPECT_LT(maxDifference(symmetric(gram.h), expected), 1e-9);
  EXPECT_EQ(gram.samples, 1100);
  double sum = 0, largest = 0;
  for (int64_t i = 0; i < 1100; ++i) {
    sum += std::fabs(double(x(i, 17)));
    largest = std::max(largest, std::fabs(double(x(i, 17))));
  }
  EXPECT_NEAR(gram.sumAbs[17], sum, 1e-9);
  EXPECT_EQ(gram.maxAbs[17], float(largest));
  EXPECT_NEAR(gram.meanAbs()[17], sum / 1100, 1e-12);
}

TEST(Gram, SameBitsForAnySplitIntoCallsAndThreads) {
  std::mt19937 random(2);
  Matrix<float> x = randomWeight(random, 1300, 520);
  Gram whole = gramOf(x);
  forThreadCounts([&] {
    GramAccumulator sums(520);
    for (int64_t i = 0; i < 1300;) {
      int64_t rows = std::min<int64_t>(1 + i % 97, 1300 - i);
      ASSERT_TRUE(sums.add(x.view().rowRange(i, i + rows)));
      if (i == 0)
        (void)sums.finish(); // looking early changes nothing
      i += rows;
    }
    EXPECT_TRUE(sameBits(sums.finish().h, whole.h));
  });
}

TEST(Gram, MergeAdds) {
  std::mt19937 random(3);
  Matrix<float> x = randomWeight(random, 200, 40);
  Gram a = gramOf(x.block(0, 0, 90, 40)), b = gramOf(x.block(90, 0, 110, 40));
  ASSERT_TRUE(a.merge(b));
  Gram whole = gramOf(x);
  EXPECT_LT(maxDifference(symmetric(a.h), symmetric(whole.h)), 1e-10);
  EXPECT_EQ(a.samples, 200);
  EXPECT_EQ(a.maxAbs, whole.maxAbs);
  EXPECT_FALSE(a.merge(gramOf(randomWeight(random, 4, 41))));
}

TEST(Gram, RefusesNonFiniteNamingSampleAndColumn) {
  Matrix<float> x(5, 8);
  GramAccumulator sums(8);
  ASSERT_TRUE(sums.add(x));
  x(3, 6) = INFINITY;
  Status s = sums.add(x);
  ASSERT_FALSE(s);
  EXPECT_NE(s.error().message().find("sample 8, column 6"), std::string::npos)
      << s.error().message();
  EXPECT_EQ(sums.finish().samples, 5);
  EXPECT_FALSE(sums.add(Matrix<float>(2, 7)));
}

TEST(Gram, DampingPatchesDeadInputs) {
  std::mt19937 random(4);
  Matrix<float> x = randomWeight(random, 64, 12);
  for (int64_t i = 0; i < 64; ++i)
    x(i, 5) = 0;
  Gram gram = gramOf(x);
  auto damped = conditioned(gram.h, 0.01);
  ASSERT_TRUE(bool(damped));
  EXPECT_EQ(damped->dead, std::vector<int64_t>{5});
  double mean = 0;
  for (int64_t j = 0; j < 12; ++j)
    mean += gram.h(j, j) / 11;
  EXPECT_NEAR(damped->h(5, 5), 1.01 * mean, 1e-12);
  EXPECT_NEAR(damped->h(0, 0), gram.h(0, 0) + 0.01 * mean, 1e-12);
}

TEST(Gram, InverseFactorGivesTheInverse) {
  std::mt19937 random(5);
  Matrix<double> h = conditionedMatrix(random, 300, 1e3);
  auto factor = inverseFactor(h, {0, 1});
  ASSERT_TRUE(bool(factor));
  EXPECT_EQ(factor->info.escalations, 0);
  for (int64_t i = 0; i < 300; ++i)
    for (int64_t j = 0; j < i; ++j)
      ASSERT_EQ(factor->factor(i, j), 0);
  Matrix<double> inverse = product(factor->factor, factor->factor, Transpose::Yes);
  Matrix<double> identity = product(inverse, h);
  for (int64_t i = 0; i < 300; ++i)
    identity(i, i) -= 1;
  EXPECT_LT(std::sqrt(squaredNorm(identity)), 1e-9);
}

TEST(Gram, FactorsAtAnyCondition) {
  std::mt19937 random(6);
  for (double condition = 1; condition <= 1e16; condition *= 100) {
    Matrix<double> h = conditionedMatrix(random, 120, condition);
    for (double fraction : {0.0, 0.01}) {
      auto lower = choleskyFactor(h, {fraction, 1});
      ASSERT_TRUE(bool(lower)) << condition;
      auto damped = conditioned(h, lower->info.fraction);
      EXPECT_LT(maxDifference(product(lower->factor, lower->factor, Transpose::No, Transpose::Yes),
                              damped->h),
                1e-13);
      auto upper = inverseFactor(h, {fraction, 1});
      ASSERT_TRUE(bool(upper)) << condition;
      EXPECT_TRUE(checkFinite(upper->factor.view(), "factor"));
    }
  }
}

TEST(Gram, EscalatesForFewerSamplesThanColumns) {
  std::mt19937 random(7);
  Gram gram = gramOf(randomWeight(random, 10, 64));
  EXPECT_TRUE(gram.underdetermined());
  auto damped = choleskyFactor(gram.h);
  ASSERT_TRUE(bool(damped));
  EXPECT_EQ(damped->info.escalations, 0);
  Matrix<double> indefinite = symmetric(gram.h);
  for (int64_t i = 0; i < 64; ++i)
    indefinite(i, (i + 1) % 64) = indefinite((i + 1) % 64, i) = 3 * gram.h(i, i);
  auto raised = choleskyFactor(indefinite, {0.001, 1000});
  ASSERT_TRUE(bool(raised));
  EXPECT_GT(raised->info.escalations, 0);
  auto refused = choleskyFactor(indefinite, {0.001, 0.01});
  EXPECT_FALSE(bool(refused));
}

TEST(Gram, OneOutlierInput) {
  std::mt19937 random(8);
  Matrix<float> x = correlatedSamples(random, 400, 64);
  for (int64_t i = 0; i < 400; ++i)
    x(i, 9) *= 1e4f;
  auto factor = inverseFactor(gramOf(x).h);
  ASSERT_TRUE(bool(factor));
  EXPECT_TRUE(checkFinite(factor->factor.view(), "factor"));
}

TEST(Gram, OutputErrorIsTheNormOfTheOutput) {
  std::mt19937 random(9);
  Matrix<float> x = correlatedSamples(random, 300, 70), w = randomWeight(random, 90, 70),
                approximation = randomWeight(random, 90, 70);
  Gram gram = gramOf(x);
  Matrix<double> delta(90, 70);
  for (int64_t i = 0; i < 90; ++i)
    for (int64_t j = 0; j < 70; ++j)
      delta(i, j) = double(approximation(i, j)) - w(i, j);
  Matrix<double> y = product(Matrix<double>(x.view()), delta, Transpose::No, Transpose::Yes);
  double expected = squaredNorm(y);
  EXPECT_NEAR(outputError(delta, gram.h) / expected, 1, 1e-12);
  EXPECT_NEAR(outputError(approximation, w, gram.h) / expected, 1, 1e-12);
  Matrix<double> all =
      product(Matrix<double>(x.view()), Matrix<double>(w.view()), Transpose::No, Transpose::Yes);
  EXPECT_NEAR(relativeOutputError(approximation, w, gram.h), expected / squaredNorm(all), 1e-10);
  EXPECT_EQ(relativeOutputError(w, w, gram.h), 0);
}

} // namespace
