// AVX-512 (F, BW, DQ, VL): 16 lanes, 32 registers.
#include "KernelTable.h"

#include <immintrin.h>

namespace {

typedef float F4 __attribute__((vector_size(16), aligned(4)));

struct Vec {
  using F = __m512;
  using Mask = __mmask16;
  static constexpr int Lanes = 16;
  static constexpr int LinearRows = 6;
  static constexpr int AttentionRows = 6, AttentionVectors = 4, DirectVectors = 2;

  static F zero() { return _mm512_setzero_ps(); }
  static F set1(float a) { return _mm512_set1_ps(a); }
  static F load(const float *p) { return _mm512_loadu_ps(p); }
  static void store(float *p, F a) { _mm512_storeu_ps(p, a); }
  static Mask firstN(int64_t n) {
    return n >= 16 ? Mask(0xffff) : n <= 0 ? Mask(0) : Mask((1u << n) - 1);
  }
  static F loadFirst(const float *p, int64_t n) { return _mm512_maskz_loadu_ps(firstN(n), p); }
  static void storeFirst(float *p, F a, int64_t n) { _mm512_mask_storeu_ps(p, firstN(n), a); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F min(F a, F b) { return _mm512_min_ps(a, b); }
  static F abs(F a) { return _mm512_abs_ps(a); }
  static F round(F a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static F pow2(F n) {
    return _mm512_castsi512_ps(
        _mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
  }
  static Mask less(F a, F b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  static Mask both(Mask a, Mask b) { return a & b; }
  static Mask butNot(Mask a, Mask b) { return Mask(a & ~b); }
  static F select(Mask m, F a, F b) { return _mm512_mask_blend_ps(m, b, a); }

  /// out[i] lane j = p[j·stride + i]: lane group g of row vector i is row 4g +
  /// i, then 4×4 transposes within the groups.
  static void transpose4(const float *p, int64_t stride, F (&out)[4]) {
    F r[4];
    for (int i = 0; i < 4; ++i) {
      const float *row = p + i * stride;
      F a = _mm512_castps128_ps512(_mm_loadu_ps(row));
      a = _mm512_insertf32x4(a, _mm_loadu_ps(row + 4 * stride), 1);
      a = _mm512_insertf32x4(a, _mm_loadu_ps(row + 8 * stride), 2);
      r[i] = _mm512_insertf32x4(a, _mm_loadu_ps(row + 12 * stride), 3);
    }
    F low01 = _mm512_unpacklo_ps(r[0], r[1]), high01 = _mm512_unpackhi_ps(r[0], r[1]);
    F low23 = _mm512_unpacklo_ps(r[2], r[3]), high23 = _mm512_unpackhi_ps(r[2], r[3]);
    out[0] = _mm512_shuffle_ps(low01, low23, 0x44);
    out[1] = _mm512_shuffle_ps(low01, low23, 0xee);
    out[2] = _mm512_shuffle_ps(high01, high23, 0x44);
    out[3] = _mm512_shuffle_ps(high01, high23, 0xee);
  }

  /// The sums of the lanes of four vectors.
  static F4 sum4(F a, F b, F c, F d) {
    F ab = add(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    F cd = add(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    F all = add(_mm512_shuffle_ps(ab, cd, 0x44), _mm512_shuffle_ps(ab, cd, 0xee));
    __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm512_extractf32x8_ps(all, 1));
    return (F4)_mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
  }
  static float maxLane(F a) { return _mm512_reduce_max_ps(a); }
};

} // namespace

#include "LinearKernels.inc"

#include "AttentionKernels.inc" // Uses withSize of the former.

const fingpt::KernelTable fingpt::avx512Kernels = FINGPT_KERNEL_TABLE;
