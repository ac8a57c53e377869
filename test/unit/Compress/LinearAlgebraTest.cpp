#include "CompressTesting.h"

#include <cblas.h>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

Matrix<double> naiveProduct(ConstMatrixD a, ConstMatrixD b) {
  Matrix<double> c(a.rows, b.cols);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t k = 0; k < a.cols; ++k)
      for (int64_t j = 0; j < b.cols; ++j)
        c(i, j) += a(i, k) * b(k, j);
  return c;
}

TEST(LinearAlgebra, ProductsOfAllTransposes) {
  std::mt19937 random(1);
  Matrix<double> a = randomMatrix(random, 300, 70), b = randomMatrix(random, 70, 530);
  Matrix<double> expected = naiveProduct(a, b), at = transposed(a), bt = transposed(b);
  EXPECT_LT(maxDifference(product(a, b), expected), 1e-12);
  EXPECT_LT(maxDifference(product(at, b, Transpose::Yes), expected), 1e-12);
  EXPECT_LT(maxDifference(product(a, bt, Transpose::No, Transpose::Yes), expected), 1e-12);
  EXPECT_LT(maxDifference(product(at, bt, Transpose::Yes, Transpose::Yes), expected), 1e-12);
}

TEST(LinearAlgebra, CholeskyAndInverse) {
  std::mt19937 random(2);
  for (int64_t n : {1, 5, 256, 300, 700}) {
    Matrix<double> x = randomMatrix(random, n + 20, n);
    Matrix<double> h = product(x, x, Transpose::Yes), l = h;
    ASSERT_TRUE(cholesky(l));
    EXPECT_LT(maxDifference(product(l, l, Transpose::No, Transpose::Yes), h), 1e-9 * double(n));
    Matrix<double> inverse = l, rows = randomMatrix(random, 150, n), solved = rows;
    invertLower(inverse);
    Matrix<double> identity = product(inverse, l);
    for (int64_t i = 0; i < n; ++i)
      identity(i, i) -= 1;
    EXPECT_LT(std::sqrt(squaredNorm(identity)), 1e-8) << n;
    solveRightLower(l, solved);
    EXPECT_LT(maxDifference(product(solved, l), rows), 1e-9) << n;
  }
}

TEST(LinearAlgebra, CholeskyNamesTheColumn) {
  Matrix<double> a(400, 400);
  for (int64_t i = 0; i < 400; ++i)
    a(i, i) = i == 301 ? -1 : 1;
  Status s = cholesky(a);
  ASSERT_FALSE(s);
  EXPECT_NE(s.error().message().find("column 301"), std::string::npos) << s.error().message();
}

TEST(LinearAlgebra, EighReconstructsInDescendingOrder) {
  std::mt19937 random(3);
  for (int64_t n : {1, 2, 40}) {
    Matrix<double> x = randomMatrix(random, n + 5, n);
    Matrix<double> h = product(x, x, Transpose::Yes);
    auto pairs = eigh(h);
    ASSERT_TRUE(bool(pairs));
    EXPECT_TRUE(std::is_sorted(pairs->values.rbegin(), pairs->values.rend()));
    Matrix<double> scaled = pairs->vectors;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j)
        scaled(i, j) *= pairs->values[size_t(i)];
    EXPECT_LT(maxDifference(product(pairs->vectors, scaled, Transpose::Yes), h), 1e-10);
  }
}

TEST(LinearAlgebra, SvdReconstructsTallWideAndEmpty) {
  std::mt19937 random(4);
  for (auto [m, n] : {std::pair<int64_t, int64_t>{30, 12}, {12, 30}, {1, 9}, {9, 1}, {7, 7}}) {
    Matrix<double> a = randomMatrix(random, m, n);
    auto parts = svd(a);
    ASSERT_TRUE(bool(parts));
    Matrix<double> us = parts->u;
    for (int64_t i = 0; i < us.rows(); ++i)
      for (int64_t j = 0; j < us.cols(); ++j)
        us(i, j) *= parts->sigma[size_t(j)];
    EXPECT_LT(maxDifference(product(us, parts->vt), a), 1e-12);
    auto only = singularValues(a);
    ASSERT_TRUE(bool(only));
    for (size_t k = 0; k < only->size(); ++k)
      EXPECT_NEAR((*only)[k], parts->sigma[k], 1e-12);
  }
  EXPECT_TRUE(bool(svd(Matrix<double>(0, 3))));
}

TEST(LinearAlgebra, RefusesNonFinite) {
  Matrix<double> a(3, 4);
  a(1, 2) = NAN;
  auto parts = svd(a);
  ASSERT_FALSE(bool(parts));
  EXPECT_NE(parts.error().message().find("[1, 2]"), std::string::npos);
}

TEST(LinearAlgebra, SameBitsForAnyThreadCountAndThreadsRestored) {
  std::mt19937 random(6);
  Matrix<double> x = randomMatrix(random, 800, 600), firstProduct, firstFactor;
  int threads = openblas_get_num_threads();
  forThreadCounts([&] {
    Matrix<double> h = product(x, x, Transpose::Yes), l = h;
    ASSERT_TRUE(cholesky(l));
    invertLower(l);
    if (firstProduct.empty()) {
      firstProduct = h;
      firstFactor = l;
    }
    EXPECT_TRUE(sameBits(h, firstProduct));
    EXPECT_TRUE(sameBits(l, firstFactor));
  });
  EXPECT_EQ(openblas_get_num_threads(), threads);
}

} // namespace
