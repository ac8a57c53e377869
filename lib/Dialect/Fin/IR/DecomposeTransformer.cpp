// Definitions of the transformer's ops.

#include "DecomposeUtils.h"

#include "fingpt/Dialect/Fin/IR/RopeFrequencies.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace fingpt::fin;

using Values = FailureOr<SmallVector<Value>>;

//===----------------------------------------------------------------------===//
// linear, embedding, positions
//===----------------------------------------------------------------------===//

Values LinearOp::decompose(OpBuilder &builder) {
  auto type = cast<RankedTensorType>(getType());
  Lowering l(builder, *this, type.getElementType());
  unsigned rank = type.getRank(), out = rank - 1, in = rank;
  SmallVector<OpFoldResult> sizes = l.dims(getInput());
  sizes.back() = l.dim(getWeight(), 0);
  SmallVector<unsigned> xAxes = Lowering::axes(out);
  xAxes.push_back(in);
  Value y =
      l.reduce(sizes, l.real(0), rank + 1, {getInput(), getWeight()}, {xAxes, {out, in}},
               [&](ValueRange v) { return l.add(v[2], l.mul(l.widen(v[0]), l.widen(v[1]))); });
  if (!getBias() && l.storage == l.accumulation)
    return SmallVector<Value>{y};
  SmallVector<Value> inputs{y};
  SmallVector<SmallVector<unsigned>> maps{Lowering::axes(rank)};
  if (getBias()) {
    inputs.push_back(getBias());
    maps.push_back({out});
  }
  return SmallVector<Value>{l.map(sizes, l.storage, inputs, maps, [&](ValueRange v) {
    return l.convert(getBias() ? l.add(v[0], l.widen(v[1])) : v[0], l.storage);
  })};
}

Values EmbeddingOp::decompose(OpBuilder &builder) {
  auto type = cast<RankedTensorType>(getType());
  Lowering l(builder, *this, type.getElementType());
  unsigned rank = type.getRank();
  SmallVector<OpFoldResult> sizes = l.dims(getIds());
  sizes.push_back(l.dim(getTable(), 1));
  return SmallVector<Value>{
      l.map(sizes, l.storage, getIds(), {Lowering::axes(rank - 1)}, [&](ValueRange v) {
        return l.extract(getTable(), {l.toIndex(v[0]), l.loopIndex(rank - 1)});
      })};
}

Values PositionsOp::decompose(OpBuilder &builder) {
  OpBuilder &b = builder;
  Lowering l(b, *this, b.getF32Type());
  return SmallVector<Value>{
      l.map(l.dims(getTokens()), b.getI32Type(), {}, {}, [&](ValueRange) -> Value {
        Value t = l.loopIndex(1);
        if (getOffset() != 0)
          t = arith::AddIOp::create(b, l.loc, t, l.index(getOffset()));
        return arith::IndexCastOp::create(b, l.loc, b.getI32Type(), t);
      })};
}

//===----------------------------------------------------------------------===//
// norms
//===----------------------------------------------------------------------===//

namespace {
/// The input of a norm as [..., runs, n]: statistics are over the last axis.
struct Runs {
  Lowering &l;
  Value x;
  unsigned rank;
  int64_t n;
  SmallVector<OpFoldResult> outer;
  bool split;

  Runs(Lowering &l, Value input, std::optional<int64_t> headDim) : l(l) {
    int64_t width = Lowering::type(input).getShape().back();
    n = headDim.value_or(width);
    split = n != width;
    x = split ? l.splitLast(input, n) : input;
    rank = Lowering::type(x).getRank();
    outer = l.dims(x);
    outer.pop_back();
  }
  SmallVector<unsigned> outerAxes() const { return Lowering::axes(rank - 1); }
  Value join(Value v) const { return split ? l.joinLast(v) : v; }

