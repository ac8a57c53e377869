// f32 linear layers, attention and what a quantized cache needs become fin_kernel ops. See
// Passes.td.

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
    Value key = op.getKey(), value = op.getValue();
    int64_t bits = 0, group = 0;
    auto keyRows = key.getDefiningOp<DequantizeRowsOp>();
    auto valueRows = value.getDefiningOp<DequantizeRowsOp>();
    int64_t keyDim = cast<RankedTensorType>(op.getQuery().getType()).getShape()[2] / op.getHeads();
    int64_t valueDim = type.getShape()[2] / op.getHeads();
    if (keyRows && valueRows && keyRows.getBits() == valueRows.getBits() &&
        keyRows.getGroupSize() == valueRows.getGroupSize() &&
        keyDim % keyRows.getGroupSize() == 0 && valueDim % keyRows.getGroupSize() == 0) {
      key = keyRows.getInput();
      value = valueRows.getInput();
      bits = keyRows.getBits();
      group = keyRows.getGroupSize();
    }
    Value out = destination(rewriter, op.getLoc(), op.getQuery(), type);
    rewriter.replaceOpWithNewOp<fingpt::fin_kernel::AttentionOp>(
        op, TypeRange(type), op.getQuery(), key, value, op.getPositions(), op.getLengths(),
        op.getMask(), op.getSinks(), out, op.getHeads(), op.getKvHeads(), op.getCausal(),
        op.getWindow().value_or(0),
        llvm::APFloat(op.getSoftCap() ? op.getSoftCap()->convertToDouble() : 0.0), op.getScale(),
        bits, group);
    for (DequantizeRowsOp rows : {keyRows, valueRows})
      if (bits && rows->use_empty())
        rewriter.eraseOp(rows);
    return success();
  }
};

struct UseHadamard final : OpRewritePattern<HadamardOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(HadamardOp op, PatternRewriter &rewriter) const override {
    auto type = cast<RankedTensorType>(op.getType());
    if (!type.getElementType().isF32() || type.isDynamicDim(type.getRank() - 1))
      return rewriter.notifyMatchFailure(op, "the kernel takes f32 and static widths");
    Value out = destination(rewriter, op.getLoc(), op.getInput(), type);
    rewriter.replaceOpWithNewOp<fingpt::fin_kernel::HadamardOp>(op, TypeRange(type), op.getInput(),
                                                                op.getSigns(), out, op.getSize());
    return success();
  }
};

struct UseQuantizeRows final : OpRewritePattern<QuantizeRowsOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(QuantizeRowsOp op, PatternRewriter &rewriter) const override {
    if (!getElementTypeOrSelf(op.getInput()).isF32())
      return rewriter.notifyMatchFailure(op, "the kernel takes f32");
    auto type = cast<RankedTensorType>(op.getType());
    Value out = destination(rewriter, op.getLoc(), op.getInput(), type);
    rewriter.replaceOpWithNewOp<fingpt::fin_kernel::QuantizeRowsOp>(
        op, TypeRange(type), op.getInput(), out, op.getBits(), op.getGroupSize());
    return success();
  }
};

} // namespace

void UseKernels::runOnOperation() {
  RewritePatternSet patterns(&getContext());
  patterns.add<UseLinear, UseAttention, UseHadamard, UseQuantizeRows>(&getContext());
  walkAndApplyPatterns(getOperation(), std::move(patterns));
}
