// The fast lane of plain rounding: from bf16, f16 or f32 to packed codes, 64 weights at a time. It
// gives the bits of QuantizeKernels.h, only sooner.
//
//   rangesWithZero(DType::BF16, w, 2048, 64, lo, hi);                // lo, hi: 32 each
//   packAffine(how, DType::BF16, w, 2048, 64, scale, zero, bytes);   // 4 bits: 1024 bytes, low
//                                                                    // nibble first
// What is hand-written here is where the general code cannot come near the speed of memory: the
// order of lanes through the narrowing from f32 to codes, and the search in a codebook. A row goes
// through ranges and codes in pieces that stay in L1 from one to the other.
#ifndef FINGPT_LIB_COMPRESS_PACKEDROUNDING_H
#define FINGPT_LIB_COMPRESS_PACKEDROUNDING_H

#include "fingpt/Compress/QuantScheme.h"
#include "fingpt/Params/ParamStore.h"

#include <cstdint>

namespace fingpt::compress {

/// This machine has the fast lane, and a row of `cols` in groups of `group` goes through it.
bool packedRounding(int64_t cols, int64_t group);

// All take n > 0 weights in groups of `group`, both multiples of 32, the last group ragged, and an
// array with one element per group.

/// The range of each group and 0, of bf16 or f16. Returns the largest magnitude: Inf or NaN if a
/// weight is.
float rangesWithZero(DType type, const uint16_t *w, int64_t n, int64_t group, float *lo, float *hi);

/// As encodeAffine with minima 0, then packCodes, for integers of how.bits (2 to 8, signed or not),
/// weights of bf16, f16 or f32, scales of at least 2^-100 and |w|/scale below 2^31: what a range
/// does not cover is clamped.
void packAffine(const QuantScheme &how, DType type, const void *w, int64_t n, int64_t group,
                const float *scale, const float *zero, uint8_t *bytes);
/// As encodeNF4, resp. encodeE2M1 with unit 1/6, for scales from 2^-60 to 2^63 that bf16 holds:
/// what covers bf16 weights in f16 is one.
void packNF4(const uint16_t *bf16, int64_t n, int64_t group, const float *scale, uint8_t *bytes);
void packFP4(const uint16_t *bf16, int64_t n, int64_t group, const float *scale, uint8_t *bytes);

/// As encodeNF4 or encodeE2M1 with a unit, then packCodes, for f32 in groups of a multiple of 16.
/// False where n is no multiple of 64, a product of scale and unit is below 2^-100, or this machine
/// is no faster than the general code: nothing is done then.
bool packNF4(const float *w, int64_t n, int64_t group, const float *scale, uint8_t *bytes);
bool packE2M1(const float *w, int64_t n, int64_t group, const float *scale, float unit,
              uint8_t *bytes);

/// As widenF16, on any machine and for any n.
void widenF16Fast(const uint16_t *f16, int64_t n, float *to);

} // namespace fingpt::compress

#endif // FINGPT_LIB_COMPRESS_PACKEDROUNDING_H