  /// Σ f(x, statistics...) / count over every run.
  Value mean(int64_t count, ValueRange statistics, function_ref<Value(ValueRange)> f) const {
    SmallVector<Value> inputs{x};
    SmallVector<SmallVector<unsigned>> maps{Lowering::axes(rank)};
    for (Value s : statistics) {
      inputs.push_back(s);
      maps.push_back(outerAxes());
    }
    Value sum = l.reduce(outer, l.real(0), rank, inputs, maps,
                         [&](ValueRange v) { return l.add(v.back(), f(v.drop_back())); });
    return l.map(outer, l.accumulation, sum, {outerAxes()},
                 [&](ValueRange v) { return l.div(v[0], l.real(double(count))); });
  }
};
} // namespace

/// 1 / √(v + eps), elementwise.
static Value inverseRoot(Lowering &l, Value v, double eps) {
  return l.map(l.dims(v), l.accumulation, v, {Lowering::axes(Lowering::type(v).getRank())},
               [&](ValueRange a) -> Value {
                 Value root = math::SqrtOp::create(l.b, l.loc, l.add(a[0], l.real(eps)));
                 return l.div(l.real(1), root);
               });
}

Values RmsNormOp::decompose(OpBuilder &builder) {
  auto type = cast<RankedTensorType>(getType());
  Lowering l(builder, *this, type.getElementType());
  Runs runs(l, getInput(), getHeadDim());
  Value square = runs.mean(int64_t(getWidth().value_or(runs.n)), {}, [&](ValueRange v) {
    Value x = l.widen(v[0]);
    return l.mul(x, x);
  });
  Value factor = inverseRoot(l, square, getEps().convertToDouble());
  SmallVector<Value> inputs{runs.x, factor};
  SmallVector<SmallVector<unsigned>> maps{Lowering::axes(runs.rank), runs.outerAxes()};
  if (getWeight()) {
    inputs.push_back(getWeight());
    maps.push_back({runs.rank - 1});
  }
  return SmallVector<Value>{
      runs.join(l.map(l.dims(runs.x), l.storage, inputs, maps, [&](ValueRange v) {
        Value y = l.mul(l.widen(v[0]), v[1]);
        if (getWeight())
          y = l.mul(y, l.widen(v[2]));
        return l.convert(y, l.storage);
      }))};
}

Values LayerNormOp::decompose(OpBuilder &builder) {
  auto type = cast<RankedTensorType>(getType());
  Lowering l(builder, *this, type.getElementType());
  Runs runs(l, getInput(), getHeadDim());
  Value mean = runs.mean(runs.n, {}, [&](ValueRange v) { return l.widen(v[0]); });
  Value variance = runs.mean(runs.n, mean, [&](ValueRange v) {
    Value d = l.sub(l.widen(v[0]), v[1]);
    return l.mul(d, d);
  });
  Value factor = inverseRoot(l, variance, getEps().convertToDouble());
  SmallVector<Value> inputs{runs.x, mean, factor};
  SmallVector<SmallVector<unsigned>> maps{Lowering::axes(runs.rank), runs.outerAxes(),
                                          runs.outerAxes()};
  for (Value v : {getWeight(), getBias()})
    if (v) {
      inputs.push_back(v);
      maps.push_back({runs.rank - 1});
    }
  return SmallVector<Value>{
      runs.join(l.map(l.dims(runs.x), l.storage, inputs, maps, [&](ValueRange v) {
        Value y = l.mul(l.sub(l.widen(v[0]), v[1]), v[2]);
        unsigned next = 3;
        if (getWeight())
          y = l.mul(y, l.widen(v[next++]));
        if (getBias())
          y = l.add(y, l.widen(v[next]));
        return l.convert(y, l.storage);
      }))};
}

//===----------------------------------------------------------------------===//
// rope
//===----------------------------------------------------------------------===//

/// A constant vector in the accumulation type.
static Value constantVector(Lowering &l, ArrayRef<double> values) {
  SmallVector<APFloat> elements;
  bool lossy;
  for (double v : values) {
    APFloat f(v);
    f.convert(cast<FloatType>(l.accumulation).getFloatSemantics(), APFloat::rmNearestTiesToEven,
              &lossy);
    elements.push_back(f);
  }
  auto type = RankedTensorType::get({int64_t(values.size())}, l.accumulation);
  return arith::ConstantOp::create(l.b, l.loc, DenseElementsAttr::get(type, elements));
}

