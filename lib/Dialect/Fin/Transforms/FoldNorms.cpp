// Norms give their parameters to the linear layers that read them:
//
//   (n ⊙ γ + β)·wᵀ + c = n·(w·diag(γ))ᵀ + (c + w·β)
//
// and LayerNorm its mean subtraction to what writes the residual stream: the mean of a
// sum is the sum of the means, so centred rows and centred outputs make a centred stream.

#include "fingpt/Compress/Rotation.h"
#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Dialect/Fin/Utils/DerivedParams.h"
#include "fingpt/Dialect/Fin/Utils/ModelParams.h"
#include "fingpt/Dialect/Fin/Utils/ResidualStream.h"
#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include "llvm/ADT/MapVector.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINFOLDNORMS
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt;
using namespace fingpt::fin;
using fingpt::compress::Matrix;

namespace {

/// What both kinds of norm have in common.
struct Norm {
  Operation *op;
  Value weight, bias; ///< may be null
  int64_t width;      ///< of the last axis
};

struct FoldNorms final : fingpt::fin::impl::FinFoldNormsBase<FoldNorms> {
  using FinFoldNormsBase::FinFoldNormsBase;
  void runOnOperation() override;
  Status foldAll(func::FuncOp forward, DerivedParams &derived);
  Status centerAll(func::FuncOp forward, DerivedParams &derived);
  Status fold(const Norm &norm, DerivedParams &derived);
  Status foldInto(LinearOp linear, const Norm &norm, DerivedParams &derived);
  Status centerStream(const Stream &stream, DerivedParams &derived);
  /// The name of a copy of `weight` that `user` makes for itself: told if a table keeps it.
  std::string nameOfCopy(Value weight, Operation *user);

  /// γ and β of the norm at hand.
  std::vector<double> gamma, beta;
  uint64_t tag = 0; ///< of the pair (γ, β), so that equal folds share their result
  llvm::MapVector<std::pair<Value, Value>, uint64_t> tags;
  /// w·β of every weight and tag.
  llvm::MapVector<std::pair<Value, uint64_t>, std::vector<double>> shifts;
};

} // namespace

static std::optional<Norm> normOf(Operation *op) {
  if (auto rms = dyn_cast<RmsNormOp>(op))
    return Norm{op, rms.getWeight(), {}, cast<RankedTensorType>(rms.getType()).getShape().back()};
  if (auto layer = dyn_cast<LayerNormOp>(op))
    return Norm{op, layer.getWeight(), layer.getBias(),
                cast<RankedTensorType>(layer.getType()).getShape().back()};
  return std::nullopt;
}

static bool canFold(const Norm &norm, WeightAnalysis &analysis) {
  for (Value v : {norm.weight, norm.bias})
    if (v && !analysis.isWeight(v))
      return false;
  return llvm::all_of(norm.op->getUses(), [&](OpOperand &use) {
    auto linear = dyn_cast<LinearOp>(use.getOwner());
    return linear && use.getOperandNumber() == 0 && analysis.isWeight(linear.getWeight()) &&
           (!linear.getBias() || analysis.isWeight(linear.getBias()));
  });
}

/// Repeats the parameters of one head for all of them.
static std::vector<double> tiled(std::vector<double> v, int64_t width) {
  size_t run = v.size();
  v.resize(size_t(width));
  for (size_t i = run; i < v.size(); ++i)
    v[i] = v[i - run];
  return v;
}

static std::string biasName(StringRef weight) {
  StringRef stem = weight;
  stem.consume_back(".weight");
  return (stem + ".bias").str();
}

/// What checkpoints with a head of their own call it.
static std::string headName(StringRef table) {
  bool bert = table.ends_with("embeddings.word_embeddings.weight");
  return bert ? "cls.predictions.decoder.weight" : "lm_head.weight";
}

