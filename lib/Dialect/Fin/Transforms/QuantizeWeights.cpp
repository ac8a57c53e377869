#include "RewriteWeights.h"

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINQUANTIZEWEIGHTS
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt;
using namespace fingpt::fin;

namespace {
struct QuantizeWeights final : fingpt::fin::impl::FinQuantizeWeightsBase<QuantizeWeights> {
  using FinQuantizeWeightsBase::FinQuantizeWeightsBase;
  Status run();
  void runOnOperation() override {
    if (Status s = run(); !s) {
      emitError(getOperation().getLoc(), s.error().message());
      signalPassFailure();
    }
  }
};
} // namespace

Status QuantizeWeights::run() {
  Result<compress::WeightScheme> parsed = compress::parseWeightScheme(scheme);
  if (!parsed)
    return parsed.takeError();
  if (!parsed->codes)
    return Error::at("scheme " + quote(scheme), "is no quantization", "such as w4g64 or nf4",
                     "a low-rank pair (fin-factorize)");
  auto counts = rewriteWeights(getOperation(), {stats, only, skip, embeddings, /*factors=*/true},
                               [&](const LinearWeight &) { return *parsed; });
  if (!counts)
    return counts.takeError();
  numQuantized += counts->weights;
  bytesBefore += counts->bytesBefore;
  bytesAfter += counts->bytesAfter;
  return Status::ok();
}
