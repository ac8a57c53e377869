#include "fingpt/Driver/Calibrate.h"

#include "fingpt/Compress/LinearAlgebra.h"
#include "fingpt/Compress/Statistics.h"
#include "fingpt/Runtime/ThreadPool.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <xxhash.h>

namespace fingpt {

using compress::ConstMatrixF;
using compress::Gram;
using compress::GramAccumulator;

Result<std::vector<SegmentSample>> calibrationSamples(Model &model, std::string_view text,
                                                      const CalibrationOptions &options) {
  Result<const Tokenizer *> tokenizer = model.tokenizer();
  if (!tokenizer)
    return tokenizer.takeError();
  if (!text.empty() && text.back() == '\n')
    text.remove_suffix(1);
  int64_t context = options.context;
  if (model.contextLength() > 0)
    context = std::min(context, model.contextLength());
  if (options.tokens < context)
    return Error::at("calibration", "fewer tokens than a sequence has",
                     "at least " + std::to_string(context), std::to_string(options.tokens));
  // Several bytes make a token: no need to encode all of a long text.
  size_t limit = std::min(text.size(), size_t(options.tokens) * 16 + 4096);
  while (limit < text.size() && (static_cast<uint8_t>(text[limit]) & 0xc0) == 0x80)
    ++limit;
  Result<std::vector<int32_t>> encoded =
      (*tokenizer)->encode(text.substr(0, limit), {/*addSpecial=*/false, /*parseSpecial=*/false});
  if (!encoded)
    return encoded.takeError();
  auto sequences = std::min(int64_t(encoded->size()), options.tokens) / context;
  if (sequences == 0)
    return Error::at("calibration text", "too short",
                     "at least " + std::to_string(context) + " tokens",
                     std::to_string(encoded->size()));
  const SpecialTokens &special = (*tokenizer)->special();
  std::vector<SegmentSample> samples;
  for (int64_t s = 0; s < sequences; ++s) {
    SegmentSample sample;
    sample.length = context;
    sample.tokens.assign(encoded->begin() + s * context, encoded->begin() + (s + 1) * context);
    if (special.addBos && special.bos)
      sample.tokens[0] = *special.bos;
    samples.push_back(std::move(sample));
  }
  return samples;
}

/// Calls run(i) for [begin, end), a sample per thread: what lies between the products of a layer is
/// done by every thread too, and each keeps its sample in its cache. The error is that of the first
/// that fails.
static Status forSamples(size_t begin, size_t end, const std::function<Status(size_t)> &run) {
  std::vector<Status> results(end - begin, Status::ok());
  ThreadPool::global().parallelFor(end - begin, [&](size_t first, size_t last) {
    for (size_t i = first; i < last; ++i)
      results[i] = run(begin + i);
  });
  for (Status &s : results)
    if (!s)
      return s;
  return Status::ok();
}

/// Samples whose taps are in memory at once.
static size_t samplesAtOnce() { return ThreadPool::global().size(); }

Result<std::vector<Gram>> observe(const SegmentedModel &model, size_t segment,
                                  const SegmentWeights &weights,
                                  std::vector<SegmentSample> &samples, SegmentedModel::Run what) {
  const Segment &s = model.segment(segment);
  std::vector<GramAccumulator> sums;
  for (const SegmentTap &tap : s.taps)
    sums.emplace_back(tap.columns);
  for (size_t begin = 0; begin < samples.size();) {
    size_t end = std::min(begin + samplesAtOnce(), samples.size());
    if (Status ran = forSamples(
            begin, end, [&](size_t i) { return model.run(segment, what, weights, samples[i]); });
        !ran)
      return ran.takeError();
    for (; begin < end; ++begin) { // in order, so that sums do not depend on the threads
      SegmentSample &sample = samples[begin];
      int64_t rows = sample.batch * sample.length;
      for (size_t t = 0; t < s.taps.size(); ++t)
        if (Status added =
                sums[t].add(ConstMatrixF(sample.taps[t].data(), rows, s.taps[t].columns));
            !added)
          return added.error().in("input of " + s.taps[t].key);
      sample.taps.clear();
    }
  }
  std::vector<Gram> grams;
  for (GramAccumulator &sum : sums)
    grams.push_back(sum.finish());
  return grams;
}

namespace {

/// Σ xᵀ·(y − z). The products of four samples are summed in f32, which a damped correction does not
/// notice; the sum over those is in f64.
class DifferenceProducts {
public:
  DifferenceProducts() = default;
  DifferenceProducts(int64_t rows, int64_t cols) : sum(rows, cols), partial(rows, cols) {}

