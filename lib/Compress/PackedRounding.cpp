#include "PackedRounding.h"

#include "Isa.h"
#include "QuantizeKernels.h"
#include "fingpt/Support/Float.h"

#include <cmath>
#include <cstdlib>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace fingpt;
using namespace fingpt::compress;

#if defined(__x86_64__)

#define FINGPT_AVX2 __attribute__((target("avx2")))
#define FINGPT_AVX2_INLINE static inline __attribute__((target("avx2"), always_inline))

namespace {

//===----------------------------------------------------------------------===//
// Lanes
//===----------------------------------------------------------------------===//

/// Sixteen weights as f32: 0, 2, 4, … and 1, 3, 5, …. Two weights that share a byte so are in the
/// same lane of two registers, and no shuffle brings them together.
struct Sixteen {
  __m256 even, odd;
};
FINGPT_AVX2_INLINE Sixteen load16(const uint16_t *bf16) {
  __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(bf16));
  return {_mm256_castsi256_ps(_mm256_slli_epi32(v, 16)),
          _mm256_castsi256_ps(_mm256_and_si256(v, _mm256_set1_epi32(-65536)))};
}
FINGPT_AVX2_INLINE Sixteen load16(const float *w) {
  auto pair = [](const float *low, const float *high) FINGPT_AVX2 {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1);
  };
  __m256 a = pair(w, w + 8), b = pair(w + 4, w + 12);
  return {_mm256_shuffle_ps(a, b, 0x88), _mm256_shuffle_ps(a, b, 0xdd)};
}

/// round(w·factor) of 32 weights as 16-bit integers, half to even, saturated.
struct ThirtyTwo {
  __m256i even, odd;
};
template <typename T> FINGPT_AVX2_INLINE ThirtyTwo rounded32(const T *w, __m256 factor) {
  Sixteen x = load16(w), y = load16(w + 16);
  return {_mm256_packs_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(x.even, factor)),
                             _mm256_cvtps_epi32(_mm256_mul_ps(y.even, factor))),
          _mm256_packs_epi32(_mm256_cvtps_epi32(_mm256_mul_ps(x.odd, factor)),
                             _mm256_cvtps_epi32(_mm256_mul_ps(y.odd, factor)))};
}

