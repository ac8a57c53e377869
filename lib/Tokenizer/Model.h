// The last step of encoding: one pre-token to ids.
#ifndef FINGPT_LIB_TOKENIZER_MODEL_H
#define FINGPT_LIB_TOKENIZER_MODEL_H

#include "fingpt/Support/Result.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace fingpt::tokenizer {

class Model {
public:
  virtual ~Model() = default;
  /// Appends the ids of `piece`, which is not empty. False if it holds a
  /// character outside the vocabulary and the model has no unknown token.
  virtual bool encode(std::string_view piece, std::vector<int32_t> &ids) const = 0;
  /// Whether pre-tokens are words that come again, so that a cache pays.
  virtual bool cacheable() const { return true; }
};

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_MODEL_H
