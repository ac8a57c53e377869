#include "fingpt/Driver/Compare.h"
#include "fingpt/Driver/Calibrate.h"

#include "fingpt/Runtime/ThreadPool.h"

#include "llvm/ADT/STLFunctionalExtras.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>

namespace fingpt {

Result<std::vector<int32_t>> evaluationTokens(Model &model, std::string_view text, int64_t context,
                                              int64_t chunks) {
  if (Status s = checkContext(model, context); !s)
    return s.takeError();
  Result<const Tokenizer *> tokenizer = model.tokenizer();
  if (!tokenizer)
    return tokenizer.takeError();
  if (!text.empty() && text.back() == '\n')
    text.remove_suffix(1);
  Result<std::vector<int32_t>> tokens =
      (*tokenizer)->encode(text, {/*addSpecial=*/false, /*parseSpecial=*/false});
  if (!tokens)
    return tokens.takeError();
  auto whole = int64_t(tokens->size()) / context;
  if (chunks > 0 && whole < chunks)
    return Error::at("--chunks", "text too short",
                     "at least " + std::to_string(chunks * context) + " tokens",
                     std::to_string(tokens->size()));
  if (whole == 0)
    return Error::at("text", "too short", "at least " + std::to_string(context) + " tokens",
                     std::to_string(tokens->size()));
  if (chunks > 0)
    whole = chunks;
  tokens->resize(size_t(whole * context));
  const SpecialTokens &special = (*tokenizer)->special();
  if (special.addBos && special.bos)
    for (int64_t c = 0; c < whole; ++c)
      (*tokens)[size_t(c * context)] = *special.bos;
  return tokens;
}

namespace {

/// One row of logits as a distribution.
struct Row {
  const float *logits;
  double max = 0, logSum = 0;
  int64_t top = 0;
  Row(const float *logits, int64_t width) : logits(logits) {
    for (int64_t i = 1; i < width; ++i)
      if (logits[i] > logits[top])
        top = i;
    max = logits[top];
    double sum = 0;
    for (int64_t i = 0; i < width; ++i)
      sum += std::exp(double(logits[i]) - max);
    logSum = std::log(sum) + max;
  }
  double logProbability(int64_t i) const { return double(logits[i]) - logSum; }
};

struct Score {
  double kl = 0, nll = 0, referenceNll = 0;
  bool sameTop = false;
};

} // namespace

static Score score(const float *reference, const float *other, int64_t width, int64_t target) {
  Row p(reference, width), q(other, width);
  Score s;
  for (int64_t i = 0; i < width; ++i) {
    double lp = p.logProbability(i);
    s.kl += std::exp(lp) * (lp - q.logProbability(i));
  }
  s.kl = std::max(s.kl, 0.0); // rounding
  s.nll = -q.logProbability(target);
  s.referenceNll = -p.logProbability(target);
  s.sameTop = p.top == q.top;
  return s;
}

double meanDivergence(const float *reference, const float *other, int64_t rows, int64_t width) {
  std::vector<double> kl(static_cast<size_t>(rows));
  ThreadPool::global().parallelFor(size_t(rows), [&](size_t from, size_t to) {
    for (size_t i = from; i < to; ++i)
      kl[i] = score(reference + i * size_t(width), other + i * size_t(width), width, 0).kl;
  });
  double sum = 0;
  for (double v : kl)
    sum += v;
  return rows > 0 ? sum / double(rows) : 0;
}

namespace {

/// Sums up the scores of chunks.
class Scores {
public:
  Scores(int64_t context, int64_t width) : context(context), width(width) {}
  /// Logits [context, width] of both; the second half of the chunk counts.
  Status add(const int32_t *chunk, const float *reference, const float *other);
  double meanDivergence() const { return kls.empty() ? 0 : klSum / double(kls.size()); }
  Result<Comparison> finish();

private:
  int64_t context, width;
  std::vector<double> kls;
  double klSum = 0, nll = 0, referenceNll = 0, same = 0;
  size_t chunks = 0;
};

} // namespace

Status Scores::add(const int32_t *chunk, const float *reference, const float *other) {
  int64_t begin = context / 2, scored = context - 1 - begin;
  std::vector<Score> scores(static_cast<size_t>(scored));
  ThreadPool::global().parallelFor(size_t(scored), [&](size_t from, size_t to) {
    for (size_t i = from; i < to; ++i) {
      size_t at = size_t(begin) + i;
      scores[i] =
          score(reference + at * size_t(width), other + at * size_t(width), width, chunk[at + 1]);
    }
  });
  for (const Score &s : scores) {
    if (!std::isfinite(s.kl) || !std::isfinite(s.nll))
      return Error::at("comparison", "logits are not finite in chunk " + std::to_string(chunks));
    kls.push_back(s.kl);
    klSum += s.kl;
    nll += s.nll;
    referenceNll += s.referenceNll;
    same += s.sameTop;
  }
  ++chunks;
  return Status::ok();
}

Result<Comparison> Scores::finish() {
  if (kls.empty())
    return Error::at("comparison", "no whole chunk");
  Comparison result;
  result.tokens = int64_t(kls.size());
  result.klMean = meanDivergence();
  result.perplexity = std::exp(nll / double(result.tokens));
  result.referencePerplexity = std::exp(referenceNll / double(result.tokens));
  result.sameTop = same / double(result.tokens);
  auto at = size_t(double(kls.size() - 1) * 0.99);
  std::nth_element(kls.begin(), kls.begin() + long(at), kls.end());
  result.klP99 = kls[at];
  return result;
}

Json figuresJson(const Comparison &c) {
  if (c.hidden)
    return {{"tokens", c.tokens},
            {"cosine", c.hidden->cosine},
            {"relative_change", c.hidden->relativeChange}};
  return {{"tokens", c.tokens},         {"perplexity_before", c.referencePerplexity},
          {"perplexity", c.perplexity}, {"kl_mean", c.klMean},
          {"kl_p99", c.klP99},          {"same_top", c.sameTop}};
}

//===----------------------------------------------------------------------===//
// Predictors
//===----------------------------------------------------------------------===//

namespace {

class WholePredictor : public Predictor {
public:
  explicit WholePredictor(const JITModel &code) : code(code) {}

