// What the tests of this folder share: random matrices with planted structure.
#ifndef FINGPT_TEST_UNIT_COMPRESS_COMPRESSTESTING_H
#define FINGPT_TEST_UNIT_COMPRESS_COMPRESSTESTING_H

#include "fingpt/Compress/Gram.h"
#include "fingpt/Runtime/ThreadPool.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace fingpt::compress {

inline Matrix<double> randomMatrix(std::mt19937 &random, int64_t rows, int64_t cols,
                                   double scale = 1) {
  std::normal_distribution<double> normal(0, scale);
  Matrix<double> m(rows, cols);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < cols; ++j)
      m(i, j) = normal(random);
  return m;
}
inline Matrix<float> randomWeight(std::mt19937 &random, int64_t rows, int64_t cols,
                                  double scale = 1) {
  return Matrix<float>(randomMatrix(random, rows, cols, scale).view());
}

inline Matrix<double> transposed(ConstMatrixD a) {
  Matrix<double> t(a.cols, a.rows);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.cols; ++j)
      t(j, i) = a(i, j);
  return t;
}

/// Samples [tokens, n] whose columns are strongly correlated.
inline Matrix<float> correlatedSamples(std::mt19937 &random, int64_t tokens, int64_t n) {
  Matrix<double> mix = randomMatrix(random, std::max<int64_t>(n / 8, 1), n);
  Matrix<double> x = product(randomMatrix(random, tokens, mix.rows()), mix);
  std::normal_distribution<double> normal(0, 0.3);
  for (int64_t i = 0; i < tokens; ++i)
    for (int64_t j = 0; j < n; ++j)
      x(i, j) += normal(random);
  return Matrix<float>(x.view());
}

inline Gram gramOf(ConstMatrixF samples) {
  GramAccumulator sums(samples.cols);
  EXPECT_TRUE(sums.add(samples));
  return sums.finish();
}

/// A symmetric positive definite matrix with eigenvalues from 1 down to 1/condition.
inline Matrix<double> conditionedMatrix(std::mt19937 &random, int64_t n, double condition) {
  auto q = orthogonalFactor(randomMatrix(random, n, n));
  EXPECT_TRUE(bool(q));
  Matrix<double> scaled = *q;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      scaled(i, j) *= std::pow(condition, -static_cast<double>(j) / static_cast<double>(n - 1));
  return product(scaled, *q, Transpose::No, Transpose::Yes);
}

inline double maxDifference(ConstMatrixD a, ConstMatrixD b) {
  double worst = a.rows == b.rows && a.cols == b.cols ? 0 : INFINITY;
  for (int64_t i = 0; i < a.rows && worst < INFINITY; ++i)
    for (int64_t j = 0; j < a.cols; ++j)
      worst = std::max(worst, std::fabs(a(i, j) - b(i, j)));
  return worst;
}
inline bool sameBits(ConstMatrixD a, ConstMatrixD b) { return maxDifference(a, b) == 0; }

/// Runs `body` with pools of 1, 2, 3 and 8 threads.
template <typename Body> void forThreadCounts(const Body &body) {
  for (unsigned threads : {1u, 2u, 3u, 8u}) {
    ThreadPool pool(threads);
    ThreadPool *previous = ThreadPool::replaceGlobal(&pool);
    body();
    ThreadPool::replaceGlobal(previous);
  }
}

} // namespace fingpt::compress

#endif // FINGPT_TEST_UNIT_COMPRESS_COMPRESSTESTING_H
