// Divergence of two models: the figures by plain loops over their logits, whichever way they are
// run.

#include "../TempDir.h"
#include "TinyModel.h"

#include "fingpt/Driver/Compare.h"
#include "fingpt/Driver/Model.h"

#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>

using namespace fingpt;

namespace {

constexpr int64_t Context = 10, Chunks = 5, Vocabulary = 32;

/// Takes fewer chunks at once.
class InBlocks : public Predictor {
public:
  InBlocks(Predictor &inner, size_t block) : inner(inner), block(block) {}
  int64_t width() const override { return inner.width(); }
  size_t atOnce(int64_t) const override { return block; }
  Status begin(const int32_t *tokens, size_t chunks, int64_t context) override {
    EXPECT_LE(chunks, block);
    return inner.begin(tokens, chunks, context);
  }
  Result<const float *> logits(size_t chunk) override { return inner.logits(chunk); }

private:
  Predictor &inner;
  size_t block;
};

class Compare : public ::testing::Test {
protected:
  struct Loaded {
    std::unique_ptr<Model> model;
    std::unique_ptr<JITModel> code;
    std::unique_ptr<Predictor> whole, pieces;
  };

  Loaded load(const std::string &seed) {
    std::string text = test::tinyModel();
    text.replace(text.find("random:7"), 8, "random:" + seed);
    Loaded l;
    l.model = must(Model::load(directory.write(seed + ".mlir", text)));
    l.code = must(l.model->compile({}));
    l.whole = must(wholePredictor(*l.code));
    l.pieces = must(piecewisePredictor(l.model->graph(), l.model->imported().params, ""));
    return l;
  }
  template <typename T> static T must(Result<T> r) {
    EXPECT_TRUE(bool(r)) << (r ? "" : r.error().message());
    return r ? std::move(*r) : T();
  }
  static std::vector<int32_t> tokens() {
    std::vector<int32_t> out;
    for (int64_t i = 0; i < Context * Chunks; ++i)
      out.push_back(int32_t((i * i + 3 * i) % Vocabulary));
    return out;
  }
  static std::vector<double> distribution(const float *row) {
    double sum = 0;
    std::vector<double> p(row, row + Vocabulary);
    for (double &x : p)
      sum += x = std::exp(x);
    for (double &x : p)
      x /= sum;
    return p;
  }

