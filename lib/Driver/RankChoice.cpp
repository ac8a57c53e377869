// Ranks of low-rank pairs that depend on all weights of their scheme (SVD-LLM v2).
#include "Compression.h"

#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace fingpt {

using compress::Gram;
using compress::Spectrum;
using compress::WeightScheme;

namespace {

/// The weights of one scheme.
struct Allotment {
  WeightScheme scheme;
  std::vector<Spectrum> spectra;
  std::vector<std::string> names;
  std::map<std::string, int> kinds;

  void add(const std::string &name, Spectrum spectrum) {
    spectrum.type = kinds.try_emplace(fin::kindOfName(name), int(kinds.size())).first->second;
    spectra.push_back(std::move(spectrum));
    names.push_back(name);
  }
};

} // namespace

/// Under the statistics of the original model, since all spectra are needed before the first
/// weight is rewritten.
Status Compression::chooseRanks() {
  using Run = SegmentedModel::Run;
  auto wanted = [&](const std::string &name) {
    return compress::allotsRanks(planned(name).scheme);
  };
  size_t left = 0;
  for (const PlannedWeight &w : summary.plan.weights)
    left += wanted(w.name);
  if (left == 0)
    return Status::ok();
  Json chosen = state->get("ranks");
  if (chosen.is_null()) {
    std::map<std::string, Allotment> allotments;
    std::vector<SegmentSample> run = samples;
    for (size_t i = 0; i < segments->size() && left > 0; ++i) {
      const Segment &segment = segments->segment(i);
      bool any =
          llvm::any_of(segment.weights, [&](const fin::LinearWeight &w) { return wanted(w.name); });
      Result<SegmentWeights> weights = segments->load(i);
      if (!weights)
        return weights.takeError();
      update("ranks: segment " + std::to_string(i + 1) + " of " + std::to_string(segments->size()));
      if (!any && segment.last)
        break;
      if (!any) {
        if (Status s = advance(*segments, i, *weights, run); !s)
          return s;
        continue;
      }
      auto grams = observe(*segments, i, *weights, run, segment.last ? Run::Observe : Run::Both);
      if (!grams)
        return grams.takeError();
      for (const fin::LinearWeight &w : segment.weights) {
        if (!wanted(w.name))
          continue;
        --left;
        std::optional<Gram> gram = gramOf(w.name, *grams, segment);
        const WeightScheme &scheme = planned(w.name).scheme;
        Result<Spectrum> spectrum = compress::spectrumOf(
            {w.name, weights->weight(w.name), gram ? &*gram : nullptr}, scheme);
        if (!spectrum)
          return spectrum.takeError();
        Allotment &allotment = allotments[compress::weightSchemeText(scheme)];
        allotment.scheme = scheme;
        allotment.add(w.name, std::move(*spectrum));
      }
    }
    chosen = Json::object();
    for (const auto &[text, allotment] : allotments) {
      std::vector<WeightScheme> schemes = compress::allotRanks(allotment.spectra, allotment.scheme);
      for (size_t i = 0; i < schemes.size(); ++i)
        chosen[allotment.names[i]] = compress::weightSchemeText(schemes[i]);
    }
    if (Status s = state->put("ranks", chosen); !s)
      return s;
  }
  double least = 1, most = 0;
  for (PlannedWeight &w : summary.plan.weights) {
    auto it = chosen.find(w.name);
    if (it == chosen.end())
      continue;
    Result<WeightScheme> scheme = compress::parseWeightScheme(it->get<std::string>());
    if (!scheme)
      return scheme.takeError();
    w.scheme = *scheme;
    uint64_t bytes =
        uint64_t(compress::storedBytes(w.scheme, w.rows, w.cols, int64_t(w.bytesBefore)));
    summary.plan.bytesAfter += bytes - w.bytesAfter;
    w.bytesAfter = bytes;
    least = std::min(least, w.scheme.removed);
    most = std::max(most, w.scheme.removed);
  }
  char line[100];
  std::snprintf(line, sizeof line, "ranks  by spectra: %.4g%% to %.4g%% of a weight removed",
                100 * least, 100 * most);
  say(line);
  return Status::ok();
}

} // namespace fingpt
