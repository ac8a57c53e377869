#include "fingpt/Dialect/FinKernel/IR/FinKernel.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
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
  if (shapeOf(getQuery())[2] % heads != 0 || shapeOf(getKey())[2] % kvHeads != 0 ||
      shapeOf(getValue())[2] % kvHeads != 0 ||
      shapeOf(getQuery())[2] / heads != shapeOf(getKey())[2] / kvHeads ||
      shapeOf(getOut())[2] != shapeOf(getValue())[2] / kvHeads * heads)
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

#define GET_OP_CLASSES
#include "fingpt/Dialect/FinKernel/IR/FinKernelOps.cpp.inc"
