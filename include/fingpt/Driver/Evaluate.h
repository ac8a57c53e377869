// Perplexity of a model on a text.
//
// Protocol: the text is tokenized whole (one trailing newline removed, no
// special tokens). Chunk c is tokens [C·c, C·c + C) from an empty context; if
// the model's tokenizer adds a BOS, it takes the place of each chunk's first
// token. Logits at positions C/2 .. C−2 score the tokens after them: C/2 − 1 per
// chunk. Perplexity = exp(total NLL / scored tokens). The same figures as
// llama.cpp's perplexity tool with context C and batch C.
#ifndef FINGPT_DRIVER_EVALUATE_H
#define FINGPT_DRIVER_EVALUATE_H

#include "fingpt/Driver/Model.h"

#include <functional>
#include <string_view>
#include <vector>

namespace fingpt {

struct EvaluateOptions {
  int64_t context = 512;
  int64_t chunks = 0; ///< 0: all
  /// After each chunk: chunks done, of how many, perplexity so far.
  std::function<void(size_t, size_t, double)> progress;
};

struct Evaluation {
  double perplexity = 0;
  double standardError = 0;        ///< of the perplexity
  int64_t tokens = 0;              ///< scored
  std::vector<double> nllPerChunk; ///< mean per scored token
  double seconds = 0;
};

/// Chunks of `context` tokens can be scored, and the model has positions for them.
Status checkContext(const Model &model, int64_t context);

/// `code` must have @forward.
Result<Evaluation> evaluatePerplexity(Model &model, const JITModel &code, std::string_view text,
                                      const EvaluateOptions &options);

} // namespace fingpt

#endif // FINGPT_DRIVER_EVALUATE_H
