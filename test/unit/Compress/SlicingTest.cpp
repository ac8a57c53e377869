#include "fingpt/Compress/Slicing.h"

#include "CompressTesting.h"
#include "fingpt/Compress/Quantize.h"

using namespace fingpt;
using namespace fingpt::compress;

namespace {

Matrix<double> identityMinus(const Matrix<double> &q) {
  Matrix<double> square = product(q, q, Transpose::Yes);
  for (int64_t i = 0; i < q.rows(); ++i)
    square(i, i) -= 1;
  return square;
}

double distance(const Matrix<double> &a, const Matrix<double> &b) {
  double sum = 0;
  for (int64_t i = 0; i < a.rows(); ++i)
    for (int64_t j = 0; j < a.cols(); ++j)
      sum += std::pow(a(i, j) - b(i, j), 2);
  return std::sqrt(sum);
}

/// (w·Q)[:, :k], and (Qᵀ·w)[:k, :]
Matrix<double> sliceInputs(ConstMatrixD w, const PcaBasis &basis, int64_t k) {
  return product(w, basis.first(k));
}
Matrix<double> sliceOutputs(ConstMatrixD w, const PcaBasis &basis, int64_t k) {
  return product(basis.first(k), w, Transpose::Yes);
}

/// Σ ‖x − x·Q_k·Q_kᵀ‖²
double projectionError(ConstMatrixF x, const PcaBasis &basis, int64_t k) {
  Matrix<double> samples(x), low = sliceInputs(samples, basis, k);
  gemm(-1.0, low, Transpose::No, basis.first(k), Transpose::Yes, 1.0, samples.view());
  return squaredNorm(samples);
}

TEST(Slicing, ProjectionLosesTheTail) {
  std::mt19937 random(1);
  Matrix<float> x = correlatedSamples(random, 300, 48);
  Gram gram = gramOf(x);
  auto basis = pcaBasis(gram.h);
  ASSERT_TRUE(bool(basis));
  EXPECT_LT(std::sqrt(squaredNorm(identityMinus(basis->q))), 1e-12);
  double total = basis->tail(0), previous = INFINITY;
  for (int64_t k : {1, 8, 24, 40}) {
    EXPECT_NEAR(projectionError(x, *basis, k) / basis->tail(k), 1, 1e-9);
    EXPECT_LT(basis->tail(k), previous);
    previous = basis->tail(k);
  }
  EXPECT_LT(projectionError(x, *basis, 48), 1e-20 * total);
  EXPECT_EQ(basis->tail(48), 0);
  // No other subspace of 8 directions loses less.
  for (int trial = 0; trial < 5; ++trial) {
    auto q = orthogonalFactor(randomMatrix(random, 48, 48));
    PcaBasis other{*q, basis->spectrum};
    EXPECT_GT(projectionError(x, other, 8), basis->tail(8));
  }
}

TEST(Slicing, OrientationSpreadsTheSameSubspace) {
  std::mt19937 random(2);
  Matrix<double> samples = randomMatrix(random, 400, 64), strong = randomMatrix(random, 1, 64);
  for (int64_t i = 0; i < 400; ++i) // as a residual stream has it: one direction dominates
    for (int64_t j = 0; j < 64; ++j)
      samples(i, j) += 5 * strong(0, j);
  Matrix<float> x(samples.view());
  Gram gram = gramOf(x);
  auto pca = pcaBasis(gram.h), turned = pcaBasis(gram.h);
  ASSERT_TRUE(orient(*turned, 40, 5));
  EXPECT_LT(std::sqrt(squaredNorm(identityMinus(turned->q))), 1e-12);
  EXPECT_NEAR(projectionError(x, *turned, 40) / pca->tail(40), 1, 1e-9);
  EXPECT_LT(maxDifference(pca->q.block(0, 40, 64, 24), turned->q.block(0, 40, 64, 24)), 1e-15);
  // Quantized activations: the first PCA direction is an outlier, the turned ones are not.
  auto error = [&](const PcaBasis &basis) {
    Matrix<double> y = sliceInputs(Matrix<double>(x.view()), basis, 40);
    Matrix<float> coded = dequantized(*quantize(Matrix<float>(y.view()), *parseScheme("w4-sym")));
    return distance(y, Matrix<double>(coded.view()));
  };
  EXPECT_LT(error(*turned), 0.8 * error(*pca));
  auto again = pcaBasis(gram.h);
  ASSERT_TRUE(orient(*again, 40, 5));
  EXPECT_TRUE(sameBits(again->q, turned->q));
  ASSERT_TRUE(orient(*again, 40, 6));
  EXPECT_FALSE(sameBits(again->q, turned->q));
}

/// Residual blocks x += relu(rms(x)·inᵀ)·outᵀ and a head, or the same sliced: the bases of the
/// points turn every weight and add shortcuts.
struct Stack {
  int64_t norm = 0; ///< the width that the norms divide by
  Matrix<double> embedding, head;
  std::vector<Matrix<double>> in, out, shortcuts;

