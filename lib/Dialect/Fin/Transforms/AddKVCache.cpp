// Makes @prefill and @decode from @forward. Attention masks by position, so the
// graph itself does not change: keys and values pass through the cache, and
// positions come from outside. Quantized keys and values (fin-quantize-kv) are cached
// as bytes: the cache stands between fin.quantize_rows and fin.dequantize_rows.

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINADDKVCACHE
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt::fin;

namespace {

struct AddKVCache final : fingpt::fin::impl::FinAddKVCacheBase<AddKVCache> {
  void runOnOperation() override;
};

/// What the attentions of @forward say about the cache.
struct CacheShape {
  SmallVector<AttentionOp> layers;
  RankedTensorType type;
};

} // namespace

/// What the cache keeps of an attention's key or value operand.
static OpOperand &cachedOperand(OpOperand &operand) {
  if (auto dequantize = operand.get().getDefiningOp<DequantizeRowsOp>())
    return dequantize.getInputMutable();
  return operand;
}

static RankedTensorType cachedType(OpOperand &operand) {
  return cast<RankedTensorType>(cachedOperand(operand).get().getType());
}

static FailureOr<CacheShape> analyse(func::FuncOp forward) {
  CacheShape shape;
  forward.walk([&](AttentionOp op) { shape.layers.push_back(op); });
  if (shape.layers.empty())
    return forward.emitError("'fin-add-kv-cache': @forward has no fin.attention");
  for (AttentionOp op : shape.layers) {
    // Key j of the cache has position j: an offset would show keys of the future.
    auto positions =
        op.getCausal() ? op.getPositions().getDefiningOp<PositionsOp>() : PositionsOp();
    if (!positions || positions.getOffset() != 0)
      return op.emitOpError("cannot be cached: it must be causal, at positions from "
                            "fin.positions of the tokens, without offset");
    if (op.getLengths() || op.getMask())
      return op.emitOpError("cannot be cached: it has lengths or a mask");
    RankedTensorType key = cachedType(op.getKeyMutable()), value = cachedType(op.getValueMutable());
    RankedTensorType first = cachedType(shape.layers.front().getKeyMutable());
    if (key != value || key != first)
      return op.emitOpError() << "cannot be cached: keys " << key << " and values " << value
                              << " must have one type in all layers, the first has " << first;
  }
  RankedTensorType key = cachedType(shape.layers.front().getKeyMutable());
  int64_t dynamic = ShapedType::kDynamic;
  shape.type = RankedTensorType::get(
      {int64_t(shape.layers.size()), 2, dynamic, dynamic, key.getShape()[2]}, key.getElementType());
  return shape;
}

/// The positions argument plus a constant (learned positions may begin at 2).
static Value shiftedPositions(OpBuilder &b, Location loc, Value positions, int64_t offset) {
  if (offset == 0)
    return positions;
  SmallVector<Value> sizes;
  for (int64_t axis : {0, 1})
    sizes.push_back(tensor::DimOp::create(b, loc, positions, axis));
  Value scalar = arith::ConstantOp::create(b, loc, b.getI32IntegerAttr(offset));
  Value splat = tensor::SplatOp::create(b, loc, scalar, positions.getType(), sizes);
  return arith::AddIOp::create(b, loc, positions, splat);
}

