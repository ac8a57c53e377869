// OpenBLAS picks its kernels by the model numbers that it knows, and takes those of 2004 (SSE3) for
// a processor that came after it: products then run at a sixth of their speed. What the processor
// can do says enough. OpenBLAS chooses while it is loaded, so the program starts once more, before
// main, with OPENBLAS_CORETYPE set; what is set from outside is left alone.
#if defined(__x86_64__) && defined(__linux__)

#include <cstdlib>
#include <cstring>
#include <unistd.h>

extern "C" __attribute__((weak)) char *openblasCoreName(void) __asm__("openblas_get_corename");

__attribute__((constructor)) static void fitBlasKernels(int, char **argv, char **) {
  __builtin_cpu_init();
  if (!openblasCoreName || std::getenv("OPENBLAS_CORETYPE") ||
      std::strcmp(openblasCoreName(), "Prescott") != 0 || !__builtin_cpu_supports("avx2") ||
      !__builtin_cpu_supports("fma"))
    return;
  bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  if (::setenv("OPENBLAS_CORETYPE", wide ? "SkylakeX" : "Haswell", /*overwrite=*/1) == 0)
    ::execv("/proc/self/exe", argv); // or goes on as it is
}

#endif
