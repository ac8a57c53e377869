#include "fingpt/Dialect/Fin/Utils/DerivedParams.h"

#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include <cmath>
#include <cstring>

using namespace mlir;
using fingpt::compress::Matrix;

namespace fingpt::fin {

std::string freeKey(const ParamStore &params, const std::string &stem) {
  std::string key = stem;
  for (int n = 2; params.find(key); ++n)
    key = stem + std::to_string(n);
  return key;
}

static Status checkFinite(ArrayRef<float> row, int64_t r, Value weight) {
  for (auto [c, v] : llvm::enumerate(row))
    if (!std::isfinite(v))
      return Error::at("weight " + quote(weightName(weight)) + " [" + std::to_string(r) + ", " +
                           std::to_string(c) + "]",
                       "is not finite");
  return Status::ok();
}

/// Rows [begin, end) of a weight in f64.
static Result<Matrix<double>> readRows(const compress::WeightSource &source, int64_t begin,
                                       int64_t end, Value weight) {
  Matrix<double> rows(end - begin, source.cols());
  std::vector<float> scratch(size_t(source.cols()));
  for (int64_t r = begin; r < end; ++r) {
    const float *row = source.row(r, scratch.data());
    if (Status s = checkFinite({row, size_t(source.cols())}, r, weight); !s)
      return s.takeError();
    std::copy(row, row + source.cols(), rows.row(r - begin));
  }
  return rows;
}

static void release(Value weight, const ParamStore &params) {
  for (ParamOp p : weightParams(weight))
    params.release(p.getKey());
}

Result<Matrix<double>> DerivedParams::values(Value weight) const {
  Result<DenseWeight> dense = denseWeight(weight, params);
  if (!dense)
    return dense.takeError();
  const compress::WeightSource &source = dense->source();
  Result<Matrix<double>> m = readRows(source, 0, source.rows(), weight);
  release(weight, params);
  return m;
}

Result<std::vector<double>> DerivedParams::vector(Value weight) const {
  Result<Matrix<double>> m = values(weight);
  if (!m)
    return m.takeError();
  return std::vector<double>(m->data(), m->data() + m->rows() * m->cols());
}

static void append(std::vector<uint8_t> &bytes, ArrayRef<double> values) {
  size_t at = bytes.size();
  bytes.resize(at + values.size() * sizeof(float));
  for (double v : values) {
    auto narrow = static_cast<float>(v);
    std::memcpy(bytes.data() + at, &narrow, sizeof narrow);
    at += sizeof narrow;
  }
}

Result<Value> DerivedParams::change(Value weight, ArrayRef<int64_t> shape, Blocks blocks,
                                    uint64_t tag, Change change, StringRef name) {
  auto [entry, isNew] = made.try_emplace({weight, tag});
  if (!isNew)
    return entry->second;
  if (!cast<RankedTensorType>(weight.getType()).getElementType().isF32())
    return Error::at("weight " + quote(weightName(weight)), "is not f32 in this graph",
                     "a pass that runs before fin-convert-precision", "one after it");
  Result<DenseWeight> dense = denseWeight(weight, params);
  if (!dense)
    return dense.takeError();
  const compress::WeightSource &source = dense->source();
  constexpr int64_t BlockElements = int64_t(1) << 23; // 64 MiB in f64
  int64_t step = source.rows();
  if (blocks == Blocks::OfRows)
    step = std::max<int64_t>(1, std::min(step, BlockElements / source.cols()));
  std::vector<uint8_t> bytes;
  for (int64_t begin = 0; begin < source.rows(); begin += step) {
    Result<Matrix<double>> rows =
        readRows(source, begin, std::min(begin + step, source.rows()), weight);
    if (!rows)
      return rows.takeError();
    Matrix<double> changed = change(std::move(*rows));
    append(bytes, {changed.data(), size_t(changed.rows() * changed.cols())});
  }
  release(weight, params);
  std::string key =
      freeKey(params, (name.empty() ? weightName(weight) : name.str()) + "." + suffix);
  if (Status s = params.put(key, DType::F32, Shape(shape.begin(), shape.end()), std::move(bytes));
      !s)
    return s.takeError();
  OpBuilder b(weight.getContext());
  b.setInsertionPointAfterValue(weight);
  Value param =
      ParamOp::create(b, weight.getLoc(), RankedTensorType::get(shape, b.getF32Type()), key);
  return made[{weight, tag}] = param;
}

Result<Value> DerivedParams::add(OpBuilder &b, Location loc, const std::string &name,
                                 ArrayRef<int64_t> shape, ArrayRef<double> values, bool exact) {
  std::vector<uint8_t> bytes;
  append(bytes, values);
  std::string key = freeKey(params, exact ? name : name + "." + suffix);
  if (Status s = params.put(key, DType::F32, Shape(shape.begin(), shape.end()), std::move(bytes));
      !s)
    return s.takeError();
  return Value(ParamOp::create(b, loc, RankedTensorType::get(shape, b.getF32Type()), key));
}

} // namespace fingpt::fin
