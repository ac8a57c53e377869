#include "AllocationCount.h"
#include "KernelTesting.h"

#include "fingpt/Runtime/Kernels.h"

#include <cmath>
#include <limits>

using namespace fingpt;

namespace {

struct Problem {
  int64_t M, N, K;
  std::vector<float> x, w, bias;
  bool hasBias;

  Problem(std::mt19937 &random, int64_t M, int64_t N, int64_t K, bool hasBias, float scale = 1.0f)
      : M(M), N(N), K(K), x(randomFloats(random, M * K, scale)),
        w(randomFloats(random, N * K, scale)), bias(randomFloats(random, N)), hasBias(hasBias) {}

  const float *biasData() const { return hasBias ? bias.data() : nullptr; }

  std::vector<float> run(int64_t first, int64_t rows) const {
    std::vector<float> y(size_t(rows * N), -7.0f);
    fingpt_linear_f32(x.data() + first * K, w.data(), biasData(), y.data(), rows, N, K);
    return y;
  }

  /// Largest |error| over its bound K·eps·Σ|x||w| (one more term for the bias).
  double errorRatio(const std::vector<float> &y) const {
    double worst = 0;
    for (int64_t m = 0; m < M; ++m)
      for (int64_t n = 0; n < N; ++n) {
        double sum = hasBias ? bias[size_t(n)] : 0, size = std::fabs(sum);
        for (int64_t k = 0; k < K; ++k) {
          double product = double(x[size_t(m * K + k)]) * w[size_t(n * K + k)];
          sum += product;
          size += std::fabs(product);
        }
        double error = std::fabs(y[size_t(m * N + n)] - sum);
        // Below the normal range the unit of rounding is absolute.
        double bound = double(K + 1) * (Epsilon * size + 1.5e-45);
        if (!(error <= bound))
          return std::numeric_limits<double>::infinity();
        worst = std::max(worst, error / bound);
      }
    return worst;
  }
};

TEST(Linear, AgreesWithDoubleLoop) {
  const int64_t shapes[][3] = {
      {0, 3, 5},     {3, 0, 5},      {3, 5, 0},   {1, 1, 1},     {1, 7, 3},   {1, 8, 16},
      {1, 37, 577},  {1, 100, 576},  {2, 9, 31},  {3, 17, 1153}, {4, 5, 64},  {5, 6, 100},
      {9, 33, 600},  {16, 21, 48},   {17, 1, 33}, {17, 6, 15},   {20, 70, 1}, {23, 13, 17},
      {97, 66, 577}, {150, 131, 40}, {291, 5, 7}, {64, 3, 1729}};
  forEachIsa([&] {
    std::mt19937 random(1);
    double worst = 0;
    for (auto &shape : shapes)
      for (bool bias : {false, true}) {
        SCOPED_TRACE(testing::Message() << shape[0] << "x" << shape[1] << "x" << shape[2]);
        Problem problem(random, shape[0], shape[1], shape[2], bias);
        double ratio = problem.errorRatio(problem.run(0, problem.M));
        EXPECT_LE(ratio, 1.0);
        worst = std::max(worst, ratio);
      }
    testing::Test::RecordProperty("worst_error_ratio", std::to_string(worst));
  });
}

TEST(Linear, AgreesOnRandomShapes) {
  forEachIsa([] {
    std::mt19937 random(2);
    for (int i = 0; i < 60; ++i) {
      int64_t M = int64_t(random() % (i % 4 ? 40 : 250)), N = int64_t(random() % 90),
              K = int64_t(random() % 700);
      SCOPED_TRACE(testing::Message() << M << "x" << N << "x" << K);
      Problem problem(random, M, N, K, i % 2);
      EXPECT_LE(problem.errorRatio(problem.run(0, M)), 1.0);
    }
  });
}

TEST(Linear, RowsDoNotDependOnOtherRows) {
  forEachIsa([] {
    std::mt19937 random(3);
    for (int64_t K : {5, 64, 576, 1000, 1536}) {
      Problem problem(random, 163, 45, K, true);
      std::vector<float> all = problem.run(0, problem.M);
      for (int64_t rows : {1, 2, 3, 4, 5, 6, 7, 9, 16, 17, 31, 64, 65, 160}) {
        std::vector<float> some = problem.run(2, rows);
        std::vector<float> expected(all.begin() + 2 * problem.N,
                                    all.begin() + (2 + rows) * problem.N);
        EXPECT_TRUE(sameBits(some, expected)) << "K " << K << " rows " << rows;
      }
    }
  });
}

TEST(Linear, ColumnsDoNotDependOnOtherColumns) {
  forEachIsa([] {
    std::mt19937 random(4);
    for (int64_t M : {1, 9, 40}) {
      Problem problem(random, M, 45, 300, true);
      std::vector<float> all = problem.run(0, M);
      for (int64_t n : {0, 7, 44}) {
        std::vector<float> one(size_t(M), 0.0f);
        fingpt_linear_f32(problem.x.data(), problem.w.data() + n * problem.K,
                          problem.bias.data() + n, one.data(), M, 1, problem.K);
        for (int64_t m = 0; m < M; ++m)
          EXPECT_EQ(one[size_t(m)], all[size_t(m * problem.N + n)]);
      }
    }
  });
}

TEST(Linear, BitsDoNotDependOnThreads) {
  forEachIsa([] {
    std::mt19937 random(5);
    for (int64_t M : {1, 3, 11, 200}) {
      Problem problem(random, M, 333, 601, true);
      std::vector<float> expected;
      for (unsigned threads : {1u, 2u, 3u, 8u}) {
        ThreadCount scope(threads);
        std::vector<float> y = problem.run(0, M);
        if (threads == 1)
          expected = y;
        EXPECT_TRUE(sameBits(y, expected)) << "M " << M << " threads " << threads;
      }
    }
  });
}

TEST(Linear, Extremes) {
  forEachIsa([] {
    std::mt19937 random(6);
    for (int64_t M : {1, 20}) {
      // 1e±30 times 1e∓30, denormal products and sums.
      Problem mixed(random, M, 11, 100, false);
      for (size_t i = 0; i < mixed.x.size(); ++i)
        mixed.x[i] *= (i % mixed.K) % 2 ? 1e30f : 1e-30f;
      for (size_t i = 0; i < mixed.w.size(); ++i)
        mixed.w[i] *= (i % mixed.K) % 2 ? 1e-30f : 1e30f;
      EXPECT_LE(mixed.errorRatio(mixed.run(0, M)), 1.0);
      Problem tiny(random, M, 11, 100, false, 1e-21f);
      EXPECT_LE(tiny.errorRatio(tiny.run(0, M)), 1.0);
      std::vector<float> y = tiny.run(0, M);
      EXPECT_NE(y[0], 0.0f) << "denormals are kept";
      // Infinities and NaN stay in their row and column.
      Problem special(random, M, 11, 37, false);
      special.w[3 * 37 + 36] = std::numeric_limits<float>::infinity();
      special.w[5 * 37] = std::nanf("");
      y = special.run(0, M);
      for (int64_t n = 0; n < 11; ++n) {
        EXPECT_EQ(std::isinf(y[size_t(n)]), n == 3);
        EXPECT_EQ(std::isnan(y[size_t(n)]), n == 5);
      }
    }
  });
}

TEST(Linear, AllocatesNothingInSteadyState) {
  std::mt19937 random(7);
  ThreadCount scope(2);
  for (int64_t M : {1, 9, 200}) {
    Problem problem(random, M, 200, 700, true);
    std::vector<float> y(size_t(M * problem.N));
    size_t before = 0;
    for (int i = 0; i < 4; ++i) {
      if (i == 2)
        before = allocationCount();
      fingpt_linear_f32(problem.x.data(), problem.w.data(), problem.biasData(), y.data(), M,
                        problem.N, problem.K);
    }
    EXPECT_EQ(allocationCount(), before) << "M " << M;
  }
}

} // namespace