/// The bytes of 64 weights from 16-bit lanes that hold one each, 32 weights as rounded32 has them.
FINGPT_AVX2_INLINE __m256i inOrder(__m256i first, __m256i second) {
  return _mm256_permutevar8x32_epi32(_mm256_packus_epi16(first, second),
                                     _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/// Some weights at a time: several groups or, of one that is larger, a piece.
struct Chunk {
  static constexpr int64_t Most = 2048, MostGroups = Most / 32;
  int64_t first, weights;
  int64_t firstGroup, groups, group;
};
template <typename Body>
FINGPT_AVX2_INLINE void forChunks(int64_t n, int64_t group, const Body &body) {
  int64_t groups = group < Chunk::Most ? Chunk::Most / group : 1;
  int64_t step = group < Chunk::Most ? groups * group : group;
  for (int64_t begin = 0, g = 0; begin < n; begin += step, g += groups) {
    int64_t end = begin + step < n ? begin + step : n;
    for (int64_t first = begin; first < end; first += Chunk::Most) {
      int64_t weights = first + Chunk::Most < end ? Chunk::Most : end - first;
      body(Chunk{first, weights, g, (weights + group - 1) / group, group});
    }
  }
}

/// Calls run(first weight of the chunk, group of the chunk) for every 32 weights. The common group
/// is known when this is compiled, for straight loops.
template <typename Run> FINGPT_AVX2_INLINE void forRuns(const Chunk &c, const Run &run) {
  if (c.group == 64 && c.weights % 64 == 0) {
    for (int64_t g = 0; g < c.groups; ++g) {
      run(64 * g, g);
      run(64 * g + 32, g);
    }
    return;
  }
  for (int64_t first = 0, g = 0; first < c.weights; first += c.group, ++g)
    for (int64_t i = first; i < (first + c.group < c.weights ? first + c.group : c.weights);
         i += 32)
      run(i, g);
}

/// Asks for 32 weights of the row to come, so that memory is read all the time and not in turns
/// with rounding.
template <typename T> FINGPT_AVX2_INLINE void fetch(const T *w) {
  for (int64_t i = 0; i < 32; i += 64 / static_cast<int64_t>(sizeof(T)))
    _mm_prefetch(reinterpret_cast<const char *>(w + i), _MM_HINT_T0);
}

/// Stores what bytes(run) gives for each 32 of `n` weights, a byte per 16-bit lane. The bytes `row`
/// further on are those of the next row: asked for, too, since they are read before they are
/// written.
template <typename Bytes>
FINGPT_AVX2_INLINE void storeRuns(int64_t n, int64_t row, uint8_t *out, const Bytes &bytes) {
  int64_t r = 0, runs = n / 32;
  for (; r + 2 <= runs; r += 2) {
    __builtin_prefetch(out + row + 16 * r, 1);
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(out + 16 * r), inOrder(bytes(r), bytes(r + 1)));
  }
  if (r < runs) {
    __m256i last = bytes(r);
    _mm_storeu_si128(reinterpret_cast<__m128i *>(out + 16 * r),
                     _mm256_castsi256_si128(inOrder(last, last)));
  }
}

//===----------------------------------------------------------------------===//
// Ranges
//===----------------------------------------------------------------------===//

/// Lane-wise maxima of a group: signed and unsigned.
struct Largest {
  __m128i integer, magnitude;
};
FINGPT_AVX2_INLINE Largest largestOf(const uint16_t *w, int64_t n) {
  __m256i s = _mm256_set1_epi16(-32768), u = _mm256_setzero_si256();
  for (int64_t i = 0; i < n; i += 32)
    for (int64_t k = i; k < i + 32; k += 16) {
      __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(w + k));
      s = _mm256_max_epi16(s, v);
      u = _mm256_max_epu16(u, v);
    }
  return {_mm_max_epi16(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1)),
          _mm_max_epu16(_mm256_castsi256_si128(u), _mm256_extracti128_si256(u, 1))};
}

/// Lane k of the result combines all lanes of v[k].
template <typename Combine>
FINGPT_AVX2_INLINE __m128i combined8(const __m128i *v, const Combine &combine) {
  auto halves = [&](__m128i a, __m128i b) FINGPT_AVX2 {
    return combine(_mm_unpacklo_epi16(a, b), _mm_unpackhi_epi16(a, b));
  };
  // The first level pairs k and k + 4, and so on: the last leaves them in order.
  __m128i a = halves(v[0], v[4]), b = halves(v[1], v[5]), c = halves(v[2], v[6]),
          d = halves(v[3], v[7]);
  return halves(halves(a, c), halves(b, d));
}

/// bf16 numbers of one sign are ordered as their bits are. So the largest as signed integers is the
/// largest positive number, and the largest as unsigned ones the negative number of largest
/// magnitude, if there are such.
FINGPT_AVX2_INLINE bool rangesOf(const uint16_t *w, int64_t n, int64_t group, float *lo,
                                 float *hi) {
  constexpr int64_t Groups = 8;
  int64_t groups = (n + group - 1) / group;
  __m128i infinite = _mm_setzero_si128();
  for (int64_t g = 0; g < groups; g += Groups) {
    int64_t count = g + Groups < groups ? Groups : groups - g;
    __m128i integers[Groups], magnitudes[Groups];
    for (int64_t k = 0; k < Groups; ++k) {
      int64_t first = (g + (k < count ? k : 0)) * group;
      Largest l = largestOf(w + first, first + group < n ? group : n - first);
      integers[k] = l.integer;
      magnitudes[k] = l.magnitude;
    }
    __m128i above =
        combined8(integers, [](__m128i a, __m128i b) FINGPT_AVX2 { return _mm_max_epi16(a, b); });
    __m128i below =
        combined8(magnitudes, [](__m128i a, __m128i b) FINGPT_AVX2 { return _mm_max_epu16(a, b); });
    // No positive, no negative number: 0 bounds the range.
    above = _mm_max_epi16(above, _mm_setzero_si128());
    below = _mm_and_si128(below, _mm_srai_epi16(below, 15));
    infinite = _mm_or_si128(infinite, _mm_cmpgt_epi16(above, _mm_set1_epi16(0x7f7f)));
    infinite = _mm_or_si128(infinite, _mm_cmpgt_epi16(_mm_and_si128(below, _mm_set1_epi16(0x7fff)),
                                                      _mm_set1_epi16(0x7f7f)));
    float bounds[2][Groups];
    _mm256_storeu_ps(bounds[0],
                     _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(below), 16)));
    _mm256_storeu_ps(bounds[1],
                     _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(above), 16)));
    for (int64_t k = 0; k < count; ++k) {
      lo[g + k] = bounds[0][k];
      hi[g + k] = bounds[1][k];
    }
  }
  return _mm_testz_si128(infinite, infinite) != 0;
}

