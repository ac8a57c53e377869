// AVX-512 (F, BW, DQ, VL) with permutes of bytes (VBMI).
#include "RoundingLane.h"

#include <cstring>
#include <immintrin.h>

namespace {

/// 64 byte indices of a permutation.
struct alignas(64) Order {
  uint8_t at[64] = {};

  __m512i load() const { return _mm512_load_si512(at); }
};

/// Where weight k lies among the codes of a unit of T.
template <typename T> constexpr Order inOrder() {
  Order order;
  for (int k = 0; k < 64; ++k) {
    // Lanes of 128 bits: four even codes of each half, then four odd ones.
    int half = k / 32, lane = k % 32 / 8, place = k % 8 / 2;
    if (sizeof(T) == 4) { // two of each 16 weights
      lane = k % 16 / 4;
      place = k % 32 / 16 * 2 + k % 4 / 2;
    }
    order.at[k] = static_cast<uint8_t>(16 * lane + 4 * half + place + k % 2 * 8);
  }
  return order;
}

/// Bytes 0, …, Used − 1 of every `Each`.
template <int Used, int Each> constexpr Order firstOf() {
  Order order;
  for (int k = 0; k < 64 / Each * Used; ++k)
    order.at[k] = static_cast<uint8_t>(k / Used * Each + k % Used);
  return order;
}

template <int Bytes> void storeFirst(uint8_t *out, __m512i v) {
  if constexpr (Bytes == 64)
    return _mm512_storeu_si512(out, v);
  if constexpr (Bytes >= 32) {
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(out), _mm512_castsi512_si256(v));
    if constexpr (Bytes > 32)
      storeFirst<Bytes - 32>(out + 32, _mm512_castsi256_si512(_mm512_extracti64x4_epi64(v, 1)));
  } else if constexpr (Bytes >= 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i *>(out), _mm512_castsi512_si128(v));
    if constexpr (Bytes > 16)
      storeFirst<Bytes - 16>(out + 16, _mm512_castsi128_si512(_mm512_extracti32x4_epi32(v, 1)));
  } else {
    static_assert(Bytes == 8);
    _mm_storel_epi64(reinterpret_cast<__m128i *>(out), _mm512_castsi512_si128(v));
  }
}

struct V {
  using I = __m512i;
  using Codes = __m512i;
  static constexpr int64_t Words = 32;

  FINGPT_INLINE static I load(const uint16_t *w) { return _mm512_loadu_si512(w); }
  FINGPT_INLINE static I maxSigned(I a, I b) { return _mm512_max_epi16(a, b); }
  FINGPT_INLINE static I maxUnsigned(I a, I b) { return _mm512_max_epu16(a, b); }
  FINGPT_INLINE static __m256i maxSigned(__m256i a, __m256i b) { return _mm256_max_epi16(a, b); }
  FINGPT_INLINE static __m256i maxUnsigned(__m256i a, __m256i b) { return _mm256_max_epu16(a, b); }
  FINGPT_INLINE static __m128i maxSigned(__m128i a, __m128i b) { return _mm_max_epi16(a, b); }
  FINGPT_INLINE static __m128i maxUnsigned(__m128i a, __m128i b) { return _mm_max_epu16(a, b); }
  FINGPT_INLINE static I low16(I a, I b) { return _mm512_unpacklo_epi16(a, b); }
  FINGPT_INLINE static I high16(I a, I b) { return _mm512_unpackhi_epi16(a, b); }
  template <typename Combine> FINGPT_INLINE static __m128i fold(I v, const Combine &combine) {
    __m256i half = combine(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    return combine(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  }

  /// Codes of a unit, in the order of inOrder<T>.
  template <typename Param>
  FINGPT_INLINE static Codes rounded(const uint16_t *w, const Param &p, const Param &q, int most) {
    I v = load(w), u = load(w + 32);
    return clamped(even(v), odd(v), even(u), odd(u), p, q, most);
  }
  template <typename Param>
  FINGPT_INLINE static Codes rounded(const float *w, const Param &p, const Param &q, int most) {
    auto pick = [](__m512 a, __m512 b, auto which) {
      return _mm512_shuffle_ps(a, b, decltype(which)::value);
    };
    __m512 a = _mm512_loadu_ps(w), b = _mm512_loadu_ps(w + 16), c = _mm512_loadu_ps(w + 32),
           d = _mm512_loadu_ps(w + 48);
    return clamped(pick(a, b, Even()), pick(a, b, Odd()), pick(c, d, Even()), pick(c, d, Odd()), p,
                   q, most);
  }

  template <int Bits, typename T>
  FINGPT_INLINE static void store(Codes codes, int flip, uint8_t *out) {
    static constexpr Order Natural = inOrder<T>();
    const I flips = _mm512_set1_epi8(static_cast<char>(flip));
    I x = _mm512_xor_si512(_mm512_permutexvar_epi8(Natural.load(), codes), flips);
    if constexpr (Bits == 8)
      return storeFirst<64>(out, x);
    // Two codes in 16 bits, four in 32, eight in 64.
    x = _mm512_maddubs_epi16(_mm512_set1_epi16(static_cast<short>(1 << (Bits + 8) | 1)), x);
    if constexpr (Bits == 4) {
      static constexpr Order First = firstOf<1, 2>();
      return storeFirst<32>(out, _mm512_permutexvar_epi8(First.load(), x));
    }
    x = _mm512_madd_epi16(x, _mm512_set1_epi32(1 << (2 * Bits + 16) | 1));
    if constexpr (Bits == 2) {
      static constexpr Order First = firstOf<1, 4>();
      return storeFirst<16>(out, _mm512_permutexvar_epi8(First.load(), x));
    }
    static constexpr Order First = firstOf<Bits, 8>();
    const I low = _mm512_set1_epi64((1ll << (4 * Bits)) - 1);
    constexpr int Select = 0xca; // low ? x : shifted
    x = _mm512_ternarylogic_epi64(low, x, _mm512_srli_epi64(x, 32 - 4 * Bits), Select);
    storeFirst<8 * Bits>(out, _mm512_permutexvar_epi8(First.load(), x));
  }

  template <bool Falling, typename Param>
  FINGPT_INLINE static void storeNibbles(const uint16_t *w, const Param &p, const Param &q,
                                         uint8_t *out) {
    I bytes = _mm512_packus_epi16(codesOf<Falling>(w, p), codesOf<Falling>(w + 32, q));
    I pairs = _mm512_maddubs_epi16(bytes, _mm512_set1_epi16(0x1001)); // even + 16·odd
    static constexpr Order InOrder = [] {
      Order order; // lanes: eight codes of each half
      for (int k = 0; k < 32; ++k)
        order.at[k] = static_cast<uint8_t>(k % 16 / 4 * 16 + k / 16 * 8 + k % 4 * 2);
      return order;
    }();
    storeFirst<32>(out, _mm512_permutexvar_epi8(InOrder.load(), pairs));
  }

private:
  struct Even {
    static constexpr int value = 0x88;
  };
  struct Odd {
    static constexpr int value = 0xdd;
  };
  FINGPT_INLINE static __m512 even(I bf16) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(bf16, 16));
  }
  FINGPT_INLINE static __m512 odd(I bf16) {
    return _mm512_castsi512_ps(_mm512_and_si512(bf16, _mm512_set1_epi32(-65536)));
  }