/// True (i1, rank-0 tensor) once any position reaches `context`.
static Value reachesContext(Lowering &l, Value positions, int64_t context) {
  OpBuilder &b = l.b;
  Value none = arith::ConstantOp::create(b, l.loc, b.getBoolAttr(false));
  return l.reduce({}, none, 2, positions, {{0, 1}}, [&](ValueRange v) -> Value {
    Value limit = arith::ConstantOp::create(b, l.loc, b.getI32IntegerAttr(context));
    Value beyond = arith::CmpIOp::create(b, l.loc, arith::CmpIPredicate::sge, v[0], limit);
    return arith::OrIOp::create(b, l.loc, v[1], beyond);
  });
}

Values RopeOp::decompose(OpBuilder &builder) {
  auto type = cast<RankedTensorType>(getType());
  Lowering l(builder, *this, type.getElementType());
  OpBuilder &b = l.b;
  int64_t head = getHeadDim(), rotary = getRotaryWidth(), pairs = rotary / 2;
  RopeFrequencies rule = ropeFrequencies(getBase().convertToDouble(), rotary,
                                         getScaling().value_or(RopeScalingAttr()));
  Value frequencies = constantVector(l, rule.frequencies);
  Value longFrequencies, isLong;
  if (!rule.longFrequencies.empty()) {
    longFrequencies = constantVector(l, rule.longFrequencies);
    isLong = reachesContext(l, getPositions(), rule.originalContext);
  }

  // Cosines and sines [B, T, pairs]: once per token, not once per head.
  SmallVector<OpFoldResult> tableSizes = l.dims(getPositions());
  tableSizes.push_back(l.size(pairs));
  auto table = [&](bool cosine) {
    SmallVector<Value> inputs{getPositions(), frequencies};
    SmallVector<SmallVector<unsigned>> maps{{0, 1}, {2}};
    if (longFrequencies) {
      inputs.append({longFrequencies, isLong});
      maps.append({{2}, {}});
    }
    if (getDivisors()) {
      inputs.push_back(getDivisors());
      maps.push_back({2});
    }
    return l.map(tableSizes, l.accumulation, inputs, maps, [&](ValueRange v) -> Value {
      Value position = arith::SIToFPOp::create(b, l.loc, l.accumulation, v[0]);
      Value f = v[1];
      if (longFrequencies)
        f = arith::SelectOp::create(b, l.loc, v[3], v[2], f);
      if (getDivisors())
        f = l.div(f, l.widen(v.back()));
      Value angle = l.mul(position, f);
      Value r = cosine ? math::CosOp::create(b, l.loc, angle).getResult()
                       : math::SinOp::create(b, l.loc, angle).getResult();
      return rule.attentionFactor == 1.0 ? r : l.mul(r, l.real(rule.attentionFactor));
    });
  };
  Value cosines = table(true), sines = table(false);

  Value x = l.splitLast(getInput(), head); // [B, T, heads, head]
  bool half = getStyle() == RopeStyle::Half;
  Value y = l.map(l.dims(x), l.storage, x, {{0, 1, 2, 3}}, [&](ValueRange v) -> Value {
    Value d = l.loopIndex(3), zero = l.index(0);
    Value rotated = arith::CmpIOp::create(b, l.loc, arith::CmpIPredicate::ult, d, l.index(rotary));
    // Of pair (first, second): first' = first·c − second·s, second' = second·c + first·s.
    Value pair, partner, isSecond;
    if (half) {
      isSecond = arith::CmpIOp::create(b, l.loc, arith::CmpIPredicate::uge, d, l.index(pairs));
      Value down = arith::SubIOp::create(b, l.loc, d, l.index(pairs));
      Value up = arith::AddIOp::create(b, l.loc, d, l.index(pairs));
      partner = arith::SelectOp::create(b, l.loc, isSecond, down, up);
      pair = arith::SelectOp::create(b, l.loc, isSecond, down, d);
    } else {
      Value parity = arith::RemUIOp::create(b, l.loc, d, l.index(2));
      isSecond = arith::CmpIOp::create(b, l.loc, arith::CmpIPredicate::eq, parity, l.index(1));
      Value down = arith::SubIOp::create(b, l.loc, d, l.index(1));
      Value up = arith::AddIOp::create(b, l.loc, d, l.index(1));
      partner = arith::SelectOp::create(b, l.loc, isSecond, down, up);
      pair = arith::DivUIOp::create(b, l.loc, d, l.index(2));
    }
    partner = arith::SelectOp::create(b, l.loc, rotated, partner, zero);
    pair = arith::SelectOp::create(b, l.loc, rotated, pair, zero);
    Value batch = l.loopIndex(0), token = l.loopIndex(1);
    Value c = l.extract(cosines, {batch, token, pair});
    Value s = l.extract(sines, {batch, token, pair});
    Value self = l.widen(v[0]);
    Value other = l.widen(l.extract(x, {batch, token, l.loopIndex(2), partner}));
    Value cross = l.mul(other, s), straight = l.mul(self, c);
    Value r =
        arith::SelectOp::create(b, l.loc, isSecond, l.add(straight, cross), l.sub(straight, cross));
    return arith::SelectOp::create(b, l.loc, rotated, l.convert(r, l.storage), v[0]);
  });
  return SmallVector<Value>{l.joinLast(y)};
}

