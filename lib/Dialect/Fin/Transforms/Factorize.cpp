#include "RewriteWeights.h"

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Dialect/Fin/Utils/ModelParams.h"

#include "llvm/ADT/StringMap.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINFACTORIZE
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt;
using namespace fingpt::compress;
using namespace fingpt::fin;

namespace {
struct Factorize final : fingpt::fin::impl::FinFactorizeBase<Factorize> {
  using FinFactorizeBase::FinFactorizeBase;
  Status run();
  Status chooseRanks(const WeightScheme &parsed);
  void runOnOperation() override {
    if (Status s = run(); !s) {
      emitError(getOperation().getLoc(), s.error().message());
      signalPassFailure();
    }
  }
  llvm::StringMap<WeightScheme> schemes; ///< by weight, if ranks are allotted
};
} // namespace

/// Ranks from the spectra of the whitened weights (SVD-LLM v2).
Status Factorize::chooseRanks(const WeightScheme &parsed) {
  Result<std::shared_ptr<ParamStore>> params = modelParams(getOperation());
  Result<NameFilter> filter = NameFilter::parse(only, skip);
  if (!params)
    return params.takeError();
  if (!filter)
    return filter.takeError();
  std::optional<Statistics> statistics;
  if (!stats.empty()) {
    Result<Statistics> opened = Statistics::open(stats);
    if (!opened)
      return opened.takeError();
    statistics = std::move(*opened);
  }
  std::vector<Spectrum> spectra;
  std::vector<std::string> names;
  for (func::FuncOp function : getOperation().getOps<func::FuncOp>())
    for (LinearWeight &w : linearWeights(function)) {
      if (w.embedding || !filter->matches(w.name) ||
          !cast<RankedTensorType>(w.weight.getType()).getElementType().isF32())
        continue;
      Result<uint64_t> now = storedBytes(w.weight, **params);
      if (!now)
        return now.takeError();
      if (!pairPays(parsed, w.rows(), w.cols(), int64_t(*now)))
        continue;
      Result<DenseWeight> dense = denseWeight(w.weight, **params);
      if (!dense)
        return dense.takeError();
      std::optional<Gram> gram;
      if (statistics) {
        Result<Gram> found = statistics->gram(w.name);
        if (!found)
          return found.takeError();
        gram = std::move(*found);
      }
      Result<Spectrum> spectrum =
          spectrumOf({w.name, dense->view(), gram ? &*gram : nullptr}, parsed);
      if (!spectrum)
        return spectrum.takeError();
      spectrum->type = kindOfName(w.name);
      spectra.push_back(std::move(*spectrum));
      names.push_back(w.name);
    }
  std::vector<WeightScheme> chosen = allotRanks(spectra, parsed);
  for (size_t i = 0; i < names.size(); ++i)
    schemes[names[i]] = chosen[i];
  return Status::ok();
}

Status Factorize::run() {
  Result<WeightScheme> parsed = parseWeightScheme(scheme);
  if (!parsed)
    return parsed.takeError();
  if (parsed->codes || parsed->keep())
    return Error::at("scheme " + quote(scheme), "is no low-rank pair", "such as svd25",
                     "a quantization (fin-quantize-weights)");
  if (allotsRanks(*parsed))
    if (Status s = chooseRanks(*parsed); !s)
      return s;
  auto counts =
      rewriteWeights(getOperation(), {stats, only, skip, false, false}, [&](const LinearWeight &w) {
        auto mine = schemes.find(w.name);
        return mine == schemes.end() ? *parsed : mine->second;
      });
  if (!counts)
    return counts.takeError();
  numFactorized += counts->weights;
  bytesBefore += counts->bytesBefore;
  bytesAfter += counts->bytesAfter;
  return Status::ok();
}
