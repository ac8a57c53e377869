#include "fingpt/Compress/Quantize.h"

#include "Clones.h"
#include "GroupCodec.h"
#include "PackedRounding.h"
#include "fingpt/Runtime/ThreadPool.h"
#include "fingpt/Support/Float.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <numeric>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

/// Raises `target` to `value`.
template <typename T> void atomicMax(std::atomic<T> &target, T value) {
  T seen = target.load(std::memory_order_relaxed);
  while (seen < value && !target.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}
template <typename T> void atomicMin(std::atomic<T> &target, T value) {
  T seen = target.load(std::memory_order_relaxed);
  while (seen > value && !target.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

/// What a pass over all rows learned: the largest magnitude, the first row that is not finite.
struct Scan {
  std::atomic<float> largest{0};
  std::atomic<int64_t> badRow{std::numeric_limits<int64_t>::max()};

  void note(int64_t row, float magnitude, bool finite) {
    if (!finite)
      atomicMin(badRow, row);
    else
      atomicMax(largest, magnitude);
  }
  Status status(const WeightSource &w) const {
    int64_t row = badRow;
    if (row == std::numeric_limits<int64_t>::max())
      return Status::ok();
    std::vector<float> scratch(static_cast<size_t>(w.cols()));
    const float *values = w.row(row, scratch.data());
    int64_t col = 0;
    while (std::isfinite(values[col]))
      ++col;
    return Error::at("weight [" + std::to_string(row) + ", " + std::to_string(col) + "]", "value",
                     "a finite number", std::to_string(values[col]));
  }
};

/// What a thread needs for one row at a time.
struct RowScratch {
  std::vector<float> values, lo, hi, scale, zero, min;
  std::vector<uint8_t> codes;

  RowScratch(int64_t cols, int64_t groups)
      : values(static_cast<size_t>(cols)), lo(static_cast<size_t>(groups)), hi(lo), scale(lo),
        zero(lo), min(lo), codes(static_cast<size_t>(cols)) {}
  ParamArrays params() const { return {scale.data(), zero.data(), min.data()}; }
  void set(int64_t group, const GroupParams &p) {
    auto g = static_cast<size_t>(group);
    scale[g] = p.scale;
    zero[g] = p.zero;
    min[g] = p.min;
  }
};

/// Calls body(row, scratch) for every row, with scratch for rows in `groups` groups, and gives back
/// what was read about every MiB. Rows do not depend on each other, so a thread takes the next that
/// nobody has: one that is held up holds up none.
template <typename Body> void forEachRow(const WeightSource &w, int64_t groups, const Body &body) {
  constexpr int64_t TileBytes = 1 << 20, GrainWeights = 32768;
  ThreadPool &pool = ThreadPool::global();
  int64_t grain = std::max<int64_t>(1, GrainWeights / std::max<int64_t>(w.cols(), 1));
  int64_t tile = std::max<int64_t>(1, TileBytes / std::max<int64_t>(w.rowBytes(), 1));
  tile =
      std::clamp(w.rows() / (4 * static_cast<int64_t>(pool.size())), std::min(grain, tile), tile);
  std::atomic<int64_t> next{0};
  pool.parallelFor(static_cast<size_t>((w.rows() + tile - 1) / tile), [&](size_t, size_t) {
    RowScratch scratch(w.cols(), groups);
    for (int64_t first; (first = next.fetch_add(tile, std::memory_order_relaxed)) < w.rows();) {
      int64_t until = std::min(first + tile, w.rows());
      for (int64_t row = first; row < until; ++row)
        body(row, scratch);
      if (w.release)
        w.release(first, until);
    }
  });
}

/// Calls body(group, first column, width).
template <typename Body> void forEachGroup(int64_t cols, int64_t groupSize, const Body &body) {
  for (int64_t first = 0, g = 0; first < cols; first += groupSize, ++g)
    body(g, first, std::min(groupSize, cols - first));
}

/// Finds the ranges of a row's groups and notes what the scan needs; false if not finite.
bool rangesOf(int64_t row, const float *values, int64_t cols, int64_t groupSize,
              RowScratch &scratch, Scan &scan) {
  if (cols == 0)
    return true;
  bool finite = groupRanges(values, cols, groupSize, scratch.lo.data(), scratch.hi.data());
  int64_t groups = (cols + groupSize - 1) / groupSize;
  scan.note(row, largestOfRanges(scratch.lo.data(), scratch.hi.data(), groups), finite);
  return finite;
}

/// Fits, codes and stores one row after the other, each in pieces that stay in L1 from the search
/// of their ranges to their codes.
class RowRounding {
public:
  RowRounding(const WeightSource &w, const GroupCodec &codec, QuantizedWeight &q)
      : w(w), codec(codec), q(q) {
    const QuantScheme &s = q.scheme;
    bool fast = packedRounding(q.cols, q.groupSize) && s.offset != Offset::Mins &&
                (q.scaleType == DType::F16 || s.format == CodeFormat::MXFP4);
    packed = fast && !s.isLookup();
    inPlace = fast && !s.searchClip;
    // Codes of a piece, and those of its groups' zeros, are whole bytes.
    int64_t whole = s.offset == Offset::ZeroCodes ? 8 / std::gcd(8, s.bits) : 1;
    if (q.groupSize % 8 != 0)
      whole = 8;
    pieceGroups = PieceWeights / std::max<int64_t>(q.groupSize, 1) / whole * whole;
    pieceGroups = std::max(pieceGroups, whole);
  }

  void round(int64_t row, RowScratch &scratch, Scan &scan) const {
    const uint16_t *half = inPlace ? w.halfRow(row) : nullptr;
    for (int64_t group = 0; group < q.groups; group += pieceGroups) {
      Piece p{row, group, std::min(pieceGroups, q.groups - group), group * q.groupSize, 0};
      p.weights = std::min(p.groups * q.groupSize, q.cols - p.first);
      if (!(half ? roundInPlace(p, half + p.first, scratch, scan) : roundF32(p, scratch, scan)))
        return;
    }
  }

private:
  static constexpr int64_t PieceWeights = 2048;

  /// Some groups of a row.
  struct Piece {
    int64_t row, group, groups, first, weights;
  };

  // False: a weight is not finite.

  bool roundInPlace(const Piece &p, const uint16_t *half, RowScratch &scratch, Scan &scan) const {
    float *lo = scratch.lo.data(), *hi = scratch.hi.data(), *scale = scratch.scale.data();
    float largest = rangesWithZero(w.dtype(), half, p.weights, q.groupSize, lo, hi);
    scan.note(p.row, largest, std::isfinite(largest));
    if (!std::isfinite(largest))
      return false;
    coverAndStore(p, scratch);
    bool bf16 = w.dtype() == DType::BF16;
    if (packed)
      packAffine(q.scheme, w.dtype(), half, p.weights, q.groupSize, scale, scratch.zero.data(),
                 bytesOf(p));
    else if (bf16 && q.scheme.format == CodeFormat::NF4)
      packNF4(half, p.weights, q.groupSize, scale, bytesOf(p));
    else if (bf16 && (q.scheme.format == CodeFormat::FP4 || scalesForFP4(scale, p.groups)))
      packFP4(half, p.weights, q.groupSize, scale, bytesOf(p));
    else
      encode(p, w.part(p.row, p.first, p.weights, scratch.values.data()), scratch);
    return true;
  }

  bool roundF32(const Piece &p, RowScratch &scratch, Scan &scan) const {
    const float *values = w.part(p.row, p.first, p.weights, scratch.values.data());
    if (!rangesOf(p.row, values, p.weights, q.groupSize, scratch, scan))
      return false;
    if (q.scheme.searchClip) {
      forEachGroup(p.weights, q.groupSize, [&](int64_t g, int64_t first, int64_t n) {
        auto k = static_cast<size_t>(g);
        scratch.set(g, codec.fit(values + first, n, scratch.lo[k], scratch.hi[k]));
      });
      codec.storeParams(q, p.row, p.group, p.groups, scratch.params());
    } else {
      coverAndStore(p, scratch);
    }
    if (packed)
      packAffine(q.scheme, DType::F32, values, p.weights, q.groupSize, scratch.scale.data(),
                 scratch.zero.data(), bytesOf(p));
    else
      encode(p, values, scratch);
    return true;
  }

  void coverAndStore(const Piece &p, RowScratch &scratch) const {
    codec.coverAll(scratch.lo.data(), scratch.hi.data(), p.groups, scratch.scale.data(),
                   scratch.zero.data(), scratch.min.data());
    codec.storeParams(q, p.row, p.group, p.groups, scratch.params());
  }
  void encode(const Piece &p, const float *values, RowScratch &scratch) const {
    if (q.scheme.isLookup() && packLookup(p, values, scratch.scale.data()))
      return;
    codec.encode(values, p.weights, q.groupSize, scratch.params(), scratch.codes.data());
    codec.storeCodes(q, p.row, p.first, p.weights, scratch.codes.data());
  }
  bool packLookup(const Piece &p, const float *values, const float *scale) const {
    if (q.scheme.format == CodeFormat::NF4)
      return packNF4(values, p.weights, q.groupSize, scale, bytesOf(p));
    return packE2M1(values, p.weights, q.groupSize, scale, codec.unit(), bytesOf(p));
  }
  uint8_t *bytesOf(const Piece &p) const {
    return q.codes.data() + p.row * q.rowBytes() + p.first * q.scheme.bits / 8;
  }

  /// MXFP4 is FP4 with scales of 6·2^e, where those are within what it takes.
  static bool scalesForFP4(float *scale, int64_t groups) {
    bool within = true;
    for (int64_t g = 0; g < groups; ++g)
      within &= scale[g] >= 0x1p-60f && scale[g] <= 0x1p60f;
    if (within)
      for (int64_t g = 0; g < groups; ++g)
        scale[g] *= 6;
    return within;
  }

  const WeightSource &w;
  const GroupCodec &codec;
  QuantizedWeight &q;
  bool packed, inPlace; ///< f32, resp. bf16 or f16, goes to packed codes at once
  int64_t pieceGroups;
};

/// One pass that fits, codes and stores. The result counts only if the scan agrees.
QuantizedWeight singlePass(const WeightSource &w, const GroupCodec &codec, Scan &scan) {
  QuantizedWeight q = codec.allocate(w.rows(), w.cols());
  RowRounding rounding(w, codec, q);
  forEachRow(w, q.groups,
             [&](int64_t row, RowScratch &scratch) { rounding.round(row, scratch, scan); });
  return q;
}

/// 8-bit codes of the scales [rows, groups], per 256 rows of a group column.
QuantizedScales codeScales(ConstMatrixF scales) {
  constexpr int64_t Block = QuantizedScales::Block;
  int64_t rows = scales.rows, groups = scales.cols, blocks = (rows + Block - 1) / Block;
  QuantizedScales out;
  out.codes.resize(static_cast<size_t>(rows * groups));
  out.scales.resize(static_cast<size_t>(groups * blocks));
  out.mins.resize(static_cast<size_t>(groups * blocks));
  std::vector<float> column(static_cast<size_t>(Block));
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t b = 0; b < blocks; ++b) {
      int64_t first = b * Block, n = std::min(Block, rows - first);
      for (int64_t i = 0; i < n; ++i)
        column[static_cast<size_t>(i)] = scales(first + i, g);
      GroupParams p;
      float hi;
      groupRanges(column.data(), n, n, &p.min, &hi);
      if (p.min < hi)
        p.scale = std::max(hi / 255 - p.min / 255, std::numeric_limits<float>::denorm_min());
      encodeAffine(column.data(), n, n, {&p.scale, &p.zero, &p.min}, 255,
                   out.codes.data() + g * rows + first);
      out.scales[static_cast<size_t>(g * blocks + b)] = p.scale;
      out.mins[static_cast<size_t>(g * blocks + b)] = p.min;
    }
  return out;
}

/// First the scales of all groups and their codes, then the codes of the weights, chosen
/// for the scales that will be read back.
Result<QuantizedWeight> doublePass(const WeightSource &w, const QuantScheme &scheme) {
  GroupCodec codec(scheme, 0);
  QuantizedWeight q = codec.allocate(w.rows(), w.cols());
  Matrix<float> scales(q.rows, q.groups);
  Scan scan;
  forEachRow(w, q.groups, [&](int64_t row, RowScratch &scratch) {
    const float *values = w.row(row, scratch.values.data());
    if (!rangesOf(row, values, q.cols, q.groupSize, scratch, scan))
      return;
    forEachGroup(q.cols, q.groupSize, [&](int64_t g, int64_t first, int64_t n) {
      auto k = static_cast<size_t>(g);
      scales(row, g) = codec.fit(values + first, n, scratch.lo[k], scratch.hi[k]).scale;
    });
  });
  if (Status s = scan.status(w); !s)
    return s.takeError();
  q.scaleCodes = codeScales(scales.view());
  forEachRow(w, q.groups, [&](int64_t row, RowScratch &scratch) {
    for (int64_t g = 0; g < q.groups; ++g)
      scratch.set(g, storedParams(q, row, g));
    codec.encode(w.row(row, scratch.values.data()), q.cols, q.groupSize, scratch.params(),
                 scratch.codes.data());
    codec.storeRow(q, row, scratch.codes.data());
  });
  return q;
}

/// Σ (x − y)² and Σ x².
FINGPT_CLONES void squares(const float *x, const float *y, int64_t n, double *difference,
                           double *whole) {
  constexpr int64_t Lanes = 16;
  double d[Lanes] = {}, s[Lanes] = {};
  for (int64_t i = 0; i < n; i += Lanes)
    for (int64_t l = 0; l < std::min(Lanes, n - i); ++l) {
      double a = x[i + l], e = a - static_cast<double>(y[i + l]);
      d[l] += e * e;
      s[l] += a * a;
    }
  *difference = *whole = 0;
  for (int64_t l = 0; l < Lanes; ++l) {
    *difference += d[l];
    *whole += s[l];
  }
}

float readScale(const std::vector<uint8_t> &bytes, DType type, size_t cell) {
  if (type == DType::F32) {
    float f;
    std::memcpy(&f, bytes.data() + 4 * cell, 4);
    return f;
  }
  if (type == DType::F16) {
    uint16_t h;
    std::memcpy(&h, bytes.data() + 2 * cell, 2);
    return f16ToFloat(h);
  }
  return type == DType::F8E4M3 ? e4m3ToFloat(bytes[cell]) : e8m0ToFloat(bytes[cell]);
}

uint8_t packedCode(const uint8_t *row, int64_t index, int bits) {
  auto bit = static_cast<size_t>(index * bits);
  uint32_t value = static_cast<uint32_t>(row[bit / 8]) >> (bit % 8);
  if (bit % 8 + static_cast<size_t>(bits) > 8)
    value |= static_cast<uint32_t>(row[bit / 8 + 1]) << (8 - bit % 8);
  return static_cast<uint8_t>(value & ((1u << bits) - 1));
}

} // namespace

Status WeightSource::validate() const {
  if (type == DType::F32 || type == DType::F16 || type == DType::BF16 || type == DType::F64)
    return Status::ok();
  return Error::at("weight", "element type", "F64, F32, F16 or BF16", dtypeName(type));
}

const float *WeightSource::part(int64_t i, int64_t first, int64_t n, float *scratch) const {
  const char *start = data + static_cast<size_t>(i * stride + first) * dtypeSize(type);
  switch (type) {
  case DType::F32:
    return reinterpret_cast<const float *>(start);
  case DType::F16:
    widenF16Fast(reinterpret_cast<const uint16_t *>(start), n, scratch);
    return scratch;
  case DType::BF16:
    widenBf16(reinterpret_cast<const uint16_t *>(start), n, scratch);
    return scratch;
  default:
    for (int64_t j = 0; j < n; ++j)
      scratch[j] = static_cast<float>(reinterpret_cast<const double *>(start)[j]);
    return scratch;
  }
}

const uint16_t *WeightSource::halfRow(int64_t i) const {
  bool half = type == DType::BF16 || type == DType::F16;
  return half ? reinterpret_cast<const uint16_t *>(data) + i * stride : nullptr;
}

float QuantizedWeight::scale(int64_t row, int64_t group) const {
  if (!scaleCodes)
    return readScale(scales, scaleType, static_cast<size_t>(row * groups + group));
  int64_t blocks = (rows + QuantizedScales::Block - 1) / QuantizedScales::Block;
  auto block = static_cast<size_t>(group * blocks + row / QuantizedScales::Block);
  float code = scaleCodes->codes[static_cast<size_t>(group * rows + row)];
  return code * scaleCodes->scales[block] + scaleCodes->mins[block];
}

float QuantizedWeight::zero(int64_t row, int64_t group) const {
  if (scheme.offset == Offset::ZeroCodes)
    return packedCode(zeros.data() + row * zeroRowBytes(), group, scheme.bits);
  return static_cast<float>(constantZero());
}

float QuantizedWeight::min(int64_t row, int64_t group) const {
  return mins.empty() ? 0 : readScale(mins, scaleType, static_cast<size_t>(row * groups + group));
}

uint8_t QuantizedWeight::code(int64_t row, int64_t col) const {
  return packedCode(codes.data() + row * rowBytes(), col, scheme.bits);
}

int64_t QuantizedWeight::storedBytes() const {
  size_t bytes = codes.size() + scales.size() + zeros.size() + mins.size() + 4 * codebook.size();
  if (scaleCodes)
    bytes += scaleCodes->codes.size() + 4 * (scaleCodes->scales.size() + scaleCodes->mins.size());
  return static_cast<int64_t>(bytes);
}

double QuantizedWeight::bitsPerWeight() const {
  return 8.0 * static_cast<double>(storedBytes()) / static_cast<double>(rows * cols);
}

bool compress::operator==(const QuantizedWeight &a, const QuantizedWeight &b) {
  bool same = a.scheme == b.scheme && a.rows == b.rows && a.cols == b.cols &&
              a.groupSize == b.groupSize && a.scaleType == b.scaleType && a.codes == b.codes &&
              a.scales == b.scales && a.zeros == b.zeros && a.mins == b.mins &&
              a.codebook == b.codebook && a.scaleCodes.has_value() == b.scaleCodes.has_value();
  return same && (!a.scaleCodes || (a.scaleCodes->codes == b.scaleCodes->codes &&
                                    a.scaleCodes->scales == b.scaleCodes->scales &&
                                    a.scaleCodes->mins == b.scaleCodes->mins));
}

Result<QuantizedWeight> compress::quantize(const WeightSource &w, const QuantScheme &scheme) {
  for (Status s : {validate(scheme), w.validate()})
    if (!s)
      return s.takeError();
  if (scheme.doubleQuant)
    return doublePass(w, scheme);
  float assumed = 1; // f16 scales; almost every weight is done in one pass
  if (scheme.format == CodeFormat::NVFP4) {
    Scan scan;
    forEachRow(w, 1, [&](int64_t row, RowScratch &scratch) {
      const uint16_t *half = packedRounding(w.cols(), w.cols()) ? w.halfRow(row) : nullptr;
      if (!half) {
        rangesOf(row, w.row(row, scratch.values.data()), w.cols(), w.cols(), scratch, scan);
        return;
      }
      float largest =
          rangesWithZero(w.dtype(), half, w.cols(), w.cols(), scratch.lo.data(), scratch.hi.data());
      scan.note(row, largest, std::isfinite(largest));
    });
    if (Status s = scan.status(w); !s)
      return s.takeError();
    assumed = scan.largest;
  }
  for (;;) {
    Scan scan;
    GroupCodec codec(scheme, assumed);
    QuantizedWeight q = singlePass(w, codec, scan);
    if (Status s = scan.status(w); !s)
      return s.takeError();
    if (GroupCodec::scaleTypeFor(scheme, scan.largest) == q.scaleType)
      return q;
    assumed = scan.largest;
  }
}

/// One row of the f32 weight. `codes`: scratch [cols].
static void dequantizeRow(const QuantizedWeight &q, int64_t row, uint8_t *codes, float *out) {
  storedCodes(q, row, codes);
  forEachGroup(q.cols, q.groupSize, [&](int64_t g, int64_t first, int64_t n) {
    GroupParams p = storedParams(q, row, g);
    if (q.scheme.isLookup())
      decodeLookup(codes + first, n, q.codebook.data(), p.scale, out + first);
    else
      decodeAffine(codes + first, n, p, out + first);
  });
}

void compress::dequantize(const QuantizedWeight &q, MatrixView<float> out) {
  assert(out.rows == q.rows && out.cols == q.cols);
  ThreadPool::global().parallelFor(static_cast<size_t>(q.rows), [&](size_t begin, size_t end) {
    std::vector<uint8_t> codes(static_cast<size_t>(q.cols));
    for (auto row = static_cast<int64_t>(begin); row < static_cast<int64_t>(end); ++row)
      dequantizeRow(q, row, codes.data(), out.row(row));
  });
}

double compress::relativeError(const WeightSource &w, const QuantizedWeight &q) {
  assert(w.rows() == q.rows && w.cols() == q.cols);
  Matrix<double> sums(q.rows, 2);
  forEachRow(w, w.cols(), [&](int64_t row, RowScratch &scratch) {
    const float *values = w.row(row, scratch.values.data());
    float *back = scratch.lo.data(); // as long as a row
    dequantizeRow(q, row, scratch.codes.data(), back);
    squares(values, back, q.cols, &sums(row, 0), &sums(row, 1));
  });
  double error = 0, norm = 0;
  for (int64_t i = 0; i < q.rows; ++i) {
    error += sums(i, 0);
    norm += sums(i, 1);
  }
  return norm > 0 ? error / norm : (error > 0 ? INFINITY : 0);
}

Matrix<float> compress::dequantized(const QuantizedWeight &q) {
  Matrix<float> out(q.rows, q.cols);
  dequantize(q, out);
  return out;
}

std::vector<float> compress::scaleTable(DType type) {
  std::vector<float> table;
  for (int code = 0; code < 256; ++code)
    table.push_back(type == DType::F8E4M3 ? e4m3ToFloat(static_cast<uint8_t>(code))
                                          : e8m0ToFloat(static_cast<uint8_t>(code)));
  return table;
}
