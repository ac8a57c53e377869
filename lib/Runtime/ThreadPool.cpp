// The fork-join protocol. One word, `ticket`, carries a job number and how many
// threads take part in it, so that a worker learns in one load whether it is
// concerned: those that are not need not acknowledge, and may even miss jobs.
// The others count `pending` down. Both sides spin first, since a token runs
// hundreds of loops with a few microseconds between them, and then sleep, since
// a spinning thread that shares its core with a busy one slows both.
#include "fingpt/Runtime/ThreadPool.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <pthread.h>
#include <sched.h>
#include <unistd.h>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

using namespace fingpt;

namespace {

constexpr unsigned MaxThreads = 1024;
constexpr auto SpinTime = std::chrono::microseconds(50);

void cpuRelax() {
#if defined(__x86_64__)
  _mm_pause();
#else
  sched_yield();
#endif
}

/// Default floating environment for a scope. Other libraries of the process set
/// flush-to-zero on their threads; results must not depend on that.
class DefaultFloatEnvironment {
#if defined(__x86_64__)
public:
  DefaultFloatEnvironment() : saved(_mm_getcsr()) {
    if ((saved & ~StatusFlags) != Default)
      _mm_setcsr(Default);
  }
  ~DefaultFloatEnvironment() {
    if ((saved & ~StatusFlags) != Default)
      _mm_setcsr(saved);
  }

private:
  static constexpr unsigned StatusFlags = 0x3f, Default = 0x1f80;
  unsigned saved;
#endif
};

/// Set while this thread runs a body of some pool: inner loops run inline.
thread_local bool insideLoop = false;

/// fork() copies the pool but not its threads; pools of an older generation
/// have no workers and run everything inline.
std::atomic<unsigned> forkGeneration{0};
void countFork() { forkGeneration.fetch_add(1, std::memory_order_relaxed); }

/// The CPUs this process may use, one per physical core.
std::vector<int> usableCores() {
  std::vector<int> cores;
#if defined(__linux__)
  cpu_set_t allowed;
  // The process's mask (its first thread's), not that of a thread that a host
  // program may have pinned.
  if (sched_getaffinity(getpid(), sizeof(allowed), &allowed) != 0)
    return cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed))
      continue;
    char path[96];
    std::snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
                  cpu);
    int first = cpu;
    if (FILE *file = std::fopen(path, "r")) {
      char list[32];
      if (std::fgets(list, sizeof(list), file))
        first = int(std::strtol(list, nullptr, 10));
      std::fclose(file);
    }
    // A later sibling counts only if the first one is not ours.
    if (first == cpu || first < 0 || first >= CPU_SETSIZE || !CPU_ISSET(first, &allowed))
      cores.push_back(cpu);
  }
#endif
  return cores;
}

unsigned defaultThreads() {
  if (const char *text = std::getenv("FINGPT_THREADS")) {
    char *end = nullptr;
    long value = std::strtol(text, &end, 10);
    if (end != text && *end == '\0' && value >= 1 && value <= long(MaxThreads))
      return unsigned(value);
    std::fprintf(stderr, "warning: FINGPT_THREADS=%s: expected 1..%u; ignored\n", text, MaxThreads);
  }
  size_t cores = usableCores().size();
  if (cores == 0)
    cores = size_t(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  return unsigned(std::min<size_t>(cores, MaxThreads));
}

} // namespace

struct ThreadPool::Impl {
  /// Job number << 16 | threads that take part; all ones: stop.
  alignas(64) std::atomic<uint64_t> ticket{0};
  alignas(64) std::atomic<unsigned> pending{0};
  alignas(64) std::atomic<unsigned> sleepers{0};
  std::atomic<bool> callerSleeps{false};

  // The job; written before `ticket` is released, read after it is acquired.
  const std::function<void(size_t, size_t)> *body = nullptr;
  size_t n = 0;

  std::mutex sleepMutex;
  std::condition_variable workWake, callerWake;
  std::mutex callerMutex; ///< One caller at a time.
  std::vector<pthread_t> workers;
  std::chrono::nanoseconds spin = SpinTime;
  unsigned generation = forkGeneration.load(std::memory_order_relaxed);

  static constexpr uint64_t Stop = ~uint64_t(0);

  struct WorkerStart {
    Impl *pool;
    unsigned index;
  };
  std::vector<WorkerStart> starts;

  void runPart(unsigned index, unsigned parts) {
    size_t each = n / parts, rest = n % parts;
    size_t begin = each * index + std::min<size_t>(index, rest);
    size_t end = begin + each + (index < rest ? 1 : 0);
    DefaultFloatEnvironment environment;
    insideLoop = true;
    (*body)(begin, end);
    insideLoop = false;
  }

  /// Spins until `done()`; false when the time is over.
  template <typename Predicate> bool spinUntil(Predicate done) const {
    if (done())
      return true;
    if (spin.count() == 0)
      return false;
    auto deadline = std::chrono::steady_clock::now() + spin;
    do {
      for (int i = 0; i < 32; ++i) {
        cpuRelax();
        if (done())
          return true;
      }
    } while (std::chrono::steady_clock::now() < deadline);
    return false;
  }

