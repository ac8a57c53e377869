// Lets LLVM reassociate sums whose extent is static. See Passes.td.

#include "fingpt/Dialect/Fin/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINRELAXREDUCTIONS
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;

namespace {
struct RelaxReductions final : fingpt::fin::impl::FinRelaxReductionsBase<RelaxReductions> {
  void runOnOperation() override;
};
} // namespace

void RelaxReductions::runOnOperation() {
  getOperation()->walk([](linalg::GenericOp op) {
    if (op.getNumReductionLoops() == 0 || op.getNumDpsInits() != 1)
      return;
    SmallVector<int64_t> ranges = op.getStaticLoopRanges();
    for (auto [kind, extent] : llvm::zip(op.getIteratorTypesArray(), ranges))
      if (kind == utils::IteratorType::reduction && ShapedType::isDynamic(extent))
        return;
    Value running = op.getRegionOutputArgs().front();
    auto sum = op.getBody()->getTerminator()->getOperand(0).getDefiningOp<arith::AddFOp>();
    if (!sum || (sum.getLhs() != running && sum.getRhs() != running))
      return;
    auto flags = arith::FastMathFlags::reassoc | arith::FastMathFlags::contract;
    sum.setFastmath(sum.getFastmath() | flags);
    Value term = sum.getLhs() == running ? sum.getRhs() : sum.getLhs();
    if (auto product = term.getDefiningOp<arith::MulFOp>())
      product.setFastmath(product.getFastmath() | arith::FastMathFlags::contract);
  });
}
