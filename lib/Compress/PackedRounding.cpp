#include "PackedRounding.h"

#include "Isa.h"
#include "QuantizeKernels.h"
#include "RoundingKernels.h"
#include "fingpt/Support/Float.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdlib>
#include <vector>

using namespace fingpt;
using namespace fingpt::compress;

#if defined(__x86_64__)

namespace {

/// The fastest kernels of the level in use; null: none.
const RoundingKernels *kernels() {
  static const bool permutesBytes = __builtin_cpu_supports("avx512vbmi"),
                    widensHalves = __builtin_cpu_supports("f16c");
  if (!widensHalves)
    return nullptr;
  switch (currentIsa()) {
  case Isa::Baseline:
    return nullptr;
  case Isa::Avx2:
    return &avx2RoundingKernels;
  case Isa::Avx512:
    return permutesBytes ? &avx512RoundingKernels : &avx2RoundingKernels;
  }
  return nullptr;
}

/// Finds where the codes of a codebook change by asking the general code, so that nothing is left
/// to rounding.
class StepsBuilder {
public:
  using Encode = void (*)(const float *w, int64_t n, const GroupParams &p, uint8_t *codes);
  explicit StepsBuilder(Encode encode) : encode(encode) {}

  CodebookSteps build() const {
    CodebookSteps book;
    for (int k = 0; k < CodebookSteps::Scales; ++k)
      build(book, k);
    return book;
  }

private:
  static constexpr int Cells = CodebookSteps::Cells, Multiplier = CodebookSteps::Multiplier,
                       Most = CodebookSteps::Most;
  static constexpr int One = 0x3f80, Begin = One - 768, Numbers = 1024; ///< bits of 2^-6 to 4

  static int cellOf(int d) { return d * Multiplier >> 16; }
  static int8_t placeOf(int d) { return static_cast<int8_t>((d * Multiplier >> 8 & 255) - 128); }

  /// No two changes of a sign share a cell, all have one, and each is by one code.
  static bool fits(const uint8_t codes[2][Numbers], int offset) {
    for (int sign = 0; sign < 2; ++sign)
      for (int i = 0, before = -1; i + 1 < Numbers; ++i)
        if (codes[sign][i] != codes[sign][i + 1]) {
          int d = Begin + i - offset;
          if (d < 0 || d >= Most || cellOf(d) == before ||
              std::abs(codes[sign][i + 1] - codes[sign][i]) != 1)
            return false;
          before = cellOf(d);
        }
    return true;
  }
  void build(CodebookSteps &book, int k) const {
    float numbers[2][Numbers];
    uint8_t codes[2][Numbers];
    GroupParams p;
    p.scale = 1 + static_cast<float>(k) / CodebookSteps::Scales;
    for (int i = 0; i < Numbers; ++i) {
      numbers[0][i] = bf16ToFloat(static_cast<uint16_t>(Begin + i));
      numbers[1][i] = -numbers[0][i];
    }
    for (int sign = 0; sign < 2; ++sign)
      encode(numbers[sign], Numbers, p, codes[sign]);
    int at = Begin;
    while (at < Begin + Numbers && !fits(codes, at))
      ++at;
    if (at == Begin + Numbers)
      std::abort(); // not a codebook that this is made for
    book.offset[k] = static_cast<uint16_t>(at - One);
    CodebookSteps::Steps &steps = book.steps[k];
    for (int sign = 0; sign < 2; ++sign) {
      const uint8_t *code = codes[sign];
      bool falls = code[0] > code[Numbers - 1];
      std::fill_n(steps.last[sign], Cells, int8_t(127));
      for (int d = 0; d <= Most && at - Begin + d + 1 < Numbers; ++d) {
        const uint8_t *here = code + (at - Begin + d);
        int cell = cellOf(d), value = falls ? 32 - here[0] : here[0];
        if (d == 0 || cellOf(d - 1) != cell) {
          steps.start[sign][cell] = here[0];
          steps.step[sign][cell] = static_cast<uint16_t>(value << CodebookSteps::StepShift);
        }
        if (here[0] != here[1]) {
          steps.last[sign][cell] = placeOf(d);
          steps.step[sign][cell] =
              static_cast<uint16_t>(((value + 1) << CodebookSteps::StepShift) - 1 - d);
        }
      }
    }
  }

  Encode encode;
};

/// `last`: the largest v of each code but the last.
LookupCells lookupCells(float least, float most, const std::vector<float> &last) {
  LookupCells cells;
  cells.least = least;
  cells.most = most;
  cells.stretch = (LookupCells::Cells - 0.5f) / (most - least);
  cells.shift = -least * cells.stretch;
  std::fill_n(cells.last, LookupCells::Cells, most);
  std::fill_n(cells.base, LookupCells::Cells, 0);
  for (float v : last) {
    auto cell = static_cast<int>(v * cells.stretch + cells.shift);
    if (cells.last[cell] < most)
      std::abort(); // two changes in a cell
    cells.last[cell] = v;
    for (int above = cell + 1; above < LookupCells::Cells; ++above)
      ++cells.base[above];
  }
  return cells;
}

bool covered(int64_t n, int64_t group, const float *scale, float unit) {
  if (n % 64 != 0 || group % 16 != 0)
    return false;
  bool large = true;
  for (int64_t g = 0; g < (n + group - 1) / group; ++g)
    large &= scale[g] * unit >= 0x1p-100f;
  return large;
}

} // namespace

