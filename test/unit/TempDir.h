// A place for files of a test.
#ifndef FINGPT_TEST_TEMPDIR_H
#define FINGPT_TEST_TEMPDIR_H

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <string_view>
#include <unistd.h>

namespace fingpt::test {

/// A directory that goes with the test.
class TempDir {
public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "fingpt-XXXXXX").string();
    if (!::mkdtemp(pattern.data()))
      ADD_FAILURE() << "cannot make a temporary directory";
    root = pattern;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(root, ignored);
  }
  TempDir(const TempDir &) = delete;
  TempDir &operator=(const TempDir &) = delete;
  std::string path(std::string_view name = "") const { return (root / name).string(); }
  std::string write(std::string_view name, std::string_view bytes) const {
    std::ofstream(path(name), std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    return path(name);
  }

private:
  std::filesystem::path root;
};

} // namespace fingpt::test

#endif // FINGPT_TEST_TEMPDIR_H
