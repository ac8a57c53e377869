// The reference decoder of the block formats: one expression per element, from
// the definition (ggml-quants.c), sharing nothing with the gathering of fields.
#include "BlockFormats.h"
#include "Where.h"

#include "fingpt/Support/Float.h"

namespace fingpt {

static float half(const uint8_t *p) { return f16ToFloat(loadAs<uint16_t>(p)); }
static int nibbleOf(const uint8_t *q, int i) { return i < 16 ? q[i] & 15 : q[i - 16] >> 4; }
static int bitOf(const uint8_t *bits, int i) { return bits[i / 8] >> i % 8 & 1; }

static float q2k(const uint8_t *b, int i) {
  int h = i / 128, r = i % 128, q = b[16 + 32 * h + r % 32] >> 2 * (r / 32) & 3;
  float scale = half(b + 80) * static_cast<float>(b[i / 16] & 15);
  float min = half(b + 82) * static_cast<float>(b[i / 16] >> 4);
  return scale * static_cast<float>(q) - min;
}

static float q3k(const uint8_t *b, int i) {
  int h = i / 128, r = i % 128, q = b[32 + 32 * h + r % 32] >> 2 * (r / 32) & 3;
  bool hbit = b[i % 32] >> i / 32 & 1;
  const uint8_t *sc = b + 96;
  int j = i / 16;
  int s = (j < 8 ? sc[j] & 15 : sc[j - 8] >> 4) | (sc[8 + j % 4] >> 2 * (j / 4) & 3) << 4;
  return half(b + 108) * static_cast<float>(s - 32) * static_cast<float>(q - (hbit ? 0 : 4));
}

static float q45k(const uint8_t *b, int i, bool five) {
  const uint8_t *sc = b + 4, *qs = b + (five ? 48 : 16);
  int byte = qs[32 * (i / 64) + i % 32], q = i % 64 < 32 ? byte & 15 : byte >> 4;
  if (five)
    q |= (b[16 + i % 32] >> i / 32 & 1) << 4;
  int j = i / 32;
  int s = j < 4 ? sc[j] & 63 : (sc[j + 4] & 15) | (sc[j - 4] >> 6) << 4;
  int m = j < 4 ? sc[j + 4] & 63 : sc[j + 4] >> 4 | (sc[j] >> 6) << 4;
  float scale = half(b) * static_cast<float>(s), min = half(b + 2) * static_cast<float>(m);
  return scale * static_cast<float>(q) - min;
}

static float q6k(const uint8_t *b, int i) {
  int h = i / 128, r = i % 128, byte = b[64 * h + r % 64];
  int q = (r < 64 ? byte & 15 : byte >> 4) | (b[128 + 32 * h + r % 32] >> 2 * (r / 32) & 3) << 4;
  float scale = half(b + 208) * static_cast<float>(static_cast<int8_t>(b[192 + i / 16]));
  return scale * static_cast<float>(q - 32);
}

static float iq4nl(int q) {
  static constexpr int kTable[] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                   1,    13,   25,  38,  53,  69,  89,  113};
  return static_cast<float>(kTable[q]);
}

/// E2M1: sign, two bits of exponent (bias 1), one of fraction.
static float mxfp4(const uint8_t *b, int i) {
  int q = nibbleOf(b + 1, i), e = q >> 1 & 3, m = q & 1;
  // Doubled, so that the halved scale (below) makes it whole again.
  int twice = e == 0 ? m : (2 + m) << (e - 1);
  uint32_t bits = b[0] < 2 ? 0x00200000u << b[0] : static_cast<uint32_t>(b[0] - 1) << 23;
  return bitsToFloat(bits) * static_cast<float>(q & 8 ? -twice : twice);
}

static float element(uint32_t type, const uint8_t *b, int i) {
  auto f = [](int v) { return static_cast<float>(v); };
  switch (type) {
  case 2:
    return half(b) * f(nibbleOf(b + 2, i) - 8);
  case 3:
    return half(b) * f(nibbleOf(b + 4, i)) + half(b + 2);
  case 6:
    return half(b) * f((nibbleOf(b + 6, i) | bitOf(b + 2, i) << 4) - 16);
  case 7:
    return half(b) * f(nibbleOf(b + 8, i) | bitOf(b + 4, i) << 4) + half(b + 2);
  case 8:
    return half(b) * f(static_cast<int8_t>(b[2 + i]));
  case 10:
    return q2k(b, i);
  case 11:
    return q3k(b, i);
  case 12:
    return q45k(b, i, false);
  case 13:
    return q45k(b, i, true);
  case 14:
    return q6k(b, i);
  case 20:
    return half(b) * iq4nl(nibbleOf(b + 2, i));
  default:
    return mxfp4(b, i);
  }
}

std::vector<float> dequantizeBlocks(uint32_t type, const uint8_t *data, uint64_t elements) {
  const BlockFormat *format = findBlockFormat(type);
  std::vector<float> out;
  if (!format)
    return out;
  out.reserve(elements);
  for (uint64_t i = 0; i < elements; ++i)
    out.push_back(element(type, data + i / format->elements * format->bytes,
                          static_cast<int>(i % format->elements)));
  return out;
}

} // namespace fingpt
