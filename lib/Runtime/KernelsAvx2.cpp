// AVX2 and FMA: 8 lanes, 16 registers.
#include "KernelTable.h"

#include <immintrin.h>

namespace {

typedef float F4 __attribute__((vector_size(16), aligned(4)));

alignas(32) const int32_t maskBits[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};

struct Vec {
  using F = __m256;
  using Mask = __m256;
  static constexpr int Lanes = 8;
  static constexpr int LinearRows = 3;
  static constexpr int AttentionRows = 6, AttentionVectors = 2, DirectVectors = 2;

  static F zero() { return _mm256_setzero_ps(); }
  static F set1(float a) { return _mm256_set1_ps(a); }
  static F load(const float *p) { return _mm256_loadu_ps(p); }
  static void store(float *p, F a) { _mm256_storeu_ps(p, a); }
  static __m256i firstBits(int64_t n) {
    n = n < 0 ? 0 : n > 8 ? 8 : n;
    return _mm256_loadu_si256(reinterpret_cast<const __m256i *>(maskBits + 8 - n));
  }
  static Mask firstN(int64_t n) { return _mm256_castsi256_ps(firstBits(n)); }
  static F loadFirst(const float *p, int64_t n) { return _mm256_maskload_ps(p, firstBits(n)); }
  static void storeFirst(float *p, F a, int64_t n) { _mm256_maskstore_ps(p, firstBits(n), a); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F max(F a, F b) { return _mm256_max_ps(a, b); }
  static F min(F a, F b) { return _mm256_min_ps(a, b); }
  static F abs(F a) { return _mm256_andnot_ps(set1(-0.0f), a); }
  static F round(F a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F pow2(F n) {
    return _mm256_castsi256_ps(
        _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
  }
  static Mask less(F a, F b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  static Mask both(Mask a, Mask b) { return _mm256_and_ps(a, b); }
  static Mask butNot(Mask a, Mask b) { return _mm256_andnot_ps(b, a); }
  static F select(Mask m, F a, F b) { return _mm256_blendv_ps(b, a, m); }

  /// out[i] lane j = p[j·stride + i]: lane group g of row vector i is row 4g +
  /// i, then 4×4 transposes within the groups.
  static void transpose4(const float *p, int64_t stride, F (&out)[4]) {
    F r[4];
    for (int i = 0; i < 4; ++i) {
      const float *row = p + i * stride;
      r[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(row)),
                                  _mm_loadu_ps(row + 4 * stride), 1);
    }
    F low01 = _mm256_unpacklo_ps(r[0], r[1]), high01 = _mm256_unpackhi_ps(r[0], r[1]);
    F low23 = _mm256_unpacklo_ps(r[2], r[3]), high23 = _mm256_unpackhi_ps(r[2], r[3]);
    out[0] = _mm256_shuffle_ps(low01, low23, 0x44);
    out[1] = _mm256_shuffle_ps(low01, low23, 0xee);
    out[2] = _mm256_shuffle_ps(high01, high23, 0x44);
    out[3] = _mm256_shuffle_ps(high01, high23, 0xee);
  }

  /// The sums of the lanes of four vectors.
  static F4 sum4(F a, F b, F c, F d) {
    F ab = add(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    F cd = add(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    F all = add(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
    return (F4)_mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
  }
  static float maxLane(F a) {
    __m128 half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    half = _mm_max_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_max_ss(half, _mm_shuffle_ps(half, half, 1)));
  }
};

} // namespace

#include "LinearKernels.inc"

#include "AttentionKernels.inc" // Uses withSize of the former.

const fingpt::KernelTable fingpt::avx2Kernels = FINGPT_KERNEL_TABLE;
