// What the inputs of linear layers look like on a text.
//
//   auto samples = calibrationSamples(model, text, {});            // 32 × 512 tokens
//   auto segments = SegmentedModel::create(model.graph(), params, cache);
//   auto grams = observe(*segments, i, weights, *samples, Run::Both);   // one per tap
//   calibrate(model, text, "stats.safetensors", {});               // all of it, to a file
//
// Statistics of one segment are in memory at a time, beside the hidden states of all samples.
#ifndef FINGPT_DRIVER_CALIBRATE_H
#define FINGPT_DRIVER_CALIBRATE_H

#include "fingpt/Compress/Gram.h"
#include "fingpt/Driver/Model.h"
#include "fingpt/Driver/Segments.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace fingpt {

struct CalibrationOptions {
  int64_t tokens = 16384; ///< at most; whole sequences
  int64_t context = 512;  ///< tokens per sequence
  /// Second moments of the hidden state at every residual point, too.
  bool residual = true;
  std::string cacheDirectory;
  /// Segments done, of how many, name of the one to come.
  std::function<void(size_t, size_t, const std::string &)> progress;
};

/// The first tokens of a text in sequences of `context` (the model's own limit if that is
/// shorter). Error: a text of less than one sequence.
Result<std::vector<SegmentSample>> calibrationSamples(Model &model, std::string_view text,
                                                      const CalibrationOptions &options);

/// Runs one segment over all samples and sums up its taps. Error: a value that is not finite,
/// with the weight that would read it.
Result<std::vector<compress::Gram>> observe(const SegmentedModel &model, size_t segment,
                                            const SegmentWeights &weights,
                                            std::vector<SegmentSample> &samples,
                                            SegmentedModel::Run what);
/// Statistics of a segment whose inputs have drifted, since the layers before it are compressed.
///
/// With x̃ the drifted input of a linear, x the original one, the weight that comes closest to the
/// original outputs is w + (w·Eᵀ + Rᵀ)·H⁻¹, where
///
///   H = Σ x̃ᵀx̃,  E = Σ x̃ᵀ(x − x̃),  R = Σ x̃ᵀ(h − h̃)
///
/// and R, of the hidden states that come in, is for the linear alone whose products are added to
/// them: so a layer makes good what those before it lost. For that linear, `byStream`, every token
/// counts by 1/mean(h²) in all three sums, for the stream is read through norms: one token of giant
/// magnitude would else outweigh all others.
struct DriftStatistics {
  std::vector<compress::Gram> grams;            ///< H, per tap
  std::vector<compress::Matrix<double>> drifts; ///< E, per tap
  compress::Matrix<double> residual;            ///< R [in, width]; empty without such a linear
};
/// Runs the segment over both streams; `original` moves on, `drifted` stays.
Result<DriftStatistics> observeDrift(const SegmentedModel &model, size_t segment,
                                     const SegmentWeights &weights, bool byStream,
                                     std::vector<SegmentSample> &original,
                                     std::vector<SegmentSample> &drifted);

/// Only makes the next hidden states.
Status advance(const SegmentedModel &model, size_t segment, const SegmentWeights &weights,
               std::vector<SegmentSample> &samples);

struct CalibrationSummary {
  int64_t tokens = 0, inputs = 0, weights = 0;
  double seconds = 0;
};
/// Writes the statistics file (see Compress/Statistics.h).
Result<CalibrationSummary> calibrate(Model &model, std::string_view text, const std::string &file,
                                     const CalibrationOptions &options);

} // namespace fingpt

#endif // FINGPT_DRIVER_CALIBRATE_H
