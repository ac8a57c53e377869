// The inner loops of quantization. Each has clones for the instruction sets of
// the running machine; all give the same bits, since they only compare,
// multiply, add and round lane by lane, without contraction.
#ifndef FINGPT_LIB_COMPRESS_QUANTIZEKERNELS_H
#define FINGPT_LIB_COMPRESS_QUANTIZEKERNELS_H

#include <cstdint>

namespace fingpt::compress {

/// How the codes of one group are read: w = (q − zero)·scale + min.
struct GroupParams {
  float scale = 1, zero = 0, min = 0;
};

/// Those of many groups: an array each.
struct ParamArrays {
  const float *scale, *zero, *min;
};

// All take a run of n > 0 weights in groups of `group`, the last one ragged, and
// arrays with one element per group.

/// The least and the largest weight of each group. False if one is NaN or Inf.
bool groupRanges(const float *w, int64_t n, int64_t group, float *lo, float *hi);

/// The largest of all −lo and hi, at least 0.
float largestOfRanges(const float *lo, const float *hi, int64_t n);

/// codes = clamp(round((w − min)/scale) + zero, 0, maxCode), half to even.
void encodeAffine(const float *w, int64_t n, int64_t group, const ParamArrays &params,
                  float maxCode, uint8_t *codes);
/// Nearest NF4 code of w/scale; the lower one at a midpoint.
void encodeNF4(const float *w, int64_t n, int64_t group, const ParamArrays &params, uint8_t *codes);
/// Nearest E2M1 code of w/(scale·unit), saturating; the even one at a midpoint.
void encodeE2M1(const float *w, int64_t n, int64_t group, const ParamArrays &params, float unit,
                uint8_t *codes);

// The same of a column: w[i] is of row i, which has parameters of its own, params.scale[i], ….
// The bits are those of the functions above.
void encodeAffineColumn(const float *w, int64_t n, const ParamArrays &params, float maxCode,
                        uint8_t *codes);
void encodeNF4Column(const float *w, int64_t n, const ParamArrays &params, uint8_t *codes);
void encodeE2M1Column(const float *w, int64_t n, const ParamArrays &params, float unit,
                      uint8_t *codes);
void decodeAffineColumn(const uint8_t *codes, int64_t n, const ParamArrays &params, float *w);
void decodeLookupColumn(const uint8_t *codes, int64_t n, const float *codebook,
                        const ParamArrays &params, float *w);

void decodeAffine(const uint8_t *codes, int64_t n, GroupParams params, float *w);
void decodeLookup(const uint8_t *codes, int64_t n, const float *codebook, float scale, float *w);

/// Σ (|decoded − w|/unit)^2.4, to about 1e-4: good for choosing, not for reporting.
float roundingCost(const float *w, const float *decoded, int64_t n, float unit);

/// Σ weights·((decoded − w)/unit)².
float weightedCost(const float *w, const float *decoded, const float *weights, int64_t n,
                   float unit);

// What covers the ranges of n groups, with scales that f16 stores; see GroupCodec::cover.
// `maxCode` is the largest code.
void coverZeroCodes(const float *lo, const float *hi, int64_t n, float maxCode, float *scale,
                    float *zero);
void coverMins(const float *lo, const float *hi, int64_t n, float maxCode, float *scale,
               float *min);
/// Scales of the largest magnitude times `share`, or 1 where that is 0.
void coverMagnitudes(const float *lo, const float *hi, int64_t n, float share, float *scale);
/// The power of two below the largest magnitude, over 4 (at least 2^-127): scales of MXFP4.
void coverPowers(const float *lo, const float *hi, int64_t n, float *scale);
/// The bits of numbers that f16 holds exactly.
void exactF16(const float *values, int64_t n, uint16_t *bits);

/// Low bits first; the last byte is padded with zeros.
void packCodes(const uint8_t *codes, int64_t n, int bits, uint8_t *bytes);
void unpackCodes(const uint8_t *bytes, int64_t n, int bits, uint8_t *codes);

void widenF16(const uint16_t *from, int64_t n, float *to);
void widenBf16(const uint16_t *from, int64_t n, float *to);

extern const float kNF4Values[16];
extern const float kE2M1Values[16];

} // namespace fingpt::compress

#endif // FINGPT_LIB_COMPRESS_QUANTIZEKERNELS_H
