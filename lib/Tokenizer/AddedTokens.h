// Tokens that are cut out of the text before anything else looks at it.
//
//   "<|im_start|>user" with the token <|im_start|>  →  [<|im_start|>] "user"
//
// The leftmost match wins, the longest among those that begin there. Tokens
// with `normalized` are sought in the text after normalization instead, by
// their normalized spelling.
#ifndef FINGPT_LIB_TOKENIZER_ADDEDTOKENS_H
#define FINGPT_LIB_TOKENIZER_ADDEDTOKENS_H

#include "FunctionRef.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fingpt::tokenizer {

/// The search costs text times this at worst, so it is bounded.
constexpr size_t kMaxAddedTokenBytes = 512;

struct AddedToken {
  int32_t id = -1;
  std::string content;
  bool special = false;
  bool normalized = false;
  bool singleWord = false; ///< only between characters that are not \w
  bool stripLeft = false,
       stripRight = false; ///< takes the white space beside it
};

/// Byte ranges of the text in which special tokens are not recognised, in
/// order.
using LiteralRanges = std::vector<std::pair<size_t, size_t>>;

class AddedTokenSet {
public:
  /// `spelling` is what to seek: the content, or its normalized form. Of two
  /// tokens with one spelling the first stays.
  void add(const AddedToken &token, std::string_view spelling);
  bool empty() const { return tokens.empty(); }

  /// Cuts `text`: `part(id, piece)` in order, with id -1 for text between.
  void split(std::string_view text, bool parseSpecial, const LiteralRanges &literal,
             FunctionRef<void(int32_t, std::string_view)> part) const;

private:
  struct Node {
    std::vector<std::pair<unsigned char, uint32_t>> children; // sorted
    int32_t token = -1;
  };
  /// Index of the longest token at `at`, -1 if none.
  int32_t longest(std::string_view text, size_t at) const;

  std::vector<AddedToken> tokens;
  std::vector<size_t> lengths; ///< of the spellings
  std::vector<Node> nodes{1};
  std::array<bool, 256> firstBytes{};
};

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_ADDEDTOKENS_H
