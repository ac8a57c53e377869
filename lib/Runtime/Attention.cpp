// Attention over a key/value cache: splits the work into tasks and folds blocks
// of keys with the online softmax.
//
// A task is one batch entry, one key/value head and a block of queries, all
// query heads of the group: rows r = token · group + head. Keys come in blocks
// of AttentionKeys from key 0. Each block is reduced alone to (m, l, sum) per
// row with its own maximum, and the blocks are folded in order. So a row's
// result depends neither on the queries beside it nor on whether one thread
// walks all blocks or several take blocks each and the fold comes after (few
// queries, many keys).
#include "KernelTable.h"

#include "fingpt/Runtime/Kernels.h"
#include "fingpt/Runtime/ThreadPool.h"
#include "fingpt/Support/Float.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace fingpt;

namespace {

/// Rows of a task: the scores against a block (48 KiB) and its keys share L2.
constexpr int64_t TaskRows = 96;
/// Up to this many rows per head, keys are used once or twice: not transposed.
constexpr int64_t DirectRows = 12;

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <typename T> T *allocate(int64_t count) {
  return static_cast<T *>(fingpt_arena_allocate(count * int64_t(sizeof(T))));
}

float halfAt(const uint8_t *bytes) {
  return f16ToFloat(uint16_t(bytes[0] | uint16_t(bytes[1]) << 8));
}

struct ArenaScope {
  int64_t mark = fingpt_arena_mark();
  ~ArenaScope() { fingpt_arena_release(mark); }
};

/// (m, l, sum) of a task's rows, as the kernels take them.
struct Partial {
  float *m, *l, *sum;

  static int64_t size(int64_t rows, int64_t stride) { return rows * (stride + 2); }
  Partial(float *memory, int64_t rows, int64_t stride)
      : m(memory + rows * stride), l(m + rows), sum(memory) {}
};

struct Attention {
  FingptAttention shape;
  const float *q;
  const void *k, *v; ///< f32, or rows of codes.
  const int32_t *positions, *lengths;
  const float *bias;
  int64_t biasBatch, biasHead, biasToken;
  const float *sinks;
  float *out;

  const KernelTable *table;
  int64_t group, taskTokens, tokenBlocks, taskHeads, headBlocks, keyBlocks;
  int64_t outStride;
  float *partials; ///< Of every (task, key block), if the keys are split.

  int64_t tasks() const { return shape.batch * headBlocks * tokenBlocks; }
  int64_t rows() const { return taskTokens * group; } ///< Of a head, at most.
  int64_t queries() const { return rows() * taskHeads; }
  bool direct() const { return rows() <= DirectRows; }
  bool quantized() const { return shape.kvBits != 0; }
};

/// One task with the scratch to run it.
class Task {
public:
  Task(const Attention &attention)
      : a(attention), rowLo(allocate<int64_t>(a.rows())), rowHi(allocate<int64_t>(a.rows())),
        lo(allocate<int32_t>(a.rows())), hi(allocate<int32_t>(a.rows())),
        rowQ(allocate<const float *>(a.queries())),
        kt(allocate<float>(a.shape.headDim * a.table->attentionColumns)),
        scores(allocate<float>(a.queries() * AttentionKeys)),
        rowBias(a.bias ? allocate<const float *>(a.queries()) : nullptr) {
    if (a.quantized()) {
      keys = allocate<float>(AttentionKeys * a.taskHeads * a.shape.headDim);
      values = allocate<float>(AttentionKeys * a.taskHeads * a.shape.valueDim);
    }
  }

