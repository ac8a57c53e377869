#include "fingpt/Dialect/Fin/Utils/BuildWeight.h"

#include "fingpt/Support/Float.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cstring>

using namespace mlir;
using namespace fingpt::compress;

namespace fingpt::fin {

namespace {

class Builder {
public:
  Builder(OpBuilder &b, Location loc, ParamStore &params, const ParamStore *taken, std::string name)
      : b(b), loc(loc), params(params), taken(taken), name(std::move(name)) {}
  Value weight(RankedTensorType type, const CompressedWeight &w);
  std::optional<Error> problem;

private:
  Value param(const std::string &key, DType dtype, Shape stored, ArrayRef<int64_t> shape,
              Type element, std::vector<uint8_t> bytes);
  Value quantized(const std::string &stem, const QuantizedWeight &q);
  Value scales(const std::string &stem, const QuantizedWeight &q);
  Value codedScales(const std::string &stem, const QuantizedWeight &q);
  Value groupValues(const std::string &key, const QuantizedWeight &q,
                    const std::vector<uint8_t> &bytes);
  Value factor(const std::string &key, const Matrix<float> &m);
  Value vector(const std::string &key, const std::vector<float> &values);
  Value widened(Value v);
  Value floats(const std::string &key, ArrayRef<int64_t> shape, const std::vector<float> &values);
  Value constant(ArrayRef<float> values);
  Value term(const WeightTerm &t);
  std::string freeStem(const std::string &field);

  RankedTensorType f32(ArrayRef<int64_t> shape) {
    return RankedTensorType::get(shape, b.getF32Type());
  }
  IntegerType code(int bits, bool isSigned = false) {
    return b.getIntegerType(unsigned(bits), isSigned);
  }

  OpBuilder &b;
  Location loc;
  bool exists(const std::string &key) const {
    return params.find(key) || (taken && taken->find(key));
  }

