// A read-only memory-mapped regular file. Pages are touched only when read, so
// mapping a 28 GB model costs nothing. Moved, never copied; share it through
// std::shared_ptr.
#ifndef FINGPT_SUPPORT_MAPPEDFILE_H
#define FINGPT_SUPPORT_MAPPEDFILE_H

#include "fingpt/Support/Result.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace fingpt {

class MappedFile {
public:
  /// Maps `path`. Refuses what is no regular file (directory, FIFO, device).
  static Result<std::shared_ptr<const MappedFile>> open(const std::string &path);
  ~MappedFile();
  MappedFile(const MappedFile &) = delete;
  MappedFile &operator=(const MappedFile &) = delete;

  const std::string &path() const { return name; }
  size_t size() const { return length; }
  const uint8_t *data() const { return base; }
  std::string_view view() const { return {reinterpret_cast<const char *>(base), length}; }
  /// Tells the kernel that [offset, offset+length) is not needed for now.
  void dropPages(size_t offset, size_t length) const;

private:
  MappedFile(std::string name, const uint8_t *base, size_t length)
      : name(std::move(name)), base(base), length(length) {}
  std::string name;
  const uint8_t *base;
  size_t length;
};

/// Reads a whole file of at most `limit` bytes.
Result<std::string> readFile(const std::string &path, size_t limit = 1u << 30);

} // namespace fingpt

#endif // FINGPT_SUPPORT_MAPPEDFILE_H
