// One function of bufferized MLIR text to one relocatable object.
#ifndef FINGPT_LIB_CODEGEN_CPU_OBJECTCOMPILER_H
#define FINGPT_LIB_CODEGEN_CPU_OBJECTCOMPILER_H

#include "fingpt/Codegen/CPU/Pipeline.h"
#include "fingpt/Support/Result.h"

#include <string>

namespace fingpt {

/// CPU name and features of this machine, as LLVM spells them.
struct HostTarget {
  std::string triple, cpu, features;
  static HostTarget detect();
};

/// Parses `text` (a module) in a context of its own, lowers it and emits an object.
/// Safe to call from several threads.
Result<std::string> compileObject(const std::string &text, const PipelineOptions &options,
                                  const HostTarget &target);

/// Objects on disk by the hash of everything that decides their bytes.
class ObjectCache {
public:
  explicit ObjectCache(std::string directory) : directory(std::move(directory)) {}
  static std::string key(const std::string &text, const PipelineOptions &options,
                         const HostTarget &target);
  /// The object, or empty if it is absent or damaged.
  std::string load(const std::string &key) const;
  void store(const std::string &key, const std::string &object) const;

private:
  std::string directory;
};

} // namespace fingpt

#endif // FINGPT_LIB_CODEGEN_CPU_OBJECTCOMPILER_H
