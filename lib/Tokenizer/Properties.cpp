#include "Properties.h"
#include "Unicode.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utf8proc.h>
#include <vector>

namespace fingpt::tokenizer {

namespace {

struct CodeRange {
  uint32_t first, last;
};
struct LowerCase {
  uint32_t cp;
  const char *lower;
};
#include "UnicodeProperties.inc"

template <size_t N> bool contains(const CodeRange (&ranges)[N], uint32_t cp) {
  auto it = std::upper_bound(std::begin(ranges), std::end(ranges), cp,
                             [](uint32_t c, const CodeRange &r) { return c < r.first; });
  return it != std::begin(ranges) && cp <= (it - 1)->last;
}
bool in(uint32_t cp, CategorySet set) { return (categoryOf(cp) & set) != 0; }

constexpr CategorySet kWordCategories =
    kLetter | kMark | bit(Category::Nd) | bit(Category::Nl) | bit(Category::Pc);

} // namespace

bool isAccent(uint32_t cp) {
  return cp >= 0x300 && in(cp, kMark) != contains(kAccentDifference, cp);
}
bool isBertAccent(uint32_t cp) {
  return cp >= 0x300 && in(cp, bit(Category::Mn)) != contains(kBertAccentDifference, cp);
}
bool isBertPunctuation(uint32_t cp) {
  if (cp < 0x80)
    return cp > 32 && cp < 127 && !in(cp, kLetter | kNumber);
  return in(cp, kPunctuation) != contains(kBertPunctuationDifference, cp);
}
bool isBertRemoved(uint32_t cp) {
  return in(cp, kControl | bit(Category::Cf) | bit(Category::Co)) !=
         contains(kBertRemovedDifference, cp);
}
bool isBertCjk(uint32_t cp) { return cp >= 0x3400 && contains(kBertCjk, cp); }
bool isNumeric(uint32_t cp) { return in(cp, kNumber) != contains(kNumericDifference, cp); }
bool isRegexWord(uint32_t cp) {
  return in(cp, kWordCategories) != contains(kRegexWordDifference, cp);
}
bool isAlphabetic(uint32_t cp) {
  return in(cp, kLetter | bit(Category::Nl)) != contains(kAlphabeticDifference, cp);
}
bool isWord(uint32_t cp) { return in(cp, kWordCategories) != contains(kRustWordDifference, cp); }

void appendLower(std::string &out, uint32_t cp) {
  if (cp < 0x80) {
    out += static_cast<char>(cp >= 'A' && cp <= 'Z' ? cp + 32 : cp);
    return;
  }
  const auto *it = std::lower_bound(std::begin(kLowerDifference), std::end(kLowerDifference), cp,
                                    [](const LowerCase &l, uint32_t c) { return l.cp < c; });
  if (it != std::end(kLowerDifference) && it->cp == cp)
    out += it->lower;
  else
    appendUtf8(out, static_cast<uint32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(cp))));
}

namespace {

unsigned combiningClass(utf8proc_int32_t cp) {
  if (cp < 0x300)
    return 0;
  auto ccc = static_cast<unsigned>(utf8proc_get_property(cp)->combining_class);
  return ccc > 1 && !contains(kReordered, static_cast<uint32_t>(cp)) ? 0 : ccc;
}

void decompose(std::vector<utf8proc_int32_t> &out, uint32_t cp, bool compatibility) {
  utf8proc_int32_t buffer[32];
  int boundary = 0;
  utf8proc_ssize_t n = 0;
  if (!contains(kNotDecomposed, cp)) {
    int options = UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0);
    n = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(cp), buffer, 32,
                                static_cast<utf8proc_option_t>(options), &boundary);
  }
  if (n <= 0 || n > 32) {
    out.push_back(static_cast<utf8proc_int32_t>(cp));
    return;
  }
  out.insert(out.end(), buffer, buffer + n);
}

/// Canonical order: runs of marks by class, stably.
void reorder(std::vector<utf8proc_int32_t> &cps) {
  std::vector<std::tuple<unsigned, size_t, utf8proc_int32_t>> marks;
  for (size_t i = 0; i < cps.size();) {
    if (combiningClass(cps[i]) == 0) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < cps.size() && combiningClass(cps[end]) != 0)
      ++end;
    marks.clear();
    for (size_t k = i; k < end; ++k)
      marks.push_back({combiningClass(cps[k]), k, cps[k]});
    std::sort(marks.begin(), marks.end());
    for (const auto &mark : marks)
      cps[i++] = std::get<2>(mark);
  }
}

} // namespace

std::string toNormalForm(std::string_view text, NormalForm form) {
  bool compatibility = form == NormalForm::KC || form == NormalForm::KD;
  bool compose = form == NormalForm::C || form == NormalForm::KC;
  // Nothing below U+0300 changes under C, nor below U+00A0 under any form.
  size_t plain = 0;
  while (plain < text.size()) {
    auto c = static_cast<unsigned char>(text[plain]);
    if (c >= (form == NormalForm::C ? 0xCC : 0x80))
      break;
    ++plain;
  }
  if (plain == text.size())
    return std::string(text);

  std::string out;
  std::vector<utf8proc_int32_t> cps;
  auto flush = [&] {
    reorder(cps);
    auto n = static_cast<utf8proc_ssize_t>(cps.size());
    if (compose)
      n = utf8proc_normalize_utf32(
          cps.data(), n, static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE));
    for (utf8proc_ssize_t i = 0; i < n; ++i)
      appendUtf8(out, static_cast<uint32_t>(cps[static_cast<size_t>(i)]));
    cps.clear();
  };
  for (size_t at = 0; at < text.size();) {
    Decoded d = decodeUtf8(text, at);
    if (d.valid) {
      decompose(cps, d.cp, compatibility);
    } else {
      flush();
      out += text[at];
    }
    at += d.length;
  }
  flush();
  return out;
}

} // namespace fingpt::tokenizer