  /// Selects task `index`. Token blocks are innermost, taken from both ends in
  /// turn, so that a contiguous range of tasks has its share of a causal mask's
  /// long rows.
  void select(int64_t index) {
    int64_t i = index % a.tokenBlocks, rest = index / a.tokenBlocks;
    int64_t tokenBlock = i % 2 == 0 ? i / 2 : a.tokenBlocks - 1 - i / 2;
    kvHead = rest % a.headBlocks * a.taskHeads;
    heads = std::min(a.taskHeads, a.shape.kvHeads - kvHead);
    batch = rest / a.headBlocks;
    firstToken = tokenBlock * a.taskTokens;
    rows = std::min(a.taskTokens, a.shape.tokens - firstToken) * a.group;
    queries = heads * rows;
    findVisibleKeys();
    for (int64_t r = 0; r < queries; ++r)
      rowQ[r] =
          a.q + batch * a.shape.qBatch + token(r) * a.shape.qToken + head(r) * a.shape.headDim;
  }

  int64_t firstKeyBlock() const { return minLo / AttentionKeys; }
  int64_t endKeyBlock() const {
    return minLo < maxHi ? ceilDiv(maxHi, AttentionKeys) : firstKeyBlock();
  }

  /// Reduces one block of keys to `part`.
  void reduceBlock(int64_t keyBlock, const Partial &part) {
    int64_t base = keyBlock * AttentionKeys;
    for (int64_t r = 0; r < rows; ++r) {
      lo[r] = int32_t(std::clamp<int64_t>(rowLo[r] - base, 0, AttentionKeys));
      hi[r] = int32_t(std::clamp<int64_t>(rowHi[r] - base, lo[r], AttentionKeys));
    }
    const FingptAttention &s = a.shape;
    AttentionBlock block;
    block.q = rowQ;
    if (a.quantized()) {
      dequantize(a.k, batch * s.kBatch + base * s.kToken, s.kToken, s.headDim, base, keys);
      dequantize(a.v, batch * s.vBatch + base * s.vToken, s.vToken, s.valueDim, base, values);
      block.k = keys;
      block.v = values;
      block.kStride = heads * s.headDim;
      block.vStride = heads * s.valueDim;
    } else {
      block.k =
          static_cast<const float *>(a.k) + batch * s.kBatch + base * s.kToken + kvHead * s.headDim;
      block.v = static_cast<const float *>(a.v) + batch * s.vBatch + base * s.vToken +
                kvHead * s.valueDim;
      block.kStride = s.kToken;
      block.vStride = s.vToken;
    }
    block.heads = heads;
    block.rows = rows;
    block.moreKeys = keyBlock + 1 < endKeyBlock();
    block.headDim = s.headDim;
    block.valueDim = s.valueDim;
    block.outStride = a.outStride;
    block.scale = s.scale;
    block.softCap = s.softCap;
    block.lo = lo;
    block.hi = hi;
    block.bias = rowBias;
    for (int64_t r = 0; rowBias && r < queries; ++r)
      rowBias[r] =
          a.bias + batch * a.biasBatch + head(r) * a.biasHead + token(r) * a.biasToken + base;
    block.kt = kt;
    block.scores = scores;
    block.m = part.m;
    block.l = part.l;
    block.sum = part.sum;
    if (a.direct())
      a.table->attentionDirect(block);
    else
      a.table->attentionBlocked(block);
  }

  void clear(const Partial &total) const {
    std::fill_n(total.m, queries, -std::numeric_limits<float>::infinity());
    std::fill_n(total.l, queries, 0.0f);
    std::fill_n(total.sum, queries * a.outStride, 0.0f);
  }
  void merge(const Partial &total, const Partial &part) const {
    a.table->attentionMerge(queries, a.outStride, total.m, total.l, total.sum, part.m, part.l,
                            part.sum);
  }
  void finish(const Partial &total) const {
    const FingptAttention &s = a.shape;
    for (int64_t r = 0; r < queries; ++r)
      a.table->attentionFinish(s.valueDim, total.m[r], total.l[r], total.sum + r * a.outStride,
                               a.sinks ? a.sinks + head(r) : nullptr,
                               a.out + batch * s.outBatch + token(r) * s.outToken +
                                   head(r) * s.valueDim);
  }

private:
  /// Token and query head of a query of the task.
  int64_t token(int64_t query) const { return firstToken + query % rows / a.group; }
  int64_t head(int64_t query) const { return (kvHead + query / rows) * a.group + query % a.group; }

