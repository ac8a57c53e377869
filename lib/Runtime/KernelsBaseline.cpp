// Any CPU: vectors of four as the compiler's extension gives them (SSE2 on
// x86-64), products and sums rounded apart.
#include "KernelTable.h"

namespace {

typedef float F4 __attribute__((vector_size(16), aligned(4)));

struct Vec {
  typedef float F __attribute__((vector_size(16)));
  typedef int32_t Mask __attribute__((vector_size(16)));
  static constexpr int Lanes = 4;
  static constexpr int LinearRows = 2;
  static constexpr int AttentionRows = 4, AttentionVectors = 2, DirectVectors = 2;

  static F zero() { return F{0, 0, 0, 0}; }
  static F set1(float a) { return F{a, a, a, a}; }
  static F load(const float *p) { return *reinterpret_cast<const F4 *>(p); }
  static void store(float *p, F a) { *reinterpret_cast<F4 *>(p) = a; }
  static Mask firstN(int64_t n) {
    int32_t count = n < 0 ? 0 : n > 4 ? 4 : int32_t(n);
    return Mask{0, 1, 2, 3} < Mask{count, count, count, count};
  }
  static F loadFirst(const float *p, int64_t n) {
    F a = zero();
    for (int i = 0; i < 4 && i < n; ++i)
      a[i] = p[i];
    return a;
  }
  static void storeFirst(float *p, F a, int64_t n) {
    for (int i = 0; i < 4 && i < n; ++i)
      p[i] = a[i];
  }
  static F add(F a, F b) { return a + b; }
  static F sub(F a, F b) { return a - b; }
  static F mul(F a, F b) { return a * b; }
  static F div(F a, F b) { return a / b; }
  static F fma(F a, F b, F c) { return a * b + c; }
  /// As maxps: the second operand if either is NaN.
  static F max(F a, F b) { return a > b ? a : b; }
  static F min(F a, F b) { return a < b ? a : b; }
  static F abs(F a) { return F(Mask(a) & 0x7fffffff); }
  /// To the nearest integer, |a| < 2^22.
  static F round(F a) {
    F magic = set1(12582912.0f); // 1.5·2^23: the sum has no fraction bits.
    return (a + magic) - magic;
  }
  static F pow2(F n) {
    // n + 127 + 2^23 has the integer in its low bits.
    Mask bits = Mask(n + set1(8388608.0f + 127.0f));
    return F(bits << 23);
  }
  static Mask less(F a, F b) { return a < b; }
  static Mask both(Mask a, Mask b) { return a & b; }
  static Mask butNot(Mask a, Mask b) { return a & ~b; }
  static F select(Mask m, F a, F b) { return F((Mask(a) & m) | (Mask(b) & ~m)); }

  /// out[i] lane j = p[j·stride + i].
  static void transpose4(const float *p, int64_t stride, F (&out)[4]) {
    F r[4];
    for (int i = 0; i < 4; ++i)
      r[i] = load(p + i * stride);
    F low01 = __builtin_shufflevector(r[0], r[1], 0, 4, 1, 5);
    F high01 = __builtin_shufflevector(r[0], r[1], 2, 6, 3, 7);
    F low23 = __builtin_shufflevector(r[2], r[3], 0, 4, 1, 5);
    F high23 = __builtin_shufflevector(r[2], r[3], 2, 6, 3, 7);
    out[0] = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
    out[1] = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
    out[2] = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
    out[3] = __builtin_shufflevector(high01, high23, 2, 3, 6, 7);
  }

  /// The sums of the lanes of four vectors.
  static F4 sum4(F a, F b, F c, F d) {
    F ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
    F cd = __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
    return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) +
           __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
  }
  static float maxLane(F a) {
    float r = a[0];
    for (int i = 1; i < 4; ++i)
      r = a[i] > r ? a[i] : r;
    return r;
  }
};

} // namespace

#include "LinearKernels.inc"

#include "AttentionKernels.inc" // Uses withSize of the former.

const fingpt::KernelTable fingpt::baselineKernels = FINGPT_KERNEL_TABLE;
