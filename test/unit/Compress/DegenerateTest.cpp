// Every method on weights and Gram matrices without structure, range or rank: the result is
// finite and, on the method's own objective, no worse than the trivial one. What has no answer is
// refused by name.
#include "CompressTesting.h"
#include "fingpt/Compress/AWQ.h"
#include "fingpt/Compress/CompressedWeight.h"
#include "fingpt/Compress/GPTQ.h"
#include "fingpt/Compress/HQQ.h"
#include "fingpt/Compress/Refine.h"
#include "fingpt/Compress/Residual.h"
#include "fingpt/Compress/Rotation.h"
#include "fingpt/Compress/Slicing.h"

#include <functional>
#include <limits>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

constexpr int64_t Rows = 20, Cols = 72; // 72: groups of 16, 32 and 64 end ragged

struct Outcome {
  Matrix<double> approximation; ///< of w
  double error = 0, baseline = 0;
};

struct Method {
  std::string name;
  std::function<Result<Outcome>(ConstMatrixF w, const Gram &gram)> run;
  bool needsGram = true;
};

Matrix<double> differenceOf(const Matrix<double> &a, ConstMatrixF w) {
  Matrix<double> delta = a;
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.cols; ++j)
      delta(i, j) -= w(i, j);
  return delta;
}
Matrix<double> unscaled(const QuantizedWeight &q, const std::vector<float> &s) {
  Matrix<double> back(dequantized(q).view());
  for (int64_t i = 0; i < back.rows(); ++i)
    for (int64_t j = 0; j < back.cols(); ++j)
      back(i, j) /= s[size_t(j)];
  return back;
}

/// Against a weight of zeros.
Method roundToNearest(const char *scheme) {
  return {std::string("rtn ") + scheme,
          [=](ConstMatrixF w, const Gram &) -> Result<Outcome> {
            auto q = quantize(w, *parseScheme(scheme));
            if (!q)
              return q.takeError();
            Outcome out{Matrix<double>(dequantized(*q).view())};
            out.error = squaredNorm(differenceOf(out.approximation, w));
            out.baseline = squaredNorm(Matrix<double>(w));
            return out;
          },
          false};
}

Method compensated(const char *scheme, bool actOrder) {
  return {std::string("gptq ") + scheme + (actOrder ? " by diagonal" : ""),
          [=](ConstMatrixF w, const Gram &gram) -> Result<Outcome> {
            auto r = gptq(w, gram.h, *parseScheme(scheme), {{}, actOrder});
            if (!r)
              return r.takeError();
            return Outcome{Matrix<double>(dequantized(r->weight).view()), r->error,
                           r->roundingError};
          }};
}

/// Against the sweep alone.
Method refined(const char *scheme, bool actOrder) {
  return {std::string("refined ") + scheme + (actOrder ? " by diagonal" : ""),
          [=](ConstMatrixF w, const Gram &gram) -> Result<Outcome> {
            auto swept = gptq(w, gram.h, *parseScheme(scheme), {{}, actOrder});
            if (!swept)
              return swept.takeError();
            auto r = refine(w, gram.h, swept->weight);
            if (!r)
              return r.takeError();
            return Outcome{Matrix<double>(dequantized(r->weight).view()), r->error, r->startError};
          }};
}

Method scaled(const char *scheme, bool clip) {
  return {std::string("awq ") + scheme + (clip ? " clipped" : ""),
          [=](ConstMatrixF w, const Gram &gram) -> Result<Outcome> {
            auto s = searchAwqScales({w}, gram, *parseScheme(scheme));
            if (!s)
              return s.takeError();
            auto r = quantizeScaled(w, gram.h, s->scales, *parseScheme(scheme), clip);
            if (!r)
              return r.takeError();
            EXPECT_TRUE(std::isfinite(s->error));
            return Outcome{unscaled(r->weight, s->scales), r->error, s->roundingError};
          }};
}

