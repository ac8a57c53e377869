#include "Compression.h"

#include "fingpt/Compress/Correction.h"
#include "fingpt/Dialect/Fin/Utils/BuildWeight.h"
#include "fingpt/Driver/Report.h"
#include "fingpt/Import/ModelDirectory.h"
#include "fingpt/Params/SafetensorsWriter.h"

#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringSet.h"

#include <chrono>
#include <cmath>
#include <filesystem>
#include <xxhash.h>

using namespace mlir;

namespace fingpt {

using compress::CompressedWeight;
using compress::Gram;
using compress::WeightProblem;
using compress::WeightScheme;

/// Of the statistics under which weights make good the drift of their inputs: where inputs vary
/// less than on average, what calibration text says of the drift does not hold for other text.
constexpr double kCorrectionDamping = 1;

func::FuncOp forwardOf(ModuleOp module) { return module.lookupSymbol<func::FuncOp>("forward"); }

std::string textOf(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  module.print(os, OpPrintingFlags().elideLargeElementsAttrs(std::numeric_limits<int64_t>::max()));
  return text;
}

//===----------------------------------------------------------------------===//
// Beginning
//===----------------------------------------------------------------------===//

const PlannedWeight &Compression::planned(const std::string &name) const {
  for (const PlannedWeight &w : summary.plan.weights)
    if (w.name == name)
      return w;
  llvm_unreachable("every weight of a segment is planned");
}

static Json textFingerprint(const std::optional<NamedText> &text) {
  return text ? Json(hex(XXH3_64bits(text->text.data(), text->text.size()))) : Json();
}

Json Compression::fingerprint() const {
  return Json{{"format_version", 1},
              {"recipe", options.recipe.json()},
              {"source", summary.plan.bytesBefore},
              {"calibration", textFingerprint(options.calibration)},
              {"evaluation", textFingerprint(options.evaluation)},
              {"evaluation_chunks", options.evaluationChunks},
              {"own_text", options.selfText}};
}

/// OUT is there. If this very run made it, perhaps killed at its last breath, there is no more to
/// do than to say so.
Status Compression::openFinished(const Json &fingerprint) {
  Result<Json> lock = readJsonFile(options.output + "/run.lock");
  Result<Report> report = readReport(options.output);
  if (!lock || !lock->is_object() || lock->value("fingerprint", Json()) != fingerprint || !report)
    return Error::at(escaped(options.output, 1000), "exists already (--force replaces it)");
  if (Status s = CompressState::removeFinished(options.output, fingerprint); !s)
    return s;
  finished = true;
  summary.bytesAfter = uint64_t(report->size.after);
  summary.bitsPerWeight = report->size.bits;
  if (const auto &q = report->quality) {
    Comparison &c = summary.quality.emplace();
    c.referencePerplexity = q->perplexityBefore.value_or(NAN);
    c.perplexity = q->perplexity.value_or(NAN);
    c.klMean = q->klMean.value_or(NAN);
    c.klP99 = q->klP99.value_or(NAN);
    c.sameTop = q->sameTop.value_or(NAN);
    c.tokens = q->tokens;
    if (q->cosine)
      c.hidden = {*q->cosine, q->relativeChange.value_or(NAN)};
  }
  say("resume this run was finished before; --force makes it anew");
  return Status::ok();
}

Status Compression::open() {
  const Recipe &recipe = options.recipe;
  std::error_code ec;
  bool finishedOnce = !options.force && std::filesystem::exists(options.output + "/run.lock", ec);
  if (Status s = checkOutput(model.imported(), options.output, options.force || finishedOnce); !s)
    return s;
  Result<CompressPlan> plan = planCompression(model, options);
  if (!plan)
    return plan.takeError();
  summary.plan = std::move(*plan);
  Json print = fingerprint();
  Result<std::string> hash = sourceHash(model.graph(), *params());
  if (!hash)
    return hash.takeError();
  source = *hash;
  print["source"] = source;
  if (finishedOnce)
    return openFinished(print);
  auto opened = CompressState::open(options.output, print, options.force);
  if (!opened)
    return opened.takeError();
  state = std::move(*opened);

  context = recipe.context;
  if (model.contextLength() > 0)
    context = std::min(context, model.contextLength());
  if (Status s = readTexts(); !s)
    return s;
  return checkTexts();
}

/// Segments if there are statistics to gather, else layers.
void Compression::makeUnits() {
  func::FuncOp forward = forwardOf(*rewritten);
  std::vector<fin::LinearWeight> weights = fin::linearWeights(forward);
  auto touched = [&](const std::string &name) { return !planned(name).scheme.keep(); };
  llvm::StringSet<> inSegments;
  if (segments) {
    for (size_t i = 0; i < segments->size(); ++i) {
      Unit unit;
      unit.segment = i;
      for (const SegmentTap &tap : segments->segment(i).taps) {
        unit.groups.push_back(tap.weights);
        for (const std::string &name : tap.weights)
          inSegments.insert(name);
      }
      units.push_back(std::move(unit));
    }
  }
  int64_t layer = -2;
  for (const fin::LinearWeight &w : weights) {
    if (inSegments.contains(w.name))
      continue;
    // Tables and heads are large: each on its own.
    bool sameLayer = fin::layerOfName(w.name) == layer && layer >= 0;
    if (units.empty() || units.back().segment || !sameLayer) {
      layer = fin::layerOfName(w.name);
      units.emplace_back();
    }
    units.back().groups.push_back({w.name});
  }
  for (size_t i = 0; i < units.size(); ++i)
    for (const auto &group : units[i].groups)
      for (const std::string &name : group) {
        total += touched(name);
        if (isCorrected(planned(name)))
          correctedUnits = i + 1;
      }
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

std::optional<Gram> Compression::gramOf(const std::string &name, const std::vector<Gram> &grams,
                                        const Segment &segment) const {
  for (size_t t = 0; t < segment.taps.size(); ++t)
    for (const std::string &weight : segment.taps[t].weights)
      if (weight == name) {
        Gram gram = grams[t];
        if (planned(name).table)
          gram.addLookups();
        return gram;
      }
  return std::nullopt;
}

static std::string shortName(const std::string &name) {
  StringRef s(name);
  s.consume_back(".weight");
  s.consume_front("model.");
  return s.str();
}

double Compression::Clock::work(const PlannedWeight &w) {
  return double(w.rows) * double(w.cols) * (double(w.cols) + 20000);
}

double Compression::Clock::left(const PlannedWeight &finished) {
  done += work(finished);
  double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return done > 0 ? elapsed * std::max(0.0, total - done) / done : 0;
}

static std::string timeText(double seconds) {
  char text[32];
  auto whole = static_cast<long long>(std::llround(seconds));
  std::snprintf(text, sizeof text, "%lld:%02lld", whole / 60, whole % 60);
  return text;
}

/// A tied table serves the embeddings as it is. What low rank removes is too much to make good: the
/// corrections of one layer after the other then run away. Who asks for rounding to nearest or HQQ
/// gets that of the weight, not of another. Encoders lose by it.
bool Compression::isCorrected(const PlannedWeight &w) const {
  const WeightScheme &s = w.scheme;
  return options.recipe.sequential && model.isDecoder() && !w.table && !s.keep() &&
         s.removed == 0 && s.rounding != compress::Rounding::Nearest &&
         s.rounding != compress::Rounding::Hqq;
}

/// What is rounded in place of the weight; empty for the weight itself.
Result<compress::Matrix<float>> Compression::targetOf(const std::string &name,
                                                      compress::ConstMatrixF w,
                                                      const DriftStatistics &statistics,
                                                      const Segment &segment) const {
  if (statistics.drifts.empty() || !isCorrected(planned(name)))
    return compress::Matrix<float>();
  for (size_t t = 0; t < segment.taps.size(); ++t)
    if (llvm::is_contained(segment.taps[t].weights, name)) {
      bool writer = name == segment.residualWriter;
      return compress::correctedWeight(
          w, compress::symmetric(statistics.grams[t].h).view(), statistics.drifts[t],
          writer ? statistics.residual.view() : compress::ConstMatrixD(), kCorrectionDamping);
    }
  return compress::Matrix<float>();
}

Status Compression::compressUnit(size_t index, const DriftStatistics &statistics) {
  const std::vector<Gram> &grams = statistics.grams;
  ParamStore &params = *model.imported().params;
  const Unit &unit = units[index];
  llvm::StringMap<fin::LinearWeight> byName;
  for (fin::LinearWeight &w : fin::linearWeights(forwardOf(*result)))
    byName.try_emplace(w.name, w);
  ParamStore made;
  Json unitRows = Json::array();
  for (const std::vector<std::string> &group : unit.groups) {
    std::vector<fin::DenseWeight> dense;
    std::vector<WeightProblem> problems;
    std::vector<WeightScheme> schemes;
    std::optional<Gram> gram;
    for (const std::string &name : group) {
      const PlannedWeight &plan = planned(name);
      if (plan.scheme.keep()) {
        Json row = reportRow(plan, nullptr);
        unitRows.push_back(std::move(row));
        continue;
      }
      if (unit.segment && !gram && !grams.empty())
        gram = gramOf(name, grams, segments->segment(*unit.segment));
      Result<fin::DenseWeight> values = fin::denseWeight(byName.find(name)->second.weight, params);
      if (!values)
        return values.takeError();
      dense.push_back(std::move(*values));
      problems.push_back({name, {}, gram ? &*gram : nullptr, int64_t(plan.bytesBefore)});
      schemes.push_back(plan.scheme);
    }
    // What needs no statistics is rounded from where it lies.
    bool plain = !gram && llvm::all_of(schemes, compress::roundsPlainly);
    std::vector<CompressedWeight> results;
    std::vector<compress::Matrix<float>> targets(dense.size());
    for (size_t i = 0; i < dense.size(); ++i) {
      if (plain) {
        auto rounded = compress::roundWeight(problems[i].name, dense[i].source(), schemes[i]);
        if (!rounded)
          return rounded.takeError();
        results.push_back(std::move(*rounded));
        continue;
      }
      problems[i].w = dense[i].view();
      if (Status finite = compress::checkFinite(problems[i].w, problems[i].name); !finite)
        return finite;
      if (!unit.segment)
        continue;
      auto target =
          targetOf(problems[i].name, problems[i].w, statistics, segments->segment(*unit.segment));
      if (!target)
        return target.error().in(problems[i].name);
      targets[i] = std::move(*target);
      if (!targets[i].empty())
        problems[i].w = targets[i].view();
    }
    if (!plain) {
      auto made = compress::compressGroup(problems, schemes);
      if (!made)
        return made.takeError();
      results = std::move(*made);
    }
    for (size_t i = 0; i < problems.size(); ++i) {
      const CompressedWeight &c = results[i];
      Json row = reportRow(planned(problems[i].name), &c);
      if (!plain && (gram || problems[i].w.rows * problems[i].w.cols < (1 << 22)))
        addSpectrum(row, problems[i].w, gram ? &*gram : nullptr);
      if (sensitivities.contains(problems[i].name))
        row["sensitivity"] = sensitivities[problems[i].name];
      ++compressed;
      char line[300];
      std::snprintf(line, sizeof line,
                    "%4zu/%zu  %-30s %-22s error %-8.3g (rounding %.3g)  %s left%s%s", compressed,
                    total, shortName(problems[i].name).c_str(), c.form().c_str(), c.error,
                    c.roundingError, timeText(clock.left(planned(problems[i].name))).c_str(),
                    c.note.empty() ? "" : "  ", c.note.c_str());
      say(line);
      unitRows.push_back(std::move(row));
      if (c.kept())
        continue;
      Value old = byName.find(problems[i].name)->second.weight;
      OpBuilder b(&*result->getContext());
      b.setInsertionPointAfterValue(old);
      Result<Value> built = fin::buildWeight(b, old.getLoc(), cast<RankedTensorType>(old.getType()),
                                             problems[i].name, c, made, &params);
      if (!built)
        return built.takeError();
      old.replaceAllUsesWith(*built);
    }
  }
  fin::eraseDeadWeights(forwardOf(*result));
  // Tensors first; the segment counts once its record is there.
  std::vector<std::string> keys;
  SafetensorsWriter writer(state->tensorFile(index));
  for (const ParamInfo *info : made.list())
    if (Status s = writer.declare(info->name, info->dtype, info->shape); !s)
      return s;
  if (Status s = writer.begin(); !s)
    return s;
  for (const std::string &name : writer.order()) {
    Result<TensorData> data = made.get(name);
    if (!data)
      return data.takeError();
    if (Status s = writer.write(name, data->data, data->bytes); !s)
      return s;
  }
  if (Status s = writer.finish(); !s)
    return s;
  if (Status s = params.addSafetensors(state->tensorFile(index)); !s)
    return s;
  if (Status s = state->finishSegment({{"rows", unitRows}, {"graph", textOf(*result)}}); !s)
    return s;
  for (Json &row : unitRows)
    rows.push_back(std::move(row));
  return Status::ok();
}

/// What earlier runs finished: tensors, rows, the graph.
Status Compression::restore(size_t count) {
  ParamStore &params = *model.imported().params;
  for (size_t i = 0; i < count; ++i) {
    Result<Json> record = state->segment(i);
    if (!record)
      return record.takeError();
    if (Status s = params.addSafetensors(state->tensorFile(i)); !s)
      return s;
    for (const Json &row : record->at("rows")) {
      compressed += !planned(row.at("name").get<std::string>()).scheme.keep();
      rows.push_back(row);
    }
    if (i + 1 < count)
      continue;
    result = parseSourceString<ModuleOp>(record->at("graph").get<std::string>(),
                                         ParserConfig(result->getContext()));
    if (!result || !forwardOf(*result))
      return Error::at(escaped(state->tensorFile(i), 1000), "its graph cannot be read");
  }
  return Status::ok();
}

/// Gives a segment the values that its compressed weights have in the graph.
static Status useCompressed(SegmentWeights &weights, ModuleOp graph, const ParamStore &params,
                            const std::vector<std::vector<std::string>> &groups,
                            llvm::function_ref<bool(const std::string &)> touched) {
  llvm::StringMap<Value> byName;
  for (fin::LinearWeight &w : fin::linearWeights(forwardOf(graph)))
    byName.try_emplace(w.name, w.weight);
  for (const auto &group : groups)
    for (const std::string &name : group) {
      if (!touched(name))
        continue;
      Result<fin::DenseWeight> dense = fin::denseWeight(byName.lookup(name), params);
      if (!dense)
        return dense.takeError();
      weights.replace(name, compress::Matrix<float>(dense->view()));
    }
  return Status::ok();
}

/// Hidden states after the segments that are done already.
Status Compression::catchUp(size_t count) {
  for (size_t i = 0; i < count && i < segments->size(); ++i) {
    update("resuming: segment " + std::to_string(i + 1) + " of " + std::to_string(count));
    if (segments->segment(i).last)
      break;
    Result<SegmentWeights> weights = segments->load(i);
    if (!weights)
      return weights.takeError();
    if (i < correctedUnits)
      if (Status s = advance(*segments, i, *weights, original); !s)
        return s;
    if (options.recipe.sequential)
      if (Status s = useCompressed(*weights, *result, *model.imported().params, units[i].groups,
                                   [&](const std::string &n) { return !planned(n).scheme.keep(); });
          !s)
        return s;
    if (Status s = advance(*segments, i, *weights, samples); !s)
      return s;
  }
  return Status::ok();
}

Status Compression::compressUnits() {
  using Run = SegmentedModel::Run;
  const Recipe &recipe = options.recipe;
  size_t done = std::min(state->segmentsDone(), units.size());
  if (done > 0) {
    summary.resumedSegments = done;
    say("resume " + std::to_string(done) + " of " + std::to_string(units.size()) +
        " segments were finished before" +
        (state->foundDamage() ? ", the next one is damaged" : ""));
    if (Status s = restore(done); !s)
      return s;
    if (segments && done < units.size())
      if (Status s = catchUp(done); !s)
        return s;
  }
  clock.start = std::chrono::steady_clock::now();
  for (size_t i = done; i < units.size(); ++i)
    for (const auto &group : units[i].groups)
      for (const std::string &name : group)
        if (!planned(name).scheme.keep())
          clock.total += Clock::work(planned(name));
  for (size_t i = done; i < units.size(); ++i) {
    const Unit &unit = units[i];
    if (!unit.segment) {
      if (Status s = compressUnit(i, {}); !s)
        return s;
      continue;
    }
    const Segment &segment = segments->segment(*unit.segment);
    bool touched = llvm::any_of(segment.weights, [&](const fin::LinearWeight &w) {
      return !planned(w.name).scheme.keep();
    });
    Result<SegmentWeights> weights = segments->load(*unit.segment);
    if (!weights)
      return weights.takeError();
    update("statistics of " + (segment.taps.empty() ? "embeddings" : segment.taps[0].key));
    bool both = touched && !recipe.sequential && !segment.last;
    bool drifts = i < correctedUnits; // the original model runs beside this one
    DriftStatistics statistics;
    if (touched && drifts) {
      bool byStream =
          !segment.residualWriter.empty() && isCorrected(planned(segment.residualWriter));
      auto observed = observeDrift(*segments, *unit.segment, *weights, byStream, original, samples);
      if (!observed)
        return observed.takeError();
      statistics = std::move(*observed);
    } else if (touched) {
      auto observed =
          observe(*segments, *unit.segment, *weights, samples, both ? Run::Both : Run::Observe);
      if (!observed)
        return observed.takeError();
      statistics.grams = std::move(*observed);
    } else if (drifts && !segment.last) {
      if (Status s = advance(*segments, *unit.segment, *weights, original); !s)
        return s;
    }
    if (Status s = compressUnit(i, statistics); !s)
      return s;
    if (segment.last || both)
      continue;
    if (recipe.sequential)
      if (Status s = useCompressed(*weights, *result, *model.imported().params, unit.groups,
                                   [&](const std::string &n) { return !planned(n).scheme.keep(); });
          !s)
        return s;
    if (Status s = advance(*segments, *unit.segment, *weights, samples); !s)
      return s;
  }
  return Status::ok();
}

//===----------------------------------------------------------------------===//
// End
//===----------------------------------------------------------------------===//

Status Compression::measure() {
  if (heldOut.empty())
    return Status::ok();
  update("running both models");
  auto original = piecewisePredictor(model.graph(), params(), options.cacheDirectory);
  if (!original)
    return original.takeError();
  auto compressed = piecewisePredictor(*result, params(), options.cacheDirectory);
  if (!compressed)
    return compressed.takeError();
  bool decoder = model.isDecoder();
  auto compared = (decoder ? compare : compareHidden)(
      **original, **compressed, heldOut, context, [&](size_t chunk, size_t all, double so) {
        char line[100];
        std::snprintf(line, sizeof line, "chunk %zu of %zu, %s %.4f", chunk, all,
                      decoder ? "KL" : "hidden states change by", so);
        update(line);
      });
  if (!compared)
    return compared.takeError();
  summary.quality = *compared;
  return Status::ok();
}

/// Predictions are of single weights; what all of them do together is measured. Beyond the allowed
/// rise the limit shrinks with what was measured, five times at most.
Status Compression::holdPerplexity() {
  const Recipe &recipe = options.recipe;
  if (!recipe.maxPerplexity)
    return Status::ok();
  double rise = summary.quality->perplexity / summary.quality->referencePerplexity - 1;
  if (rise <= *recipe.maxPerplexity)
    return Status::ok();
  CompressState::Limit limit = state->perplexityLimit(std::log1p(*recipe.maxPerplexity));
  char text[100];
  std::snprintf(text, sizeof text, "+%.2f%%, allowed are +%.2f%%", 100 * rise,
                100 * *recipe.maxPerplexity);
  if (limit.lowered >= 5)
    return Error::at("--max-ppl", "not reached with these candidates", "a smaller rise",
                     std::string(text));
  say(std::string("again  perplexity rose by ") + text);
  state->restart();
  summary.tightened = true;
  return state->lowerPerplexityLimit(
      {limit.logRise * 0.9 * *recipe.maxPerplexity / rise, limit.lowered + 1});
}

/// Weights have other shapes and bytes after rewrites; what counts as before is the original.
Status Compression::planRewritten() {
  if (rewrites.empty())
    return Status::ok();
  Result<CompressPlan> plan = planGraph(*rewritten, *params(), options, model.isDecoder());
  if (!plan)
    return plan.takeError();
  plan->bytesBefore = summary.plan.bytesBefore;
  plan->parameters = summary.plan.parameters;
  summary.plan = std::move(*plan);
  return Status::ok();
}

Result<CompressSummary> Compression::run() {
  Result<CompressSummary> done = runStages();
  // Nothing was begun that could go on: what is refused leaves nothing behind. Measurements are in
  // the cache, or stay.
  if (!done && state && state->segmentsDone() == 0 &&
      (state->get("measured").is_null() || !options.cacheDirectory.empty()))
    state->remove();
  return done;
}

Result<CompressSummary> Compression::runStages() {
  if (Status s = open(); !s)
    return s.takeError();
  if (finished)
    return summary;
  if (Status s = rewriteGraph(); !s)
    return s.takeError();
  if (Status s = planRewritten(); !s)
    return s.takeError();
  result = OwningOpRef<ModuleOp>(rewritten->clone());
  if (!samples.empty()) {
    update("compiling segments");
    auto made = SegmentedModel::create(*rewritten, params(), options.cacheDirectory);
    if (!made)
      return made.takeError();
    segments = std::move(*made);
    if (options.recipe.sequential)
      original = samples;
  }
  if (Status s = decideForms(); !s)
    return s.takeError();
  makeUnits();
  if (Status s = compressUnits(); !s)
    return s.takeError();
  summary.bytesAfter = storedParameterBytes(*result, *model.imported().params);
  summary.bitsPerWeight = 8.0 * double(summary.bytesAfter) / double(summary.plan.parameters);
  if (Status s = measure(); !s)
    return s.takeError();
  if (Status s = holdPerplexity(); !s)
    return s.takeError();
  if (summary.tightened)
    return summary;
  if (Status s = publish(); !s)
    return s.takeError();
  return summary;
}

Status Compression::decideForms() {
  if (Status s = chooseRanks(); !s)
    return s;
  if (!options.recipe.hasBudget())
    return Status::ok();
  if (Status s = analyse(); !s)
    return s;
  return allocate();
}

Result<CompressSummary> compressModel(Model &model, const CompressOptions &options) {
  return Compression(model, options).run();
}

} // namespace fingpt
