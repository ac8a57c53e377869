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
  Status allocateRanks(const WeightScheme &parsed);
  void runOnOperation() override {
    if (Status s = run(); !s) {
      emitError(getOperation().getLoc(), s.error().message());
      signalPassFailure();
    }
  }
  llvm::StringMap<double> removedOf; ///< by weight, with `allocate`
};
} // namespace

/// "model.layers.7.mlp.up_proj.weight" without its number: matrices of one type.
static std::string typeOf(StringRef name) {
  SmallVector<StringRef> parts;
  name.split(parts, '.');
  std::string type;
  for (StringRef part : parts)
    if (part.empty() || !llvm::all_of(part, llvm::isDigit))
      type += "." + part.str();
  return type;
}

/// Ranks from the spectra of the whitened weights (SVD-LLM v2), as shares removed.
Status Factorize::allocateRanks(const WeightScheme &parsed) {
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
  std::map<std::string, int> types;
  for (func::FuncOp function : getOperation().getOps<func::FuncOp>())
    for (LinearWeight &w : linearWeights(function)) {
      if (w.embedding || !filter->matches(w.name))
        continue;
      Result<DenseWeight> dense = denseWeight(w.weight, **params);
      if (!dense)
        return dense.takeError();
      Whitener whitener = Whitener::identity(w.cols());
      if (statistics) {
        Result<Gram> gram = statistics->gram(w.name);
        if (!gram)
          return gram.takeError();
        for (int64_t i = 0; i < gram->columns(); ++i)
          for (int64_t j = i; j < gram->columns(); ++j)
            gram->h(i, j) /= double(std::max<int64_t>(1, gram->samples));
        Result<Whitener> white = whitenerOf(*gram, parsed.truncation);
        if (!white)
          return white.error().in(w.name);
        whitener = std::move(*white);
      }
      Result<std::vector<double>> sigma = whitenedSpectrum(Matrix<double>(dense->view()), whitener);
      if (!sigma)
        return sigma.error().in(w.name);
      int type = types.try_emplace(typeOf(w.name), int(types.size())).first->second;
      spectra.push_back({w.rows(), w.cols(), std::move(*sigma), type});
      names.push_back(w.name);
    }
  std::vector<int64_t> ranks = compress::allocateRanks(spectra, 1 - parsed.removed);
  for (size_t i = 0; i < names.size(); ++i) {
    double parameters = double(ranks[i]) * double(spectra[i].rows + spectra[i].cols);
    removedOf[names[i]] = 1 - parameters / (double(spectra[i].rows) * double(spectra[i].cols));
  }
  return Status::ok();
}

Status Factorize::run() {
  Result<WeightScheme> parsed = parseWeightScheme(scheme);
  if (!parsed)
    return parsed.takeError();
  if (parsed->codes || parsed->keep())
    return Error::at("scheme " + quote(scheme), "is no low-rank pair", "such as svd25",
                     "a quantization (fin-quantize-weights)");
  if (allocate)
    if (Status s = allocateRanks(*parsed); !s)
      return s;
  auto counts =
      rewriteWeights(getOperation(), {stats, only, skip, false, false}, [&](const LinearWeight &w) {
        WeightScheme mine = *parsed;
        if (auto it = removedOf.find(w.name); it != removedOf.end())
          mine.removed = std::max(it->second - 1e-9, 1e-9);
        return mine;
      });
  if (!counts)
    return counts.takeError();
  numFactorized += counts->weights;
  bytesBefore += counts->bytesBefore;
  bytesAfter += counts->bytesAfter;
  return Status::ok();
}
