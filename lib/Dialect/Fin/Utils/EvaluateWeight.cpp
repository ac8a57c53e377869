// The values of a weight expression, computed here and now: what compression reads.
// Every case follows the op's decomposition, in f32; test/unit/Dialect compares them.

#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include "fingpt/Runtime/ThreadPool.h"
#include "fingpt/Support/Float.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/ADT/bit.h"

#include <cmath>
#include <cstring>

using namespace mlir;

namespace fingpt::fin {

namespace {

/// A tensor of f32 values; a scalar type narrower than f32 has been rounded to.
struct Tensor {
  SmallVector<int64_t> shape;
  std::shared_ptr<std::vector<float>> values;
  float at(int64_t i) const { return (*values)[size_t(i)]; }
  int64_t cols() const { return shape.back(); }
};

/// Packed codes.
struct Codes {
  TensorData bytes;
  int64_t rows, cols, rowBytes;
  unsigned bits;
  bool isSigned;
  int32_t at(int64_t r, int64_t c) const {
    const uint8_t *row = bytes.as<uint8_t>() + r * rowBytes;
    if (bits == 8)
      return isSigned ? int32_t(int8_t(row[c])) : int32_t(row[c]);
    int64_t bit = c * bits;
    uint32_t pair = row[bit / 8];
    if (bit / 8 + 1 < rowBytes)
      pair |= uint32_t(row[bit / 8 + 1]) << 8;
    uint32_t code = (pair >> (bit % 8)) & ((1u << bits) - 1);
    return isSigned && (code >> (bits - 1)) ? int32_t(code) - (1 << bits) : int32_t(code);
  }
};

class Evaluator {
public:
  explicit Evaluator(const ParamStore &params) : params(params) {}
  Result<Tensor> evaluate(Value v);

private:
  Result<Tensor> compute(Value v);
  Result<Tensor> param(ParamOp op);
  Result<Tensor> constant(arith::ConstantOp op);
  Result<Tensor> dequantize(DequantizeOp op);
  Result<Tensor> lookup(LookupOp op);
  Result<Tensor> lowRank(LowRankOp op);
  Result<Tensor> sparse(SparseOp op);
  Result<Tensor> sum(SumOp op);
  Result<Tensor> scale(ScaleOp op);
  Result<Tensor> permute(PermuteOp op);
  Result<Tensor> transpose(TransposeOp op);
  Result<Tensor> concat(ConcatOp op);
  Result<Tensor> hadamard(HadamardOp op);
  Result<Tensor> slice(tensor::ExtractSliceOp op);
  Result<Tensor> elementwise(Operation *op, float (*f)(float, float));
  Result<Codes> codes(Value v);
  Result<TensorData> bytes(ParamOp op, uint64_t expected);
  Result<std::vector<int32_t>> indices(Value v);

