// Weights that make good the drift of their inputs.
#include "fingpt/Compress/Correction.h"
#include "CompressTesting.h"

using namespace fingpt;
using namespace fingpt::compress;

namespace {

constexpr int64_t Tokens = 200, In = 24, Out = 10;

Matrix<double> sum(const Matrix<double> &a, const Matrix<double> &b, double factor) {
  Matrix<double> out = a;
  for (int64_t i = 0; i < a.rows(); ++i)
    for (int64_t j = 0; j < a.cols(); ++j)
      out(i, j) += factor * b(i, j);
  return out;
}

/// Inputs x and x̃, hidden states h and h̃.
struct Drift : testing::Test {
  std::mt19937 random{11};
  Matrix<float> w = randomWeight(random, Out, In);
  Matrix<double> x{correlatedSamples(random, Tokens, In).view()};
  Matrix<double> drifted = sum(x, randomMatrix(random, Tokens, In, 0.3), 1);
  Matrix<double> h = randomMatrix(random, Tokens, Out);
  Matrix<double> driftedH = sum(h, randomMatrix(random, Tokens, Out, 0.3), 1);

  Matrix<double> gram() const { return product(drifted, drifted, Transpose::Yes, Transpose::No); }
  Matrix<double> drift() const {
    return product(drifted, sum(x, drifted, -1), Transpose::Yes, Transpose::No);
  }
  Matrix<double> residual() const {
    return product(drifted, sum(h, driftedH, -1), Transpose::Yes, Transpose::No);
  }
  /// What the layer's output has lost with weight v: [tokens, out].
  Matrix<double> loss(const Matrix<float> &v, bool hidden) const {
    Matrix<double> wide(v.view()), original(w.view());
    Matrix<double> l = sum(product(drifted, wide, Transpose::No, Transpose::Yes),
                           product(x, original, Transpose::No, Transpose::Yes), -1);
    return hidden ? sum(sum(l, driftedH, 1), h, -1) : l;
  }
};

TEST_F(Drift, TheCorrectedWeightIsTheLeastSquaresSolution) {
  for (bool hidden : {false, true}) {
    Matrix<double> r = residual();
    auto v = correctedWeight(w.view(), gram(), drift(), hidden ? r.view() : ConstMatrixD(), 1e-10);
    ASSERT_TRUE(bool(v)) << v.error().message();
    Matrix<double> lost = loss(*v, hidden), before = loss(w, hidden);
    EXPECT_LT(squaredNorm(lost), 0.9 * squaredNorm(before));
    // Its gradient is zero, up to the damping and to f32.
    Matrix<double> gradient = product(lost, drifted, Transpose::Yes, Transpose::No);
    Matrix<double> atStart = product(before, drifted, Transpose::Yes, Transpose::No);
    EXPECT_LT(squaredNorm(gradient), 1e-8 * squaredNorm(atStart));
  }
}

TEST_F(Drift, DampingKeepsTheWeightNear) {
  Matrix<double> d = drift();
  double moved[2], lost[2];
  for (int i = 0; i < 2; ++i) {
    auto v = correctedWeight(w.view(), gram(), d, {}, i == 0 ? 0.01 : 10);
    ASSERT_TRUE(bool(v));
    moved[i] = squaredNorm(sum(Matrix<double>(v->view()), Matrix<double>(w.view()), -1));
    lost[i] = squaredNorm(loss(*v, false));
  }
  EXPECT_LT(moved[1], 0.5 * moved[0]);
  EXPECT_LT(lost[0], lost[1]);
  EXPECT_LT(lost[1], squaredNorm(loss(w, false)));
}

TEST_F(Drift, WhatOutweighsTheWeightIsNotMadeGood) {
  Matrix<double> r = residual();
  auto outputs = [&](const Matrix<double> &v) {
    return squaredNorm(product(drifted, v, Transpose::No, Transpose::Yes));
  };
  double before = outputs(Matrix<double>(w.view())), share = 0;
  for (double scale : {1.0, 1.5, 100.0}) {
    Matrix<double> lost = sum(r, r, scale - 1);
    auto v = correctedWeight(w.view(), gram(), drift(), lost, 1e-10);
    ASSERT_TRUE(bool(v));
    EXPECT_EQ(v->empty(), scale * scale * share > 1) << scale;
    if (scale == 1) // of the outputs, nearly all of it for h
      share = outputs(sum(Matrix<double>(v->view()), Matrix<double>(w.view()), -1)) / before;
  }
  EXPECT_GT(share, 0);
}

TEST_F(Drift, NothingChangesWithoutDrift) {
  Matrix<double> none(In, In);
  auto v = correctedWeight(w.view(), gram(), none, {}, 0.1);
  ASSERT_TRUE(bool(v));
  for (int64_t i = 0; i < Out; ++i)
    for (int64_t j = 0; j < In; ++j)
      EXPECT_EQ((*v)(i, j), w(i, j));
}

/// Few samples and dead inputs: finite, and no worse than the weight as it was.
TEST_F(Drift, DegenerateStatistics) {
  for (int64_t tokens : {1, 5})
    for (bool dead : {false, true}) {
      for (int64_t t = tokens; t < Tokens; ++t)
        for (int64_t j = 0; j < In; ++j)
          x(t, j) = drifted(t, j) = 0;
      for (int64_t t = 0; t < Tokens && dead; ++t)
        x(t, 3) = drifted(t, 3) = 0;
      auto v = correctedWeight(w.view(), gram(), drift(), {}, 0.1);
      ASSERT_TRUE(bool(v)) << v.error().message();
      EXPECT_TRUE(checkFinite(v->view(), "corrected "));
      EXPECT_LE(squaredNorm(loss(*v, false)), squaredNorm(loss(w, false)));
      for (int64_t i = 0; i < Out && dead; ++i)
        EXPECT_EQ((*v)(i, 3), w(i, 3));
    }
}

TEST_F(Drift, WhatIsWrongIsNamed) {
  w(3, 5) = NAN;
  auto v = correctedWeight(w.view(), gram(), drift(), {}, 0.1);
  ASSERT_FALSE(bool(v));
  EXPECT_NE(v.error().message().find("[3, 5]"), std::string::npos) << v.error().message();
  w(3, 5) = 0;
  v = correctedWeight(w.view(), gram(), residual(), {}, 0.1);
  ASSERT_FALSE(bool(v));
  EXPECT_NE(v.error().message().find("24 inputs"), std::string::npos) << v.error().message();
  v = correctedWeight(w.view(), gram(), drift(), gram().view(), 0.1);
  ASSERT_FALSE(bool(v));
  EXPECT_NE(v.error().message().find("24x10"), std::string::npos) << v.error().message();
}

} // namespace
