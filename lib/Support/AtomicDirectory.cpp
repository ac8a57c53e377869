#include "fingpt/Support/AtomicDirectory.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace fs = std::filesystem;

namespace fingpt {

static Error systemError(const std::string &path, const std::string &what) {
  return Error::at(escaped(path, 1000), what + ": " + std::strerror(errno));
}

static Status syncPath(const std::string &path, bool directory) {
  int fd = ::open(path.c_str(), O_CLOEXEC | (directory ? O_RDONLY | O_DIRECTORY : O_RDONLY));
  if (fd < 0)
    return systemError(path, "cannot open to sync");
  bool ok = ::fsync(fd) == 0;
  Error e = systemError(path, "cannot sync");
  if (::close(fd) != 0 && ok)
    return systemError(path, "cannot close");
  return ok ? Status::ok() : Status(e);
}

static constexpr const char *Old = ".old";

static std::string parentOf(const std::string &path) {
  std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

/// Directories "STEM<digits>" that a killed process left: those that nobody holds locked. One with
/// ".old" behind it is a target that was moved aside: it comes back if there is no other.
static void removeAbandoned(const std::string &target, const std::string &stem) {
  std::error_code ec;
  std::vector<std::string> found;
  for (const fs::directory_entry &entry : fs::directory_iterator(parentOf(target), ec)) {
    std::string name = entry.path().filename().string();
    if (name.size() <= stem.size() || name.compare(0, stem.size(), stem) != 0)
      continue;
    size_t digits = name.find_first_not_of("0123456789", stem.size());
    if (digits == std::string::npos || (digits > stem.size() && name.substr(digits) == Old))
      found.push_back(entry.path().string());
  }
  for (const std::string &path : found) {
    int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
      continue;
    bool abandoned = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
    bool old = fs::path(path).extension() == Old;
    if (old) { // its process holds the directory that it writes
      std::string work = path.substr(0, path.size() - std::strlen(Old));
      int other = ::open(work.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      abandoned = abandoned && (other < 0 || ::flock(other, LOCK_EX | LOCK_NB) == 0);
      if (other >= 0)
        ::close(other);
    }
    if (abandoned && old && !fs::exists(fs::symlink_status(target, ec)))
      ::rename(path.c_str(), target.c_str());
    else if (abandoned)
      fs::remove_all(path, ec);
    ::close(fd);
  }
}

/// Both paths change places at once; false where the system cannot do that.
static bool exchangePaths(const std::string &a, const std::string &b) {
#if defined(RENAME_EXCHANGE)
  return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE) == 0;
#else
  return false;
#endif
}

Result<std::unique_ptr<AtomicDirectory>> AtomicDirectory::create(const std::string &givenTarget,
                                                                 bool replace) {
  std::string target = givenTarget;
  while (target.size() > 1 && target.back() == '/')
    target.pop_back();
  std::error_code ec;
  fs::create_directories(parentOf(target), ec);
  std::string stem = "." + fs::path(target).filename().string() + ".partial-";
  removeAbandoned(target, stem);
  fs::file_status status = fs::symlink_status(target, ec);
  if (fs::exists(status)) {
    if (!fs::is_directory(status))
      return Error::at(escaped(target, 1000), "output exists and is no directory");
    if (!replace && !fs::is_empty(target, ec))
      return Error::at(escaped(target, 1000),
                       "output directory exists and is not empty (--force replaces it)");
  }
  std::string work = parentOf(target) + "/" + stem + std::to_string(::getpid());
  fs::remove_all(work, ec);
  if (::mkdir(work.c_str(), 0777) != 0)
    return systemError(work, "cannot create");
  int lock = ::open(work.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock < 0)
    return systemError(work, "cannot open");
  (void)::flock(lock, LOCK_EX | LOCK_NB); // where there are no locks nothing is removed either
  return std::unique_ptr<AtomicDirectory>(new AtomicDirectory(target, work, replace, lock));
}

AtomicDirectory::~AtomicDirectory() {
  std::error_code ec;
  if (!published)
    fs::remove_all(work, ec);
  ::close(lock);
}

std::string AtomicDirectory::file(std::string_view name) const {
  return work + "/" + std::string(name);
}

Status AtomicDirectory::publish() {
  std::error_code ec;
  for (const fs::directory_entry &entry : fs::recursive_directory_iterator(work, ec))
    if (entry.is_regular_file())
      if (Status s = syncPath(entry.path().string(), false); !s)
        return s;
  if (ec)
    return Error::at(escaped(work, 1000), "cannot list: " + ec.message());
  if (Status s = syncPath(work, true); !s)
    return s;
  // At every moment either the old or the new one is whole on disk; without an exchange not under
  // the target's name. (rename(2) replaces an empty directory only.)
  std::string old;
  if (fs::exists(target, ec) && !fs::is_empty(target, ec)) {
    if (!replace)
      return Error::at(escaped(target, 1000), "output directory appeared meanwhile");
    if (exchangePaths(work, target)) {
      published = true;
      fs::remove_all(work, ec);
      return syncPath(parentOf(target), true);
    }
    old = work + Old;
    fs::remove_all(old, ec);
    if (::rename(target.c_str(), old.c_str()) != 0)
      return systemError(target, "cannot move the previous output aside");
  }
  if (::rename(work.c_str(), target.c_str()) != 0) {
    Error e = systemError(target, "cannot publish");
    if (!old.empty() && ::rename(old.c_str(), target.c_str()) != 0)
      return Error(e.message() + "; the previous output is " + escaped(old, 1000));
    return e;
  }
  published = true;
  if (!old.empty())
    fs::remove_all(old, ec);
  return syncPath(parentOf(target), true);
}

Status writeFileAtomically(const std::string &path, std::string_view text) {
  std::string temporary = path + ".partial-" + std::to_string(::getpid());
  int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0)
    return systemError(temporary, "cannot create");
  auto abandon = [&](const char *what) {
    Error e = systemError(path, what);
    if (fd >= 0)
      ::close(fd);
    ::unlink(temporary.c_str());
    return e;
  };
  for (size_t done = 0; done < text.size();) {
    ssize_t n = ::write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return abandon("cannot write");
    done += static_cast<size_t>(n);
  }
  if (::fsync(fd) != 0)
    return abandon("cannot sync");
  int closed = ::close(fd);
  fd = -1;
  if (closed != 0)
    return abandon("cannot close");
  if (::rename(temporary.c_str(), path.c_str()) != 0)
    return abandon("cannot publish");
  return syncPath(parentOf(path), true);
}

} // namespace fingpt
