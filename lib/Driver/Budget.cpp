// One budget: what each form would cost each weight, and the mix that costs least.
//
// The cost of a form is the KL divergence that it alone would cause (of an encoder, which gives no
// distribution: the relative squared change of its last hidden states). Measuring that for
// every weight and form would take a run of the model each; it is close to linear in the
// relative output error of the weight (as HIGGS, arXiv:2411.17525, argues for perplexity), so
// one run per weight with one form gives the factor, and each form's error, which costs no run,
// gives the rest:
//
//   cost(weight, form) = error(weight, form) · KL(weight, probe) / error(weight, probe)
//
// The probe is made as the final weight will be; other codes without a method of their own are
// rounded to nearest, and their errors taken down by what the method gained on the probe: also
// close, and much quicker.
#include "Compression.h"

#include "fingpt/Compress/Allocate.h"
#include "fingpt/Support/Build.h"

#include "llvm/TargetParser/Host.h"

#include <cmath>
#include <xxhash.h>

using namespace mlir;

namespace fingpt {

using compress::CompressedWeight;
using compress::Gram;
using compress::WeightScheme;

namespace {

/// Tokens that probes run on.
constexpr int64_t kProbeTokens = 256;

/// Runs of the model in which one weight has other values.
class Prober {
public:
  Prober(const SegmentedModel &segments, const std::vector<SegmentSample> &samples, bool decoder)
      : segments(segments), decoder(decoder) {
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

  /// KL, or of an encoder the relative squared change of its result, with `name` replaced, from
  /// `segment` on: 0, or where the probes stand.
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
    if (!decoder)
      return change(run);
    double sum = 0;
    int64_t width = segments.segment(segments.size() - 1).width;
    for (size_t i = 0; i < run.size(); ++i) {
      int64_t rows = run[i].batch * run[i].length;
      sum += double(rows) * meanDivergence(reference[i].data(), run[i].hidden.data(), rows, width);
    }
    return sum / double(held);
  }

private:
  double change(const std::vector<SegmentSample> &run) const {
    double squares = 0, all = 0;
    for (size_t i = 0; i < run.size(); ++i)
      for (size_t k = 0; k < run[i].hidden.size(); ++k) {
        double x = reference[i][k], d = run[i].hidden[k] - x;
        squares += d * d;
        all += x * x;
      }
    return all > 0 ? squares / all : 0;
  }
  Status finish(std::vector<SegmentSample> &run, size_t from) {
    for (size_t i = from; i < segments.size(); ++i)
      if (Status s = advance(segments, i, weights[i], run); !s)
        return s;
    return Status::ok();
  }

