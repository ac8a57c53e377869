// Pre-tokenizer patterns that models are known by, as hand-written matchers.
//
// Byte-level BPE never merges across the pieces of a pattern, so the pattern is
// part of the model. GPT-2's,
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// cuts "I'm  42!" into [I]['m][ ][ 42][!]. A scanner makes the same cuts in one
// pass, whatever the text. Several scanners run in sequence, each splitting the
// pieces that the one before left; a stretch that no alternative matches is a
// piece too.
#ifndef FINGPT_LIB_TOKENIZER_SCANNER_H
#define FINGPT_LIB_TOKENIZER_SCANNER_H

#include "FunctionRef.h"

#include <optional>
#include <string_view>
#include <vector>

namespace fingpt::tokenizer {

struct Scanner {
  enum Kind {
    Gpt2,        ///< the pattern above
    Llama3,      ///< (?i:'s|…)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}|
                 ///< ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
    Tekken,      ///< Llama3 whose words are [upper]*[lower]+ or [upper]+[lower]*
    Numbers,     ///< \p{N}{1,n}
    AsciiDigits, ///< [0-9][0-9][0-9]
    Punctuation, ///< [\p{P}\$\+<=>\^~\|]+
    Newlines     ///< [^\n]+|[\n]+
  };
  Kind kind;
  /// Longest run of \p{N} in one piece; 0 is without bound.
  unsigned digits = 0;
  /// Combining marks count as letters (qwen35).
  bool marks = false;
  /// Tekken: a contraction stays with its word (gpt-4o).
  bool contractionInWord = false;
  /// (?i:'s) takes "'ſ" as well, as full case folding does.
  bool longS = false;

  /// Hands on the pieces of `text`, which together are `text`.
  void split(std::string_view text, FunctionRef<void(std::string_view)> piece) const;
};

/// The scanners of a GGUF `tokenizer.ggml.pre`, or null if the name is unknown.
struct Pretokenizer {
  std::vector<Scanner> scanners;
  bool ignoreMerges = false; ///< a piece found in the vocabulary is taken whole
  bool addBos = false;       ///< unless tokenizer.ggml.add_bos_token says otherwise
  bool addSep = false;
};
const Pretokenizer *findPretokenizer(std::string_view pre);

/// The scanner that does the same as a regular expression of tokenizer.json.
std::optional<Scanner> scannerForPattern(std::string_view pattern);

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_SCANNER_H
