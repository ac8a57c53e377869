#include "fingpt/Support/AtomicDirectory.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace fingpt;
namespace fs = std::filesystem;

namespace {

class AtomicOutput : public ::testing::Test {
protected:
  void SetUp() override {
    root = fs::temp_directory_path() / ("fingpt-atomic-" + std::to_string(::getpid()));
    fs::remove_all(root);
    fs::create_directories(root);
    target = (root / "out").string();
  }
  void TearDown() override { fs::remove_all(root); }
  size_t entries() const {
    return size_t(std::distance(fs::directory_iterator(root), fs::directory_iterator()));
  }
  static void write(const std::string &path, const char *text) { std::ofstream(path) << text; }
  static std::string read(const fs::path &path) {
    std::string text;
    std::getline(std::ifstream(path), text);
    return text;
  }
  fs::path root;
  std::string target;
};

TEST_F(AtomicOutput, AppearsWholeOrNotAtAll) {
  {
    auto out = AtomicDirectory::create(target, false);
    ASSERT_TRUE(bool(out));
    write((*out)->file("a"), "1");
    EXPECT_FALSE(fs::exists(target));
  }
  EXPECT_EQ(entries(), 0u);
  auto out = AtomicDirectory::create(target + "/", false);
  ASSERT_TRUE(bool(out));
  write((*out)->file("a"), "1");
  ASSERT_TRUE(bool((*out)->publish()));
  EXPECT_EQ(read(root / "out" / "a"), "1");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(AtomicOutput, ReplacesOnlyIfAsked) {
  fs::create_directory(target);
  write(target + "/a", "old");
  auto refused = AtomicDirectory::create(target, false);
  ASSERT_FALSE(bool(refused));
  EXPECT_EQ(refused.error().message(),
            target + ": output directory exists and is not empty (--force replaces it)");
  auto out = AtomicDirectory::create(target, true);
  ASSERT_TRUE(bool(out));
  write((*out)->file("b"), "new");
  EXPECT_EQ(read(root / "out" / "a"), "old");
  ASSERT_TRUE(bool((*out)->publish()));
  EXPECT_FALSE(fs::exists(target + "/a"));
  EXPECT_EQ(read(root / "out" / "b"), "new");
  EXPECT_EQ(entries(), 1u);
}

// What a killed process left goes; what a living one writes, and what others wrote, stays.
TEST_F(AtomicOutput, LeavesNothingOfKilledProcesses) {
  int ready[2];
  ASSERT_EQ(::pipe(ready), 0);
  pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto out = AtomicDirectory::create(target, false);
    if (out)
      write((*out)->file("a"), "1");
    (void)!::write(ready[1], out ? "y" : "n", 1);
    ::pause();
    ::_exit(0);
  }
  char answer = 0;
  ASSERT_EQ(::read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  fs::path left = root / (".out.partial-" + std::to_string(child));
  const fs::path others[] = {root / ".out.partial-12.older", root / ".out2.partial-1",
                             root / ".out.partial-", root / "out.partial"};
  for (const fs::path &other : others)
    fs::create_directory(other);
  fs::create_directory_symlink(others[0], root / ".out.partial-7");

  ASSERT_TRUE(bool(AtomicDirectory::create(target, false)));
  EXPECT_TRUE(fs::exists(left / "a"));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_TRUE(fs::exists(left / "a"));
  ASSERT_TRUE(bool(AtomicDirectory::create(target, false)));
  EXPECT_FALSE(fs::exists(left));
  for (const fs::path &other : others)
    EXPECT_TRUE(fs::exists(other)) << other;
  ::close(ready[0]);
  ::close(ready[1]);
}

// A target that was moved aside is no rubbish while there is no other.
TEST_F(AtomicOutput, WhatWasMovedAsideComesBackOrGoes) {
  std::string aside = (root / ".out.partial-12.old").string();
  fs::create_directory(aside);
  write(aside + "/a", "old");
  EXPECT_FALSE(bool(AtomicDirectory::create(target, false))); // it is there again
  EXPECT_EQ(read(root / "out" / "a"), "old");
  EXPECT_EQ(entries(), 1u);

  fs::create_directory(aside);
  write(aside + "/a", "older");
  auto out = AtomicDirectory::create(target, true);
  ASSERT_TRUE(bool(out));
  EXPECT_FALSE(fs::exists(aside));
  write((*out)->file("a"), "new");
  ASSERT_TRUE(bool((*out)->publish()));
  EXPECT_EQ(read(root / "out" / "a"), "new");
  EXPECT_EQ(entries(), 1u);
}

} // namespace