  const SegmentedModel &segments;
  bool decoder;
  std::vector<SegmentWeights> weights;
  std::vector<SegmentSample> start, probe;
  std::vector<std::vector<float>> reference;
  int64_t held = 0;
};

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
  std::optional<uint64_t> budget = recipe.budgetBytes(summary.plan.parameters);
  double target = 0; // bits that it leaves per weight that has a choice
  if (budget) {
    double bytes = double(*budget) - double(summary.plan.otherBytes), weights = 0;
    for (const PlannedWeight &w : summary.plan.weights)
      if (w.chosenByBudget())
        weights += double(w.rows) * double(w.cols);
      else
        bytes -= double(w.bytesAfter);
    target = weights > 0 ? std::max(8.0 * bytes / weights, 1e-9) : 0;
  }
  std::vector<WeightScheme> near;
  for (const WeightScheme &s : all)
    if (double bits = nominalBits(s); target == 0 || (bits > target - 1.5 && bits < target + 1.9))
      near.push_back(s);
  bool below = false; // something is well below the target
  for (const WeightScheme &s : near)
    below |= nominalBits(s) < 0.97 * target;
  if (near.size() < 2 || !below || (budget && fewestBytes(summary.plan, near) > *budget))
    near = all;
  // What is small enough already may stay.
  if (llvm::none_of(near, [](const WeightScheme &s) { return s.keep(); }))
    near.emplace_back();
  return near;
}

/// True for forms that are measured by plain rounding in place of the method to come.
static bool isQuick(const WeightScheme &scheme) {
  return scheme.codes && scheme.rounding == compress::Rounding::Default;
}

/// What one weight may become.
struct Choice {
  std::vector<MeasuredForm> forms; ///< of the candidates
  size_t probe = 0;                ///< the candidate that is probed
};

/// Nothing if a candidate has not been measured.
static std::optional<Choice> choiceOf(const Measurements &measured, const PlannedWeight &weight,
                                      const std::vector<WeightScheme> &candidates) {
  Choice choice;
  double bestBits = 0;
  for (size_t c = 0; c < candidates.size(); ++c) {
    const MeasuredForm *form =
        measured.form(weight.name, compress::weightSchemeText(candidates[c]));
    if (!form)
      return std::nullopt;
    choice.forms.push_back(*form);
    if (candidates[c].keep())
      continue;
    // The smallest of at least three bits is probed: its error is well above noise and still in
    // the linear range.
    double bits = 8.0 * double(form->bytes) / (double(weight.rows) * double(weight.cols));
    if (bestBits == 0 || (bestBits < 3 ? bits > bestBits : bits >= 3 && bits < bestBits)) {
      choice.probe = c;
      bestBits = bits;
    }
  }
  return choice;
}

/// Bytes and error of every candidate of one weight, and the probe.
Status Compression::measureForms(const compress::WeightProblem &problem,
                                 const std::vector<WeightScheme> &candidates,
                                 llvm::function_ref<Result<double>(const CompressedWeight &)> kl) {
  const PlannedWeight &plan = planned(problem.name);
  for (const WeightScheme &scheme : candidates) {
    std::string text = compress::weightSchemeText(scheme);
    if (measured.form(plan.name, text))
      continue;
    WeightScheme quick = scheme;
    if (isQuick(scheme))
      quick.rounding = compress::Rounding::Nearest;
    auto c = compress::compressWeight(problem, quick);
    if (!c)
      return c.takeError();
    measured.setForm(plan.name, text,
                     {c->kept() ? int64_t(plan.wholeBytes) : c->storedBytes(), c->error});
  }
  std::optional<Choice> choice = choiceOf(measured, plan, candidates);
  const WeightScheme &scheme = candidates[choice->probe];
  std::string text = compress::weightSchemeText(scheme);
  const MeasuredProbe *known = measured.probe(plan.name, text);
  if (known && (known->divergence || !kl))
    return Status::ok();
  auto c = compress::compressWeight(problem, scheme);
  if (!c)
    return c.takeError();
  MeasuredProbe probe{c->error, {}};
  if (kl) {
    Result<double> divergence = c->kept() ? Result<double>(0.0) : kl(*c);
    if (!divergence)
      return divergence.takeError();
    probe.divergence = *divergence;
  }
  measured.setProbe(plan.name, text, probe);
  return Status::ok();
}

/// A file for the measurements of this graph under these statistics by this program, if there is a
/// cache.
Result<std::string> Compression::measurementsFile(bool probing) const {
  if (options.cacheDirectory.empty())
    return std::string();
  Result<std::string> graph = source; // all parameters were read for it
  if (!rewrites.empty())
    graph = sourceHash(*rewritten, *params());
  if (!graph)
    return graph.takeError();
  std::string key =
      *graph + buildIdentity() + llvm::sys::getHostCPUName().str() + (probing ? " probing" : "");
  uint64_t hash = XXH3_64bits(key.data(), key.size());
  for (const SegmentSample &s : samples)
    hash = XXH3_64bits_withSeed(s.tokens.data(), s.tokens.size() * sizeof(int32_t), hash);
  return options.cacheDirectory + "/measurements/" + hex(hash) + ".json";
}

/// Measures every candidate of every weight, as far as earlier runs have not done so; the state
/// keeps segment by segment what there is.
Status Compression::analyse() {
  using Run = SegmentedModel::Run;
  bool probing = canProbe(summary.plan.weights);
  Result<std::string> file = measurementsFile(probing);
  if (!file)
    return file.takeError();
  measured = Measurements(*file);
  bool known = !measured.empty();
  measured.add(state->get("measured"));
  std::vector<WeightScheme> candidates = budgetCandidates();
  size_t done = 0;
  auto missing = [&](const PlannedWeight &w) {
    std::optional<Choice> choice = choiceOf(measured, w, candidates);
    if (!choice)
      return true;
    const MeasuredProbe *probe =
        measured.probe(w.name, compress::weightSchemeText(candidates[choice->probe]));
    return !probe || (probing && !probe->divergence);
  };
  auto wanted = [&](const PlannedWeight &w) { return w.chosenByBudget() && missing(w); };
  if (!probing)
    say("plan   sensitivities are not measured: the dense model does not fit in half of the "
        "memory");
  if (known)
    say("budget measurements of an earlier run are used");
  if (llvm::none_of(summary.plan.weights, wanted))
    return Status::ok();

  Prober prober(*segments, samples, model.isDecoder());
  if (probing)
    if (Status s = prober.load(); !s)
      return s;
  std::vector<SegmentSample> run = samples;
  auto measureWeight = [&](const std::string &name, compress::ConstMatrixF w, const Gram *gram,
                           size_t segment) -> Status {
    const PlannedWeight &plan = planned(name);
    ++done;
    if (!wanted(plan))
      return Status::ok();
    auto divergence = [&](const CompressedWeight &c) {
      return prober.divergence(segment, name, c.dense());
    };
    llvm::function_ref<Result<double>(const CompressedWeight &)> kl;
    if (probing)
      kl = divergence;
    if (Status s = measureForms({name, w, gram, int64_t(plan.bytesBefore), true}, candidates, kl);
        !s)
      return s;
    update("budget: " + std::to_string(done) + " of " +
           std::to_string(summary.plan.weights.size()) + ", " + name);
    return Status::ok();
  };

  // A table is part of segment 0, where the probes still are.
  for (const fin::LinearWeight &w : fin::linearWeights(forwardOf(*rewritten)))
    if (w.embedding && w.users.empty() && wanted(planned(w.name))) {
      Result<fin::DenseWeight> values = fin::denseWeight(w.weight, *params());
      if (!values)
        return values.takeError();
      if (Status s = measureWeight(w.name, values->view(), nullptr, 0); !s)
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
      if (!planned(w.name).chosenByBudget())
        continue;
      std::optional<Gram> gram = gramOf(w.name, *grams, segment);
      // A tied head changes the embeddings, too.
      if (Status s = measureWeight(w.name, weights.weight(w.name), gram ? &*gram : nullptr,
                                   w.embedding ? 0 : i);
          !s)
        return s;
    }
    if (Status s = state->put("measured", measured.json()); !s)
      return s;
    if (probing && !segment.last)
      if (Status s = prober.pass(i); !s)
        return s;
  }
  measured.store();
  return Status::ok();
}

