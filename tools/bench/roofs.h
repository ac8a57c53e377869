// What the machine can do at best: the roofs that kernels are measured against.
#ifndef FINGPT_TOOLS_BENCH_ROOFS_H
#define FINGPT_TOOLS_BENCH_ROOFS_H

#include <cstddef>

namespace fingpt::bench {

double now(); ///< Seconds.

/// Bytes per second that all threads of the pool read from `data` (once), each
/// its contiguous share in eight streams with prefetch.
double readRate(const float *data, size_t floats);

/// f32 multiply-adds per second times two, all threads, at the level in use.
double fmaRate();

} // namespace fingpt::bench

#endif // FINGPT_TOOLS_BENCH_ROOFS_H
