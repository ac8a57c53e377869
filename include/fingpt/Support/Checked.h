// Arithmetic on sizes that come from files. Every operation says whether it
// overflowed; extents are compared so that no sum can wrap.
#ifndef FINGPT_SUPPORT_CHECKED_H
#define FINGPT_SUPPORT_CHECKED_H

#include <cstdint>
#include <optional>

namespace fingpt {

inline std::optional<uint64_t> checkedMul(uint64_t a, uint64_t b) {
  uint64_t r;
  if (__builtin_mul_overflow(a, b, &r))
    return std::nullopt;
  return r;
}
inline std::optional<uint64_t> checkedAdd(uint64_t a, uint64_t b) {
  uint64_t r;
  if (__builtin_add_overflow(a, b, &r))
    return std::nullopt;
  return r;
}
/// True iff [offset, offset+length) lies in [0, size).
inline bool extentFits(uint64_t offset, uint64_t length, uint64_t size) {
  return length <= size && offset <= size - length;
}
inline uint64_t ceilDiv(uint64_t a, uint64_t b) { return a / b + (a % b != 0); }

} // namespace fingpt

#endif // FINGPT_SUPPORT_CHECKED_H
