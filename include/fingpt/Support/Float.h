// Conversions between f32 and the 16-bit storage formats, bit-exact: round to
// nearest even, subnormals kept, NaN stays NaN.
#ifndef FINGPT_SUPPORT_FLOAT_H
#define FINGPT_SUPPORT_FLOAT_H

#include <cstdint>
#include <cstring>

namespace fingpt {

inline float bitsToFloat(uint32_t bits) {
  float f;
  std::memcpy(&f, &bits, 4);
  return f;
}
inline uint32_t floatToBits(float f) {
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  return bits;
}

inline float bf16ToFloat(uint16_t h) { return bitsToFloat(static_cast<uint32_t>(h) << 16); }
inline uint16_t floatToBf16(float f) {
  uint32_t b = floatToBits(f);
  if ((b & 0x7fffffffu) > 0x7f800000u) // NaN: keep it quiet
    return static_cast<uint16_t>((b >> 16) | 0x40);
  uint32_t rounding = 0x7fffu + ((b >> 16) & 1);
  return static_cast<uint16_t>((static_cast<uint64_t>(b) + rounding) >> 16);
}

inline float f16ToFloat(uint16_t h) {
  uint32_t sign = (h & 0x8000u) << 16;
  uint32_t exponent = (h >> 10) & 0x1f, fraction = h & 0x3ff;
  if (exponent == 0x1f)
    return bitsToFloat(sign | 0x7f800000u | (fraction << 13));
  if (exponent == 0) { // zero or subnormal: fraction * 2^-24
    float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return bitsToFloat(floatToBits(magnitude) | sign);
  }
  return bitsToFloat(sign | ((exponent + 112) << 23) | (fraction << 13));
}
inline uint16_t floatToF16(float f) {
  uint32_t b = floatToBits(f);
  uint32_t sign = (b >> 16) & 0x8000u, a = b & 0x7fffffffu;
  if (a > 0x7f800000u) // NaN
    return static_cast<uint16_t>(sign | 0x7e00u);
  if (a >= 0x477ff000u) // rounds to 65536 or beyond: infinity
    return static_cast<uint16_t>(sign | 0x7c00u);
  if (a < 0x38800000u) { // subnormal in f16: add 2^-1 so that the ulp is 2^-24
    float shifted = bitsToFloat(a) + 0.5f;
    return static_cast<uint16_t>(sign | (floatToBits(shifted) - 0x3f000000u));
  }
  uint32_t rounded = a + 0xfffu + ((a >> 13) & 1);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

} // namespace fingpt

#endif // FINGPT_SUPPORT_FLOAT_H
