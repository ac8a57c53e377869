// AVX2 and F16C.
#include "RoundingKernels.h"

#include <cstddef>
#include <cstring>
#include <immintrin.h>

#include "RoundingVectors.inc"

namespace {

struct V {
  using I = __m256i;
  /// Of each half. Lanes of 128 bits: eight even codes, then eight odd ones.
  struct Codes {
    I half[2];
  };
  static constexpr int64_t Words = 16;

  FINGPT_ALWAYS_INLINE static I load(const void *p) {
    return _mm256_loadu_si256(static_cast<const I *>(p));
  }
  FINGPT_ALWAYS_INLINE static I low16(I a, I b) { return _mm256_unpacklo_epi16(a, b); }
  FINGPT_ALWAYS_INLINE static I high16(I a, I b) { return _mm256_unpackhi_epi16(a, b); }
  template <typename Combine>
  FINGPT_ALWAYS_INLINE static __m128i fold(I v, const Combine &combine) {
    return combine(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  }

  template <typename F, typename Param>
  FINGPT_ALWAYS_INLINE static Codes rounded(const typename F::Bits *w, const Param &p,
                                            const Param &q, int most) {
    return {{half(F(), w, p, most), half(F(), w + 32, q, most)}};
  }

  template <int Bits, typename F>
  FINGPT_ALWAYS_INLINE static void store(Codes codes, int flip, uint8_t *out) {
    if constexpr (Bits == 4) {
      I even = _mm256_unpacklo_epi64(codes.half[0], codes.half[1]);
      I odd = _mm256_unpackhi_epi64(codes.half[0], codes.half[1]);
      I bytes = _mm256_or_si256(even, _mm256_slli_epi16(odd, 4));
      bytes = _mm256_xor_si256(bytes, _mm256_set1_epi8(static_cast<char>(flip * 17)));
      storeInOrder(bytes, out);
    } else {
      storeHalf<Bits>(codes.half[0], flip, out);
      storeHalf<Bits>(codes.half[1], flip, out + std::ptrdiff_t(4) * Bits);
    }
  }

  template <bool Falling, typename Param>
  FINGPT_ALWAYS_INLINE static void storeNibbles(const uint16_t *w, const Param &p, const Param &q,
                                                uint8_t *out) {
    auto pairs = [](I codes) { // even + 16·odd
      return _mm256_maddubs_epi16(codes, _mm256_set1_epi16(0x1001));
    };
    storeInOrder(
        _mm256_packus_epi16(pairs(codesOf<Falling>(w, p)), pairs(codesOf<Falling>(w + 32, q))),
        out);
  }

  // With tables of eight, a search in them is no faster than that of the general code.
  static constexpr fingpt::compress::RoundingKernels::Lookup lookup() { return nullptr; }
  static constexpr fingpt::compress::RoundingKernels::Lookup lookupMagnitude() { return nullptr; }

private:
  /// Sixteen weights as f32: 0, 2, 4, … and 1, 3, 5, …. Two weights that share a byte so are in the
  /// same lane of two registers, and no shuffle brings them together.
  struct Sixteen {
    __m256 even, odd;
  };
  FINGPT_ALWAYS_INLINE static Sixteen sixteen(Bf16, const uint16_t *w) {
    I v = load(w);
    return {_mm256_castsi256_ps(_mm256_slli_epi32(v, 16)),
            _mm256_castsi256_ps(_mm256_and_si256(v, _mm256_set1_epi32(-65536)))};
  }
  FINGPT_ALWAYS_INLINE static Sixteen sixteen(F16, const uint16_t *w) {
    I v = _mm256_permute4x64_epi64(load(w), 0xd8); // fours 0, 2, 1, 3
    return apart(_mm256_cvtph_ps(_mm256_castsi256_si128(v)),
                 _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1)));
  }
  FINGPT_ALWAYS_INLINE static Sixteen sixteen(F32, const float *w) {
    auto pair = [](const float *low, const float *high) {
      return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
    };
    return apart(pair(w, w + 8), pair(w + 4, w + 12));
  }
  /// Of the fours 0 and 2, and 1 and 3.
  FINGPT_ALWAYS_INLINE static Sixteen apart(__m256 a, __m256 b) {
    return {_mm256_shuffle_ps(a, b, 0x88), _mm256_shuffle_ps(a, b, 0xdd)};
  }

  template <typename F, typename Param>
  FINGPT_ALWAYS_INLINE static I half(F format, const typename F::Bits *w, const Param &p,
                                     int most) {
    __m256 factor = _mm256_set1_ps(p.factor);
    auto whole = [&](__m256 x) { return _mm256_cvtps_epi32(_mm256_mul_ps(x, factor)); };
    Sixteen x = sixteen(format, w), y = sixteen(format, w + 16);
    I even = _mm256_packs_epi32(whole(x.even), whole(y.even));
    I odd = _mm256_packs_epi32(whole(x.odd), whole(y.odd)), zero = _mm256_set1_epi32(p.zero);
    I codes = _mm256_packus_epi16(_mm256_adds_epi16(even, zero), _mm256_adds_epi16(odd, zero));
    return _mm256_min_epu8(codes, _mm256_set1_epi8(static_cast<char>(most)));
  }

