// Character sets and normal forms of the reference tokenizers where these
// follow another library, and so another Unicode version, than their regex
// engine.
#ifndef FINGPT_LIB_TOKENIZER_PROPERTIES_H
#define FINGPT_LIB_TOKENIZER_PROPERTIES_H

#include <cstdint>
#include <string>
#include <string_view>

namespace fingpt::tokenizer {

bool isAccent(uint32_t cp);          ///< what StripAccents drops
bool isBertAccent(uint32_t cp);      ///< what BertNormalizer's strip_accents drops
bool isBertPunctuation(uint32_t cp); ///< ASCII symbols and Unicode P
bool isBertRemoved(uint32_t cp);     ///< what clean_text drops
bool isBertCjk(uint32_t cp);         ///< what handle_chinese_chars sets apart
bool isNumeric(uint32_t cp);         ///< what Digits cuts at
bool isRegexWord(uint32_t cp);       ///< \w of patterns
bool isAlphabetic(uint32_t cp);      ///< [:alpha:] of patterns
bool isWord(uint32_t cp);            ///< \w of Whitespace and single_word

/// Full lower case of one character ("İ" gives two).
void appendLower(std::string &out, uint32_t cp);

enum class NormalForm { C, D, KC, KD };
/// Bytes that are not UTF-8 stay as they are.
std::string toNormalForm(std::string_view text, NormalForm form);

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_PROPERTIES_H
