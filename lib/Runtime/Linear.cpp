// Splits a linear product over threads. The inner kernels fix the order of sums
// (LinearKernels.inc), so every split here gives the same bits.
#include "KernelTable.h"

#include "fingpt/Runtime/Kernels.h"
#include "fingpt/Runtime/ThreadPool.h"

#include <algorithm>

using namespace fingpt;

namespace {

/// Up to this many rows w is streamed once and x, read in place, stays in L2;
/// with more rows, as long as x has at most StreamElements.
constexpr int64_t StreamRows = 16, MaxStreamRows = 64, StreamElements = 65536;
/// Multiply-adds below which a second thread costs more than it saves.
constexpr int64_t MinWork = 32768;
/// Rows of x per task: their chunk of K (330 KiB) stays in L2.
constexpr int64_t BlockRows = 144;
/// Rows of w per task: y of a task stays in cache between chunks of K.
constexpr int64_t BlockColumns = 64;

struct Product {
  const KernelTable *table;
  LinearBlock block;
  int64_t rowBlock, rowBlocks, columnBlocks;
};

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }

void streamColumns(const Product &product, int64_t begin, int64_t end) {
  LinearBlock block = product.block;
  block.nBegin = begin;
  block.nEnd = end;
  product.table->linearStream(block);
}

/// Tasks begin..end-1 of rowBlocks × columnBlocks, columns innermost.
void multiplyBlocks(const Product &product, int64_t begin, int64_t end) {
  const LinearBlock &whole = product.block;
  int64_t mark = fingpt_arena_mark();
  auto *packed = static_cast<float *>(
      fingpt_arena_allocate(product.rowBlock * roundUp16(whole.K) * int64_t(sizeof(float))));
  int64_t packedBlock = -1;
  for (int64_t task = begin; task < end; ++task) {
    int64_t rows = task / product.columnBlocks, column = task % product.columnBlocks;
    int64_t m = rows * product.rowBlock;
    LinearBlock block = whole;
    block.rows = std::min(product.rowBlock, whole.rows - m);
    if (rows != packedBlock)
      product.table->packRows(whole.x + m * whole.K, block.rows, whole.K, packed);
    packedBlock = rows;
    block.x = packed;
    block.y = whole.y + m * whole.N;
    block.nBegin = column * BlockColumns;
    block.nEnd = std::min(block.nBegin + BlockColumns, whole.N);
    product.table->linearBlocked(block);
  }
  fingpt_arena_release(mark);
}

} // namespace

extern "C" void fingpt_linear_f32(const float *x, const float *w, const float *bias, float *y,
                                  int64_t M, int64_t N, int64_t K) {
  if (M <= 0 || N <= 0)
    return;
  if (K <= 0) {
    for (int64_t m = 0; m < M; ++m)
      for (int64_t n = 0; n < N; ++n)
        y[m * N + n] = bias ? bias[n] : 0.0f;
    return;
  }
  Product product;
  product.table = &kernels();
  product.block = {x, w, bias, y, M, N, K, 0, N};
  ThreadPool &pool = ThreadPool::global();
  if (M <= StreamRows || (M <= MaxStreamRows && M * K <= StreamElements)) {
    size_t grain = size_t(std::max<int64_t>(MinWork / (M * K), 8));
    pool.parallelFor(
        size_t(N),
        [&product](size_t begin, size_t end) {
          streamColumns(product, int64_t(begin), int64_t(end));
        },
        grain);
    return;
  }
  // Equal blocks of rows, whole tiles each.
  int64_t tile = product.table->linearRows, blocks = ceilDiv(M, BlockRows);
  product.rowBlock = ceilDiv(ceilDiv(M, blocks), tile) * tile;
  product.rowBlocks = ceilDiv(M, product.rowBlock);
  product.columnBlocks = ceilDiv(N, BlockColumns);
  pool.parallelFor(size_t(product.rowBlocks * product.columnBlocks),
                   [&product](size_t begin, size_t end) {
                     multiplyBlocks(product, int64_t(begin), int64_t(end));
                   });
}
