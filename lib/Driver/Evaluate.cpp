#include "fingpt/Driver/Evaluate.h"

#include "fingpt/Runtime/ThreadPool.h"

#include <chrono>
#include <cmath>

namespace fingpt {

/// −log softmax(row)[target], in double.
template <typename T>
static double negativeLogLikelihood(const T *row, int64_t width, int64_t target) {
  double max = row[0];
  for (int64_t i = 1; i < width; ++i)
    max = std::max(max, double(row[i]));
  double sum = 0;
  for (int64_t i = 0; i < width; ++i)
    sum += std::exp(double(row[i]) - max);
  return std::log(sum) + max - double(row[target]);
}

Status checkContext(const Model &model, int64_t context) {
  if (context < 4 || (model.contextLength() > 0 && context > model.contextLength()))
    return Error::at("--context", "out of range", "4.." + std::to_string(model.contextLength()),
                     std::to_string(context));
  return Status::ok();
}

Result<Evaluation> evaluatePerplexity(Model &model, const JITModel &code, std::string_view text,
                                      const EvaluateOptions &options) {
  const std::string &source = model.imported().source;
  if (!model.isDecoder())
    return Error::at(escaped(source, 1000), "has no next-token logits: perplexity is defined for "
                                            "causal language models, this is " +
                                                quote(model.architecture()));
  Result<const Tokenizer *> tokenizer = model.tokenizer();
  if (!tokenizer)
    return tokenizer.takeError();
  if (!text.empty() && text.back() == '\n')
    text.remove_suffix(1);
  Result<std::vector<int32_t>> encoded =
      (*tokenizer)->encode(text, {/*addSpecial=*/false, /*parseSpecial=*/false});
  if (!encoded)
    return encoded.takeError();
  std::vector<int32_t> &tokens = *encoded;

  int64_t context = options.context;
  if (Status s = checkContext(model, context); !s)
    return s.takeError();
  size_t chunks = tokens.size() / size_t(context);
  if (options.chunks > 0 && chunks > size_t(options.chunks))
    chunks = size_t(options.chunks);
  if (chunks == 0)
    return Error::at("--text", "text too short", "at least " + std::to_string(context) + " tokens",
                     std::to_string(tokens.size()));
  if (options.chunks > 0 && chunks < size_t(options.chunks))
    return Error::at("--chunks", "text too short",
                     "at least " + std::to_string(options.chunks * context) + " tokens",
                     std::to_string(tokens.size()));
  if (Status s = code.checkTokens(tokens, escaped(source, 1000)); !s)
    return s.takeError();

  auto start = std::chrono::steady_clock::now();
  int64_t width = code.outputWidth();
  size_t bytes = code.elementBytes();
  std::vector<uint8_t> logits(size_t(context) * size_t(width) * bytes);
  std::vector<double> nll(size_t(context), 0.0);
  Evaluation result;
  double total = 0, totalSquares = 0;
  for (size_t c = 0; c < chunks; ++c) {
    std::vector<int32_t> chunk(tokens.begin() + long(c * size_t(context)),
                               tokens.begin() + long((c + 1) * size_t(context)));
    const SpecialTokens &special = (*tokenizer)->special();
    if (special.addBos && special.bos)
      chunk[0] = *special.bos;
    if (Status s = code.call("forward", {TensorRef{chunk.data(), {1, context}},
                                         TensorRef{logits.data(), {1, context, width}}});
        !s)
      return s.takeError();
    int64_t first = context / 2, scored = context - 1 - first;
    ThreadPool::global().parallelFor(size_t(scored), [&](size_t begin, size_t end) {
      for (size_t i = begin; i < end; ++i) {
        size_t at = size_t(first) + i;
        int64_t target = chunk[at + 1];
        const uint8_t *row = logits.data() + at * size_t(width) * bytes;
        nll[i] = bytes == 8
                     ? negativeLogLikelihood(reinterpret_cast<const double *>(row), width, target)
                     : negativeLogLikelihood(reinterpret_cast<const float *>(row), width, target);
      }
    });
    double sum = 0;
    for (int64_t i = 0; i < scored; ++i) {
      sum += nll[size_t(i)];
      totalSquares += nll[size_t(i)] * nll[size_t(i)];
    }
    if (!std::isfinite(sum))
      return Error::at(escaped(source, 1000),
                       "logits are not finite in chunk " + std::to_string(c));
    total += sum;
    result.tokens += scored;
    result.nllPerChunk.push_back(sum / double(scored));
    result.perplexity = std::exp(total / double(result.tokens));
    if (options.progress)
      options.progress(c + 1, chunks, result.perplexity);
  }
  double mean = total / double(result.tokens);
  double variance = totalSquares / double(result.tokens) - mean * mean;
  result.standardError =
      result.perplexity * std::sqrt(std::max(0.0, variance) / double(result.tokens));
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

} // namespace fingpt
