// A strict pull reader of JSON for headers with a million entries: no document
// is built, every refusal has its exact byte. (Json.h is for small documents.)
//
//   JsonCursor c(text, "model.safetensors", /*base=*/8);
//   c.object([&](std::string &key, size_t at) {   // false = refused
//     uint64_t n; return c.integer(n, "the answer"); });
//   if (!c.finish()) return c.takeError();
#ifndef FINGPT_LIB_PARAMS_JSONCURSOR_H
#define FINGPT_LIB_PARAMS_JSONCURSOR_H

#include "fingpt/Support/Result.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace fingpt {

class JsonCursor {
public:
  static constexpr unsigned kMaxDepth = 128;

  /// `base` is added to positions in messages.
  JsonCursor(std::string_view text, std::string_view file, uint64_t base)
      : text(text), file(file), base(base) {}

  /// Records the first refusal; always false.
  bool fail(size_t at, std::string_view what);
  bool fail(size_t at, std::string_view what, std::string_view expected, std::string_view got);
  Error takeError() { return std::move(*error); }
  bool failed() const { return error.has_value(); }

  /// Skips white space; the position of what follows.
  size_t position();
  /// The next character after white space, 0 at the end.
  char peek();

  /// Calls `member(key, keyPosition)`, which must consume the value.
  template <typename F> bool object(F member, const char *expected = "an object") {
    if (!begin('{', expected))
      return false;
    std::string key;
    for (bool first = true; !end('}'); first = false) {
      if (!first && !comma('}'))
        return false;
      size_t at = position();
      if (!string(key, "a key in double quotes") || !colon() || !member(key, at))
        return false;
    }
    --depth;
    return !failed();
  }
  /// Calls `element()` for each item.
  template <typename F> bool array(F element, const char *expected = "an array") {
    if (!begin('[', expected))
      return false;
    for (bool first = true; !end(']'); first = false)
      if ((!first && !comma(']')) || !element())
        return false;
    --depth;
    return !failed();
  }
  bool string(std::string &out, const char *expected = "a string");
  /// A plain non-negative decimal integer that fits 64 bits.
  bool integer(uint64_t &out, const char *what);
  /// `null`; false and nothing consumed if something else follows.
  bool null();
  /// Any value, checked and forgotten.
  bool skip();
  /// True iff nothing but white space is left.
  bool finish();
  /// Short text of the value that follows, for "got ...".
  std::string describe();

private:
  bool begin(char open, const char *expected);
  bool end(char close);
  bool comma(char close);
  bool colon();
  bool number();
  bool escape(std::string &out);
  bool hex4(uint32_t &code);
  bool word(std::string_view w);

  std::string_view text, file;
  uint64_t base;
  size_t at = 0;
  unsigned depth = 0;
  std::optional<Error> error;
};

} // namespace fingpt

#endif // FINGPT_LIB_PARAMS_JSONCURSOR_H
