// The pre-tokenizers of tokenizer.json.
#ifndef FINGPT_LIB_TOKENIZER_PRETOKENIZERS_H
#define FINGPT_LIB_TOKENIZER_PRETOKENIZERS_H

#include "Pattern.h"
#include "Stages.h"

namespace fingpt::tokenizer {

/// What becomes of a match: "a-b" split at "-" is
///   Removed [a][b]  Isolated [a][-][b]  MergedWithPrevious [a-][b]
///   MergedWithNext [a][-b]  Contiguous: Isolated, but one piece for "--"
enum class SplitBehavior { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous };

std::unique_ptr<PreTokenizer> splitPreTokenizer(Pattern pattern, SplitBehavior behavior,
                                                bool invert);
/// Splits at the characters of a class.
std::unique_ptr<PreTokenizer> classPreTokenizer(bool (*inClass)(uint32_t), SplitBehavior behavior);
/// [\w]+ and [^\w\s]+
std::unique_ptr<PreTokenizer> whitespacePreTokenizer();
/// `mapBytes`: the pieces come out in the byte alphabet.
std::unique_ptr<PreTokenizer> byteLevelPreTokenizer(bool addPrefixSpace, bool useRegex,
                                                    bool mapBytes);
enum class PrependScheme { Always, First, Never };
std::unique_ptr<PreTokenizer> metaspacePreTokenizer(std::string replacement, PrependScheme scheme,
                                                    bool split);

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_PRETOKENIZERS_H
