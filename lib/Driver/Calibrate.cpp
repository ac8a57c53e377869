#include "fingpt/Driver/Calibrate.h"

#include "fingpt/Compress/LinearAlgebra.h"
#include "fingpt/Compress/Statistics.h"

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

Result<std::vector<Gram>> observe(const SegmentedModel &model, size_t segment,
                                  const SegmentWeights &weights,
                                  std::vector<SegmentSample> &samples, SegmentedModel::Run what) {
  const Segment &s = model.segment(segment);
  std::vector<GramAccumulator> sums;
  for (const SegmentTap &tap : s.taps)
    sums.emplace_back(tap.columns);
  for (SegmentSample &sample : samples) {
    if (Status ran = model.run(segment, what, weights, sample); !ran)
      return ran.takeError();
    int64_t rows = sample.batch * sample.length;
    for (size_t t = 0; t < s.taps.size(); ++t)
      if (Status added = sums[t].add(ConstMatrixF(sample.taps[t].data(), rows, s.taps[t].columns));
          !added)
        return added.error().in("input of " + s.taps[t].key);
    sample.taps.clear();
  }
  std::vector<Gram> grams;
  for (GramAccumulator &sum : sums)
    grams.push_back(sum.finish());
  return grams;
}

/// sum += xᵀ·(y − z). A sample's product is in f32, which a damped correction does not notice; the
/// sum over samples is in f64.
static void addProduct(compress::Matrix<double> &sum, const std::vector<float> &x,
                       const std::vector<float> &y, const std::vector<float> &z) {
  using compress::Matrix;
  int64_t rows = int64_t(x.size()) / sum.rows();
  Matrix<float> difference(rows, sum.cols()), product(sum.rows(), sum.cols());
  for (size_t i = 0; i < y.size(); ++i)
    difference.data()[i] = y[i] - z[i];
  compress::gemm(1.0f, ConstMatrixF(x.data(), rows, sum.rows()), compress::Transpose::Yes,
                 difference, compress::Transpose::No, 0.0f, product.view());
  for (int64_t i = 0; i < sum.rows() * sum.cols(); ++i)
    sum.data()[i] += product.data()[i];
}

Result<DriftStatistics> observeDrift(const SegmentedModel &model, size_t segment,
                                     const SegmentWeights &weights,
                                     std::vector<SegmentSample> &original,
                                     std::vector<SegmentSample> &drifted) {
  using Run = SegmentedModel::Run;
  const Segment &s = model.segment(segment);
  DriftStatistics out;
  std::vector<GramAccumulator> sums;
  size_t writer = s.taps.size();
  for (size_t t = 0; t < s.taps.size(); ++t) {
    sums.emplace_back(s.taps[t].columns);
    out.drifts.emplace_back(s.taps[t].columns, s.taps[t].columns);
    for (const std::string &name : s.taps[t].weights)
      if (name == s.residualWriter)
        writer = t;
  }
  if (writer < s.taps.size())
    out.residual = compress::Matrix<double>(s.taps[writer].columns, s.width);
  for (size_t i = 0; i < drifted.size(); ++i) {
    if (Status ran = model.run(segment, Run::Observe, weights, drifted[i]); !ran)
      return ran.takeError();
    if (writer < s.taps.size())
      addProduct(out.residual, drifted[i].taps[writer], original[i].hidden, drifted[i].hidden);
    if (Status ran = model.run(segment, s.last ? Run::Observe : Run::Both, weights, original[i]);
        !ran)
      return ran.takeError();
    int64_t rows = drifted[i].batch * drifted[i].length;
    for (size_t t = 0; t < s.taps.size(); ++t) {
      const std::vector<float> &x = drifted[i].taps[t];
      if (Status added = sums[t].add(ConstMatrixF(x.data(), rows, s.taps[t].columns)); !added)
        return added.error().in("input of " + s.taps[t].key);
      addProduct(out.drifts[t], x, original[i].taps[t], x);
    }
    drifted[i].taps.clear();
    original[i].taps.clear();
  }
  for (GramAccumulator &sum : sums)
    out.grams.push_back(sum.finish());
  return out;
}

Status advance(const SegmentedModel &model, size_t segment, const SegmentWeights &weights,
               std::vector<SegmentSample> &samples) {
  for (SegmentSample &sample : samples)
    if (Status s = model.run(segment, SegmentedModel::Run::Advance, weights, sample); !s)
      return s;
  return Status::ok();
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
