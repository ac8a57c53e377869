// Definitions of the weight expressions.

#include "DecomposeUtils.h"

#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace fingpt::fin;

using Values = FailureOr<SmallVector<Value>>;

/// The packed bytes of a code tensor, whose codes come from fin.unpack or straight
/// from a parameter. Null, with an error, for any other producer.
static Value packedBytes(Lowering &l, Operation *user, Value codes) {
  if (auto unpack = codes.getDefiningOp<UnpackOp>())
    return unpack.getBytes();
  if (auto param = codes.getDefiningOp<ParamOp>())
    return ParamOp::create(l.b, param.getLoc(), packedType(param.getType()), param.getKey());
  user->emitOpError("needs codes that come from fin.unpack or fin.param");
  return {};
}

/// Code (row, column) of packed rows as an i32, inside a loop body. A code may
/// straddle two bytes; the second read is clamped to the row.
static Value codeAt(Lowering &l, Value bytes, IntegerType code, Value row, Value column) {
  OpBuilder &b = l.b;
  unsigned bits = code.getWidth();
  Type i32 = b.getI32Type();
  auto i32Constant = [&](int64_t v) -> Value {
    return arith::ConstantOp::create(b, l.loc, b.getI32IntegerAttr(v));
  };
  Value value;
  if (8 % bits == 0) {
    Value byteIndex = column, shift;
    if (bits != 8) {
      Value perByte = l.index(8 / bits);
      byteIndex = arith::DivUIOp::create(b, l.loc, column, perByte);
      Value within = arith::RemUIOp::create(b, l.loc, column, perByte);
      Value amount = arith::MulIOp::create(b, l.loc, within, l.index(bits));
      shift = arith::IndexCastOp::create(b, l.loc, i32, amount);
    }
    value = arith::ExtUIOp::create(b, l.loc, i32, l.extract(bytes, {row, byteIndex}));
    if (shift)
      value = arith::ShRUIOp::create(b, l.loc, value, shift);
  } else {
    Value bit = arith::MulIOp::create(b, l.loc, column, l.index(bits));
    Value first = arith::DivUIOp::create(b, l.loc, bit, l.index(8));
    Value within = arith::RemUIOp::create(b, l.loc, bit, l.index(8));
    Value last = l.index(Lowering::type(bytes).getShape()[1] - 1);
    Value next =
        arith::MinUIOp::create(b, l.loc, arith::AddIOp::create(b, l.loc, first, l.index(1)), last);
    Value low = arith::ExtUIOp::create(b, l.loc, i32, l.extract(bytes, {row, first}));
    Value high = arith::ExtUIOp::create(b, l.loc, i32, l.extract(bytes, {row, next}));
    Value pair =
        arith::OrIOp::create(b, l.loc, low, arith::ShLIOp::create(b, l.loc, high, i32Constant(8)));
    value =
        arith::ShRUIOp::create(b, l.loc, pair, arith::IndexCastOp::create(b, l.loc, i32, within));
  }
  if (code.isUnsigned())
    return arith::AndIOp::create(b, l.loc, value, i32Constant((int64_t(1) << bits) - 1));
  Value up = i32Constant(32 - bits);
  return arith::ShRSIOp::create(b, l.loc, arith::ShLIOp::create(b, l.loc, value, up), up);
}

static IntegerType codeType(Value codes) {
  return cast<IntegerType>(Lowering::type(codes).getElementType());
}

Values DequantizeOp::decompose(OpBuilder &builder) {
  Lowering l(builder, *this, getType().getElementType());
  OpBuilder &b = l.b;
  Value bytes = packedBytes(l, *this, getCodes());
  if (!bytes)
    return failure();
  bool zeroCodes = getZeros() && isa<IntegerType>(Lowering::type(getZeros()).getElementType());
  Value zeroBytes;
  if (zeroCodes)
    zeroBytes = packedBytes(l, *this, getZeros());
  if (zeroCodes && !zeroBytes)
    return failure();
  ArrayRef<int64_t> shape = getType().getShape();
  Value result =
      l.map({l.size(shape[0]), l.size(shape[1])}, l.storage, {}, {}, [&](ValueRange) -> Value {
        Value row = l.loopIndex(0), column = l.loopIndex(1);
        Value group = arith::DivUIOp::create(b, l.loc, column, l.index(getGroupSize()));
        Value code = codeAt(l, bytes, codeType(getCodes()), row, column);
        auto real = [&](Value integer) -> Value {
          return arith::SIToFPOp::create(b, l.loc, l.accumulation, integer);
        };
        Value q;
        if (zeroCodes) {
          Value z = codeAt(l, zeroBytes, codeType(getZeros()), row, group);
          q = real(arith::SubIOp::create(b, l.loc, code, z));
        } else if (getZeros()) {
          q = l.sub(real(code), l.widen(l.extract(getZeros(), {row, group})));
        } else if (getZero() != 0) {
          Value z = arith::ConstantOp::create(b, l.loc, b.getI32IntegerAttr(getZero()));
          q = real(arith::SubIOp::create(b, l.loc, code, z));
        } else {
          q = real(code);
        }
        Value w = l.mul(q, l.widen(l.extract(getScales(), {row, group})));
        if (getMins())
          w = l.add(w, l.widen(l.extract(getMins(), {row, group})));
        return l.convert(w, l.storage);
      });
  return SmallVector<Value>{result};
}