  /// The task's heads of the visible keys of the block at key `base`, as floats
  /// [AttentionKeys, heads·dim]; keys that nothing sees stay what they are.
  void dequantize(const void *from, int64_t offset, int64_t stride, int64_t dim, int64_t base,
                  float *to) const {
    int64_t bits = a.shape.kvBits, group = a.shape.kvGroup, width = a.shape.kvHeads * dim;
    int64_t groups = dim / group, groupBytes = group * bits / 8;
    auto rows = static_cast<const uint8_t *>(from) + offset;
    int64_t begin = std::max<int64_t>(minLo - base, 0);
    int64_t end = std::min(maxHi - base, AttentionKeys);
    for (int64_t key = begin; key < end; ++key) {
      const uint8_t *row = rows + key * stride;
      const uint8_t *codes = row + kvHead * groups * groupBytes;
      const uint8_t *table = row + width * bits / 8 + kvHead * groups * 4;
      float *out = to + key * heads * dim;
      for (int64_t g = 0; g < heads * groups; ++g, codes += groupBytes, table += 4, out += group)
        a.table->dequantizeRun(codes, bits, group, halfAt(table), halfAt(table + 2), out);
    }
  }

  void findVisibleKeys() {
    const FingptAttention &s = a.shape;
    int64_t length = s.keys;
    if (a.lengths)
      length = std::clamp<int64_t>(a.lengths[batch], 0, s.keys);
    minLo = s.keys;
    maxHi = 0;
    for (int64_t r = 0; r < rows; ++r) {
      int64_t low = 0, high = length;
      int64_t position = a.positions ? a.positions[batch * s.tokens + token(r)] : token(r);
      if (s.causal)
        high = std::min(high, position + 1);
      if (s.window > 0)
        low = std::max<int64_t>(low, position - s.window + 1);
      rowLo[r] = low;
      rowHi[r] = std::max(high, low);
      if (low < high) {
        minLo = std::min(minLo, low);
        maxHi = std::max(maxHi, high);
      }
    }
  }

  const Attention &a;
  int64_t batch = 0, kvHead = 0, heads = 0, firstToken = 0;
  int64_t rows = 0, queries = 0; ///< Of a head, of all.
  int64_t minLo = 0, maxHi = 0;
  int64_t *rowLo, *rowHi;
  int32_t *lo, *hi;
  const float **rowQ;
  float *kt, *scores;
  const float **rowBias;
  float *keys = nullptr, *values = nullptr; ///< A block, of quantized ones.
};

/// Tasks begin..end-1, all their keys.
void runTasks(const Attention &a, int64_t begin, int64_t end) {
  ArenaScope scope;
  Task task(a);
  int64_t size = Partial::size(a.queries(), a.outStride);
  Partial total(allocate<float>(size), a.queries(), a.outStride);
  Partial part(allocate<float>(size), a.queries(), a.outStride);
  for (int64_t index = begin; index < end; ++index) {
    task.select(index);
    task.clear(total);
    for (int64_t block = task.firstKeyBlock(); block < task.endKeyBlock(); ++block) {
      task.reduceBlock(block, part);
      task.merge(total, part);
    }
    task.finish(total);
  }
}

Partial partialOf(const Attention &a, int64_t task, int64_t keyBlock) {
  int64_t size = Partial::size(a.queries(), a.outStride);
  return Partial(a.partials + (task * a.keyBlocks + keyBlock) * size, a.queries(), a.outStride);
}

/// Pairs (task, key block) begin..end-1, each to its partial.
void reduceBlocks(const Attention &a, int64_t begin, int64_t end) {
  ArenaScope scope;
  Task task(a);
  int64_t selected = -1;
  for (int64_t pair = begin; pair < end; ++pair) {
    int64_t index = pair / a.keyBlocks, block = pair % a.keyBlocks;
    if (index != selected)
      task.select(index);
    selected = index;
    if (block >= task.firstKeyBlock() && block < task.endKeyBlock())
      task.reduceBlock(block, partialOf(a, index, block));
  }
}

/// Folds the partials of tasks begin..end-1.
void foldTasks(const Attention &a, int64_t begin, int64_t end) {
  ArenaScope scope;
  Task task(a);
  Partial total(allocate<float>(Partial::size(a.queries(), a.outStride)), a.queries(), a.outStride);
  for (int64_t index = begin; index < end; ++index) {
    task.select(index);
    task.clear(total);
    for (int64_t block = task.firstKeyBlock(); block < task.endKeyBlock(); ++block)
      task.merge(total, partialOf(a, index, block));
    task.finish(total);
  }
}

} // namespace

