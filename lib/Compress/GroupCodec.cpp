#include "GroupCodec.h"

#include "fingpt/Support/Float.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

constexpr float Smallest = std::numeric_limits<float>::denorm_min();
constexpr float Largest = std::numeric_limits<float>::max();

/// The scale, or the largest one with which `span` codes stay finite in f32.
float finiteOver(float span, float scale) {
  return scale * span <= Largest ? scale : std::nextafter(Largest / span, 0.0f);
}

/// The least f16 that is ≥ x ≥ 0 (saturating at 65504), resp. the largest that is ≤ x.
float f16Up(float x) {
  if (x >= 0x1p-14f) // a normal f16 keeps ten fraction bits of 23
    return x < 65504.0f ? bitsToFloat((floatToBits(x) + 0x1fff) & ~0x1fffu) : 65504.0f;
  uint16_t h = floatToF16(std::fabs(x));
  return f16ToFloat(f16ToFloat(h) < x ? static_cast<uint16_t>(h + 1) : h);
}
float f16Down(float x) {
  if (x > 0) {
    uint16_t h = floatToF16(x);
    if (h >= 0x7c00)
      return 65504.0f;
    return f16ToFloat(f16ToFloat(h) > x ? static_cast<uint16_t>(h - 1) : h);
  }
  return -f16Up(-x);
}

/// ⌊log2 x⌋ of x > 0, subnormals included.
int exponentOf(float x) {
  int exponent = static_cast<int>(floatToBits(x) >> 23);
  return exponent > 0 ? exponent - 127 : std::ilogb(x);
}

/// Half to even, for |x| < 2^22.
float roundEven(float x) { return (x + 12582912.0f) - 12582912.0f; }

} // namespace

float compress::e4m3ToFloat(uint8_t code) {
  uint32_t magnitude = code & 127;
  if (magnitude == 127)
    return std::numeric_limits<float>::quiet_NaN();
  float value = magnitude < 8 ? static_cast<float>(magnitude) * 0x1p-9f
                              : bitsToFloat((magnitude << 20) + ((127 - 7) << 23));
  return code & 128 ? -value : value;
}

uint8_t compress::floatToE4m3(float x) {
  if (!(x > 0x1p-9f))
    return 1;
  if (x >= 448)
    return 126;
  if (x < 0x1p-6f) // subnormal: steps of 2^-9
    return static_cast<uint8_t>(roundEven(x * 512));
  // Three fraction bits are kept of 23; a carry into the exponent is the next code.
  uint32_t bits = floatToBits(x);
  bits = (bits + 0x7ffff + ((bits >> 20) & 1)) >> 20;
  return static_cast<uint8_t>(bits - ((127 - 7) << 3));
}

float compress::e8m0ToFloat(uint8_t code) {
  return code == 255 ? std::numeric_limits<float>::quiet_NaN() : std::ldexp(1.0f, code - 127);
}

DType GroupCodec::scaleTypeFor(const QuantScheme &scheme, float largest) {
  if (scheme.format == CodeFormat::MXFP4)
    return DType::F8E8M0;
  if (scheme.format == CodeFormat::NVFP4)
    return DType::F8E4M3;
  if (scheme.doubleQuant)
    return DType::F32;
  bool fits = largest <= 6e4f && (largest == 0 || largest >= std::ldexp(1.0f, scheme.bits - 18));
  return fits ? DType::F16 : DType::F32;
}

GroupCodec::GroupCodec(const QuantScheme &scheme, float largest)
    : how(scheme), scaleType(scaleTypeFor(scheme, largest)),
      top(static_cast<float>((1 << scheme.bits) - 1)) {
  if (how.format == CodeFormat::NVFP4)
    tensorScale = largest > 0 ? std::max(largest / (6.0f * 448.0f), 0x1p-126f) : 1;
  const float *values = how.format == CodeFormat::NF4 ? kNF4Values : kE2M1Values;
  for (int k = 0; k < 16; ++k)
    codebook[k] = how.format == CodeFormat::FP4 ? values[k] / 6 : values[k] * tensorScale;
}

GroupCodec::GroupCodec(const QuantizedWeight &q)
    : how(q.scheme), scaleType(q.scaleType), top(static_cast<float>((1 << q.scheme.bits) - 1)) {
  if (!q.codebook.empty())
    std::copy(q.codebook.begin(), q.codebook.end(), codebook);
  if (how.format == CodeFormat::NVFP4)
    tensorScale = codebook[2]; // of E2M1's 1
}

