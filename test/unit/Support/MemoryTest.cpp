#include "fingpt/Support/Memory.h"

#include "../TempDir.h"

using namespace fingpt;

namespace {

/// A machine of 8 GiB, of which 6 are available.
class Memory : public testing::Test {
protected:
  Memory() {
    write("/proc/meminfo", "MemTotal:        8388608 kB\nMemFree:          100000 kB\n"
                           "MemAvailable:    6291456 kB\nHugePages_Total:       0\n");
  }
  void write(std::string_view file, std::string_view text) const {
    std::string_view name = file.substr(1);
    std::filesystem::create_directories(std::filesystem::path(root.path(name)).parent_path());
    root.write(name, text);
  }
  void expect(uint64_t total, uint64_t available) const {
    MemorySize m = systemMemory(root.path());
    EXPECT_EQ(m.total, total << 30);
    EXPECT_EQ(m.available, available << 30);
  }
  test::TempDir root;
};

TEST_F(Memory, CachedFilesAreAvailable) { expect(8, 6); }

TEST_F(Memory, ControlGroupOfVersion2) {
  write("/proc/self/cgroup", "0::/user/app\n");
  expect(8, 6);
  write("/sys/fs/cgroup/user/app/memory.max", "max\n");
  expect(8, 6);
  // 4 GiB, 3 used, 1 of it for cached files.
  write("/sys/fs/cgroup/user/app/memory.max", "4294967296\n");
  write("/sys/fs/cgroup/user/app/memory.current", "3221225472\n");
  write("/sys/fs/cgroup/user/app/memory.stat", "anon 2147483648\ninactive_file 536870912\n"
                                               "active_file 536870912\n");
  expect(4, 2);
  // A group above has less.
  write("/sys/fs/cgroup/user/memory.max", "3221225472\n");
  write("/sys/fs/cgroup/user/memory.current", "3221225472\n");
  write("/sys/fs/cgroup/user/memory.stat", "active_file 1073741824\n");
  expect(3, 1);
  // In a container the mount itself is the group.
  write("/sys/fs/cgroup/memory.max", "2147483648\n");
  write("/sys/fs/cgroup/memory.current", "1073741824\n");
  expect(2, 1);
}

TEST_F(Memory, ControlGroupOfVersion1) {
  write("/proc/self/cgroup", "5:cpu:/\n4:hugetlb,memory:/app\n");
  write("/sys/fs/cgroup/memory/app/memory.limit_in_bytes", "9223372036854771712\n"); // none
  expect(8, 6);
  write("/sys/fs/cgroup/memory/app/memory.limit_in_bytes", "3221225472\n");
  write("/sys/fs/cgroup/memory/app/memory.usage_in_bytes", "5368709120\n"); // shrunk since
  write("/sys/fs/cgroup/memory/app/memory.stat", "total_inactive_file 0\n");
  expect(3, 0);
}

TEST_F(Memory, NothingIsKnown) {
  std::filesystem::remove(root.path("proc/meminfo"));
  MemorySize m = systemMemory(root.path());
  EXPECT_EQ(m.total, uint64_t(1) << 63);
  EXPECT_EQ(m.available, uint64_t(1) << 63);
}

TEST(MemoryOfThisMachine, IsSomething) {
  MemorySize m = systemMemory();
  EXPECT_GT(m.available, uint64_t(1) << 20);
  EXPECT_GE(m.total, m.available);
}

} // namespace
