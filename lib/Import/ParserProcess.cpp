// The child is a fork, not a program of its own: loading libMLIR and libLLVM takes
// longer (24 ms of processor time) than everything else here together, and a library
// cannot know whose executable it is in. A fork copies the calling thread alone. It is
// sound where that is the only one, as at the start of fingpt and fingpt-opt: the workers
// of OpenBLAS end before a fork by a handler of its own, ours and LLVM's do not run yet.
// In a host with more threads, another one may hold a lock at that moment. Those of
// malloc and stdio are the C library's care; MLIR has some that are held for the
// registration of a type. A child that waits for one uses no processor time and ends by
// the limit on wall time, as a refusal.
//
// The child returns a verdict, not the module: bytecode would have to be read here, and
// MLIR's reader of bytecode is the less robust one.
#include "ParserProcess.h"

#include "Diagnostics.h"

#include "fingpt/Dialect/Fin/IR/Fin.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/ErrorHandling.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <optional>
#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace mlir;

namespace fingpt {

namespace {

constexpr uint64_t kMiB = 1 << 20;

struct Limits {
  uint64_t bytes, cpuSeconds, wallSeconds;

  explicit Limits(uint64_t text)
      : bytes(128 * kMiB + 16 * text), cpuSeconds(2 + text / kMiB), wallSeconds(60 * cpuSeconds) {}
};

/// The first byte from a child that ends by itself; the text of a refusal follows.
enum Verdict : char { kAccepted = 'A', kRefused = 'R', kOutOfMemory = 'M' };

} // namespace

//===-- The child ---------------------------------------------------------===//

static int verdictPipe = -1; ///< for a handler, which takes no arguments

[[noreturn]] static void finish(Verdict verdict, const std::string &text = "") {
  bool written =
      ::write(verdictPipe, &verdict, 1) == 1 && ::write(verdictPipe, text.data(), text.size()) >= 0;
  ::_exit(written ? 0 : 1); // not exit(): buffers and handlers are the parent's
}

[[noreturn]] static void outOfMemory() { finish(kOutOfMemory); }
[[noreturn]] static void outOfMemory(void *, const char *, bool) { finish(kOutOfMemory); }

/// MLIR allocates some objects without looking at the result: where no memory is left, a
/// fault is a lack of it. On a stack of its own, which a fault may have used up.
static void onFault(int signal) {
  if (::mmap(nullptr, kMiB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
    finish(kOutOfMemory);
  ::raise(signal); // by now the default: the end
}

static void catchFaults() {
  static char memory[64 << 10];
  stack_t stack{};
  stack.ss_sp = memory;
  stack.ss_size = sizeof memory;
  ::sigaltstack(&stack, nullptr);
  struct sigaction action{};
  action.sa_handler = onFault;
  action.sa_flags = SA_ONSTACK | static_cast<int>(SA_RESETHAND) | SA_NODEFER;
  ::sigaction(SIGSEGV, &action, nullptr);
}

/// Bytes of address space in use: the parent's files are mapped here too.
static uint64_t addressSpace() {
  unsigned long long pages = 0;
  if (FILE *f = std::fopen("/proc/self/statm", "r")) {
    char line[128] = {}; // the first number is the size
    if (std::fgets(line, sizeof line, f))
      pages = std::strtoull(line, nullptr, 10);
    std::fclose(f);
  }
  return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

static void limit(int resource, uint64_t soft, uint64_t hard) {
  rlimit now{};
  ::getrlimit(resource, &now);
  rlimit wanted{std::min<rlim_t>(soft, now.rlim_max), std::min<rlim_t>(hard, now.rlim_max)};
  ::setrlimit(resource, &wanted);
}

[[noreturn]] static void runChild(const std::string &text, const std::string &file,
                                  MLIRContext &parents, const Limits &limits) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The parent's handlers would print a stack trace, or remove its unfinished files.
  for (int signal = 1; signal < NSIG; ++signal)
    std::signal(signal, SIG_DFL);
  int null = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  for (int stream : {STDOUT_FILENO, STDERR_FILENO})
    ::dup2(null, stream);
  catchFaults();
  std::set_new_handler(outOfMemory);
  llvm::remove_bad_alloc_error_handler();
  llvm::install_bad_alloc_error_handler(outOfMemory);
  limit(RLIMIT_CORE, 0, 0);
  limit(RLIMIT_CPU, limits.cpuSeconds, limits.cpuSeconds + 1);
  if (uint64_t now = addressSpace())
    limit(RLIMIT_AS, now + limits.bytes, now + limits.bytes);
  // What the child bears, the parent bears with a margin.
  rlimit stack{};
  ::getrlimit(RLIMIT_STACK, &stack);
  limit(RLIMIT_STACK, std::min<rlim_t>(stack.rlim_cur, 8 * kMiB) / 4 * 3, stack.rlim_max);

  // The parent's context may count on threads that are not here.
  MLIRContext context(parents.getDialectRegistry(), MLIRContext::Threading::DISABLED);
  context.allowUnregisteredDialects(parents.allowsUnregisteredDialects());
  context.loadDialect<fin::FinDialect, func::FuncDialect>();
  DiagnosticCapture capture(&context);
  if (parseSourceString<ModuleOp>(text, ParserConfig(&context), file))
    finish(kAccepted);
  finish(kRefused, capture.error(file).message());
}

//===-- The parent --------------------------------------------------------===//

/// All that comes through `pipe`, up to a limit; nothing if time runs out.
static std::optional<std::string> listen(int pipe, uint64_t seconds) {
  using Clock = std::chrono::steady_clock;
  auto end = Clock::now() + std::chrono::seconds(seconds);
  std::string said;
  while (said.size() < 4096) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    pollfd p{pipe, POLLIN, 0};
    int ready = left > 0 ? ::poll(&p, 1, static_cast<int>(std::min<int64_t>(left, 60000))) : 0;
    if (ready < 0 && errno == EINTR)
      continue;
    if (ready == 0 && left > 60000)
      continue;
    if (ready <= 0)
      return std::nullopt;
    char buffer[4096];
    ssize_t n = ::read(pipe, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    said.append(buffer, static_cast<size_t>(n));
  }
  return said;
}

/// The child's line, unless it is none: a parser that went astray may have written it.
static Error refusal(std::string text, const std::string &name) {
  for (char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      return Error::at(name, "the MLIR parser refuses this file", "a message of one line",
                       quote(text));
  return Error(std::move(text));
}

Status parseInChild(const std::string &text, const std::string &file, MLIRContext &context) {
  std::string name = escaped(file, 1000);
  auto impossible = [&](const char *what) {
    return Error::at(name, std::string(what) + " for the MLIR parser: " + std::strerror(errno));
  };
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return impossible("no pipe");
  Limits limits(text.size());
  pid_t child = ::fork();
  if (child == 0) {
    verdictPipe = ends[1];
    runChild(text, file, context, limits);
  }
  ::close(ends[1]);
  if (child < 0) {
    Error error = impossible("no process");
    ::close(ends[0]);
    return error;
  }
  std::optional<std::string> said = listen(ends[0], limits.wallSeconds);
  ::close(ends[0]);
  if (!said)
    ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR)
    ;

  if (!said)
    return Error::at(name, "the MLIR parser does not finish on this file", "an end",
                     "none in " + std::to_string(limits.wallSeconds) + " s");
  if (!said->empty() && said->front() == kAccepted)
    return Status::ok();
  if (!said->empty() && said->front() == kRefused)
    return refusal(said->substr(1), name);
  if (!said->empty() && said->front() == kOutOfMemory)
    return Error::at(name, "memory of the MLIR parser",
                     "at most " + std::to_string(limits.bytes / kMiB) + " MiB for a file of " +
                         std::to_string(text.size()) + " bytes",
                     "more");
  int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  if (signal == SIGXCPU)
    return Error::at(name, "time of the MLIR parser",
                     "at most " + std::to_string(limits.cpuSeconds) + " s for a file of " +
                         std::to_string(text.size()) + " bytes",
                     "more");
  return Error::at(name,
                   "the MLIR parser crashed on this file (signal " + std::to_string(signal) + ")");
}

} // namespace fingpt
