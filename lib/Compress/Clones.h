// FINGPT_CLONES before a function: one copy per instruction-set level, picked when
// the program is loaded. The library is built without contraction, so that all
// copies of a lane-wise computation give the same bits.
#ifndef FINGPT_LIB_COMPRESS_CLONES_H
#define FINGPT_LIB_COMPRESS_CLONES_H

#if defined(__x86_64__) && defined(__linux__)
#define FINGPT_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FINGPT_CLONES
#endif

#endif // FINGPT_LIB_COMPRESS_CLONES_H
