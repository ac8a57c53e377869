#include "QuantizeKernels.h"

#include "Clones.h"

#include <cmath>
#include <cstring>

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

/// Calls step(x, out) for vectors x of w[0..n), the remainder padded, and stores the codes.
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

/// Calls body(group, first element, count).
template <typename Body> FINGPT_INLINE void eachGroup(int64_t n, int64_t group, const Body &body) {
  for (int64_t first = 0, g = 0; first < n; first += group, ++g)
    body(g, first, first + group <= n ? group : n - first);
}

/// Combines all lanes; `combine` takes vectors.
template <typename Combine> FINGPT_INLINE float reduce(F32 &v, const Combine &combine) {
  F32 other = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
  combine(v, other);
  other = __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15);
  combine(v, other);
  other = __builtin_shufflevector(v, v, 2, 3, 0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  combine(v, other);
  other = __builtin_shufflevector(v, v, 1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  combine(v, other);
  return v[0];
}

/// x/scale as two products, since a division costs several of them: x·lift·inverse, where
/// lift keeps the inverse of a subnormal scale finite. Off by at most 1.5 ulp.
struct Quotient {
  F32 lift, inverse;
};
FINGPT_INLINE void divideBy(float scale, Quotient &q) {
  float lift = scale < 0x1p-100f ? 0x1p100f : 1.0f;
  q.lift = F32{} + lift;
  q.inverse = F32{} + 1 / (scale * lift);
}

FINGPT_INLINE void divideBy(const F32 &scale, Quotient &q) {
  const F32 one = F32{} + 1.0f, large = F32{} + 0x1p100f;
  q.lift = scale < 0x1p-100f ? large : one;
  q.inverse = 1 / (scale * q.lift);
}

/// Half to even, for |x| < 2^22.
FINGPT_INLINE void roundEven(F32 &x) {
  const float magic = 12582912.0f; // 1.5·2^23: the sum has no fraction bits left
  x = (x + magic) - magic;
}

/// Calls body(first, count) for vectors of [0, n), the last one partial.
template <typename Body> FINGPT_INLINE void eachVector(int64_t n, const Body &body) {
  for (int64_t i = 0; i < n; i += Lanes)
    body(i, i + Lanes <= n ? Lanes : n - i);
}
FINGPT_INLINE void loadSome(F32 &v, const float *p, int64_t count) {
  if (count == Lanes)
    return load(v, p);
  v = F32{};
  std::memcpy(&v, p, static_cast<size_t>(count) * sizeof(float));
}
FINGPT_INLINE void storeSome(float *p, const F32 &v, int64_t count) {
  if (count == Lanes)
    return store(p, v);
  std::memcpy(p, &v, static_cast<size_t>(count) * sizeof(float));
}

/// The least f16 that is ≥ x ≥ 0 (saturating at 65504), resp. the largest that is ≤ x.
template <int Direction> FINGPT_INLINE void toF16(F32 &x) {
  U32 bits; // a normal f16 keeps ten fraction bits of 23
  bitcast(bits, x);
  bits = (Direction > 0 ? bits + 0x1fffu : bits) & ~0x1fffu;
  F32 normal, largest = F32{} + 65504.0f;
  bitcast(normal, bits);
  normal = x < 65504.0f ? normal : largest;
  F32 fine = (x + 0.5f) - 0.5f; // in steps of 2^-24
  if (Direction > 0)
    fine = fine < x ? fine + 0x1p-24f : fine;
  else
    fine = fine > x ? fine - 0x1p-24f : fine;
  x = x >= 0x1p-14f ? normal : fine;
}
FINGPT_INLINE void upToF16(F32 &x) { toF16<1>(x); }
FINGPT_INLINE void downToF16(F32 &x) { toF16<-1>(x); }

FINGPT_INLINE void affineStep(const F32 &x, const Quotient &over, const F32 &min, const F32 &zero,
                              float maxCode, U8 &out) {
  const F32 low = -zero, high = maxCode - zero;
  F32 q = (x - min) * over.lift * over.inverse;
  q = q > low ? q : low; // clamped before the conversion
  q = q < high ? q : high;
  roundEven(q);
  I32 whole = __builtin_convertvector(q + zero, I32);
  out = __builtin_convertvector(whole, U8);
}

struct NF4Midpoints {
  F32 m[15];
};
FINGPT_INLINE void nf4Midpoints(NF4Midpoints &t) {
  for (int k = 0; k < 15; ++k)
    t.m[k] = F32{} + (kNF4Values[k] + kNF4Values[k + 1]) / 2;
}
FINGPT_INLINE void nf4Step(const F32 &x, const Quotient &over, const NF4Midpoints &t, U8 &out) {
  // Binary search, each midpoint selected by the bits found so far.
  const F32 *m = t.m;
  F32 v = x * over.lift * over.inverse;
  I32 b8 = v > m[7];
  I32 b4 = v > (b8 ? m[11] : m[3]);
  I32 b2 = v > (b8 ? (b4 ? m[13] : m[9]) : (b4 ? m[5] : m[1]));
  F32 upper = b4 ? (b2 ? m[14] : m[12]) : (b2 ? m[10] : m[8]);
  F32 lower = b4 ? (b2 ? m[6] : m[4]) : (b2 ? m[2] : m[0]);
  I32 b1 = v > (b8 ? upper : lower);
  I32 code = (b8 & 8) | (b4 & 4) | (b2 & 2) | (b1 & 1);
  out = __builtin_convertvector(code, U8);
}

FINGPT_INLINE void e2m1Step(const F32 &x, const Quotient &over, U8 &out) {
  F32 v = x * over.lift * over.inverse;
  I32 bits;
  bitcast(bits, v);
  I32 sign = (bits >> 28) & 8;
  bits &= 0x7fffffff;
  F32 a;
  bitcast(a, bits);
  I32 code = (a > 0.25f) + (a >= 0.75f) + (a > 1.25f) + (a >= 1.75f) + (a > 2.5f) + (a >= 3.5f) +
             (a > 5.0f); // a true comparison is −1
  out = __builtin_convertvector(-code | sign, U8);
}

/// Calls step(x, scale, zero, min, out) for vectors of a column, the remainder padded, and stores
/// the codes.
template <typename Step>
FINGPT_INLINE void encodeColumn(const float *w, int64_t n, const ParamArrays &p, uint8_t *codes,
                                const Step &step) {
  F32 x, scale, zero, min;
  U8 out;
  int64_t i = 0;
  for (; i + Lanes <= n; i += Lanes) {
    load(x, w + i);
    load(scale, p.scale + i);
    load(zero, p.zero + i);
    load(min, p.min + i);
    step(x, scale, zero, min, out);
    store(codes + i, out);
  }
  if (i < n) {
    auto bytes = static_cast<size_t>(n - i) * sizeof(float);
    x = zero = min = F32{};
    scale = F32{} + 1.0f;
    std::memcpy(&x, w + i, bytes);
    std::memcpy(&scale, p.scale + i, bytes);
    std::memcpy(&zero, p.zero + i, bytes);
    std::memcpy(&min, p.min + i, bytes);
    step(x, scale, zero, min, out);
    std::memcpy(codes + i, &out, static_cast<size_t>(n - i));
  }
}

} // namespace