std::string FoldNorms::nameOfCopy(Value weight, Operation *user) {
  bool isTable =
      llvm::any_of(weight.getUsers(), [](Operation *op) { return isa<EmbeddingOp>(op); });
  bool isHead = llvm::any_of(weight.getUsers(), [](Operation *op) { return isa<LinearOp>(op); });
  std::string name = weightName(weight);
  if (!isTable || !isHead)
    return name;
  ArrayRef<int64_t> shape = cast<RankedTensorType>(weight.getType()).getShape();
  std::string copy = isa<LinearOp>(user) ? headName(name) : name;
  emitRemark(user->getLoc()) << "'fin-fold-norms': the head is no longer tied to the table \""
                             << name << "\": it needs " << shape[0] << " x " << shape[1]
                             << " values of its own";
  ++numUntied;
  return copy;
}

Status FoldNorms::foldInto(LinearOp linear, const Norm &norm, DerivedParams &derived) {
  Value weight = linear.getWeight();
  auto type = cast<RankedTensorType>(weight.getType());
  std::vector<double> &shift = shifts[{weight, tag}];
  std::string name = nameOfCopy(weight, linear);
  Result<Value> folded = derived.change(
      weight, type.getShape(), Blocks::OfRows, tag,
      [&](Matrix<double> rows) {
        std::vector<double> moved(size_t(rows.rows()));
        compress::foldNorm(rows, gamma, norm.bias ? &beta : nullptr, &moved);
        shift.insert(shift.end(), moved.begin(), moved.end());
        return rows;
      },
      name);
  if (!folded)
    return folded.takeError();
  linear.getWeightMutable().assign(*folded);
  if (!norm.bias)
    return Status::ok();
  uint64_t shiftTag = uint64_t(shifts.find({weight, tag}) - shifts.begin());
  int64_t rows = type.getDimSize(0);
  OpBuilder b(linear);
  Result<Value> moved = linear.getBias()
                            ? derived.change(linear.getBias(), {rows}, Blocks::Whole, shiftTag,
                                             [&](Matrix<double> c) {
                                               for (int64_t i = 0; i < rows; ++i)
                                                 c(0, i) += shift[size_t(i)];
                                               return c;
                                             })
                            : derived.add(b, linear.getLoc(), biasName(name), {rows}, shift);
  if (!moved)
    return moved.takeError();
  linear.getBiasMutable().assign(*moved);
  return Status::ok();
}

Status FoldNorms::fold(const Norm &norm, DerivedParams &derived) {
  gamma.assign(size_t(norm.width), 1);
  for (auto [value, into] : {std::pair(norm.weight, &gamma), std::pair(norm.bias, &beta)}) {
    if (!value)
      continue;
    Result<std::vector<double>> v = derived.vector(value);
    if (!v)
      return v.takeError();
    *into = tiled(std::move(*v), norm.width);
  }
  tag = tags.insert({{norm.weight, norm.bias}, tags.size()}).first->second;
  SmallVector<Operation *> users(norm.op->getUsers());
  llvm::sort(users, [](Operation *x, Operation *y) { return x->isBeforeInBlock(y); });
  for (Operation *user : users)
    if (Status s = foldInto(cast<LinearOp>(user), norm, derived); !s)
      return s;
  if (auto layer = dyn_cast<LayerNormOp>(norm.op))
    layer.getBiasMutable().clear(), layer.getWeightMutable().clear();
  else
    cast<RmsNormOp>(norm.op).getWeightMutable().clear();
  ++numFolded;
  return Status::ok();
}

Status FoldNorms::foldAll(func::FuncOp forward, DerivedParams &derived) {
  WeightAnalysis analysis;
  SmallVector<Norm> norms;
  forward.walk([&](Operation *op) {
    std::optional<Norm> norm = normOf(op);
    if (!norm || (!norm->weight && !norm->bias))
      return;
    if (canFold(*norm, analysis))
      norms.push_back(*norm);
    else
      ++numLeft;
  });
  for (const Norm &norm : norms)
    if (Status s = fold(norm, derived); !s)
      return s;
  return Status::ok();
}

