#include "RewriteWeights.h"

#include "fingpt/Dialect/Fin/Utils/BuildWeight.h"
#include "fingpt/Dialect/Fin/Utils/ModelParams.h"

using namespace mlir;
using namespace fingpt::compress;

namespace fingpt::fin {

namespace {

class Rewriter {
public:
  Rewriter(ParamStore &params, const Statistics *stats) : params(params), stats(stats) {}
  Status group(std::vector<LinearWeight> &weights, const std::vector<WeightScheme> &schemes);
  Status factors(LinearWeight &weight, const WeightScheme &scheme);
  RewriteCounts counts;

private:
  Status one(Value weight, const std::string &name, const Gram *gram, const WeightScheme &scheme);
  Status replace(Value weight, const std::string &name, const CompressedWeight &compressed);

  ParamStore &params;
  const Statistics *stats;
};

} // namespace

Status Rewriter::replace(Value weight, const std::string &name,
                         const CompressedWeight &compressed) {
  if (compressed.kept())
    return Status::ok();
  Result<uint64_t> before = storedBytes(weight, params);
  if (!before)
    return before.takeError();
  OpBuilder b(weight.getContext());
  b.setInsertionPointAfterValue(weight);
  Result<Value> built = buildWeight(b, weight.getLoc(), cast<RankedTensorType>(weight.getType()),
                                    name, compressed, params);
  if (!built)
    return built.takeError();
  weight.replaceAllUsesWith(*built);
  ++counts.weights;
  counts.bytesBefore += *before;
  counts.bytesAfter += uint64_t(compressed.storedBytes());
  return Status::ok();
}

Status Rewriter::one(Value weight, const std::string &name, const Gram *gram,
                     const WeightScheme &scheme) {
  Result<DenseWeight> dense = denseWeight(weight, params);
  Result<uint64_t> now = storedBytes(weight, params);
  if (!dense)
    return dense.takeError();
  if (!now)
    return now.takeError();
  auto compressed = compressWeight({name, dense->view(), gram, int64_t(*now)}, scheme);
  if (!compressed)
    return compressed.takeError();
  return replace(weight, name, *compressed);
}

/// b·a: a sees the inputs, b sees x·aᵀ.
Status Rewriter::factors(LinearWeight &weight, const WeightScheme &scheme) {
  auto pair = weight.weight.getDefiningOp<LowRankOp>();
  std::optional<Gram> gram, inner;
  if (stats && !weight.users.empty()) {
    Result<Gram> found = stats->gram(weight.name);
    Result<DenseWeight> a = denseWeight(pair.getA(), params);
    if (!found)
      return found.takeError();
    if (!a)
      return a.takeError();
    gram = std::move(*found);
    if (a->view().cols != gram->columns())
      return Error::at(weight.name, "statistics", std::to_string(a->view().cols) + " inputs",
                       std::to_string(gram->columns()));
    Matrix<double> wide(a->view());
    inner.emplace();
    inner->h = product(timesSymmetric(wide, gram->h), wide, Transpose::No, Transpose::Yes);
    inner->samples = gram->samples;
    for (int64_t i = 0; i < inner->h.rows(); ++i) // E|z| ≤ √E z²: a stand-in of the right scale
      inner->sumAbs.push_back(std::sqrt(inner->h(i, i) * double(gram->samples)));
    inner->maxAbs.assign(size_t(inner->h.rows()), 0);
  }
  if (Status s = one(pair.getA(), weightName(pair.getA()), gram ? &*gram : nullptr, scheme); !s)
    return s;
  return one(pair.getB(), weightName(pair.getB()), inner ? &*inner : nullptr, scheme);
}

/// Weights that read one input.
Status Rewriter::group(std::vector<LinearWeight> &weights,
                       const std::vector<WeightScheme> &schemes) {
  std::optional<Gram> gram;
  if (stats && !weights.front().users.empty()) {
    Result<Gram> found = stats->gram(weights.front().name);
    if (!found)
      return found.takeError();
    gram = std::move(*found);
    if (weights.front().embedding)
      gram->addLookups();
  }
  std::vector<DenseWeight> dense;
  std::vector<WeightProblem> problems;
  for (LinearWeight &w : weights) {
    Result<DenseWeight> values = denseWeight(w.weight, params);
    Result<uint64_t> now = storedBytes(w.weight, params);
    if (!values)
      return values.takeError();
    if (!now)
      return now.takeError();
    dense.push_back(std::move(*values));
    problems.push_back({w.name, {}, gram ? &*gram : nullptr, int64_t(*now)});
  }
  for (size_t i = 0; i < dense.size(); ++i)
    problems[i].w = dense[i].view();
  auto compressed = compressGroup(problems, schemes);
  if (!compressed)
    return compressed.takeError();
  for (size_t i = 0; i < weights.size(); ++i)
    if (Status s = replace(weights[i].weight, weights[i].name, (*compressed)[i]); !s)
      return s;
  return Status::ok();
}

Result<RewriteCounts>
rewriteWeights(ModuleOp module, const RewriteOptions &options,
               llvm::function_ref<WeightScheme(const LinearWeight &)> schemeOf) {
  Result<std::shared_ptr<ParamStore>> params = modelParams(module);
  if (!params)
    return params.takeError();
  Result<NameFilter> filter = NameFilter::parse(options.only, options.skip);
  if (!filter)
    return filter.takeError();
  std::optional<Statistics> stats;
  if (!options.stats.empty()) {
    Result<Statistics> opened = Statistics::open(options.stats);
    if (!opened)
      return opened.takeError();
    stats = std::move(*opened);
  }
  Rewriter rewriter(**params, stats ? &*stats : nullptr);
  for (func::FuncOp function : module.getOps<func::FuncOp>()) {
    std::vector<LinearWeight> chosen;
    for (LinearWeight &w : linearWeights(function))
      if ((!w.embedding || options.embeddings) && filter->matches(w.name) &&
          cast<RankedTensorType>(w.weight.getType()).getElementType().isF32())
        chosen.push_back(std::move(w));
    for (size_t begin = 0; begin < chosen.size();) {
      LinearWeight &first = chosen[begin];
      if (options.factors && first.weight.getDefiningOp<LowRankOp>()) {
        if (Status s = rewriter.factors(first, schemeOf(first)); !s)
          return s.takeError();
        ++begin;
        continue;
      }
      // Those after it that read the same value.
      size_t end = begin + 1;
      auto input = [](LinearWeight &w) {
        return w.users.empty() ? Value() : w.users[0].getInput();
      };
      while (end < chosen.size() && input(first) && input(chosen[end]) == input(first) &&
             !(options.factors && chosen[end].weight.getDefiningOp<LowRankOp>()))
        ++end;
      std::vector<LinearWeight> group(chosen.begin() + long(begin), chosen.begin() + long(end));
      std::vector<WeightScheme> schemes;
      for (LinearWeight &w : group)
        schemes.push_back(schemeOf(w));
      if (Status s = rewriter.group(group, schemes); !s)
        return s.takeError();
      begin = end;
    }
    eraseDeadWeights(function);
  }
  return rewriter.counts;
}

} // namespace fingpt::fin
