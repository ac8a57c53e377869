// Speed of the f32 kernels as a share of this machine's roofs and of OpenBLAS.
//
//   bench-kernels [rounds, default 9]
//
// Shapes are SmolLM2-135M's. Every round measures the roofs, then each kernel
// and OpenBLAS once, and forms the ratios within the round, since shared
// machines change speed within minutes; printed are the median and the range
// over rounds. Matrices rotate over at least 256 MB, as weights do in decoding.
// Each result is checked against a double loop before anything is timed.
#include "Isa.h"
#include "measure.h"
#include "roofs.h"

#include "fingpt/Runtime/Kernels.h"
#include "fingpt/Runtime/ThreadPool.h"

#include <algorithm>
#include <cblas.h>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

using namespace fingpt;
using namespace fingpt::bench;

namespace {

constexpr size_t WeightFloats = size_t(64) << 20; // 256 MB

/// One kernel at one shape: its time per call, and the peer's.
struct Case {
  std::string name;
  std::function<double()> ours, peer; ///< Seconds per call.
  double bytes = 0, flops = 0;        ///< Per call.
  Series ofRoof, ofPeer, time;
};

void check(const float *x, const float *w, const float *y, int64_t M, int64_t N, int64_t K) {
  for (int64_t m = 0; m < M; m += std::max<int64_t>(M / 3, 1))
    for (int64_t n = 0; n < N; n += 7) {
      double sum = 0, size = 0;
      for (int64_t k = 0; k < K; ++k) {
        sum += double(x[m * K + k]) * w[n * K + k];
        size += std::fabs(double(x[m * K + k]) * w[n * K + k]);
      }
      if (!(std::fabs(y[m * N + n] - sum) <= double(K) / (1 << 24) * size)) {
        std::fprintf(stderr, "error: linear %ldx%ldx%ld: y[%ld,%ld] is %g, not %g\n", long(M),
                     long(N), long(K), long(m), long(n), double(y[m * N + n]), sum);
        std::exit(1);
      }
    }
}

Case linearCase(int64_t M, int64_t N, int64_t K, const float *weights, const float *x, float *y,
                bool rotate) {
  size_t size = size_t(N * K), count = rotate ? WeightFloats / size : 1;
  count = std::max<size_t>(count, 1);
  // Enough calls for a few milliseconds; small M goes once through all
  // matrices.
  size_t calls = M == 1 ? (rotate ? count : size_t(2e7) / size + 1)
                        : std::max<size_t>(size_t(3e9) / (size_t(M) * size), 1);
  fingpt_linear_f32(x, weights, nullptr, y, M, N, K);
  check(x, weights, y, M, N, K);
  auto timed = [=](auto call) {
    static size_t next = 0;
    call(weights + next % count * size); // Wakes the threads.
    double start = now();
    for (size_t i = 0; i < calls; ++i)
      call(weights + (next + i) % count * size);
    double seconds = now() - start;
    next += calls;
    return seconds / double(calls);
  };
  Case result;
  result.name = "M=" + std::to_string(M) + " N=" + std::to_string(N) + " K=" + std::to_string(K) +
                (rotate ? "" : " (in cache)");
  result.ours = [=] {
    return timed([=](const float *w) { fingpt_linear_f32(x, w, nullptr, y, M, N, K); });
  };
  result.peer = [=] {
    return timed([=](const float *w) {
      if (M == 1)
        cblas_sgemv(CblasRowMajor, CblasNoTrans, int(N), int(K), 1, w, int(K), x, 1, 0, y, 1);
      else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, int(M), int(N), int(K), 1, x, int(K),
                    w, int(K), 0, y, int(N));
    });
  };
  result.bytes = double(size) * 4;
  result.flops = 2.0 * double(M) * double(size);
  return result;
}

/// 9 query heads over 3 key/value heads of 64; decode: caches rotate over 256
/// MB.
Case attentionCase(int64_t T, int64_t S, const float *cache, const float *q,
                   const int32_t *positions, float *out) {
  FingptAttention shape{};
  shape.batch = 1;
  shape.tokens = T;
  shape.keys = S;
  shape.heads = 9;
  shape.kvHeads = 3;
  shape.headDim = shape.valueDim = 64;
  shape.qToken = shape.outToken = 576;
  shape.kToken = shape.vToken = 192;
  shape.scale = 0.125f;
  shape.causal = 1;
  size_t size = size_t(S) * 192, count = WeightFloats / (2 * size);
  size_t calls = T == 1 ? std::min<size_t>(count, 40) : 3;
  Case result;
  result.name = "T=" + std::to_string(T) + " S=" + std::to_string(S);
  result.ours = [=] {
    static size_t next = 0;
    auto call = [&](size_t i) {
      const float *k = cache + i % count * 2 * size;
      fingpt_attention_f32(&shape, q, k, k + size, positions, nullptr, nullptr, 0, 0, 0, nullptr,
                           out);
    };
    call(next++);
    double start = now();
    for (size_t i = 0; i < calls; ++i)
      call(next++);
    return (now() - start) / double(calls);
  };
  result.bytes = double(size) * 8;
  double pairs = double(T) * double(S - T) + double(T) * double(T + 1) / 2;
  result.flops = pairs * 9 * 64 * 4;
  return result;
}

} // namespace

