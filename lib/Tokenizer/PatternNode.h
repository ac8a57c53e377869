// Between the parser of patterns and the emitter of their instructions: a tree.
//
//   a+b|c   →   Choice(Sequence(Repeat 1..(Set [a]), Set [b]), Sequence(Set
//   [c]))
#ifndef FINGPT_LIB_TOKENIZER_PATTERNNODE_H
#define FINGPT_LIB_TOKENIZER_PATTERNNODE_H

#include "PatternProgram.h"

namespace fingpt::tokenizer {

/// A pattern as parsed. What repetition means is written out by the emitter.
struct PatternNode {
  enum Kind { Empty, Set, Sequence, Choice, Repeat, Look, Behind, Atomic, Assert } kind;
  uint32_t set = 0;
  std::vector<PatternNode> children = {};
  uint32_t min = 1, max = 1; // Repeat
  Instruction::Mode mode = Instruction::Greedy;
  bool negated = false;                             // Look, Behind
  Instruction::Op assertion = Instruction::TextEnd; // Assert
};

/// Parses `source`; the character sets of its nodes go to `sets`. Errors begin
/// with `where` and name the place in the pattern.
Result<PatternNode> parsePattern(std::string_view source, const std::string &where,
                                 std::vector<CharSet> &sets);

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_PATTERNNODE_H