//===----------------------------------------------------------------------===//
// attention, softmax
//===----------------------------------------------------------------------===//

/// exp(x − max) over the last axis of `x` (accumulation type), its sum, and the
/// quotient. `floor` (same leading axes, may be null) joins the maximum and the
/// sum without having a place in the result: an attention sink. A row of −inf
/// yields zeros.
static Value normalizedExponentials(Lowering &l, Value x, Value sink, ArrayRef<unsigned> sinkAxes) {
  OpBuilder &b = l.b;
  unsigned rank = Lowering::type(x).getRank();
  SmallVector<OpFoldResult> all = l.dims(x), outer(ArrayRef(all).drop_back());
  SmallVector<unsigned> full = Lowering::axes(rank), rows = Lowering::axes(rank - 1);
  double infinity = std::numeric_limits<double>::infinity();
  Value max = l.reduce(outer, l.real(-infinity), rank, x, {full}, [&](ValueRange v) -> Value {
    return arith::MaximumFOp::create(b, l.loc, v[0], v[1]);
  });
  if (sink)
    max = l.map(outer, l.accumulation, {max, sink}, {rows, SmallVector<unsigned>(sinkAxes)},
                [&](ValueRange v) -> Value {
                  return arith::MaximumFOp::create(b, l.loc, v[0], l.widen(v[1]));
                });
  // Nothing visible: −inf − (−inf) would be NaN; subtract 0 instead.
  auto shifted = [&](Value v, Value m) -> Value {
    Value empty = arith::CmpFOp::create(b, l.loc, arith::CmpFPredicate::OEQ, m, l.real(-infinity));
    Value base = arith::SelectOp::create(b, l.loc, empty, l.real(0), m);
    return math::ExpOp::create(b, l.loc, l.sub(v, base));
  };
  Value e = l.map(all, l.accumulation, {x, max}, {full, rows},
                  [&](ValueRange v) { return shifted(v[0], v[1]); });
  Value sum =
      l.reduce(outer, l.real(0), rank, e, {full}, [&](ValueRange v) { return l.add(v[1], v[0]); });
  if (sink)
    sum = l.map(outer, l.accumulation, {sum, max, sink},
                {rows, rows, SmallVector<unsigned>(sinkAxes)},
                [&](ValueRange v) { return l.add(v[0], shifted(l.widen(v[2]), v[1])); });
  return l.map(all, l.accumulation, {e, sum}, {full, rows}, [&](ValueRange v) -> Value {
    Value none = arith::CmpFOp::create(b, l.loc, arith::CmpFPredicate::OEQ, v[1], l.real(0));
    Value divisor = arith::SelectOp::create(b, l.loc, none, l.real(1), v[1]);
    return l.div(v[0], divisor);
  });
}

