// The C ABI that compiled code calls: dense f32 kernels that use all cores, and
// the scratch arena. Every kernel agrees with the decomposition of the `fin` op
// that it serves, within the tolerance stated in docs/numerics.md, and gives
// equal bits for any thread count and for any row whatever the other rows are:
// the order of each sum follows from the reduced extent alone (K, or headDim
// and the index of the key), at one instruction set. Levels (AVX-512, AVX2, any
// CPU) are chosen at run time; FINGPT_ISA=baseline|avx2|avx512 asks for a lower
// one.
//
// Kernels cannot fail: a null or short buffer is the caller's mistake, and
// scratch that the system refuses ends the process.
#ifndef FINGPT_RUNTIME_KERNELS_H
#define FINGPT_RUNTIME_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// y[m,n] = sum_k x[m,k]·w[n,k] (+ bias[n] if not null), f32, all row-major and
/// contiguous. w is [N, K]. Any M, N, K ≥ 0. Memory-bound for small M (streams
/// w once, several rows in flight); a blocked product for large M. A row of y
/// has the same bits for every M.
void fingpt_linear_f32(const float *x, const float *w, const float *bias, float *y, int64_t M,
                       int64_t N, int64_t K);

typedef struct {
  int64_t batch, tokens, keys; ///< B, T, S
  int64_t heads, kvHeads, headDim, valueDim;
  /// Strides in elements. q, out: [B,T,heads,·] ; k, v: [B,S,kvHeads,·]; the
  /// innermost stride is 1, the head stride is headDim (valueDim for v, out).
  int64_t qBatch, qToken, kBatch, kToken, vBatch, vToken, outBatch, outToken;
  float scale, softCap; ///< softCap 0: none
  int64_t window;       ///< 0: none; key j visible from p iff p-window < j
  int32_t causal;       ///< key j visible from position p iff j <= p
  /// 4 or 8: k and v point to rows of fingpt_quantize_rows_f32 with groups of
  /// kvGroup, which divides headDim and valueDim; their strides are in bytes.
  /// 0: f32.
  int32_t kvBits;
  int64_t kvGroup;
} FingptAttention;

/// out = softmax(mask(softcap(q·kᵀ·scale) + bias))·v with online softmax.
/// positions[b*tokens + t] (i32): index of query t on the key axis; may be null
/// if not causal and no window. lengths[b] (i32): keys 0..lengths[b]-1 exist;
/// null: all `keys`. bias: additive mask [B, 1|heads, T, S] f32 with the given
/// strides, or null. sinks[heads]: an extra logit per head that takes
/// probability and has no value, or null. A query that sees no key yields
/// zeros. Keys that no query sees (past lengths[b], after a causal position,
/// before a window) are not used, whatever their memory holds; tokens without
/// `positions` count from 0.
void fingpt_attention_f32(const FingptAttention *shape, const float *q, const void *k,
                          const void *v, const int32_t *positions, const int32_t *lengths,
                          const float *bias, int64_t biasBatch, int64_t biasHead, int64_t biasToken,
                          const float *sinks, float *out);

/// rows × width values to codes of 4 or 8 bits with an f16 scale and minimum
/// per `group` elements, in the layout of fin.quantize_rows. The same bytes as
/// its definition.
void fingpt_quantize_rows_f32(const float *x, uint8_t *rows, int64_t count, int64_t width,
                              int64_t bits, int64_t group);

/// y = x·diag(signs)·H/√size in runs of `size`, a power of two that divides
/// `width`; signs[width] or null. x and y may be the same.
void fingpt_hadamard_f32(const float *x, const float *signs, float *y, int64_t rows, int64_t width,
                         int64_t size);

/// Scratch for compiled functions: a per-thread stack of blocks. `mark` at
/// entry, `allocate` (64-byte aligned) in the body, `release(mark)` at exit.
/// Memory is kept for the next call, so a steady state allocates nothing.
/// `allocate` gives null for a negative size or when the system has no memory.
int64_t fingpt_arena_mark(void);
void *fingpt_arena_allocate(int64_t bytes);
void fingpt_arena_release(int64_t mark);
/// Times this thread's arena had to ask the system for memory (for tests), and
/// bytes it holds.
int64_t fingpt_arena_growths(void);
int64_t fingpt_arena_bytes(void);

#ifdef __cplusplus
}
#endif

#endif // FINGPT_RUNTIME_KERNELS_H
