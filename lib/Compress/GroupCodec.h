// What the quantizers share: fitting, coding and storing one group of one row.
//
//   GroupCodec codec(scheme, largest |w|);
//   GroupParams p = codec.fit(w, n);           // as stored: already rounded
//   codec.encode(w, n, p, codes);              // unsigned codes, one per byte
//   codec.store(target, row, group, p);
#ifndef FINGPT_LIB_COMPRESS_GROUPCODEC_H
#define FINGPT_LIB_COMPRESS_GROUPCODEC_H

#include "QuantizeKernels.h"
#include "fingpt/Compress/Quantize.h"

namespace fingpt::compress {

/// The value of an E4M3 (no infinities, 448 the largest) or E8M0 code.
float e4m3ToFloat(uint8_t code);
uint8_t floatToE4m3(float positive); ///< nearest, even at a tie, saturating; at least 2^-9
float e8m0ToFloat(uint8_t code);

class GroupCodec {
public:
  /// `largest`: of the weight's magnitudes, decides the type of the scales (and NVFP4's
  /// tensor scale). Without it f16 scales are assumed.
  GroupCodec(const QuantScheme &scheme, float largest);
  /// The codec that made `q`.
  explicit GroupCodec(const QuantizedWeight &q);
  static DType scaleTypeFor(const QuantScheme &scheme, float largest);

  /// Covers [lo, hi], the range of w[0..n), or searches a narrower one if the scheme asks.
  /// The search minimises Σ weights·d² if there are weights, else Σ |d|^2.4.
  GroupParams fit(const float *w, int64_t n, float lo, float hi,
                  const float *weights = nullptr) const;
  /// The same, finding the range.
  GroupParams fit(const float *w, int64_t n, const float *weights = nullptr) const;
  /// Covers [lo, hi].
  GroupParams cover(float lo, float hi) const;
  /// The same for n groups; scale[0..n), … are written.
  void coverAll(const float *lo, const float *hi, int64_t n, float *scale, float *zero,
                float *min) const;
  /// Codes of a run in groups of `group`, an element of the arrays each.
  void encode(const float *w, int64_t n, int64_t group, const ParamArrays &params,
              uint8_t *codes) const;
  void encode(const float *w, int64_t n, const GroupParams &params, uint8_t *codes) const {
    encode(w, n, n, {&params.scale, &params.zero, &params.min}, codes);
  }
  void decode(const uint8_t *codes, int64_t n, const GroupParams &params, float *w) const;
  /// Of a column: w[i] is read by params.scale[i], ….
  void encodeColumn(const float *w, int64_t n, const ParamArrays &params, uint8_t *codes) const;
  void decodeColumn(const uint8_t *codes, int64_t n, const ParamArrays &params, float *w) const;
  /// The nearest representable value.
  float round(float w, const GroupParams &params) const {
    uint8_t code;
    float out;
    encode(&w, 1, params, &code);
    decode(&code, 1, params, &out);
    return out;
  }

  /// An empty weight of this scheme with room for everything.
  QuantizedWeight allocate(int64_t rows, int64_t cols) const;
  void store(QuantizedWeight &target, int64_t row, int64_t group, const GroupParams &p) const;
  /// `count` groups of a row from `first` on, whose zeros start a byte; params has an element of
  /// each.
  void storeParams(QuantizedWeight &target, int64_t row, int64_t first, int64_t count,
                   const ParamArrays &params) const;
  /// Packs a row of unsigned codes, one per byte; the codes may be changed (sign).
  void storeRow(QuantizedWeight &target, int64_t row, uint8_t *codes) const {
    storeCodes(target, row, 0, target.cols, codes);
  }
  /// The same for n of them from column `first` on, whose code starts a byte.
  void storeCodes(QuantizedWeight &target, int64_t row, int64_t first, int64_t n,
                  uint8_t *codes) const;

  /// Rounds a scale to its stored type: up for f16, so that the range stays covered.
  float storable(float scale) const;
  /// The nearest positive scale, resp. the nearest minimum, of the stored type.
  float nearestScale(float scale) const;
  float nearestMin(float min) const;
  const QuantScheme &scheme() const { return how; }
  float maxCode() const { return top; }
  /// What E2M1's values are in scales.
  float unit() const { return how.format == CodeFormat::FP4 ? 1.0f / 6 : tensorScale; }

private:
  QuantScheme how;
  DType scaleType;
  float top;             ///< 2^bits − 1
  float tensorScale = 1; ///< NVFP4
  float codebook[16];    ///< with the tensor scale
};

/// How the codes of [groups, rows] are read.
struct ParamTable {
  Matrix<float> scale, zero, min;

  ParamTable() = default;
  ParamTable(int64_t groups, int64_t rows)
      : scale(groups, rows), zero(groups, rows), min(groups, rows) {}
  GroupParams at(int64_t group, int64_t row) const {
    return {scale(group, row), zero(group, row), min(group, row)};
  }
  void set(int64_t group, int64_t row, const GroupParams &p) {
    scale(group, row) = p.scale;
    zero(group, row) = p.zero;
    min(group, row) = p.min;
  }
  /// Of one group, from a row on.
  ParamArrays column(int64_t group, int64_t row = 0) const {
    return {scale.row(group) + row, zero.row(group) + row, min.row(group) + row};
  }
};

/// How unsigned codes of a stored group are read.
GroupParams storedParams(const QuantizedWeight &q, int64_t row, int64_t group);
/// Unpacks a stored row to unsigned codes, one per byte: the reverse of GroupCodec::storeRow.
void storedCodes(const QuantizedWeight &q, int64_t row, uint8_t *codes);

} // namespace fingpt::compress

#endif // FINGPT_LIB_COMPRESS_GROUPCODEC_H