FINGPT_CLONES bool compress::groupRanges(const float *w, int64_t n, int64_t group, float *lo,
                                         float *hi) {
  F32 poison = {}; // 0 until an x is not finite: x − x is NaN then
  eachGroup(n, group, [&](int64_t g, int64_t first, int64_t count) __attribute__((always_inline)) {
    F32 low = F32{} + w[first], high = low, x;
    int64_t i = 0;
    auto take = [&]() __attribute__((always_inline)) {
      low = x < low ? x : low;
      high = x > high ? x : high;
      poison += x - x;
    };
    for (; i + Lanes <= count; i += Lanes) {
      load(x, w + first + i);
      take();
    }
    if (i < count) {
      x = F32{} + w[first + i];
      std::memcpy(&x, w + first + i, static_cast<size_t>(count - i) * sizeof(float));
      take();
    }
    lo[g] = reduce(low, [](F32 &a, F32 &b) __attribute__((always_inline)) { a = b < a ? b : a; });
    hi[g] = reduce(high, [](F32 &a, F32 &b) __attribute__((always_inline)) { a = b > a ? b : a; });
  });
  return reduce(poison, [](F32 &a, F32 &b) __attribute__((always_inline)) { a += b; }) == 0;
}

FINGPT_CLONES float compress::largestOfRanges(const float *lo, const float *hi, int64_t n) {
  F32 largest = {};
  eachVector(n, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
    F32 low, high;
    loadSome(low, lo + i, count);
    loadSome(high, hi + i, count);
    low = -low;
    largest = low > largest ? low : largest;
    largest = high > largest ? high : largest;
  });
  return reduce(largest, [](F32 &a, F32 &b) __attribute__((always_inline)) { a = b > a ? b : a; });
}