  ParamStore &params;
  const ParamStore *taken;
  std::string name;
};

} // namespace

/// "NAME.FIELD", or "NAME.FIELD2", … : no key of the store begins with it.
std::string Builder::freeStem(const std::string &field) {
  auto inUse = [&](const std::string &stem) {
    for (const char *leaf : {"", ".codes", ".b", ".b.codes"})
      if (exists(stem + leaf))
        return true;
    return false;
  };
  std::string stem = name + "." + field;
  for (int n = 2; inUse(stem); ++n)
    stem = name + "." + field + std::to_string(n);
  return stem;
}

Value Builder::param(const std::string &key, DType dtype, Shape stored, ArrayRef<int64_t> shape,
                     Type element, std::vector<uint8_t> bytes) {
  if (Status s = params.put(key, dtype, std::move(stored), std::move(bytes)); !s && !problem)
    problem = s.takeError();
  return ParamOp::create(b, loc, RankedTensorType::get(shape, element), key);
}

Value Builder::floats(const std::string &key, ArrayRef<int64_t> shape,
                      const std::vector<float> &values) {
  std::vector<uint8_t> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return param(key, DType::F32, Shape(shape.begin(), shape.end()), shape, b.getF32Type(),
               std::move(bytes));
}

Value Builder::constant(ArrayRef<float> values) {
  auto type = f32({int64_t(values.size())});
  return arith::ConstantOp::create(b, loc, DenseElementsAttr::get(type, values));
}

/// One value per row and group, in the type of the weight's scales. Types that the dialect's
/// arithmetic does not have are bytes that a table reads.
Value Builder::groupValues(const std::string &key, const QuantizedWeight &q,
                           const std::vector<uint8_t> &bytes) {
  SmallVector<int64_t> shape{q.rows, q.groups};
  Shape stored{q.rows, q.groups};
  switch (q.scaleType) {
  case DType::F16:
    return param(key, DType::F16, stored, shape, b.getF16Type(), bytes);
  case DType::F32:
    return param(key, DType::F32, stored, shape, b.getF32Type(), bytes);
  default:
    break;
  }
  Value codes = param(key, DType::U8, stored, shape, code(8), bytes);
  std::string table = std::string("tables.") + dtypeName(q.scaleType);
  std::vector<float> values = scaleTable(q.scaleType);
  for (float &v : values) // codes of NaN are never stored
    v = v == v ? v : 0;
  Value book = exists(table) ? ParamOp::create(b, loc, f32({256}), table).getResult()
                             : floats(table, {256}, values);
  return LookupOp::create(b, loc, f32(shape), codes, book, Value(), IntegerAttr());
}

/// scale(r, g) = codes[g, r]·scales + mins: stored [groups, rows], so a transpose leads back.
Value Builder::codedScales(const std::string &stem, const QuantizedWeight &q) {
  const QuantizedScales &s = *q.scaleCodes;
  int64_t blocks = (q.rows + QuantizedScales::Block - 1) / QuantizedScales::Block;
  Value codes = param(stem + ".scale_codes", DType::U8, {q.groups, q.rows}, {q.groups, q.rows},
                      code(8), s.codes);
  Value super = floats(stem + ".scale_scales", {q.groups, blocks}, s.scales);
  Value mins = floats(stem + ".scale_mins", {q.groups, blocks}, s.mins);
  Value scales =
      DequantizeOp::create(b, loc, f32({q.groups, q.rows}), codes, super, Value(), mins,
                           b.getI64IntegerAttr(QuantizedScales::Block), b.getI64IntegerAttr(0));
  return TransposeOp::create(b, loc, scales);
}

Value Builder::scales(const std::string &stem, const QuantizedWeight &q) {
  return q.scaleCodes ? codedScales(stem, q) : groupValues(stem + ".scales", q, q.scales);
}

Value Builder::quantized(const std::string &stem, const QuantizedWeight &q) {
  Value codes = param(stem + ".codes", DType::U8, {q.rows, q.rowBytes()}, {q.rows, q.cols},
                      code(q.scheme.bits, q.scheme.signedCodes),
                      std::vector<uint8_t>(q.codes.begin(), q.codes.end()));
  auto type = f32({q.rows, q.cols});
  IntegerAttr group = b.getI64IntegerAttr(q.groupSize);
  Value scale = scales(stem, q);
  if (q.scheme.isLookup()) {
    // NVFP4's codebook holds the scale of its tensor: a constant would make every weight a form
    // of its own.
    bool own = q.scheme.format == CodeFormat::NVFP4;
    Value book = own ? floats(stem + ".codebook", {int64_t(q.codebook.size())}, q.codebook)
                     : constant(q.codebook);
    return LookupOp::create(b, loc, type, codes, book, scale, group);
  }
  Value zeros, mins;
  if (q.scheme.offset == Offset::ZeroCodes)
    zeros = param(stem + ".zeros", DType::U8, {q.rows, q.zeroRowBytes()}, {q.rows, q.groups},
                  code(q.scheme.bits), q.zeros);
  if (q.scheme.offset == Offset::Mins)
    mins = groupValues(stem + ".mins", q, q.mins);
  return DequantizeOp::create(b, loc, type, codes, scale, zeros, mins, group,
                              b.getI64IntegerAttr(q.constantZero()));
}

Value Builder::widened(Value v) {
  return arith::ExtFOp::create(b, loc, f32(cast<RankedTensorType>(v.getType()).getShape()), v);
}

Value Builder::factor(const std::string &key, const Matrix<float> &m) {
  std::vector<uint8_t> bytes(size_t(m.rows() * m.cols()) * 2);
  for (int64_t i = 0; i < m.rows() * m.cols(); ++i) {
    uint16_t half = floatToF16(m.data()[i]);
    std::memcpy(bytes.data() + 2 * i, &half, 2);
  }
  return widened(param(key, DType::F16, {m.rows(), m.cols()}, {m.rows(), m.cols()}, b.getF16Type(),
                       std::move(bytes)));
}

Value Builder::vector(const std::string &key, const std::vector<float> &values) {
  std::vector<uint8_t> bytes(values.size() * 2);
  for (size_t i = 0; i < values.size(); ++i) {
    uint16_t half = floatToF16(values[i]);
    std::memcpy(bytes.data() + 2 * i, &half, 2);
  }
  auto n = int64_t(values.size());
  return widened(param(key, DType::F16, {n}, {n}, b.getF16Type(), std::move(bytes)));
}

Value Builder::term(const WeightTerm &t) {
  if (const auto *q = std::get_if<QuantizedWeight>(&t))
    return quantized(freeStem("q"), *q);
  std::string stem = freeStem("lr");
  if (const auto *pair = std::get_if<QuantizedLowRank>(&t)) {
    Value rows = quantized(stem + ".b", pair->b);
    return LowRankOp::create(b, loc, rows, quantized(stem + ".a", pair->a));
  }
  const auto &factors = std::get<LowRankTerm>(t);
  Value rows = factor(stem + ".b", factors.b);
  return LowRankOp::create(b, loc, rows, factor(stem + ".a", factors.a));
}

Value Builder::weight(RankedTensorType type, const CompressedWeight &w) {
  SmallVector<Value> terms;
  for (const WeightTerm &t : w.terms)
    terms.push_back(term(t));
  Value sum = terms.size() == 1 ? terms.front() : SumOp::create(b, loc, type, terms).getResult();
  if (w.inputScales.empty())
    return sum;
  return ScaleOp::create(b, loc, sum, vector(freeStem("input_scales"), w.inputScales),
                         Axis::Columns);
}

Result<Value> buildWeight(OpBuilder &b, Location loc, RankedTensorType type,
                          const std::string &name, const CompressedWeight &weight,
                          ParamStore &params, const ParamStore *taken) {
  Builder builder(b, loc, params, taken, name);
  Value v = builder.weight(type, weight);
  if (builder.problem)
    return *builder.problem;
  return v;
}

} // namespace fingpt::fin
