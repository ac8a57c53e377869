#include "DecomposeUtils.h"

using namespace mlir;
using namespace fingpt::fin;

Value Lowering::splitLast(Value v, int64_t inner) const {
  RankedTensorType t = type(v);
  int64_t rank = t.getRank();
  SmallVector<int64_t> shape(t.getShape());
  SmallVector<OpFoldResult> sizes = dims(v);
  int64_t outer = shape.back() / inner;
  shape.back() = outer;
  shape.push_back(inner);
  sizes.back() = size(outer);
  sizes.push_back(size(inner));
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0; i + 1 < rank; ++i)
    groups.push_back({i});
  groups.push_back({rank - 1, rank});
  return tensor::ExpandShapeOp::create(b, loc, RankedTensorType::get(shape, t.getElementType()), v,
                                       groups, sizes);
}

Value Lowering::joinLast(Value v) const {
  int64_t rank = type(v).getRank();
  SmallVector<ReassociationIndices> groups;
  for (int64_t i = 0; i + 2 < rank; ++i)
    groups.push_back({i});
  groups.push_back({rank - 2, rank - 1});
  return tensor::CollapseShapeOp::create(b, loc, v, groups);
}

Value Lowering::convert(Value v, Type to) const {
  Type from = v.getType();
  if (from == to)
    return v;
  unsigned fromBits = from.getIntOrFloatBitWidth(), toBits = to.getIntOrFloatBitWidth();
  if (fromBits == toBits) // f16 and bf16: through f32
    return convert(convert(v, b.getF32Type()), to);
  return fromBits < toBits ? arith::ExtFOp::create(b, loc, to, v).getResult()
                           : arith::TruncFOp::create(b, loc, to, v).getResult();
}

SmallVector<unsigned> Lowering::axes(unsigned n) {
  return llvm::to_vector(llvm::seq<unsigned>(0, n));
}

static AffineMap projection(MLIRContext *context, unsigned loops, ArrayRef<unsigned> axes) {
  SmallVector<AffineExpr> exprs;
  for (unsigned a : axes)
    exprs.push_back(getAffineDimExpr(a, context));
  return AffineMap::get(loops, 0, exprs, context);
}

Value Lowering::map(ArrayRef<OpFoldResult> sizes, Type element, ValueRange inputs,
                    ArrayRef<SmallVector<unsigned>> maps, Body body) const {
  unsigned loops = sizes.size();
  Value out = empty(sizes, element);
  SmallVector<AffineMap> indexing;
  for (const SmallVector<unsigned> &m : maps)
    indexing.push_back(projection(b.getContext(), loops, m));
  indexing.push_back(b.getMultiDimIdentityMap(loops));
  SmallVector<utils::IteratorType> iterators(loops, utils::IteratorType::parallel);
  auto op =
      linalg::GenericOp::create(b, loc, TypeRange(out.getType()), inputs, ValueRange(out), indexing,
                                iterators, [&](OpBuilder &inner, Location, ValueRange args) {
                                  OpBuilder::InsertionGuard guard(b);
                                  b.setInsertionPointToEnd(inner.getInsertionBlock());
                                  Value v = body(args.drop_back());
                                  linalg::YieldOp::create(b, loc, v);
                                });
  return op.getResult(0);
}

Value Lowering::reduce(ArrayRef<OpFoldResult> keptSizes, Value init, unsigned loops,
                       ValueRange inputs, ArrayRef<SmallVector<unsigned>> maps, Body body) const {
  unsigned kept = keptSizes.size();
  Value out = empty(keptSizes, init.getType());
  out = linalg::FillOp::create(b, loc, init, out).getResult(0);
  SmallVector<AffineMap> indexing;
  for (const SmallVector<unsigned> &m : maps)
    indexing.push_back(projection(b.getContext(), loops, m));
  indexing.push_back(projection(b.getContext(), loops, axes(kept)));
  SmallVector<utils::IteratorType> iterators(kept, utils::IteratorType::parallel);
  iterators.append(loops - kept, utils::IteratorType::reduction);
  auto op =
      linalg::GenericOp::create(b, loc, TypeRange(out.getType()), inputs, ValueRange(out), indexing,
                                iterators, [&](OpBuilder &inner, Location, ValueRange args) {
                                  OpBuilder::InsertionGuard guard(b);
                                  b.setInsertionPointToEnd(inner.getInsertionBlock());
                                  Value v = body(args);
                                  linalg::YieldOp::create(b, loc, v);
                                });
  return op.getResult(0);
}

Value Lowering::elementwise(Value v, function_ref<Value(Value)> f) const {
  return map(dims(v), type(v).getElementType(), v, {axes(type(v).getRank())},
             [&](ValueRange args) { return convert(f(widen(args[0])), storage); });
}
