#include "ShapeUtils.h"

#include "fingpt/Support/QuantizedRows.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace fingpt;
using namespace fingpt::fin;

static LogicalResult verifyCache(Operation *op, Value cache) {
  ArrayRef<int64_t> shape = tensorType(cache).getShape();
  if (shape[1] != 2)
    return op->emitOpError() << "cache must be [layers, 2, batch, context, width], got "
                             << cache.getType();
  return success();
}

LogicalResult CacheAppendOp::verify() {
  if (failed(verifyCache(*this, getCache())))
    return failure();
  RankedTensorType cache = tensorType(getCache());
  for (auto [what, v] : {std::pair<StringRef, Value>{"key", getKey()}, {"value", getValue()}}) {
    RankedTensorType type = tensorType(v);
    if (type.getShape()[2] != cache.getShape()[4])
      return emitOpError() << what << " width " << type.getShape()[2]
                           << " is not the cache's width " << cache.getShape()[4];
    if (type.getElementType() != cache.getElementType())
      return emitOpError() << "element types differ: cache " << cache.getElementType() << ", "
                           << what << " " << type.getElementType();
    ArrayRef<int64_t> shape = type.getShape(), p = tensorType(getPositions()).getShape();
    if (!compatible(shape[0], p[0]) || !compatible(shape[1], p[1]) ||
        !compatible(shape[0], cache.getShape()[2]))
      return emitOpError() << what << " " << type << " does not fit positions "
                           << getPositions().getType() << " and cache " << cache;
  }
  return success();
}

LogicalResult CacheReadOp::verify() { return verifyCache(*this, getCache()); }

LogicalResult CacheReadOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType cache = tensorOfRank(loc, getOperationName(), adaptor.getCache(), 5);
  if (!cache)
    return failure();
  types.assign(2, RankedTensorType::get(cache.getShape().drop_front(2), cache.getElementType()));
  return success();
}

/// Bytes of a quantized row of `width` elements, or why there are none.
static FailureOr<int64_t> quantizedRow(std::optional<Location> loc, StringRef op, int64_t width,
                                       int64_t bits, int64_t group) {
  if (bits != 4 && bits != 8)
    return emitOptionalError(loc, "'", op, "' op bits must be 4 or 8, got ", bits);
  if (ShapedType::isDynamic(width))
    return emitOptionalError(loc, "'", op, "' op needs a static last axis");
  if (group < 1 || width % group != 0)
    return emitOptionalError(loc, "'", op, "' op group_size ", group, " does not divide ", width);
  if (group * bits % 8 != 0)
    return emitOptionalError(loc, "'", op, "' op group_size must be even with 4 bits, got ", group);
  return quantizedRowBytes(width, bits, group);
}

LogicalResult QuantizeRowsOp::inferReturnTypes(MLIRContext *context, std::optional<Location> loc,
                                               Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorOfRank(loc, getOperationName(), adaptor.getInput(), 3);
  if (!input)
    return failure();
  ArrayRef<int64_t> shape = input.getShape();
  FailureOr<int64_t> bytes =
      quantizedRow(loc, getOperationName(), shape[2], int64_t(adaptor.getBits()),
                   int64_t(adaptor.getGroupSize()));
  if (failed(bytes))
    return failure();
  types.push_back(
      RankedTensorType::get({shape[0], shape[1], *bytes}, IntegerType::get(context, 8)));
  return success();
}

LogicalResult DequantizeRowsOp::verify() {
  ArrayRef<int64_t> from = tensorType(getInput()).getShape(), to = getType().getShape();
  FailureOr<int64_t> bytes = quantizedRow(getLoc(), getOperationName(), to[2], int64_t(getBits()),
                                          int64_t(getGroupSize()));
  if (failed(bytes))
    return failure();
  if (from[2] != *bytes)
    return emitOpError() << "rows of " << to[2] << " elements take " << *bytes << " bytes, got "
                         << from[2];
  if (!compatible(from[0], to[0]) || !compatible(from[1], to[1]))
    return emitOpError() << "input " << getInput().getType() << " does not fit result "
                         << getType();
  return success();
}

LogicalResult SelectLastOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                             Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType input = tensorOfRank(loc, getOperationName(), adaptor.getInput(), 3);
  if (!input)
    return failure();
  types.push_back(
      RankedTensorType::get({input.getShape()[0], 1, input.getShape()[2]}, input.getElementType()));
  return success();
}

LogicalResult SelectLastOp::verify() {
  if (getLengths() &&
      !compatible(tensorType(getLengths()).getShape()[0], tensorType(getInput()).getShape()[0]))
    return emitOpError() << "lengths " << getLengths().getType() << " do not fit input "
                         << getInput().getType();
  return success();
}

LogicalResult StoreOp::verify() {
  if (getKey().empty())
    return emitOpError("needs a key");
  return success();
}
