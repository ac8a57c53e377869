// What each instruction set provides: the inner kernels, one table per level.
// The files that include kernel bodies are compiled with flags of their level,
// so they use nothing from the standard library: an inline function of a
// header, compiled there with AVX, could be the copy that the linker keeps for
// everyone.
#ifndef FINGPT_LIB_RUNTIME_KERNELTABLE_H
#define FINGPT_LIB_RUNTIME_KERNELTABLE_H

#include <stdint.h>

namespace fingpt {

/// A sum over K is split at multiples of this many elements, chosen from K
/// alone (whole in L1 beside the other operand; a multiple of every vector
/// width).
inline int64_t linearChunk(int64_t K) {
  constexpr int64_t Target = 576, Unit = 16;
  int64_t chunks = (K + Target - 1) / Target;
  if (chunks <= 1)
    return K;
  return ((K + chunks - 1) / chunks + Unit - 1) / Unit * Unit;
}

/// Rows x[0..rows) against rows w[nBegin..nEnd): y[m*N + n] = x[m]·w[n] +
/// bias[n].
struct LinearBlock {
  const float *x; ///< [rows, K], or packed by `packRows`.
  const float *w;
  const float *bias;
  float *y; ///< At the first row.
  int64_t rows, N, K, nBegin, nEnd;
};

/// Keys of one block (the unit of the online softmax).
constexpr int64_t AttentionKeys = 128;

/// The queries of a task (one batch entry, `heads` key/value heads in a row,
/// for each of them `rows` = tokens × query heads that share it) against one
/// block of keys. Row r of head h is row h·rows + r of everything that has a
/// row per query.
struct AttentionBlock {
  const float *const *q; ///< Per query.
  const float *k, *v;    ///< First key of the block, first head.
  int64_t kStride, vStride;
  int64_t heads, rows, headDim, valueDim;
  bool moreKeys;     ///< The same task goes on with the keys that follow.
  int64_t outStride; ///< Of `sum` rows: valueDim rounded up to 16.
  float scale, softCap;
  /// Keys lo[r]..hi[r]-1 of the block are visible to row r of every head (0 ≤
  /// lo ≤ hi ≤ AttentionKeys; none: lo = hi).
  const int32_t *lo, *hi;
  const float *const *bias; ///< Per query, at the block's first key; or null.
  float *kt;                ///< Scratch: headDim × attentionColumns.
  float *scores;            ///< Scratch: queries × AttentionKeys.
  // Result, per query: m = max score (-inf if none), l = Σ exp(s-m),
  // sum = Σ exp(s-m)·v.
  float *m, *l, *sum;
};

struct KernelTable {
  /// Few rows: reads w once, in several streams; x is not packed.
  void (*linearStream)(const LinearBlock &);
  /// Many rows; x is packed.
  void (*linearBlocked)(const LinearBlock &);
  void (*packRows)(const float *x, int64_t rows, int64_t K, float *packed);
  int linearRows; ///< Rows of a register tile.

  /// Few rows: keys are used as they come, for all heads.
  void (*attentionDirect)(const AttentionBlock &);
  /// Many rows, one head: keys are transposed first. The same bits.
  void (*attentionBlocked)(const AttentionBlock &);
  /// (m, l, sum) of `rows` rows: total = total ⊕ part.
  void (*attentionMerge)(int64_t rows, int64_t outStride, float *m, float *l, float *sum,
                         const float *partM, const float *partL, const float *partSum);
  /// out = sum / l, with an optional extra logit that has no value.
  void (*attentionFinish)(int64_t valueDim, float m, float l, const float *sum, const float *sink,
                          float *out);
  int attentionColumns; ///< Keys of a register tile.

  /// out[i] = scale·code[i] + min, rounded twice; codes of 4 or 8 bits, n even
  /// with 4.
  void (*dequantizeRun)(const uint8_t *codes, int64_t bits, int64_t n, float scale, float min,
                        float *out);

  /// y[i] = exp(x[i]); for tests.
  void (*exponential)(const float *x, float *y, int64_t n);
  /// y[i] = tanh(x[i]); for tests.
  void (*hyperbolicTangent)(const float *x, float *y, int64_t n);
};

extern const KernelTable baselineKernels, avx2Kernels, avx512Kernels;

/// The table of the level in use.
const KernelTable &kernels();

/// `n` rounded up to whole vectors of the widest level.
inline int64_t roundUp16(int64_t n) { return (n + 15) / 16 * 16; }

} // namespace fingpt

#endif // FINGPT_LIB_RUNTIME_KERNELTABLE_H
