#include "fingpt/Compress/LowRank.h"

#include "CompressTesting.h"

using namespace fingpt;
using namespace fingpt::compress;

namespace {

Matrix<double> difference(ConstMatrixD a, ConstMatrixD b) {
  Matrix<double> d(a);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.cols; ++j)
      d(i, j) -= b(i, j);
  return d;
}

double lossOf(ConstMatrixD w, const LowRank &f, ConstMatrixD h) {
  return outputError(difference(f.dense(), w), h);
}

TEST(LowRank, LossIsTheDiscardedTail) {
  std::mt19937 random(1);
  for (auto [m, n] : {std::pair<int64_t, int64_t>{40, 72}, {72, 40}, {33, 33}}) {
    Matrix<double> w = randomMatrix(random, m, n);
    auto h = conditioned(gramOf(correlatedSamples(random, 4 * n, n)).h, 0.01);
    ASSERT_TRUE(bool(h));
    auto lower = Whitener::cholesky(h->h, {0, 1}), eigen = Whitener::eigen(h->h);
    ASSERT_TRUE(lower && eigen);
    for (const Whitener *white : {&*lower, &*eigen}) {
      auto parts = decompose(w, *white);
      ASSERT_TRUE(bool(parts));
      double previous = INFINITY;
      for (int64_t rank : {1, 5, 20, 32}) {
        double loss = lossOf(w, parts->factors(rank), h->h), tail = parts->tail(rank);
        EXPECT_NEAR(loss / tail, 1, 1e-10) << m << " " << rank;
        EXPECT_LT(loss, previous);
        previous = loss;
      }
      EXPECT_LT(maxDifference(parts->factors(std::min(m, n)).dense(), w), 1e-9);
    }
    // The loss is the same for every R.
    EXPECT_NEAR(decompose(w, *lower)->tail(7) / decompose(w, *eigen)->tail(7), 1, 1e-10);
  }
}

TEST(LowRank, BeatsPlainAndActivationScaledSvdOnCorrelatedInputs) {
  std::mt19937 random(2);
  Matrix<double> w = randomMatrix(random, 64, 96);
  Gram gram = gramOf(correlatedSamples(random, 1000, 96));
  auto white = Whitener::cholesky(gram.h, {1e-6, 1});
  ASSERT_TRUE(bool(white));
  Whitener plain = Whitener::identity(96), scaled = Whitener::activationScale(gram.meanAbs());
  double best = lossOf(w, decompose(w, *white)->factors(16), gram.h);
  EXPECT_LT(best, 0.9 * lossOf(w, decompose(w, plain)->factors(16), gram.h));
  EXPECT_LT(best, 0.9 * lossOf(w, decompose(w, scaled)->factors(16), gram.h));
}

TEST(LowRank, ActivationScaleHelpsWithOutlierInputs) {
  std::mt19937 random(3);
  Matrix<double> w = randomMatrix(random, 64, 96);
  Matrix<float> x = randomWeight(random, 500, 96);
  for (int64_t i = 0; i < 500; ++i)
    for (int64_t j = 0; j < 96; j += 16)
      x(i, j) *= 20;
  Gram gram = gramOf(x);
  Whitener plain = Whitener::identity(96), scaled = Whitener::activationScale(gram.meanAbs());
  EXPECT_LT(lossOf(w, decompose(w, scaled)->factors(16), gram.h),
            lossOf(w, decompose(w, plain)->factors(16), gram.h));
}

TEST(LowRank, RecoversAPlantedRank) {
  std::mt19937 random(4);
  Matrix<double> w = product(randomMatrix(random, 50, 6), randomMatrix(random, 6, 80));
  auto white = Whitener::cholesky(gramOf(correlatedSamples(random, 300, 80)).h);
  ASSERT_TRUE(bool(white));
  auto parts = decompose(w, *white);
  EXPECT_LT(maxDifference(parts->factors(6).dense(), w), 1e-10);
  EXPECT_LT(parts->tail(6), 1e-20 * parts->tail(0));
}

