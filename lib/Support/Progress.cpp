#include "fingpt/Support/Progress.h"

#include <cstdio>
#include <unistd.h>

namespace fingpt {

using Clock = std::chrono::steady_clock;

Progress::Progress(std::string label, bool quiet)
    : label(std::move(label)), quiet(quiet), terminal(::isatty(STDERR_FILENO) == 1),
      shown(Clock::now() - std::chrono::hours(1)) {}

Progress::~Progress() {
  if (live)
    std::fputs("\n", stderr);
}

void Progress::update(const std::string &text) {
  if (quiet)
    return;
  auto now = Clock::now();
  auto interval = terminal ? std::chrono::milliseconds(100) : std::chrono::milliseconds(1000);
  if (now - shown < interval || text == last)
    return;
  shown = now;
  last = text;
  if (terminal) {
    std::fprintf(stderr, "\r\x1b[K%s %s", label.c_str(), text.c_str());
    live = true;
  } else {
    std::fprintf(stderr, "%s %s\n", label.c_str(), text.c_str());
  }
  std::fflush(stderr);
}

void Progress::print(const std::string &text) {
  if (quiet)
    return;
  std::fprintf(stderr, "%s%s\n", live ? "\r\x1b[K" : "", text.c_str());
  live = false;
  std::fflush(stderr);
}

void Progress::finish(const std::string &text) {
  if (quiet)
    return;
  if (text.empty()) { // only ends the live line
    if (live)
      std::fputs("\r\x1b[K", stderr);
    live = false;
    return;
  }
  std::fprintf(stderr, "%s%s %s\n", live ? "\r\x1b[K" : "", label.c_str(), text.c_str());
  live = false;
  std::fflush(stderr);
}

} // namespace fingpt
