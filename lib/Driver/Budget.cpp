// One budget: what each form would cost each weight, and the mix that costs least.
//
// The cost of a form is the KL divergence that it alone would cause. Measuring that for
// every weight and form would take a run of the model each; it is close to linear in the
// relative output error of the weight (as HIGGS, arXiv:2411.17525, argues for perplexity), so
// one run per weight with one form gives the factor, and each form's error, which costs no run,
// gives the rest:
//
//   cost(weight, form) = error(weight, form) · KL(weight, probe) / error(weight, probe)
//
// The probe is made as the final weight will be; the other forms are rounded to nearest, and their
// errors taken down by what the method gained on the probe: also close, and much quicker.
#include "Compression.h"

#include "fingpt/Compress/Allocate.h"

#include <cmath>
#include <unistd.h>

using namespace mlir;

namespace fingpt {

using compress::Gram;
using compress::WeightScheme;

namespace {

/// Tokens that probes run on.
constexpr int64_t kProbeTokens = 256;

/// Runs of the model in which one weight has other values.
class Prober {
public:
  Prober(const SegmentedModel &segments, const std::vector<SegmentSample> &samples)
      : segments(segments) {
    for (const SegmentSample &s : samples) {
      if (held >= kProbeTokens)
        break;
      start.push_back(s);
      held += s.batch * s.length;
    }
    probe = start;
  }
  /// Every segment's weights stay in memory.
  Status load() {
    for (size_t i = 0; i < segments.size(); ++i) {
      Result<SegmentWeights> w = segments.load(i);
      if (!w)
        return w.takeError();
      weights.push_back(std::move(*w));
    }
    std::vector<SegmentSample> run = probe;
    if (Status s = finish(run, 0); !s)
      return s;
    for (SegmentSample &s : run)
      reference.push_back(std::move(s.hidden));
    return Status::ok();
  }
  SegmentWeights &of(size_t segment) { return weights[segment]; }
  /// Moves the probes past a segment, with its own weights.
  Status pass(size_t segment) { return advance(segments, segment, weights[segment], probe); }

  /// KL with `name` replaced, from `segment` on: 0, or where the probes stand.
  Result<double> divergence(size_t segment, const std::string &name,
                            const compress::Matrix<float> &values) {
    for (SegmentWeights &w : weights)
      if (w.has(name))
        w.replace(name, values);
    std::vector<SegmentSample> run = segment == 0 ? start : probe;
    Status s = finish(run, segment);
    for (SegmentWeights &w : weights)
      if (w.has(name))
        w.restore(name);
    if (!s)
      return s.takeError();
    double sum = 0;
    int64_t width = segments.segment(segments.size() - 1).width;
    for (size_t i = 0; i < run.size(); ++i) {
      int64_t rows = run[i].batch * run[i].length;
      sum += double(rows) * meanDivergence(reference[i].data(), run[i].hidden.data(), rows, width);
    }
    return sum / double(held);
  }

private:
  Status finish(std::vector<SegmentSample> &run, size_t from) {
    for (size_t i = from; i < segments.size(); ++i)
      if (Status s = advance(segments, i, weights[i], run); !s)
        return s;
    return Status::ok();
  }

