#include "fingpt/Support/Memory.h"

#include <algorithm>
#include <fstream>
#include <optional>

namespace fingpt {

namespace {

constexpr uint64_t Unknown = uint64_t(1) << 63;

/// The number at the beginning of a file; none for "max".
std::optional<uint64_t> numberIn(const std::string &file) {
  std::ifstream stream(file);
  uint64_t value = 0;
  return stream >> value ? std::optional(value) : std::nullopt;
}

/// Of lines "key value": the sum of those whose key is `one` or `other`.
uint64_t sumOf(const std::string &file, const std::string &one, const std::string &other) {
  std::ifstream stream(file);
  std::string key;
  uint64_t value = 0, sum = 0;
  while (stream >> key >> value)
    if (key == one || key == other)
      sum += value;
  return sum;
}

/// Names of files that say the same in both versions.
struct Version {
  const char *mount, *limit, *usage, *inactive, *active;
};
constexpr Version Versions[] = {
    {"/sys/fs/cgroup", "/memory.max", "/memory.current", "inactive_file", "active_file"},
    {"/sys/fs/cgroup/memory", "/memory.limit_in_bytes", "/memory.usage_in_bytes",
     "total_inactive_file", "total_active_file"}};

void applyLimit(const std::string &group, const Version &names, MemorySize &size) {
  std::optional<uint64_t> limit = numberIn(group + names.limit);
  if (!limit || *limit >= size.total)
    return;
  size.total = *limit;
  uint64_t used = numberIn(group + names.usage).value_or(0),
           freeable = sumOf(group + "/memory.stat", names.inactive, names.active);
  used -= std::min(used, freeable);
  size.available = std::min(size.available, *limit - std::min(*limit, used));
}

} // namespace

MemorySize systemMemory(const std::string &root) {
  MemorySize size{Unknown, Unknown};
  std::ifstream info(root + "/proc/meminfo");
  std::string key, unit;
  for (uint64_t kilobytes = 0; info >> key >> kilobytes && std::getline(info, unit);)
    if (key == "MemTotal:")
      size.total = kilobytes * 1024;
    else if (key == "MemAvailable:")
      size.available = kilobytes * 1024;
  // "0::/path" in version 2, "4:memory:/path" in version 1. In a container the root of the mount
  // may be the group itself.
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);)
    for (size_t v = 0; v < 2; ++v) {
      std::string_view wanted = v == 0 ? "0::" : ":memory:";
      size_t at = line.find(wanted);
      if (at == std::string::npos || (v == 0 && at != 0))
        continue;
      std::string mount = root + Versions[v].mount;
      applyLimit(mount, Versions[v], size);
      applyLimit(mount + line.substr(at + wanted.size()), Versions[v], size);
    }
  return size;
}

} // namespace fingpt
