// How the rows of a weight are dealt out to threads: chunks of equal height, at most 128 rows,
// their number a multiple of four, so that two and four threads get equally much. It depends on the
// rows alone, never on the threads.
//
//   RowChunks(576): 8 chunks of 72;   RowChunks(192): 4 of 48;   RowChunks(1536): 12 of 128
#ifndef FINGPT_LIB_COMPRESS_ROWCHUNKS_H
#define FINGPT_LIB_COMPRESS_ROWCHUNKS_H

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace fingpt::compress {

struct RowChunks {
  int64_t total, height;
  size_t count;

  explicit RowChunks(int64_t rows) : total(rows) {
    constexpr int64_t Most = 128, Parts = 4, Lanes = 8;
    int64_t parts = (rows + Most * Parts - 1) / (Most * Parts) * Parts;
    height = parts > 0 ? ((rows + parts - 1) / parts + Lanes - 1) / Lanes * Lanes : 1;
    count = static_cast<size_t>((rows + height - 1) / height);
  }
  int64_t first(size_t chunk) const { return static_cast<int64_t>(chunk) * height; }
  int64_t rows(size_t chunk) const { return std::min(height, total - first(chunk)); }
};

} // namespace fingpt::compress

#endif // FINGPT_LIB_COMPRESS_ROWCHUNKS_H