Method halfQuadratic(const char *scheme) {
  return {std::string("hqq ") + scheme,
          [=](ConstMatrixF w, const Gram &) -> Result<Outcome> {
            auto r = hqq(w, *parseScheme(scheme));
            if (!r)
              return r.takeError();
            return Outcome{Matrix<double>(dequantized(r->weight).view()), r->meanError,
                           r->roundingMeanError};
          },
          false};
}

using MakeWhitener = std::function<Result<Whitener>(const Gram &)>;

/// In the whitened norm, against plain SVD and against nothing.
Method truncated(const char *name, const MakeWhitener &make) {
  return {std::string("svd ") + name, [=](ConstMatrixF w, const Gram &gram) -> Result<Outcome> {
            auto white = make(gram);
            if (!white)
              return white.takeError();
            Matrix<double> weight(w);
            auto parts = decompose(weight, *white);
            Whitener identity = Whitener::identity(w.cols);
            auto plain = decompose(weight, identity);
            if (!parts)
              return parts.takeError();
            if (!plain)
              return plain.takeError();
            auto loss = [&](const Matrix<double> &approximation) {
              return squaredNorm(white->apply(differenceOf(approximation, w)));
            };
            Outcome out{parts->factors(4).dense()};
            out.error = loss(out.approximation);
            double whole = squaredNorm(white->apply(weight));
            // To the accuracy of the whitened weight, whose square this is.
            out.baseline =
                std::min(loss(plain->factors(4).dense()), whole) * (1 + 1e-9) + 1e-20 * whole;
            EXPECT_LE(parts->tail(4), whole * (1 + 1e-9));
            return out;
          }};
}

Method residual(const char *scheme, int iterations, bool codedFactors) {
  return {std::string("residual ") + scheme + (codedFactors ? " coded" : ""),
          [=](ConstMatrixF w, const Gram &gram) -> Result<Outcome> {
            auto white = Whitener::cholesky(gram.h);
            if (!white)
              return white.takeError();
            ResidualOptions options{4, {}};
            if (codedFactors)
              options.factorScheme = *parseScheme("w8");
            BaseQuantizer base = [=](ConstMatrixF target) {
              return quantize(target, *parseScheme(scheme));
            };
            auto r = alternate(w, base, *white, gram.h, options, iterations);
            if (!r)
              return r.takeError();
            Outcome out{r->factors.dense(), r->error, r->baseError};
            Matrix<float> back = dequantized(r->base);
            for (int64_t i = 0; i < w.rows; ++i)
              for (int64_t j = 0; j < w.cols; ++j)
                out.approximation(i, j) += back(i, j);
            return out;
          }};
}

/// What recipes ask for, as it is stored; against plain rounding, or against nothing.
Method whole(const char *scheme) {
  return {std::string("compress ") + scheme,
          [=](ConstMatrixF w, const Gram &gram) -> Result<Outcome> {
            auto parsed = parseWeightScheme(scheme);
            if (!parsed)
              return parsed.takeError();
            auto r = compressWeight({"w", w, &gram, 4 * w.rows * w.cols}, *parsed);
            if (!r)
              return r.takeError();
            if (r->kept()) // codes stand for any weight
              EXPECT_TRUE(!parsed->codes && !r->note.empty());
            Matrix<float> dense = r->kept() ? Matrix<float>(w) : r->dense();
            double error = relativeOutputError(dense.view(), w, gram.h);
            EXPECT_NEAR(r->error, error, 1e-6 * (1 + error)) << scheme;
            int64_t wide = 0; // scales of weights beyond f16 are f32
            auto count = [&](const QuantizedWeight &q) {
              wide += q.scaleType == DType::F32 ? 4 * q.rows * q.groups : 0;
            };
            for (const WeightTerm &term : r->terms)
              if (const auto *q = std::get_if<QuantizedWeight>(&term)) {
                count(*q);
              } else if (const auto *pair = std::get_if<QuantizedLowRank>(&term)) {
                count(pair->b);
                count(pair->a);
              }
            EXPECT_LE(r->storedBytes(),
                      storedBytes(*parsed, w.rows, w.cols, 4 * w.rows * w.cols) + wide);
            // Truncation that does not see H, and codes of factors, promise nothing under it.
            bool promised = parsed->codes
                                ? parsed->rounding != Rounding::Hqq
                                : !parsed->factors && parsed->truncation == Truncation::Default;
            return Outcome{Matrix<double>(dense.view()), r->error,
                           promised ? r->roundingError : INFINITY};
          }};
}

