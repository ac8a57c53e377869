// AVX-512 (F, BW, DQ, VL) with permutes of bytes (VBMI).
#include "RoundingKernels.h"

#include <cstddef>
#include <cstring>
#include <immintrin.h>
#include <type_traits>

#include "RoundingVectors.inc"

namespace {

/// 64 byte indices of a permutation.
struct alignas(64) Order {
  uint8_t at[64] = {};

  __m512i load() const { return _mm512_load_si512(at); }
};

/// Where weight k lies among the codes of a unit.
template <typename F> constexpr Order inOrder() {
  Order order;
  for (int k = 0; k < 64; ++k) {
    // Lanes of 128 bits: four codes of each 16 weights.
    int lane = k % 16 / 4, place = k / 16 * 4 + k % 4;
    if (std::is_same_v<F, Bf16>) { // four even codes of each half, then four odd ones
      lane = k % 32 / 8;
      place = k % 2 * 8 + k / 32 * 4 + k % 8 / 2;
    }
    order.at[k] = static_cast<uint8_t>(16 * lane + place);
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

FINGPT_ALWAYS_INLINE inline __m512i maxSigned(__m512i a, __m512i b) {
  return _mm512_max_epi16(a, b);
}
FINGPT_ALWAYS_INLINE inline __m512i maxUnsigned(__m512i a, __m512i b) {
  return _mm512_max_epu16(a, b);
}

struct V {
  using I = __m512i;
  using Codes = __m512i;
  static constexpr int64_t Words = 32;

  FINGPT_ALWAYS_INLINE static I load(const uint16_t *w) { return _mm512_loadu_si512(w); }
  FINGPT_ALWAYS_INLINE static I low16(I a, I b) { return _mm512_unpacklo_epi16(a, b); }
  FINGPT_ALWAYS_INLINE static I high16(I a, I b) { return _mm512_unpackhi_epi16(a, b); }
  template <typename Combine>
  FINGPT_ALWAYS_INLINE static __m128i fold(I v, const Combine &combine) {
    __m256i half = combine(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
    return combine(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  }

  /// Codes of a unit, in the order of inOrder<F>.
  template <typename F, typename Param>
  FINGPT_ALWAYS_INLINE static Codes rounded(const typename F::Bits *w, const Param &p,
                                            const Param &q, int most) {
    __m512 factor = _mm512_set1_ps(p.factor), other = _mm512_set1_ps(q.factor);
    I zero = _mm512_set1_epi32(p.zero), otherZero = _mm512_set1_epi32(q.zero);
    if constexpr (std::is_same_v<F, Bf16>) {
      I v = load(w), u = load(w + 32);
      zero = _mm512_mask_blend_epi64(0xaa, zero, otherZero); // lanes: four words of each
      return clamped(words(even(v), factor, even(u), other), zero,
                     words(odd(v), factor, odd(u), other), zero, most);
    } else {
      return clamped(words(sixteen(w), factor, sixteen(w + 16), factor), zero,
                     words(sixteen(w + 32), other, sixteen(w + 48), other), otherZero, most);
    }
  }

  template <int Bits, typename F>
  FINGPT_ALWAYS_INLINE static void store(Codes codes, int flip, uint8_t *out) {
    static constexpr Order Natural = inOrder<F>();
    const I flips = _mm512_set1_epi8(static_cast<char>(flip));
    I x = _mm512_xor_si512(_mm512_permutexvar_epi8(Natural.load(), codes), flips);
    if constexpr (Bits == 8) {
      storeFirst<64>(out, x);
    } else if constexpr (Bits == 4) {
      static constexpr Order First = firstOf<1, 2>();
      storeFirst<32>(out, _mm512_permutexvar_epi8(First.load(), pairs<Bits>(x)));
    } else if constexpr (Bits == 2) {
      static constexpr Order First = firstOf<1, 4>();
      storeFirst<16>(out, _mm512_permutexvar_epi8(First.load(), fours<Bits>(x)));
    } else {
      static constexpr Order First = firstOf<Bits, 8>();
      x = fours<Bits>(x); // and eight in 64
      const I low = _mm512_set1_epi64((1ll << (4 * Bits)) - 1);
      constexpr int Select = 0xca; // low ? x : shifted
      x = _mm512_ternarylogic_epi64(low, x, _mm512_srli_epi64(x, 32 - 4 * Bits), Select);
      storeFirst<8 * Bits>(out, _mm512_permutexvar_epi8(First.load(), x));
    }
  }

  template <bool Falling, typename Param>
  FINGPT_ALWAYS_INLINE static void storeNibbles(const uint16_t *w, const Param &p, const Param &q,
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

  static constexpr fingpt::compress::RoundingKernels::Lookup lookup() { return lookupF32<false>; }
  static constexpr fingpt::compress::RoundingKernels::Lookup lookupMagnitude() {
    return lookupF32<true>;
  }

private:
  /// LookupCells in registers.
  template <bool Magnitude> class Cells {
  public:
    explicit Cells(const fingpt::compress::LookupCells &c)
        : least(_mm512_set1_ps(c.least)), most(_mm512_set1_ps(c.most)),
          stretch(_mm512_set1_ps(c.stretch)), shift(_mm512_set1_ps(c.shift)) {
      for (std::ptrdiff_t k = 0; k < 2; ++k) {
        last[k] = _mm512_load_ps(c.last + 16 * k);
        base[k] = _mm512_load_si512(c.base + 16 * k);
      }
    }
    FINGPT_ALWAYS_INLINE I codes(__m512 v) const {
      I sign = _mm512_srli_epi32(_mm512_castps_si512(v), 28);
      if constexpr (Magnitude)
        v = _mm512_abs_ps(v);
      v = _mm512_min_ps(_mm512_max_ps(v, least), most);
      // Not fused: cells are those that the tables were made for.
      I cell = _mm512_cvttps_epi32(_mm512_add_ps(_mm512_mul_ps(v, stretch), shift));
      I code = _mm512_permutex2var_epi32(base[0], cell, base[1]);
      __mmask16 past =
          _mm512_cmp_ps_mask(v, _mm512_permutex2var_ps(last[0], cell, last[1]), _CMP_GT_OQ);
      code = _mm512_mask_add_epi32(code, past, code, _mm512_set1_epi32(1));
      constexpr int OrAnd = 0xf8; // code | (sign & 8)
      return Magnitude ? _mm512_ternarylogic_epi32(code, sign, _mm512_set1_epi32(8), OrAnd) : code;
    }

  private:
    __m512 least, most, stretch, shift, last[2];
    I base[2];
  };

  template <bool Magnitude>
  static void lookupF32(const fingpt::compress::LookupCells &table, const float *w, int64_t n,
                        int64_t group, const float *scale, float unit, uint8_t *out) {
    constexpr int64_t Most = 2048, Run = 16;
    const Cells<Magnitude> cells(table);
    float inverse[Most / Run];
    for (int64_t begin = 0; begin < n; begin += Most) {
      int64_t end = begin + Most < n ? begin + Most : n;
      for (int64_t i = begin, g = begin / group; i < end; ++g) {
        float value = 1 / (scale[g] * unit);
        for (int64_t until = (g + 1) * group; i < until && i < end; i += Run)
          inverse[(i - begin) / Run] = value;
      }
      const float *factor = inverse;
      for (int64_t i = begin; i < end; i += 64, factor += 4) {
        I codes[4];
        for (int k = 0; k < 4; ++k)
          codes[k] = cells.codes(
              _mm512_mul_ps(_mm512_loadu_ps(w + i + Run * k), _mm512_set1_ps(factor[k])));
        I words[2] = {_mm512_packs_epi32(codes[0], codes[1]),
                      _mm512_packs_epi32(codes[2], codes[3])};
        store<4, F32>(_mm512_packus_epi16(words[0], words[1]), 0, out + i / 2);
      }
    }
  }

  FINGPT_ALWAYS_INLINE static __m512 even(I bf16) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(bf16, 16));
  }
  FINGPT_ALWAYS_INLINE static __m512 odd(I bf16) {
    return _mm512_castsi512_ps(_mm512_and_si512(bf16, _mm512_set1_epi32(-65536)));
  }

  /// Two codes in 16 bits, resp. four in 32.
  template <int Bits> FINGPT_ALWAYS_INLINE static I pairs(I bytes) {
    return _mm512_maddubs_epi16(_mm512_set1_epi16(static_cast<short>(1 << (Bits + 8) | 1)), bytes);
  }
  template <int Bits> FINGPT_ALWAYS_INLINE static I fours(I bytes) {
    return _mm512_madd_epi16(pairs<Bits>(bytes), _mm512_set1_epi32(1 << (2 * Bits + 16) | 1));
  }

  FINGPT_ALWAYS_INLINE static __m512 sixteen(const float *w) { return _mm512_loadu_ps(w); }
  FINGPT_ALWAYS_INLINE static __m512 sixteen(const uint16_t *f16) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(f16)));
  }

  /// round(a·f), round(b·g), four words of each in a lane.
  FINGPT_ALWAYS_INLINE static I words(__m512 a, __m512 f, __m512 b, __m512 g) {
    return _mm512_packs_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(a, f)),
                              _mm512_cvtps_epi32(_mm512_mul_ps(b, g)));
  }
  FINGPT_ALWAYS_INLINE static Codes clamped(I a, I zeroOfA, I b, I zeroOfB, int most) {
    I codes = _mm512_packus_epi16(_mm512_adds_epi16(a, zeroOfA), _mm512_adds_epi16(b, zeroOfB));
    return _mm512_min_epu8(codes, _mm512_set1_epi8(static_cast<char>(most)));
  }

  /// Codes of 32 weights, a word each.
  template <bool Falling, typename Param>
  FINGPT_ALWAYS_INLINE static I codesOf(const uint16_t *w, const Param &p) {
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

#include "RoundingKernels.inc"

const RoundingKernels fingpt::compress::avx512RoundingKernels = Kernels;
