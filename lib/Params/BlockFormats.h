// GGUF's block formats as fields: which arrays a quantized tensor is made of
// and how each is gathered from the blocks. Example, Q4_1 (32 elements in 20
// bytes: f16 d, f16 m, 16 bytes whose byte j has element j low and j+16 high):
//
//   W [576, 576] = 576·18 blocks
//   codes  U8  [576, 288]   element 2j low, 2j+1 high
//   scales F16 [576, 18]    the d's
//   mins   F16 [576, 18]    the m's           W = codes·scales + mins
#ifndef FINGPT_LIB_PARAMS_BLOCKFORMATS_H
#define FINGPT_LIB_PARAMS_BLOCKFORMATS_H

#include "fingpt/Params/ParamStore.h"

#include <cstdint>
#include <vector>

namespace fingpt {

enum class BlockField : uint8_t { Codes, Scales, Mins, SuperScales, SuperMins };
/// "codes", "scales", … as in parameter names.
const char *blockFieldName(BlockField field);

struct BlockFormat {
  uint32_t type; ///< ggml type id
  const char *name;
  unsigned elements, bytes; ///< per block
  unsigned bits;            ///< of codes
  int64_t group;
  int64_t zero;
  bool hasMins, twoLevel;
  unsigned scaleBits;
  int64_t scaleZero;
  DType codesType, scalesType;
  const float *codebook; ///< 16 values or null
  /// Gathers a field from `count` blocks.
  void (*gather)(BlockField field, const uint8_t *blocks, uint64_t count, uint8_t *out);

  std::vector<BlockField> fields() const;
  DType fieldType(BlockField field) const;
  /// Elements of the field in one block (bytes for packed codes).
  uint64_t fieldElements(BlockField field) const;
};

/// Null if `type` is no block format with fields.
const BlockFormat *findBlockFormat(uint32_t type);

/// Reference decoder, element by element from the format's definition; exact in
/// f32. `data` has whole blocks.
std::vector<float> dequantizeBlocks(uint32_t type, const uint8_t *data, uint64_t elements);

} // namespace fingpt

#endif // FINGPT_LIB_PARAMS_BLOCKFORMATS_H
