#include "fingpt/Compress/RawBytes.h"

#include <mutex>

#if defined(__linux__)
#include <sys/mman.h>
#endif

using namespace fingpt;

namespace {

constexpr size_t HugePage = size_t(2) << 20;
constexpr size_t MostKept = size_t(64) << 20; ///< a larger block goes back to the system

struct Block {
  void *data = nullptr;
  size_t bytes = 0;
};
std::mutex keptMutex;
Block kept;

size_t wholePages(size_t bytes) { return (bytes + HugePage - 1) / HugePage * HugePage; }

} // namespace

void *compress::takeRawBytes(size_t bytes) {
  if (bytes < HugePage)
    return ::operator new(bytes);
  bytes = wholePages(bytes);
  {
    std::lock_guard<std::mutex> lock(keptMutex);
    if (kept.bytes == bytes) {
      kept.bytes = 0;
      return std::exchange(kept.data, nullptr);
    }
  }
  void *data = ::operator new(bytes, std::align_val_t(HugePage));
#if defined(__linux__)
  madvise(data, bytes, MADV_HUGEPAGE);
#endif
  return data;
}

void compress::giveRawBytes(void *data, size_t bytes) {
  if (bytes < HugePage)
    return ::operator delete(data);
  Block block{data, wholePages(bytes)};
  if (block.bytes <= MostKept) {
    std::lock_guard<std::mutex> lock(keptMutex);
    std::swap(block, kept);
  }
  if (block.data)
    ::operator delete(block.data, std::align_val_t(HugePage));
}
