// What benchmarks share: figures of several rounds, and memory that the TLB does not slow.
#ifndef FINGPT_TOOLS_BENCH_MEASURE_H
#define FINGPT_TOOLS_BENCH_MEASURE_H

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/mman.h>
#include <vector>

namespace fingpt::bench {

/// One figure per round; printed are the median and the range.
struct Series {
  std::string name;
  std::vector<double> values;

  void print(const char *unit, double scale) {
    std::sort(values.begin(), values.end());
    std::printf("  %-34s %7.1f %s  (%.1f .. %.1f)\n", name.c_str(),
                values[values.size() / 2] * scale, unit, values.front() * scale,
                values.back() * scale);
  }
};

[[noreturn]] inline void fail(const std::string &what) {
  std::fprintf(stderr, "error: %s\n", what.c_str());
  std::exit(1);
}

/// `count` elements in huge pages, never freed; ends the program without memory.
template <typename T> T *hugeBuffer(size_t count) {
  size_t bytes = count * sizeof(T);
  void *data = std::aligned_alloc(size_t(2) << 20, bytes);
  if (!data)
    fail("no memory for " + std::to_string(bytes) + " bytes");
  madvise(data, bytes, MADV_HUGEPAGE);
  return static_cast<T *>(data);
}

} // namespace fingpt::bench

#endif // FINGPT_TOOLS_BENCH_MEASURE_H
