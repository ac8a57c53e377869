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
  if (!limit)
    return;
  size.total = std::min(size.total, *limit);
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
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    // "0::/path" in version 2, "4:cpu,memory:/path" in version 1.
    size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos)
      continue;
    std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    bool two = controllers == ",,";
    if (!two && controllers.find(",memory,") == std::string::npos)
      continue;
    // Every group above counts, down from the mount, which in a container is the group itself.
    const Version &version = Versions[two ? 0 : 1];
    std::string path = line.substr(second + 1);
    for (size_t at = 0; at != std::string::npos; at = path.find('/', at + 1))
      applyLimit(root + version.mount + path.substr(0, at), version, size);
    applyLimit(root + version.mount + path, version, size);
  }
  return size;
}

} // namespace fingpt
