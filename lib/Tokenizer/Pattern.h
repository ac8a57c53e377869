// Regular expressions of tokenizer.json that no scanner knows.
//
// A backtracking matcher with the semantics of the reference's engine
// (Oniguruma, its own syntax: ^ and $ are line ends, {n}+ repeats a group), on
// our Unicode tables, with every step counted: a nested quantifier such as
// (a+)+$ runs into the limit instead of taking forever. Supported: literals,
// classes, \p{…}, groups, alternation, greedy, lazy and possessive quantifiers,
// look-around, anchors, (?i). Anything else is refused by name when the pattern
// is compiled.
#ifndef FINGPT_LIB_TOKENIZER_PATTERN_H
#define FINGPT_LIB_TOKENIZER_PATTERN_H

#include "FunctionRef.h"
#include "fingpt/Support/Result.h"

#include <memory>
#include <string>
#include <string_view>

namespace fingpt::tokenizer {

struct PatternProgram;

class Pattern {
public:
  /// Errors begin with `where`.
  static Result<Pattern> compile(std::string_view source, const std::string &where);
  /// A pattern that matches exactly `text`.
  static Pattern literal(std::string text);

  /// Calls `section(begin, end, isMatch)` for all of `text` in order. Fails if
  /// the work exceeds a limit proportional to the text.
  Status forEach(std::string_view text, FunctionRef<void(size_t, size_t, bool)> section) const;

private:
  std::string text; ///< of a literal
  std::string source;
  std::shared_ptr<const PatternProgram> program;
};

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_PATTERN_H
