#include "ShapeUtils.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace fingpt::fin;

/// Checks that `v` is [out, ⌈in / groupSize⌉] for a weight [out, in].
static LogicalResult verifyGroups(Operation *op, StringRef what, Value v, ArrayRef<int64_t> weight,
                                  int64_t groupSize) {
  int64_t groups = llvm::divideCeil(weight[1], groupSize);
  ArrayRef<int64_t> shape = tensorType(v).getShape();
  if (shape[0] != weight[0] || shape[1] != groups)
    return op->emitOpError() << what << " must be [" << weight[0] << ", " << groups
                             << "] for a weight [" << weight[0] << ", " << weight[1]
                             << "] in groups of " << groupSize << ", got [" << shape[0] << ", "
                             << shape[1] << "]";
  return success();
}

static LogicalResult verifySameMatrix(Operation *op, Value codes, Value result) {
  ArrayRef<int64_t> a = tensorType(codes).getShape(), b = tensorType(result).getShape();
  if (ShapedType::isDynamicShape(a) || ShapedType::isDynamicShape(b))
    return op->emitOpError("codes and result must have static shapes");
  if (a != b)
    return op->emitOpError() << "codes and result must have one shape, got [" << a[0] << ", "
                             << a[1] << "] and [" << b[0] << ", " << b[1] << "]";
  return success();
}

//===----------------------------------------------------------------------===//
// param, unpack
//===----------------------------------------------------------------------===//

LogicalResult ParamOp::verify() {
  if (getKey().empty())
    return emitOpError("needs a key");
  RankedTensorType type = dyn_cast<RankedTensorType>(getResult().getType());
  if (!type || !type.hasStaticShape())
    return emitOpError() << "needs a ranked tensor of static shape, got " << getResult().getType();
  Type element = type.getElementType();
  bool stored = isa<FloatType>(element) ||
                (isa<IntegerType>(element) && element.getIntOrFloatBitWidth() >= 2 &&
                 element.getIntOrFloatBitWidth() <= 64);
  if (!stored)
    return emitOpError() << "element type " << element << " is not one that a file stores";
  return success();
}

LogicalResult UnpackOp::verify() {
  RankedTensorType bytes = tensorType(getBytes()), codes = tensorType(getCodes());
  if (!codes.hasStaticShape() || !bytes.hasStaticShape() || codes.getRank() == 0)
    return emitOpError("needs static shapes of rank at least 1");
  RankedTensorType expected = packedType(codes);
  if (bytes != expected)
    return emitOpError() << "codes " << codes << " are stored as " << expected << ", got " << bytes;
  return success();
}

//===----------------------------------------------------------------------===//
// dequantize, lookup
//===----------------------------------------------------------------------===//

LogicalResult DequantizeOp::verify() {
  if (failed(verifySameMatrix(*this, getCodes(), getResult())))
    return failure();
  int64_t group = getGroupSize();
  if (group < 1)
    return emitOpError() << "group_size must be at least 1, got " << group;
  ArrayRef<int64_t> weight = tensorType(getCodes()).getShape();
  if (failed(verifyGroups(*this, "scales", getScales(), weight, group)))
    return failure();
  if (getZeros() && getMins())
    return emitOpError("has zeros and mins: one of them describes the offset");
  if (getZeros() && getZero() != 0)
    return emitOpError("has a constant zero and zeros");
  if (getZeros() && failed(verifyGroups(*this, "zeros", getZeros(), weight, group)))
    return failure();
  if (getMins() && failed(verifyGroups(*this, "mins", getMins(), weight, group)))
    return failure();
  auto code = cast<IntegerType>(tensorType(getCodes()).getElementType());
  int64_t low = code.isUnsigned() ? 0 : -(int64_t(1) << (code.getWidth() - 1));
  int64_t high = low + (int64_t(1) << code.getWidth()) - 1;
  int64_t zero = getZero();
  if (zero < low || zero > high)
    return emitOpError() << "zero " << zero << " is outside the codes' range [" << low << ", "
                         << high << "]";
  return success();
}

