// The rules that every fuzz target enforces: a refusal is one clean line, and
// what is accepted may be touched.
#ifndef FINGPT_TEST_FUZZ_H
#define FINGPT_TEST_FUZZ_H

#include "fingpt/Support/Result.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fingpt::fuzz {

/// Stops the fuzzer where the debugger and libFuzzer see it.
inline void require(bool condition) {
  if (!condition)
    __builtin_trap();
}

/// One line of bounded length that names the file: never empty, never foreign
/// control characters.
inline void checkRefusal(const Error &error, std::string_view file) {
  const std::string &text = error.message();
  require(text.size() > file.size() && text.size() < 2000);
  require(std::string_view(text).substr(0, file.size()) == file);
  for (char c : text)
    require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f);
}

/// Reads both ends of an extent that a reader has accepted.
inline void touch(std::string_view image, uint64_t offset, uint64_t bytes) {
  require(bytes <= image.size() && offset <= image.size() - bytes);
  if (bytes == 0)
    return;
  static volatile char sink;
  sink = image[offset];
  sink = image[offset + bytes - 1];
  (void)sink;
}
inline void touch(const void *data, uint64_t bytes) {
  touch(std::string_view(static_cast<const char *>(data), bytes), 0, bytes);
}

} // namespace fingpt::fuzz

#endif // FINGPT_TEST_FUZZ_H