FINGPT_CLONES void compress::encodeAffine(const float *w, int64_t n, int64_t group,
                                          const ParamArrays &params, float maxCode,
                                          uint8_t *codes) {
  eachGroup(n, group, [&](int64_t g, int64_t first, int64_t count) __attribute__((always_inline)) {
    const F32 min = F32{} + params.min[g], zero = F32{} + params.zero[g];
    Quotient over;
    divideBy(params.scale[g], over);
    encodeRun(w + first, count, codes + first,
              [&](const F32 &x, U8 &out)
                  __attribute__((always_inline)) { affineStep(x, over, min, zero, maxCode, out); });
  });
}

FINGPT_CLONES void compress::encodeNF4(const float *w, int64_t n, int64_t group,
                                       const ParamArrays &params, uint8_t *codes) {
  NF4Midpoints midpoints;
  nf4Midpoints(midpoints);
  eachGroup(n, group, [&](int64_t g, int64_t first, int64_t count) __attribute__((always_inline)) {
    Quotient over;
    divideBy(params.scale[g], over);
    encodeRun(w + first, count, codes + first,
              [&](const F32 &x, U8 &out)
                  __attribute__((always_inline)) { nf4Step(x, over, midpoints, out); });
  });
}

FINGPT_CLONES void compress::encodeE2M1(const float *w, int64_t n, int64_t group,
                                        const ParamArrays &params, float unit, uint8_t *codes) {
  eachGroup(n, group, [&](int64_t g, int64_t first, int64_t count) __attribute__((always_inline)) {
    Quotient over;
    divideBy(params.scale[g] * unit, over);
    encodeRun(w + first, count, codes + first,
              [&](const F32 &x, U8 &out)
                  __attribute__((always_inline)) { e2m1Step(x, over, out); });
  });
}

FINGPT_CLONES void compress::encodeAffineColumn(const float *w, int64_t n,
                                                const ParamArrays &params, float maxCode,
                                                uint8_t *codes) {
  encodeColumn(w, n, params, codes,
               [&](const F32 &x, const F32 &scale, const F32 &zero, const F32 &min, U8 &out)
                   __attribute__((always_inline)) {
                     Quotient over;
                     divideBy(scale, over);
                     affineStep(x, over, min, zero, maxCode, out);
                   });
}

FINGPT_CLONES void compress::encodeNF4Column(const float *w, int64_t n, const ParamArrays &params,
                                             uint8_t *codes) {
  NF4Midpoints midpoints;
  nf4Midpoints(midpoints);
  encodeColumn(w, n, params, codes,
               [&](const F32 &x, const F32 &scale, const F32 &, const F32 &, U8 &out)
                   __attribute__((always_inline)) {
                     Quotient over;
                     divideBy(scale, over);
                     nf4Step(x, over, midpoints, out);
                   });
}

FINGPT_CLONES void compress::encodeE2M1Column(const float *w, int64_t n, const ParamArrays &params,
                                              float unit, uint8_t *codes) {
  encodeColumn(w, n, params, codes,
               [&](const F32 &x, const F32 &scale, const F32 &, const F32 &, U8 &out)
                   __attribute__((always_inline)) {
                     Quotient over;
                     const F32 step = scale * unit;
                     divideBy(step, over);
                     e2m1Step(x, over, out);
                   });
}

FINGPT_CLONES void compress::decodeAffineColumn(const uint8_t *codes, int64_t n,
                                                const ParamArrays &params, float *w) {
  for (int64_t i = 0; i < n; ++i)
    w[i] = (static_cast<float>(codes[i]) - params.zero[i]) * params.scale[i] + params.min[i];
}