FINGPT_AVX2 bool rangesAvx2(const uint16_t *w, int64_t n, int64_t group, float *lo, float *hi) {
  if (group == 64 && n % 512 == 0) // known when this is compiled: straight loops
    return rangesOf(w, n / 512 * 512, 64, lo, hi);
  return rangesOf(w, n, group, lo, hi);
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

template <typename T>
FINGPT_AVX2_INLINE void packAffine(const T *w, int64_t n, int64_t group, const float *scale,
                                   const float *zero, uint8_t *out) {
  // Saturation clamps: at the top as code + 32752 is added, at the bottom as 32752 is taken away.
  constexpr int Above = 32767 - 15;
  const __m256i above = _mm256_set1_epi16(Above);
  forChunks(n, group, [&](const Chunk &c) __attribute__((target("avx2"), always_inline)) {
    float inverse[Chunk::MostGroups];
    int32_t offset[Chunk::MostGroups]; // twice in a word
    for (int64_t g = 0; g < c.groups; ++g) {
      inverse[g] = 1 / scale[c.firstGroup + g];
      offset[g] = (static_cast<int32_t>(zero[c.firstGroup + g]) + Above) * 0x10001;
    }
    __m256i pairs[Chunk::Most / 32];
    forRuns(c, [&](int64_t i, int64_t g) __attribute__((target("avx2"), always_inline)) {
      fetch(w + n + c.first + i);
      ThirtyTwo q = rounded32(w + c.first + i, _mm256_set1_ps(inverse[g]));
      __m256i plus = _mm256_set1_epi32(offset[g]);
      __m256i even = _mm256_subs_epu16(_mm256_adds_epi16(q.even, plus), above);
      __m256i odd = _mm256_subs_epu16(_mm256_adds_epi16(q.odd, plus), above);
      pairs[i / 32] = _mm256_or_si256(even, _mm256_slli_epi16(odd, 4));
    });
    storeRuns(c.weights, n / 2, out + c.first / 2,
              [&](int64_t r) __attribute__((target("avx2"), always_inline)) { return pairs[r]; });
  });
}

//===----------------------------------------------------------------------===//
// NF4
//===----------------------------------------------------------------------===//

/// The code of v is how many of the fifteen midpoints m are below it. With p = round(2^15·v), 16
/// bits, and M = round(2^15·m): p > M says v > m, p < M says v ≤ m; at p = M, once in 2000 weights,
/// v itself is asked. p is taken apart into bytes:
///
///   n = top 4 bits of p      cells of 1/8, in which there are at most two midpoints
///   code = fewer[n] + (high > first[n]) + (high > second[n])     midpoints of smaller high bytes
///   high = highOf[code]: one more if the low byte is above lowOf[code]
struct NF4Tables {
  alignas(16) int8_t fewer[16], first[16], second[16], highOf[16], lowOf[16];
  float middle[15];

  NF4Tables() {
    for (int k = 0; k < 16; ++k) {
      // No p has code 15 and these high bits.
      highOf[k] = -128;
      lowOf[k] = 0;
      if (k == 15)
        break;
      middle[k] = (kNF4Values[k] + kNF4Values[k + 1]) / 2;
      auto whole = static_cast<int>(std::lrint(middle[k] * 32768.0f));
      highOf[k] = static_cast<int8_t>(whole >> 8);
      lowOf[k] = static_cast<int8_t>((whole & 255) - 128); // signed, for the comparison
    }
    for (int n = 0; n < 16; ++n) {
      int begin = (n < 8 ? n : n - 16) * 16, inside = 0;
      fewer[n] = 0;
      first[n] = second[n] = 127; // above every byte
      for (int k = 0; k < 15; ++k)
        if (highOf[k] < begin)
          ++fewer[n];
        else if (highOf[k] < begin + 16)
          (inside++ == 0 ? first : second)[n] = highOf[k];
      if (inside > 2)
        std::abort(); // a table of this file is wrong
    }
  }
};

struct NF4Lookup {
  __m256i fewer, first, second, highOf, lowOf;
};
FINGPT_AVX2_INLINE __m256i twice(const int8_t *table) {
  return _mm256_broadcastsi128_si256(_mm_load_si128(reinterpret_cast<const __m128i *>(table)));
}

/// The bytes of 32 numbers p, those of even weights in the even places; the low ones as signed
/// numbers, less 128.
struct SplitBytes {
  __m256i high, low;
};
FINGPT_AVX2_INLINE SplitBytes split(const ThirtyTwo &p) {
  const __m256i odd = _mm256_set1_epi16(-256);
  __m256i low = _mm256_or_si256(_mm256_andnot_si256(odd, p.even), _mm256_slli_epi16(p.odd, 8));
  return {_mm256_or_si256(_mm256_srli_epi16(p.even, 8), _mm256_and_si256(p.odd, odd)),
          _mm256_xor_si256(low, _mm256_set1_epi8(-128))};
}

/// Lanes of `open` that are not 0 are at a midpoint: theirs is the code below it.
FINGPT_AVX2_INLINE __m256i nf4Codes(const SplitBytes &p, const NF4Lookup &t, __m256i &open) {
  __m256i n = _mm256_and_si256(_mm256_srli_epi16(p.high, 4), _mm256_set1_epi8(15));
  __m256i code = _mm256_shuffle_epi8(t.fewer, n);
  // A comparison gives −1.
  code = _mm256_sub_epi8(code, _mm256_cmpgt_epi8(p.high, _mm256_shuffle_epi8(t.first, n)));
  code = _mm256_sub_epi8(code, _mm256_cmpgt_epi8(p.high, _mm256_shuffle_epi8(t.second, n)));
  __m256i same = _mm256_cmpeq_epi8(p.high, _mm256_shuffle_epi8(t.highOf, code));
  __m256i limit = _mm256_shuffle_epi8(t.lowOf, code);
  open = _mm256_and_si256(same, _mm256_cmpeq_epi8(p.low, limit));
  return _mm256_sub_epi8(code, _mm256_and_si256(same, _mm256_cmpgt_epi8(p.low, limit)));
}

float asFloat(uint16_t bf16) { return bf16ToFloat(bf16); }
float asFloat(float x) { return x; }

/// Decides the lanes of `open`.
template <typename T>
__attribute__((noinline)) FINGPT_AVX2 __m256i decided(const T *w, float inverse,
                                                      const float *middle, __m256i codes,
                                                      __m256i open) {
  alignas(32) uint8_t code[32];
  _mm256_store_si256(reinterpret_cast<__m256i *>(code), codes);
  for (auto lanes = static_cast<uint32_t>(_mm256_movemask_epi8(open)); lanes != 0;
       lanes &= lanes - 1) {
    int lane = __builtin_ctz(lanes);
    int i = lane / 8 == 1 ? lane + 8 : lane / 8 == 2 ? lane - 8 : lane; // packs swaps the middle
    code[lane] = static_cast<uint8_t>(code[lane] + (asFloat(w[i]) * inverse > middle[code[lane]]));
  }
  return _mm256_load_si256(reinterpret_cast<const __m256i *>(code));
}

/// In two stages, a chunk each: in one, a run would wait for its own results from end to end, since
/// no core looks further ahead than a run.
template <typename T>
FINGPT_AVX2_INLINE void packNF4Groups(const T *w, int64_t n, int64_t group, const float *scale,
                                      uint8_t *out) {
  static const NF4Tables tables;
  const NF4Lookup t{twice(tables.fewer), twice(tables.first), twice(tables.second),
                    twice(tables.highOf), twice(tables.lowOf)};
  forChunks(n, group, [&](const Chunk &c) __attribute__((target("avx2"), always_inline)) {
    float factor[Chunk::MostGroups];
    for (int64_t g = 0; g < c.groups; ++g)
      factor[g] = 1 / scale[c.firstGroup + g] * 32768.0f;
    SplitBytes numbers[Chunk::Most / 32];
    forRuns(c, [&](int64_t i, int64_t g) __attribute__((target("avx2"), always_inline)) {
      fetch(w + n + c.first + i);
      numbers[i / 32] = split(rounded32(w + c.first + i, _mm256_set1_ps(factor[g])));
    });
    storeRuns(c.weights, n / 2, out + c.first / 2,
              [&](int64_t r) __attribute__((target("avx2"), always_inline)) {
                __m256i open;
                __m256i codes = nf4Codes(numbers[r], t, open);
                if (__builtin_expect(!_mm256_testz_si256(open, open), 0))
                  codes = decided(w + c.first + 32 * r, factor[32 * r / c.group] / 32768.0f,
                                  tables.middle, codes, open);
                return _mm256_maddubs_epi16(codes, _mm256_set1_epi16(0x1001)); // even + 16·odd
              });
  });
}

FINGPT_AVX2 void affineBf16(const uint16_t *w, int64_t n, int64_t group, const float *scale,
                            const float *zero, uint8_t *bytes) {
  packAffine(w, n, group, scale, zero, bytes);
}
FINGPT_AVX2 void affineF32(const float *w, int64_t n, int64_t group, const float *scale,
                           const float *zero, uint8_t *bytes) {
  packAffine(w, n, group, scale, zero, bytes);
}
FINGPT_AVX2 void nf4Bf16(const uint16_t *w, int64_t n, int64_t group, const float *scale,
                         uint8_t *bytes) {
  packNF4Groups(w, n, group, scale, bytes);
}
FINGPT_AVX2 void nf4F32(const float *w, int64_t n, int64_t group, const float *scale,
                        uint8_t *bytes) {
  packNF4Groups(w, n, group, scale, bytes);
}

} // namespace

