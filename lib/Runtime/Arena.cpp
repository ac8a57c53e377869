// Scratch as a stack of blocks per thread. A request goes to the current block
// or to the next one that has room; only if none has, a block at least as large
// as all the others together is added, so that a thread asks the system O(log
// size) times in its life and a repeated call not at all.
//
//   mark = block index << 48 | bytes used in that block
#include "fingpt/Runtime/Kernels.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace {

constexpr int64_t Alignment = 64;
constexpr int64_t FirstBlock = int64_t(1) << 20;
constexpr int64_t HugePage = int64_t(2) << 20;
constexpr int MarkShift = 48;
constexpr int64_t MaxBytes = (int64_t(1) << MarkShift) - HugePage;

struct Block {
  char *data;
  int64_t size;
};

struct Arena {
  std::vector<Block> blocks;
  size_t current = 0; ///< Block that the next request tries first.
  int64_t used = 0;   ///< Bytes used in it.
  int64_t growths = 0, bytes = 0;

  ~Arena() {
    for (Block &block : blocks)
      std::free(block.data);
  }

  void *allocate(int64_t size) {
    if (size < 0 || size > MaxBytes)
      return nullptr;
    size = std::max<int64_t>((size + Alignment - 1) / Alignment * Alignment, Alignment);
    // Blocks past `current` are empty; those too small for this request are
    // passed over until the next release.
    size_t index = current;
    int64_t offset = used;
    while (index < blocks.size() && blocks[index].size - offset < size) {
      ++index;
      offset = 0;
    }
    if (index == blocks.size() && !grow(size))
      return nullptr;
    current = index;
    used = offset + size;
    return blocks[index].data + offset;
  }

  bool grow(int64_t size) {
    int64_t wanted = std::max({size, bytes, FirstBlock});
    wanted = (wanted + HugePage - 1) / HugePage * HugePage;
    void *data = std::aligned_alloc(size_t(HugePage), size_t(wanted));
    if (!data)
      return false;
#if defined(__linux__)
    madvise(data, size_t(wanted), MADV_HUGEPAGE);
#endif
    blocks.push_back({static_cast<char *>(data), wanted});
    bytes += wanted;
    ++growths;
    return true;
  }
};

thread_local Arena arena;

} // namespace

extern "C" {

int64_t fingpt_arena_mark(void) { return int64_t(arena.current) << MarkShift | arena.used; }

void *fingpt_arena_allocate(int64_t bytes) { return arena.allocate(bytes); }

void fingpt_arena_release(int64_t mark) {
  arena.current = size_t(mark >> MarkShift);
  arena.used = mark & ((int64_t(1) << MarkShift) - 1);
}

int64_t fingpt_arena_growths(void) { return arena.growths; }

int64_t fingpt_arena_bytes(void) { return arena.bytes; }

} // extern "C"