LogicalResult LookupOp::verify() {
  if (failed(verifySameMatrix(*this, getCodes(), getResult())))
    return failure();
  ArrayRef<int64_t> weight = tensorType(getCodes()).getShape();
  auto code = cast<IntegerType>(tensorType(getCodes()).getElementType());
  if (!code.isUnsigned())
    return emitOpError() << "codes index a table and must be unsigned, got " << code;
  int64_t entries = int64_t(1) << code.getWidth();
  ArrayRef<int64_t> book = tensorType(getCodebook()).getShape();
  if (book.back() != entries || (book.size() == 2 && book[0] != weight[0]))
    return emitOpError() << "codebook must be [" << entries << "] or [" << weight[0] << ", "
                         << entries << "], got " << tensorType(getCodebook());
  if (!getScales())
    return success();
  if (!getGroupSize() || int64_t(*getGroupSize()) < 1)
    return emitOpError("scales need a group_size of at least 1");
  return verifyGroups(*this, "scales", getScales(), weight, *getGroupSize());
}

//===----------------------------------------------------------------------===//
// low_rank, sparse
//===----------------------------------------------------------------------===//

LogicalResult LowRankOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                          Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType b = tensorOfRank(loc, getOperationName(), adaptor.getB(), 2);
  RankedTensorType a = tensorOfRank(loc, getOperationName(), adaptor.getA(), 2);
  if (!b || !a)
    return failure();
  types.push_back(RankedTensorType::get({b.getShape()[0], a.getShape()[1]}, b.getElementType()));
  return success();
}

LogicalResult LowRankOp::verify() {
  RankedTensorType b = tensorType(getB()), a = tensorType(getA());
  if (b.getShape()[1] != a.getShape()[0])
    return emitOpError() << "ranks of the factors differ: " << b << " and " << a;
  if (b.getElementType() != a.getElementType())
    return emitOpError() << "element types of the factors differ: " << b << " and " << a;
  return success();
}

LogicalResult SparseOp::verify() {
  RankedTensorType result = tensorType(getResult());
  if (!result.hasStaticShape())
    return emitOpError("needs a result of static shape");
  if (tensorType(getValues()).getShape() != tensorType(getColumns()).getShape())
    return emitOpError() << "values and columns differ in length: " << getValues().getType()
                         << " and " << getColumns().getType();
  int64_t rows = result.getShape()[0];
  if (tensorType(getOffsets()).getShape()[0] != rows + 1)
    return emitOpError() << "offsets must be [" << rows + 1 << "] for " << rows << " rows, got "
                         << getOffsets().getType();
  return success();
}

//===----------------------------------------------------------------------===//
// sum, scale, permute, concat
//===----------------------------------------------------------------------===//

OpFoldResult SumOp::fold(FoldAdaptor) {
  return getTerms().size() == 1 ? OpFoldResult(getTerms().front()) : OpFoldResult();
}

namespace {
/// sum(sum(a, b), c) → sum(a, b, c). Only a leading sum keeps the order of additions. One
/// that others use would be added up again.
struct FlattenLeadingSum : public OpRewritePattern<SumOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SumOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getTerms().front().getDefiningOp<SumOp>();
    if (!inner || !inner->hasOneUse())
      return failure();
    SmallVector<Value> terms(inner.getTerms());
    llvm::append_range(terms, op.getTerms().drop_front());
    rewriter.replaceOpWithNewOp<SumOp>(op, op.getType(), terms);
    return success();
  }
};
} // namespace

void SumOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<FlattenLeadingSum>(context);
}

/// Checks that `vector` has the length of `axis` of `weight`.
static LogicalResult verifyAxisVector(Operation *op, StringRef what, Value weight, Value vector,
                                      Axis axis) {
  int64_t size = tensorType(weight).getShape()[axis == Axis::Rows ? 0 : 1];
  int64_t length = tensorType(vector).getShape()[0];
  if (size != length)
    return op->emitOpError() << what << " must have " << size << " elements for the "
                             << stringifyAxis(axis) << " of " << weight.getType() << ", got "
                             << length;
  return success();
}

