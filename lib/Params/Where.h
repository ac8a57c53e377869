// Places in messages: "FILE:0x48".
#ifndef FINGPT_LIB_PARAMS_WHERE_H
#define FINGPT_LIB_PARAMS_WHERE_H

#include "fingpt/Support/Result.h"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

namespace fingpt {

inline std::string fileAt(std::string_view file, uint64_t offset) {
  char buffer[24];
  std::snprintf(buffer, sizeof buffer, ":0x%llx", static_cast<unsigned long long>(offset));
  return escaped(file, 1000) + buffer;
}
/// `tensor "NAME": WHAT`
inline std::string ofTensor(std::string_view name, std::string_view what) {
  return "tensor " + quote(name) + ": " + std::string(what);
}
inline std::string atMost(uint64_t n) { return "at most " + std::to_string(n); }

/// Little-endian load from any address; the project supports such hosts only.
template <typename T> T loadAs(const void *p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

} // namespace fingpt

#endif // FINGPT_LIB_PARAMS_WHERE_H