  /// The bytes of 64 weights from lanes that have four bytes of each 16.
  FINGPT_ALWAYS_INLINE static void storeInOrder(I bytes, uint8_t *out) {
    const I order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256(reinterpret_cast<I *>(out), _mm256_permutevar8x32_epi32(bytes, order));
  }

  /// Stores the codes of a half as 4·Bits bytes.
  template <int Bits> FINGPT_ALWAYS_INLINE static void storeHalf(I codes, int flip, uint8_t *out) {
    constexpr size_t Bytes = Bits; // of eight codes
    constexpr int InOrder = 0xd8;  // of 64-bit lanes: 0, 2, 1, 3
    const I natural = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15));
    I x = _mm256_xor_si256(_mm256_shuffle_epi8(codes, natural),
                           _mm256_set1_epi8(static_cast<char>(flip)));
    if constexpr (Bits == 8) {
      _mm256_storeu_si256(reinterpret_cast<I *>(out), _mm256_permute4x64_epi64(x, InOrder));
    } else {
      // Two codes in 16 bits, four in 32, eight in 64, of which `Bits` bytes count.
      x = _mm256_maddubs_epi16(_mm256_set1_epi16(static_cast<short>(1 << (Bits + 8) | 1)), x);
      x = _mm256_madd_epi16(x, _mm256_set1_epi32(1 << (2 * Bits + 16) | 1));
      x = _mm256_or_si256(_mm256_and_si256(x, _mm256_set1_epi64x(0xffffffff)),
                          _mm256_slli_epi64(_mm256_srli_epi64(x, 32), 4 * Bits));
      uint64_t v[4];
      _mm256_storeu_si256(reinterpret_cast<I *>(v), _mm256_permute4x64_epi64(x, InOrder));
      // What a store writes beyond its bytes is overwritten by the next; the last writes none.
      if constexpr (Bits <= 3) {
        uint64_t low = v[0] | v[1] << (8 * Bits), high = v[2] | v[3] << (8 * Bits);
        std::memcpy(out, &low, 8);
        std::memcpy(out + 2 * Bytes, &high, 2 * Bytes);
      } else {
        for (size_t k = 0; k < 3; ++k)
          std::memcpy(out + k * Bytes, &v[k], 8);
        std::memcpy(out + 3 * Bytes, &v[3], Bytes);
      }
    }
  }

  FINGPT_ALWAYS_INLINE static I twice(const void *table) {
    return _mm256_broadcastsi128_si256(_mm_load_si128(static_cast<const __m128i *>(table)));
  }
  /// Codes of 32 weights, a byte each; lanes have eight of each 16.
  template <bool Falling, typename Param>
  FINGPT_ALWAYS_INLINE static I codesOf(const uint16_t *w, const Param &p) {
    using fingpt::compress::CodebookSteps;
    const I magnitude = _mm256_set1_epi16(0x7fff), offset = _mm256_set1_epi16(p.offset),
            most = _mm256_set1_epi16(CodebookSteps::Most),
            multiplier = _mm256_set1_epi16(CodebookSteps::Multiplier);
    I v = load(w), u = load(w + 16);
    I sign = _mm256_packs_epi16(v, u);
    v = _mm256_min_epu16(_mm256_subs_epu16(_mm256_and_si256(v, magnitude), offset), most);
    u = _mm256_min_epu16(_mm256_subs_epu16(_mm256_and_si256(u, magnitude), offset), most);
    I cell =
        _mm256_packus_epi16(_mm256_mulhi_epu16(v, multiplier), _mm256_mulhi_epu16(u, multiplier));
    I place = _mm256_packus_epi16(_mm256_srli_epi16(_mm256_mullo_epi16(v, multiplier), 8),
                                  _mm256_srli_epi16(_mm256_mullo_epi16(u, multiplier), 8));
    place = _mm256_xor_si256(place, _mm256_set1_epi8(-128));
    auto look = [&](const void *positive, const void *negative) {
      return _mm256_blendv_epi8(_mm256_shuffle_epi8(twice(positive), cell),
                                _mm256_shuffle_epi8(twice(negative), cell), sign);
    };
    I start = look(p.steps.start[0], p.steps.start[1]);
    I past = _mm256_cmpgt_epi8(place, look(p.steps.last[0], p.steps.last[1])); // −1 where it is
    return _mm256_sub_epi8(start, Falling ? _mm256_sign_epi8(past, sign) : past);
  }
};

} // namespace

#include "RoundingKernels.inc"

const RoundingKernels fingpt::compress::avx2RoundingKernels = Kernels;
