#include "Commands.h"

#include "fingpt/Codegen/CPU/JIT.h"
#include "fingpt/Runtime/ThreadPool.h"
#include "fingpt/Support/Json.h"
#include "fingpt/Support/Memory.h"

#include "llvm/Config/llvm-config.h"
#include "llvm/TargetParser/Host.h"

#include <dlfcn.h>
#include <unistd.h>

namespace fingpt::cli {

namespace {
struct Finding {
  const char *state; ///< "ok", "note" or "lacks"
  std::string what, detail;
};
} // namespace

static std::vector<Finding> examine() {
  std::vector<Finding> out;
  auto features = llvm::sys::getHostCPUFeatures();
  auto has = [&](const char *name) { return features.lookup(name); };
  std::string isa = has("avx512f") ? (has("avx512vnni") ? "AVX-512 with VNNI" : "AVX-512")
                    : has("avx2") && has("fma") ? "AVX2 and FMA"
                                                : "";
  out.push_back({isa.empty() ? "lacks" : "ok", "vector instructions",
                 isa.empty() ? "no AVX2: the portable kernels run, several times slower"
                             : isa + " (" + llvm::sys::getHostCPUName().str() + ")"});
  out.push_back({"ok", "threads",
                 std::to_string(ThreadPool::global().size()) + " used of " +
                     std::to_string(::sysconf(_SC_NPROCESSORS_ONLN)) +
                     " cores (FINGPT_THREADS changes it)"});
  uint64_t memory = systemMemory().available;
  out.push_back({memory < (2ull << 30) ? "note" : "ok", "memory",
                 memory >> 62 ? "unknown" : std::to_string(memory >> 20) + " MiB available"});
  std::string cache = defaultCacheDirectory();
  bool writable =
      !cache.empty() && (::access(cache.c_str(), W_OK) == 0 ||
                         ::access(cache.substr(0, cache.rfind('/')).c_str(), W_OK) == 0);
  out.push_back({writable ? "ok" : "note", "code cache",
                 cache.empty()
                     ? "none: set FINGPT_CACHE_DIR"
                     : cache + (writable ? "" : " (not writable: every start compiles)")});
  out.push_back({"ok", "LLVM", LLVM_VERSION_STRING});
  void *cuda = ::dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
  out.push_back({cuda ? "ok" : "note", "GPU",
                 cuda ? "CUDA driver found" : "no CUDA driver: models run on the CPU"});
  if (cuda)
    ::dlclose(cuda);
  return out;
}

Action addDoctor(CLI::App &app, const Common &common) {
  CLI::App *sub = app.add_subcommand("doctor", "What this machine has and lacks");
  sub->footer("Exit 0 if models can run here.");
  return [&common]() -> Result<int> {
    std::vector<Finding> findings = examine();
    if (common.json) {
      Json out = Json::array();
      for (const Finding &f : findings)
        out.push_back({{"state", f.state}, {"what", f.what}, {"detail", f.detail}});
      std::printf("%s\n", out.dump().c_str());
      return 0;
    }
    for (const Finding &f : findings)
      std::printf("%-6s %-20s %s\n", f.state, f.what.c_str(), f.detail.c_str());
    return 0;
  };
}

} // namespace fingpt::cli