float GroupCodec::nearestScale(float scale) const {
  switch (scaleType) {
  case DType::F16:
    return f16ToFloat(std::clamp<uint16_t>(floatToF16(scale), 1, 0x7bff));
  case DType::F8E4M3:
    return e4m3ToFloat(floatToE4m3(scale));
  case DType::F8E8M0: {
    float below = std::ldexp(1.0f, std::clamp(exponentOf(scale), -127, 126));
    return scale < 1.5f * below ? below : 2 * below;
  }
  default:
    return std::max(scale, Smallest);
  }
}

float GroupCodec::nearestMin(float min) const {
  return scaleType == DType::F16 ? f16ToFloat(floatToF16(std::clamp(min, -65504.0f, 65504.0f)))
                                 : min;
}

float GroupCodec::storable(float scale) const {
  switch (scaleType) {
  case DType::F16:
    return f16Up(scale);
  case DType::F8E4M3:
    return e4m3ToFloat(floatToE4m3(scale));
  default:
    return std::max(scale, Smallest);
  }
}

GroupParams GroupCodec::cover(float lo, float hi) const {
  GroupParams p;
  float largest = std::max(-lo, hi);
  if (how.isLookup()) {
    if (how.format == CodeFormat::MXFP4)
      p.scale = std::ldexp(1.0f, std::clamp(largest > 0 ? exponentOf(largest) - 2 : 0, -127, 127));
    else if (largest > 0)
      p.scale = storable(how.format == CodeFormat::NVFP4 ? largest / (6 * tensorScale) : largest);
    return p;
  }
  if (how.offset == Offset::Symmetric) {
    p.zero = static_cast<float>(1 << (how.bits - 1));
    if (largest > 0)
      p.scale = finiteOver(p.zero, storable(largest * (2 / top)));
  } else if (how.offset == Offset::ZeroCodes) {
    lo = std::min(lo, 0.0f);
    hi = std::max(hi, 0.0f);
    if (lo < hi)
      p.scale = storable(hi / top - lo / top);
    p.zero = std::clamp(roundEven(-lo / p.scale), 0.0f, top);
    p.scale = finiteOver(std::max(p.zero, top - p.zero), p.scale);
  } else {
    // The minimum is rounded down, so that the range starts no later.
    p.min = scaleType == DType::F16 ? f16Down(lo) : lo;
    if (p.min < hi)
      p.scale = finiteOver(top, storable(hi / top - p.min / top));
  }
  return p;
}

GroupParams GroupCodec::fit(const float *w, int64_t n, float lo, float hi,
                            const float *weights) const {
  GroupParams best = cover(lo, hi);
  float largest = std::max(-lo, hi);
  if (!how.searchClip || !(largest > 0))
    return best;
  std::vector<uint8_t> codes(static_cast<size_t>(n));
  std::vector<float> decoded(static_cast<size_t>(n));
  auto cost = [&](const GroupParams &p) {
    encode(w, n, p, codes.data());
    decode(codes.data(), n, p, decoded.data());
    return weights ? weightedCost(w, decoded.data(), weights, n, largest)
                   : roundingCost(w, decoded.data(), n, largest);
  };
  float least = cost(best);
  auto consider = [&](const GroupParams &p) {
    float c = cost(p);
    if (!(c < least))
      return false;
    least = c;
    best = p;
    return true;
  };
  if (how.format == CodeFormat::MXFP4) { // the only other useful power of two
    GroupParams wider = best;
    wider.scale = std::min(best.scale * 2, 0x1p127f);
    consider(wider);
    return best;
  }
  // With minima the range shrinks about its middle, else about 0.
  float pivot = how.offset == Offset::Mins && !how.isLookup() ? lo / 2 + hi / 2 : 0;
  auto shrunk = [&](float below, float above) {
    return cover(pivot + (lo - pivot) * below, pivot + (hi - pivot) * above);
  };
  float below = 1, above = 1; // shares of the two sides that are covered
  for (int i = 1; i < 80; ++i) {
    float p = 1 - static_cast<float>(i) / 100;
    if (consider(shrunk(p, p)))
      below = above = p;
  }
  if (how.isLookup() || how.offset == Offset::Symmetric)
    return best;
  // One end at a time, about the best so far.
  for (float *share : {&below, &above, &below, &above}) {
    float middle = *share;
    for (int k = -8; k <= 8; ++k) {
      float moved = std::clamp(middle + 0.04f * static_cast<float>(k), 0.05f, 1.0f), kept = *share;
      *share = moved;
      if (!consider(shrunk(below, above)))
        *share = kept;
    }
  }
  return best;
}