bool compress::packedRounding(int64_t cols, int64_t group) {
  return currentIsa() >= Isa::Avx2 && cols % 32 == 0 && group % 32 == 0;
}
bool compress::rangesWithZero(const uint16_t *bf16, int64_t n, int64_t group, float *lo,
                              float *hi) {
  return rangesAvx2(bf16, n, group, lo, hi);
}
void compress::packAffine4(const uint16_t *bf16, int64_t n, int64_t group, const float *scale,
                           const float *zero, uint8_t *bytes) {
  affineBf16(bf16, n, group, scale, zero, bytes);
}
void compress::packAffine4(const float *w, int64_t n, int64_t group, const float *scale,
                           const float *zero, uint8_t *bytes) {
  affineF32(w, n, group, scale, zero, bytes);
}
void compress::packNF4(const uint16_t *bf16, int64_t n, int64_t group, const float *scale,
                       uint8_t *bytes) {
  nf4Bf16(bf16, n, group, scale, bytes);
}
void compress::packNF4(const float *w, int64_t n, int64_t group, const float *scale,
                       uint8_t *bytes) {
  nf4F32(w, n, group, scale, bytes);
}

#else

bool compress::packedRounding(int64_t, int64_t) { return false; }
bool compress::rangesWithZero(const uint16_t *, int64_t, int64_t, float *, float *) {
  std::abort();
}
void compress::packAffine4(const uint16_t *, int64_t, int64_t, const float *, const float *,
                           uint8_t *) {
  std::abort();
}
void compress::packAffine4(const float *, int64_t, int64_t, const float *, const float *,
                           uint8_t *) {
  std::abort();
}
void compress::packNF4(const uint16_t *, int64_t, int64_t, const float *, uint8_t *) {
  std::abort();
}
void compress::packNF4(const float *, int64_t, int64_t, const float *, uint8_t *) { std::abort(); }

#endif
