// Every point of the residual stream keeps the coordinates that a basis Q_i [D, k_i] names:
//
//   point 0     tables E·Q_0
//   readers     w·Q_i                    of the norm at point i
//   writers     Q_iᵀ·w, Q_iᵀ·c           into the sum that makes point i
//   residual    x·(Q_{i−1}ᵀ·Q_i)         a shortcut: each point has its own basis
//
// What a basis leaves out counts as zeros, so norms still divide by D.

#include "fingpt/Compress/LinearAlgebra.h"
#include "fingpt/Compress/Slicing.h"
#include "fingpt/Compress/Statistics.h"
#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Dialect/Fin/Utils/DerivedParams.h"
#include "fingpt/Dialect/Fin/Utils/ModelParams.h"
#include "fingpt/Dialect/Fin/Utils/ResidualStream.h"
#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include <cmath>

namespace fingpt::fin {
#define GEN_PASS_DEF_FINSLICE
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt;
using namespace fingpt::fin;
using compress::Transpose;
using fingpt::compress::ConstMatrixD;
using fingpt::compress::Matrix;
using fingpt::compress::product;

namespace {

/// The bases of all points, where the file has them.
class Bases {
public:
  /// Error: a tensor that is missing, of another type or shape, or no basis.
  static Result<Bases> read(const std::string &file, int64_t points, int64_t width);
  /// The first k principal directions of every point but the last. Error: statistics that are
  /// missing or of another width.
  static Result<Bases> principal(const std::string &file, int64_t points, int64_t width, int64_t k,
                                 uint64_t seed);
  int64_t width(int64_t point) const { return bases[size_t(point)].cols; }
  bool same(int64_t a, int64_t b) const;
  /// x·Q.
  Matrix<double> inputs(Matrix<double> x, int64_t point) const;
  /// Qᵀ·w.
  Matrix<double> outputs(Matrix<double> w, int64_t point) const;
  /// Q_toᵀ·Q_from, the weight [k_to, k_from] of a shortcut.
  Matrix<double> shortcut(int64_t from, int64_t to) const;

private:
  /// The whole stream in its own basis: data is null.
  static bool isWhole(ConstMatrixD q) { return !q.data; }

