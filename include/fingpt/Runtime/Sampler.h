// Picks the next token from logits.
//
// Order of operations (as transformers): repetition penalty → temperature →
// top-k → top-p → min-p → multinomial. temperature 0 is greedy: the largest
// logit, the lowest id on ties; nothing else applies except the penalty.
// Ties at the edge of top-k and top-p go to the lower id; min-p is relative to
// the largest probability; each filter keeps at least one token. Randomness is
// a counter-based generator keyed by (seed, step): the same seed gives the same
// text on every machine that computes the same logits.
#ifndef FINGPT_RUNTIME_SAMPLER_H
#define FINGPT_RUNTIME_SAMPLER_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fingpt {

struct SamplingOptions {
  float temperature = 0.0f;
  int32_t topK = 0;               ///< 0: off
  float topP = 1.0f;              ///< nucleus: smallest set with mass ≥ topP
  float minP = 0.0f;              ///< drop p < minP · max p
  float repetitionPenalty = 1.0f; ///< logit>0 → /penalty, <0 → ·penalty, for seen tokens
  uint64_t seed = 0;
};

class Sampler {
public:
  explicit Sampler(SamplingOptions options) : options(options) {}
  /// Marks tokens of the prompt as seen (for the repetition penalty).
  void see(const std::vector<int32_t> &tokens);
  /// The next token; it counts as seen. Non-finite logits other than -inf, and
  /// logits that leave no token (none, or all -inf): -1. A logit of -inf is
  /// never drawn.
  int32_t sample(const float *logits, size_t vocabSize);

private:
  struct Weighted {
    double weight;
    int32_t token;
  };
  int32_t draw(float largest);
  void keepNucleus(double sum);

  SamplingOptions options;
  uint64_t step = 0;
  std::vector<bool> seen;
  std::vector<float> scratch;   ///< Logits after the penalty.
  std::vector<int32_t> order;   ///< Candidates, ascending.
  std::vector<double> weights;  ///< Of the candidates: p / max p.
  std::vector<Weighted> ranked; ///< For top-p.
};

} // namespace fingpt

#endif // FINGPT_RUNTIME_SAMPLER_H