LogicalResult ScaleOp::verify() {
  return verifyAxisVector(*this, "factors", getWeight(), getFactors(), getAxis());
}

LogicalResult PermuteOp::verify() {
  return verifyAxisVector(*this, "indices", getWeight(), getIndices(), getAxis());
}

LogicalResult TransposeOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                            Adaptor adaptor, SmallVectorImpl<Type> &types) {
  RankedTensorType weight = tensorOfRank(loc, getOperationName(), adaptor.getWeight(), 2);
  if (!weight)
    return failure();
  types.push_back(
      RankedTensorType::get({weight.getShape()[1], weight.getShape()[0]}, weight.getElementType()));
  return success();
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  auto inner = getWeight().getDefiningOp<TransposeOp>();
  return inner ? OpFoldResult(inner.getWeight()) : OpFoldResult();
}

LogicalResult ConcatOp::inferReturnTypes(MLIRContext *, std::optional<Location> loc,
                                         Adaptor adaptor, SmallVectorImpl<Type> &types) {
  if (adaptor.getParts().empty())
    return emitOptionalError(loc, "'fin.concat' op needs at least one part");
  unsigned axis = adaptor.getAxis() == Axis::Rows ? 0 : 1;
  int64_t total = 0;
  for (Value part : adaptor.getParts()) {
    if (!tensorOfRank(loc, getOperationName(), part, 2))
      return failure();
    int64_t size = tensorType(part).getShape()[axis];
    total = ShapedType::isDynamic(size) || ShapedType::isDynamic(total) ? ShapedType::kDynamic
                                                                        : total + size;
  }
  RankedTensorType first = tensorType(adaptor.getParts().front());
  SmallVector<int64_t> shape(first.getShape());
  shape[axis] = total;
  types.push_back(RankedTensorType::get(shape, first.getElementType()));
  return success();
}

LogicalResult ConcatOp::verify() {
  if (getParts().empty())
    return emitOpError("needs at least one part");
  unsigned other = getAxis() == Axis::Rows ? 1 : 0;
  RankedTensorType first = tensorType(getParts().front());
  for (Value part : getParts()) {
    RankedTensorType type = tensorType(part);
    if (type.getShape()[other] != first.getShape()[other] ||
        type.getElementType() != first.getElementType())
      return emitOpError() << "parts do not fit along " << stringifyAxis(getAxis()) << ": " << first
                           << " and " << type;
  }
  return success();
}

OpFoldResult ConcatOp::fold(FoldAdaptor) {
  return getParts().size() == 1 ? OpFoldResult(getParts().front()) : OpFoldResult();
}

//===----------------------------------------------------------------------===//
// hadamard
//===----------------------------------------------------------------------===//

LogicalResult HadamardOp::verify() {
  RankedTensorType type = tensorType(getInput());
  if (type.getRank() == 0 || ShapedType::isDynamic(type.getShape().back()))
    return emitOpError("needs a last axis of static size");
  int64_t width = type.getShape().back(), size = getSize();
  if (size < 1 || !llvm::isPowerOf2_64(size) || width % size != 0)
    return emitOpError() << "size must be a power of two that divides " << width << ", got "
                         << size;
  if (getSigns() && tensorType(getSigns()).getShape()[0] != width)
    return emitOpError() << "signs must have " << width << " elements, got "
                         << tensorType(getSigns()).getShape()[0];
  return success();
}

OpFoldResult HadamardOp::fold(FoldAdaptor) {
  if (getSize() == 1 && !getSigns())
    return getInput();
  // H/√n is its own inverse.
  auto inner = getInput().getDefiningOp<HadamardOp>();
  if (inner && !getSigns() && !inner.getSigns() && inner.getSize() == getSize())
    return inner.getInput();
  return {};
}

#define GET_OP_CLASSES
#include "fingpt/Dialect/Fin/IR/FinOps.cpp.inc"
