// The fast lane of plain rounding: from bf16 or f32 to packed codes, 32 or 64 weights at a time,
// where the row lies in L1. It gives the bits of QuantizeKernels.h, only sooner.
//
//   rangesWithZero(w, 2048, 64, lo, hi);                 // w: bf16; lo, hi: 32 each
//   NextRow next{w + 2048, lo, hi};                      // or {}: none
//   packAffine(how, w, 2048, 64, scale, zero, bytes, next);   // 4 bits: 1024 bytes, low nibble
//   first
//
// What is hand-written here is where the general code cannot come near the speed of memory: the
// order of lanes through the narrowing from f32 to codes, and the search in a codebook.
#ifndef FINGPT_LIB_COMPRESS_PACKEDROUNDING_H
#define FINGPT_LIB_COMPRESS_PACKEDROUNDING_H

#include "fingpt/Compress/QuantScheme.h"

#include <cstdint>

namespace fingpt::compress {

/// This machine has the fast lane, and a row of `cols` in groups of `group` goes through it.
bool packedRounding(int64_t cols, int64_t group);

// All take n weights in groups of `group`, both multiples of 32, and an array with one element per
// group.

/// The range of each group and 0. False if one is NaN or Inf.
bool rangesWithZero(const uint16_t *bf16, int64_t n, int64_t group, float *lo, float *hi);

/// The row that follows the one that is packed. Its ranges are found on the way: memory is read
/// while codes are computed, and the row is near when its turn comes.
struct NextRow {
  const uint16_t *bf16 = nullptr; ///< none
  float *lo = nullptr, *hi = nullptr;
  bool finite = false; ///< as rangesWithZero says
};

/// As encodeAffine with minima 0, then packCodes, for integers of how.bits (2 to 8, signed or not),
/// scales of at least 2^-100 and |w|/scale below 2^15 − 2^9: what a range does not cover is
/// clamped.
void packAffine(const QuantScheme &how, const uint16_t *bf16, int64_t n, int64_t group,
                const float *scale, const float *zero, uint8_t *bytes, NextRow &next);
void packAffine(const QuantScheme &how, const float *w, int64_t n, int64_t group,
                const float *scale, const float *zero, uint8_t *bytes);
/// As encodeNF4, resp. encodeE2M1 with unit 1/6, for scales that bf16 and f16 hold: what covers
/// bf16 weights is one.
void packNF4(const uint16_t *bf16, int64_t n, int64_t group, const float *scale, uint8_t *bytes,
             NextRow &next);
void packFP4(const uint16_t *bf16, int64_t n, int64_t group, const float *scale, uint8_t *bytes,
             NextRow &next);

} // namespace fingpt::compress

#endif // FINGPT_LIB_COMPRESS_PACKEDROUNDING_H
