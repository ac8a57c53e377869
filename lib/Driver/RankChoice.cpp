// Ranks of low-rank pairs that depend on all weights of their scheme (SVD-LLM v2).
#include "Compression.h"

#include <map>

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
};

} // namespace

static bool isAllotted(const PlannedWeight &w) {
  return compress::allotsRanks(w.scheme) &&
         compress::pairPays(w.scheme, w.rows, w.cols, int64_t(w.bytesBefore));
}

/// {weight: scheme}, under the statistics of the original model, since all spectra are needed
/// before the first weight is rewritten. What no pair makes smaller has no part in it.
Result<Json> Compression::allotRanks() {
  using Run = SegmentedModel::Run;
  auto isWanted = [&](const fin::LinearWeight &w) { return isAllotted(planned(w.name)); };
  size_t left = size_t(llvm::count_if(summary.plan.weights, isAllotted));
  std::map<std::string, Allotment> allotments;
  std::vector<SegmentSample> run = samples;
  for (size_t i = 0; i < segments->size() && left > 0; ++i) {
    const Segment &segment = segments->segment(i);
    bool wanted = llvm::any_of(segment.weights, isWanted);
    if (!wanted && segment.last)
      break;
    Result<SegmentWeights> weights = segments->load(i);
    if (!weights)
      return weights.takeError();
    update("ranks: segment " + std::to_string(i + 1) + " of " + std::to_string(segments->size()));
    if (!wanted) {
      if (Status s = advance(*segments, i, *weights, run); !s)
        return s.takeError();
      continue;
    }
    auto grams = observe(*segments, i, *weights, run, segment.last ? Run::Observe : Run::Both);
    if (!grams)
      return grams.takeError();
    for (const fin::LinearWeight &w : segment.weights) {
      if (!isWanted(w))
        continue;
      --left;
      std::optional<Gram> gram = gramOf(w.name, *grams, segment);
      const WeightScheme &scheme = planned(w.name).scheme;
      Result<Spectrum> spectrum =
          compress::spectrumOf({w.name, weights->weight(w.name), gram ? &*gram : nullptr}, scheme);
      if (!spectrum)
        return spectrum.takeError();
      spectrum->type = fin::kindOfName(w.name);
      Allotment &allotment = allotments[compress::weightSchemeText(scheme)];
      allotment.scheme = scheme;
      allotment.spectra.push_back(std::move(*spectrum));
      allotment.names.push_back(w.name);
    }
  }
  Json chosen = Json::object();
  for (const auto &[text, allotment] : allotments) {
    std::vector<WeightScheme> schemes = compress::allotRanks(allotment.spectra, allotment.scheme);
    for (size_t i = 0; i < schemes.size(); ++i)
      chosen[allotment.names[i]] = compress::weightSchemeText(schemes[i]);
  }
  return chosen;
}

/// Takes over what was allotted; false if it is not for these weights.
bool Compression::useRanks(const Json &chosen) {
  if (!chosen.is_object())
    return false;
  std::vector<std::pair<PlannedWeight *, WeightScheme>> changes;
  for (PlannedWeight &w : summary.plan.weights) {
    if (!isAllotted(w))
      continue;
    auto it = chosen.find(w.name);
    if (it == chosen.end() || !it->is_string())
      return false;
    Result<WeightScheme> scheme = compress::parseWeightScheme(it->get<std::string>());
    if (!scheme || !compress::allotsRanks(*scheme))
      return false;
    changes.emplace_back(&w, *scheme);
  }
  double least = 1, most = 0;
  for (auto &[w, scheme] : changes) {
    auto bytes = uint64_t(compress::storedBytes(scheme, w->rows, w->cols, int64_t(w->bytesBefore)));
    summary.plan.bytesAfter += bytes - w->bytesAfter;
    w->bytesAfter = bytes;
    w->scheme = scheme;
    least = std::min(least, scheme.removed);
    most = std::max(most, scheme.removed);
  }
  char line[100];
  std::snprintf(line, sizeof line, "ranks  by spectra: %.4g%% to %.4g%% of a weight removed",
                100 * least, 100 * most);
  say(line);
  return true;
}

Status Compression::chooseRanks() {
  if (llvm::none_of(summary.plan.weights, isAllotted))
    return Status::ok();
  if (useRanks(state->get("ranks")))
    return Status::ok();
  Result<Json> chosen = allotRanks();
  if (!chosen)
    return chosen.takeError();
  if (Status s = state->put("ranks", *chosen); !s)
    return s;
  useRanks(*chosen);
  return Status::ok();
}

} // namespace fingpt
