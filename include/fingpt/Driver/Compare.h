// How far a compressed model's predictions are from the original's.
//
// Both see the same chunks (protocol of Evaluate.h); at every scored position, with p the
// distribution of the reference and q the other's, KL = Σ p·ln(p/q) in nats.
#ifndef FINGPT_DRIVER_COMPARE_H
#define FINGPT_DRIVER_COMPARE_H

#include "fingpt/Driver/Evaluate.h"
#include "fingpt/Driver/Segments.h"

namespace fingpt {

struct Comparison {
  double referencePerplexity = 0, perplexity = 0;
  double klMean = 0, klP99 = 0; ///< nats
  double sameTop = 0;           ///< share of positions with the same most likely token
  int64_t tokens = 0;
  double seconds = 0;
};

/// Chunks of `tokens` [chunks·context]: `code` against `reference`, which must agree in their
/// vocabulary. Memory: two chunks of logits. `progress`: chunks done, of how many, KL so far.
Result<Comparison> compareOnTokens(const JITModel &reference, const JITModel &code,
                                   const std::vector<int32_t> &tokens, int64_t context,
                                   const std::function<void(size_t, size_t, double)> &progress);

/// The same of two graphs over `params`, run piece by piece (Segments.h): memory holds the weights
/// of one piece, the heads of both, and the hidden states of all chunks.
Result<Comparison> comparePiecewise(mlir::ModuleOp reference, mlir::ModuleOp graph,
                                    const std::shared_ptr<ParamStore> &params,
                                    const std::string &cacheDirectory,
                                    const std::vector<int32_t> &tokens, int64_t context,
                                    const std::function<void(size_t, size_t, double)> &progress);

/// Mean KL over rows of logits [rows, width].
double meanDivergence(const float *reference, const float *other, int64_t rows, int64_t width);

/// Tokens of a text as the protocol of Evaluate.h cuts it; whole chunks, at most `chunks` of them
/// if that is positive.
Result<std::vector<int32_t>> evaluationTokens(Model &model, std::string_view text, int64_t context,
                                              int64_t chunks);

} // namespace fingpt

#endif // FINGPT_DRIVER_COMPARE_H
