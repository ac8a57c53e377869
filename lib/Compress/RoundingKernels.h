// What PackedRounding.cpp chooses among: the loops for one instruction set.
#ifndef FINGPT_LIB_COMPRESS_ROUNDINGKERNELS_H
#define FINGPT_LIB_COMPRESS_ROUNDINGKERNELS_H

#include <cstdint>

/// Before a function or a lambda's body: loops are fast only if all of it is in one.
#define FINGPT_ALWAYS_INLINE __attribute__((always_inline))

namespace fingpt::compress {

/// Where the code of x changes as |x| grows, by one each time, for the scales 1 to 2 that bf16 has.
/// For others it is the same, up to the exponent. bf16 numbers of one sign are ordered as their
/// bits are, so with
///
///   d = clamp(bits of |x| − offset, 0, Most)
///   cell, place = d·Multiplier         its two halves: sixteen cells of 38.6 numbers
///
/// it can be found in two ways:
///
///   code = start[cell], or the next beyond it if place > last[cell]           (bytes: AVX2)
///   code = |(step[cell] + d) >> StepShift|                                    (words: AVX-512)
///
/// offset is such that a cell never has two changes of one sign.
struct CodebookSteps {
  static constexpr int Scales = 128, Cells = 16, Multiplier = 1698,
                       Most = (Cells * 65536 - 1) / Multiplier, StepShift = 11;

  struct alignas(64) Steps {
    /// Of positive, of negative numbers. Where codes fall as |x| grows the sum is −code, shifted.
    uint16_t step[2][Cells];
    uint8_t start[2][Cells];
    int8_t last[2][Cells]; ///< less 128, for the comparison; 127: no change
  };
  Steps steps[Scales];
  uint16_t offset[Scales]; ///< of exponent field 0
};

/// Where the code of v changes as v grows, by one each time, for any v in [least, most]:
///
///   cell = ⌊v·stretch + shift⌋         of 32, of which none has two changes
///   code = base[cell] + (v > last[cell])
struct LookupCells {
  static constexpr int Cells = 32;
  float least, most, stretch, shift;
  alignas(64) float last[Cells];
  alignas(64) int32_t base[Cells];
};

// Weights of bf16 and f16 come as their bits.
struct RoundingKernels {
  using Ranges = float (*)(const uint16_t *w, int64_t n, int64_t group, float *lo, float *hi);
  Ranges rangesBf16, rangesF16;

  template <typename T>
  using Affine = void (*)(const T *w, int64_t n, int64_t group, const float *scale,
                          const float *zero, bool isSigned, uint8_t *bytes);
  Affine<uint16_t> affineBf16[7], affineF16[7]; ///< of 2 to 8 bits
  Affine<float> affineF32[7];

  using Codebook = void (*)(const CodebookSteps &book, const uint16_t *bf16, int64_t n,
                            int64_t group, const float *scale, uint8_t *bytes);
  /// Codes of negative numbers fall, resp. rise, as |x| grows.
  Codebook falling, rising;

  /// Codes of w/(scale·unit), resp. of its magnitude below its sign, in groups of a multiple of 16;
  /// n is a multiple of 64. Null if there is none.
  using Lookup = void (*)(const LookupCells &cells, const float *w, int64_t n, int64_t group,
                          const float *scale, float unit, uint8_t *bytes);
  Lookup lookup, lookupMagnitude;

  void (*widenF16)(const uint16_t *f16, int64_t n, float *to);
};

extern const RoundingKernels avx2RoundingKernels, avx512RoundingKernels;

} // namespace fingpt::compress

#endif // FINGPT_LIB_COMPRESS_ROUNDINGKERNELS_H