  const ParamStore &params;
  llvm::DenseMap<Value, Tensor> done;
  unsigned depth = 0;
};

} // namespace

static RankedTensorType typeOf(Value v) { return cast<RankedTensorType>(v.getType()); }

static Tensor empty(RankedTensorType type) {
  Tensor t;
  t.shape.assign(type.getShape().begin(), type.getShape().end());
  t.values = std::make_shared<std::vector<float>>(size_t(type.getNumElements()));
  return t;
}

/// f16 and bf16 results are rounded, as a stored tensor of that type is.
static void roundTo(Type element, Tensor &t) {
  if (element.isF16())
    for (float &x : *t.values)
      x = f16ToFloat(floatToF16(x));
  else if (element.isBF16())
    for (float &x : *t.values)
      x = bf16ToFloat(floatToBf16(x));
}

static void forRows(int64_t rows, llvm::function_ref<void(int64_t)> body) {
  ThreadPool::global().parallelFor(size_t(rows), [&](size_t begin, size_t end) {
    for (size_t r = begin; r < end; ++r)
      body(int64_t(r));
  });
}

static Error notThere(ParamOp op) {
  return Error::at("parameter " + quote(op.getKey().str()), "is not in the model's files");
}

Result<TensorData> Evaluator::bytes(ParamOp op, uint64_t expected) {
  if (!params.find(op.getKey()))
    return notThere(op);
  Result<TensorData> data = params.get(op.getKey());
  if (data && data->bytes != expected)
    return Error::at("parameter " + quote(op.getKey().str()), "wrong size",
                     std::to_string(expected) + " bytes", std::to_string(data->bytes));
  return data;
}

static float elementAsFloat(Type type, const void *data, int64_t i) {
  if (type.isF32())
    return static_cast<const float *>(data)[i];
  if (type.isF16())
    return f16ToFloat(static_cast<const uint16_t *>(data)[i]);
  if (type.isBF16())
    return bf16ToFloat(static_cast<const uint16_t *>(data)[i]);
  return float(static_cast<const double *>(data)[i]);
}

Result<Tensor> Evaluator::param(ParamOp op) {
  RankedTensorType type = op.getType();
  Type element = type.getElementType();
  if (!element.isF32() && !element.isF16() && !element.isBF16() && !element.isF64())
    return Error::at("parameter " + quote(op.getKey().str()), "has no float values");
  uint64_t expected = uint64_t(type.getNumElements()) * element.getIntOrFloatBitWidth() / 8;
  Result<TensorData> data = bytes(op, expected);
  if (!data)
    return data.takeError();
  Tensor t = empty(type);
  for (int64_t i = 0; i < type.getNumElements(); ++i)
    (*t.values)[size_t(i)] = elementAsFloat(element, data->data, i);
  return t;
}

Result<Tensor> Evaluator::constant(arith::ConstantOp op) {
  auto dense = dyn_cast<DenseElementsAttr>(op.getValue());
  if (!dense || !isa<FloatType>(dense.getElementType()))
    return Error::at("constant", "is no dense float tensor");
  Tensor t = empty(cast<RankedTensorType>(dense.getType()));
  size_t i = 0;
  for (const APFloat &value : dense.getValues<APFloat>())
    (*t.values)[i++] = float(value.convertToDouble());
  return t;
}

Result<Codes> Evaluator::codes(Value v) {
  auto param = v.getDefiningOp<ParamOp>();
  if (auto unpack = v.getDefiningOp<UnpackOp>())
    param = unpack.getBytes().getDefiningOp<ParamOp>();
  if (!param)
    return Error::at("weight", "codes do not come from a parameter");
  auto code = cast<IntegerType>(typeOf(v).getElementType());
  Codes c;
  c.rows = typeOf(v).getDimSize(0);
  c.cols = typeOf(v).getDimSize(1);
  c.bits = code.getWidth();
  c.isSigned = code.isSigned();
  c.rowBytes = packedRowBytes(c.cols, c.bits);
  Result<TensorData> data = bytes(param, uint64_t(c.rows) * uint64_t(c.rowBytes));
  if (!data)
    return data.takeError();
  c.bytes = *data;
  return c;
}

Result<std::vector<int32_t>> Evaluator::indices(Value v) {
  auto param = v.getDefiningOp<ParamOp>();
  if (!param)
    return Error::at("weight", "indices do not come from a parameter");
  auto count = uint64_t(typeOf(v).getNumElements());
  Result<TensorData> data = bytes(param, count * 4);
  if (!data)
    return data.takeError();
  return std::vector<int32_t>(data->as<int32_t>(), data->as<int32_t>() + count);
}

Result<Tensor> Evaluator::dequantize(DequantizeOp op) {
  Result<Codes> q = codes(op.getCodes());
  Result<Tensor> s = evaluate(op.getScales());
  if (!q)
    return q.takeError();
  if (!s)
    return s.takeError();
  std::optional<Codes> zeroCodes;
  std::optional<Tensor> zeros, mins;
  if (Value z = op.getZeros()) {
    if (isa<IntegerType>(typeOf(z).getElementType())) {
      Result<Codes> c = codes(z);
      if (!c)
        return c.takeError();
      zeroCodes = *c;
    } else {
      Result<Tensor> t = evaluate(z);
      if (!t)
        return t.takeError();
      zeros = *t;
    }
  }
  if (Value m = op.getMins()) {
    Result<Tensor> t = evaluate(m);
    if (!t)
      return t.takeError();
    mins = *t;
  }
  Tensor out = empty(op.getType());
  int64_t cols = out.cols(), group = op.getGroupSize(), groups = s->cols();
  forRows(q->rows, [&](int64_t r) {
    float *row = out.values->data() + r * cols;
    for (int64_t g = 0; g < groups; ++g) {
      float scale = s->at(r * groups + g);
      float min = mins ? mins->at(r * groups + g) : 0;
      int32_t zero = zeroCodes ? zeroCodes->at(r, g) : int32_t(op.getZero());
      for (int64_t c = g * group, end = std::min(cols, c + group); c < end; ++c) {
        float value =
            zeros ? float(q->at(r, c)) - zeros->at(r * groups + g) : float(q->at(r, c) - zero);
        value *= scale;
        row[c] = mins ? value + min : value;
      }
    }
  });
  return out;
}

Result<Tensor> Evaluator::lookup(LookupOp op) {
  Result<Codes> q = codes(op.getCodes());
  Result<Tensor> book = evaluate(op.getCodebook());
  if (!q)
    return q.takeError();
  if (!book)
    return book.takeError();
  std::optional<Tensor> scales;
  if (op.getScales()) {
    Result<Tensor> s = evaluate(op.getScales());
    if (!s)
      return s.takeError();
    scales = *s;
  }
  Tensor out = empty(op.getType());
  int64_t cols = out.cols(), entries = book->cols();
  bool perRow = book->shape.size() == 2;
  forRows(q->rows, [&](int64_t r) {
    for (int64_t c = 0; c < cols; ++c) {
      float value = book->at((perRow ? r * entries : 0) + q->at(r, c));
      if (scales)
        value *= scales->at(r * scales->cols() + c / int64_t(*op.getGroupSize()));
      (*out.values)[size_t(r * cols + c)] = value;
    }
  });
  return out;
}

Result<Tensor> Evaluator::lowRank(LowRankOp op) {
  Result<Tensor> b = evaluate(op.getB()), a = evaluate(op.getA());
  if (!b)
    return b.takeError();
  if (!a)
    return a.takeError();
  Tensor out = empty(op.getType());
  int64_t rank = b->cols(), cols = out.cols();
  forRows(out.shape[0], [&](int64_t r) {
    float *row = out.values->data() + r * cols;
    for (int64_t k = 0; k < rank; ++k) {
      float factor = b->at(r * rank + k);
      const float *from = a->values->data() + k * cols;
      for (int64_t c = 0; c < cols; ++c)
        row[c] += factor * from[c];
    }
  });
  return out;
}

Result<Tensor> Evaluator::sparse(SparseOp op) {
  Result<Tensor> values = evaluate(op.getValues());
  Result<std::vector<int32_t>> columns = indices(op.getColumns());
  Result<std::vector<int32_t>> offsets = indices(op.getOffsets());
  if (!values)
    return values.takeError();
  if (!columns)
    return columns.takeError();
  if (!offsets)
    return offsets.takeError();
  Tensor out = empty(op.getType());
  int64_t cols = out.cols();
  auto entries = int64_t(columns->size());
  for (int64_t r = 0; r < out.shape[0]; ++r)
    for (int64_t e = (*offsets)[size_t(r)]; e < (*offsets)[size_t(r) + 1]; ++e) {
      if (e < 0 || e >= entries || (*columns)[size_t(e)] < 0 || (*columns)[size_t(e)] >= cols)
        return Error::at("weight " + quote(weightName(op)), "sparse indices out of range");
      (*out.values)[size_t(r * cols + (*columns)[size_t(e)])] += values->at(e);
    }
  return out;
}

Result<Tensor> Evaluator::sum(SumOp op) {
  Tensor out;
  for (auto [i, term] : llvm::enumerate(op.getTerms())) {
    Result<Tensor> t = evaluate(term);
    if (!t)
      return t.takeError();
    if (i == 0) {
      out.shape = t->shape;
      out.values = std::make_shared<std::vector<float>>(*t->values);
      continue;
    }
    for (size_t j = 0; j < out.values->size(); ++j)
      (*out.values)[j] += (*t->values)[j];
  }
  return out;
}

Result<Tensor> Evaluator::scale(ScaleOp op) {
  Result<Tensor> w = evaluate(op.getWeight()), f = evaluate(op.getFactors());
  if (!w)
    return w.takeError();
  if (!f)
    return f.takeError();
  Tensor out = empty(op.getType());
  bool rows = op.getAxis() == Axis::Rows;
  int64_t cols = out.cols();
  forRows(out.shape[0], [&](int64_t r) {
    for (int64_t c = 0; c < cols; ++c)
      (*out.values)[size_t(r * cols + c)] = w->at(r * cols + c) * f->at(rows ? r : c);
  });
  return out;
}

Result<Tensor> Evaluator::permute(PermuteOp op) {
  Result<Tensor> w = evaluate(op.getWeight());
  Result<std::vector<int32_t>> p = indices(op.getIndices());
  if (!w)
    return w.takeError();
  if (!p)
    return p.takeError();
  Tensor out = empty(op.getType());
  bool rows = op.getAxis() == Axis::Rows;
  int64_t cols = out.cols(), limit = rows ? out.shape[0] : cols;
  for (int32_t i : *p)
    if (i < 0 || i >= limit)
      return Error::at("weight " + quote(weightName(op)), "permutation out of range");
  forRows(out.shape[0], [&](int64_t r) {
    for (int64_t c = 0; c < cols; ++c)
      (*out.values)[size_t(r * cols + c)] =
          rows ? w->at((*p)[size_t(r)] * cols + c) : w->at(r * cols + (*p)[size_t(c)]);
  });
  return out;
}

Result<Tensor> Evaluator::transpose(TransposeOp op) {
  Result<Tensor> w = evaluate(op.getWeight());
  if (!w)
    return w.takeError();
  Tensor out = empty(op.getType());
  int64_t rows = out.shape[0], cols = out.cols();
  forRows(rows, [&](int64_t r) {
    for (int64_t c = 0; c < cols; ++c)
      (*out.values)[size_t(r * cols + c)] = w->at(c * rows + r);
  });
  return out;
}

Result<Tensor> Evaluator::concat(ConcatOp op) {
  Tensor out = empty(op.getType());
  int64_t cols = out.cols(), offset = 0;
  for (Value part : op.getParts()) {
    Result<Tensor> t = evaluate(part);
    if (!t)
      return t.takeError();
    for (int64_t r = 0; r < t->shape[0]; ++r) {
      bool rows = op.getAxis() == Axis::Rows;
      float *to = out.values->data() + (rows ? (offset + r) * cols : r * cols + offset);
      std::memcpy(to, t->values->data() + r * t->cols(), size_t(t->cols()) * sizeof(float));
    }
    offset += op.getAxis() == Axis::Rows ? t->shape[0] : t->cols();
  }
  return out;
}

Result<Tensor> Evaluator::hadamard(HadamardOp op) {
  Result<Tensor> x = evaluate(op.getInput());
  if (!x)
    return x.takeError();
  std::optional<Tensor> signs;
  if (op.getSigns()) {
    Result<Tensor> s = evaluate(op.getSigns());
    if (!s)
      return s.takeError();
    signs = *s;
  }
  Tensor out = empty(cast<RankedTensorType>(op.getType()));
  auto n = int64_t(op.getSize());
  int64_t cols = out.cols(), rows = int64_t(out.values->size()) / cols;
  float factor = float(1.0 / std::sqrt(double(n)));
  forRows(rows, [&](int64_t r) {
    const float *from = x->values->data() + r * cols;
    for (int64_t c = 0; c < cols; ++c) {
      int64_t block = c / n * n, i = c - block;
      float total = 0;
      for (int64_t j = 0; j < n; ++j) {
        float term = from[block + j] * (signs ? signs->at(block + j) : 1.0f);
        total += llvm::popcount(uint64_t(i & j)) & 1 ? -term : term;
      }
      (*out.values)[size_t(r * cols + c)] = total * factor;
    }
  });
  return out;
}

Result<Tensor> Evaluator::slice(tensor::ExtractSliceOp op) {
  Result<Tensor> x = evaluate(op.getSource());
  if (!x)
    return x.takeError();
  RankedTensorType type = op.getResultType();
  if (ShapedType::isDynamicShape(op.getStaticSizes()) || type.getRank() > 2 ||
      type.getRank() != op.getSourceType().getRank() ||
      ShapedType::isDynamicShape(op.getStaticOffsets()) ||
      ShapedType::isDynamicShape(op.getStaticStrides()))
    return Error::at("weight " + quote(weightName(op)), "a slice that is not static");
  Tensor out = empty(type);
  int64_t rank = type.getRank(), cols = out.cols();
  int64_t rows = rank == 2 ? out.shape[0] : 1;
  ArrayRef<int64_t> offset = op.getStaticOffsets(), stride = op.getStaticStrides();
  for (int64_t r = 0; r < rows; ++r) {
    int64_t from = rank == 2 ? (offset[0] + r * stride[0]) * x->cols() : 0;
    for (int64_t c = 0; c < cols; ++c)
      (*out.values)[size_t(r * cols + c)] = x->at(from + offset.back() + c * stride.back());
  }
  return out;
}

Result<Tensor> Evaluator::elementwise(Operation *op, float (*f)(float, float)) {
  Result<Tensor> x = evaluate(op->getOperand(0));
  if (!x)
    return x.takeError();
  std::optional<Tensor> y;
  if (op->getNumOperands() == 2) {
    Result<Tensor> second = evaluate(op->getOperand(1));
    if (!second)
      return second.takeError();
    y = *second;
  }
  Tensor out = empty(typeOf(op->getResult(0)));
  for (size_t i = 0; i < out.values->size(); ++i)
    (*out.values)[i] = f((*x->values)[i], y ? (*y->values)[i] : 0.0f);
  return out;
}

Result<Tensor> Evaluator::compute(Value v) {
  Operation *op = v.getDefiningOp();
  if (!op || !isa<RankedTensorType>(v.getType()) || !typeOf(v).hasStaticShape() ||
      !isa<FloatType>(typeOf(v).getElementType()))
    return Error::at("weight", "is not computed from parameters alone");
  return llvm::TypeSwitch<Operation *, Result<Tensor>>(op)
      .Case([&](ParamOp o) { return param(o); })
      .Case([&](arith::ConstantOp o) { return constant(o); })
      .Case([&](DequantizeOp o) { return dequantize(o); })
      .Case([&](LookupOp o) { return lookup(o); })
      .Case([&](LowRankOp o) { return lowRank(o); })
      .Case([&](SparseOp o) { return sparse(o); })
      .Case([&](SumOp o) { return sum(o); })
      .Case([&](ScaleOp o) { return scale(o); })
      .Case([&](PermuteOp o) { return permute(o); })
      .Case([&](TransposeOp o) { return transpose(o); })
      .Case([&](ConcatOp o) { return concat(o); })
      .Case([&](HadamardOp o) { return hadamard(o); })
      .Case([&](tensor::ExtractSliceOp o) { return slice(o); })
      .Case<arith::ExtFOp, arith::TruncFOp>(
          [&](Operation *o) { return elementwise(o, [](float x, float) { return x; }); })
      .Case([&](arith::NegFOp o) { return elementwise(o, [](float x, float) { return -x; }); })
      .Case([&](arith::AddFOp o) { return elementwise(o, [](float x, float y) { return x + y; }); })
      .Case([&](arith::SubFOp o) { return elementwise(o, [](float x, float y) { return x - y; }); })
      .Case([&](arith::MulFOp o) { return elementwise(o, [](float x, float y) { return x * y; }); })
      .Case([&](arith::DivFOp o) { return elementwise(o, [](float x, float y) { return x / y; }); })
      .Default([&](Operation *o) -> Result<Tensor> {
        return Error::at("weight " + quote(weightName(v)),
                         "'" + o->getName().getStringRef().str() + "' is no weight expression");
      });
}

Result<Tensor> Evaluator::evaluate(Value v) {
  if (auto it = done.find(v); it != done.end())
    return it->second;
  constexpr unsigned maxDepth = 1000; // evaluation recurses
  if (depth == maxDepth)
    return Error::at("weight " + quote(weightName(v)), "nested too deep to evaluate",
                     "at most " + std::to_string(maxDepth) + " levels", "more");
  ++depth;
  Result<Tensor> t = compute(v);
  --depth;
  if (t && !v.getDefiningOp<ParamOp>())
    roundTo(typeOf(v).getElementType(), *t);
  if (t && !v.hasOneUse()) // what has one use is not asked for again
    done[v] = *t;
  return t;
}

static std::optional<DType> floatType(Type element) {
  if (element.isF32())
    return DType::F32;
  if (element.isF16())
    return DType::F16;
  if (element.isBF16())
    return DType::BF16;
  if (element.isF64())
    return DType::F64;
  return std::nullopt;
}

Result<DenseWeight> denseWeight(Value weight, const ParamStore &params) {
  auto type = dyn_cast<RankedTensorType>(weight.getType());
  if (!type || type.getRank() < 1 || type.getRank() > 2 || !type.hasStaticShape())
    return Error::at("weight " + quote(weightName(weight)), "is no static vector or matrix");
  int64_t rows = type.getRank() == 2 ? type.getDimSize(0) : 1;
  int64_t cols = type.getShape().back();
  // A cast to f32 is what reading the source does anyway.
  Value stored = weight;
  if (auto cast = weight.getDefiningOp<arith::ExtFOp>(); cast && type.getElementType().isF32())
    stored = cast.getIn();
  auto param = stored.getDefiningOp<ParamOp>();
  std::optional<DType> storedType =
      param ? floatType(param.getType().getElementType()) : std::nullopt;
  if (param && storedType) {
    if (!params.find(param.getKey()))
      return notThere(param);
    Result<TensorData> data = params.get(param.getKey());
    if (!data)
      return data.takeError();
    if (data->bytes != uint64_t(rows) * uint64_t(cols) * dtypeSize(*storedType))
      return Error::at("parameter " + quote(param.getKey().str()), "wrong size");
    DenseWeight w(compress::WeightSource(data->data, *storedType, rows, cols));
    w.owner = *data;
    w.isF32 = *storedType == DType::F32;
    w.from.release = [&params, key = param.getKey().str(),
                      rowBytes = w.from.rowBytes()](int64_t begin, int64_t end) {
      params.releasePart(key, uint64_t(begin * rowBytes), uint64_t((end - begin) * rowBytes));
    };
    return w;
  }
  Evaluator evaluator(params);
  Result<Tensor> t = evaluator.evaluate(weight);
  if (!t)
    return t.takeError();
  DenseWeight w(compress::WeightSource(t->values->data(), DType::F32, rows, cols));
  w.values = t->values;
  w.isF32 = true;
  return w;
}

compress::ConstMatrixF DenseWeight::view() {
  if (isF32)
    return {from.row(0, nullptr), from.rows(), from.cols()};
  if (!converted.empty())
    return converted.view();
  converted = compress::Matrix<float>(from.rows(), from.cols());
  forRows(from.rows(), [&](int64_t r) {
    float *to = converted.row(r);
    const float *row = from.row(r, to);
    if (row != to)
      std::memcpy(to, row, size_t(from.cols()) * sizeof(float));
  });
  if (from.release)
    from.release(0, from.rows());
  return converted.view();
}

} // namespace fingpt::fin
