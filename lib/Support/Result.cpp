#include "fingpt/Support/Result.h"

#include <cstdint>
#include <cstdio>

namespace fingpt {

/// Length of the valid UTF-8 sequence at `text[at]`, or 0.
static size_t utf8Length(std::string_view text, size_t at) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  unsigned char lead = byte(at);
  size_t length = lead < 0x80                    ? 1
                  : lead >= 0xC2 && lead <= 0xDF ? 2
                  : (lead & 0xF0) == 0xE0        ? 3
                  : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                 : 0;
  if (length == 0 || text.size() - at < length)
    return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(at + i) & 0xC0) != 0x80)
      return 0;
  if ((lead == 0xE0 && byte(at + 1) < 0xA0) || (lead == 0xED && byte(at + 1) > 0x9F) ||
      (lead == 0xF0 && byte(at + 1) < 0x90) || (lead == 0xF4 && byte(at + 1) > 0x8F))
    return 0;
  return length;
}

size_t validUtf8Prefix(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    size_t length = utf8Length(text, at);
    if (length == 0)
      break;
    at += length;
  }
  return at;
}

std::string escaped(std::string_view text, size_t limit) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (out.size() >= limit)
      return out + "…";
    unsigned char c = static_cast<unsigned char>(text[i]);
    size_t length = utf8Length(text, i);
    // C1 controls (U+0080..U+009F) move the cursor on some terminals too.
    bool c1 = length == 2 && c == 0xC2 && static_cast<unsigned char>(text[i + 1]) < 0xA0;
    if (length == 0 || c < 0x20 || c == 0x7F || c1) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\x%02x", c);
      out += buffer;
      ++i;
      continue;
    }
    if (c == '"' || c == '\\')
      out += '\\';
    out.append(text.substr(i, length));
    i += length;
  }
  return out;
}

std::string quote(std::string_view text, size_t limit) { return '"' + escaped(text, limit) + '"'; }

Error Error::at(std::string_view where, std::string_view what) {
  return Error(std::string(where) + ": " + std::string(what));
}

Error Error::at(std::string_view where, std::string_view what, std::string_view expected,
                std::string_view got) {
  return Error(std::string(where) + ": " + std::string(what) + ", expected " +
               std::string(expected) + ", got " + std::string(got));
}

Error Error::in(std::string_view prefix) const { return Error(std::string(prefix) + ":" + text); }

} // namespace fingpt