  test::TempDir directory;
};

TEST_F(Compare, EveryWayGivesTheFiguresOfPlainLoops) {
  Loaded a = load("7"), b = load("8");
  ASSERT_TRUE(a.pieces && b.pieces);
  std::vector<int32_t> text = tokens();
  std::vector<double> kl;
  double nll = 0, referenceNll = 0, same = 0;
  ASSERT_TRUE(a.whole->begin(text.data(), Chunks, Context));
  ASSERT_TRUE(b.whole->begin(text.data(), Chunks, Context));
  for (int64_t c = 0; c < Chunks; ++c) {
    const float *first = *a.whole->logits(size_t(c)), *second = *b.whole->logits(size_t(c));
    for (int64_t t = Context / 2; t < Context - 1; ++t) { // the second half, but for the last
      std::vector<double> p = distribution(first + t * Vocabulary),
                          q = distribution(second + t * Vocabulary);
      kl.push_back(0);
      for (size_t v = 0; v < p.size(); ++v)
        kl.back() += p[v] * std::log(p[v] / q[v]);
      auto next = size_t(text[size_t(c * Context + t + 1)]);
      referenceNll -= std::log(p[next]);
      nll -= std::log(q[next]);
      same += std::max_element(p.begin(), p.end()) - p.begin() ==
              std::max_element(q.begin(), q.end()) - q.begin();
    }
  }
  double count = double(kl.size()), mean = 0;
  for (double x : kl)
    mean += x / count;
  std::sort(kl.begin(), kl.end());
  ASSERT_GT(mean, 1e-3);

  InBlocks twoAtOnce(*a.pieces, 2);
  std::pair<Predictor *, Predictor *> ways[] = {{a.whole.get(), b.whole.get()},
                                                {a.pieces.get(), b.pieces.get()},
                                                {a.pieces.get(), b.whole.get()},
                                                {&twoAtOnce, b.pieces.get()}};
  for (auto [reference, other] : ways) {
    size_t last = 0;
    auto r = compare(*reference, *other, text, Context, [&](size_t done, size_t all, double) {
      EXPECT_EQ(done, last + 1);
      EXPECT_EQ(all, size_t(Chunks));
      last = done;
    });
    ASSERT_TRUE(bool(r)) << r.error().message();
    EXPECT_EQ(last, size_t(Chunks));
    EXPECT_EQ(r->tokens, int64_t(kl.size()));
    EXPECT_NEAR(r->klMean, mean, 1e-4 * mean);
    EXPECT_NEAR(r->klP99, kl[size_t((count - 1) * 0.99)], 1e-5);
    EXPECT_NEAR(r->perplexity, std::exp(nll / count), 1e-4);
    EXPECT_NEAR(r->referencePerplexity, std::exp(referenceNll / count), 1e-4);
    EXPECT_NEAR(r->sameTop, same / count, 1e-9);
  }
}

TEST_F(Compare, HiddenStatesByPlainLoops) {
  Loaded a = load("7"), b = load("8");
  ASSERT_TRUE(a.pieces && b.pieces);
  std::vector<int32_t> text = tokens();
  ASSERT_TRUE(a.whole->begin(text.data(), Chunks, Context));
  ASSERT_TRUE(b.whole->begin(text.data(), Chunks, Context));
  double change = 0, whole = 0, cosines = 0;
  for (int64_t c = 0; c < Chunks; ++c) {
    const float *first = *a.whole->logits(size_t(c)), *second = *b.whole->logits(size_t(c));
    for (int64_t t = 0; t < Context; ++t) {
      double ab = 0, aa = 0, bb = 0;
      for (int64_t i = t * Vocabulary; i < (t + 1) * Vocabulary; ++i) {
        ab += double(first[i]) * second[i];
        aa += double(first[i]) * first[i];
        bb += double(second[i]) * second[i];
        change += (double(first[i]) - second[i]) * (double(first[i]) - second[i]);
      }
      whole += aa;
      cosines += ab / std::sqrt(aa * bb);
    }
  }
  for (Predictor *reference : {a.whole.get(), a.pieces.get()}) {
    auto r = compareHidden(*reference, *b.pieces, text, Context, nullptr);
    ASSERT_TRUE(bool(r)) << r.error().message();
    ASSERT_TRUE(r->hidden);
    EXPECT_EQ(r->tokens, Context * Chunks);
    EXPECT_NEAR(r->hidden->cosine, cosines / double(Context * Chunks), 1e-5);
    EXPECT_NEAR(r->hidden->relativeChange, change / whole, 1e-5 * change / whole);
  }
}

TEST_F(Compare, AModelDoesNotDivergeFromItself) {
  Loaded a = load("7");
  ASSERT_TRUE(a.pieces);
  auto r = compare(*a.pieces, *a.whole, tokens(), Context, nullptr);
  ASSERT_TRUE(bool(r)) << r.error().message();
  EXPECT_LT(r->klMean, 1e-9);
  EXPECT_EQ(r->sameTop, 1);
}

TEST_F(Compare, IdsBeyondTheEmbeddingAreRefused) {
  Loaded a = load("7");
  ASSERT_TRUE(a.pieces);
  std::vector<int32_t> text = tokens();
  text[12] = Vocabulary;
  EXPECT_FALSE(bool(compare(*a.whole, *a.whole, text, Context, nullptr)));
  EXPECT_FALSE(bool(compare(*a.pieces, *a.pieces, text, Context, nullptr)));
}

} // namespace
