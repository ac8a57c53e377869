#include "fingpt/Dialect/FinKernel/IR/FinKernel.h"

#include "fingpt/Support/QuantizedRows.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace fingpt;
using namespace fingpt::fin_kernel;

#include "fingpt/Dialect/FinKernel/IR/FinKernelDialect.cpp.inc"

void FinKernelDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "fingpt/Dialect/FinKernel/IR/FinKernelOps.cpp.inc"
      >();
}

/// Memref operands are read, the destination is written; tensors have no effects, so
/// that the tensor form stays subject to CSE.
template <typename Op>
static void
memoryEffects(Op op, SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    if (op.isDpsInit(&operand))
      effects.emplace_back(MemoryEffects::Write::get(), &operand);
    else
      effects.emplace_back(MemoryEffects::Read::get(), &operand);
  }
}

/// One result of the destination's type on tensors, none on memrefs; no mixture.
template <typename Op> static LogicalResult verifyDestination(Op op) {
  bool tensors = isa<RankedTensorType>(op.getOut().getType());
  for (Value v : op->getOperands())
    if (isa<RankedTensorType>(v.getType()) != tensors)
      return op.emitOpError("mixes tensors and memrefs");
  if (op->getNumResults() != (tensors ? 1 : 0))
    return op.emitOpError() << "needs " << (tensors ? "one result" : "no result") << " on "
                            << (tensors ? "tensors" : "memrefs") << ", got " << op->getNumResults();
  if (tensors && op->getResult(0).getType() != op.getOut().getType())
    return op.emitOpError("result and destination differ in type");
  return success();
}

static ArrayRef<int64_t> shapeOf(Value v) { return cast<ShapedType>(v.getType()).getShape(); }

void LinearOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  memoryEffects(*this, effects);
}

LogicalResult LinearOp::verify() {
  if (failed(verifyDestination(*this)))
    return failure();
  ArrayRef<int64_t> x = shapeOf(getInput()), w = shapeOf(getWeight()), y = shapeOf(getOut());
  if (w.size() != 2 || x.empty() || x.size() != y.size() || x.back() != w[1] || y.back() != w[0])
    return emitOpError() << "shapes do not fit: " << getInput().getType() << " times "
                         << getWeight().getType() << " into " << getOut().getType();
  if (getBias() && (shapeOf(getBias()).size() != 1 || shapeOf(getBias())[0] != w[0]))
    return emitOpError() << "bias must have " << w[0] << " elements, got " << getBias().getType();
  return success();
}

void AttentionOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  memoryEffects(*this, effects);
}

LogicalResult AttentionOp::verify() {
  if (failed(verifyDestination(*this)))
    return failure();
  for (Value v : {getQuery(), getKey(), getValue(), getOut()})
    if (shapeOf(v).size() != 3 || ShapedType::isDynamic(shapeOf(v)[2]))
      return emitOpError() << "needs [batch, tokens, width] of static width, got " << v.getType();
  int64_t heads = getHeads(), kvHeads = getKvHeads();
  if (kvHeads < 1 || heads < 1 || heads % kvHeads != 0)
    return emitOpError() << "heads (" << heads << ") must be a positive multiple of kv_heads ("
                         << kvHeads << ")";
  int64_t bits = getKvBits(), group = getKvGroup();
  bool quantized = bits != 0;
  for (Value v : {getKey(), getValue()})
    if (getElementTypeOrSelf(v).isInteger(8) != quantized)
      return emitOpError() << (quantized ? "kv_bits needs rows of bytes" : "bytes need kv_bits")
                           << ", got " << v.getType();
  int64_t keyWidth = shapeOf(getQuery())[2] / heads * kvHeads;
  int64_t valueWidth = shapeOf(getOut())[2] / heads * kvHeads;
  if (quantized && ((bits != 4 && bits != 8) || group < 1 || group * bits % 8 != 0 ||
                    keyWidth / kvHeads % group != 0 || valueWidth / kvHeads % group != 0))
    return emitOpError() << "kv_bits " << bits << " and kv_group " << group
                         << " do not fit heads of " << keyWidth / kvHeads << " and "
                         << valueWidth / kvHeads << " elements";
  auto stored = [&](int64_t width) {
    return quantized ? quantizedRowBytes(width, bits, group) : width;
  };
  if (shapeOf(getQuery())[2] % heads != 0 || shapeOf(getOut())[2] % heads != 0 ||
      shapeOf(getKey())[2] != stored(keyWidth) || shapeOf(getValue())[2] != stored(valueWidth))
    return emitOpError("widths do not fit the heads");
  for (auto [what, v, rank] : {std::tuple<StringRef, Value, size_t>{"positions", getPositions(), 2},
                               {"lengths", getLengths(), 1},
                               {"mask", getMask(), 4},
                               {"sinks", getSinks(), 1}})
    if (v && shapeOf(v).size() != rank)
      return emitOpError() << what << " must have rank " << rank << ", got " << v.getType();
  if ((getCausal() || getWindow() != 0) && !getPositions())
    return emitOpError("causal or windowed attention needs positions");
  return success();
}

void HadamardOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  memoryEffects(*this, effects);
}

LogicalResult HadamardOp::verify() {
  if (failed(verifyDestination(*this)))
    return failure();
  ArrayRef<int64_t> x = shapeOf(getInput()), y = shapeOf(getOut());
  auto n = int64_t(getSize());
  if (x.empty() || x.size() != y.size() || x.back() != y.back() || n < 1 || (n & (n - 1)) != 0 ||
      ShapedType::isDynamic(x.back()) || x.back() % n != 0)
    return emitOpError() << "runs of " << n << " do not fit " << getInput().getType() << " and "
                         << getOut().getType();
  if (getSigns() && shapeOf(getSigns()) != ArrayRef<int64_t>(x.back()))
    return emitOpError() << "signs must have " << x.back() << " elements, got "
                         << getSigns().getType();
  return success();
}

void QuantizeRowsOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>> &effects) {
  memoryEffects(*this, effects);
}

LogicalResult QuantizeRowsOp::verify() {
  if (failed(verifyDestination(*this)))
    return failure();
  ArrayRef<int64_t> x = shapeOf(getInput()), y = shapeOf(getOut());
  auto bits = int64_t(getBits()), group = int64_t(getGroupSize());
  if (x.size() != 3 || y.size() != 3 || ShapedType::isDynamic(x[2]) || group < 1 ||
      (bits != 4 && bits != 8) || x[2] % group != 0 || group * bits % 8 != 0 ||
      y[2] != quantizedRowBytes(x[2], bits, group))
    return emitOpError() << "does not fit " << getInput().getType() << " and "
                         << getOut().getType();
  return success();
}

#define GET_OP_CLASSES
#include "fingpt/Dialect/FinKernel/IR/FinKernelOps.cpp.inc"
