// Characters: UTF-8 in and out, and general categories in the Unicode version
// of the reference tokenizers.
//
//   decodeUtf8("é!", 0) == {0xE9, 2, true};  isLetter(0xE9);  !isSpace('!')
//
// A byte that starts no valid sequence decodes as U+FFFD of length 1 with
// `valid` false, so that a scanner always advances and can still copy the byte.
#ifndef FINGPT_LIB_TOKENIZER_UNICODE_H
#define FINGPT_LIB_TOKENIZER_UNICODE_H

#include <cstdint>
#include <string>
#include <string_view>

namespace fingpt::tokenizer {

enum class Category : uint8_t {
  Cn,
  Lu,
  Ll,
  Lt,
  Lm,
  Lo,
  Mn,
  Mc,
  Me,
  Nd,
  Nl,
  No,
  Pc,
  Pd,
  Ps,
  Pe,
  Pi,
  Pf,
  Po,
  Sm,
  Sc,
  Sk,
  So,
  Zs,
  Zl,
  Zp,
  Cc,
  Cf,
  Co,
  SpaceControl ///< of Cc: TAB..CR and U+0085, which \s counts as space
};

/// A set of categories, one bit each.
using CategorySet = uint32_t;
constexpr CategorySet bit(Category c) { return 1u << static_cast<unsigned>(c); }
constexpr CategorySet kUpper = bit(Category::Lu), kLower = bit(Category::Ll);
constexpr CategorySet kLetter =
    kUpper | kLower | bit(Category::Lt) | bit(Category::Lm) | bit(Category::Lo);
constexpr CategorySet kMark = bit(Category::Mn) | bit(Category::Mc) | bit(Category::Me);
constexpr CategorySet kNumber = bit(Category::Nd) | bit(Category::Nl) | bit(Category::No);
constexpr CategorySet kPunctuation = bit(Category::Pc) | bit(Category::Pd) | bit(Category::Ps) |
                                     bit(Category::Pe) | bit(Category::Pi) | bit(Category::Pf) |
                                     bit(Category::Po);
constexpr CategorySet kSymbol =
    bit(Category::Sm) | bit(Category::Sc) | bit(Category::Sk) | bit(Category::So);
constexpr CategorySet kSeparator = bit(Category::Zs) | bit(Category::Zl) | bit(Category::Zp);
constexpr CategorySet kSpace = kSeparator | bit(Category::SpaceControl);
constexpr CategorySet kControl = bit(Category::Cc) | bit(Category::SpaceControl);
constexpr CategorySet kOther = kControl | bit(Category::Cf) | bit(Category::Co) | bit(Category::Cn);

/// The category of `cp` as a set of one; above U+10FFFF and surrogates: Cn.
CategorySet categoryOf(uint32_t cp);
inline bool isLetter(uint32_t cp) { return categoryOf(cp) & kLetter; }
inline bool isNumber(uint32_t cp) { return categoryOf(cp) & kNumber; }
inline bool isSpace(uint32_t cp) { return categoryOf(cp) & kSpace; }

struct Decoded {
  uint32_t cp;
  uint32_t length;
  bool valid;
};
Decoded decodeUtf8Slow(std::string_view text, size_t at);
/// The character at `at` (which must be inside `text`).
inline Decoded decodeUtf8(std::string_view text, size_t at) {
  auto c = static_cast<unsigned char>(text[at]);
  if (c < 0x80)
    return {c, 1, true};
  return decodeUtf8Slow(text, at);
}
void appendUtf8(std::string &out, uint32_t cp);
inline std::string utf8(uint32_t cp) {
  std::string s;
  appendUtf8(s, cp);
  return s;
}
bool isValidUtf8(std::string_view text);
/// Where the character that ends just before `at` begins.
size_t previousChar(std::string_view text, size_t at);

/// Appends `bytes` with every maximal ill-formed part replaced by U+FFFD.
/// With `final` false an unfinished character at the end is left alone; returns
/// the number of bytes consumed.
size_t appendLossy(std::string &out, std::string_view bytes, bool final);

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_UNICODE_H
