// Progress for people: on a terminal one live line on stderr, otherwise plain
// lines at most once a second; silent with `quiet`. stdout is never touched.
#ifndef FINGPT_SUPPORT_PROGRESS_H
#define FINGPT_SUPPORT_PROGRESS_H

#include <chrono>
#include <string>

namespace fingpt {

class Progress {
public:
  explicit Progress(std::string label, bool quiet = false);
  ~Progress();
  /// Shows "LABEL TEXT". Cheap when called often.
  void update(const std::string &text);
  /// A line of its own that stays, above the live one.
  void print(const std::string &text);
  /// Ends the live line with a final text that stays; an empty one clears it.
  void finish(const std::string &text);

private:
  std::string label, last;
  bool quiet, terminal, live = false;
  std::chrono::steady_clock::time_point shown;
};

} // namespace fingpt

#endif // FINGPT_SUPPORT_PROGRESS_H
