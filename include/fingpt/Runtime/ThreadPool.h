// A pool of pinned worker threads for fork-join loops. The caller takes part.
//
//   ThreadPool::global().parallelFor(n, [&](size_t begin, size_t end) { ... });
//
// Work is split into equal contiguous ranges, one per thread, so that which
// thread computes what depends on n and the thread count only; kernels that
// promise equal bits for every thread count must not let the split change the
// order of any sum. Bodies run with the default floating environment (round to
// nearest, denormals kept), whatever the caller's is, and must not throw.
//
// A loop started inside a body runs inline, as does one started while another
// thread uses the pool, or in a child process after fork().
#ifndef FINGPT_RUNTIME_THREADPOOL_H
#define FINGPT_RUNTIME_THREADPOOL_H

#include <cstddef>
#include <functional>
#include <memory>

namespace fingpt {

class ThreadPool {
public:
  explicit ThreadPool(unsigned threads);
  ~ThreadPool();
  /// One thread per core this process may use, or FINGPT_THREADS (1..1024).
  static ThreadPool &global();
  /// Makes global() return `pool` (null: the built-in one) and returns what it
  /// replaces. Not while a loop runs; tests use it to vary the thread count.
  static ThreadPool *replaceGlobal(ThreadPool *pool);

  unsigned size() const;
  /// Calls body(begin, end) for disjoint ranges that cover [0, n). `grain`: the
  /// least size of a range; a loop that fits in one runs on the caller.
  void parallelFor(size_t n, const std::function<void(size_t, size_t)> &body, size_t grain = 1);

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace fingpt

#endif // FINGPT_RUNTIME_THREADPOOL_H