GroupParams GroupCodec::fit(const float *w, int64_t n, const float *weights) const {
  float lo, hi;
  groupRanges(w, n, n, &lo, &hi);
  return fit(w, n, lo, hi, weights);
}

void GroupCodec::coverAll(const float *lo, const float *hi, int64_t n, float *scale, float *zero,
                          float *min) const {
  if (scaleType == DType::F8E8M0) {
    std::fill_n(zero, n, 0.0f);
    std::fill_n(min, n, 0.0f);
    return coverPowers(lo, hi, n, scale);
  }
  if (scaleType != DType::F16) {
    for (int64_t g = 0; g < n; ++g) {
      GroupParams p = cover(lo[g], hi[g]);
      scale[g] = p.scale;
      zero[g] = p.zero;
      min[g] = p.min;
    }
    return;
  }
  bool symmetric = how.isLookup() || how.offset == Offset::Symmetric;
  bool middle = symmetric && !how.isLookup();
  std::fill_n(zero, n, middle ? static_cast<float>(1 << (how.bits - 1)) : 0.0f);
  std::fill_n(min, n, 0.0f);
  if (symmetric)
    coverMagnitudes(lo, hi, n, how.isLookup() ? 1 : 2 / top, scale);
  else if (how.offset == Offset::ZeroCodes)
    coverZeroCodes(lo, hi, n, top, scale, zero);
  else
    coverMins(lo, hi, n, top, scale, min);
}

void GroupCodec::encode(const float *w, int64_t n, int64_t group, const ParamArrays &params,
                        uint8_t *codes) const {
  switch (how.format) {
  case CodeFormat::Integer:
    return encodeAffine(w, n, group, params, top, codes);
  case CodeFormat::NF4:
    return encodeNF4(w, n, group, params, codes);
  case CodeFormat::FP4:
  case CodeFormat::MXFP4:
  case CodeFormat::NVFP4:
    return encodeE2M1(w, n, group, params, unit(), codes);
  }
}

void GroupCodec::decode(const uint8_t *codes, int64_t n, const GroupParams &params,
                        float *w) const {
  if (how.isLookup())
    decodeLookup(codes, n, codebook, params.scale, w);
  else
    decodeAffine(codes, n, params, w);
}

void GroupCodec::encodeColumn(const float *w, int64_t n, const ParamArrays &params,
                              uint8_t *codes) const {
  switch (how.format) {
  case CodeFormat::Integer:
    return encodeAffineColumn(w, n, params, top, codes);
  case CodeFormat::NF4:
    return encodeNF4Column(w, n, params, codes);
  case CodeFormat::FP4:
  case CodeFormat::MXFP4:
  case CodeFormat::NVFP4:
    return encodeE2M1Column(w, n, params, unit(), codes);
  }
}

void GroupCodec::decodeColumn(const uint8_t *codes, int64_t n, const ParamArrays &params,
                              float *w) const {
  if (how.isLookup())
    decodeLookupColumn(codes, n, codebook, params, w);
  else
    decodeAffineColumn(codes, n, params, w);
}

QuantizedWeight GroupCodec::allocate(int64_t rows, int64_t cols) const {
  QuantizedWeight q;
  q.scheme = how;
  q.rows = rows;
  q.cols = cols;
  q.groupSize = how.groupSize(cols);
  q.groups = how.groups(cols);
  q.scaleType = scaleType;
  q.codes.resize(static_cast<size_t>(rows * q.rowBytes()));
  auto cells = static_cast<size_t>(rows * q.groups);
  if (!how.doubleQuant)
    q.scales.resize(cells * dtypeSize(scaleType));
  if (how.offset == Offset::ZeroCodes)
    q.zeros.resize(static_cast<size_t>(rows * q.zeroRowBytes()));
  if (how.offset == Offset::Mins)
    q.mins.resize(cells * dtypeSize(scaleType));
  if (how.isLookup())
    q.codebook.assign(codebook, codebook + 16);
  return q;
}

