// What a run will take, before it takes it: bytes, memory, time.
#include "Compression.h"

#include "CompressPlan.h"

#include "fingpt/Runtime/ThreadPool.h"
#include "fingpt/Support/Memory.h"

#include "llvm/ADT/StringSet.h"

#include <filesystem>
#include <sys/statvfs.h>

using namespace mlir;

namespace fingpt {

using compress::WeightScheme;

/// Of the parameters that are not in `seen`, each once.
static uint64_t bytesBeside(llvm::StringSet<> seen, ModuleOp graph, const ParamStore &params) {
  uint64_t bytes = 0;
  graph.walk([&](fin::ParamOp op) {
    if (seen.insert(op.getKey()).second)
      if (const ParamInfo *info = params.find(op.getKey()))
        bytes += info->bytes;
  });
  return bytes;
}

uint64_t storedParameterBytes(ModuleOp graph, const ParamStore &params) {
  return bytesBeside({}, graph, params);
}

/// Of parameters that no linear's weight is made of; what several weights share is none of them.
static uint64_t otherBytes(ModuleOp graph, const ParamStore &params) {
  llvm::StringSet<> seen;
  for (const fin::LinearWeight &w : fin::linearWeights(forwardOf(graph)))
    for (fin::ParamOp op : fin::weightParams(w.weight))
      seen.insert(op.getKey());
  return bytesBeside(std::move(seen), graph, params);
}

uint64_t fewestBytes(const CompressPlan &plan, const std::vector<WeightScheme> &candidates) {
  uint64_t sum = plan.otherBytes;
  for (const PlannedWeight &w : plan.weights) {
    auto fewest = int64_t(w.chosenByBudget() ? w.bytesBefore : w.bytesAfter);
    if (w.chosenByBudget())
      for (const WeightScheme &c : candidates)
        fewest = std::min(fewest, compress::storedBytes(c, w.rows, w.cols, int64_t(w.bytesBefore)));
    sum += uint64_t(fewest);
  }
  return sum;
}

Status checkBudget(const CompressPlan &plan, const std::vector<WeightScheme> &candidates,
                   uint64_t budget) {
  if (uint64_t least = fewestBytes(plan, candidates); budget < least)
    return Error::at("budget", "out of reach of the candidates", "at least " + bytesText(least),
                     bytesText(budget));
  return Status::ok();
}

bool canProbe(const std::vector<PlannedWeight> &weights) {
  uint64_t dense = 0;
  for (const PlannedWeight &w : weights)
    dense += 4 * uint64_t(w.rows) * uint64_t(w.cols);
  return dense < systemMemory().total / 2;
}

/// What is in memory at once for one weight.
static uint64_t bytesInWork(const PlannedWeight &w, bool statistics) {
  if (!statistics && compress::roundsPlainly(w.scheme))
    return 2 * w.bytesBefore;    // from file to file
  constexpr uint64_t Codes = 16; // the weight, its target, codes, what is left to make good
  constexpr uint64_t Pair = 40;  // in f64: the weight, whitened, for LAPACK, and its factors
  return uint64_t(w.rows) * uint64_t(w.cols) * (w.scheme.removed > 0 ? Pair : Codes);
}

/// Close enough to say what fits and whether to wait: within a tenth of the memory that `svd20` and
/// a budget of SmolLM2-135M took.
static void estimate(CompressPlan &plan, const CompressOptions &options, int64_t width,
                     bool decoder) {
  constexpr uint64_t Program = uint64_t(135) << 20;
  constexpr double FlopsPerThread = 20e9, ProbeTokens = 256;
  const Recipe &recipe = options.recipe;
  bool statistics =
      options.calibration || (options.selfText && decoder && recipe.wantsCalibration());
  double tokens = statistics ? double(recipe.tokens) : 0;
  if (options.calibration) // a token takes a byte at least
    tokens = std::min(tokens, double(options.calibration->text.size()));
  double flops = 0;
  uint64_t largest = 0, work = 0, weights = 0;
  for (const PlannedWeight &w : plan.weights) {
    double m = double(w.rows), n = double(w.cols);
    largest = std::max(largest, uint64_t(w.rows) * uint64_t(w.cols));
    if (!w.scheme.keep())
      work = std::max(work, bytesInWork(w, statistics));
    weights += uint64_t(w.rows) * uint64_t(w.cols);
    if (w.table)
      continue;
    flops += tokens * (3 * m * n + 2 * n * n / 3);
    if (!w.scheme.keep() && tokens > 0)
      flops += 3 * m * n * n + 2 * n * n * n;
    if (recipe.hasBudget())
      flops += double(recipe.candidates.size()) * (6 * m * n * n + 2 * n * n * n);
    if (w.scheme.residualRank > 0 || w.scheme.removed > 0)
      flops += 20 * std::min(m, n) * m * n;
    if (compress::allotsRanks(w.scheme)) // once more for the spectra
      flops += tokens * (2 * m * n + 2 * n * n / 3) + 20 * std::min(m, n) * m * n;
  }
  if (statistics) { // hidden states, with those of the original model beside them
    uint64_t streams = recipe.sequential && decoder ? 2 : 1;
    work += streams * uint64_t(tokens) * uint64_t(width) * 4;
    plan.mappedBytes = plan.bytesBefore;
  }
  if (recipe.hasBudget() && canProbe(plan.weights)) {
    work += 4 * weights;
    // A probe runs what comes behind its weight: half of the model on average.
    flops += double(plan.weights.size()) * ProbeTokens * double(weights);
  }
  // Figures at the end need the heads of both models.
  if (options.evaluationChunks > 0 && decoder && (options.evaluation || statistics))
    work = std::max(work, 12 * largest);
  plan.peakBytes = Program + plan.mappedBytes + work;
  plan.seconds = flops / (FlopsPerThread * ThreadPool::global().size()) + 4 * double(weights) / 1e9;
}

/// Tables alone are looked up in: their elements, with those of norms and biases, are
/// parameters too.
static uint64_t parameterCount(ModuleOp graph, const std::vector<PlannedWeight> &weights) {
  uint64_t count = 0;
  for (const PlannedWeight &w : weights)
    count += uint64_t(w.rows) * uint64_t(w.cols);
  fin::WeightAnalysis analysis;
  llvm::DenseSet<Value> seen;
  func::FuncOp forward = forwardOf(graph);
  llvm::DenseSet<Value> known;
  for (const fin::LinearWeight &w : fin::linearWeights(forward))
    known.insert(w.weight);
  forward.walk([&](Operation *op) {
    if (op->getNumResults() > 0 && analysis.isWeight(op->getResult(0)))
      return;
    for (Value v : op->getOperands())
      if (analysis.isWeight(v) && !known.contains(v) && seen.insert(v).second)
        if (auto type = dyn_cast<RankedTensorType>(v.getType());
            type && !fin::weightParams(v).empty())
          count += uint64_t(type.getNumElements());
  });
  return count;
}

Result<CompressPlan> planGraph(ModuleOp graph, const ParamStore &params,
                               const CompressOptions &options, bool decoder) {
  auto weights = planWeights(forwardOf(graph), params, options.recipe);
  if (!weights)
    return weights.takeError();
  CompressPlan plan;
  plan.weights = std::move(*weights);
  plan.bytesBefore = storedParameterBytes(graph, params);
  plan.parameters = parameterCount(graph, plan.weights);
  plan.otherBytes = otherBytes(graph, params);
  int64_t width = 0;
  for (const PlannedWeight &w : plan.weights) {
    plan.bytesAfter += w.bytesAfter;
    width = std::max(width, std::min(w.rows, w.cols));
  }
  plan.bytesAfter += plan.otherBytes;
  estimate(plan, options, width, decoder);
  return plan;
}

/// What rewrites of the residual stream's basis cost: kept weights become dense, and a head that is
/// tied to the token table one of its own. What they save by leaving out is seen later.
static void addRewrites(CompressPlan &plan, func::FuncOp forward, const Recipe &recipe) {
  if (!recipe.rotate && recipe.slice == 0)
    return;
  llvm::StringSet<> tied;
  for (const fin::LinearWeight &w : fin::linearWeights(forward))
    if (w.embedding && isOutputHead(w))
      tied.insert(w.name);
  plan.bytesAfter = 0;
  for (PlannedWeight &w : plan.weights) {
    uint64_t dense = 4 * uint64_t(w.rows) * uint64_t(w.cols);
    if (w.scheme.keep())
      w.bytesAfter = dense;
    plan.bytesAfter += w.bytesAfter;
    if (!tied.count(w.name))
      continue;
    uint64_t least = w.bytesAfter;
    if (w.chosenByBudget())
      for (const WeightScheme &c : recipe.candidates)
        least = std::min(least, uint64_t(compress::storedBytes(c, w.rows, w.cols, int64_t(dense))));
    plan.otherBytes += least;
  }
  plan.bytesAfter += plan.otherBytes;
}

Result<CompressPlan> planCompression(Model &model, const CompressOptions &options) {
  bool statistics = options.calibration || (options.selfText && model.isDecoder());
  if (!statistics && options.recipe.hasBudget())
    return Error::at("budget", "needs statistics of inputs", "--calib FILE", "none");
  const ParamStore &params = *model.imported().params;
  Result<CompressPlan> plan = planGraph(model.graph(), params, options, model.isDecoder());
  if (!plan)
    return plan;
  const Recipe &recipe = options.recipe;
  addRewrites(*plan, forwardOf(model.graph()), recipe);
  bool fewer = recipe.dropLayers > 0 || recipe.slice > 0; // weights, or smaller ones: seen later
  if (std::optional<uint64_t> budget = recipe.budgetBytes(plan->parameters)) {
    if (Status s = checkBudget(*plan, recipe.candidates, *budget); !s && !fewer)
      return s.takeError();
    plan->bytesAfter = std::min(*budget, plan->bytesBefore);
  }
  uint64_t needed = plan->peakBytes - plan->mappedBytes; // the system takes those back
  if (uint64_t available = systemMemory().available; needed > available)
    return Error::at("memory", "too little", bytesText(needed) + " for this recipe",
                     bytesText(available) + " available");
  if (!options.output.empty()) {
    std::filesystem::path directory = std::filesystem::absolute(options.output).parent_path();
    struct statvfs disk{};
    uint64_t written = 2 * plan->bytesAfter;
    if (::statvfs(directory.c_str(), &disk) == 0 &&
        uint64_t(disk.f_bavail) * uint64_t(disk.f_frsize) < written)
      return Error::at(escaped(directory.string(), 1000), "too little disk space",
                       bytesText(written),
                       bytesText(uint64_t(disk.f_bavail) * uint64_t(disk.f_frsize)));
  }
  return plan;
}

} // namespace fingpt