  std::vector<ConstMatrixD> bases;
  std::vector<TensorData> owners;
  std::vector<Matrix<double>> made;
};

struct Slice final : fingpt::fin::impl::FinSliceBase<Slice> {
  using FinSliceBase::FinSliceBase;
  void runOnOperation() override;
  Status rewrite(const Stream &stream, const ResidualPoints &points, const Bases &q,
                 DerivedParams &derived);
  Status sliceLinears(const Stream &stream, const ResidualPoints &points, const Bases &q,
                      DerivedParams &derived);
  Status addShortcut(ResidualAdd add, const Bases &q, DerivedParams &derived);
};

} // namespace

//===-- Bases ---------------------------------------------------------------===//

static Status checkOrthonormal(ConstMatrixD q, const std::string &where) {
  if (Status s = compress::checkFinite(q, where); !s)
    return s;
  Matrix<double> g = product(q, q, Transpose::Yes);
  constexpr double Tolerance = 1e-6;
  for (int64_t i = 0; i < g.rows(); ++i)
    for (int64_t j = 0; j <= i; ++j)
      if (double off = std::abs(g(i, j) - (i == j)); off > Tolerance)
        return Error::at(where,
                         "columns " + std::to_string(j) + " and " + std::to_string(i) +
                             " are not orthonormal",
                         i == j ? "product 1" : "product 0", std::to_string(g(i, j)));
  return Status::ok();
}

Result<Bases> Bases::read(const std::string &file, int64_t points, int64_t width) {
  ParamStore store;
  if (Status s = store.addSafetensors(file); !s)
    return s.takeError();
  Bases result;
  auto nameOf = [](int64_t i) { return "residual." + std::to_string(i); };
  for (int64_t i = 0; i < points; ++i) {
    std::string name = nameOf(i), where = escaped(file, 1000) + ": tensor " + quote(name);
    std::string expected = "F64 [" + std::to_string(width) + ", at most that]";
    const ParamInfo *info = store.find(name);
    if (!info && i + 1 == points) {
      result.bases.push_back({nullptr, width, width});
      continue;
    }
    if (!info)
      return Error::at(where, "missing", expected, "nothing");
    if (info->dtype != DType::F64 || info->shape.size() != 2 || info->shape[0] != width ||
        info->shape[1] < 1 || info->shape[1] > width)
      return Error::at(where, "is no basis of this stream", expected,
                       dtypeName(info->dtype) + (" " + shapeText(info->shape)));
    Result<TensorData> data = store.get(name);
    if (!data)
      return data.takeError();
    ConstMatrixD q(data->as<double>(), width, info->shape[1]);
    if (Status s = checkOrthonormal(q, where); !s)
      return s.takeError();
    result.bases.push_back(q);
    result.owners.push_back(*data);
  }
  if (store.find(nameOf(points)))
    return Error::at(escaped(file, 1000) + ": tensor " + quote(nameOf(points)),
                     "belongs to no point", std::to_string(points) + " residual points", "more");
  return result;
}

Result<Bases> Bases::principal(const std::string &file, int64_t points, int64_t width, int64_t k,
                               uint64_t seed) {
  auto statistics = compress::Statistics::open(file);
  if (!statistics)
    return statistics.takeError();
  Bases result;
  for (int64_t i = 0; i + 1 < points; ++i) {
    std::string name = "residual." + std::to_string(i);
    Result<compress::Gram> gram = statistics->gram(name);
    if (!gram)
      return gram.takeError();
    if (gram->columns() != width)
      return Error::at(escaped(file, 1000) + ": " + name, "statistics",
                       std::to_string(width) + " columns", std::to_string(gram->columns()));
    Result<compress::PcaBasis> pca = compress::pcaBasis(gram->h);
    if (!pca)
      return pca.error().in(name);
    if (Status s = compress::orient(*pca, k, seed * 4096 + uint64_t(i)); !s)
      return s.takeError();
    result.made.emplace_back(pca->first(k));
  }
  for (const Matrix<double> &q : result.made)
    result.bases.push_back(q.view());
  result.bases.push_back({nullptr, width, width});
  return result;
}

bool Bases::same(int64_t a, int64_t b) const {
  ConstMatrixD x = bases[size_t(a)], y = bases[size_t(b)];
  if (x.cols != y.cols || (isWhole(x) && isWhole(y)))
    return x.cols == y.cols;
  for (int64_t i = 0; i < x.rows; ++i)
    for (int64_t j = 0; j < x.cols; ++j)
      if ((isWhole(x) ? i == j : x(i, j)) != (isWhole(y) ? i == j : y(i, j)))
        return false;
  return true;
}

Matrix<double> Bases::inputs(Matrix<double> x, int64_t point) const {
  ConstMatrixD q = bases[size_t(point)];
  return isWhole(q) ? std::move(x) : product(x, q);
}

Matrix<double> Bases::outputs(Matrix<double> w, int64_t point) const {
  ConstMatrixD q = bases[size_t(point)];
  return isWhole(q) ? std::move(w) : product(q, w, Transpose::Yes);
}

Matrix<double> Bases::shortcut(int64_t from, int64_t to) const {
  Matrix<double> s(width(from), width(from));
  if (ConstMatrixD q = bases[size_t(from)]; isWhole(q))
    for (int64_t i = 0; i < q.rows; ++i)
      s(i, i) = 1;
  else
    s = Matrix<double>(q);
  return outputs(std::move(s), to);
}

//===-- The graph -----------------------------------------------------------===//

static int64_t widthOf(Value v) { return cast<RankedTensorType>(v.getType()).getShape().back(); }

static void setWidth(Value v, int64_t width) {
  auto type = cast<RankedTensorType>(v.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.back() = width;
  v.setType(RankedTensorType::get(shape, type.getElementType()));
}

/// Tables and linears on both sides of the stream.
Status Slice::sliceLinears(const Stream &stream, const ResidualPoints &points, const Bases &q,
                           DerivedParams &derived) {
  auto none = int64_t(points.points.size());
  auto pointOf = [&](Value v) {
    auto it = points.pointOf.find(v);
    return it == points.pointOf.end() ? none : it->second;
  };
  for (EmbeddingOp op : stream.tables) {
    int64_t p = pointOf(op.getResult()), rows = op.getTable().getType().getDimSize(0);
    Result<Value> t = derived.change(op.getTable(), {rows, q.width(p)}, Blocks::OfRows,
                                     uint64_t(p * (none + 1) + none),
                                     [&](Matrix<double> m) { return q.inputs(std::move(m), p); });
    if (!t)
      return t.takeError();
    op.getTableMutable().assign(*t);
  }
  llvm::SetVector<LinearOp> linears(stream.readers.begin(), stream.readers.end());
  linears.insert(stream.writers.begin(), stream.writers.end());
  for (LinearOp op : linears) {
    int64_t in = pointOf(op.getInput()), out = pointOf(op.getResult());
    auto tag = uint64_t(in * (none + 1) + out);
    SmallVector<int64_t> shape(cast<RankedTensorType>(op.getWeight().getType()).getShape());
    if (in != none)
      shape[1] = q.width(in);
    if (out != none)
      shape[0] = q.width(out);
    Result<Value> w =
        derived.change(op.getWeight(), shape, out == none ? Blocks::OfRows : Blocks::Whole, tag,
                       [&](Matrix<double> m) {
                         if (in != none)
                           m = q.inputs(std::move(m), in);
                         return out == none ? m : q.outputs(std::move(m), out);
                       });
    if (!w)
      return w.takeError();
    op.getWeightMutable().assign(*w);
    ++numSliced;
    if (out == none || !op.getBias())
      continue;
    Result<Value> c = derived.change(op.getBias(), {q.width(out)}, Blocks::Whole, tag,
                                     [&](Matrix<double> m) { return q.inputs(std::move(m), out); });
    if (!c)
      return c.takeError();
    op.getBiasMutable().assign(*c);
  }
  return Status::ok();
}

/// The residual's way from one basis to the next, named after the linear beside it.
Status Slice::addShortcut(ResidualAdd add, const Bases &q, DerivedParams &derived) {
  if (q.same(add.from, add.to))
    return Status::ok();
  std::string name = weightName(add.writer.getWeight());
  StringRef stem = name;
  stem.consume_back(".weight");
  Matrix<double> s = q.shortcut(add.from, add.to);
  OpBuilder b(add.op);
  Result<Value> w = derived.add(b, add.op.getLoc(), (stem + ".shortcut.weight").str(),
                                {s.rows(), s.cols()}, {s.data(), size_t(s.rows() * s.cols())},
                                /*exact=*/true);
  if (!w)
    return w.takeError();
  OpOperand &trunk = add.op->getOpOperand(add.trunk);
  trunk.set(LinearOp::create(b, add.op.getLoc(), trunk.get(), *w, Value()));
  ++numShortcuts;
  return Status::ok();
}

Status Slice::rewrite(const Stream &stream, const ResidualPoints &points, const Bases &q,
                      DerivedParams &derived) {
  int64_t width = stream.width();
  if (Status s = sliceLinears(stream, points, q, derived); !s)
    return s;
  for (Value v : stream.values)
    setWidth(v, q.width(points.pointOf.at(v)));
  for (Value v : stream.values)
    if (auto norm = v.getDefiningOp<RmsNormOp>(); norm && widthOf(v) != width)
      norm.setWidth(width);
  for (const ResidualAdd &add : points.adds)
    if (Status s = addShortcut(add, q, derived); !s)
      return s;
  return Status::ok();
}

void Slice::runOnOperation() {
  ModuleOp module = getOperation();
  auto refuse = [&](const Error &e) {
    emitError(module.getLoc(), e.message());
    signalPassFailure();
  };
  FailureOr<func::FuncOp> forward = forwardAlone(module, "fin-slice");
  if (failed(forward))
    return signalPassFailure();
  if (bases.empty() == stats.empty())
    return refuse(Error::at("'fin-slice'", "one file says how", "bases or stats",
                            bases.empty() ? "none" : "both"));
  if (!(percent >= 0 && percent < 90))
    return refuse(Error::at("'fin-slice': percent", "out of range", "0 to less than 90",
                            std::to_string(percent)));
  Stream stream = residualStream(*forward);
  if (stream.values.empty())
    return refuse(Error::at("'fin-slice'", "@forward looks no tokens up in a table"));
  if (failed(checkFree(stream, "fin-slice")))
    return signalPassFailure();
  for (Value v : stream.values)
    if (auto norm = v.getDefiningOp<RmsNormOp>(); norm && norm.getWidth()) {
      emitError(norm.getLoc()) << "'fin-slice': the stream is sliced already: this norm has "
                               << widthOf(v) << " of " << *norm.getWidth() << " coordinates";
      return signalPassFailure();
    }
  Result<ResidualPoints> points = residualPoints(stream);
  if (!points)
    return refuse(points.error().in("'fin-slice'"));
  Result<std::shared_ptr<ParamStore>> params = modelParams(module);
  if (!params)
    return refuse(params.error());
  auto count = int64_t(points->points.size());
  int64_t width = stream.width();
  Result<Bases> q = stats.empty()
                        ? Bases::read(bases, count, width)
                        : Bases::principal(stats, count, width,
                                           compress::slicedWidth(width, percent / 100), seed);
  if (!q)
    return refuse(q.error());
  DerivedParams derived(**params, "sliced");
  if (Status s = rewrite(stream, *points, *q, derived); !s)
    return refuse(s.error());
  eraseDeadWeights(*forward);
}
