// Polynomials for exp, tanh and erf in f32, on upstream's patterns. See Passes.td.

#include "fingpt/Dialect/FinKernel/Transforms/Passes.h"

#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace fingpt::fin_kernel {
#define GEN_PASS_DEF_FINAPPROXIMATEMATH
#include "fingpt/Dialect/FinKernel/Transforms/Passes.h.inc"
} // namespace fingpt::fin_kernel

using namespace mlir;

namespace {
struct ApproximateMath final : fingpt::fin_kernel::impl::FinApproximateMathBase<ApproximateMath> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateMathPolynomialApproximationPatterns(patterns, [](StringRef name) {
      return name == math::ExpOp::getOperationName() || name == math::TanhOp::getOperationName() ||
             name == math::ErfOp::getOperationName();
    });
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
