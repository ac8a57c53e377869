// How much memory there is for this process.
//
//   MemorySize m = systemMemory();
//   m.total, m.available     // bytes
#ifndef FINGPT_SUPPORT_MEMORY_H
#define FINGPT_SUPPORT_MEMORY_H

#include <cstdint>
#include <string>

namespace fingpt {

struct MemorySize {
  uint64_t total = 0;     ///< of the machine, or what its control group may have
  uint64_t available = 0; ///< what is free or can be freed: cached files count
};

/// From /proc/meminfo and the limits of control groups (versions 1 and 2), the smaller of each.
/// What is not known counts as 2^63. `root`: where /proc and /sys lie, for tests.
MemorySize systemMemory(const std::string &root = "");

} // namespace fingpt

#endif // FINGPT_SUPPORT_MEMORY_H
