// Definitions of the state ops. An append is a loop of slice insertions, which
// bufferization performs in place; a read is a pair of views.

#include "DecomposeUtils.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

#include <limits>

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

Values QuantizeRowsOp::decompose(OpBuilder &builder) {
  RankedTensorType type = Lowering::type(getInput());
  Lowering l(builder, *this, type.getElementType());
  OpBuilder &b = l.b;
  auto group = int64_t(getGroupSize()), bits = int64_t(getBits());
  int64_t width = type.getShape()[2], groups = width / group, codeBytes = width * bits / 8;
  constexpr double largest = 65504; // of f16
  const double levels = double((int64_t(1) << bits) - 1);
  Type f16 = b.getF16Type(), i8 = b.getI8Type(), i16 = b.getIntegerType(16);
  SmallVector<OpFoldResult> rows{l.dim(getInput(), 0), l.dim(getInput(), 1)};
  auto sized = [&](int64_t last) {
    return SmallVector<OpFoldResult>{rows[0], rows[1], l.size(last)};
  };

  Value runs = l.splitLast(getInput(), group);
  double infinity = std::numeric_limits<double>::infinity();
  auto extreme = [&](double init, auto fold) {
    return l.reduce(sized(groups), l.real(init), 4, runs, {Lowering::axes(4)},
                    [&](ValueRange v) { return fold(l.widen(v[0]), v[1]); });
  };
  Value least = extreme(infinity, [&](Value x, Value y) -> Value {
    return arith::MinimumFOp::create(b, l.loc, x, y);
  });
  Value most = extreme(-infinity, [&](Value x, Value y) -> Value {
    return arith::MaximumFOp::create(b, l.loc, x, y);
  });
  Value mins = l.map(sized(groups), f16, least, {Lowering::axes(3)}, [&](ValueRange v) {
    Value x = arith::MaximumFOp::create(b, l.loc, v[0], l.real(-largest));
    return l.convert(arith::MinimumFOp::create(b, l.loc, x, l.real(largest)), f16);
  });
  Value scales = l.map(sized(groups), f16, {least, most}, {Lowering::axes(3), Lowering::axes(3)},
                       [&](ValueRange v) {
                         Value s = l.div(l.sub(v[1], v[0]), l.real(levels));
                         s = arith::MinimumFOp::create(b, l.loc, s, l.real(largest));
                         return l.convert(s, f16);
                       });
  SmallVector<unsigned> ofRun = Lowering::axes(3);
  Value codes = l.map(l.dims(runs), i8, {runs, scales, mins}, {Lowering::axes(4), ofRun, ofRun},
                      [&](ValueRange v) -> Value {
                        Value scale = l.widen(v[1]);
                        Value q = l.div(l.sub(l.widen(v[0]), l.widen(v[2])), scale);
                        q = math::RoundEvenOp::create(b, l.loc, q);
                        q = arith::MaxNumFOp::create(b, l.loc, q, l.real(0)); // 0 for NaN
                        q = arith::MinNumFOp::create(b, l.loc, q, l.real(levels));
                        Value constant = arith::CmpFOp::create(b, l.loc, arith::CmpFPredicate::OEQ,
                                                               scale, l.real(0));
                        q = arith::SelectOp::create(b, l.loc, constant, l.real(0), q);
                        Value code = arith::FPToUIOp::create(b, l.loc, b.getI32Type(), q);
                        return arith::TruncIOp::create(b, l.loc, i8, code);
                      });
  codes = l.joinLast(codes);
  if (bits == 4)
    codes = l.map(sized(codeBytes), i8, {}, {}, [&](ValueRange) -> Value {
      Value at = arith::MulIOp::create(b, l.loc, l.loopIndex(2), l.index(2));
      Value next = arith::AddIOp::create(b, l.loc, at, l.index(1));
      Value low = l.extract(codes, {l.loopIndex(0), l.loopIndex(1), at});
      Value high = l.extract(codes, {l.loopIndex(0), l.loopIndex(1), next});
      Value four = arith::ConstantOp::create(b, l.loc, b.getIntegerAttr(i8, 4));
      return arith::OrIOp::create(b, l.loc, low, arith::ShLIOp::create(b, l.loc, high, four));
    });
  Value table = l.map(sized(groups * 4), i8, {}, {}, [&](ValueRange) -> Value {
    Value at = l.loopIndex(2);
    Value byte = arith::RemUIOp::create(b, l.loc, at, l.index(4));
    SmallVector<Value> indices{l.loopIndex(0), l.loopIndex(1),
                               arith::DivUIOp::create(b, l.loc, at, l.index(4))};
    Value isMin = arith::CmpIOp::create(b, l.loc, arith::CmpIPredicate::uge, byte, l.index(2));
    Value half = arith::SelectOp::create(b, l.loc, isMin, l.extract(mins, indices),
                                         l.extract(scales, indices));
    Value word = arith::BitcastOp::create(b, l.loc, i16, half);
    Value odd = arith::RemUIOp::create(b, l.loc, byte, l.index(2));
    Value shift =
        arith::IndexCastOp::create(b, l.loc, i16, arith::MulIOp::create(b, l.loc, odd, l.index(8)));
    return arith::TruncIOp::create(b, l.loc, i8, arith::ShRUIOp::create(b, l.loc, word, shift));
  });
  Value out = l.empty(sized(Lowering::type(getResult()).getShape()[2]), i8);
  SmallVector<OpFoldResult> ones(3, l.size(1));
  for (auto [part, offset] : {std::pair{codes, int64_t(0)}, {table, codeBytes}})
    out = tensor::InsertSliceOp::create(
        b, l.loc, part, out, SmallVector<OpFoldResult>{l.size(0), l.size(0), l.size(offset)},
        l.dims(part), ones);
  return SmallVector<Value>{out};
}

