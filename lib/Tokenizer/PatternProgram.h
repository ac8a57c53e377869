// A compiled pattern: character sets and instructions for a backtracking
// machine.
//
//   a+b|c   →   0 Split 1 4    1 Loop [a] 1.. greedy    2 Set [b]    3 Jump 5
//               4 Set [c]      5 Match
#ifndef FINGPT_LIB_TOKENIZER_PATTERNPROGRAM_H
#define FINGPT_LIB_TOKENIZER_PATTERNPROGRAM_H

#include "Unicode.h"
#include "fingpt/Support/Result.h"

#include <array>
#include <string>
#include <vector>

namespace fingpt::tokenizer {

/// A set of characters: any of its parts, then perhaps complemented.
struct CharSet {
  bool contains(uint32_t cp) const { return cp < 128 ? ascii[cp] : slow(cp); }
  /// Fills the table of ASCII; call once complete.
  void finish();
  bool slow(uint32_t cp) const;

  CategorySet categories = 0;
  std::vector<std::pair<uint32_t, uint32_t>> ranges;
  bool word = false, notWord = false; ///< \w, \W
  bool alphabetic = false;            ///< [:alpha:]
  bool inClass = false;               ///< inside [ ] the reference's \w lacks ² ³ ¹ ¼ ½ ¾
  std::vector<CharSet> parts;         ///< nested classes, any of them
  std::vector<CharSet> also;          ///< &&: all of these too
  bool negated = false, foldCase = false;
  std::array<bool, 128> ascii{};

private:
  bool exact(uint32_t cp) const;
};

struct Instruction {
  enum Op : uint8_t {
    Set,   ///< one character of set `a`
    Loop,  ///< `min`..`max` characters of set `a`, as `mode` says
    Split, ///< try `a`, then `b`
    Jump,  ///< to `a`
    LineStart,
    LineEnd,
    TextStart,
    TextEnd,
    TextEndOrNewline,
    WordBoundary,
    NotWordBoundary,
    Look, ///< the program at `a` matches here; then on at `b`
    NotLook,
    LookBehind, ///< as Look, begun `min`..`max` characters before
    NotLookBehind,
    Atomic,      ///< the first match of the program at `a`; then on at `b`
    Mark,        ///< remembers the position in register `a`
    BackIfMoved, ///< to `b` unless the position is that of register `a`
    Match
  };
  enum Mode : uint8_t { Greedy, Lazy, Possessive };
  Op op;
  Mode mode = Greedy;
  uint32_t a = 0, b = 0;
  uint32_t min = 0, max = 0;
};
constexpr uint32_t kUnbounded = ~0u;

struct PatternProgram {
  std::vector<CharSet> sets;
  std::vector<Instruction> code;
  uint32_t registers = 0;
};

Result<PatternProgram> compilePattern(std::string_view source, const std::string &where);

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_PATTERNPROGRAM_H
