#include "fingpt/Support/Build.h"

#include <sys/stat.h>

namespace fingpt {

std::string buildIdentity() {
  struct stat info;
  if (::stat("/proc/self/exe", &info) != 0)
    return {};
  return std::to_string(info.st_size) + ":" + std::to_string(info.st_mtim.tv_sec) + ":" +
         std::to_string(info.st_mtim.tv_nsec);
}

} // namespace fingpt
