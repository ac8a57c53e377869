#include "AllocationCount.h"

#include "fingpt/Runtime/Kernels.h"
#include "gtest/gtest.h"

#include <cstdint>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

namespace {

TEST(Arena, BlocksAreAlignedAndDisjoint) {
  int64_t mark = fingpt_arena_mark();
  std::mt19937 random(1);
  struct Piece {
    unsigned char *data;
    int64_t size;
  };
  std::vector<Piece> pieces;
  for (int i = 0; i < 300; ++i) {
    int64_t size = int64_t(random() % 100000);
    auto *data = static_cast<unsigned char *>(fingpt_arena_allocate(size));
    ASSERT_NE(data, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0u);
    std::memset(data, i & 0xff, size_t(size));
    pieces.push_back({data, size});
  }
  for (size_t i = 0; i < pieces.size(); ++i)
    for (int64_t j = 0; j < pieces[i].size; ++j)
      ASSERT_EQ(pieces[i].data[j], i & 0xff);
  fingpt_arena_release(mark);
}

TEST(Arena, NestedFunctionsReuseMemory) {
  int64_t outer = fingpt_arena_mark();
  void *a = fingpt_arena_allocate(1000);
  int64_t inner = fingpt_arena_mark();
  void *b = fingpt_arena_allocate(5000);
  fingpt_arena_release(inner);
  EXPECT_EQ(fingpt_arena_allocate(5000), b);
  fingpt_arena_release(outer);
  EXPECT_EQ(fingpt_arena_allocate(1000), a);
  fingpt_arena_release(outer);
}

TEST(Arena, SteadyStateAsksForNothing) {
  auto call = [] {
    int64_t mark = fingpt_arena_mark();
    for (int64_t size : {100, 3000000, 5000000, 64, 9000000, 0})
      std::memset(fingpt_arena_allocate(size), 1, size_t(size));
    fingpt_arena_release(mark);
  };
  call();
  int64_t growths = fingpt_arena_growths(), bytes = fingpt_arena_bytes();
  EXPECT_GE(growths, 1);
  EXPECT_GE(bytes, 17000000);
  size_t allocations = allocationCount();
  for (int i = 0; i < 100; ++i)
    call();
  EXPECT_EQ(fingpt_arena_growths(), growths);
  EXPECT_EQ(fingpt_arena_bytes(), bytes);
  EXPECT_EQ(allocationCount(), allocations);
}

TEST(Arena, GrowthIsGeometric) {
  std::thread([] {
    for (int64_t size = 1000; size < 200000000; size += size / 20) {
      int64_t mark = fingpt_arena_mark();
      ASSERT_NE(fingpt_arena_allocate(size), nullptr);
      fingpt_arena_release(mark);
    }
    EXPECT_LE(fingpt_arena_growths(), 12);
  }).join();
}

TEST(Arena, ThreadsHaveTheirOwn) {
  void *mine = fingpt_arena_allocate(100), *other = nullptr;
  int64_t growths = -1;
  std::thread([&] {
    growths = fingpt_arena_growths();
    other = fingpt_arena_allocate(100);
  }).join();
  EXPECT_EQ(growths, 0);
  EXPECT_NE(mine, other);
  fingpt_arena_release(0);
}

TEST(Arena, RefusesSizesThatCannotBe) {
  EXPECT_EQ(fingpt_arena_allocate(-1), nullptr);
  EXPECT_EQ(fingpt_arena_allocate(INT64_MAX), nullptr);
  EXPECT_EQ(fingpt_arena_allocate(INT64_MIN), nullptr);
}

} // namespace
