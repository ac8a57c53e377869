#include "PackedRounding.h"

#include "Isa.h"
#include "QuantizeKernels.h"
#include "fingpt/Support/Float.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <type_traits>

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
/// is known when this is compiled, for straight loops; `Ahead` goes with it alone.
template <bool Ahead, typename Run, typename Next>
FINGPT_AVX2_INLINE void forRuns(const Chunk &c, const Run &run, const Next &next) {
  if (Ahead || (c.group == 64 && c.weights % 64 == 0)) {
    for (int64_t g = 0; g < c.groups; ++g) {
      run(64 * g, g);
      run(64 * g + 32, g);
      if constexpr (Ahead)
        next(c.firstGroup + g);
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

/// Of groups whose maxima are combined at once.
constexpr int64_t Together = 8;
struct LargestOfGroups {
  __m128i integers[Together], magnitudes[Together];
};

/// bf16 numbers of one sign are ordered as their bits are. So the largest as signed integers is the
/// largest positive number, and the largest as unsigned ones the negative number of largest
/// magnitude, if there are such. Marks `infinite` if one is NaN or Inf.
FINGPT_AVX2_INLINE void boundsOf(const LargestOfGroups &l, float *lo, float *hi,
                                 __m128i &infinite) {
  __m128i above =
      combined8(l.integers, [](__m128i a, __m128i b) FINGPT_AVX2 { return _mm_max_epi16(a, b); });
  __m128i below =
      combined8(l.magnitudes, [](__m128i a, __m128i b) FINGPT_AVX2 { return _mm_max_epu16(a, b); });
  // No positive, no negative number: 0 bounds the range.
  above = _mm_max_epi16(above, _mm_setzero_si128());
  below = _mm_and_si128(below, _mm_srai_epi16(below, 15));
  infinite = _mm_or_si128(infinite, _mm_cmpgt_epi16(above, _mm_set1_epi16(0x7f7f)));
  infinite = _mm_or_si128(infinite, _mm_cmpgt_epi16(_mm_and_si128(below, _mm_set1_epi16(0x7fff)),
                                                    _mm_set1_epi16(0x7f7f)));
  _mm256_storeu_ps(lo, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(below), 16)));
  _mm256_storeu_ps(hi, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(above), 16)));
}