TEST(LowRank, FactorsAreBalanced) {
  std::mt19937 random(5);
  Matrix<double> w = randomMatrix(random, 30, 50);
  Whitener plain = Whitener::identity(50);
  LowRank f = decompose(w, plain)->factors(10);
  for (int64_t k = 0; k < 10; ++k) {
    double left = 0, right = 0;
    for (int64_t i = 0; i < 30; ++i)
      left += f.b(i, k) * f.b(i, k);
    for (int64_t j = 0; j < 50; ++j)
      right += f.a(k, j) * f.a(k, j);
    EXPECT_NEAR(left / right, 1, 1e-10);
  }
}

TEST(LowRank, AnyConditionDeadInputsFewSamples) {
  std::mt19937 random(6);
  Matrix<double> w = randomMatrix(random, 40, 60);
  for (double condition = 1; condition <= 1e16; condition *= 1e4) {
    Matrix<double> h = conditionedMatrix(random, 60, condition);
    auto lower = Whitener::cholesky(h), eigen = Whitener::eigen(h);
    ASSERT_TRUE(lower && eigen);
    Whitener plain = Whitener::identity(60);
    double baseline = lossOf(w, decompose(w, plain)->factors(10), h);
    for (const Whitener *white : {&*lower, &*eigen}) {
      LowRank f = decompose(w, *white)->factors(10);
      ASSERT_TRUE(checkFinite(f.a.view(), "a"));
      EXPECT_LE(lossOf(w, f, h), 1.05 * baseline) << condition;
    }
  }
  Matrix<float> x = correlatedSamples(random, 12, 60);
  for (int64_t i = 0; i < 12; ++i)
    x(i, 30) = 0;
  Gram gram = gramOf(x);
  auto eigen = Whitener::eigen(gram.h);
  // Twelve samples span twelve directions: rank 12 loses nothing on them.
  EXPECT_LT(lossOf(w, decompose(w, *eigen)->factors(12), gram.h),
            1e-15 * outputError(w, gram.h) + 1e-9);
  auto white = Whitener::cholesky(gram.h);
  EXPECT_TRUE(checkFinite(decompose(w, *white)->factors(12).a.view(), "a"));
}

TEST(LowRank, DegenerateWeights) {
  std::mt19937 random(7);
  auto white = Whitener::cholesky(gramOf(correlatedSamples(random, 100, 32)).h);
  Matrix<double> zero(16, 32);
  EXPECT_EQ(decompose(zero, *white)->tail(0), 0);
  EXPECT_TRUE(checkFinite(decompose(zero, *white)->factors(4).a.view(), "a"));
  for (double size : {1e30, 1e-30, 1e-300}) {
    Matrix<double> w = randomMatrix(random, 16, 32, size);
    LowRank f = decompose(w, *white)->factors(16);
    EXPECT_LT(maxDifference(f.dense(), w), 1e-9 * size);
  }
  zero(3, 4) = NAN;
  EXPECT_FALSE(bool(decompose(zero, *white)));
  EXPECT_FALSE(bool(decompose(Matrix<double>(4, 5), *white)));
}

TEST(LowRank, RanksPayAndAlign) {
  EXPECT_EQ(largestPayingRank(4, 4), 1); // 16/8 = 2 would cost as much
  EXPECT_EQ(largestPayingRank(1, 9), 0);
  EXPECT_EQ(rankForRatio(576, 1536, 0.8), 328); // ⌊335.1⌋ down to 8
  EXPECT_EQ(rankForRatio(576, 1536, 0.8, 1), 335);
  EXPECT_EQ(rankForRatio(576, 1536, 0), 8);
  EXPECT_EQ(rankForRatio(192, 576, 1), 136); // 144 = mn/(m+n) does not pay
  EXPECT_EQ(rankForRatio(8, 8, 0.5), 2);
  EXPECT_EQ(removedForRank(576, 1536, 328), 0.21); // 21.7% is exact, rank 336 takes 19.8%
  for (int64_t align : {1, 8})
    for (int64_t rank = align; rank <= largestPayingRank(192, 576); rank += align) {
      double removed = removedForRank(192, 576, rank, align);
      EXPECT_GT(removed, 0);
      EXPECT_EQ(rankForRatio(192, 576, 1 - removed, align), rank);
    }
  for (int64_t m : {5, 64, 576})
    for (int64_t n : {3, 100, 1536})
      EXPECT_LT(largestPayingRank(m, n) * (m + n), m * n);
}