extern "C" void fingpt_attention_f32(const FingptAttention *shape, const float *q, const void *k,
                                     const void *v, const int32_t *positions,
                                     const int32_t *lengths, const float *bias, int64_t biasBatch,
                                     int64_t biasHead, int64_t biasToken, const float *sinks,
                                     float *out) {
  const FingptAttention &s = *shape;
  if (s.batch <= 0 || s.tokens <= 0 || s.heads <= 0 || s.kvHeads <= 0)
    return;
  ThreadPool &pool = ThreadPool::global();
  int64_t threads = int64_t(pool.size());
  ArenaScope scope;
  Attention a{};
  a.shape = s;
  a.q = q;
  a.k = k;
  a.v = v;
  a.positions = positions;
  a.lengths = lengths;
  a.bias = bias;
  a.biasBatch = biasBatch;
  a.biasHead = biasHead;
  a.biasToken = biasToken;
  a.sinks = sinks;
  a.out = out;
  a.table = &kernels();
  a.group = s.heads / s.kvHeads;
  a.taskTokens = std::min(s.tokens, std::max<int64_t>(TaskRows / a.group, 1));
  a.tokenBlocks = ceilDiv(s.tokens, a.taskTokens);
  a.keyBlocks = ceilDiv(s.keys, AttentionKeys);
  a.outStride = roundUp16(s.valueDim);
  // With few rows all heads go together, unless threads would have nothing to
  // do.
  a.taskHeads = 1;
  if (a.direct()) {
    int64_t pairs = s.batch * a.tokenBlocks * std::max<int64_t>(a.keyBlocks, 1);
    a.taskHeads = ceilDiv(s.kvHeads, std::min(s.kvHeads, ceilDiv(threads, pairs)));
  }
  a.headBlocks = ceilDiv(s.kvHeads, a.taskHeads);

  // A short loop is not worth waking threads for.
  constexpr int64_t MinWork = 65536; // Multiply-adds.
  auto grain = [&](int64_t keys) {
    int64_t work = a.queries() * keys * (s.headDim + s.valueDim);
    return size_t(std::max<int64_t>(MinWork / std::max<int64_t>(work, 1), 1));
  };
  if (threads > 1 && a.keyBlocks > 1 && a.tasks() < 2 * threads) {
    a.partials = allocate<float>(a.tasks() * a.keyBlocks * Partial::size(a.queries(), a.outStride));
    pool.parallelFor(
        size_t(a.tasks() * a.keyBlocks),
        [&a](size_t begin, size_t end) { reduceBlocks(a, int64_t(begin), int64_t(end)); },
        grain(AttentionKeys));
    pool.parallelFor(
        size_t(a.tasks()),
        [&a](size_t begin, size_t end) { foldTasks(a, int64_t(begin), int64_t(end)); },
        grain(a.keyBlocks));
    return;
  }
  pool.parallelFor(
      size_t(a.tasks()),
      [&a](size_t begin, size_t end) { runTasks(a, int64_t(begin), int64_t(end)); }, grain(s.keys));
}
