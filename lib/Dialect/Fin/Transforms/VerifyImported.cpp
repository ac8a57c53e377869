// The contract between importers and everything after them. See Passes.td.

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Dialect/Fin/Utils/Taps.h"

#include "llvm/ADT/StringMap.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINVERIFYIMPORTED
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt::fin;

namespace {
struct VerifyImported final : fingpt::fin::impl::FinVerifyImportedBase<VerifyImported> {
  void runOnOperation() override;
};
} // namespace

static LogicalResult verifySignature(func::FuncOp forward) {
  auto tokens = forward.getNumArguments() > 0
                    ? dyn_cast<RankedTensorType>(forward.getArgument(0).getType())
                    : RankedTensorType();
  if (!tokens || tokens.getRank() != 2 || !tokens.getElementType().isInteger(32))
    return forward.emitError("the first argument of @forward must be tokens, tensor<?x?xi32>");
  auto result = forward.getNumResults() > 0
                    ? dyn_cast<RankedTensorType>(forward.getResultTypes()[0])
                    : RankedTensorType();
  if (!result || result.getRank() != 3 || !isa<FloatType>(result.getElementType()) ||
      ShapedType::isDynamic(result.getShape()[2]))
    return forward.emitError(
        "@forward must return one float tensor [batch, tokens, width] of static width");
  for (unsigned i = 1; i < forward.getNumResults(); ++i)
    if (!forward.getResultAttr(i, kTapAttr))
      return forward.emitError("@forward must return one tensor and taps: result ")
             << i << " has no attribute " << kTapAttr;
  return success();
}

void VerifyImported::runOnOperation() {
  ModuleOp module = getOperation();
  auto fail = [&] { signalPassFailure(); };
  if (!module->getAttrOfType<ModelAttr>("fin.model")) {
    module.emitError("an imported module needs the attribute fin.model");
    return fail();
  }
  auto forward = module.lookupSymbol<func::FuncOp>("forward");
  if (!forward || forward.isExternal() || !forward.isPublic()) {
    module.emitError("an imported module needs a public function @forward");
    return fail();
  }
  if (failed(verifySignature(forward)))
    return fail();
  llvm::StringMap<ParamOp> byKey;
  WalkResult result = module.walk([&](Operation *op) {
    if (!isa_and_nonnull<FinDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect,
                         tensor::TensorDialect, linalg::LinalgDialect, BuiltinDialect>(
            op->getDialect())) {
      op->emitOpError("may not stand in an imported graph: expected an op of fin, arith, math, "
                      "tensor, linalg or func");
      return WalkResult::interrupt();
    }
    if (auto param = dyn_cast<ParamOp>(op)) {
      auto [entry, isNew] = byKey.try_emplace(param.getKey(), param);
      if (!isNew && entry->second.getType() != param.getType()) {
        param.emitOpError() << "key \"" << param.getKey() << "\" has type " << param.getType()
                            << " here and " << entry->second.getType() << " elsewhere";
        return WalkResult::interrupt();
      }
    }
    return WalkResult::advance();
  });
  if (result.wasInterrupted())
    fail();
}
