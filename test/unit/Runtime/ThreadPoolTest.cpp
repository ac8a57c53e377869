#include "fingpt/Runtime/ThreadPool.h"
#include "gtest/gtest.h"

#include <atomic>
#include <chrono>
#include <numeric>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#if defined(__SANITIZE_THREAD__)
#define FINGPT_THREAD_SANITIZER
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FINGPT_THREAD_SANITIZER
#endif
#endif

using namespace fingpt;

namespace {

TEST(ThreadPool, CoversEveryIndexOnce) {
  for (unsigned threads : {1u, 2u, 3u, 8u}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (size_t n : {0, 1, 2, 3, 7, 8, 9, 1000}) {
      std::vector<std::atomic<int>> counts(n);
      pool.parallelFor(n, [&](size_t begin, size_t end) {
        for (size_t i = begin; i < end; ++i)
          ++counts[i];
      });
      for (auto &count : counts)
        EXPECT_EQ(count.load(), 1);
    }
  }
}

TEST(ThreadPool, UsesItsThreadsAndRespectsGrain) {
  ThreadPool pool(3);
  auto ranges = [&](size_t n, size_t grain) {
    std::atomic<size_t> parts{0}, least{n};
    pool.parallelFor(
        n,
        [&](size_t begin, size_t end) {
          ++parts;
          size_t size = end - begin, old = least.load();
          while (size < old && !least.compare_exchange_weak(old, size)) {
          }
        },
        grain);
    EXPECT_TRUE(parts == 1 || least >= grain);
    return parts.load();
  };
  EXPECT_EQ(ranges(100, 1), 3u);
  EXPECT_EQ(ranges(2, 1), 2u);
  EXPECT_EQ(ranges(100, 33), 3u);
  EXPECT_EQ(ranges(100, 34), 2u);
  EXPECT_EQ(ranges(100, 51), 1u);
  EXPECT_EQ(ranges(100, 1000), 1u);
}

TEST(ThreadPool, RunsOnDifferentThreads) {
  ThreadPool pool(2);
  std::thread::id ids[2];
  pool.parallelFor(2, [&](size_t begin, size_t) { ids[begin] = std::this_thread::get_id(); });
  EXPECT_EQ(ids[0], std::this_thread::get_id());
  EXPECT_NE(ids[1], ids[0]);
}

TEST(ThreadPool, ManyLoopsInARow) {
  // Short and long pauses: workers that spin and workers that sleep.
  ThreadPool pool(3);
  size_t total = 0;
  for (size_t i = 0; i < 3000; ++i) {
    std::vector<size_t> sums(3, 0);
    pool.parallelFor(1 + i % 3, [&](size_t begin, size_t end) {
      for (size_t j = begin; j < end; ++j)
        sums[j] = i + 1;
    });
    for (size_t j = 0; j <= i % 3; ++j)
      total += sums[j] == i + 1;
    if (i % 500 == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_EQ(total, 6000u);
}

TEST(ThreadPool, NestedLoopsRunInline) {
  ThreadPool pool(3), other(2);
  std::atomic<int> wrong{0}, count{0};
  pool.parallelFor(3, [&](size_t begin, size_t end) {
    auto self = std::this_thread::get_id();
    auto body = [&](size_t innerBegin, size_t innerEnd) {
      wrong += std::this_thread::get_id() != self;
      count += int(innerEnd - innerBegin);
    };
    for (size_t i = begin; i < end; ++i) {
      pool.parallelFor(10, body);
      other.parallelFor(10, body);
    }
  });
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(count.load(), 60);
}

TEST(ThreadPool, ConcurrentCallers) {
  ThreadPool pool(2);
  std::atomic<size_t> total{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t)
    callers.emplace_back([&] {
      for (int i = 0; i < 500; ++i)
        pool.parallelFor(10, [&](size_t begin, size_t end) { total += end - begin; });
    });
  for (auto &caller : callers)
    caller.join();
  EXPECT_EQ(total.load(), 20000u);
}

TEST(ThreadPool, ForkedChildRunsInline) {
#ifdef FINGPT_THREAD_SANITIZER
  GTEST_SKIP() << "ThreadSanitizer does not follow fork";
#endif
  ThreadPool &pool = ThreadPool::global();
  pool.parallelFor(100, [](size_t, size_t) {});
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    size_t count = 0; // Not atomic: one thread.
    alarm(20);
    pool.parallelFor(100, [&](size_t begin, size_t end) { count += end - begin; });
    _exit(count == 100 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#if defined(__x86_64__)
TEST(ThreadPool, BodiesSeeTheDefaultFloatEnvironment) {
  unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040); // Flush to zero, denormals are zero.
  ThreadPool pool(2);          // Its worker inherits the setting.
  std::atomic<unsigned> seen{0};
  pool.parallelFor(2, [&](size_t, size_t) { seen |= _mm_getcsr(); });
  pool.parallelFor(1, [&](size_t, size_t) { seen |= _mm_getcsr(); });
  unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  EXPECT_EQ(seen.load() & 0x8040, 0u);
  EXPECT_EQ(after & 0x8040, 0x8040u);
}
#endif

} // namespace