Status Compression::allocate() {
  const Recipe &recipe = options.recipe;
  CompressPlan &plan = summary.plan;
  std::vector<WeightScheme> candidates = budgetCandidates();
  std::vector<compress::WeightCandidates> weights;
  std::vector<PlannedWeight *> targets;
  uint64_t fixed = plan.otherBytes;
  for (PlannedWeight &w : plan.weights) {
    std::optional<Choice> choice = choiceOf(measured, w, candidates);
    if (!w.chosenByBudget() || !choice) {
      fixed += w.bytesAfter;
      continue;
    }
    const MeasuredForm &plain = choice->forms[choice->probe];
    const MeasuredProbe &probe =
        *measured.probe(w.name, compress::weightSchemeText(candidates[choice->probe]));
    // What the recipe's method gains over rounding, and what a unit of error costs.
    double gain = 1, factor = 1;
    if (plain.error > 0 && probe.error > 0) {
      if (isQuick(candidates[choice->probe]))
        gain = probe.error / plain.error;
      factor = probe.divergence.value_or(probe.error) / probe.error;
    }
    sensitivities[w.name] = factor;
    compress::WeightCandidates c;
    c.name = w.name;
    for (size_t i = 0; i < candidates.size(); ++i) {
      const MeasuredForm &form = choice->forms[i];
      double error = form.error * (isQuick(candidates[i]) ? gain : 1);
      c.candidates.push_back({form.bytes, error * factor, int(i)});
    }
    weights.push_back(std::move(c));
    targets.push_back(&w);
  }
  compress::AllocateOptions limits;
  limits.maxForms = 8;
  Result<compress::Allocation> chosen = Error("");
  if (std::optional<uint64_t> budget = recipe.budgetBytes(plan.parameters)) {
    if (Status s = checkBudget(plan, candidates, *budget); !s)
      return s;
    chosen = compress::allocateBytes(weights, int64_t(*budget) - int64_t(fixed), limits);
  } else {
    double limit = state->perplexityLimit(std::log1p(*recipe.maxPerplexity)).logRise;
    chosen = compress::smallestForCost(weights, limit, limits);
  }
  if (!chosen)
    return chosen.error().in("budget");
  uint64_t bytes = fixed;
  std::map<std::string, int> counts;
  for (size_t i = 0; i < targets.size(); ++i) {
    PlannedWeight &w = *targets[i];
    w.scheme = candidates[size_t(chosen->choice[i])];
    if (w.scheme.keep())
      w.kept = "the budget leaves it";
    w.bytesAfter = uint64_t(weights[i].candidates[size_t(chosen->choice[i])].bytes);
    bytes += w.bytesAfter;
    ++counts[compress::weightSchemeText(w.scheme)];
  }
  plan.bytesAfter = bytes;
  std::string mix;
  for (const auto &[scheme, count] : counts)
    mix += (mix.empty() ? "" : ", ") + std::to_string(count) + " x " + scheme;
  char line[100];
  std::snprintf(line, sizeof line, "budget %s, expected %s %.4f: ", bytesText(bytes).c_str(),
                model.isDecoder() ? "KL" : "change", chosen->cost);
  say(line + mix);
  return Status::ok();
}

} // namespace fingpt
