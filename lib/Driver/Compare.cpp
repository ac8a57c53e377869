#include "fingpt/Driver/Compare.h"
#include "fingpt/Driver/Calibrate.h"

#include "fingpt/Runtime/ThreadPool.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace fingpt {

Result<std::vector<int32_t>> evaluationTokens(Model &model, std::string_view text, int64_t context,
                                              int64_t chunks) {
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

static Error otherVocabulary(int64_t reference, int64_t other) {
  return Error::at("comparison", "vocabularies differ", std::to_string(reference) + " logits",
                   std::to_string(other));
}

using Seconds = std::chrono::duration<double>;

Result<Comparison> compareOnTokens(const JITModel &reference, const JITModel &code,
                                   const std::vector<int32_t> &tokens, int64_t context,
                                   const std::function<void(size_t, size_t, double)> &progress) {
  auto start = std::chrono::steady_clock::now();
  int64_t width = reference.outputWidth();
  if (code.outputWidth() != width)
    return otherVocabulary(width, code.outputWidth());
  if (reference.elementBytes() != 4 || code.elementBytes() != 4)
    return Error::at("comparison", "precision", "f32", "another");
  for (const JITModel *model : {&reference, &code})
    if (Status s = model->checkTokens(tokens, "comparison"); !s)
      return s.takeError();
  size_t chunks = tokens.size() / size_t(context);
  std::vector<float> first(size_t(context * width)), second(first.size());
  Scores scores(context, width);
  for (size_t c = 0; c < chunks; ++c) {
    std::vector<int32_t> chunk(tokens.begin() + long(c * size_t(context)),
                               tokens.begin() + long((c + 1) * size_t(context)));
    for (auto [model, logits] : {std::pair{&reference, &first}, std::pair{&code, &second}})
      if (Status s = model->call("forward", {TensorRef{chunk.data(), {1, context}},
                                             TensorRef{logits->data(), {1, context, width}}});
          !s)
        return s.takeError();
    if (Status s = scores.add(chunk.data(), first.data(), second.data()); !s)
      return s.takeError();
    if (progress)
      progress(c + 1, chunks, scores.meanDivergence());
  }
  Result<Comparison> result = scores.finish();
  if (result)
    result->seconds = Seconds(std::chrono::steady_clock::now() - start).count();
  return result;
}

//===----------------------------------------------------------------------===//
// Piece by piece
//===----------------------------------------------------------------------===//

namespace {

/// A model whose chunks have come to its last piece.
struct BeforeHead {
  std::unique_ptr<SegmentedModel> model;
  std::vector<SegmentSample> samples;
  SegmentWeights head;

  size_t last() const { return model->size() - 1; }
  int64_t width() const { return model->segment(last()).width; }
  /// The sample's hidden state becomes logits.
  Status finish(size_t chunk) {
    return model->run(last(), SegmentedModel::Run::Advance, head, samples[chunk]);
  }
};

} // namespace

static Result<BeforeHead> runToHead(mlir::ModuleOp graph, const std::shared_ptr<ParamStore> &params,
                                    const std::string &cacheDirectory,
                                    const std::vector<int32_t> &tokens, int64_t context) {
  BeforeHead run;
  auto made = SegmentedModel::create(graph, params, cacheDirectory);
  if (!made)
    return made.takeError();
  run.model = std::move(*made);
  for (size_t at = 0; at + size_t(context) <= tokens.size(); at += size_t(context)) {
    SegmentSample sample;
    sample.length = context;
    sample.tokens.assign(tokens.begin() + long(at), tokens.begin() + long(at) + context);
    run.samples.push_back(std::move(sample));
  }
  for (size_t i = 0; i < run.last(); ++i) {
    Result<SegmentWeights> weights = run.model->load(i);
    if (!weights)
      return weights.takeError();
    if (Status s = advance(*run.model, i, *weights, run.samples); !s)
      return s.takeError();
  }
  Result<SegmentWeights> head = run.model->load(run.last());
  if (!head)
    return head.takeError();
  run.head = std::move(*head);
  return run;
}

Result<Comparison> comparePiecewise(mlir::ModuleOp reference, mlir::ModuleOp graph,
                                    const std::shared_ptr<ParamStore> &params,
                                    const std::string &cacheDirectory,
                                    const std::vector<int32_t> &tokens, int64_t context,
                                    const std::function<void(size_t, size_t, double)> &progress) {
  auto start = std::chrono::steady_clock::now();
  auto first = runToHead(reference, params, cacheDirectory, tokens, context);
  if (!first)
    return first.takeError();
  auto second = runToHead(graph, params, cacheDirectory, tokens, context);
  if (!second)
    return second.takeError();
  if (first->width() != second->width())
    return otherVocabulary(first->width(), second->width());
  Scores scores(context, first->width());
  size_t chunks = first->samples.size();
  for (size_t c = 0; c < chunks; ++c) {
    for (BeforeHead *run : {&*first, &*second})
      if (Status s = run->finish(c); !s)
        return s.takeError();
    if (Status s = scores.add(first->samples[c].tokens.data(), first->samples[c].hidden.data(),
                              second->samples[c].hidden.data());
        !s)
      return s.takeError();
    for (BeforeHead *run : {&*first, &*second})
      run->samples[c] = {};
    if (progress)
      progress(c + 1, chunks, scores.meanDivergence());
  }
  Result<Comparison> result = scores.finish();
  if (result)
    result->seconds = Seconds(std::chrono::steady_clock::now() - start).count();
  return result;
}

} // namespace fingpt
