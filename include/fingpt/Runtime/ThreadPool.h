// A pool of pinned worker threads for fork-join loops. The caller takes part.
//
//   ThreadPool::global().parallelFor(n, [&](size_t begin, size_t end) { ... });
//
// Work is split into equal contiguous ranges, one per thread, so that which
// thread computes what depends on n and the thread count only; kernels that
// promise equal bits for every thread count must not let the split change the
// order of any sum.
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
  /// One thread per core this process may use, or FINGPT_THREADS.
  static ThreadPool &global();

  unsigned size() const;
  /// Calls body(begin, end) for disjoint ranges that cover [0, n). `grain`: the
  /// least size of a range; a loop that fits in one runs on the caller.
  void parallelFor(size_t n, const std::function<void(size_t, size_t)> &body,
                   size_t grain = 1);

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace fingpt

#endif // FINGPT_RUNTIME_THREADPOOL_H