  int64_t width() const override { return code.outputWidth(); }
  size_t atOnce(int64_t) const override { return std::numeric_limits<size_t>::max(); }
  Status begin(const int32_t *tokens, size_t count, int64_t length) override {
    context = length;
    chunks.assign(tokens, tokens + count * size_t(length));
    out.resize(size_t(length * width()));
    return code.checkTokens(chunks, "comparison");
  }
  Result<const float *> logits(size_t chunk) override {
    Status s =
        code.call("forward", {TensorRef{chunks.data() + chunk * size_t(context), {1, context}},
                              TensorRef{out.data(), {1, context, width()}}});
    if (!s)
      return s.takeError();
    return out.data();
  }

private:
  const JITModel &code;
  int64_t context = 0;
  std::vector<int32_t> chunks;
  std::vector<float> out;
};

/// Chunks come to the head together; from there each on its own.
class PiecewisePredictor : public Predictor {
public:
  explicit PiecewisePredictor(std::unique_ptr<SegmentedModel> model) : model(std::move(model)) {}

  int64_t width() const override { return model->segment(last()).width; }
  size_t atOnce(int64_t context) const override {
    int64_t widest = 1;
    for (size_t i = 0; i < last(); ++i)
      widest = std::max(widest, model->segment(i).width);
    return size_t(std::max<int64_t>(1, HiddenBytes / (context * widest * int64_t(sizeof(float)))));
  }
  Status begin(const int32_t *tokens, size_t chunks, int64_t context) override {
    now = {};
    samples.assign(chunks, {});
    for (size_t c = 0; c < chunks; ++c) {
      samples[c].length = context;
      const int32_t *chunk = tokens + c * size_t(context);
      samples[c].tokens.assign(chunk, chunk + context);
    }
    for (size_t i = 0; i < last(); ++i) {
      Result<SegmentWeights> weights = model->load(i);
      if (!weights)
        return weights.takeError();
      if (Status s = advance(*model, i, *weights, samples); !s)
        return s;
    }
    if (head)
      return Status::ok();
    Result<SegmentWeights> weights = model->load(last());
    if (!weights)
      return weights.takeError();
    head = std::move(*weights);
    return Status::ok();
  }
  Result<const float *> logits(size_t chunk) override {
    now = std::move(samples[chunk]);
    if (Status s = model->run(last(), SegmentedModel::Run::Advance, *head, now); !s)
      return s.takeError();
    return now.hidden.data();
  }

private:
  static constexpr int64_t HiddenBytes = int64_t(256) << 20;
  size_t last() const { return model->size() - 1; }

