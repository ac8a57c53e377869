// Definitions of the state ops. An append is a loop of slice insertions, which
// bufferization performs in place; a read is a pair of views.

#include "DecomposeUtils.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace fingpt::fin;

using Values = FailureOr<SmallVector<Value>>;

Values CacheAppendOp::decompose(OpBuilder &builder) {
  Lowering l(builder, *this, getType().getElementType());
  OpBuilder &b = l.b;
  Value batch = getValueOrCreateConstantIndexOp(b, l.loc, l.dim(getPositions(), 0));
  Value tokens = getValueOrCreateConstantIndexOp(b, l.loc, l.dim(getPositions(), 1));
  OpFoldResult one = l.size(1), zero = l.size(0);
  OpFoldResult width = l.dim(getCache(), 4);
  auto rowType = RankedTensorType::get({1, 1, getType().getShape()[4]}, l.storage);
  auto sequences = scf::ForOp::create(
      b, l.loc, l.index(0), batch, l.index(1), getCache(),
      [&](OpBuilder &, Location, Value s, ValueRange outer) {
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(s.getParentBlock());
        auto steps = scf::ForOp::create(
            b, l.loc, l.index(0), tokens, l.index(1), outer,
            [&](OpBuilder &, Location, Value t, ValueRange inner) {
              OpBuilder::InsertionGuard guard(b);
              b.setInsertionPointToEnd(t.getParentBlock());
              Value position = l.toIndex(l.extract(getPositions(), {s, t}));
              Value cache = inner[0];
              Value sources[] = {getKey(), getValue()};
              for (auto [slot, source] : llvm::enumerate(sources)) {
                Value row = tensor::ExtractSliceOp::create(
                    b, l.loc, rowType, source, ArrayRef<OpFoldResult>{s, t, zero},
                    ArrayRef<OpFoldResult>{one, one, width}, ArrayRef<OpFoldResult>{one, one, one});
                cache = tensor::InsertSliceOp::create(
                    b, l.loc, row, cache,
                    ArrayRef<OpFoldResult>{getLayer(), l.size(slot), s, position, zero},
                    ArrayRef<OpFoldResult>{one, one, one, one, width},
                    SmallVector<OpFoldResult>(5, one));
              }
              scf::YieldOp::create(b, l.loc, cache);
            });
        scf::YieldOp::create(b, l.loc, steps.getResults());
      });
  return SmallVector<Value>{sequences.getResult(0)};
}

Values CacheReadOp::decompose(OpBuilder &builder) {
  auto type = cast<RankedTensorType>(getKey().getType());
  Lowering l(builder, *this, type.getElementType());
  SmallVector<OpFoldResult> sizes = l.dims(getCache());
  sizes[0] = sizes[1] = l.size(1);
  SmallVector<Value> out;
  for (int64_t slot : {0, 1}) {
    SmallVector<OpFoldResult> offsets(5, l.size(0));
    offsets[0] = getLayer();
    offsets[1] = l.size(slot);
    out.push_back(tensor::ExtractSliceOp::create(l.b, l.loc, type, getCache(), offsets, sizes,
                                                 SmallVector<OpFoldResult>(5, l.size(1))));
  }
  return out;
}

Values SelectLastOp::decompose(OpBuilder &builder) {
  auto type = cast<RankedTensorType>(getInput().getType());
  Lowering l(builder, *this, type.getElementType());
  OpBuilder &b = l.b;
  SmallVector<OpFoldResult> sizes{l.dim(getInput(), 0), l.size(1), l.dim(getInput(), 2)};
  Value tokens = getValueOrCreateConstantIndexOp(b, l.loc, l.dim(getInput(), 1));
  SmallVector<Value> inputs;
  SmallVector<SmallVector<unsigned>> maps;
  if (getLengths()) {
    inputs.push_back(getLengths());
    maps.push_back({0});
  }
  return SmallVector<Value>{l.map(sizes, l.storage, inputs, maps, [&](ValueRange v) {
    Value count = getLengths() ? l.toIndex(v[0]) : tokens;
    Value last = arith::SubIOp::create(b, l.loc, count, l.index(1));
    return l.extract(getInput(), {l.loopIndex(0), last, l.loopIndex(2)});
  })};
}
