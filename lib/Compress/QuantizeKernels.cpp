#include "QuantizeKernels.h"

#include <cmath>
#include <cstring>

#if defined(__x86_64__) && defined(__linux__)
#define FINGPT_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FINGPT_CLONES
#endif
#define FINGPT_INLINE static inline __attribute__((always_inline))

using namespace fingpt;
using namespace fingpt::compress;

const float compress::kNF4Values[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};
const float compress::kE2M1Values[16] = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                                         -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};

namespace {

// Sixteen lanes; a target with narrower registers takes several. Passed by
// reference: how a wide vector is passed by value differs between clones.
constexpr int64_t Lanes = 16;
using F32 = float __attribute__((vector_size(64)));
using I32 = int32_t __attribute__((vector_size(64)));
using U8 = uint8_t __attribute__((vector_size(16)));
using U16 = uint16_t __attribute__((vector_size(32)));
using U32 = uint32_t __attribute__((vector_size(64)));

template <typename V, typename T> FINGPT_INLINE void load(V &v, const T *p) {
  std::memcpy(&v, p, sizeof(V));
}
template <typename V, typename T> FINGPT_INLINE void store(T *p, const V &v) {
  std::memcpy(p, &v, sizeof(V));
}
template <typename To, typename From> FINGPT_INLINE void bitcast(To &to, const From &from) {
  static_assert(sizeof(To) == sizeof(From));
  std::memcpy(&to, &from, sizeof(To));
}

/// Calls step(offset, count) so that whole vectors lie inside [0, n), and handles the
/// remainder in a padded copy. `Step` reads Lanes floats at `in` and writes Lanes codes.
template <typename Step>
FINGPT_INLINE void encodeRun(const float *w, int64_t n, uint8_t *codes, const Step &step) {
  int64_t i = 0;
  U8 out;
  for (; i + Lanes <= n; i += Lanes) {
    F32 x;
    load(x, w + i);
    step(x, out);
    store(codes + i, out);
  }
  if (i < n) {
    F32 x = {};
    std::memcpy(&x, w + i, static_cast<size_t>(n - i) * sizeof(float));
    step(x, out);
    std::memcpy(codes + i, &out, static_cast<size_t>(n - i));
  }
}

/// Half to even, for |x| < 2^22.
FINGPT_INLINE void roundEven(F32 &x) {
  const float magic = 12582912.0f; // 1.5·2^23: the sum has no fraction bits left
  x = (x + magic) - magic;
}

} // namespace

FINGPT_CLONES bool compress::valueRange(const float *w, int64_t n, float &lo, float &hi) {
  F32 low, high;
  I32 largest = {};
  low = F32{} + w[0];
  high = low;
  auto step = [&](const F32 &x) __attribute__((always_inline)) {
    low = x < low ? x : low;
    high = x > high ? x : high;
    I32 bits;
    bitcast(bits, x);
    bits &= 0x7fffffff;
    largest = bits > largest ? bits : largest;
  };
  int64_t i = 0;
  F32 x;
  for (; i + Lanes <= n; i += Lanes) {
    load(x, w + i);
    step(x);
  }
  if (i < n) {
    x = F32{} + w[i];
    std::memcpy(&x, w + i, static_cast<size_t>(n - i) * sizeof(float));
    step(x);
  }
  lo = low[0];
  hi = high[0];
  int32_t magnitude = 0;
  for (int64_t k = 0; k < Lanes; ++k) {
    lo = low[k] < lo ? low[k] : lo;
    hi = high[k] > hi ? high[k] : hi;
    magnitude = largest[k] > magnitude ? largest[k] : magnitude;
  }
  return magnitude < 0x7f800000;
}

FINGPT_CLONES void compress::encodeAffine(const float *w, int64_t n, GroupParams params,
                                          float maxCode, uint8_t *codes) {
  const F32 scale = F32{} + params.scale, min = F32{} + params.min, zero = F32{} + params.zero;
  const F32 low = -zero, high = maxCode - zero;
  encodeRun(w, n, codes, [&](const F32 &x, U8 &out) __attribute__((always_inline)) {
    F32 q = (x - min) / scale;
    q = q > low ? q : low; // clamped before the conversion; NaN cannot occur
    q = q < high ? q : high;
    roundEven(q);
    I32 whole = __builtin_convertvector(q + zero, I32);
    out = __builtin_convertvector(whole, U8);
  });
}

FINGPT_CLONES void compress::encodeNF4(const float *w, int64_t n, float scale, uint8_t *codes) {
  float middle[15];
  for (int k = 0; k < 15; ++k)
    middle[k] = (kNF4Values[k] + kNF4Values[k + 1]) / 2;
  const F32 unit = F32{} + scale;
  encodeRun(w, n, codes, [&](const F32 &x, U8 &out) __attribute__((always_inline)) {
    F32 v = x / unit;
    I32 code = {};
    for (int k = 0; k < 15; ++k)
      code -= v > middle[k]; // a true comparison is −1
    out = __builtin_convertvector(code, U8);
  });
}

FINGPT_CLONES void compress::encodeE2M1(const float *w, int64_t n, float scale, uint8_t *codes) {
  const F32 unit = F32{} + scale;
  encodeRun(w, n, codes, [&](const F32 &x, U8 &out) __attribute__((always_inline)) {
    F32 v = x / unit;
    I32 bits;
    bitcast(bits, v);
    I32 sign = (bits >> 28) & 8;
    bits &= 0x7fffffff;
    F32 m;
    bitcast(m, bits);
    I32 code = -((m > 0.25f) + (m >= 0.75f) + (m > 1.25f) + (m >= 1.75f) + (m > 2.5f) +
                 (m >= 3.5f) + (m > 5.0f));
    out = __builtin_convertvector(code | sign, U8);
  });
}