void compress::decodeLookupColumn(const uint8_t *codes, int64_t n, const float *codebook,
                                  const ParamArrays &params, float *w) {
  for (int64_t i = 0; i < n; ++i)
    w[i] = codebook[codes[i]] * params.scale[i];
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

FINGPT_CLONES float compress::weightedCost(const float *w, const float *decoded,
                                           const float *weights, int64_t n, float unit) {
  F32 sum = {};
  const F32 inverse = F32{} + 1 / unit;
  for (int64_t i = 0; i < n; i += Lanes) {
    F32 x = {}, y = {}, weight = {};
    auto bytes = static_cast<size_t>(i + Lanes <= n ? Lanes : n - i) * sizeof(float);
    std::memcpy(&x, w + i, bytes);
    std::memcpy(&y, decoded + i, bytes);
    std::memcpy(&weight, weights + i, bytes);
    F32 d = (x - y) * inverse;
    sum += weight * (d * d);
  }
  return reduce(sum, [](F32 &a, F32 &b) __attribute__((always_inline)) { a += b; });
}

FINGPT_CLONES void compress::coverZeroCodes(const float *lo, const float *hi, int64_t n,
                                            float maxCode, float *scale, float *zero) {
  eachVector(n, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
    F32 low, high, s;
    loadSome(low, lo + i, count);
    loadSome(high, hi + i, count);
    low = low < 0.0f ? low : F32{};
    high = high > 0.0f ? high : F32{};
    s = high / maxCode - low / maxCode;
    upToF16(s);
    s = low < high ? s : F32{} + 1.0f;
    F32 z = -low / s;
    roundEven(z);
    z = z < maxCode ? z : F32{} + maxCode;
    storeSome(scale + i, s, count);
    storeSome(zero + i, z, count);
  });
}

FINGPT_CLONES void compress::coverMins(const float *lo, const float *hi, int64_t n, float maxCode,
                                       float *scale, float *min) {
  eachVector(n, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
    F32 low, high, s;
    loadSome(low, lo + i, count);
    loadSome(high, hi + i, count);
    F32 above = low, below = -low; // of the minimum's two signs
    downToF16(above);
    upToF16(below);
    low = low > 0.0f ? above : -below;
    s = high / maxCode - low / maxCode;
    upToF16(s);
    s = low < high ? s : F32{} + 1.0f;
    storeSome(scale + i, s, count);
    storeSome(min + i, low, count);
  });
}

/// Of `count` ranges from the i-th on.
FINGPT_INLINE void largestMagnitudes(const float *lo, const float *hi, int64_t i, int64_t count,
                                     F32 &largest) {
  F32 low;
  loadSome(low, lo + i, count);
  loadSome(largest, hi + i, count);
  low = -low;
  largest = low < largest ? largest : low;
}

FINGPT_CLONES void compress::coverMagnitudes(const float *lo, const float *hi, int64_t n,
                                             float share, float *scale) {
  eachVector(n, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
    F32 largest;
    largestMagnitudes(lo, hi, i, count, largest);
    F32 s = largest * share;
    upToF16(s);
    s = largest > 0.0f ? s : F32{} + 1.0f;
    storeSome(scale + i, s, count);
  });
}

FINGPT_CLONES void compress::coverPowers(const float *lo, const float *hi, int64_t n,
                                         float *scale) {
  eachVector(n, [&](int64_t i, int64_t count) __attribute__((always_inline)) {
    F32 largest;
    largestMagnitudes(lo, hi, i, count, largest);
    I32 bits;
    bitcast(bits, largest);
    const I32 least = I32{} + (1 << 22), two = I32{} + (2 << 23); // 2^-127 is subnormal
    bits = (bits & 0x7f800000) - two;
    bits = bits > 0 ? bits : least;
    F32 power;
    bitcast(power, bits);
    power = largest > 0.0f ? power : F32{} + 1.0f;
    storeSome(scale + i, power, count);
  });
}

FINGPT_CLONES void compress::exactF16(const float *values, int64_t n, uint16_t *bits) {
  for (int64_t i = 0; i < n; ++i) {
    uint32_t word;
    std::memcpy(&word, values + i, 4);
    uint32_t magnitude = word & 0x7fffffff;
    float size;
    std::memcpy(&size, &magnitude, 4);
    uint32_t normal = (magnitude >> 13) - (112 << 10);
    auto subnormal =
        static_cast<uint32_t>(static_cast<int32_t>(size < 0x1p-14f ? size * 0x1p24f : 0));
    bits[i] = static_cast<uint16_t>((size < 0x1p-14f ? subnormal : normal) | (word >> 16 & 0x8000));
  }
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
