// Keys and values of 8 or 4 bits: rounded where they are made, so that @forward computes what a
// quantized cache will.

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"

#include "llvm/Support/MathExtras.h"

#include <numeric>

namespace fingpt::fin {
#define GEN_PASS_DEF_FINQUANTIZEKV
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt::fin;

namespace {
struct QuantizeKV final : fingpt::fin::impl::FinQuantizeKVBase<QuantizeKV> {
  using FinQuantizeKVBase::FinQuantizeKVBase;
  void runOnOperation() override;
  LogicalResult quantize(AttentionOp op);
};
} // namespace

static int64_t widthOf(Value v) { return cast<RankedTensorType>(v.getType()).getShape()[2]; }

static bool isRotated(Value v, int64_t size) {
  auto op = v.getDefiningOp<HadamardOp>();
  return op && int64_t(op.getSize()) == size && !op.getSigns();
}

static Value hadamard(OpBuilder &b, Value v, int64_t size) {
  return HadamardOp::create(b, v.getLoc(), v.getType(), v, Value(), b.getI64IntegerAttr(size));
}

LogicalResult QuantizeKV::quantize(AttentionOp op) {
  OpBuilder b(op);
  auto kvHeads = int64_t(op.getKvHeads()), heads = int64_t(op.getHeads());
  int64_t keySize = widthOf(op.getKey()) / kvHeads, valueSize = widthOf(op.getValue()) / kvHeads;
  for (Value v : {op.getKey(), op.getValue()})
    if (v.getDefiningOp<DequantizeRowsOp>())
      return op.emitOpError("has quantized keys or values already");
  auto turns = [&](int64_t size) { return rotate && size > 1 && llvm::isPowerOf2_64(size); };
  // q·kᵀ does not see a rotation of both; values are turned back behind the attention.
  if (turns(keySize) && !isRotated(op.getKey(), keySize)) {
    op.getQueryMutable().assign(hadamard(b, op.getQuery(), keySize));
    op.getKeyMutable().assign(hadamard(b, op.getKey(), keySize));
  }
  if (turns(valueSize)) {
    op.getValueMutable().assign(hadamard(b, op.getValue(), valueSize));
    OpBuilder after(op->getContext());
    after.setInsertionPointAfter(op);
    Value back = hadamard(after, op.getResult(), widthOf(op.getResult()) / heads);
    op.getResult().replaceAllUsesExcept(back, back.getDefiningOp());
  }
  for (auto [operand, size] : {std::pair<OpOperand &, int64_t>{op.getKeyMutable(), keySize},
                               {op.getValueMutable(), valueSize}}) {
    int64_t group = std::gcd(int64_t(groupSize), size);
    if (bits == 4 && group % 2 != 0)
      return op.emitOpError() << "heads of " << size << " elements have no even group of at most "
                              << groupSize;
    Value v = operand.get();
    Value codes = QuantizeRowsOp::create(b, op.getLoc(), v, uint64_t(bits), uint64_t(group));
    operand.set(DequantizeRowsOp::create(b, op.getLoc(), v.getType(), codes, uint64_t(bits),
                                         uint64_t(group)));
  }
  ++numQuantized;
  return success();
}

void QuantizeKV::runOnOperation() {
  auto refuse = [&](const Twine &message) {
    emitError(getOperation().getLoc()) << "'fin-quantize-kv': " << message;
    signalPassFailure();
  };
  if (bits != 4 && bits != 8)
    return refuse("bits: expected 4 or 8, got " + Twine(bits));
  if (groupSize < 2)
    return refuse("group-size: expected at least 2, got " + Twine(groupSize));
  auto forward = getOperation().lookupSymbol<func::FuncOp>("forward");
  if (!forward || forward.isExternal())
    return refuse("needs a function @forward");
  SmallVector<AttentionOp> attentions;
  forward.walk([&](AttentionOp op) { attentions.push_back(op); });
  if (attentions.empty())
    return refuse("@forward has no fin.attention");
  for (AttentionOp op : attentions)
    if (failed(quantize(op)))
      return signalPassFailure();
}