FINGPT_CLONES void compress::decodeAffine(const uint8_t *codes, int64_t n, GroupParams params,
                                          float *w) {
  for (int64_t i = 0; i < n; ++i)
    w[i] = (static_cast<float>(codes[i]) - params.zero) * params.scale + params.min;
}

void compress::decodeLookup(const uint8_t *codes, int64_t n, const float *codebook, float scale,
                            float *w) {
  for (int64_t i = 0; i < n; ++i)
    w[i] = codebook[codes[i]] * scale;
}

FINGPT_CLONES float compress::roundingCost(const float *w, const float *decoded, int64_t n,
                                           float unit) {
  F32 sum = {};
  const F32 inverse = F32{} + 1 / unit;
  for (int64_t i = 0; i < n; i += Lanes) {
    F32 x = {}, y = {};
    auto bytes = static_cast<size_t>(i + Lanes <= n ? Lanes : n - i) * sizeof(float);
    std::memcpy(&x, w + i, bytes);
    std::memcpy(&y, decoded + i, bytes);
    F32 d = (x - y) * inverse;
    // |d|^2.4 = 2^(2.4·log2|d|), both by polynomials on the fraction.
    I32 bits;
    bitcast(bits, d);
    bits &= 0x7fffffff;
    I32 exponent = (bits >> 23) - 127;
    bits = (bits & 0x7fffff) | 0x3f800000;
    F32 f;
    bitcast(f, bits);
    F32 log = (((-0.081614486f * f + 0.64514232f) * f - 2.1206751f) * f + 4.0700908f) * f -
              2.5128546f + __builtin_convertvector(exponent, F32);
    F32 y24 = log * 2.4f;
    const F32 least = F32{} - 126.0f, most = F32{} + 126.0f;
    y24 = y24 > least ? y24 : least;
    y24 = y24 < most ? y24 : most;
    F32 whole = y24 - 0.5f;
    roundEven(whole);
    F32 part = y24 - whole;
    F32 power = ((0.079440541f * part + 0.22449434f) * part + 0.69606564f) * part + 0.99990133f;
    I32 shift = (__builtin_convertvector(whole, I32) + 127) << 23;
    F32 two;
    bitcast(two, shift);
    sum += power * two;
  }
  float total = 0;
  for (int64_t k = 0; k < Lanes; ++k)
    total += sum[k];
  return total;
}

FINGPT_CLONES void compress::packCodes(const uint8_t *codes, int64_t n, int bits, uint8_t *bytes) {
  if (bits == 8) {
    std::memcpy(bytes, codes, static_cast<size_t>(n));
    return;
  }
  int64_t i = 0;
  if (bits == 4)
    for (; i + 2 * Lanes <= n; i += 2 * Lanes) {
      U16 pair;
      load(pair, codes + i);
      pair = (pair | pair >> 4) & 255;
      store(bytes + i / 2, __builtin_convertvector(pair, U8));
    }
  if (bits == 2)
    for (; i + 4 * Lanes <= n; i += 4 * Lanes) {
      U32 four;
      load(four, codes + i);
      four = (four | four >> 6 | four >> 12 | four >> 18) & 255;
      store(bytes + i / 4, __builtin_convertvector(four, U8));
    }
  for (; i < n; i += 8) { // eight codes are `bits` whole bytes
    int64_t count = n - i < 8 ? n - i : 8;
    uint64_t word = 0;
    for (int64_t k = 0; k < count; ++k)
      word |= static_cast<uint64_t>(codes[i + k]) << (k * bits);
    auto size = static_cast<size_t>((count * bits + 7) / 8);
    std::memcpy(bytes + i * bits / 8, &word, size);
  }
}

FINGPT_CLONES void compress::unpackCodes(const uint8_t *bytes, int64_t n, int bits,
                                         uint8_t *codes) {
  if (bits == 8) {
    std::memcpy(codes, bytes, static_cast<size_t>(n));
    return;
  }
  int64_t i = 0;
  if (bits == 4)
    for (; i + 2 * Lanes <= n; i += 2 * Lanes) {
      U8 byte;
      load(byte, bytes + i / 2);
      U16 pair = __builtin_convertvector(byte, U16);
      pair = (pair | pair << 4) & 0x0f0f;
      store(codes + i, pair);
    }
  const auto mask = static_cast<uint8_t>((1 << bits) - 1);
  for (; i < n; i += 8) {
    int64_t count = n - i < 8 ? n - i : 8;
    uint64_t word = 0;
    std::memcpy(&word, bytes + i * bits / 8, static_cast<size_t>((count * bits + 7) / 8));
    for (int64_t k = 0; k < count; ++k)
      codes[i + k] = static_cast<uint8_t>(word >> (k * bits)) & mask;
  }
}

FINGPT_CLONES void compress::widenF16(const uint16_t *from, int64_t n, float *to) {
  for (int64_t i = 0; i < n; ++i) {
    uint32_t h = from[i];
    uint32_t magnitude = (h & 0x7fffu) << 13;
    float f; // 2^112 moves the exponent bias from 15 to 127, subnormals included
    std::memcpy(&f, &magnitude, 4);
    f *= 0x1p112f;
    uint32_t bits;
    std::memcpy(&bits, &f, 4);
    bits |= (h & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0u;
    bits |= (h & 0x8000u) << 16;
    std::memcpy(to + i, &bits, 4);
  }
}

FINGPT_CLONES void compress::widenBf16(const uint16_t *from, int64_t n, float *to) {
  for (int64_t i = 0; i < n; ++i) {
    uint32_t bits = static_cast<uint32_t>(from[i]) << 16;
    std::memcpy(to + i, &bits, 4);
  }
}