Values SoftmaxOp::decompose(OpBuilder &builder) {
  auto type = cast<RankedTensorType>(getType());
  Lowering l(builder, *this, type.getElementType());
  SmallVector<SmallVector<unsigned>> identity{Lowering::axes(type.getRank())};
  Value x = getInput();
  if (l.storage != l.accumulation)
    x = l.map(l.dims(x), l.accumulation, x, identity, [&](ValueRange v) { return l.widen(v[0]); });
  Value p = normalizedExponentials(l, x, {}, {});
  if (l.storage != l.accumulation)
    p = l.map(l.dims(p), l.storage, p, identity,
              [&](ValueRange v) { return l.convert(v[0], l.storage); });
  return SmallVector<Value>{p};
}

Values AttentionOp::decompose(OpBuilder &builder) {
  auto type = cast<RankedTensorType>(getType());
  Lowering l(builder, *this, type.getElementType());
  OpBuilder &b = l.b;
  int64_t heads = getHeads(), kvHeads = getKvHeads(), group = heads / kvHeads;
  int64_t headDim = Lowering::type(getQuery()).getShape()[2] / heads;
  int64_t valueDim = Lowering::type(getValue()).getShape()[2] / kvHeads;

  // Loop axes: b, n (key/value head), g (query head within the group), t, s.
  Value q = l.splitLast(l.splitLast(getQuery(), group * headDim), headDim); // [B,T,n,g,d]
  Value k = l.splitLast(getKey(), headDim);                                 // [B,S,n,d]
  Value v = l.splitLast(getValue(), valueDim);                              // [B,S,n,e]
  OpFoldResult batch = l.dim(getQuery(), 0), tokens = l.dim(getQuery(), 1);
  OpFoldResult keys = l.dim(getKey(), 1);
  SmallVector<OpFoldResult> scoreSizes{batch, l.size(kvHeads), l.size(group), tokens, keys};
  Value dots =
      l.reduce(scoreSizes, l.real(0), 6, {q, k}, {{0, 3, 1, 2, 5}, {0, 4, 1, 5}},
               [&](ValueRange a) { return l.add(a[2], l.mul(l.widen(a[0]), l.widen(a[1]))); });

  Value scores =
      l.map(scoreSizes, l.accumulation, dots, {{0, 1, 2, 3, 4}}, [&](ValueRange a) -> Value {
        Value s = l.mul(a[0], l.real(getScale().convertToDouble()));
        if (getSoftCap()) {
          double cap = getSoftCap()->convertToDouble();
          s = l.mul(math::TanhOp::create(b, l.loc, l.div(s, l.real(cap))), l.real(cap));
        }
        Value sequence = l.loopIndex(0), token = l.loopIndex(3), key = l.loopIndex(4);
        if (getMask()) {
          ArrayRef<int64_t> shape = Lowering::type(getMask()).getShape();
          Value head = arith::AddIOp::create(
              b, l.loc, arith::MulIOp::create(b, l.loc, l.loopIndex(1), l.index(group)),
              l.loopIndex(2));
          Value maskBatch = shape[0] == 1 ? l.index(0) : sequence;
          Value maskHead = shape[1] == 1 ? l.index(0) : head;
          s = l.add(s, l.widen(l.extract(getMask(), {maskBatch, maskHead, token, key})));
        }
        Value visible;
        auto require = [&](Value condition) {
          visible =
              visible ? arith::AndIOp::create(b, l.loc, visible, condition).getResult() : condition;
        };
        if (getLengths()) {
          Value length = l.toIndex(l.extract(getLengths(), sequence));
          require(arith::CmpIOp::create(b, l.loc, arith::CmpIPredicate::slt, key, length));
        }
        if (getCausal() || getWindow()) {
          Value position = l.toIndex(l.extract(getPositions(), {sequence, token}));
          if (getCausal())
            require(arith::CmpIOp::create(b, l.loc, arith::CmpIPredicate::sle, key, position));
          if (getWindow()) {
            Value first = arith::SubIOp::create(b, l.loc, position, l.index(*getWindow()));
            require(arith::CmpIOp::create(b, l.loc, arith::CmpIPredicate::sgt, key, first));
          }
        }
        if (!visible)
          return s;
        return arith::SelectOp::create(b, l.loc, visible, s,
                                       l.real(-std::numeric_limits<double>::infinity()));
      });

  Value sinks = getSinks() ? l.splitLast(getSinks(), group) : Value(); // [n, g]
  Value p = normalizedExponentials(l, scores, sinks, {1, 2});
  // Loop axes: b, t, n, g, e; then the summed s.
  SmallVector<OpFoldResult> outSizes{batch, tokens, l.size(kvHeads), l.size(group),
                                     l.size(valueDim)};
  // What is invisible has no place in the sum, whatever stands there (0·NaN is NaN): a
  // cache is not written beyond the positions that are visible.
  bool hides = getLengths() || getCausal() || getWindow();
  Value y = l.reduce(
      outSizes, l.real(0), 6, {p, v}, {{0, 2, 3, 1, 5}, {0, 5, 2, 4}}, [&](ValueRange a) -> Value {
        Value term = l.mul(a[0], l.widen(a[1]));
        if (hides) {
          Value none = arith::CmpFOp::create(b, l.loc, arith::CmpFPredicate::OEQ, a[0], l.real(0));
          term = arith::SelectOp::create(b, l.loc, none, l.real(0), term);
        }
        return l.add(a[2], term);
      });
  if (l.storage != l.accumulation)
    y = l.map(outSizes, l.storage, y, {{0, 1, 2, 3, 4}},
              [&](ValueRange a) { return l.convert(a[0], l.storage); });
  return SmallVector<Value>{l.joinLast(l.joinLast(y))};
}