//===-- Centring ------------------------------------------------------------===//

/// True for a layer_norm over the whole axis: it does not see the mean of its input.
static bool ignoresMean(Operation *op) {
  auto norm = dyn_cast<LayerNormOp>(op);
  return norm && int64_t(norm.getHeadDim().value_or(0)) == 0;
}

/// Nothing but layer norms reads the stream, and only linears and tables write it.
static bool canCenter(const Stream &stream) {
  if (!stream.readers.empty() || !llvm::all_of(stream.pins, ignoresMean))
    return false;
  // A layer_norm that is a reader, not the op that made a value.
  return llvm::none_of(stream.values,
                       [&](Value v) { return stream.pins.contains(v.getDefiningOp()); });
}

Status FoldNorms::centerStream(const Stream &stream, DerivedParams &derived) {
  uint64_t centred = tags.size();
  for (EmbeddingOp op : stream.tables) {
    Value table = op.getTable();
    Result<Value> changed = derived.change(
        table, cast<RankedTensorType>(table.getType()).getShape(), Blocks::OfRows, centred,
        [](Matrix<double> rows) {
          compress::centerRows(rows);
          return rows;
        },
        nameOfCopy(table, op));
    if (!changed)
      return changed.takeError();
    op.getTableMutable().assign(*changed);
  }
  for (LinearOp op : stream.writers)
    for (auto [operand, isBias] : {std::pair(op.getWeight(), false), {op.getBias(), true}}) {
      if (!operand)
        continue;
      Result<Value> changed =
          derived.change(operand, cast<RankedTensorType>(operand.getType()).getShape(),
                         Blocks::Whole, centred, [isBias = isBias](Matrix<double> m) {
                           isBias ? compress::centerRows(m) : compress::centerOutputs(m);
                           return m;
                         });
      if (!changed)
        return changed.takeError();
      isBias ? op.getBiasMutable().assign(*changed) : op.getWeightMutable().assign(*changed);
    }
  return Status::ok();
}

Status FoldNorms::centerAll(func::FuncOp forward, DerivedParams &derived) {
  SmallVector<LayerNormOp> norms;
  forward.walk([&](LayerNormOp op) {
    if (ignoresMean(op) && !op.getBias())
      norms.push_back(op);
  });
  llvm::DenseMap<Value, bool> centred;
  for (LayerNormOp norm : norms) {
    if (!centred.contains(norm.getInput())) {
      Stream stream = findStream(norm.getInput(), Norms::Pin);
      bool possible = canCenter(stream);
      for (Value v : stream.values)
        centred[v] = possible;
      if (possible)
        if (Status s = centerStream(stream, derived); !s)
          return s;
    }
    if (!centred[norm.getInput()])
      continue;
    OpBuilder b(norm);
    norm.replaceAllUsesWith(RmsNormOp::create(b, norm.getLoc(), norm.getType(), norm.getInput(),
                                              norm.getWeight(), norm.getEpsAttr(), IntegerAttr(),
                                              IntegerAttr())
                                .getResult());
    norm.erase();
    ++numCentered;
  }
  return Status::ok();
}

void FoldNorms::runOnOperation() {
  ModuleOp module = getOperation();
  FailureOr<func::FuncOp> forward = forwardAlone(module, "fin-fold-norms");
  if (failed(forward))
    return signalPassFailure();
  Result<std::shared_ptr<ParamStore>> params = modelParams(module);
  Status s = params ? Status::ok() : Status(params.takeError());
  if (s) {
    DerivedParams derived(**params, "folded");
    s = foldAll(*forward, derived);
    if (s && center)
      s = centerAll(*forward, derived);
  }
  if (!s) {
    emitError(module.getLoc(), s.error().message());
    return signalPassFailure();
  }
  eraseDeadWeights(*forward);
}