FINGPT_AVX2_INLINE bool rangesOf(const uint16_t *w, int64_t n, int64_t group, float *lo,
                                 float *hi) {
  int64_t groups = (n + group - 1) / group;
  __m128i infinite = _mm_setzero_si128();
  for (int64_t g = 0; g < groups; g += Together) {
    int64_t count = g + Together < groups ? Together : groups - g;
    LargestOfGroups largest;
    for (int64_t k = 0; k < Together; ++k) {
      int64_t first = (g + (k < count ? k : 0)) * group;
      Largest l = largestOf(w + first, first + group < n ? group : n - first);
      largest.integers[k] = l.integer;
      largest.magnitudes[k] = l.magnitude;
    }
    float bounds[2][Together];
    boundsOf(largest, bounds[0], bounds[1], infinite);
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

/// Calls pack(has, step), where step(g) finds the range of group g of the row to come if `has`.
template <typename Pack>
FINGPT_AVX2_INLINE void withNext(NextRow &next, int64_t n, int64_t group, const Pack &pack) {
  if (next.bf16 && group == 64 && n % (64 * Together) == 0) {
    LargestOfGroups largest;
    __m128i infinite = _mm_setzero_si128();
    pack(std::true_type(), [&](int64_t g) __attribute__((target("avx2"), always_inline)) {
      Largest l = largestOf(next.bf16 + 64 * g, 64);
      int64_t k = g % Together;
      largest.integers[k] = l.integer;
      largest.magnitudes[k] = l.magnitude;
      if (k == Together - 1)
        boundsOf(largest, next.lo + g - k, next.hi + g - k, infinite);
    });
    next.finite = _mm_testz_si128(infinite, infinite) != 0;
    return;
  }
  pack(std::false_type(), [](int64_t) {});
  if (next.bf16)
    next.finite = rangesAvx2(next.bf16, n, group, next.lo, next.hi);
}

//===----------------------------------------------------------------------===//
// Integers
//===----------------------------------------------------------------------===//

/// Stores 32 codes of `Bits`, two in a 16-bit lane and in the order of rounded32, as 4·Bits bytes.
template <int Bits> FINGPT_AVX2_INLINE void storeCodes(__m256i pairs, uint8_t *out) {
  constexpr size_t Bytes = Bits; // of eight codes
  constexpr int InOrder = 0xd8;  // of 64-bit lanes: 0, 2, 1, 3
  if constexpr (Bits == 8) {
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(out), _mm256_permute4x64_epi64(pairs, InOrder));
  } else {
    // Four codes in 32 bits, eight in 64, of which `Bits` bytes count.
    __m256i fours = _mm256_madd_epi16(pairs, _mm256_set1_epi32((1 << (2 * Bits + 16)) | 1));
    __m256i eights = _mm256_or_si256(_mm256_and_si256(fours, _mm256_set1_epi64x(0xffffffff)),
                                     _mm256_slli_epi64(_mm256_srli_epi64(fours, 32), 4 * Bits));
    uint64_t v[4];
    _mm256_storeu_si256(reinterpret_cast<__m256i *>(v), _mm256_permute4x64_epi64(eights, InOrder));
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

template <int Bits, bool Ahead, typename T, typename Next>
FINGPT_AVX2_INLINE void packAffine(const T *w, int64_t n, int64_t group, const float *scale,
                                   const float *zero, bool isSigned, uint8_t *out,
                                   const Next &step) {
  // Saturation clamps: at the top as code + Above is added, at the bottom as Above is taken away.
  constexpr int Above = 32767 - ((1 << Bits) - 1);
  const __m256i above = _mm256_set1_epi16(Above);
  // Two's complement of q − 2^(Bits−1) is q with its top bit flipped.
  const __m256i flip = _mm256_set1_epi16(isSigned ? 1 << (Bits - 1) : 0);
  forChunks(n, group, [&](const Chunk &c) __attribute__((target("avx2"), always_inline)) {
    float inverse[Chunk::MostGroups];
    int32_t offset[Chunk::MostGroups]; // twice in a word
    for (int64_t g = 0; g < c.groups; ++g) {
      inverse[g] = 1 / scale[c.firstGroup + g];
      offset[g] = (static_cast<int32_t>(zero[c.firstGroup + g]) + Above) * 0x10001;
    }
    __m256i pairs[Chunk::Most / 32];
    auto run = [&](int64_t i, int64_t g) __attribute__((target("avx2"), always_inline)) {
      if constexpr (!Ahead)
        fetch(w + n + c.first + i);
      ThirtyTwo q = rounded32(w + c.first + i, _mm256_set1_ps(inverse[g]));
      __m256i plus = _mm256_set1_epi32(offset[g]);
      __m256i even = _mm256_subs_epu16(_mm256_adds_epi16(q.even, plus), above);
      __m256i odd = _mm256_subs_epu16(_mm256_adds_epi16(q.odd, plus), above);
      even = _mm256_xor_si256(even, flip);
      odd = _mm256_xor_si256(odd, flip);
      __m256i two = _mm256_or_si256(even, _mm256_slli_epi16(odd, Bits));
      if constexpr (Bits == 4)
        pairs[i / 32] = two;
      else
        storeCodes<Bits>(two, out + (c.first + i) / 8 * Bits);
    };
    forRuns<Ahead>(c, run, step);
    if constexpr (Bits == 4)
      storeRuns(c.weights, n / 2, out + c.first / 2,
                [&](int64_t r) __attribute__((target("avx2"), always_inline)) { return pairs[r]; });
  });
}

//===----------------------------------------------------------------------===//
// Codebooks
//===----------------------------------------------------------------------===//

/// Where the code of x changes as |x| grows, for the scales 1 to 2 that f16 has. For others it is
/// the same, up to the exponent. bf16 numbers of one sign are ordered as their bits are, so
///
///   d = bits of |x| − offset           0 at most as far as no code changes, at most `Most`
///   cell, place = d·Multiplier         its two halves: sixteen cells of 38.6 numbers
///   code = start[cell], or the next beyond it if place > last[cell]
///
/// offset is such that a cell never has two changes of one sign. What changes where is asked of the
/// general code when this is built, so that nothing is left to rounding.
class CodebookSteps {
public:
  using Encode = void (*)(const float *w, int64_t n, const GroupParams &p, uint8_t *codes);
  static constexpr int Scales = 128, Cells = 16, Multiplier = 1698,
                       Most = (Cells * 65536 - 1) / Multiplier;

  struct alignas(64) Steps {
    uint8_t start[2][Cells]; ///< of positive, of negative numbers
    int8_t last[2][Cells];   ///< less 128, for the comparison; 127: no change
  };
  Steps steps[Scales];
  int32_t offset[Scales];

  explicit CodebookSteps(Encode encode) {
    for (int k = 0; k < Scales; ++k)
      build(encode, k);
  }

private:
  static constexpr int One = 0x3f80, Begin = One - 768, Numbers = 1024; ///< bits of 2^-6 to 4

  static int cellOf(int d) { return d * Multiplier >> 16; }
  static int8_t placeOf(int d) { return static_cast<int8_t>((d * Multiplier >> 8 & 255) - 128); }

  /// No two changes of a sign share a cell, and all have one.
  static bool fits(const uint8_t codes[2][Numbers], int offset) {
    for (int sign = 0; sign < 2; ++sign)
      for (int i = 0, before = -1; i + 1 < Numbers; ++i)
        if (codes[sign][i] != codes[sign][i + 1]) {
          int d = Begin + i - offset;
          if (d < 0 || d >= Most || cellOf(d) == before)
            return false;
          before = cellOf(d);
        }
    return true;
  }
  void build(Encode encode, int k) {
    float numbers[2][Numbers];
    uint8_t codes[2][Numbers];
    GroupParams p;
    p.scale = 1 + static_cast<float>(k) / Scales;
    for (int i = 0; i < Numbers; ++i) {
      numbers[0][i] = bf16ToFloat(static_cast<uint16_t>(Begin + i));
      numbers[1][i] = -numbers[0][i];
    }
    for (int sign = 0; sign < 2; ++sign)
      encode(numbers[sign], Numbers, p, codes[sign]);
    int at = Begin;
    while (at < Begin + Numbers && !fits(codes, at))
      ++at;
    if (at == Begin + Numbers)
      std::abort(); // not a codebook that this is made for
    offset[k] = at;
    for (int sign = 0; sign < 2; ++sign) {
      const uint8_t *code = codes[sign];
      std::fill_n(steps[k].last[sign], Cells, int8_t(127));
      for (int d = 0; d <= Most && at - Begin + d + 1 < Numbers; ++d) {
        const uint8_t *here = code + (at - Begin + d);
        if (d == 0 || cellOf(d - 1) != cellOf(d))
          steps[k].start[sign][cellOf(d)] = here[0];
        if (here[0] != here[1])
          steps[k].last[sign][cellOf(d)] = placeOf(d);
      }
    }
  }
};

FINGPT_AVX2_INLINE __m256i twice(const void *table) {
  return _mm256_broadcastsi128_si256(_mm_load_si128(static_cast<const __m128i *>(table)));
}

/// Codes of 32 weights, in the order of packus. `Down`: those of negative numbers fall as they
/// grow.
template <bool Down>
FINGPT_AVX2_INLINE __m256i codesOf(const uint16_t *w, const CodebookSteps::Steps &steps,
                                   __m256i offset) {
  const __m256i magnitude = _mm256_set1_epi16(0x7fff),
                most = _mm256_set1_epi16(CodebookSteps::Most),
                multiplier = _mm256_set1_epi16(CodebookSteps::Multiplier);
  __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(w));
  __m256i u = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(w + 16));
  __m256i sign = _mm256_packs_epi16(v, u);
  v = _mm256_min_epu16(_mm256_subs_epu16(_mm256_and_si256(v, magnitude), offset), most);
  u = _mm256_min_epu16(_mm256_subs_epu16(_mm256_and_si256(u, magnitude), offset), most);
  __m256i cell =
      _mm256_packus_epi16(_mm256_mulhi_epu16(v, multiplier), _mm256_mulhi_epu16(u, multiplier));
  __m256i place = _mm256_packus_epi16(_mm256_srli_epi16(_mm256_mullo_epi16(v, multiplier), 8),
                                      _mm256_srli_epi16(_mm256_mullo_epi16(u, multiplier), 8));
  place = _mm256_xor_si256(place, _mm256_set1_epi8(-128));
  __m256i start = _mm256_blendv_epi8(_mm256_shuffle_epi8(twice(steps.start[0]), cell),
                                     _mm256_shuffle_epi8(twice(steps.start[1]), cell), sign);
  __m256i last = _mm256_blendv_epi8(_mm256_shuffle_epi8(twice(steps.last[0]), cell),
                                    _mm256_shuffle_epi8(twice(steps.last[1]), cell), sign);
  __m256i past = _mm256_cmpgt_epi8(place, last); // −1 where it is
  return _mm256_sub_epi8(start, Down ? _mm256_sign_epi8(past, sign) : past);
}

template <bool Down, bool Ahead, typename Next>
FINGPT_AVX2_INLINE void packCodebook(const CodebookSteps &book, const uint16_t *w, int64_t n,
                                     int64_t group, const float *scale, uint8_t *out,
                                     const Next &step) {
  forChunks(n, group, [&](const Chunk &c) __attribute__((target("avx2"), always_inline)) {
    const CodebookSteps::Steps *steps[Chunk::MostGroups];
    int32_t offset[Chunk::MostGroups]; // twice in a word
    for (int64_t g = 0; g < c.groups; ++g) {
      uint32_t bits = floatToBits(scale[c.firstGroup + g]), k = bits >> 16 & 127;
      steps[g] = book.steps + k;
      offset[g] = (book.offset[k] + (static_cast<int32_t>(bits >> 23) - 127) * 128) * 0x10001;
    }
    __m256i pairs[Chunk::Most / 32];
    auto run = [&](int64_t i, int64_t g) __attribute__((target("avx2"), always_inline)) {
      if constexpr (!Ahead)
        fetch(w + n + c.first + i);
      __m256i codes = codesOf<Down>(w + c.first + i, *steps[g], _mm256_set1_epi32(offset[g]));
      pairs[i / 32] = _mm256_maddubs_epi16(codes, _mm256_set1_epi16(0x1001)); // even + 16·odd
    };
    forRuns<Ahead>(c, run, step);
    storeRuns(c.weights, n / 2, out + c.first / 2,
              [&](int64_t r) __attribute__((target("avx2"), always_inline)) { return pairs[r]; });
  });
}

template <bool Down>
FINGPT_AVX2 void codebook(const CodebookSteps &book, const uint16_t *w, int64_t n, int64_t group,
                          const float *scale, uint8_t *out, NextRow &next) {
  withNext(next, n, group,
           [&](auto ahead, const auto &step) __attribute__((target("avx2"), always_inline)) {
             packCodebook<Down, decltype(ahead)::value>(book, w, n, group, scale, out, step);
           });
}

template <int Bits, typename T>
FINGPT_AVX2 void affine(const T *w, int64_t n, int64_t group, const float *scale, const float *zero,
                        bool isSigned, uint8_t *bytes, NextRow &next) {
  withNext(next, n, group,
           [&](auto ahead, const auto &step) __attribute__((target("avx2"), always_inline)) {
             packAffine<Bits, decltype(ahead)::value>(w, n, group, scale, zero, isSigned, bytes,
                                                      step);
           });
}
template <typename T>
void affineOf(const QuantScheme &how, const T *w, int64_t n, int64_t group, const float *scale,
              const float *zero, uint8_t *bytes, NextRow &next) {
  using Pack = void (*)(const T *, int64_t, int64_t, const float *, const float *, bool, uint8_t *,
                        NextRow &);
  static constexpr Pack ByBits[] = {affine<2, T>, affine<3, T>, affine<4, T>, affine<5, T>,
                                    affine<6, T>, affine<7, T>, affine<8, T>};
  ByBits[how.bits - 2](w, n, group, scale, zero, how.signedCodes, bytes, next);
}
} // namespace