/// There and back.
Method rotated() {
  return {"rotation",
          [=](ConstMatrixF w, const Gram &) -> Result<Outcome> {
            if (Status s = checkFinite(w, "weight "); !s)
              return s.takeError();
            auto r = Rotation::make(w.cols, 3);
            Outcome out{Matrix<double>(w)};
            r->apply(out.approximation);
            r->applyInverse(out.approximation);
            out.error = squaredNorm(differenceOf(out.approximation, w));
            out.baseline = 1e-28 * squaredNorm(Matrix<double>(w));
            return out;
          },
          false};
}

/// Against the 40 inputs of largest second moment.
Method sliced() {
  return {"pca", [=](ConstMatrixF w, const Gram &gram) -> Result<Outcome> {
            if (Status s = checkFinite(w, "weight "); !s)
              return s.takeError();
            auto basis = pcaBasis(gram.h);
            if (!basis)
              return basis.takeError();
            constexpr int64_t Kept = 40;
            if (Status s = orient(*basis, Kept, 1); !s)
              return s.takeError();
            std::vector<double> diagonal;
            for (int64_t j = 0; j < w.cols; ++j)
              diagonal.push_back(gram.h(j, j));
            std::sort(diagonal.begin(), diagonal.end());
            Matrix<double> low = product(Matrix<double>(w), basis->first(Kept));
            Outcome out{product(low, basis->first(Kept), Transpose::No, Transpose::Yes),
                        basis->tail(Kept), 1e-15 * basis->tail(0)};
            for (int64_t j = 0; j < w.cols - Kept; ++j)
              out.baseline += diagonal[size_t(j)];
            return out;
          }};
}

std::vector<Method> allMethods() {
  std::vector<Method> all;
  for (const char *scheme : {"w2g16", "w2g32-sym", "w3g64-min", "w4", "w4g32", "w4g32-sym-signed",
                             "w4g64-min", "w4g32-clip", "w4g32-min-clip", "w5g32", "w8",
                             "w8g32-min", "nf4", "nf4-dq", "fp4", "mxfp4", "nvfp4", "nf4-clip"})
    all.push_back(roundToNearest(scheme));
  for (const char *scheme :
       {"w2g16", "w3-min", "w4g32-sym", "w4g32-clip", "nf4", "nf4-dq", "mxfp4", "nvfp4"})
    for (bool actOrder : {false, true})
      all.push_back(compensated(scheme, actOrder));
  for (const char *scheme : {"w2g16", "w3-min", "w4g32-sym-signed", "nf4-dq", "mxfp4", "nvfp4"})
    all.push_back(refined(scheme, scheme[0] == 'w'));
  for (const char *scheme : {"w3g32", "w4g64-min", "nf4", "nvfp4"})
    for (bool clip : {false, true})
      all.push_back(scaled(scheme, clip));
  for (const char *scheme : {"w2g16-min", "w4g64-min", "w4-min"})
    all.push_back(halfQuadratic(scheme));
  all.push_back(truncated(
      "plain", [](const Gram &) -> Result<Whitener> { return Whitener::identity(Cols); }));
  all.push_back(truncated("by activation", [](const Gram &gram) -> Result<Whitener> {
    return Whitener::activationScale(gram.meanAbs());
  }));
  all.push_back(
      truncated("by cholesky", [](const Gram &gram) { return Whitener::cholesky(gram.h); }));
  all.push_back(truncated("by eigh", [](const Gram &gram) { return Whitener::eigen(gram.h); }));
  all.push_back(residual("w2g16", 1, false));
  all.push_back(residual("w3g32", 3, true));
  all.push_back(residual("nf4", 3, false));
  for (const char *scheme :
       {"w2g16",           "w3g32:rtn",         "w4g32-sym-clip", "w4-sym-dq",  "w4g32-sym-signed",
        "w4g64-min-clip",  "nf4-clip",          "fp4-dq",         "mxfp4-clip", "nvfp4-clip",
        "w4g32:awq",       "nf4:awq",           "w4g64-min:hqq",  "w3g32+lr4",  "nf4:rtn+lr4+w8",
        "w3g32+lr4:loftq", "w4g64-min:hqq+lr4", "svd50",          "svd50:asvd", "svd50:svd",
        "svd50+w8"})
    all.push_back(whole(scheme));
  all.push_back(rotated());
  all.push_back(sliced());
  return all;
}

