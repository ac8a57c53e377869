// How work is cut for threads: into pieces of equal size, whose number and size depend on the work
// alone, never on the threads.
//
//   RowChunks: rows of a weight, at most 128 each, in a multiple of four, so that two and four
//   threads get equally much. 576 rows: 8 chunks of 72; 192: 4 of 48; 1536: 12 of 128
#ifndef FINGPT_LIB_COMPRESS_ROWCHUNKS_H
#define FINGPT_LIB_COMPRESS_ROWCHUNKS_H

#include "fingpt/Runtime/ThreadPool.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace fingpt::compress {

/// [0, n) in `count` pieces or fewer, as equal as multiples of 8 allow.
struct Pieces {
  int64_t size, count;
  Pieces(int64_t n, int64_t wanted) {
    size = std::max<int64_t>((n + wanted * 8 - 1) / (wanted * 8) * 8, 8);
    count = (n + size - 1) / size;
  }
  static Pieces ofAtMost(int64_t n, int64_t most) {
    return {n, std::max<int64_t>((n + most - 1) / most, 1)};
  }
};

struct RowChunks {
  int64_t total, height;
  size_t count;

  explicit RowChunks(int64_t rows) : total(rows) {
    constexpr int64_t Most = 128, Parts = 4;
    int64_t parts = (rows + Most * Parts - 1) / (Most * Parts) * Parts;
    height = Pieces(rows, std::max<int64_t>(parts, 1)).size;
    count = static_cast<size_t>((rows + height - 1) / height);
  }
  int64_t first(size_t chunk) const { return static_cast<int64_t>(chunk) * height; }
  int64_t rows(size_t chunk) const { return std::min(height, total - first(chunk)); }
};

/// Calls body(i) for [0, count), dealt out in turn: for tasks in the order of falling work.
template <typename Body> void dealOut(size_t count, const Body &body) {
  ThreadPool &pool = ThreadPool::global();
  size_t parts = std::min<size_t>(count, pool.size());
  pool.parallelFor(parts, [&](size_t begin, size_t end) {
    for (size_t part = begin; part < end; ++part)
      for (size_t i = part; i < count; i += parts)
        body(i);
  });
}

} // namespace fingpt::compress

#endif // FINGPT_LIB_COMPRESS_ROWCHUNKS_H