  const SegmentedModel &segments;
  std::vector<SegmentWeights> weights;
  std::vector<SegmentSample> start, probe;
  std::vector<std::vector<float>> reference;
  int64_t held = 0;
};

/// The candidate that is probed: the smallest of at least three bits, so that its error is well
/// above noise and still in the linear range.
size_t probeCandidate(const Json &candidates) {
  size_t best = 0;
  double bestBits = 0;
  for (size_t c = 0; c < candidates.size(); ++c) {
    double bits = candidates[c]["bits"].get<double>();
    bool better = bestBits < 3 ? bits > bestBits : bits >= 3 && bits < bestBits;
    if (c == 0 || better) {
      best = c;
      bestBits = bits;
    }
  }
  return best;
}

} // namespace

/// Bits per weight of a form on a weight of usual size.
static double nominalBits(const WeightScheme &scheme) {
  constexpr int64_t side = 1024;
  return 8.0 * double(compress::storedBytes(scheme, side, side, 4 * side * side)) / (side * side);
}

/// Those near the budget: the others would not be chosen for many weights, and each costs time.
std::vector<WeightScheme> Compression::budgetCandidates() const {
  const Recipe &recipe = options.recipe;
  const std::vector<WeightScheme> &all = recipe.candidates;
  // Bits that the budget leaves per weight that has a choice.
  double target = 0;
  if (recipe.bitsPerWeight || recipe.size) {
    double bytes = recipe.size ? double(*recipe.size)
                               : *recipe.bitsPerWeight * double(summary.plan.parameters) / 8;
    double weights = 0;
    bytes -= double(summary.plan.otherBytes);
    for (const PlannedWeight &w : summary.plan.weights)
      if (w.kept.empty())
        weights += double(w.rows) * double(w.cols);
      else
        bytes -= double(w.bytesBefore);
    target = weights > 0 ? std::max(8.0 * bytes / weights, 1e-9) : 0;
  }
  std::vector<WeightScheme> near;
  for (const WeightScheme &s : all)
    if (double bits = nominalBits(s); target == 0 || (bits > target - 1.5 && bits < target + 1.9))
      near.push_back(s);
  bool reaches = false; // something below the target must be among them, ragged groups included
  for (const WeightScheme &s : near)
    reaches |= nominalBits(s) < 0.97 * target;
  return reaches && near.size() >= 2 ? near : all;
}

/// Bytes and error of every candidate of every weight, with the factor to a loss; kept in the
/// state segment by segment, so that a second run goes on.
Status Compression::analyse() {
  using Run = SegmentedModel::Run;
  if (!state->get("analysis").is_null() && state->get("analysis").contains("complete"))
    return Status::ok();
  Json analysis = state->get("analysis").is_null() ? Json::object() : state->get("analysis");
  std::vector<WeightScheme> candidates = budgetCandidates();
  uint64_t dense = 0;
  for (const PlannedWeight &w : summary.plan.weights)
    dense += uint64_t(w.rows) * uint64_t(w.cols) * 4;
  auto available = uint64_t(::sysconf(_SC_AVPHYS_PAGES)) * uint64_t(::sysconf(_SC_PAGESIZE));
  bool probing = model.isDecoder() && dense < available / 2;
  if (!probing)
    say("plan   sensitivities are not measured: " +
        std::string(model.isDecoder() ? "the dense model does not fit in half of the memory"
                                      : "not a language model"));
  Prober prober(*segments, samples);
  if (probing)
    if (Status s = prober.load(); !s)
      return s;
  std::vector<SegmentSample> run = samples;
  size_t done = 0;
  auto candidatesOf = [&](const PlannedWeight &plan, compress::ConstMatrixF w, const Gram *gram,
                          size_t segment) -> Status {
    if (analysis.contains(plan.name)) { // of a run that was interrupted
      ++done;
      return Status::ok();
    }
    Json list = Json::array();
    compress::WeightProblem problem{plan.name, w, gram, int64_t(plan.bytesBefore), true};
    for (const WeightScheme &scheme : candidates) {
      WeightScheme quick = scheme;
      if (quick.rounding == compress::Rounding::Default)
        quick.rounding = compress::Rounding::Nearest;
      auto c = compress::compressWeight(problem, quick);
      if (!c)
        return c.takeError();
      int64_t bytes = c->kept() ? int64_t(plan.bytesBefore) : c->storedBytes();
      list.push_back({{"scheme", compress::weightSchemeText(scheme)},
                      {"bytes", bytes},
                      {"bits", 8.0 * double(bytes) / (double(w.rows) * double(w.cols))},
                      {"error", c->error}});
    }
    size_t p = probeCandidate(list);
    auto probe = compress::compressWeight(problem, candidates[p]);
    if (!probe)
      return probe.takeError();
    double error = list[p]["error"].get<double>(), factor = 1;
    if (error > 0 && probe->error > 0) {
      for (Json &candidate : list)
        candidate["error"] = candidate["error"].get<double>() * probe->error / error;
      if (probing && !probe->kept()) {
        auto kl = prober.divergence(segment, plan.name, probe->dense());
        if (!kl)
          return kl.takeError();
        factor = *kl / probe->error;
      }
    }
    analysis[plan.name] = {{"candidates", std::move(list)}, {"sensitivity", factor}};
    ++done;
    update("budget: " + std::to_string(done) + " of " +
           std::to_string(summary.plan.weights.size()) + ", " + plan.name);
    return Status::ok();
  };
  auto wanted = [&](const std::string &name) { return planned(name).kept.empty(); };

  // A table is part of segment 0, where the probes still are.
  for (const fin::LinearWeight &w : fin::linearWeights(forwardOf(*rewritten)))
    if (w.embedding && w.users.empty() && wanted(w.name)) {
      Result<fin::DenseWeight> values = fin::denseWeight(w.weight, *model.imported().params);
      if (!values)
        return values.takeError();
      if (Status s = candidatesOf(planned(w.name), values->view(), nullptr, 0); !s)
        return s;
    }
  for (size_t i = 0; i < segments->size(); ++i) {
    const Segment &segment = segments->segment(i);
    Result<SegmentWeights> loaded =
        probing ? Result<SegmentWeights>(SegmentWeights()) : segments->load(i);
    if (!loaded)
      return loaded.takeError();
    SegmentWeights &weights = probing ? prober.of(i) : *loaded;
    auto grams = observe(*segments, i, weights, run, segment.last ? Run::Observe : Run::Both);
    if (!grams)
      return grams.takeError();
    for (const fin::LinearWeight &w : segment.weights) {
      if (!wanted(w.name))
        continue;
      std::optional<Gram> gram = gramOf(w.name, *grams, segment);
      // A tied head changes the embeddings, too.
      if (Status s = candidatesOf(planned(w.name), weights.weight(w.name), gram ? &*gram : nullptr,
                                  w.embedding ? 0 : i);
          !s)
        return s;
    }
    if (Status s = state->put("analysis", analysis); !s)
      return s;
    if (probing && !segment.last)
      if (Status s = prober.pass(i); !s)
        return s;
  }
  analysis["complete"] = true;
  return state->put("analysis", std::move(analysis));
}

Status Compression::allocate() {
  const Recipe &recipe = options.recipe;
  const Json &analysis = state->get("analysis");
  CompressPlan &plan = summary.plan;
  std::vector<WeightScheme> candidates = budgetCandidates();
  std::vector<compress::WeightCandidates> weights;
  std::vector<PlannedWeight *> targets;
  uint64_t fixed = plan.otherBytes;
  for (PlannedWeight &w : plan.weights) {
    if (!analysis.contains(w.name)) {
      fixed += w.bytesBefore;
      continue;
    }
    const Json &entry = analysis[w.name];
    double factor = entry["sensitivity"].get<double>();
    sensitivities[w.name] = factor;
    compress::WeightCandidates c;
    c.name = w.name;
    int form = 0;
    for (const Json &candidate : entry["candidates"])
      c.candidates.push_back(
          {candidate["bytes"].get<int64_t>(), candidate["error"].get<double>() * factor, form++});
    weights.push_back(std::move(c));
    targets.push_back(&w);
  }
  compress::AllocateOptions limits;
  limits.maxForms = 8;
  Result<compress::Allocation> chosen = Error("");
  if (recipe.size || recipe.bitsPerWeight) {
    uint64_t budget =
        recipe.size ? *recipe.size : uint64_t(*recipe.bitsPerWeight * double(plan.parameters) / 8);
    if (budget < fixed)
      return Error::at("budget", "out of reach",
                       "more than " + bytesText(fixed) + " that no candidate touches",
                       bytesText(budget));
    chosen = compress::allocateBytes(weights, int64_t(budget - fixed), limits);
  } else {
    double limit = std::log1p(*recipe.maxPerplexity);
    if (const Json &tightened = state->get("tightened"); !tightened.is_null())
      limit = tightened.at("limit").get<double>();
    chosen = compress::smallestForCost(weights, limit, limits);
  }
  if (!chosen)
    return chosen.error().in("budget");
  uint64_t bytes = fixed;
  std::map<std::string, int> counts;
  for (size_t i = 0; i < targets.size(); ++i) {
    PlannedWeight &w = *targets[i];
    w.scheme = candidates[size_t(chosen->choice[i])];
    w.bytesAfter = uint64_t(weights[i].candidates[size_t(chosen->choice[i])].bytes);
    bytes += w.bytesAfter;
    ++counts[compress::weightSchemeText(w.scheme)];
  }
  plan.bytesAfter = bytes;
  std::string mix;
  for (const auto &[scheme, count] : counts)
    mix += (mix.empty() ? "" : ", ") + std::to_string(count) + " x " + scheme;
  char line[100];
  std::snprintf(line, sizeof line, "budget %s, expected KL %.4f: ", bytesText(bytes).c_str(),
                chosen->cost);
  say(line + mix);
  return Status::ok();
}

} // namespace fingpt