struct WeightKind {
  const char *name;
  std::function<float(int64_t i, int64_t j, float normal)> value;
};
const WeightKind WeightKinds[] = {
    {"Zero", [](auto, auto, auto) { return 0.0f; }},
    {"Constant", [](auto, auto, auto) { return 0.37f; }},
    {"NegativeConstant", [](auto, auto, auto) { return -1e4f; }},
    {"RankOne",
     [](int64_t i, int64_t j, auto) { return 0.01f * float((i - 7) * (j * 5 % 23 - 11)); }},
    {"DuplicateRows", [](auto, int64_t j, auto) { return std::sin(0.7f * float(j)); }},
    {"OneRow", [](int64_t i, int64_t, float x) { return i == 3 ? x : 0; }},
    {"OneColumn", [](int64_t, int64_t j, float x) { return j == 71 ? x : 0; }},
    {"Denormal", [](auto, auto, float x) { return 3e-42f * x; }},
    {"Tiny", [](auto, auto, float x) { return 1e-30f * x; }},
    {"Huge", [](auto, auto, float x) { return 1e36f * x; }},
    {"Outlier", [](int64_t i, int64_t j, float x) { return i == 5 && j == 33 ? 1e7f : 0.02f * x; }},
    {"LargestFloat",
     [](int64_t i, int64_t j, float x) {
       return i == 5 && j == 33 ? std::numeric_limits<float>::max() : x;
     }},
    {"LargeOffset", [](auto, auto, float x) { return 1000 + 1e-3f * x; }},
    {"Normal", [](auto, auto, float x) { return x; }},
};

struct GramKind {
  const char *name;
  std::function<Gram(std::mt19937 &)> make;
};
Gram conditionedGram(std::mt19937 &random, double condition) {
  Gram gram;
  gram.h = conditionedMatrix(random, Cols, condition);
  for (int64_t j = 0; j < Cols; ++j) {
    gram.sumAbs.push_back(100 * std::sqrt(gram.h(j, j)));
    gram.maxAbs.push_back(3);
  }
  gram.samples = 100;
  return gram;
}
Gram gramWhere(std::mt19937 &random, int64_t tokens, const std::function<float(int64_t)> &factor) {
  Matrix<float> x = correlatedSamples(random, tokens, Cols);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t j = 0; j < Cols; ++j)
      x(t, j) *= factor(j);
  return gramOf(x);
}
const GramKind GramKinds[] = {
    {"Correlated", [](auto &r) { return gramWhere(r, 300, [](auto) { return 1.0f; }); }},
    {"OneSample", [](auto &r) { return gramWhere(r, 1, [](auto) { return 1.0f; }); }},
    {"FewSamples", [](auto &r) { return gramWhere(r, 30, [](auto) { return 1.0f; }); }},
    {"DeadInputs",
     [](auto &r) { return gramWhere(r, 300, [](int64_t j) { return j % 7 == 2 ? 0.0f : 1.0f; }); }},
    {"AllDead", [](auto &r) { return gramWhere(r, 10, [](auto) { return 0.0f; }); }},
    {"NoSamples", [](auto &) { return GramAccumulator(Cols).finish(); }},
    {"OutlierInput",
     [](auto &r) { return gramWhere(r, 300, [](int64_t j) { return j == 40 ? 1e5f : 1.0f; }); }},
    {"TinyInputs", [](auto &r) { return gramWhere(r, 300, [](auto) { return 1e-20f; }); }},
    {"HugeInputs", [](auto &r) { return gramWhere(r, 300, [](auto) { return 1e20f; }); }},
    {"Condition1e8", [](auto &r) { return conditionedGram(r, 1e8); }},
    {"Condition1e12", [](auto &r) { return conditionedGram(r, 1e12); }},
    {"Condition1e16", [](auto &r) { return conditionedGram(r, 1e16); }},
};