TEST(LowRank, AllocationMeetsTheBudgetAndBeatsUniform) {
  std::mt19937 random(9);
  std::vector<Spectrum> weights;
  double whole = 0;
  for (int i = 0; i < 12; ++i) {
    Spectrum s{i % 3 == 0 ? 192 : 576, i % 2 ? 1536 : 576, {}, std::to_string(i % 3)};
    for (int64_t k = 0; k < std::min(s.rows, s.cols); ++k) // from nearly flat to steep
      s.sigma.push_back((5 + i) * std::exp(-0.002 * (1 + i) * double(k)));
    whole += double(s.rows * s.cols);
    weights.push_back(s);
  }
  auto loss = [&](const std::vector<int64_t> &ranks) {
    double sum = 0;
    for (size_t i = 0; i < ranks.size(); ++i)
      for (size_t k = size_t(ranks[i]); k < weights[i].sigma.size(); ++k)
        sum += weights[i].sigma[k] * weights[i].sigma[k];
    return sum;
  };
  for (int64_t align : {1, 8})
    for (double kept : {0.8, 0.5, 0.3}) {
      auto ranks = allocateRanks(weights, kept, align);
      std::vector<int64_t> uniform;
      double used = 0, largestStep = 0;
      for (size_t i = 0; i < ranks.size(); ++i) {
        EXPECT_EQ(ranks[i] % align, 0);
        EXPECT_GT(ranks[i], 0);
        uniform.push_back(rankForRatio(weights[i].rows, weights[i].cols, kept, align));
        used += double(ranks[i] * (weights[i].rows + weights[i].cols));
        largestStep = std::max(largestStep, double(align * (weights[i].rows + weights[i].cols)));
      }
      EXPECT_LE(used, kept * whole);
      EXPECT_GT(used, kept * whole - largestStep);
      if (kept > 0.3) // where more goes, 1/ln L takes too much of the weights that lose least
        EXPECT_LT(loss(ranks), loss(uniform)) << kept;
    }
  for (Spectrum &w : weights) // losses at or below 1: the logarithm is shifted
    for (double &s : w.sigma)
      s *= 1e-6;
  EXPECT_EQ(allocateRanks(weights, 0.5).size(), weights.size());
  EXPECT_TRUE(allocateRanks({}, 0.5).empty());
  // Less than 8 ranks pay.
  for (auto [kept, rank] : {std::pair{0.6, 4}, std::pair{0.2, 1}}) {
    Spectrum small{8, 96, std::vector<double>(8, 1.0), ""};
    EXPECT_EQ(rankForRatio(8, 96, kept), rank);
    EXPECT_EQ(allocateRanks({small}, kept), std::vector<int64_t>{rank});
  }
}

TEST(LowRank, QuantizedFactors) {
  std::mt19937 random(10);
  Matrix<double> w = randomMatrix(random, 64, 128);
  Whitener plain = Whitener::identity(128);
  LowRank f = decompose(w, plain)->factors(16);
  double previous = INFINITY;
  for (const char *scheme : {"w4g64", "w8"}) {
    auto q = quantizeFactors(f, *parseScheme(scheme));
    ASSERT_TRUE(bool(q));
    double error = squaredNorm(difference(q->dequantized().dense(), f.dense()));
    EXPECT_LT(error, 0.05 * squaredNorm(f.dense()));
    EXPECT_LT(error, previous);
    previous = error;
    EXPECT_EQ(q->storedBytes(), storedBytes(*parseScheme(scheme), 64, 16) +
                                    storedBytes(*parseScheme(scheme), 16, 128));
  }
}

} // namespace