int main(int argc, char **argv) {
  int rounds = argc > 1 ? std::max(int(std::strtol(argv[1], nullptr, 10)), 1) : 9;
  ThreadPool &pool = ThreadPool::global();
  openblas_set_num_threads(int(pool.size()));
  std::printf("%u threads, %s; OpenBLAS %s, %d threads; %d rounds, median (range)\n", pool.size(),
              isaName(currentIsa()), openblas_get_corename(), openblas_get_num_threads(), rounds);

  std::mt19937 random(1); // NOLINT(bugprone-random-generator-seed): the same data every time
  std::normal_distribution<float> normal;
  float *weights = hugeBuffer<float>(WeightFloats), *x = hugeBuffer<float>(size_t(4) << 20),
        *y = hugeBuffer<float>(size_t(32) << 20);
  for (size_t i = 0; i < WeightFloats; ++i)
    weights[i] = i < 1000003 ? normal(random) : weights[i - 1000003];
  for (size_t i = 0; i < size_t(4) << 20; ++i)
    x[i] = normal(random);

  const int64_t shapes[][2] = {{576, 576}, {192, 576}, {1536, 576}, {576, 1536}, {49152, 576}};
  std::vector<Case> decode, small, blocked, attentionDecode, attentionPrefill;
  for (auto &shape : shapes) {
    decode.push_back(linearCase(1, shape[0], shape[1], weights, x, y, true));
    small.push_back(linearCase(8, shape[0], shape[1], weights, x, y, true));
    blocked.push_back(linearCase(512, shape[0], shape[1], weights, x, y, true));
  }
  std::vector<std::vector<int32_t>> positions;
  for (int64_t S : {512, 1024, 2048, 4096}) {
    positions.push_back({int32_t(S - 1)});
    attentionDecode.push_back(attentionCase(1, S, weights, x, positions.back().data(), y));
  }
  positions.emplace_back();
  for (int32_t t = 0; t < 2048; ++t)
    positions.back().push_back(t);
  for (int64_t T : {512, 2048})
    attentionPrefill.push_back(attentionCase(T, T, weights, x, positions.back().data(), y));

  Series read{"DRAM read", {}}, fma{"multiply-add", {}}, fork{"empty parallelFor", {}};
  auto measure = [](std::vector<Case> &cases, double roof, double Case::*amount) {
    for (Case &c : cases) {
      double ours = c.ours();
      c.time.values.push_back(ours);
      c.ofRoof.values.push_back(c.*amount / ours / roof);
      if (c.peer)
        c.ofPeer.values.push_back(c.peer() / ours);
    }
  };
  for (int round = 0; round < rounds; ++round) {
    double roof = readRate(weights, WeightFloats);
    measure(decode, roof, &Case::bytes);
    measure(attentionDecode, roof, &Case::bytes);
    measure(small, roof, &Case::bytes);
    double after = readRate(weights, WeightFloats);
    read.values.push_back(std::max(roof, after));
    roof = fmaRate();
    fma.values.push_back(roof);
    measure(blocked, roof, &Case::flops);
    measure(attentionPrefill, roof, &Case::flops);
    double start = now();
    for (int i = 0; i < 10000; ++i)
      pool.parallelFor(pool.size(), [](size_t, size_t) {});
    fork.values.push_back((now() - start) / 10000);
  }

  std::printf("roofs\n");
  read.print("GB/s", 1e-9);
  fma.print("GFLOP/s", 1e-9);
  fork.print("us", 1e6);
  auto print = [](const char *title, std::vector<Case> &cases, const char *roof) {
    std::printf("%s\n", title);
    for (Case &c : cases) {
      c.time.name = c.name;
      c.ofRoof.name = std::string("  of ") + roof;
      c.ofPeer.name = "  of OpenBLAS";
      c.time.print("us", 1e6);
      c.ofRoof.print("%", 100);
      if (c.peer)
        c.ofPeer.print("%", 100);
    }
  };
  print("linear, one row", decode, "DRAM read");
  print("linear, eight rows", small, "DRAM read");
  print("linear, 512 rows", blocked, "multiply-add");
  print("attention, decode", attentionDecode, "DRAM read");
  print("attention, prefill (causal)", attentionPrefill, "multiply-add");
  return 0;
}
