#include "ShapeUtils.h"

#include "mlir/IR/Builders.h"

#include <cmath>

using namespace mlir;
using namespace fingpt::fin;

static int64_t lastDim(Value v) { return tensorType(v).getShape().back(); }

//===----------------------------------------------------------------------===//
// linear, embedding
//===----------------------------------------------------------------------===//

LogicalResult LinearOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                         Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorType(adaptor.getInput());
  if (input.getRank() == 0)
    return emitOptionalError(loc, "'fin.linear' op needs an input of rank at least 1");
  RankedTensorType weight = tensorOfRank(loc, getOperationName(), adaptor.getWeight(), 2);
  if (!weight)
    return failure();
  SmallVector<int64_t> shape(input.getShape());
  shape.back() = weight.getShape()[0];
  types.push_back(RankedTensorType::get(shape, input.getElementType()));
  return success();
}

LogicalResult LinearOp::verify() {
  RankedTensorType input = tensorType(getInput()), weight = tensorType(getWeight());
  if (input.getRank() == 0)
    return emitOpError("needs an input of rank at least 1");
  if (!compatible(input.getShape().back(), weight.getShape()[1]))
    return emitOpError() << "input width " << input.getShape().back()
                         << " is not the weight's number of inputs " << weight.getShape()[1];
  if (input.getElementType() != weight.getElementType())
    return emitOpError() << "element types differ: input " << input.getElementType() << ", weight "
                         << weight.getElementType();
  if (getBias()) {
    RankedTensorType bias = tensorType(getBias());
    if (!compatible(bias.getShape()[0], weight.getShape()[0]))
      return emitOpError() << "bias must have " << weight.getShape()[0] << " elements, got "
                           << bias.getShape()[0];
    if (bias.getElementType() != input.getElementType())
      return emitOpError() << "element types differ: input " << input.getElementType() << ", bias "
                           << bias.getElementType();
  }
  return success();
}

LogicalResult EmbeddingOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType table = tensorOfRank(loc, getOperationName(), adaptor.getTable(), 2);
  if (!table)
    return failure();
  SmallVector<int64_t> shape(tensorType(adaptor.getIds()).getShape());
  shape.push_back(table.getShape()[1]);
  types.push_back(RankedTensorType::get(shape, table.getElementType()));
  return success();
}

//===----------------------------------------------------------------------===//
// norms
//===----------------------------------------------------------------------===//

static LogicalResult verifyNorm(Operation *op, Value input, Value weight, Value bias,
                                const APFloat &eps, std::optional<int64_t> headDim) {
  RankedTensorType type = tensorType(input);
  if (type.getRank() == 0 || ShapedType::isDynamic(type.getShape().back()))
    return op->emitOpError("needs a last axis of static size");
  if (eps.isNegative() || !eps.isFinite())
    return op->emitOpError("eps must be finite and not negative");
  int64_t run = headDim.value_or(type.getShape().back());
  if (run < 1 || type.getShape().back() % run != 0)
    return op->emitOpError() << "head_dim " << run << " does not divide the last axis "
                             << type.getShape().back();
  for (auto [what, v] : {std::pair<StringRef, Value>{"weight", weight}, {"bias", bias}}) {
    if (!v)
      continue;
    if (tensorType(v).getShape()[0] != run)
      return op->emitOpError() << what << " must have " << run << " elements, got "
                               << tensorType(v).getShape()[0];
    if (tensorType(v).getElementType() != type.getElementType())
      return op->emitOpError() << "element types differ: input " << type.getElementType() << ", "
                               << what << " " << tensorType(v).getElementType();
  }
  return success();
}

LogicalResult RmsNormOp::verify() {
  if (failed(verifyNorm(*this, getInput(), getWeight(), Value(), getEps(), getHeadDim())))
    return failure();
  if (getWidth() && int64_t(*getWidth()) < getRun())
    return emitOpError() << "width " << int64_t(*getWidth()) << " is less than the " << getRun()
                         << " elements of a run";
  return success();
}
LogicalResult LayerNormOp::verify() {
  return verifyNorm(*this, getInput(), getWeight(), getBias(), getEps(), getHeadDim());
}

//===----------------------------------------------------------------------===//
// rope
//===----------------------------------------------------------------------===//