  std::unique_ptr<SegmentedModel> model;
  std::vector<SegmentSample> samples;
  SegmentSample now;
  std::optional<SegmentWeights> head;
};

} // namespace

Result<std::unique_ptr<Predictor>> wholePredictor(const JITModel &code) {
  if (code.elementBytes() != 4)
    return Error::at("comparison", "precision", "f32", "another");
  return std::unique_ptr<Predictor>(std::make_unique<WholePredictor>(code));
}

Result<std::unique_ptr<Predictor>> piecewisePredictor(mlir::ModuleOp graph,
                                                      const std::shared_ptr<ParamStore> &params,
                                                      const std::string &cacheDirectory) {
  auto model = SegmentedModel::create(graph, params, cacheDirectory);
  if (!model)
    return model.takeError();
  return std::unique_ptr<Predictor>(std::make_unique<PiecewisePredictor>(std::move(*model)));
}

/// Calls body(chunk of tokens, rows of the reference, rows of the other) and then progress with
/// what it returns.
static Result<double>
forChunks(Predictor &reference, Predictor &other, const std::vector<int32_t> &tokens,
          int64_t context, const std::function<void(size_t, size_t, double)> &progress,
          llvm::function_ref<Result<double>(const int32_t *, const float *, const float *)> body) {
  if (other.width() != reference.width())
    return Error::at("comparison", "widths of the results differ",
                     std::to_string(reference.width()), std::to_string(other.width()));
  size_t chunks = tokens.size() / size_t(context),
         atOnce = std::min(reference.atOnce(context), other.atOnce(context));
  double last = 0;
  for (size_t first = 0; first < chunks; first += atOnce) {
    size_t count = std::min(atOnce, chunks - first);
    const int32_t *block = tokens.data() + first * size_t(context);
    for (Predictor *model : {&reference, &other})
      if (Status s = model->begin(block, count, context); !s)
        return s.takeError();
    for (size_t c = 0; c < count; ++c) {
      auto expected = reference.logits(c);
      if (!expected)
        return expected.takeError();
      auto found = other.logits(c);
      if (!found)
        return found.takeError();
      auto done = body(block + c * size_t(context), *expected, *found);
      if (!done)
        return done;
      last = *done;
      if (progress)
        progress(first + c + 1, chunks, last);
    }
  }
  return last;
}

static double secondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Result<Comparison> compare(Predictor &reference, Predictor &other,
                           const std::vector<int32_t> &tokens, int64_t context,
                           const std::function<void(size_t, size_t, double)> &progress) {
  auto start = std::chrono::steady_clock::now();
  Scores scores(context, reference.width());
  auto done = forChunks(
      reference, other, tokens, context, progress,
      [&](const int32_t *chunk, const float *expected, const float *found) -> Result<double> {
        if (Status s = scores.add(chunk, expected, found); !s)
          return s.takeError();
        return scores.meanDivergence();
      });
  if (!done)
    return done.takeError();
  Result<Comparison> result = scores.finish();
  if (result)
    result->seconds = secondsSince(start);
  return result;
}

Result<Comparison> compareHidden(Predictor &reference, Predictor &other,
                                 const std::vector<int32_t> &tokens, int64_t context,
                                 const std::function<void(size_t, size_t, double)> &progress) {
  auto start = std::chrono::steady_clock::now();
  int64_t width = reference.width();
  double change = 0, whole = 0, cosines = 0;
  Comparison result;
  auto done =
      forChunks(reference, other, tokens, context, progress,
                [&](const int32_t *, const float *expected, const float *found) -> Result<double> {
                  for (int64_t t = 0; t < context; ++t, expected += width, found += width) {
                    double aa = 0, bb = 0, ab = 0, dd = 0;
                    for (int64_t i = 0; i < width; ++i) {
                      double a = expected[i], b = found[i];
                      aa += a * a;
                      bb += b * b;
                      ab += a * b;
                      dd += (a - b) * (a - b);
                    }
                    change += dd;
                    whole += aa;
                    cosines += aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : (aa == bb ? 1.0 : 0.0);
                    ++result.tokens;
                  }
                  if (!std::isfinite(change) || !std::isfinite(whole))
                    return Error::at("comparison", "hidden states are not finite");
                  return whole > 0 ? change / whole : 0;
                });
  if (!done)
    return done.takeError();
  if (result.tokens == 0)
    return Error::at("comparison", "no whole chunk");
  result.hidden = {cosines / double(result.tokens), *done};
  result.seconds = secondsSince(start);
  return result;
}

} // namespace fingpt
