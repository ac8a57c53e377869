// The layout of quantized rows (fin.quantize_rows): what the dialects, the runtime and tests share.
#ifndef FINGPT_SUPPORT_QUANTIZEDROWS_H
#define FINGPT_SUPPORT_QUANTIZEDROWS_H

#include <cstdint>

namespace fingpt {

/// Bytes of a row of `width` elements: codes of `bits` bits, then an f16 scale and minimum per
/// `group` elements.
inline int64_t quantizedRowBytes(int64_t width, int64_t bits, int64_t group) {
  return width * bits / 8 + width / group * 4;
}

} // namespace fingpt

#endif // FINGPT_SUPPORT_QUANTIZEDROWS_H
