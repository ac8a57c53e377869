// What an unfinished compression has on disk: "OUT.partial".
//
//   state.json            format_version, the fingerprint of the run, what was measured and
//                         allotted
//   segment-0007.safetensors, segment-0007.json
//                         tensors; rows of the report and the graph up to there
//
// A segment counts once its .json is there: it is written last, synced and renamed. It holds hashes
// of both files; what does not match is computed anew, from there on.
#ifndef FINGPT_LIB_DRIVER_COMPRESSSTATE_H
#define FINGPT_LIB_DRIVER_COMPRESSSTATE_H

#include "fingpt/Params/ParamStore.h"
#include "fingpt/Support/Json.h"

#include <memory>
#include <string>
#include <vector>

namespace fingpt {

class CompressState {
public:
  /// Opens or creates the directory and locks it. Error: another process has it; what is there is
  /// of another run or version (`force` drops it), with the first difference; or it holds files of
  /// anything else.
  static Result<std::unique_ptr<CompressState>> open(const std::string &output,
                                                     const Json &fingerprint, bool force);
  /// Removes what a run left that was killed between the publication of OUT and its own remove();
  /// not what is another run's. Error: another process has it.
  static Status removeFinished(const std::string &output, const Json &fingerprint);
  ~CompressState();

  /// What was kept under a name, null if nothing.
  const Json &get(const std::string &key) const;
  Status put(const std::string &key, Json value);

  /// The rise of the log-perplexity that a budget may predict, and how often it was lowered;
  /// `initial` and 0 if never.
  struct Limit {
    double logRise;
    int64_t lowered;
  };
  Limit perplexityLimit(double initial) const;
  Status lowerPerplexityLimit(const Limit &limit);

  /// Path of a further file in the directory, and whether it is there as keepFile() left it.
  std::string file(const std::string &name) const { return directory + "/" + name; }
  bool hasFile(const std::string &name) const;
  Status keepFile(const std::string &name);
  size_t segmentsDone() const { return done; }
  /// Behind those there was one that is not as it was written.
  bool foundDamage() const { return damaged; }
  /// Rows and graph of the last finished segment.
  Result<Json> segment(size_t i) const;
  std::string tensorFile(size_t i) const;
  /// Makes segment `segmentsDone()` durable; its tensors were written to tensorFile() before.
  Status finishSegment(const Json &value);
  /// Forgets all finished segments, the last first.
  void restart();
  /// After publication.
  void remove();

private:
  /// Of the directory; another where a run would not go on with the units of this one.
  static constexpr int FormatVersion = 3;
  CompressState() = default;
  Status takeLock();
  std::string recordFile(size_t i) const;
  /// Both files of a segment are as they were written.
  bool isWhole(size_t i) const;
  void forgetFrom(size_t first);
  std::string directory;
  Json state;
  size_t done = 0;
  bool damaged = false;
  int lock = -1;
};

} // namespace fingpt

#endif // FINGPT_LIB_DRIVER_COMPRESSSTATE_H
