// How a weight is coded: the format of its codes and of what scales them.
//
//   spelling          codes            per group                     bits per weight
//   w4g128            4-bit unsigned   f16 scale, 4-bit zero code    4.156
//   w4g128-sym        4-bit unsigned   f16 scale; zero is 8          4.125
//   w4g128-min        4-bit unsigned   f16 scale and f16 minimum     4.25
//   w8                8-bit, symmetric f16 scale per row             8.01 (1536 inputs)
//   nf4               NF4 codebook     f16 largest magnitude of 64   4.25
//   nf4-dq            NF4 codebook     … itself in 8 bits            4.129
//   fp4               E2M1/6 codebook  f16 largest magnitude of 64   4.25
//   mxfp4             E2M1 codebook    E8M0 power of two of 32       4.25
//   nvfp4             E2M1 codebook    E4M3 scale of 16, f32 tensor  4.5
//
// A missing `g` means one group per row. Integer codes are asymmetric with zero
// codes, except at 8 bits, where symmetric is the default; `-sym`, `-asym` and
// `-min` say it. `-signed` stores symmetric codes in two's complement with zero
// 0; `-clip` searches each group's range for the least error instead of
// covering its extremes; `-dq` codes the scales.
#ifndef FINGPT_COMPRESS_QUANTSCHEME_H
#define FINGPT_COMPRESS_QUANTSCHEME_H

#include "fingpt/Support/Result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace fingpt::compress {

enum class CodeFormat { Integer, NF4, FP4, MXFP4, NVFP4 };

/// Where integer code 0 lies.
enum class Offset {
  Symmetric, ///< w = (q − 2^(bits−1))·s
  ZeroCodes, ///< w = (q − z)·s, z a code per group
  Mins,      ///< w = q·s + m, m a float per group
};

struct QuantScheme {
  CodeFormat format = CodeFormat::Integer;
  int bits = 4;
  Offset offset = Offset::ZeroCodes;
  int64_t group = 128; ///< inputs that share a scale; 0: all of a row
  bool signedCodes = false;
  bool searchClip = false;
  bool doubleQuant = false;

  bool isLookup() const { return format != CodeFormat::Integer; }
  /// The group size for rows of `cols` inputs.
  int64_t groupSize(int64_t cols) const { return group == 0 || group > cols ? cols : group; }
  int64_t groups(int64_t cols) const {
    int64_t size = groupSize(cols);
    return size == 0 ? 0 : (cols + size - 1) / size;
  }
  friend bool operator==(const QuantScheme &a, const QuantScheme &b) {
    return a.format == b.format && a.bits == b.bits && a.offset == b.offset && a.group == b.group &&
           a.signedCodes == b.signedCodes && a.searchClip == b.searchClip &&
           a.doubleQuant == b.doubleQuant;
  }
};

/// Error: bits outside 2..8, a group outside 16..1024 (fixed for mxfp4 and nvfp4), or
/// options that do not go together.
Status validate(const QuantScheme &scheme);
/// Reads a spelling of the table above. Error: names the part that was not understood.
Result<QuantScheme> parseScheme(std::string_view text);
/// The shortest spelling that parseScheme reads back as `scheme`.
std::string schemeText(const QuantScheme &scheme);

/// Bytes that a weight [rows, cols] takes: packed codes, scales, zeros or mins, codebook.
/// Weights whose scales do not fit f16 take more (see QuantizedWeight).
int64_t storedBytes(const QuantScheme &scheme, int64_t rows, int64_t cols);

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_QUANTSCHEME_H
