// What the kernel tests share: every instruction set, every thread count, and
// random inputs.
#ifndef FINGPT_TEST_RUNTIME_KERNELTESTING_H
#define FINGPT_TEST_RUNTIME_KERNELTESTING_H

#include "Isa.h"

#include "fingpt/Runtime/ThreadPool.h"
#include "gtest/gtest.h"

#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace fingpt {

/// Runs `body` once per instruction set that this CPU has.
template <typename Body> void forEachIsa(Body body) {
  Isa before = currentIsa();
  for (Isa isa : {Isa::Baseline, Isa::Avx2, Isa::Avx512}) {
    if (setIsaForTesting(isa) != isa)
      continue;
    SCOPED_TRACE(isaName(isa));
    body();
  }
  setIsaForTesting(before);
}

/// The global pool has `threads` threads for a scope.
class ThreadCount {
public:
  explicit ThreadCount(unsigned threads)
      : pool(threads), before(ThreadPool::replaceGlobal(&pool)) {}
  ~ThreadCount() { ThreadPool::replaceGlobal(before); }

private:
  ThreadPool pool;
  ThreadPool *before;
};

/// Float rounding unit.
constexpr double Epsilon = 1.0 / (1 << 24);

inline std::vector<float> randomFloats(std::mt19937 &random, int64_t n, float scale = 1.0f) {
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(static_cast<size_t>(n));
  for (float &value : values)
    value = normal(random);
  return values;
}

inline bool sameBits(const std::vector<float> &a, const std::vector<float> &b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

} // namespace fingpt

#endif // FINGPT_TEST_RUNTIME_KERNELTESTING_H
