// Runs the graph in another float type: a sweep over result types. Parameters keep
// the type in which they are stored and are converted at their use.

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINCONVERTPRECISION
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt::fin;

namespace {
struct ConvertPrecision final : fingpt::fin::impl::FinConvertPrecisionBase<ConvertPrecision> {
  using FinConvertPrecisionBase::FinConvertPrecisionBase;
  void runOnOperation() override;
};
} // namespace

static Type converted(Type type, FloatType to) {
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    return isa<FloatType>(tensor.getElementType())
               ? RankedTensorType::get(tensor.getShape(), to, tensor.getEncoding())
               : type;
  return isa<FloatType>(type) ? Type(to) : type;
}

static Attribute convertedConstant(Attribute value, FloatType to) {
  auto round = [&](APFloat f) {
    bool lossy;
    f.convert(to.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lossy);
    return f;
  };
  if (auto scalar = dyn_cast<FloatAttr>(value))
    return FloatAttr::get(to, round(scalar.getValue()));
  auto dense = dyn_cast<DenseFPElementsAttr>(value);
  if (!dense)
    return value;
  auto type = RankedTensorType::get(dense.getType().getShape(), to);
  if (dense.isSplat())
    return DenseElementsAttr::get(type, round(dense.getSplatValue<APFloat>()));
  return DenseElementsAttr::get(type, llvm::map_to_vector(dense.getValues<APFloat>(), round));
}

static void convertFunction(func::FuncOp function, FloatType to) {
  OpBuilder b(function.getContext());
  function.walk([&](Block *block) {
    for (BlockArgument argument : block->getArguments())
      argument.setType(converted(argument.getType(), to));
  });
  SmallVector<Operation *> ops;
  function.getBody().walk([&](Operation *op) { ops.push_back(op); });
  for (Operation *op : ops) {
    if (auto param = dyn_cast<ParamOp>(op)) {
      Type type = converted(param.getType(), to);
      if (type == param.getType())
        continue;
      b.setInsertionPointAfter(op);
      unsigned from = param.getType().getElementTypeBitWidth(), bits = to.getWidth();
      Value cast;
      Value source = param.getResult();
      if (from == bits) { // f16 and bf16: through f32
        Type wide = RankedTensorType::get(param.getType().getShape(), b.getF32Type());
        source = arith::ExtFOp::create(b, op->getLoc(), wide, source);
        from = 32;
      }
      if (from < bits)
        cast = arith::ExtFOp::create(b, op->getLoc(), type, source);
      else
        cast = arith::TruncFOp::create(b, op->getLoc(), type, source);
      param.getResult().replaceUsesWithIf(cast, [&](OpOperand &use) {
        return use.getOwner() != cast.getDefiningOp() && use.getOwner() != source.getDefiningOp() &&
               !isa<DequantizeOp, LookupOp>(use.getOwner());
      });
      // Weight expressions over codes read scales in their stored type.
      if (cast.use_empty()) {
        cast.getDefiningOp()->erase();
        if (source != param.getResult())
          source.getDefiningOp()->erase();
      }
      continue;
    }
    if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
      auto value = cast<TypedAttr>(convertedConstant(constant.getValue(), to));
      constant.setValueAttr(value);
      constant.getResult().setType(value.getType());
      continue;
    }
    for (Value result : op->getResults())
      result.setType(converted(result.getType(), to));
  }
  // Casts between float types that have become the identity.
  function.walk([&](Operation *op) {
    if (isa<arith::ExtFOp, arith::TruncFOp>(op)) {
      Type from = op->getOperand(0).getType(), type = op->getResult(0).getType();
      if (from == type) {
        op->getResult(0).replaceAllUsesWith(op->getOperand(0));
        op->erase();
        return;
      }
      auto bits = [](Type t) { return getElementTypeOrSelf(t).getIntOrFloatBitWidth(); };
      bool widens = bits(from) < bits(type);
      if (widens == isa<arith::ExtFOp>(op))
        return;
      b.setInsertionPoint(op);
      Value v = widens
                    ? arith::ExtFOp::create(b, op->getLoc(), type, op->getOperand(0)).getResult()
                    : arith::TruncFOp::create(b, op->getLoc(), type, op->getOperand(0)).getResult();
      op->getResult(0).replaceAllUsesWith(v);
      op->erase();
    }
  });
  if (!function.isExternal()) {
    Block &body = function.getBody().front();
    function.setType(FunctionType::get(function.getContext(), body.getArgumentTypes(),
                                       body.getTerminator()->getOperandTypes()));
  }
}

void ConvertPrecision::runOnOperation() {
  Builder b(&getContext());
  FloatType type = llvm::StringSwitch<FloatType>(to)
                       .Case("f16", b.getF16Type())
                       .Case("bf16", b.getBF16Type())
                       .Case("f32", b.getF32Type())
                       .Case("f64", b.getF64Type())
                       .Default(FloatType());
  if (!type) {
    getOperation().emitError("'fin-convert-precision': unknown type '")
        << to << "', expected f16, bf16, f32 or f64";
    return signalPassFailure();
  }
  for (func::FuncOp function : getOperation().getOps<func::FuncOp>())
    convertFunction(function, type);
}
