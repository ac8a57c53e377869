#include "BlockFormats.h"
#include "Where.h"

#include <cstring>

namespace fingpt {

namespace {

/// Packs 8 codes of B bits, one per byte of `x`, into B bytes at `out`.
template <unsigned B> void pack8(uint64_t x, uint8_t *out) {
  // Neighbours meet in lanes of 16, 32, then 64 bits.
  x = (x & 0x00FF00FF00FF00FFull) | ((x >> 8 & 0x00FF00FF00FF00FFull) << B);
  x = (x & 0x0000FFFF0000FFFFull) | ((x >> 16 & 0x0000FFFF0000FFFFull) << 2 * B);
  x = (x & 0x00000000FFFFFFFFull) | (x >> 32) << 4 * B;
  std::memcpy(out, &x, B);
}

void nibbles32(const uint8_t *q, uint8_t *codes) {
  for (int j = 0; j < 16; ++j) {
    codes[j] = q[j] & 15;
    codes[j + 16] = static_cast<uint8_t>(q[j] >> 4);
  }
}
void addFifthBits(uint32_t high, uint8_t *codes) {
  for (int i = 0; i < 32; ++i)
    codes[i] = static_cast<uint8_t>(codes[i] | (high >> i & 1) << 4);
}

// One struct per layout: the block's sizes, where its f16 parts are, how its
// codes unpack to one per byte and, in k-quants, its 6-bit scales and mins.

template <unsigned Bytes, unsigned CodesAt, int MinAt> struct Nibble32 {
  static constexpr unsigned kElements = 32, kBytes = Bytes, kBits = 4;
  static constexpr int kMinAt = MinAt; ///< −1: none
  static void unpack(const uint8_t *b, uint8_t *codes) { nibbles32(b + CodesAt, codes); }
};
using Q40 = Nibble32<18, 2, -1>; // IQ4_NL has the same layout
using Q41 = Nibble32<20, 4, 2>;

template <unsigned Bytes, unsigned HighAt, int MinAt> struct Five32 {
  static constexpr unsigned kElements = 32, kBytes = Bytes, kBits = 5;
  static constexpr int kMinAt = MinAt; ///< −1: none
  static void unpack(const uint8_t *b, uint8_t *codes) {
    nibbles32(b + HighAt + 4, codes);
    addFifthBits(loadAs<uint32_t>(b + HighAt), codes);
  }
};
using Q50 = Five32<22, 2, -1>;
using Q51 = Five32<24, 4, 2>;

struct Q80 {
  static constexpr unsigned kElements = 32, kBytes = 34, kBits = 8;
  static constexpr int kMinAt = -1;
  static void unpack(const uint8_t *b, uint8_t *codes) { std::memcpy(codes, b + 2, 32); }
};

struct Q2K { // sc[16], qs[64], d, dmin
  static constexpr unsigned kElements = 256, kBytes = 84, kBits = 2, kGroups = 16;
  static constexpr int kSuperAt = 80, kSuperMinAt = 82;
  static void unpack(const uint8_t *b, uint8_t *codes) {
    const uint8_t *q = b + 16;
    for (int h = 0; h < 2; ++h)
      for (int k = 0; k < 4; ++k)
        for (int l = 0; l < 32; ++l)
          codes[128 * h + 32 * k + l] = static_cast<uint8_t>(q[32 * h + l] >> 2 * k & 3);
  }
  static void scales(const uint8_t *b, uint8_t *out) {
    for (int j = 0; j < 16; ++j)
      out[j] = b[j] & 15;
  }
  static void mins(const uint8_t *b, uint8_t *out) {
    for (int j = 0; j < 16; ++j)
      out[j] = static_cast<uint8_t>(b[j] >> 4);
  }
};

struct Q3K { // hm[32], qs[64], sc[12], d
  static constexpr unsigned kElements = 256, kBytes = 110, kBits = 3, kGroups = 16;
  static constexpr int kSuperAt = 108, kSuperMinAt = -1;
  static void unpack(const uint8_t *b, uint8_t *codes) {
    // q − (hbit ? 0 : 4) = (q + 4·hbit) − 4: a 3-bit code with zero point 4.
    const uint8_t *q = b + 32;
    for (int h = 0; h < 2; ++h)
      for (int k = 0; k < 4; ++k)
        for (int l = 0; l < 32; ++l)
          codes[128 * h + 32 * k + l] =
              static_cast<uint8_t>((q[32 * h + l] >> 2 * k & 3) | (b[l] >> (4 * h + k) & 1) << 2);
  }
  static void scales(const uint8_t *b, uint8_t *out) {
    const uint8_t *sc = b + 96;
    for (int j = 0; j < 8; ++j) {
      out[j] = static_cast<uint8_t>((sc[j] & 15) | (sc[8 + j % 4] >> 2 * (j / 4) & 3) << 4);
      out[j + 8] = static_cast<uint8_t>(sc[j] >> 4 | (sc[8 + j % 4] >> 2 * (j / 4 + 2) & 3) << 4);
    }
  }
  static void mins(const uint8_t *, uint8_t *) {}
};

/// Q4_K and Q5_K: d, dmin, sc[12], then qh[32] in Q5_K, qs[128].
template <bool Five> struct Q45K {
  static constexpr unsigned kElements = 256, kBytes = Five ? 176 : 144, kBits = Five ? 5 : 4;
  static constexpr unsigned kGroups = 8;
  static constexpr int kSuperAt = 0, kSuperMinAt = 2;
  static void unpack(const uint8_t *b, uint8_t *codes) {
    const uint8_t *high = b + 16, *q = b + (Five ? 48 : 16);
    for (int c = 0; c < 4; ++c)
      for (int l = 0; l < 32; ++l) {
        uint8_t byte = q[32 * c + l];
        uint8_t h = Five ? static_cast<uint8_t>(high[l] >> 2 * c) : 0;
        codes[64 * c + l] = static_cast<uint8_t>((byte & 15) | (h & 1) << 4);
        codes[64 * c + 32 + l] = static_cast<uint8_t>(byte >> 4 | (h >> 1 & 1) << 4);
      }
  }
  static void scales(const uint8_t *b, uint8_t *out) {
    const uint8_t *sc = b + 4;
    for (int j = 0; j < 4; ++j) {
      out[j] = sc[j] & 63;
      out[j + 4] = static_cast<uint8_t>((sc[j + 8] & 15) | (sc[j] >> 6) << 4);
    }
  }
  static void mins(const uint8_t *b, uint8_t *out) {
    const uint8_t *sc = b + 4;
    for (int j = 0; j < 4; ++j) {
      out[j] = sc[j + 4] & 63;
      out[j + 4] = static_cast<uint8_t>(sc[j + 8] >> 4 | (sc[j + 4] >> 6) << 4);
    }
  }
};

struct Q6K { // ql[128], qh[64], i8 sc[16], d
  static constexpr unsigned kElements = 256, kBytes = 210, kBits = 6, kGroups = 16;
  static constexpr int kSuperAt = 208, kSuperMinAt = -1;
  static void unpack(const uint8_t *b, uint8_t *codes) {
    for (int h = 0; h < 2; ++h)
      for (int k = 0; k < 4; ++k)
        for (int l = 0; l < 32; ++l) {
          int low = b[64 * h + 32 * (k & 1) + l] >> (k < 2 ? 0 : 4) & 15;
          int high = b[128 + 32 * h + l] >> 2 * k & 3;
          codes[128 * h + 32 * k + l] = static_cast<uint8_t>(low | high << 4);
        }
  }
  static void scales(const uint8_t *b, uint8_t *out) { std::memcpy(out, b + 192, 16); }
  static void mins(const uint8_t *, uint8_t *) {}
};

template <typename L> void gatherCodes(const uint8_t *b, uint64_t count, uint8_t *out) {
  alignas(8) uint8_t codes[L::kElements];
  for (uint64_t i = 0; i < count; ++i, b += L::kBytes) {
    if constexpr (L::kBits == 8) {
      L::unpack(b, out);
      out += L::kElements;
    } else {
      L::unpack(b, codes);
      for (unsigned j = 0; j < L::kElements; j += 8, out += L::kBits)
        pack8<L::kBits>(loadAs<uint64_t>(codes + j), out);
    }
  }
}

template <unsigned Stride> void gatherF16(const uint8_t *b, uint64_t count, uint8_t *out) {
  for (uint64_t i = 0; i < count; ++i, b += Stride, out += 2)
    std::memcpy(out, b, 2);
}

template <typename L>
void gatherOneLevel(BlockField field, const uint8_t *b, uint64_t count, uint8_t *out) {
  if (field == BlockField::Codes)
    gatherCodes<L>(b, count, out);
  else if (field == BlockField::Scales)
    gatherF16<L::kBytes>(b, count, out); // d is always first
  else if (L::kMinAt >= 0)
    gatherF16<L::kBytes>(b + L::kMinAt, count, out);
}

template <typename L>
void gatherTwoLevel(BlockField field, const uint8_t *b, uint64_t count, uint8_t *out) {
  switch (field) {
  case BlockField::Codes:
    return gatherCodes<L>(b, count, out);
  case BlockField::Scales:
    for (uint64_t i = 0; i < count; ++i, b += L::kBytes, out += L::kGroups)
      L::scales(b, out);
    return;
  case BlockField::Mins:
    for (uint64_t i = 0; i < count; ++i, b += L::kBytes, out += L::kGroups)
      L::mins(b, out);
    return;
  case BlockField::SuperScales:
    return gatherF16<L::kBytes>(b + L::kSuperAt, count, out);
  case BlockField::SuperMins:
    if (L::kSuperMinAt >= 0)
      gatherF16<L::kBytes>(b + L::kSuperMinAt, count, out);
    return;
  }
}

/// Half of 2^(e−127): as ggml does it, so that the doubled codebook is exact and
/// e = 0 and e = 255 come out as in ggml.
float halfE8M0(uint8_t e) {
  uint32_t bits = e < 2 ? 0x00200000u << e : static_cast<uint32_t>(e - 1) << 23;
  return loadAs<float>(&bits);
}

struct MXFP4 {
  static constexpr unsigned kElements = 32, kBytes = 17, kBits = 4;
  static void unpack(const uint8_t *b, uint8_t *codes) { nibbles32(b + 1, codes); }
};
void gatherMXFP4(BlockField field, const uint8_t *b, uint64_t count, uint8_t *out) {
  if (field == BlockField::Codes)
    return gatherCodes<MXFP4>(b, count, out);
  for (uint64_t i = 0; i < count; ++i, b += 17, out += 4) {
    float scale = halfE8M0(b[0]);
    std::memcpy(out, &scale, 4);
  }
}

constexpr float kIQ4NL[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                              1,    13,   25,  38,  53,  69,  89,  113};
constexpr float kMXFP4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// type, name, elements, bytes, bits, group, zero, mins, twoLevel, scaleBits,
// scaleZero, codes, scales, codebook, gather
constexpr DType U8 = DType::U8, I8 = DType::I8, F16 = DType::F16, F32 = DType::F32;
constexpr BlockFormat kFormats[] = {
    {2, "Q4_0", 32, 18, 4, 32, 8, false, false, 0, 0, U8, F16, nullptr, gatherOneLevel<Q40>},
    {3, "Q4_1", 32, 20, 4, 32, 0, true, false, 0, 0, U8, F16, nullptr, gatherOneLevel<Q41>},
    {6, "Q5_0", 32, 22, 5, 32, 16, false, false, 0, 0, U8, F16, nullptr, gatherOneLevel<Q50>},
    {7, "Q5_1", 32, 24, 5, 32, 0, true, false, 0, 0, U8, F16, nullptr, gatherOneLevel<Q51>},
    {8, "Q8_0", 32, 34, 8, 32, 0, false, false, 0, 0, I8, F16, nullptr, gatherOneLevel<Q80>},
    {10, "Q2_K", 256, 84, 2, 16, 0, true, true, 4, 0, U8, U8, nullptr, gatherTwoLevel<Q2K>},
    {11, "Q3_K", 256, 110, 3, 16, 4, false, true, 6, 32, U8, U8, nullptr, gatherTwoLevel<Q3K>},
    {12, "Q4_K", 256, 144, 4, 32, 0, true, true, 6, 0, U8, U8, nullptr,
     gatherTwoLevel<Q45K<false>>},
    {13, "Q5_K", 256, 176, 5, 32, 0, true, true, 6, 0, U8, U8, nullptr, gatherTwoLevel<Q45K<true>>},
    {14, "Q6_K", 256, 210, 6, 16, 32, false, true, 8, 0, U8, I8, nullptr, gatherTwoLevel<Q6K>},
    {20, "IQ4_NL", 32, 18, 4, 32, 0, false, false, 0, 0, U8, F16, kIQ4NL, gatherOneLevel<Q40>},
    {39, "MXFP4", 32, 17, 4, 32, 0, false, false, 0, 0, U8, F32, kMXFP4, gatherMXFP4},
};

} // namespace

const char *blockFieldName(BlockField field) {
  static constexpr const char *kNames[] = {"codes", "scales", "mins", "super_scales", "super_mins"};
  return kNames[static_cast<size_t>(field)];
}

const BlockFormat *findBlockFormat(uint32_t type) {
  for (const BlockFormat &f : kFormats)
    if (f.type == type)
      return &f;
  return nullptr;
}

std::vector<BlockField> BlockFormat::fields() const {
  std::vector<BlockField> out = {BlockField::Codes, BlockField::Scales};
  if (hasMins)
    out.push_back(BlockField::Mins);
  if (twoLevel)
    out.push_back(BlockField::SuperScales);
  if (twoLevel && hasMins)
    out.push_back(BlockField::SuperMins);
  return out;
}

DType BlockFormat::fieldType(BlockField field) const {
  switch (field) {
  case BlockField::Codes:
    return codesType;
  case BlockField::Scales:
  case BlockField::Mins:
    return scalesType;
  default:
    return DType::F16;
  }
}

uint64_t BlockFormat::fieldElements(BlockField field) const {
  switch (field) {
  case BlockField::Codes:
    return elements * bits / 8;
  case BlockField::Scales:
  case BlockField::Mins:
    return elements / static_cast<unsigned>(group);
  default:
    return 1;
  }
}

} // namespace fingpt
