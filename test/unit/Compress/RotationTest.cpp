#include "fingpt/Compress/Rotation.h"

#include "CompressTesting.h"
#include "fingpt/Compress/Quantize.h"

using namespace fingpt;
using namespace fingpt::compress;

namespace {

double distanceFromIdentity(const Matrix<double> &q) {
  Matrix<double> square = product(q, q, Transpose::No, Transpose::Yes);
  for (int64_t i = 0; i < q.rows(); ++i)
    square(i, i) -= 1;
  return std::sqrt(squaredNorm(square));
}

TEST(Rotation, HadamardMatricesOfListedSizes) {
  for (int64_t n : {1,  2,  4,  8,  12, 16, 20, 24,  28,  36,  40,  44,  48,  52,  56,  60,
                    68, 72, 76, 80, 84, 88, 96, 100, 104, 108, 120, 140, 156, 172, 312, 344}) {
    auto h = hadamardMatrix(n);
    ASSERT_TRUE(h.has_value()) << n;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j)
        ASSERT_EQ(std::fabs((*h)(i, j)), 1) << n;
    Matrix<double> square = product(*h, *h, Transpose::No, Transpose::Yes);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j)
        ASSERT_EQ(square(i, j), i == j ? double(n) : 0) << n;
  }
  for (int64_t n : {0, 3, 5, 6, 92, 100 - 2})
    EXPECT_FALSE(hadamardMatrix(n).has_value()) << n;
}

TEST(Rotation, NaturalOrderWalshHadamard) {
  for (int64_t n : {1, 2, 64}) {
    std::vector<double> x;
    std::vector<float> f;
    for (int64_t i = 0; i < n; ++i)
      x.push_back(double((i * 37) % 11));
    f.assign(x.begin(), x.end());
    std::vector<double> y = x;
    walshHadamard(y.data(), n);
    walshHadamard(f.data(), n);
    for (int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (int64_t i = 0; i < n; ++i)
        sum += x[size_t(i)] * (__builtin_popcountll(uint64_t(i & j)) % 2 ? -1 : 1);
      EXPECT_EQ(y[size_t(j)], sum);
      EXPECT_EQ(f[size_t(j)], float(sum));
    }
  }
}

TEST(Rotation, IsOrthogonalWithItsSignsAndSizes) {
  for (auto [n, kernel, exact] : {std::tuple<int64_t, int64_t, bool>{1, 1, true},
                                  {64, 1, true},
                                  {576, 36, true},
                                  {1536, 12, true},
                                  {312, 156, true},
                                  {76, 76, true},
                                  {368, 368, true},
                                  {50, 25, false},
                                  {184, 23, false},
                                  {9, 9, false},
                                  {6, 3, false}}) {
    auto r = Rotation::make(n, 7);
    ASSERT_TRUE(bool(r));
    EXPECT_EQ(r->powerOfTwo() * kernel, n);
    EXPECT_EQ(r->isHadamard(), exact) << n;
    Matrix<double> q = r->dense();
    EXPECT_LT(distanceFromIdentity(q), 1e-10) << n;
    EXPECT_EQ(r->storedBytes(), (n + 7) / 8 + (exact ? 0 : 4 * kernel * kernel));
    if (exact)
      for (int64_t j = 0; j < n; ++j)
        EXPECT_NEAR(std::fabs(q(n - 1, j)), 1 / std::sqrt(double(n)), 1e-12);
    Matrix<double> identity = q;
    r->applyInverse(identity);
    for (int64_t i = 0; i < n; ++i)
      identity(i, i) -= 1;
    EXPECT_LT(std::sqrt(squaredNorm(identity)), 1e-10) << n;
  }
  auto plain = Rotation::make(64);
  EXPECT_EQ(plain->dense()(63, 63), 0.125); // popcount 6
  EXPECT_FALSE(bool(Rotation::make(0)));
}

TEST(Rotation, RotatedLinearsGiveTheSameOutputs) {
  std::mt19937 random(1);
  for (int64_t n : {48, 50, 64}) {
    Matrix<double> x = randomMatrix(random, 20, n), reader = randomMatrix(random, 30, n),
                   writer = randomMatrix(random, n, 30);
    Matrix<double> y = product(x, reader, Transpose::No, Transpose::Yes);
    Matrix<double> z = product(y, writer, Transpose::No, Transpose::Yes);
    auto r = Rotation::make(n, 3);
    r->apply(x);
    r->apply(reader);
    r->applyToOutputs(writer);
    EXPECT_LT(maxDifference(product(x, reader, Transpose::No, Transpose::Yes), y), 1e-10);
    Matrix<double> rotated = product(y, writer, Transpose::No, Transpose::Yes);
    r->applyInverse(rotated);
    EXPECT_LT(maxDifference(rotated, z), 1e-10);
  }
}