//===----------------------------------------------------------------------===//
// activations
//===----------------------------------------------------------------------===//

static Value logistic(Lowering &l, Value x) {
  Value e = math::ExpOp::create(l.b, l.loc, arith::NegFOp::create(l.b, l.loc, x));
  return l.div(l.real(1), l.add(l.real(1), e));
}

template <typename Op>
static SmallVector<Value> elementwise(Op op, OpBuilder &b,
                                      function_ref<Value(Lowering &, Value)> f) {
  Lowering l(b, op, cast<RankedTensorType>(op.getInput().getType()).getElementType());
  return {l.elementwise(op.getInput(), [&](Value x) { return f(l, x); })};
}

Values GeluOp::decompose(OpBuilder &b) {
  return elementwise(*this, b, [&](Lowering &l, Value x) -> Value {
    if (getKind() == GeluKind::Quick)
      return l.mul(x, logistic(l, l.mul(x, l.real(1.702))));
    Value inner;
    if (getKind() == GeluKind::Exact) {
      inner = math::ErfOp::create(l.b, l.loc, l.mul(x, l.real(std::sqrt(0.5))));
    } else {
      Value cube = l.mul(l.mul(x, x), x);
      Value argument = l.mul(l.add(x, l.mul(cube, l.real(0.044715))),
                             l.real(std::sqrt(2.0 / 3.14159265358979323846)));
      inner = math::TanhOp::create(l.b, l.loc, argument);
    }
    return l.mul(l.mul(x, l.real(0.5)), l.add(l.real(1), inner));
  });
}

Values SiluOp::decompose(OpBuilder &b) {
  return elementwise(*this, b, [](Lowering &l, Value x) { return l.mul(x, logistic(l, x)); });
}

Values ReluOp::decompose(OpBuilder &b) {
  return elementwise(*this, b, [](Lowering &l, Value x) -> Value {
    return arith::MaximumFOp::create(l.b, l.loc, x, l.real(0));
  });
}

Values SigmoidOp::decompose(OpBuilder &b) { return elementwise(*this, b, logistic); }

Values MultiplyOp::decompose(OpBuilder &b) {
  return elementwise(*this, b, [&](Lowering &l, Value x) {
    return l.mul(x, l.real(getValue().convertToDouble()));
  });
}

Values SoftCapOp::decompose(OpBuilder &b) {
  return elementwise(*this, b, [&](Lowering &l, Value x) {
    Value cap = l.real(getValue().convertToDouble());
    return l.mul(math::TanhOp::create(l.b, l.loc, l.div(x, cap)), cap);
  });
}