  /// Of the even and the odd weights of both halves.
  template <typename Param>
  FINGPT_INLINE static Codes clamped(__m512 even0, __m512 odd0, __m512 even1, __m512 odd1,
                                     const Param &p, const Param &q, int most) {
    __m512 factor0 = _mm512_set1_ps(p.factor), factor1 = _mm512_set1_ps(q.factor);
    auto whole = [](__m512 x, __m512 factor) {
      return _mm512_cvtps_epi32(_mm512_mul_ps(x, factor));
    };
    I even = _mm512_packs_epi32(whole(even0, factor0), whole(even1, factor1));
    I odd = _mm512_packs_epi32(whole(odd0, factor0), whole(odd1, factor1));
    I zero = _mm512_mask_blend_epi64(0xaa, _mm512_set1_epi32(p.zero), _mm512_set1_epi32(q.zero));
    I codes = _mm512_packus_epi16(_mm512_adds_epi16(even, zero), _mm512_adds_epi16(odd, zero));
    return _mm512_min_epu8(codes, _mm512_set1_epi8(static_cast<char>(most)));
  }

  /// Codes of 32 weights, a word each.
  template <bool Falling, typename Param>
  FINGPT_INLINE static I codesOf(const uint16_t *w, const Param &p) {
    using fingpt::compress::CodebookSteps;
    I v = load(w);
    I d = _mm512_and_si512(v, _mm512_set1_epi16(0x7fff));
    d = _mm512_subs_epu16(d, _mm512_set1_epi16(p.offset));
    d = _mm512_min_epu16(d, _mm512_set1_epi16(CodebookSteps::Most));
    I cell = _mm512_mulhi_epu16(d, _mm512_set1_epi16(CodebookSteps::Multiplier));
    constexpr int OrAnd = 0xf8; // cell | (sign & 16)
    cell = _mm512_ternarylogic_epi64(cell, _mm512_srli_epi16(v, 11), _mm512_set1_epi16(16), OrAnd);
    I step = _mm512_permutexvar_epi16(cell, _mm512_load_si512(p.steps.step));
    I code = _mm512_srai_epi16(_mm512_add_epi16(step, d), CodebookSteps::StepShift);
    return Falling ? _mm512_abs_epi16(code) : code;
  }
};

} // namespace

#include "RoundingLane.inc"

const RoundingLane fingpt::compress::avx512Rounding = Lane;