  Matrix<double> normalized(const Matrix<double> &x) const {
    Matrix<double> y = x;
    for (int64_t i = 0; i < y.rows(); ++i) {
      double sum = 0;
      for (int64_t j = 0; j < y.cols(); ++j)
        sum += y(i, j) * y(i, j);
      for (int64_t j = 0; j < y.cols(); ++j)
        y(i, j) /= std::sqrt(sum / double(norm) + 1e-5);
    }
    return y;
  }
  Matrix<double> run(std::vector<Matrix<float>> *points = nullptr) const {
    Matrix<double> x = embedding;
    for (size_t l = 0; l < in.size(); ++l) {
      if (points)
        points->emplace_back(ConstMatrixD(x.view()));
      Matrix<double> y = product(normalized(x), in[l], Transpose::No, Transpose::Yes);
      for (int64_t i = 0; i < y.rows(); ++i)
        for (int64_t j = 0; j < y.cols(); ++j)
          y(i, j) = std::max(y(i, j), 0.0);
      if (!shortcuts.empty())
        x = product(x, shortcuts[l]);
      gemm(1.0, y, Transpose::No, out[l], Transpose::Yes, 1.0, x.view());
    }
    if (points)
      points->emplace_back(ConstMatrixD(x.view()));
    return product(normalized(x), head, Transpose::No, Transpose::Yes);
  }
};

Stack sliced(const Stack &model, const std::vector<Matrix<float>> &points, int64_t k, bool turn) {
  std::vector<PcaBasis> bases;
  std::vector<int64_t> widths;
  for (size_t p = 0; p < points.size(); ++p) {
    auto basis = pcaBasis(gramOf(points[p]).h);
    EXPECT_TRUE(bool(basis));
    widths.push_back(p + 1 < points.size() ? k : model.norm);
    if (turn)
      EXPECT_TRUE(orient(*basis, widths.back(), p));
    bases.push_back(std::move(*basis));
  }
  Stack s = model;
  s.embedding = sliceInputs(model.embedding, bases[0], k);
  for (size_t l = 0; l < model.in.size(); ++l) {
    s.in[l] = sliceInputs(model.in[l], bases[l], widths[l]);
    s.out[l] = sliceOutputs(model.out[l], bases[l + 1], widths[l + 1]);
    s.shortcuts.push_back(
        product(bases[l].first(widths[l]), bases[l + 1].first(widths[l + 1]), Transpose::Yes));
  }
  s.head = sliceInputs(model.head, bases.back(), model.norm);
  return s;
}

TEST(Slicing, SlicedModelIsExactWithoutLossAndDegradesByWidth) {
  std::mt19937 random(3);
  int64_t D = 48, rank = 24;
  for (bool planted : {false, true}) {
    Matrix<double> subspace = randomMatrix(random, rank, D);
    auto made = [&](int64_t rows) { // [rows, D], in the subspace if one is planted
      return planted ? product(randomMatrix(random, rows, rank, 0.2), subspace)
                     : randomMatrix(random, rows, D);
    };
    Stack model;
    model.norm = D;
    model.embedding = made(200);
    for (int l = 0; l < 3; ++l) {
      model.in.push_back(randomMatrix(random, 64, D, 0.1));
      model.out.push_back(transposed(made(64)));
    }
    model.head = randomMatrix(random, 30, D, 0.1);
    std::vector<Matrix<float>> points;
    Matrix<double> logits = model.run(&points);
    for (bool turn : {false, true}) {
      EXPECT_LT(maxDifference(sliced(model, points, D, turn).run(), logits), 1e-10);
      double previous = 0;
      for (int64_t k : {40, 24, 16, 8}) {
        Matrix<double> got = sliced(model, points, k, turn).run();
        double difference = distance(got, logits);
        if (planted && k >= rank) // the samples were rounded to f32
          EXPECT_LT(difference, 1e-4);
        else
          EXPECT_GT(difference, previous);
        previous = difference;
      }
    }
  }
}

TEST(Slicing, Widths) {
  EXPECT_EQ(slicedWidth(768, 0.2), 608);
  EXPECT_EQ(slicedWidth(4096, 0.25), 3072);
  EXPECT_EQ(slicedWidth(80, 0.1), 72);
  EXPECT_EQ(slicedWidth(100, 0), 100);
  EXPECT_EQ(slicedWidth(100, 0.01), 96);
  EXPECT_EQ(slicedWidth(100, 0.99), 8);
  EXPECT_EQ(slicedWidth(100, 2), 8);
  EXPECT_EQ(slicedWidth(5, 0.5), 5);
}

TEST(Slicing, DegenerateGrams) {
  std::mt19937 random(5);
  Matrix<double> h(12, 12);
  auto zero = pcaBasis(h);
  ASSERT_TRUE(bool(zero));
  EXPECT_EQ(zero->tail(0), 0);
  EXPECT_LT(std::sqrt(squaredNorm(identityMinus(zero->q))), 1e-12);
  for (double condition : {1e8, 1e16}) {
    auto basis = pcaBasis(conditionedMatrix(random, 12, condition));
    ASSERT_TRUE(bool(basis));
    EXPECT_LT(std::sqrt(squaredNorm(identityMinus(basis->q))), 1e-12);
    EXPECT_GE(basis->tail(11), 0);
  }
  h(3, 7) = NAN;
  EXPECT_FALSE(bool(pcaBasis(h)));
}

} // namespace
