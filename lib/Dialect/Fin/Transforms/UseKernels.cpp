// f32 linear layers and attention become fin_kernel ops. See Passes.td.

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Dialect/FinKernel/IR/FinKernel.h"

#include "mlir/Transforms/WalkPatternRewriteDriver.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINUSEKERNELS
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt::fin;

namespace {

struct UseKernels final : fingpt::fin::impl::FinUseKernelsBase<UseKernels> {
  void runOnOperation() override;
};

Value destination(RewriterBase &rewriter, Location loc, Value like, RankedTensorType type) {
  SmallVector<OpFoldResult> sizes = tensor::getMixedSizes(rewriter, loc, like);
  sizes.back() = rewriter.getIndexAttr(type.getShape().back());
  return tensor::EmptyOp::create(rewriter, loc, sizes, type.getElementType());
}

struct UseLinear final : OpRewritePattern<LinearOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(LinearOp op, PatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getType());
    auto weight = cast<RankedTensorType>(op.getWeight().getType());
    if (!type.getElementType().isF32() || !weight.hasStaticShape() ||
        cast<RankedTensorType>(op.getInput().getType()).getShape().back() != weight.getShape()[1])
      return rewriter.notifyMatchFailure(op, "the kernel takes f32 and static widths");
    Value out = destination(rewriter, op.getLoc(), op.getInput(), type);
    rewriter.replaceOpWithNewOp<fingpt::fin_kernel::LinearOp>(op, TypeRange(type), op.getInput(),
                                                              op.getWeight(), op.getBias(), out);
    return success();
  }
};

struct UseAttention final : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op, PatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getType());
    auto isF32 = [](Value v) { return !v || getElementTypeOrSelf(v).isF32(); };
    if (!type.getElementType().isF32() || !isF32(op.getMask()) || !isF32(op.getSinks()))
      return rewriter.notifyMatchFailure(op, "the kernel takes f32");
    Value out = destination(rewriter, op.getLoc(), op.getQuery(), type);
    rewriter.replaceOpWithNewOp<fingpt::fin_kernel::AttentionOp>(
        op, TypeRange(type), op.getQuery(), op.getKey(), op.getValue(), op.getPositions(),
        op.getLengths(), op.getMask(), op.getSinks(), out, op.getHeads(), op.getKvHeads(),
        op.getCausal(), op.getWindow().value_or(0),
        llvm::APFloat(op.getSoftCap() ? op.getSoftCap()->convertToDouble() : 0.0), op.getScale());
    return success();
  }
};

} // namespace

void UseKernels::runOnOperation() {
  RewritePatternSet patterns(&getContext());
  patterns.add<UseLinear, UseAttention>(&getContext());
  walkAndApplyPatterns(getOperation(), std::move(patterns));
}