Values LookupOp::decompose(OpBuilder &builder) {
  Lowering l(builder, *this, getType().getElementType());
  Value bytes = packedBytes(l, *this, getCodes());
  if (!bytes)
    return failure();
  bool perRow = Lowering::type(getCodebook()).getRank() == 2;
  ArrayRef<int64_t> shape = getType().getShape();
  Value result =
      l.map({l.size(shape[0]), l.size(shape[1])}, l.storage, {}, {}, [&](ValueRange) -> Value {
        Value row = l.loopIndex(0), column = l.loopIndex(1);
        Value entry = l.toIndex(codeAt(l, bytes, codeType(getCodes()), row, column));
        SmallVector<Value> at{entry};
        if (perRow)
          at.insert(at.begin(), row);
        Value w = l.widen(l.extract(getCodebook(), at));
        if (getScales()) {
          Value group = arith::DivUIOp::create(l.b, l.loc, column, l.index(*getGroupSize()));
          w = l.mul(w, l.widen(l.extract(getScales(), {row, group})));
        }
        return l.convert(w, l.storage);
      });
  return SmallVector<Value>{result};
}

Values LowRankOp::decompose(OpBuilder &builder) {
  Lowering l(builder, *this, getType().getElementType());
  Value sum = l.reduce(
      {l.dim(getB(), 0), l.dim(getA(), 1)}, l.real(0), 3, {getB(), getA()}, {{0, 2}, {2, 1}},
      [&](ValueRange v) { return l.add(v[2], l.mul(l.widen(v[0]), l.widen(v[1]))); });
  return SmallVector<Value>{l.map(l.dims(sum), l.storage, sum, {{0, 1}},
                                  [&](ValueRange v) { return l.convert(v[0], l.storage); })};
}

Values SparseOp::decompose(OpBuilder &builder) {
  Lowering l(builder, *this, getType().getElementType());
  OpBuilder &b = l.b;
  ArrayRef<int64_t> shape = getType().getShape();
  Value zero = linalg::FillOp::create(b, l.loc, l.real(0, l.storage),
                                      l.empty({l.size(shape[0]), l.size(shape[1])}, l.storage))
                   .getResult(0);
  auto rows = scf::ForOp::create(b, l.loc, l.index(0), l.index(shape[0]), l.index(1), zero,
                                 [&](OpBuilder &, Location, Value row, ValueRange outer) {
                                   OpBuilder::InsertionGuard guard(b);
                                   b.setInsertionPointToEnd(row.getParentBlock());
                                   Value next = arith::AddIOp::create(b, l.loc, row, l.index(1));
                                   Value begin = l.toIndex(l.extract(getOffsets(), row));
                                   Value end = l.toIndex(l.extract(getOffsets(), next));
                                   auto entries = scf::ForOp::create(
                                       b, l.loc, begin, end, l.index(1), outer,
                                       [&](OpBuilder &, Location, Value e, ValueRange inner) {
                                         OpBuilder::InsertionGuard guard(b);
                                         b.setInsertionPointToEnd(e.getParentBlock());
                                         Value column = l.toIndex(l.extract(getColumns(), e));
                                         Value value = l.widen(l.extract(getValues(), e));
                                         Value old = l.widen(l.extract(inner[0], {row, column}));
                                         Value sum = l.convert(l.add(old, value), l.storage);
                                         Value out = tensor::InsertOp::create(
                                             b, l.loc, sum, inner[0], ValueRange{row, column});
                                         scf::YieldOp::create(b, l.loc, out);
                                       });
                                   scf::YieldOp::create(b, l.loc, entries.getResults());
                                 });
  return SmallVector<Value>{rows.getResult(0)};
}

