#include "fingpt/Driver/SelfText.h"

#include "fingpt/Runtime/Sampler.h"
#include "fingpt/Runtime/ThreadPool.h"

namespace fingpt {

/// Sequences that are decoded together: enough rows for the matrix kernels.
constexpr int64_t kBatch = 32;

Result<std::vector<std::vector<int32_t>>>
sampleSequences(Model &model, const JITModel &code, int64_t sequences, int64_t length,
                uint64_t seed, const std::function<void(int64_t, int64_t)> &progress) {
  Result<const Tokenizer *> tokenizer = model.tokenizer();
  if (!tokenizer)
    return tokenizer.takeError();
  const SpecialTokens &special = (*tokenizer)->special();
  int32_t first = special.bos ? *special.bos : special.eos ? *special.eos : 0;
  int64_t width = code.outputWidth(), vocabulary = code.inputVocabulary();
  if (!code.has("decode") || code.elementBytes() != 4 || first >= vocabulary)
    return Error::at("sampling",
                     "needs a compiled f32 decoder whose vocabulary has the first token");
  std::vector<std::vector<int32_t>> out;
  for (int64_t begin = 0; begin < sequences; begin += kBatch) {
    int64_t batch = std::min(kBatch, sequences - begin);
    std::vector<uint8_t> cache(code.cacheBytes(batch, length));
    std::vector<float> logits(size_t(batch * width));
    std::vector<int32_t> tokens(size_t(batch), first);
    std::vector<int32_t> positions(tokens.size());
    std::vector<Sampler> samplers;
    for (int64_t b = 0; b < batch; ++b) {
      SamplingOptions options;
      options.temperature = 1;
      options.topK = 0;
      options.topP = 0.95f;
      options.seed = seed * 1000003 + uint64_t(begin + b);
      samplers.emplace_back(options);
      out.push_back({first});
    }
    for (int64_t t = 0; t + 1 < length; ++t) {
      std::fill(positions.begin(), positions.end(), int32_t(t));
      Status s = code.call(
          "decode",
          {TensorRef{tokens.data(), {batch, 1}}, TensorRef{positions.data(), {batch, 1}},
           TensorRef{cache.data(), {code.cacheLayers(), 2, batch, length, code.cacheWidth()}},
           TensorRef{logits.data(), {batch, 1, width}}});
      if (!s)
        return s.takeError();
      // Each sequence has a generator of its own: threads do not change the text.
      ThreadPool::global().parallelFor(size_t(batch), [&](size_t from, size_t to) {
        for (size_t b = from; b < to; ++b) {
          int32_t next = samplers[b].sample(logits.data() + b * size_t(width), size_t(width));
          // Logits beyond the embedding are padding; -1 is none at all.
          tokens[b] = next >= 0 && next < vocabulary ? next : first;
          out[size_t(begin) + b].push_back(tokens[b]);
        }
      });
      if (progress)
        progress(begin * length + (t + 2) * batch, sequences * length);
    }
  }
  return out;
}

} // namespace fingpt
