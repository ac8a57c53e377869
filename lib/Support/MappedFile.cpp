#include "fingpt/Support/MappedFile.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace fingpt {

static Error systemError(const std::string &path, const char *what) {
  return Error::at(escaped(path, 1000), std::string(what) + ": " + std::strerror(errno));
}

/// Opens a regular file and reports its size; the descriptor is the caller's.
static Result<int> openRegular(const std::string &path, size_t &size) {
  // O_NONBLOCK: a FIFO must be refused below, not waited for here.
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return systemError(path, "cannot open");
  struct stat info;
  if (::fstat(fd, &info) != 0) {
    Error e = systemError(path, "cannot stat");
    ::close(fd);
    return e;
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(fd);
    return Error::at(escaped(path, 1000), "wrong kind of file", "a regular file",
                     S_ISDIR(info.st_mode) ? "a directory" : "something else");
  }
  size = static_cast<size_t>(info.st_size);
  return fd;
}

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::string &path) {
  size_t size = 0;
  Result<int> fd = openRegular(path, size);
  if (!fd)
    return fd.takeError();
  const uint8_t *base = nullptr;
  if (size != 0) {
    void *p = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, *fd, 0);
    if (p == MAP_FAILED) {
      Error e = systemError(path, "cannot map");
      ::close(*fd);
      return e;
    }
    base = static_cast<const uint8_t *>(p);
  }
  ::close(*fd);
  return std::shared_ptr<const MappedFile>(new MappedFile(path, base, size));
}

MappedFile::~MappedFile() {
  if (base)
    ::munmap(const_cast<uint8_t *>(base), length);
}

void MappedFile::dropPages(size_t offset, size_t size) const {
  if (!base || offset >= length)
    return;
  size = std::min(size, length - offset);
  size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  size_t begin = (offset + page - 1) / page * page, end = (offset + size) / page * page;
  if (begin < end)
    ::madvise(const_cast<uint8_t *>(base) + begin, end - begin, MADV_DONTNEED);
}

Result<std::string> readFile(const std::string &path, size_t limit) {
  size_t size = 0;
  Result<int> fd = openRegular(path, size);
  if (!fd)
    return fd.takeError();
  if (size > limit) {
    ::close(*fd);
    return Error::at(escaped(path, 1000), "file too large",
                     "at most " + std::to_string(limit) + " bytes", std::to_string(size));
  }
  std::string text(size, '\0');
  size_t done = 0;
  while (done < size) {
    ssize_t n = ::read(*fd, text.data() + done, size - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      Error e = systemError(path, "cannot read");
      ::close(*fd);
      return e;
    }
    if (n == 0)
      break;
    done += static_cast<size_t>(n);
  }
  ::close(*fd);
  text.resize(done);
  return text;
}

} // namespace fingpt
