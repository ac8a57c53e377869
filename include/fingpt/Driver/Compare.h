// How far a compressed model's predictions, or an encoder's hidden states, are from the original's.
//
// Both see the same chunks (protocol of Evaluate.h); at every scored position, with p the
// distribution of the reference and q the other's, KL = Σ p·ln(p/q) in nats.
#ifndef FINGPT_DRIVER_COMPARE_H
#define FINGPT_DRIVER_COMPARE_H

#include "fingpt/Driver/Evaluate.h"
#include "fingpt/Driver/Segments.h"

#include <optional>

namespace fingpt {

struct Comparison {
  double referencePerplexity = 0, perplexity = 0;
  double klMean = 0, klP99 = 0; ///< nats
  double sameTop = 0;           ///< share of positions with the same most likely token
  /// Of an encoder in place of all that: the last hidden states.
  struct Hidden {
    double cosine = 0;         ///< mean over positions
    double relativeChange = 0; ///< Σ|a − b|² / Σ|a|²
  };
  std::optional<Hidden> hidden;
  int64_t tokens = 0;
  double seconds = 0;
};

/// Its figures under the names of a report; NaN is null.
Json figuresJson(const Comparison &comparison);

/// A model that is asked for logits, chunk by chunk.
class Predictor {
public:
  virtual ~Predictor() = default;
  virtual int64_t width() const = 0; ///< of a row of logits
  /// Chunks of `context` tokens that begin() takes at most.
  virtual size_t atOnce(int64_t context) const = 0;
  /// Prepares for chunks [chunks·context], which replace those before.
  virtual Status begin(const int32_t *tokens, size_t chunks, int64_t context) = 0;
  /// Logits [context, width] of one of them, valid until the next call. Each chunk once.
  virtual Result<const float *> logits(size_t chunk) = 0;
};

/// Compiled f32 code with @forward, which must outlive the result; memory: its weights, the logits
/// of a chunk.
Result<std::unique_ptr<Predictor>> wholePredictor(const JITModel &code);

/// A graph over `params`, run piece by piece (Segments.h): memory holds the weights of one piece
/// and of the head, hidden states of at most 256 MiB or one chunk, and the logits of a chunk.
Result<std::unique_ptr<Predictor>> piecewisePredictor(mlir::ModuleOp graph,
                                                      const std::shared_ptr<ParamStore> &params,
                                                      const std::string &cacheDirectory);

/// Chunks of `tokens` [chunks·context]: `other` against `reference`, which must agree in their
/// vocabulary. `progress`: chunks done, of how many, KL so far.
Result<Comparison> compare(Predictor &reference, Predictor &other,
                           const std::vector<int32_t> &tokens, int64_t context,
                           const std::function<void(size_t, size_t, double)> &progress);

/// The same of models without a head, whose logits are hidden states: at all positions. `progress`
/// gets the relative change.
Result<Comparison> compareHidden(Predictor &reference, Predictor &other,
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
