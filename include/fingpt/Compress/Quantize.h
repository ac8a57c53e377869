// Rounding a weight to codes, and back.
//
//   auto q = quantize(w, *parseScheme("w4g128"));     // w: [576, 1536] f32
//   // q->codes:  576 × 768 bytes, low nibble first
//   // q->scales: 576 × 12 f16       q->zeros: 576 × 6 bytes (4-bit codes)
//   Matrix<float> back = dequantized(*q);             // |back − w| ≤ scale/2
//
// A QuantizedWeight holds exactly the operands of the `fin` ops:
//
//   integer      dequantize(codes, scales [, zeros | mins]), attribute zero = constantZero()
//   codebook     lookup(codes, codebook, scales); NVFP4's tensor scale is in the codebook
//   -dq          scales = transpose(dequantize(codes, scales, mins)): scale codes are stored
//                [groups, out], so that 256 consecutive rows of a group column share one
//                second-level scale whatever the width of the weight
//   E8M0, E4M3   scales = lookup(scale bytes as ui8, scaleTable(type)) where the reader has
//                no 8-bit float type
//
// Scales are rounded *before* the codes are chosen, up, so that the range stays
// covered and the error stays within half a stored scale. They are f16 unless
// the largest weight is so large or small (beyond 6e4, below 2^(bits−18)) that
// f16 would overflow or lose its precision; then the scales of the weight are f32.
//
// Rows are read one at a time from where the weight lies, in parallel, and each
// row's codes depend on that row alone: the bits do not depend on the threads, and
// no copy of the weight is made.
#ifndef FINGPT_COMPRESS_QUANTIZE_H
#define FINGPT_COMPRESS_QUANTIZE_H

#include "fingpt/Compress/Matrix.h"
#include "fingpt/Compress/QuantScheme.h"
#include "fingpt/Compress/RawBytes.h"
#include "fingpt/Params/ParamStore.h"

#include <functional>
#include <optional>
#include <vector>

namespace fingpt::compress {

/// A weight [rows, cols] where it lies: F32, F16, BF16 or F64, rows contiguous.
class WeightSource {
public:
  WeightSource(const void *data, DType type, int64_t rows, int64_t cols)
      : WeightSource(data, type, rows, cols, cols) {}
  /// Rows `stride` elements apart.
  WeightSource(const void *data, DType type, int64_t rows, int64_t cols, int64_t stride)
      : data(static_cast<const char *>(data)), type(type), height(rows), width(cols),
        stride(stride) {}
  WeightSource(ConstMatrixF w)
      : data(reinterpret_cast<const char *>(w.data)), type(DType::F32), height(w.rows),
        width(w.cols), stride(w.stride) {}
  WeightSource(const Matrix<float> &w) : WeightSource(w.view()) {}

  int64_t rows() const { return height; }
  int64_t cols() const { return width; }
  /// Error: an element type that is no float of 16 to 64 bits.
  Status validate() const;
  /// Row i as f32: in place if it is stored so, else converted into scratch [cols].
  const float *row(int64_t i, float *scratch) const { return part(i, 0, width, scratch); }
  /// Its columns [first, first + n); scratch [n].
  const float *part(int64_t i, int64_t first, int64_t n, float *scratch) const;
  /// Row i as it is stored if that is bf16 or f16, else null.
  const uint16_t *halfRow(int64_t i) const;
  DType dtype() const { return type; }
  /// Bytes of one row.
  int64_t rowBytes() const { return width * static_cast<int64_t>(dtypeSize(type)); }

  /// Called with rows [begin, end) that are not needed for now, by several threads: where the
  /// weight is a mapped file, its pages can go.
  std::function<void(int64_t begin, int64_t end)> release;

private:
  const char *data;
  DType type;
  int64_t height, width, stride;
};

/// Second level of double quantization: scale(r, g) = codes[g, r]·scales + mins, both per
/// block of 256 rows.
struct QuantizedScales {
  static constexpr int64_t Block = 256;
  std::vector<uint8_t> codes;      ///< [groups, rows]
  std::vector<float> scales, mins; ///< [groups, ⌈rows/256⌉]
};

struct QuantizedWeight {
  QuantScheme scheme;
  int64_t rows = 0, cols = 0;
  int64_t groupSize = 0, groups = 0; ///< resolved for `cols`; the last group may be ragged
  DType scaleType = DType::F16;      ///< F16, F32, F8E8M0, F8E4M3
  RawBytes codes;                    ///< [rows, ⌈cols·bits/8⌉], low bits first
  std::vector<uint8_t> scales;       ///< [rows, groups] of scaleType; empty with scaleCodes
  std::vector<uint8_t> zeros;        ///< ZeroCodes: [rows, ⌈groups·bits/8⌉]
  std::vector<uint8_t> mins;         ///< Mins: [rows, groups] of scaleType
  std::vector<float> codebook;       ///< lookup formats: [2^bits]
  std::optional<QuantizedScales> scaleCodes;

  int64_t rowBytes() const { return (cols * scheme.bits + 7) / 8; }
  int64_t zeroRowBytes() const { return (groups * scheme.bits + 7) / 8; }
  /// The `zero` attribute of fin.dequantize.
  int64_t constantZero() const {
    return scheme.offset == Offset::Symmetric && !scheme.signedCodes && !scheme.isLookup()
               ? int64_t(1) << (scheme.bits - 1)
               : 0;
  }
  float scale(int64_t row, int64_t group) const;
  /// z of (q − z)·s + m, in terms of the stored codes.
  float zero(int64_t row, int64_t group) const;
  float min(int64_t row, int64_t group) const;
  /// The code as stored: unsigned, or two's complement in `bits` bits.
  uint8_t code(int64_t row, int64_t col) const;
  /// Every leaf, padding included. The 1 KiB scaleTable is shared and not counted.
  int64_t storedBytes() const;
  double bitsPerWeight() const;
  friend bool operator==(const QuantizedWeight &a, const QuantizedWeight &b);
};

/// Rounds to nearest. Error: an invalid scheme, or NaN or Inf, naming row and column.
Result<QuantizedWeight> quantize(const WeightSource &w, const QuantScheme &scheme);

/// Σ (ŵ − w)² / Σ w², row by row; 0 if both are 0.
double relativeError(const WeightSource &w, const QuantizedWeight &q);

/// Writes the f32 weight, as the `fin` ops define it. `out` must have its shape.
void dequantize(const QuantizedWeight &q, MatrixView<float> out);
Matrix<float> dequantized(const QuantizedWeight &q);

/// The 256 values of an 8-bit float type (F8E8M0, F8E4M3); NaN codes are NaN.
std::vector<float> scaleTable(DType type);

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_QUANTIZE_H