bool compress::packedRounding(int64_t cols, int64_t group) {
  return currentIsa() >= Isa::Avx2 && cols % 32 == 0 && group % 32 == 0;
}
bool compress::rangesWithZero(const uint16_t *bf16, int64_t n, int64_t group, float *lo,
                              float *hi) {
  return rangesAvx2(bf16, n, group, lo, hi);
}
void compress::packAffine(const QuantScheme &how, const uint16_t *bf16, int64_t n, int64_t group,
                          const float *scale, const float *zero, uint8_t *bytes, NextRow &next) {
  affineOf(how, bf16, n, group, scale, zero, bytes, next);
}
void compress::packAffine(const QuantScheme &how, const float *w, int64_t n, int64_t group,
                          const float *scale, const float *zero, uint8_t *bytes) {
  NextRow none;
  affineOf(how, w, n, group, scale, zero, bytes, none);
}
void compress::packNF4(const uint16_t *bf16, int64_t n, int64_t group, const float *scale,
                       uint8_t *bytes, NextRow &next) {
  static const CodebookSteps book(
      [](const float *w, int64_t count, const GroupParams &p, uint8_t *codes) {
        encodeNF4(w, count, count, {&p.scale, &p.zero, &p.min}, codes);
      });
  codebook<true>(book, bf16, n, group, scale, bytes, next);
}
void compress::packFP4(const uint16_t *bf16, int64_t n, int64_t group, const float *scale,
                       uint8_t *bytes, NextRow &next) {
  static const CodebookSteps book(
      [](const float *w, int64_t count, const GroupParams &p, uint8_t *codes) {
        encodeE2M1(w, count, count, {&p.scale, &p.zero, &p.min}, 1.0f / 6, codes);
      });
  codebook<false>(book, bf16, n, group, scale, bytes, next);
}

#else

bool compress::packedRounding(int64_t, int64_t) { return false; }
bool compress::rangesWithZero(const uint16_t *, int64_t, int64_t, float *, float *) {
  std::abort();
}
void compress::packAffine(const QuantScheme &, const uint16_t *, int64_t, int64_t, const float *,
                          const float *, uint8_t *, NextRow &) {
  std::abort();
}
void compress::packAffine(const QuantScheme &, const float *, int64_t, int64_t, const float *,
                          const float *, uint8_t *) {
  std::abort();
}
void compress::packNF4(const uint16_t *, int64_t, int64_t, const float *, uint8_t *, NextRow &) {
  std::abort();
}
void compress::packFP4(const uint16_t *, int64_t, int64_t, const float *, uint8_t *, NextRow &) {
  std::abort();
}

#endif