TEST(Rotation, SpreadsAPlantedOutlier) {
  std::mt19937 random(2);
  Matrix<double> x = randomMatrix(random, 50, 576);
  for (int64_t i = 0; i < 50; ++i)
    x(i, 100) *= 50;
  auto peak = [](const Matrix<double> &m) {
    double worst = 0;
    for (int64_t i = 0; i < m.rows(); ++i) {
      double largest = 0, sum = 0;
      for (int64_t j = 0; j < m.cols(); ++j) {
        largest = std::max(largest, std::fabs(m(i, j)));
        sum += m(i, j) * m(i, j);
      }
      worst = std::max(worst, largest / std::sqrt(sum / double(m.cols())));
    }
    return worst;
  };
  auto error = [](const Matrix<double> &m) { // of symmetric 4-bit rows
    Matrix<float> f(m.view()), back = dequantized(*quantize(f, *parseScheme("w4-sym")));
    double sum = 0;
    for (int64_t i = 0; i < m.rows(); ++i)
      for (int64_t j = 0; j < m.cols(); ++j)
        sum += std::pow(back(i, j) - m(i, j), 2);
    return sum;
  };
  Matrix<double> rotated = x;
  Rotation::make(576, 1)->apply(rotated);
  EXPECT_LT(peak(rotated), 0.4 * peak(x));
  EXPECT_LT(error(rotated), 0.3 * error(x));
}

TEST(Rotation, FoldedNormsAreExact) {
  std::mt19937 random(3);
  int64_t D = 24, out = 10;
  Matrix<double> x = randomMatrix(random, 5, D), w = randomMatrix(random, out, D);
  std::vector<double> gamma, beta, bias(static_cast<size_t>(out), 0.5);
  for (int64_t j = 0; j < D; ++j) {
    gamma.push_back(1 + 0.1 * double(j));
    beta.push_back(0.2 * double(j % 5) - 0.3);
  }
  auto normalize = [&](const Matrix<double> &m, bool subtractMean) {
    Matrix<double> y = m;
    if (subtractMean)
      centerRows(y);
    for (int64_t i = 0; i < y.rows(); ++i) {
      double sum = 0;
      for (int64_t j = 0; j < D; ++j)
        sum += y(i, j) * y(i, j);
      for (int64_t j = 0; j < D; ++j)
        y(i, j) /= std::sqrt(sum / double(D) + 1e-5);
    }
    return y;
  };
  // LayerNorm followed by a linear, written out.
  Matrix<double> normed = normalize(x, true), affine = normed;
  for (int64_t i = 0; i < 5; ++i)
    for (int64_t j = 0; j < D; ++j)
      affine(i, j) = affine(i, j) * gamma[size_t(j)] + beta[size_t(j)];
  Matrix<double> expected = product(affine, w, Transpose::No, Transpose::Yes);
  // Folded: centred stream, RMS norm without parameters, rotated.
  Matrix<double> folded = w;
  std::vector<double> foldedBias = bias;
  foldNorm(folded, gamma, &beta, &foldedBias);
  Matrix<double> stream = x;
  centerRows(stream);
  auto r = Rotation::make(D, 9);
  r->apply(stream);
  r->apply(folded);
  Matrix<double> got = product(normalize(stream, false), folded, Transpose::No, Transpose::Yes);
  for (int64_t i = 0; i < 5; ++i)
    for (int64_t j = 0; j < out; ++j)
      EXPECT_NEAR(got(i, j) + foldedBias[size_t(j)], expected(i, j) + bias[size_t(j)], 1e-10);
  // What writes into the stream: centred outputs are outputs, centred.
  Matrix<double> writer = randomMatrix(random, D, 7), y = randomMatrix(random, 4, 7);
  std::vector<double> c(static_cast<size_t>(D), 0.25);
  c[3] = 2;
  Matrix<double> plain = product(y, writer, Transpose::No, Transpose::Yes);
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t j = 0; j < D; ++j)
      plain(i, j) += c[size_t(j)];
  centerRows(plain);
  centerOutputs(writer, &c);
  Matrix<double> centred = product(y, writer, Transpose::No, Transpose::Yes);
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t j = 0; j < D; ++j)
      EXPECT_NEAR(centred(i, j) + c[size_t(j)], plain(i, j), 1e-12);
}

TEST(Rotation, SameBitsForAnyThreadCountAndSeed) {
  std::mt19937 random(4);
  Matrix<double> x = randomMatrix(random, 100, 576), first = x;
  Rotation::make(576, 5)->apply(first);
  forThreadCounts([&] {
    Matrix<double> y = x;
    Rotation::make(576, 5)->apply(y);
    EXPECT_TRUE(sameBits(y, first));
  });
  Matrix<double> other = x;
  Rotation::make(576, 6)->apply(other);
  EXPECT_FALSE(sameBits(other, first));
}

} // namespace
