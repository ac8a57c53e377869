#include "Unicode.h"

#include <memory>

namespace fingpt::tokenizer {

namespace {
struct Range {
  uint32_t first;
  Category category;
};
constexpr Range kRanges[] = {
#include "UnicodeTables.inc"
};

constexpr uint32_t kLimit = 0x110000;

/// The ranges spread out to one byte per code point (1.1 MB, on first use):
/// text stays in few scripts, so the touched part lives in the nearest cache.
struct CategoryTable {
  std::unique_ptr<uint8_t[]> category{new uint8_t[kLimit]};
  CategoryTable() {
    size_t n = std::size(kRanges);
    for (size_t i = 0; i < n; ++i)
      for (uint32_t c = kRanges[i].first, e = i + 1 < n ? kRanges[i + 1].first : kLimit; c < e; ++c)
        category[c] = static_cast<uint8_t>(kRanges[i].category);
  }
};
} // namespace

CategorySet categoryOf(uint32_t cp) {
  static const CategoryTable table;
  return cp < kLimit ? 1u << table.category[cp] : bit(Category::Cn);
}

/// Length of the longest prefix of a well-formed character at `at`; `complete`
/// says whether that is a whole one (Unicode 16, table 3-7).
static uint32_t wellFormedPrefix(std::string_view text, size_t at, bool &complete) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  unsigned char lead = byte(0);
  complete = false;
  if (lead < 0x80) {
    complete = true;
    return 1;
  }
  if (lead < 0xC2 || lead > 0xF4)
    return 0;
  uint32_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  unsigned char low = 0x80, high = 0xBF;
  if (lead == 0xE0)
    low = 0xA0;
  else if (lead == 0xED)
    high = 0x9F;
  else if (lead == 0xF0)
    low = 0x90;
  else if (lead == 0xF4)
    high = 0x8F;
  uint32_t i = 1;
  for (; i < length && at + i < text.size(); ++i) {
    if (byte(i) < low || byte(i) > high)
      return i;
    low = 0x80, high = 0xBF;
  }
  complete = i == length;
  return i;
}

Decoded decodeUtf8Slow(std::string_view text, size_t at) {
  bool complete;
  uint32_t length = wellFormedPrefix(text, at, complete);
  if (!complete)
    return {0xFFFD, 1, false};
  auto byte = [&](size_t i) -> uint32_t { return static_cast<unsigned char>(text[at + i]); };
  uint32_t cp = length == 1   ? byte(0)
                : length == 2 ? (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F)
                : length == 3 ? (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F)
                              : (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 |
                                    (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
  return {cp, length, true};
}

void appendUtf8(std::string &out, uint32_t cp) {
  if (cp >= kLimit || (cp >= 0xD800 && cp < 0xE000))
    cp = 0xFFFD;
  auto put = [&](uint32_t b) { out += static_cast<char>(static_cast<unsigned char>(b)); };
  if (cp < 0x80) {
    put(cp);
  } else if (cp < 0x800) {
    put(0xC0 | cp >> 6);
    put(0x80 | (cp & 0x3F));
  } else if (cp < 0x10000) {
    put(0xE0 | cp >> 12);
    put(0x80 | (cp >> 6 & 0x3F));
    put(0x80 | (cp & 0x3F));
  } else {
    put(0xF0 | cp >> 18);
    put(0x80 | (cp >> 12 & 0x3F));
    put(0x80 | (cp >> 6 & 0x3F));
    put(0x80 | (cp & 0x3F));
  }
}

bool isValidUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    Decoded d = decodeUtf8(text, i);
    if (!d.valid)
      return false;
    i += d.length;
  }
  return true;
}

size_t previousChar(std::string_view text, size_t at) {
  for (size_t back = 1; back <= 4 && back <= at; ++back) {
    size_t start = at - back;
    if ((static_cast<unsigned char>(text[start]) & 0xC0) == 0x80)
      continue;
    Decoded d = decodeUtf8(text, start);
    return d.length == back ? start : at - 1;
  }
  return at - 1;
}

size_t appendLossy(std::string &out, std::string_view bytes, bool final) {
  size_t i = 0;
  while (i < bytes.size()) {
    bool complete;
    uint32_t length = wellFormedPrefix(bytes, i, complete);
    if (complete) {
      out.append(bytes.substr(i, length));
    } else {
      if (!final && length > 0 && i + length == bytes.size())
        return i;
      out += "\xEF\xBF\xBD";
      length = length ? length : 1;
    }
    i += length;
  }
  return i;
}

} // namespace fingpt::tokenizer