Values DequantizeRowsOp::decompose(OpBuilder &builder) {
  Lowering l(builder, *this, getType().getElementType());
  OpBuilder &b = l.b;
  auto group = int64_t(getGroupSize()), bits = int64_t(getBits());
  int64_t width = getType().getShape()[2], codeBytes = width * bits / 8;
  Type i16 = b.getIntegerType(16), i32 = b.getI32Type();
  SmallVector<OpFoldResult> sizes{l.dim(getInput(), 0), l.dim(getInput(), 1), l.size(width)};
  return SmallVector<Value>{l.map(sizes, l.storage, {}, {}, [&](ValueRange) -> Value {
    Value row = l.loopIndex(0), token = l.loopIndex(1), column = l.loopIndex(2);
    auto byte = [&](Value at, Type type) -> Value {
      return arith::ExtUIOp::create(b, l.loc, type, l.extract(getInput(), {row, token, at}));
    };
    Value first = arith::DivUIOp::create(b, l.loc, column, l.index(group));
    first = arith::MulIOp::create(b, l.loc, first, l.index(4));
    auto half = [&](int64_t offset) {
      Value low = arith::AddIOp::create(b, l.loc, first, l.index(codeBytes + offset));
      Value high = arith::AddIOp::create(b, l.loc, low, l.index(1));
      Value eight = arith::ConstantOp::create(b, l.loc, b.getIntegerAttr(i16, 8));
      Value word = arith::OrIOp::create(b, l.loc, byte(low, i16),
                                        arith::ShLIOp::create(b, l.loc, byte(high, i16), eight));
      return l.widen(arith::BitcastOp::create(b, l.loc, b.getF16Type(), word));
    };
    Value code;
    if (bits == 8) {
      code = byte(column, i32);
    } else {
      auto constant = [&](int64_t v) -> Value {
        return arith::ConstantOp::create(b, l.loc, b.getIntegerAttr(i32, v));
      };
      Value pair = byte(arith::DivUIOp::create(b, l.loc, column, l.index(2)), i32);
      Value odd = arith::RemUIOp::create(b, l.loc, column, l.index(2));
      Value shift = arith::MulIOp::create(b, l.loc, arith::IndexCastOp::create(b, l.loc, i32, odd),
                                          constant(4));
      code = arith::AndIOp::create(b, l.loc, arith::ShRUIOp::create(b, l.loc, pair, shift),
                                   constant(15));
    }
    Value q = arith::UIToFPOp::create(b, l.loc, l.accumulation, code);
    return l.convert(l.add(l.mul(q, half(0)), half(2)), l.storage);
  })};
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