LogicalResult RopeOp::verify() {
  double base = getBase().convertToDouble();
  if (!(base > 0) || !std::isfinite(base))
    return emitOpError("base must be positive and finite");
  // The correction bounds are divided by log(base).
  if (getScaling() && getScaling()->getKind() == "yarn" && base <= 1)
    return emitOpError() << "base must be above 1 for rope_scaling \"yarn\", got " << base;
  int64_t width = lastDim(getInput()), head = getHeadDim(), rotary = getRotaryWidth();
  if (ShapedType::isDynamic(width))
    return emitOpError("needs a last axis of static size");
  if (head < 1 || width % head != 0)
    return emitOpError() << "head_dim " << head << " does not divide the last axis " << width;
  if (rotary < 2 || rotary % 2 != 0 || rotary > head)
    return emitOpError() << "rotary_dim must be even and in [2, " << head << "], got " << rotary;
  if (getDivisors() && tensorType(getDivisors()).getShape()[0] != rotary / 2)
    return emitOpError() << "divisors must have " << rotary / 2 << " elements, got "
                         << tensorType(getDivisors()).getShape()[0];
  if (getScaling() && getScaling()->getKind() == "longrope")
    for (StringRef name : {"short_factors", "long_factors"})
      if (int64_t count = getScaling()->numbers(name).size(); count != rotary / 2)
        return emitOpError() << name << " must have " << rotary / 2 << " elements, got " << count;
  ArrayRef<int64_t> x = tensorType(getInput()).getShape();
  ArrayRef<int64_t> p = tensorType(getPositions()).getShape();
  if (!compatible(x[0], p[0]) || !compatible(x[1], p[1]))
    return emitOpError() << "positions " << getPositions().getType() << " do not fit input "
                         << getInput().getType();
  return success();
}

//===----------------------------------------------------------------------===//
// attention, softmax
//===----------------------------------------------------------------------===//

LogicalResult AttentionOp::verify() {
  int64_t heads = getHeads(), kvHeads = getKvHeads();
  if (kvHeads < 1 || heads < 1 || heads % kvHeads != 0)
    return emitOpError() << "heads (" << heads << ") must be a positive multiple of kv_heads ("
                         << kvHeads << ")";
  RankedTensorType q = tensorType(getQuery()), k = tensorType(getKey()), v = tensorType(getValue());
  for (auto [what, type, count] :
       {std::tuple<StringRef, RankedTensorType, int64_t>{"query", q, heads},
        {"key", k, kvHeads},
        {"value", v, kvHeads}}) {
    if (ShapedType::isDynamic(type.getShape()[2]))
      return emitOpError() << "needs a " << what << " of static width, got " << type;
    if (type.getShape()[2] % count != 0)
      return emitOpError() << what << " width " << type.getShape()[2] << " is no multiple of "
                           << count << " heads";
  }
  if (q.getShape()[2] / heads != k.getShape()[2] / kvHeads)
    return emitOpError() << "head sizes of query (" << q.getShape()[2] / heads << ") and key ("
                         << k.getShape()[2] / kvHeads << ") differ";
  if (q.getElementType() != k.getElementType() || q.getElementType() != v.getElementType())
    return emitOpError() << "element types differ: " << q << ", " << k << ", " << v;
  if (!compatible(q.getShape()[0], k.getShape()[0]) ||
      !compatible(k.getShape()[0], v.getShape()[0]) ||
      !compatible(k.getShape()[1], v.getShape()[1]))
    return emitOpError() << "query " << q << ", key " << k << " and value " << v
                         << " differ in batch or keys";
  auto expected = RankedTensorType::get(
      {q.getShape()[0], q.getShape()[1], v.getShape()[2] / kvHeads * heads}, q.getElementType());
  if (getType() != expected)
    return emitOpError() << "result must be " << expected << ", got " << getType();
  if ((getCausal() || getWindow()) && !getPositions())
    return emitOpError("causal or windowed attention needs positions");
  if (getPositions()) {
    ArrayRef<int64_t> p = tensorType(getPositions()).getShape();
    if (!compatible(p[0], q.getShape()[0]) || !compatible(p[1], q.getShape()[1]))
      return emitOpError() << "positions " << getPositions().getType() << " do not fit query " << q;
  }
  if (getLengths() && !compatible(tensorType(getLengths()).getShape()[0], q.getShape()[0]))
    return emitOpError() << "lengths " << getLengths().getType() << " do not fit query " << q;
  if (getWindow() && int64_t(*getWindow()) < 1)
    return emitOpError() << "window must be at least 1, got " << int64_t(*getWindow());
  if (getSoftCap() && !(getSoftCap()->convertToDouble() > 0))
    return emitOpError("soft_cap must be positive");
  if (getSinks() && tensorType(getSinks()).getShape()[0] != heads)
    return emitOpError() << "sinks must have " << heads << " elements, got "
                         << tensorType(getSinks()).getShape()[0];
  if (getMask()) {
    ArrayRef<int64_t> m = tensorType(getMask()).getShape();
    if ((m[0] != 1 && !compatible(m[0], q.getShape()[0])) || (m[1] != 1 && m[1] != heads) ||
        !compatible(m[2], q.getShape()[1]) || !compatible(m[3], k.getShape()[1]))
      return emitOpError() << "mask " << getMask().getType()
                           << " is not [batch or 1, heads or 1, tokens, keys]";
  }
  return success();
}

LogicalResult SoftCapOp::verify() {
  if (!(getValue().convertToDouble() > 0) || !getValue().isFinite())
    return emitOpError("cap must be positive and finite");
  return success();
}

LogicalResult SoftmaxOp::verify() {
  if (tensorType(getInput()).getRank() == 0)
    return emitOpError("needs an input of rank at least 1");
  return success();
}
