// What calibration reads becomes results of @forward. See Passes.td.

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Dialect/Fin/Utils/ResidualStream.h"
#include "fingpt/Dialect/Fin/Utils/Taps.h"

#include "llvm/ADT/MapVector.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINOBSERVE
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt;
using namespace fingpt::fin;

namespace {

/// Values to return, with the names under which statistics know them.
using Observed = llvm::MapVector<Value, SmallVector<std::string>>;

struct Observe final : fingpt::fin::impl::FinObserveBase<Observe> {
  using FinObserveBase::FinObserveBase;
  void runOnOperation() override;
  LogicalResult check(func::FuncOp forward);
  LogicalResult observeLinears(func::FuncOp forward, const NameFilter &filter, Observed &observed);
  void observeResiduals(func::FuncOp forward, Observed &observed);
};

} // namespace

/// Results can be added to the function.
LogicalResult Observe::check(func::FuncOp forward) {
  if (!forward.getBody().hasOneBlock() || forward.getNumResults() == 0)
    return forward.emitError("'fin-observe': @forward must be one block that returns a tensor");
  for (unsigned i = 0; i < forward.getNumResults(); ++i)
    if (forward.getResultAttr(i, kTapAttr))
      return forward.emitError("'fin-observe': @forward has taps already: result ") << i;
  if (auto uses = SymbolTable::getSymbolUses(forward, getOperation()); !uses || !uses->empty()) {
    InFlightDiagnostic error =
        forward.emitError("'fin-observe': @forward is called, and would return more");
    if (uses)
      error.attachNote(uses->begin()->getUser()->getLoc()) << "here";
    return error;
  }
  return success();
}

LogicalResult Observe::observeLinears(func::FuncOp forward, const NameFilter &filter,
                                      Observed &observed) {
  for (Tap &tap : linearTaps(forward)) {
    SmallVector<std::string> names;
    for (const LinearWeight &w : tap.weights)
      if (filter.matches(w.name))
        names.push_back(w.name);
    if (names.empty())
      continue;
    if (tap.input.getParentRegion() != &forward.getBody())
      return tap.weights.front().users.front().emitError()
             << "'fin-observe': the input of " << quote(names.front())
             << " exists inside a region only and cannot be returned";
    observed[tap.input] = std::move(names);
    ++numTaps;
  }
  return success();
}

void Observe::observeResiduals(func::FuncOp forward, Observed &observed) {
  std::vector<Piece> pieces = residualPieces(forward);
  for (size_t i = 0; i + 1 < pieces.size(); ++i) {
    observed[pieces[i].out].push_back("residual." + std::to_string(i));
    ++numPoints;
  }
}

void Observe::runOnOperation() {
  ModuleOp module = getOperation();
  FailureOr<func::FuncOp> forward = forwardAlone(module, "fin-observe");
  if (failed(forward) || failed(check(*forward)))
    return signalPassFailure();
  Result<NameFilter> filter = NameFilter::parse(only, skip);
  if (!filter) {
    emitError(module.getLoc()) << "'fin-observe': " << filter.error().message();
    return signalPassFailure();
  }
  Observed observed;
  if (failed(observeLinears(*forward, *filter, observed)))
    return signalPassFailure();
  if (residual)
    observeResiduals(*forward, observed);
  Builder b(&getContext());
  Operation *ret = forward->getBody().front().getTerminator();
  for (auto &[value, names] : observed) {
    SmallVector<StringRef> texts(names.begin(), names.end());
    NamedAttribute tap = b.getNamedAttr(kTapAttr, b.getStrArrayAttr(texts));
    if (failed(forward->insertResult(forward->getNumResults(), value.getType(),
                                     b.getDictionaryAttr(tap))))
      return signalPassFailure();
    ret->insertOperands(ret->getNumOperands(), value);
  }
}