void GroupCodec::store(QuantizedWeight &target, int64_t row, int64_t group,
                       const GroupParams &p) const {
  auto cell = static_cast<size_t>(row * target.groups + group);
  auto put = [&](std::vector<uint8_t> &bytes, float value) {
    if (scaleType == DType::F32) {
      std::memcpy(bytes.data() + 4 * cell, &value, 4);
    } else if (scaleType == DType::F16) {
      uint16_t h;
      exactF16(&value, 1, &h);
      std::memcpy(bytes.data() + 2 * cell, &h, 2);
    } else if (scaleType == DType::F8E4M3) {
      bytes[cell] = floatToE4m3(value);
    } else {
      bytes[cell] = static_cast<uint8_t>(exponentOf(value) + 127);
    }
  };
  if (!target.scales.empty())
    put(target.scales, p.scale);
  if (!target.mins.empty())
    put(target.mins, p.min);
  if (!target.zeros.empty()) {
    auto z = static_cast<uint32_t>(p.zero);
    auto bit = static_cast<size_t>(group * how.bits);
    uint8_t *bytes = target.zeros.data() + row * target.zeroRowBytes();
    // Rows are zero before; a code may cross into the next byte.
    bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] | (z << (bit % 8)));
    if (bit % 8 + static_cast<size_t>(how.bits) > 8)
      bytes[bit / 8 + 1] = static_cast<uint8_t>(bytes[bit / 8 + 1] | (z >> (8 - bit % 8)));
  }
}

void GroupCodec::storeParams(QuantizedWeight &target, int64_t row, int64_t first, int64_t count,
                             const ParamArrays &params) const {
  assert(target.zeros.empty() || first * how.bits % 8 == 0);
  if (scaleType == DType::F8E8M0) {
    uint8_t *exponents = target.scales.data() + row * target.groups + first;
    for (int64_t g = 0; g < count; ++g)
      exponents[g] = static_cast<uint8_t>(floatToBits(params.scale[g]) >> 23);
    return;
  }
  if (scaleType != DType::F16) {
    for (int64_t g = 0; g < count; ++g)
      store(target, row, first + g, {params.scale[g], params.zero[g], params.min[g]});
    return;
  }
  auto cell = static_cast<size_t>(row * target.groups + first);
  auto put = [&](std::vector<uint8_t> &bytes, const float *values) {
    if (!bytes.empty())
      exactF16(values, count, reinterpret_cast<uint16_t *>(bytes.data()) + cell);
  };
  put(target.scales, params.scale);
  put(target.mins, params.min);
  if (target.zeros.empty())
    return;
  constexpr int64_t Some = 256;
  uint8_t codes[Some];
  uint8_t *zeros = target.zeros.data() + row * target.zeroRowBytes() + first * how.bits / 8;
  for (int64_t g = 0; g < count; g += Some) {
    int64_t n = std::min(Some, count - g);
    for (int64_t k = 0; k < n; ++k)
      codes[k] = static_cast<uint8_t>(params.zero[g + k]);
    packCodes(codes, n, how.bits, zeros + g * how.bits / 8);
  }
}

void GroupCodec::storeCodes(QuantizedWeight &target, int64_t row, int64_t first, int64_t n,
                            uint8_t *codes) const {
  assert(first * how.bits % 8 == 0);
  if (how.signedCodes) { // two's complement of q − 2^(bits−1) is q with its top bit flipped
    auto flip = static_cast<uint8_t>(1 << (how.bits - 1));
    for (int64_t j = 0; j < n; ++j)
      codes[j] ^= flip;
  }
  packCodes(codes, n, how.bits,
            target.codes.data() + row * target.rowBytes() + first * how.bits / 8);
}

void compress::storedCodes(const QuantizedWeight &q, int64_t row, uint8_t *codes) {
  unpackCodes(q.codes.data() + row * q.rowBytes(), q.cols, q.scheme.bits, codes);
  if (q.scheme.signedCodes)
    for (int64_t j = 0; j < q.cols; ++j)
      codes[j] ^= static_cast<uint8_t>(1 << (q.scheme.bits - 1));
}

GroupParams compress::storedParams(const QuantizedWeight &q, int64_t row, int64_t group) {
  GroupParams p{q.scale(row, group), q.zero(row, group), q.min(row, group)};
  if (q.scheme.signedCodes)
    p.zero = static_cast<float>(1 << (q.scheme.bits - 1));
  return p;
}