Values SumOp::decompose(OpBuilder &builder) {
  RankedTensorType type = cast<RankedTensorType>(getType());
  Lowering l(builder, *this, type.getElementType());
  SmallVector<SmallVector<unsigned>> maps(getTerms().size(), Lowering::axes(type.getRank()));
  Value result = l.map(l.dims(getTerms()[0]), l.storage, getTerms(), maps, [&](ValueRange v) {
    Value sum = l.widen(v[0]);
    for (Value term : v.drop_front())
      sum = l.add(sum, l.widen(term));
    return l.convert(sum, l.storage);
  });
  return SmallVector<Value>{result};
}

Values ScaleOp::decompose(OpBuilder &builder) {
  Lowering l(builder, *this, getType().getElementType());
  unsigned axis = getAxis() == Axis::Rows ? 0 : 1;
  return SmallVector<Value>{l.map(
      l.dims(getWeight()), l.storage, {getWeight(), getFactors()}, {{0, 1}, {axis}},
      [&](ValueRange v) { return l.convert(l.mul(l.widen(v[0]), l.widen(v[1])), l.storage); })};
}

Values PermuteOp::decompose(OpBuilder &builder) {
  Lowering l(builder, *this, getType().getElementType());
  bool rows = getAxis() == Axis::Rows;
  return SmallVector<Value>{
      l.map(l.dims(getWeight()), l.storage, getIndices(), {{rows ? 0u : 1u}}, [&](ValueRange v) {
        Value from = l.toIndex(v[0]);
        return rows ? l.extract(getWeight(), {from, l.loopIndex(1)})
                    : l.extract(getWeight(), {l.loopIndex(0), from});
      })};
}

Values TransposeOp::decompose(OpBuilder &builder) {
  Lowering l(builder, *this, getType().getElementType());
  return SmallVector<Value>{l.map({l.dim(getWeight(), 1), l.dim(getWeight(), 0)}, l.storage,
                                  getWeight(), {{1, 0}}, [](ValueRange v) { return v[0]; })};
}

Values ConcatOp::decompose(OpBuilder &builder) {
  Lowering l(builder, *this, getType().getElementType());
  int64_t axis = getAxis() == Axis::Rows ? 0 : 1;
  Value joined = tensor::ConcatOp::create(l.b, l.loc, axis, getParts());
  FailureOr<SmallVector<Value>> inserted =
      joined.getDefiningOp<tensor::ConcatOp>().decomposeOperation(l.b);
  joined.getDefiningOp()->erase();
  return inserted;
}

Values HadamardOp::decompose(OpBuilder &builder) {
  RankedTensorType type = cast<RankedTensorType>(getType());
  Lowering l(builder, *this, type.getElementType());
  OpBuilder &b = l.b;
  unsigned rank = type.getRank();
  int64_t n = getSize();
  Value x = l.splitLast(getInput(), n); // [..., blocks, n]
  SmallVector<Value> inputs{x};
  // Loops: kept axes ..., blocks, i; then the summed j.
  SmallVector<unsigned> xAxes = Lowering::axes(rank);
  xAxes.push_back(rank + 1);
  SmallVector<SmallVector<unsigned>> maps{xAxes};
  if (getSigns()) {
    inputs.push_back(l.splitLast(getSigns(), n));
    maps.push_back({rank - 1, rank + 1});
  }
  Value sum = l.reduce(l.dims(x), l.real(0), rank + 2, inputs, maps, [&](ValueRange v) -> Value {
    Value i = arith::IndexCastOp::create(b, l.loc, b.getI64Type(), l.loopIndex(rank));
    Value j = arith::IndexCastOp::create(b, l.loc, b.getI64Type(), l.loopIndex(rank + 1));
    Value common = math::CtPopOp::create(b, l.loc, arith::AndIOp::create(b, l.loc, i, j));
    Value odd = arith::TruncIOp::create(b, l.loc, b.getI1Type(), common);
    Value term = l.widen(v[0]);
    if (getSigns())
      term = l.mul(term, l.widen(v[1]));
    Value negated = arith::NegFOp::create(b, l.loc, term);
    return l.add(v.back(), arith::SelectOp::create(b, l.loc, odd, negated, term));
  });
  double factor = 1.0 / std::sqrt(double(n));
  Value scaled = l.map(l.dims(sum), l.storage, sum, {Lowering::axes(rank + 1)}, [&](ValueRange v) {
    return l.convert(l.mul(v[0], l.real(factor)), l.storage);
  });
  return SmallVector<Value>{l.joinLast(scaled)};
}
