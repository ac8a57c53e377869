#include "Isa.h"
#include "KernelTable.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace fingpt {

Isa detectedIsa() {
#if defined(__x86_64__)
  static const Isa detected = [] {
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
      return Isa::Baseline;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
      return Isa::Avx2;
    return Isa::Avx512;
  }();
  return detected;
#else
  return Isa::Baseline;
#endif
}

const char *isaName(Isa isa) {
  switch (isa) {
  case Isa::Baseline:
    return "baseline";
  case Isa::Avx2:
    return "avx2";
  case Isa::Avx512:
    return "avx512";
  }
  return "?";
}

static Isa initialIsa() {
  Isa detected = detectedIsa();
  const char *wanted = std::getenv("FINGPT_ISA");
  if (!wanted)
    return detected;
  for (Isa isa : {Isa::Baseline, Isa::Avx2, Isa::Avx512}) {
    if (std::strcmp(wanted, isaName(isa)) != 0)
      continue;
    if (isa > detected)
      std::fprintf(stderr, "warning: FINGPT_ISA=%s: this CPU has %s only\n", wanted,
                   isaName(detected));
    return std::min(isa, detected);
  }
  std::fprintf(stderr, "warning: FINGPT_ISA=%s: expected baseline, avx2 or avx512; ignored\n",
               wanted);
  return detected;
}

static std::atomic<Isa> &state() {
  static std::atomic<Isa> isa{initialIsa()};
  return isa;
}

Isa currentIsa() { return state().load(std::memory_order_relaxed); }

Isa setIsaForTesting(Isa isa) {
  state().store(std::min(isa, detectedIsa()), std::memory_order_relaxed);
  return currentIsa();
}

const KernelTable &kernels() {
#if defined(__x86_64__)
  switch (currentIsa()) {
  case Isa::Baseline:
    return baselineKernels;
  case Isa::Avx2:
    return avx2Kernels;
  case Isa::Avx512:
    return avx512Kernels;
  }
#endif
  return baselineKernels;
}

} // namespace fingpt