  /// With `factors` of the rows of y − z; empty: 1.
  void add(const std::vector<float> &x, const std::vector<float> &y, const std::vector<float> &z,
           const std::vector<float> &factors = {}) {
    int64_t rows = int64_t(x.size()) / sum.rows();
    size_t width = size_t(sum.cols());
    compress::Matrix<float> difference(rows, sum.cols());
    ThreadPool::global().parallelFor(
        size_t(rows),
        [&](size_t begin, size_t end) {
          for (size_t r = begin; r < end; ++r)
            for (size_t i = r * width; i < (r + 1) * width; ++i)
              difference.data()[i] = (y[i] - z[i]) * (factors.empty() ? 1.0f : factors[r]);
        },
        size_t(1 << 15) / width + 1);
    compress::gemm(1.0f, ConstMatrixF(x.data(), rows, sum.rows()), compress::Transpose::Yes,
                   difference, compress::Transpose::No, held > 0 ? 1.0f : 0.0f, partial.view());
    if (++held == 4)
      flush();
  }
  compress::Matrix<double> finish() {
    flush();
    return std::move(sum);
  }

private:
  void flush() {
    if (held == 0)
      return;
    held = 0;
    ThreadPool::global().parallelFor(
        size_t(sum.rows() * sum.cols()),
        [&](size_t begin, size_t end) {
          for (size_t i = begin; i < end; ++i)
            sum.data()[i] += partial.data()[i];
        },
        1 << 15);
  }
  compress::Matrix<double> sum;
  compress::Matrix<float> partial;
  int held = 0; ///< samples in `partial`
};

/// What an error at each token counts by: 1/rms of the stream, which the norms to come divide by.
/// A stream below a tenth of the sample's median, or next to nothing beside its largest, is taken
/// for one of that size.
std::vector<float> streamFactors(const std::vector<float> &hidden, size_t rows) {
  size_t width = hidden.size() / rows;
  std::vector<float> factors(rows);
  for (size_t r = 0; r < rows; ++r) {
    double sum = 0;
    for (size_t i = r * width; i < (r + 1) * width; ++i)
      sum += double(hidden[i]) * double(hidden[i]);
    factors[r] = float(std::sqrt(sum / double(width)));
  }
  std::vector<float> sorted(factors);
  auto median = sorted.begin() + ptrdiff_t(rows / 2);
  std::nth_element(sorted.begin(), median, sorted.end());
  float least = std::max(0.1f * *median, 1e-6f * *std::max_element(median, sorted.end()));
  for (float &f : factors)
    f = least > 0 ? 1 / std::max(f, least) : 1;
  return factors;
}

void scaleRows(std::vector<float> &x, const std::vector<float> &factors) {
  size_t width = x.size() / factors.size();
  for (size_t i = 0; i < x.size(); ++i)
    x[i] *= factors[i / width];
}

} // namespace

Result<DriftStatistics> observeDrift(const SegmentedModel &model, size_t segment,
                                     const SegmentWeights &weights, bool byStream,
                                     std::vector<SegmentSample> &original,
                                     std::vector<SegmentSample> &drifted) {
  using Run = SegmentedModel::Run;
  const Segment &s = model.segment(segment);
  std::vector<GramAccumulator> sums;
  std::vector<DifferenceProducts> drifts;
  DifferenceProducts residual;
  size_t writer = s.taps.size();
  for (size_t t = 0; t < s.taps.size(); ++t) {
    sums.emplace_back(s.taps[t].columns);
    drifts.emplace_back(s.taps[t].columns, s.taps[t].columns);
    for (const std::string &name : s.taps[t].weights)
      if (name == s.residualWriter)
        writer = t;
  }
  if (writer < s.taps.size())
    residual = DifferenceProducts(s.taps[writer].columns, s.width);
  for (size_t begin = 0; begin < drifted.size();) {
    size_t end = std::min(begin + samplesAtOnce(), drifted.size());
    auto run = [&](size_t i) { return model.run(segment, Run::Observe, weights, drifted[i]); };
    if (Status ran = forSamples(begin, end, run); !ran)
      return ran.takeError();
    std::vector<std::vector<float>> factors(end - begin);
    if (writer < s.taps.size())
      for (size_t i = begin; i < end; ++i) {
        std::vector<float> &f = factors[i - begin], &x = drifted[i].taps[writer];
        if (byStream) {
          f = streamFactors(original[i].hidden, size_t(drifted[i].batch * drifted[i].length));
          scaleRows(x, f);
        }
        residual.add(x, original[i].hidden, drifted[i].hidden, f);
      }
    auto runOriginal = [&](size_t i) {
      Status ran = model.run(segment, s.last ? Run::Observe : Run::Both, weights, original[i]);
      if (ran && byStream && writer < s.taps.size())
        scaleRows(original[i].taps[writer], factors[i - begin]);
      return ran;
    };
    if (Status ran = forSamples(begin, end, runOriginal); !ran)
      return ran.takeError();
    for (; begin < end; ++begin) {
      SegmentSample &sample = drifted[begin];
      int64_t rows = sample.batch * sample.length;
      for (size_t t = 0; t < s.taps.size(); ++t) {
        const std::vector<float> &x = sample.taps[t];
        if (Status added = sums[t].add(ConstMatrixF(x.data(), rows, s.taps[t].columns)); !added)
          return added.error().in("input of " + s.taps[t].key);
        drifts[t].add(x, original[begin].taps[t], x);
      }
      sample.taps.clear();
      original[begin].taps.clear();
    }
  }
  DriftStatistics out;
  for (size_t t = 0; t < s.taps.size(); ++t) {
    out.grams.push_back(sums[t].finish());
    out.drifts.push_back(drifts[t].finish());
  }
  out.residual = residual.finish();
  return out;
}

Status advance(const SegmentedModel &model, size_t segment, const SegmentWeights &weights,
               std::vector<SegmentSample> &samples) {
  return forSamples(0, samples.size(), [&](size_t i) {
    return model.run(segment, SegmentedModel::Run::Advance, weights, samples[i]);
  });
}

static Result<Gram> residualGram(const std::vector<SegmentSample> &samples, int64_t width) {
  GramAccumulator sums(width);
  for (const SegmentSample &s : samples)
    if (Status added = sums.add(ConstMatrixF(s.hidden.data(), s.batch * s.length, width)); !added)
      return added.error().in("residual stream");
  return sums.finish();
}

Result<CalibrationSummary> calibrate(Model &model, std::string_view text, const std::string &file,
                                     const CalibrationOptions &options) {
  auto start = std::chrono::steady_clock::now();
  Result<std::vector<SegmentSample>> samples = calibrationSamples(model, text, options);
  if (!samples)
    return samples.takeError();
  auto segments =
      SegmentedModel::create(model.graph(), model.imported().params, options.cacheDirectory);
  if (!segments)
    return segments.takeError();
  CalibrationSummary summary;
  compress::StatisticsWriter writer(file);
  for (size_t i = 0; i < (*segments)->size(); ++i) {
    const Segment &s = (*segments)->segment(i);
    for (const SegmentTap &tap : s.taps) {
      if (Status declared = writer.declare(tap.key, tap.columns, tap.weights); !declared)
        return declared.takeError();
      summary.weights += int64_t(tap.weights.size());
      ++summary.inputs;
    }
    std::string point = "residual." + std::to_string(i);
    if (options.residual && !s.last)
      if (Status declared = writer.declare(point, s.width, {point}); !declared)
        return declared.takeError();
  }
  summary.tokens = int64_t(samples->size()) * samples->front().length;
  char hash[17];
  std::snprintf(hash, sizeof hash, "%016llx",
                static_cast<unsigned long long>(XXH3_64bits(text.data(), text.size())));
  Json provenance = {{"model", model.architecture()},
                     {"tokens", summary.tokens},
                     {"context", samples->front().length},
                     {"text_xxh3_64", hash}};
  if (Status s = writer.begin(provenance); !s)
    return s.takeError();
  for (size_t i = 0; i < (*segments)->size(); ++i) {
    const Segment &s = (*segments)->segment(i);
    if (options.progress)
      options.progress(i, (*segments)->size(), s.taps.empty() ? "embeddings" : s.taps[0].key);
    Result<SegmentWeights> weights = (*segments)->load(i);
    if (!weights)
      return weights.takeError();
    auto grams = observe(**segments, i, *weights, *samples,
                         s.last ? SegmentedModel::Run::Observe : SegmentedModel::Run::Both);
    if (!grams)
      return grams.takeError();
    for (size_t t = 0; t < s.taps.size(); ++t)
      if (Status written = writer.write(s.taps[t].key, (*grams)[t]); !written)
        return written.takeError();
    if (options.residual && !s.last) {
      Result<Gram> gram = residualGram(*samples, s.width);
      if (!gram)
        return gram.takeError();
      if (Status written = writer.write("residual." + std::to_string(i), *gram); !written)
        return written.takeError();
    }
  }
  if (Status s = writer.finish(); !s)
    return s.takeError();
  summary.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return summary;
}

} // namespace fingpt
