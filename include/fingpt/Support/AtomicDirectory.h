// Output appears whole or not at all.
//
//   auto out = AtomicDirectory::create("model-out", /*replace=*/false);
//   ... write files under out->path() ...
//   if (Status s = out->publish(); !s) ...
//
// The directory is built beside its target (".model-out.partial-PID"), every
// file is synced, and one rename makes it visible. Without publish() the
// destructor removes what was written; what a killed process left is removed by the next
// one that writes the same target. The lock on its directory says that a process lives.
#ifndef FINGPT_SUPPORT_ATOMICDIRECTORY_H
#define FINGPT_SUPPORT_ATOMICDIRECTORY_H

#include "fingpt/Support/Result.h"

#include <memory>
#include <string>
#include <string_view>

namespace fingpt {

class AtomicDirectory {
public:
  /// Refuses an existing, non-empty `target` unless `replace`.
  static Result<std::unique_ptr<AtomicDirectory>> create(const std::string &target, bool replace);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory &) = delete;
  AtomicDirectory &operator=(const AtomicDirectory &) = delete;

  const std::string &path() const { return work; }
  std::string file(std::string_view name) const;
  Status publish();

private:
  AtomicDirectory(std::string target, std::string work, bool replace, int lock)
      : target(std::move(target)), work(std::move(work)), replace(replace), lock(lock) {}
  std::string target, work;
  bool replace, published = false;
  int lock; ///< file descriptor of `work`
};

/// Writes `text` to `path` through a synced temporary and a rename.
Status writeFileAtomically(const std::string &path, std::string_view text);

} // namespace fingpt

#endif // FINGPT_SUPPORT_ATOMICDIRECTORY_H
