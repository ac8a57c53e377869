// The instruction sets that kernels are compiled for, and which one is in use.
#ifndef FINGPT_LIB_RUNTIME_ISA_H
#define FINGPT_LIB_RUNTIME_ISA_H

namespace fingpt {

enum class Isa { Baseline, Avx2, Avx512 };

/// The highest level that this CPU and this build have.
Isa detectedIsa();
/// The level in use: the detected one, or a lower one named by the environment
/// variable FINGPT_ISA (baseline, avx2, avx512).
Isa currentIsa();
/// Sets the level in use, at most the detected one; returns the level now in
/// use. Not while a kernel runs.
Isa setIsaForTesting(Isa isa);

const char *isaName(Isa isa);

} // namespace fingpt

#endif // FINGPT_LIB_RUNTIME_ISA_H
