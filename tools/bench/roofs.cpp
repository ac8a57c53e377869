#include "roofs.h"

#include "Isa.h"

#include "fingpt/Runtime/ThreadPool.h"

#include <algorithm>
#include <chrono>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace fingpt::bench {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

namespace {

/// Keeps a result alive. (A variable that nothing reads does not: the compiler
/// then drops the loads.)
void keep(float value) { asm volatile("" : : "m"(value)); }

constexpr size_t Ahead = 128; // Floats: 512 bytes.

#if defined(__x86_64__)
template <size_t Streams, bool Fetch>
__attribute__((target("avx512f"))) void readAvx512(const float *data, size_t each) {
  __m512 sum[Streams];
  for (auto &s : sum)
    s = _mm512_setzero_ps();
  for (size_t i = 0; i + 16 <= each; i += 16)
    for (size_t s = 0; s < Streams; ++s) {
      if constexpr (Fetch)
        _mm_prefetch(reinterpret_cast<const char *>(data + s * each + i + Ahead), _MM_HINT_T1);
      sum[s] = _mm512_add_ps(sum[s], _mm512_loadu_ps(data + s * each + i));
    }
  float total = 0;
  for (auto &s : sum)
    total += _mm512_reduce_add_ps(s);
  keep(total);
}

template <size_t Streams, bool Fetch>
__attribute__((target("avx2"))) void readAvx2(const float *data, size_t each) {
  __m256 sum[Streams];
  for (auto &s : sum)
    s = _mm256_setzero_ps();
  for (size_t i = 0; i + 16 <= each; i += 16)
    for (size_t s = 0; s < Streams; ++s) {
      const float *p = data + s * each + i;
      if constexpr (Fetch)
        _mm_prefetch(reinterpret_cast<const char *>(p + Ahead), _MM_HINT_T1);
      sum[s] = _mm256_add_ps(sum[s], _mm256_loadu_ps(p));
      sum[s] = _mm256_add_ps(sum[s], _mm256_loadu_ps(p + 8));
    }
  float total = 0;
  for (auto &s : sum)
    total += s[0];
  keep(total);
}

// Twelve chains hide the latency of two units; `asm volatile` keeps them.
__attribute__((target("avx512f"))) void multiplyAvx512(int64_t rounds) {
  __m512 a = _mm512_set1_ps(0.5f), c[12];
  for (auto &x : c)
    x = _mm512_setzero_ps();
  for (int64_t r = 0; r < rounds; ++r)
    asm volatile("vfmadd231ps %12,%12,%0\n vfmadd231ps %12,%12,%1\n "
                 "vfmadd231ps %12,%12,%2\n"
                 "vfmadd231ps %12,%12,%3\n vfmadd231ps %12,%12,%4\n "
                 "vfmadd231ps %12,%12,%5\n"
                 "vfmadd231ps %12,%12,%6\n vfmadd231ps %12,%12,%7\n "
                 "vfmadd231ps %12,%12,%8\n"
                 "vfmadd231ps %12,%12,%9\n vfmadd231ps %12,%12,%10\n "
                 "vfmadd231ps %12,%12,%11"
                 : "+v"(c[0]), "+v"(c[1]), "+v"(c[2]), "+v"(c[3]), "+v"(c[4]), "+v"(c[5]),
                   "+v"(c[6]), "+v"(c[7]), "+v"(c[8]), "+v"(c[9]), "+v"(c[10]), "+v"(c[11])
                 : "v"(a));
}
__attribute__((target("avx2,fma"))) void multiplyAvx2(int64_t rounds) {
  __m256 a = _mm256_set1_ps(0.5f), c[12];
  for (auto &x : c)
    x = _mm256_setzero_ps();
  for (int64_t r = 0; r < rounds; ++r)
    asm volatile("vfmadd231ps %12,%12,%0\n vfmadd231ps %12,%12,%1\n "
                 "vfmadd231ps %12,%12,%2\n"
                 "vfmadd231ps %12,%12,%3\n vfmadd231ps %12,%12,%4\n "
                 "vfmadd231ps %12,%12,%5\n"
                 "vfmadd231ps %12,%12,%6\n vfmadd231ps %12,%12,%7\n "
                 "vfmadd231ps %12,%12,%8\n"
                 "vfmadd231ps %12,%12,%9\n vfmadd231ps %12,%12,%10\n "
                 "vfmadd231ps %12,%12,%11"
                 : "+x"(c[0]), "+x"(c[1]), "+x"(c[2]), "+x"(c[3]), "+x"(c[4]), "+x"(c[5]),
                   "+x"(c[6]), "+x"(c[7]), "+x"(c[8]), "+x"(c[9]), "+x"(c[10]), "+x"(c[11])
                 : "x"(a));
}
#endif

template <size_t Streams, bool Fetch> void readPlain(const float *data, size_t each) {
  float sum[Streams][4] = {};
  for (size_t i = 0; i + 4 <= each; i += 4)
    for (size_t s = 0; s < Streams; ++s)
      for (size_t l = 0; l < 4; ++l)
        sum[s][l] += data[s * each + i + l];
  float total = 0;
  for (auto &s : sum)
    total += s[0] + s[1] + s[2] + s[3];
  keep(total);
}

/// Twelve vectors of four: a product and a sum each.
void multiplyPlain(int64_t rounds) {
  typedef float F __attribute__((vector_size(16)));
  F c[12] = {}, a = {0.5f, 0.5f, 0.5f, 0.5f};
  for (int64_t r = 0; r < rounds; ++r)
    for (auto &x : c) {
      F product = a * a;
      asm volatile("" : "+x"(product));
      x = x + product;
    }
  float total = 0;
  for (auto &x : c)
    total += x[0];
  keep(total);
}

} // namespace

template <size_t Streams, bool Fetch> static double readRateOf(const float *data, size_t floats) {
  double start = now();
  ThreadPool::global().parallelFor(floats / 1024, [&](size_t begin, size_t end) {
    const float *share = data + begin * 1024;
    size_t each = (end - begin) * 1024 / Streams;
    switch (currentIsa()) {
#if defined(__x86_64__)
    case Isa::Avx512:
      return readAvx512<Streams, Fetch>(share, each);
    case Isa::Avx2:
      return readAvx2<Streams, Fetch>(share, each);
#endif
    default:
      return readPlain<Streams, Fetch>(share, each);
    }
  });
  return double(floats) * sizeof(float) / (now() - start);
}

double readRate(const float *data, size_t floats) {
  // Streams a power of two apart collide in the caches: drop a few pages.
  floats -= size_t(17) * 1024;
  return std::max({readRateOf<1, false>(data, floats), readRateOf<4, true>(data, floats),
                   readRateOf<8, false>(data, floats)});
}

double fmaRate() {
  constexpr int64_t Rounds = 2000000;
  ThreadPool &pool = ThreadPool::global();
  double lanes = currentIsa() == Isa::Avx512 ? 16 : currentIsa() == Isa::Avx2 ? 8 : 4;
  double start = now();
  pool.parallelFor(pool.size(), [&](size_t begin, size_t end) {
    for (size_t i = begin; i < end; ++i)
      switch (currentIsa()) {
#if defined(__x86_64__)
      case Isa::Avx512:
        multiplyAvx512(Rounds);
        break;
      case Isa::Avx2:
        multiplyAvx2(Rounds);
        break;
#endif
      default:
        multiplyPlain(Rounds);
      }
  });
  return double(pool.size()) * Rounds * 12 * lanes * 2 / (now() - start);
}

} // namespace fingpt::bench
