// A model made smaller by a recipe: plan, statistics, weights, proof, directory.
//
//   CompressOptions o;
//   o.recipe = …;  o.output = "small";  o.calibration = text;
//   auto plan = planCompression(*model, o);       // bytes, memory; nothing is computed yet
//   auto summary = compressModel(*model, o);      // writes "small", a model directory
//
// Work goes segment by segment (Segments.h). After each, its tensors and the graph so far are
// durable in "small.partial"; a run that was killed goes on from there and ends with the same
// bytes as one that was not. Nothing that depends on time or threads is written.
#ifndef FINGPT_DRIVER_COMPRESS_H
#define FINGPT_DRIVER_COMPRESS_H

#include "fingpt/Driver/Compare.h"
#include "fingpt/Driver/Recipe.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace fingpt {

/// A text that a run reads, with its name for reports.
struct NamedText {
  std::string name, text;
};

struct CompressOptions {
  Recipe recipe;
  std::string output;
  bool force = false; ///< replace OUT, and drop what another recipe left unfinished
  std::optional<NamedText> calibration;
  /// Without a calibration text, the model writes one where the recipe wants statistics.
  bool selfText = true;
  /// For the figures at the end; without one, what calibration left of its text, or more text
  /// of the model's own.
  std::optional<NamedText> evaluation;
  int64_t evaluationChunks = 10; ///< at most; 0: no figures
  std::string cacheDirectory;
  /// A line that stays; a line that is replaced by the next.
  std::function<void(const std::string &)> say, update;
};

struct PlannedWeight {
  std::string name;
  int64_t rows = 0, cols = 0;
  compress::WeightScheme scheme;
  /// Of a part of a fused tensor its share of the bytes before; after, where it is kept, all that
  /// no kept part before it counts.
  uint64_t bytesBefore = 0, bytesAfter = 0;
  uint64_t wholeBytes = 0; ///< of the tensors that it is made of: what keeping it may cost
  std::string kept;        ///< why, if it stays as it is
  bool given = false;      ///< a form for this very weight was asked for
  bool table = false;
  bool chosenByBudget() const { return kept.empty() && !given; } ///< if there is one
};

struct CompressPlan {
  std::vector<PlannedWeight> weights;
  uint64_t bytesBefore = 0; ///< all parameters
  uint64_t bytesAfter = 0;  ///< predicted; with a budget the budget
  uint64_t otherBytes = 0;  ///< of parameters that no scheme touches
  uint64_t parameters = 0;
  uint64_t peakBytes = 0;   ///< estimate of memory, as tools show it
  uint64_t mappedBytes = 0; ///< of that, pages of the source, which the system can take back
  double seconds = 0;       ///< estimate
};

/// Which weights get which form. What a budget chooses counts as w4g64 until statistics decide.
/// Error: names what cannot be: a pattern that matches no weight, a method that needs a calibration
/// text without one, a budget out of reach.
Result<CompressPlan> planCompression(Model &model, const CompressOptions &options);

struct CompressSummary {
  CompressPlan plan;
  uint64_t bytesAfter = 0;
  double bitsPerWeight = 0;
  std::optional<Comparison> quality;
  size_t resumedSegments = 0;
  /// The measured perplexity rose by more than the recipe allows: nothing was written, the limit
  /// was lowered, and a call with the model loaded anew goes on with that.
  bool tightened = false;
};
Result<CompressSummary> compressModel(Model &model, const CompressOptions &options);

} // namespace fingpt

#endif // FINGPT_DRIVER_COMPRESS_H