/// Clones @forward as `name` with cache and positions; `lastOnly` adds %lengths and
/// computes the logits of the last valid token only.
static func::FuncOp cloneWithCache(func::FuncOp forward, StringRef name, RankedTensorType cacheType,
                                   bool lastOnly) {
  OpBuilder b(forward->getContext());
  b.setInsertionPointAfter(forward);
  auto function = cast<func::FuncOp>(b.clone(*forward));
  function.setName(name);
  Block &body = function.getBody().front();
  Location loc = function.getLoc();
  Value tokens = body.getArgument(0);
  auto positionType = cast<RankedTensorType>(tokens.getType());
  Value positions = body.addArgument(positionType, loc);
  Value lengths;
  if (lastOnly)
    lengths = body.addArgument(
        RankedTensorType::get({positionType.getShape()[0]}, positionType.getElementType()), loc);
  Value cache = body.addArgument(cacheType, loc);

  SmallVector<PositionsOp> positionOps;
  SmallVector<AttentionOp> attentions;
  function.walk([&](Operation *op) {
    if (auto p = dyn_cast<PositionsOp>(op))
      positionOps.push_back(p);
    else if (auto a = dyn_cast<AttentionOp>(op))
      attentions.push_back(a);
  });
  for (PositionsOp op : positionOps) {
    b.setInsertionPoint(op);
    op.replaceAllUsesWith(shiftedPositions(b, op.getLoc(), positions, op.getOffset()));
    op.erase();
  }
  for (auto [layer, op] : llvm::enumerate(attentions)) {
    b.setInsertionPoint(op);
    Value index = arith::ConstantIndexOp::create(b, op.getLoc(), layer);
    cache =
        CacheAppendOp::create(b, op.getLoc(), cache, index, cachedOperand(op.getKeyMutable()).get(),
                              cachedOperand(op.getValueMutable()).get(), positions);
    auto read = CacheReadOp::create(b, op.getLoc(), cache, index);
    for (auto [operand, cached] : {std::pair<OpOperand &, Value>{op.getKeyMutable(), read.getKey()},
                                   {op.getValueMutable(), read.getValue()}}) {
      auto dequantize = operand.get().getDefiningOp<DequantizeRowsOp>();
      if (dequantize) {
        auto type = dequantize.getType();
        ArrayRef<int64_t> shape = cast<RankedTensorType>(cached.getType()).getShape();
        cached = DequantizeRowsOp::create(
            b, op.getLoc(),
            RankedTensorType::get({shape[0], shape[1], type.getShape()[2]}, type.getElementType()),
            cached, dequantize.getBitsAttr(), dequantize.getGroupSizeAttr());
      }
      operand.set(cached);
      if (dequantize && dequantize->use_empty())
        dequantize.erase();
    }
  }

  auto ret = cast<func::ReturnOp>(body.getTerminator());
  if (lastOnly) {
    // Walk back over the ops that treat every token alone (head, final norm, caps), so
    // that they run on one token per sequence.
    Value logits = ret.getOperand(0);
    SmallVector<OpOperand *> chain;
    OpOperand *use = &ret->getOpOperand(0);
    while (Operation *op = use->get().getDefiningOp()) {
      bool perToken = isa<LinearOp, RmsNormOp, LayerNormOp, GeluOp, SiluOp, ReluOp>(op) ||
                      (op->hasTrait<OpTrait::Elementwise>() && op->getNumOperands() == 1);
      if (!perToken || !use->get().hasOneUse())
        break;
      use = &op->getOpOperand(0);
      chain.push_back(use);
    }
    b.setInsertionPointAfterValue(use->get());
    if (auto argument = dyn_cast<BlockArgument>(use->get()))
      b.setInsertionPointToStart(argument.getOwner());
    Value last = SelectLastOp::create(b, logits.getLoc(), use->get(), lengths);
    use->set(last);
    // The ops on the way now see one token.
    for (OpOperand *operand : llvm::reverse(chain)) {
      Value result = operand->getOwner()->getResult(0);
      auto type = cast<RankedTensorType>(result.getType());
      SmallVector<int64_t> shape(type.getShape());
      shape[1] = 1;
      result.setType(RankedTensorType::get(shape, type.getElementType()));
    }
  }
  ret->insertOperands(ret.getNumOperands(), cache);
  function.setType(
      FunctionType::get(function.getContext(), body.getArgumentTypes(), ret.getOperandTypes()));
  // Argument attributes: none were cloned for the new ones; everything is read-only
  // except the donated cache.
  for (unsigned i = 0; i < body.getNumArguments(); ++i)
    function.setArgAttr(i, "bufferization.writable",
                        b.getBoolAttr(i + 1 == body.getNumArguments()));
  return function;
}

void AddKVCache::runOnOperation() {
  ModuleOp module = getOperation();
  auto forward = module.lookupSymbol<func::FuncOp>("forward");
  if (!forward || forward.isExternal()) {
    module.emitError("'fin-add-kv-cache': needs a function @forward");
    return signalPassFailure();
  }
  for (StringRef name : {"prefill", "decode"})
    if (module.lookupSymbol(name)) {
      module.emitError("'fin-add-kv-cache': the module already has @") << name;
      return signalPassFailure();
    }
  auto tokens = forward.getNumArguments() == 1
                    ? dyn_cast<RankedTensorType>(forward.getArgument(0).getType())
                    : RankedTensorType();
  auto logits = forward.getNumResults() == 1
                    ? dyn_cast<RankedTensorType>(forward.getResultTypes()[0])
                    : RankedTensorType();
  if (!tokens || tokens.getRank() != 2 || !logits || logits.getRank() != 3) {
    forward.emitError("'fin-add-kv-cache': @forward must be (tokens) -> logits "
                      "[batch, tokens, width]");
    return signalPassFailure();
  }
  FailureOr<CacheShape> cache = analyse(forward);
  if (failed(cache))
    return signalPassFailure();
  cloneWithCache(forward, "decode", cache->type, /*lastOnly=*/false);
  cloneWithCache(forward, "prefill", cache->type, /*lastOnly=*/true);
}