bool compress::packNF4(const float *w, int64_t n, int64_t group, const float *scale,
                       uint8_t *bytes) {
  const RoundingKernels *fast = kernels();
  if (!fast || !fast->lookup || !covered(n, group, scale, 1))
    return false;
  static const LookupCells cells = [] {
    std::vector<float> last;
    for (int k = 0; k < 15; ++k) // the lower code at a midpoint
      last.push_back((kNF4Values[k] + kNF4Values[k + 1]) / 2);
    return lookupCells(-1, 1, last);
  }();
  fast->lookup(cells, w, n, group, scale, 1, bytes);
  return true;
}
bool compress::packE2M1(const float *w, int64_t n, int64_t group, const float *scale, float unit,
                        uint8_t *bytes) {
  const RoundingKernels *fast = kernels();
  if (!fast || !fast->lookupMagnitude || !covered(n, group, scale, unit))
    return false;
  static const LookupCells cells = [] {
    std::vector<float> last;
    for (int k = 0; k < 7; ++k) { // the even code at a midpoint
      float middle = (kE2M1Values[k] + kE2M1Values[k + 1]) / 2;
      last.push_back(k % 2 ? std::nextafter(middle, 0.0f) : middle);
    }
    return lookupCells(0, 6, last);
  }();
  fast->lookupMagnitude(cells, w, n, group, scale, unit, bytes);
  return true;
}

bool compress::packedRounding(int64_t cols, int64_t group) {
  return kernels() && cols > 0 && cols % 32 == 0 && group % 32 == 0;
}
float compress::rangesWithZero(DType type, const uint16_t *w, int64_t n, int64_t group, float *lo,
                               float *hi) {
  assert(type == DType::BF16 || type == DType::F16);
  auto *ranges = type == DType::F16 ? kernels()->rangesF16 : kernels()->rangesBf16;
  return ranges(w, n, group, lo, hi);
}
void compress::packAffine(const QuantScheme &how, DType type, const void *w, int64_t n,
                          int64_t group, const float *scale, const float *zero, uint8_t *bytes) {
  int k = how.bits - 2;
  const RoundingKernels &all = *kernels();
  if (type == DType::F32)
    return all.affineF32[k](static_cast<const float *>(w), n, group, scale, zero, how.signedCodes,
                            bytes);
  assert(type == DType::BF16 || type == DType::F16);
  auto *affine = type == DType::F16 ? all.affineF16[k] : all.affineBf16[k];
  affine(static_cast<const uint16_t *>(w), n, group, scale, zero, how.signedCodes, bytes);
}
void compress::packNF4(const uint16_t *bf16, int64_t n, int64_t group, const float *scale,
                       uint8_t *bytes) {
  static const CodebookSteps book =
      StepsBuilder([](const float *w, int64_t count, const GroupParams &p, uint8_t *codes) {
        encodeNF4(w, count, count, {&p.scale, &p.zero, &p.min}, codes);
      }).build();
  kernels()->falling(book, bf16, n, group, scale, bytes);
}
void compress::packFP4(const uint16_t *bf16, int64_t n, int64_t group, const float *scale,
                       uint8_t *bytes) {
  static const CodebookSteps book =
      StepsBuilder([](const float *w, int64_t count, const GroupParams &p, uint8_t *codes) {
        encodeE2M1(w, count, count, {&p.scale, &p.zero, &p.min}, 1.0f / 6, codes);
      }).build();
  kernels()->rising(book, bf16, n, group, scale, bytes);
}

#else

bool compress::packNF4(const float *, int64_t, int64_t, const float *, uint8_t *) { return false; }
bool compress::packE2M1(const float *, int64_t, int64_t, const float *, float, uint8_t *) {
  return false;
}
bool compress::packedRounding(int64_t, int64_t) { return false; }
float compress::rangesWithZero(DType, const uint16_t *, int64_t, int64_t, float *, float *) {
  std::abort();
}
void compress::packAffine(const QuantScheme &, DType, const void *, int64_t, int64_t, const float *,
                          const float *, uint8_t *) {
  std::abort();
}
void compress::packNF4(const uint16_t *, int64_t, int64_t, const float *, uint8_t *) {
  std::abort();
}
void compress::packFP4(const uint16_t *, int64_t, int64_t, const float *, uint8_t *) {
  std::abort();
}

#endif

void compress::widenF16Fast(const uint16_t *f16, int64_t n, float *to) {
#if defined(__x86_64__)
  if (const RoundingKernels *fast = kernels())
    return fast->widenF16(f16, n, to);
#endif
  widenF16(f16, n, to);
}