  uint64_t waitForTicket(uint64_t seen) {
    auto changed = [&] { return ticket.load(std::memory_order_acquire) != seen; };
    if (!spinUntil(changed)) {
      std::unique_lock<std::mutex> lock(sleepMutex);
      // Order matters: announce, then look again. The caller stores the ticket,
      // then looks for sleepers; one of the two sees the other.
      sleepers.fetch_add(1, std::memory_order_seq_cst);
      workWake.wait(lock, [&] { return ticket.load(std::memory_order_seq_cst) != seen; });
      sleepers.fetch_sub(1, std::memory_order_relaxed);
    }
    return ticket.load(std::memory_order_acquire);
  }

  void publish(uint64_t value) {
    ticket.store(value, std::memory_order_seq_cst);
    if (sleepers.load(std::memory_order_seq_cst) > 0) {
      std::lock_guard<std::mutex> lock(sleepMutex);
      workWake.notify_all();
    }
  }

  void work(unsigned index) {
    uint64_t seen = 0;
    for (;;) {
      seen = waitForTicket(seen);
      if (seen == Stop)
        return;
      unsigned parts = unsigned(seen & 0xffff);
      if (index >= parts)
        continue;
      runPart(index, parts);
      if (pending.fetch_sub(1, std::memory_order_seq_cst) == 1 &&
          callerSleeps.load(std::memory_order_seq_cst)) {
        std::lock_guard<std::mutex> lock(sleepMutex);
        callerWake.notify_one();
      }
    }
  }

  void waitForWorkers() {
    auto done = [&] { return pending.load(std::memory_order_acquire) == 0; };
    if (spinUntil(done))
      return;
    std::unique_lock<std::mutex> lock(sleepMutex);
    callerSleeps.store(true, std::memory_order_seq_cst);
    callerWake.wait(lock, [&] { return pending.load(std::memory_order_seq_cst) == 0; });
    callerSleeps.store(false, std::memory_order_relaxed);
  }

  static void *entry(void *argument) {
    auto *start = static_cast<WorkerStart *>(argument);
    start->pool->work(start->index);
    return nullptr;
  }

  void start(unsigned threads) {
    std::vector<int> cores = usableCores();
    if (threads > std::max<size_t>(cores.size(), 1))
      spin = std::chrono::nanoseconds(0);
    // With fewer threads than cores, the choice of cores is the scheduler's:
    // two such processes would otherwise pin to the same ones.
    bool pin = threads == cores.size();
    starts.resize(threads);
    for (unsigned i = 1; i < threads; ++i) {
      starts[i] = {this, i};
      pthread_attr_t attributes;
      pthread_attr_init(&attributes);
#if defined(__linux__)
      if (pin) {
        cpu_set_t mask;
        CPU_ZERO(&mask);
        CPU_SET(cores[i], &mask);
        pthread_attr_setaffinity_np(&attributes, sizeof(mask), &mask);
      }
#endif
      pthread_t thread;
      int failed = pthread_create(&thread, &attributes, entry, &starts[i]);
      if (failed && pin) // The mask may have been refused.
        failed = pthread_create(&thread, nullptr, entry, &starts[i]);
      pthread_attr_destroy(&attributes);
      if (failed)
        break; // A limit on threads: go on with those there are.
      workers.push_back(thread);
    }
  }
};

ThreadPool::ThreadPool(unsigned threads) {
  static std::once_flag once;
  std::call_once(once, [] { pthread_atfork(nullptr, nullptr, countFork); });
  impl = std::make_unique<Impl>();
  impl->start(std::clamp(threads, 1u, MaxThreads));
}

ThreadPool::~ThreadPool() {
  if (impl->generation != forkGeneration.load(std::memory_order_relaxed)) {
    (void)impl.release(); // Its threads and locks belong to the parent process.
    return;
  }
  impl->publish(Impl::Stop);
  for (pthread_t worker : impl->workers)
    pthread_join(worker, nullptr);
}

static std::atomic<ThreadPool *> replacement{nullptr};

ThreadPool &ThreadPool::global() {
  if (ThreadPool *pool = replacement.load(std::memory_order_acquire))
    return *pool;
  // Never destroyed: a static destructor may still run kernels.
  static ThreadPool *pool = new ThreadPool(defaultThreads());
  return *pool;
}

ThreadPool *ThreadPool::replaceGlobal(ThreadPool *pool) {
  return replacement.exchange(pool, std::memory_order_acq_rel);
}

unsigned ThreadPool::size() const { return unsigned(impl->workers.size()) + 1; }

void ThreadPool::parallelFor(size_t n, const std::function<void(size_t, size_t)> &body,
                             size_t grain) {
  if (n == 0)
    return;
  size_t parts = std::clamp<size_t>(n / std::max<size_t>(grain, 1), 1, size());
  std::unique_lock<std::mutex> lock;
  bool alone = parts == 1 || insideLoop ||
               impl->generation != forkGeneration.load(std::memory_order_relaxed);
  if (!alone) {
    lock = std::unique_lock<std::mutex>(impl->callerMutex, std::try_to_lock);
    alone = !lock.owns_lock();
  }
  if (alone) {
    DefaultFloatEnvironment environment;
    body(0, n);
    return;
  }
  impl->body = &body;
  impl->n = n;
  impl->pending.store(unsigned(parts) - 1, std::memory_order_relaxed);
  uint64_t job = (impl->ticket.load(std::memory_order_relaxed) >> 16) + 1;
  impl->publish(job << 16 | parts);
  impl->runPart(0, unsigned(parts));
  impl->waitForWorkers();
}
