#include "JsonCursor.h"
#include "Where.h"

#include "fingpt/Support/Checked.h"

namespace fingpt {

bool JsonCursor::fail(size_t where, std::string_view what) {
  if (!error)
    error = Error::at(fileAt(file, base + where), what);
  return false;
}
bool JsonCursor::fail(size_t where, std::string_view what, std::string_view expected,
                      std::string_view got) {
  if (!error)
    error = Error::at(fileAt(file, base + where), what, expected, got);
  return false;
}

size_t JsonCursor::position() {
  while (at < text.size() &&
         (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t'))
    ++at;
  return at;
}

char JsonCursor::peek() { return position() < text.size() ? text[at] : '\0'; }

std::string JsonCursor::describe() {
  if (position() == text.size())
    return "the end";
  switch (char c = text[at]) {
  case '{':
    return "an object";
  case '[':
    return "an array";
  case '"': {
    size_t close = text.find('"', at + 1);
    return quote(text.substr(at + 1, close == std::string_view::npos ? close : close - at - 1), 60);
  }
  default: {
    size_t stop = at;
    while (stop < text.size() && stop - at < 40 &&
           (std::string_view("+-.").find(text[stop]) != std::string_view::npos ||
            (text[stop] >= '0' && text[stop] <= '9') || (text[stop] >= 'a' && text[stop] <= 'z') ||
            (text[stop] >= 'A' && text[stop] <= 'Z')))
      ++stop;
    return stop > at ? std::string(text.substr(at, stop - at)) : quote(std::string_view(&c, 1));
  }
  }
}

bool JsonCursor::begin(char open, const char *expected) {
  if (peek() != open)
    return fail(at, "invalid JSON or wrong type", expected, describe());
  if (depth == kMaxDepth)
    return fail(at, "nesting deeper than " + std::to_string(kMaxDepth));
  ++depth;
  ++at;
  return true;
}

bool JsonCursor::end(char close) {
  if (failed() || peek() != close)
    return failed();
  ++at;
  return true;
}

bool JsonCursor::comma(char close) {
  if (peek() != ',')
    return fail(at, "invalid JSON", close == '}' ? "',' or '}'" : "',' or ']'", describe());
  ++at;
  return true;
}

bool JsonCursor::colon() {
  if (peek() != ':')
    return fail(at, "invalid JSON", "':'", describe());
  ++at;
  return true;
}

bool JsonCursor::hex4(uint32_t &code) {
  code = 0;
  for (int i = 0; i < 4; ++i, ++at) {
    char c = at < text.size() ? text[at] : '\0';
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0)
      return fail(at, "invalid JSON: bad \\u escape");
    code = code << 4 | static_cast<uint32_t>(digit);
  }
  return true;
}

static void appendUtf8(std::string &out, uint32_t code) {
  auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte & 0xff)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | code >> 6);
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

bool JsonCursor::escape(std::string &out) {
  size_t where = at++;
  char c = at < text.size() ? text[at++] : '\0';
  switch (c) {
  case '"':
  case '\\':
  case '/':
    out.push_back(c);
    return true;
  case 'b':
    out.push_back('\b');
    return true;
  case 'f':
    out.push_back('\f');
    return true;
  case 'n':
    out.push_back('\n');
    return true;
  case 'r':
    out.push_back('\r');
    return true;
  case 't':
    out.push_back('\t');
    return true;
  case 'u':
    break;
  default:
    return fail(where, "invalid JSON: bad escape");
  }
  uint32_t code, low;
  if (!hex4(code))
    return false;
  if (code >= 0xD800 && code < 0xDC00) {
    if (text.substr(at, 2) != "\\u")
      return fail(where, "invalid JSON: lone surrogate");
    at += 2;
    if (!hex4(low))
      return false;
    if (low < 0xDC00 || low > 0xDFFF)
      return fail(where, "invalid JSON: lone surrogate");
    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
  } else if (code >= 0xDC00 && code < 0xE000) {
    return fail(where, "invalid JSON: lone surrogate");
  }
  appendUtf8(out, code);
  return true;
}

/// Length of the valid multi-byte UTF-8 sequence at the front, or 0.
static size_t multibyteLength(std::string_view s) {
  auto byte = [&](size_t i) { return static_cast<unsigned char>(s[i]); };
  unsigned lead = byte(0);
  size_t length = lead >= 0xC2 && lead <= 0xDF   ? 2
                  : lead >= 0xE0 && lead <= 0xEF ? 3
                  : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                 : 0;
  if (length == 0 || s.size() < length)
    return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0) != 0x80)
      return 0;
  // Overlong forms, surrogates, beyond U+10FFFF.
  if ((lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xED && byte(1) > 0x9F) ||
      (lead == 0xF0 && byte(1) < 0x90) || (lead == 0xF4 && byte(1) > 0x8F))
    return 0;
  return length;
}