Matrix<float> weightOf(const WeightKind &kind) {
  std::mt19937 random(17);
  Matrix<float> w = randomWeight(random, Rows, Cols);
  for (int64_t i = 0; i < Rows; ++i)
    for (int64_t j = 0; j < Cols; ++j)
      w(i, j) = kind.value(i, j, w(i, j));
  return w;
}

class Degenerate : public testing::TestWithParam<std::tuple<size_t, size_t>> {};

TEST_P(Degenerate, IsFiniteAndNoWorseThanTheBaseline) {
  Matrix<float> w = weightOf(WeightKinds[std::get<0>(GetParam())]);
  std::mt19937 random(5);
  Gram gram = GramKinds[std::get<1>(GetParam())].make(random);
  for (const Method &method : allMethods()) {
    if (!method.needsGram && std::get<1>(GetParam()) > 0)
      continue; // once is enough
    auto r = method.run(w, gram);
    ASSERT_TRUE(bool(r)) << method.name << ": " << r.error().message();
    EXPECT_TRUE(checkFinite(r->approximation, "approximation")) << method.name;
    EXPECT_TRUE(std::isfinite(r->error) && r->error >= 0) << method.name << ": " << r->error;
    EXPECT_LE(r->error, r->baseline * (1 + 1e-12)) << method.name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, Degenerate,
                         testing::Combine(testing::Range<size_t>(0, std::size(WeightKinds)),
                                          testing::Range<size_t>(0, std::size(GramKinds))),
                         [](const auto &info) {
                           return std::string(WeightKinds[std::get<0>(info.param)].name) + "Under" +
                                  GramKinds[std::get<1>(info.param)].name;
                         });

TEST(DegenerateInputs, NonFiniteWeightsAreRefusedByName) {
  std::mt19937 random(6);
  Gram gram = GramKinds[0].make(random);
  for (float bad : {NAN, INFINITY, -INFINITY}) {
    Matrix<float> w = weightOf(WeightKinds[std::size(WeightKinds) - 1]);
    w(11, 70) = bad;
    for (const Method &method : allMethods()) {
      auto r = method.run(w, gram);
      ASSERT_FALSE(bool(r)) << method.name;
      EXPECT_NE(r.error().message().find("[11, 70]"), std::string::npos)
          << method.name << ": " << r.error().message();
    }
  }
}

TEST(DegenerateInputs, NonFiniteGramsAreRefusedByName) {
  std::mt19937 random(7);
  Matrix<float> w = weightOf(WeightKinds[std::size(WeightKinds) - 1]);
  for (auto [row, col] : {std::pair(4, 4), std::pair(4, 60)})
    for (double bad : {double(NAN), double(INFINITY)}) {
      Gram gram = GramKinds[0].make(random);
      gram.h(row, col) = bad;
      std::string where = "[" + std::to_string(row) + ", " + std::to_string(col) + "]";
      for (const Method &method : allMethods()) {
        if (!method.needsGram || method.name == "svd plain" || method.name == "svd by activation")
          continue; // these do not see H
        auto r = method.run(w, gram);
        ASSERT_FALSE(bool(r)) << method.name;
        EXPECT_NE(r.error().message().find(where), std::string::npos)
            << method.name << ": " << r.error().message();
      }
    }
}

} // namespace