bool JsonCursor::string(std::string &out, const char *expected) {
  out.clear();
  if (peek() != '"')
    return fail(at, "invalid JSON or wrong type", expected, describe());
  size_t open = at++;
  for (;;) {
    if (at == text.size())
      return fail(open, "invalid JSON: string without end");
    unsigned char c = static_cast<unsigned char>(text[at]);
    if (c == '"') {
      ++at;
      return true;
    }
    if (c == '\\') {
      if (!escape(out))
        return false;
    } else if (c < 0x20) {
      return fail(at, "invalid JSON: control character in a string");
    } else if (c < 0x80) {
      out.push_back(static_cast<char>(c));
      ++at;
    } else {
      size_t length = multibyteLength(text.substr(at));
      if (length == 0)
        return fail(at, "invalid UTF-8");
      out.append(text.substr(at, length));
      at += length;
    }
  }
}

bool JsonCursor::number() {
  size_t start = at;
  auto digits = [&] {
    size_t from = at;
    while (at < text.size() && text[at] >= '0' && text[at] <= '9')
      ++at;
    return at > from;
  };
  auto next = [&](char c) {
    bool there = at < text.size() && text[at] == c;
    at += there;
    return there;
  };
  next('-');
  bool zero = at < text.size() && text[at] == '0';
  size_t first = at;
  bool ok = digits() && !(zero && at - first > 1);
  if (ok && next('.'))
    ok = digits();
  if (ok && (next('e') || next('E'))) {
    if (!next('+'))
      next('-');
    ok = digits();
  }
  if (ok)
    return true;
  at = start;
  return fail(start, "invalid JSON", "a number", describe());
}

bool JsonCursor::integer(uint64_t &out, const char *what) {
  size_t start = position();
  auto refuse = [&] {
    at = start;
    return fail(start, what, "a non-negative integer", describe());
  };
  if (peek() < '0' || peek() > '9' || !number())
    return failed() ? false : refuse();
  std::string_view literal = text.substr(start, at - start);
  uint64_t value = 0;
  for (char c : literal) {
    if (c < '0' || c > '9')
      return refuse();
    auto scaled = checkedMul(value, 10);
    auto sum = scaled ? checkedAdd(*scaled, static_cast<uint64_t>(c - '0')) : scaled;
    if (!sum)
      return refuse();
    value = *sum;
  }
  out = value;
  return true;
}

bool JsonCursor::word(std::string_view w) {
  if (text.substr(position(), w.size()) != w)
    return false;
  at += w.size();
  return true;
}

bool JsonCursor::null() { return word("null"); }

bool JsonCursor::skip() {
  std::string ignored;
  switch (peek()) {
  case '{':
    return object([&](std::string &, size_t) { return skip(); });
  case '[':
    return array([&] { return skip(); });
  case '"':
    return string(ignored);
  case 't':
  case 'f':
  case 'n':
    if (word("true") || word("false") || word("null"))
      return true;
    return fail(at, "invalid JSON", "a value", describe());
  default:
    if (at == text.size())
      return fail(at, "invalid JSON", "a value", "the end");
    return number();
  }
}

bool JsonCursor::finish() {
  if (failed())
    return false;
  if (position() != text.size())
    return fail(at, "invalid JSON", "the end", describe());
  return true;
}

} // namespace fingpt
