// Orthogonal changes of basis, folded into the weights on both sides:
//
//   residual stream   tables E·Q, readers w·Q, writers Qᵀ·w         one Q for the model
//   values            v's outputs and o's inputs × H per head       attention mixes tokens only
//   online            x → x·H before a linear, w·H after            where nothing can take H
//
// H is the Walsh–Hadamard matrix over √size, its own inverse.

#include "fingpt/Compress/Rotation.h"
#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Dialect/Fin/Utils/DerivedParams.h"
#include "fingpt/Dialect/Fin/Utils/ModelParams.h"
#include "fingpt/Dialect/Fin/Utils/ResidualStream.h"
#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

#include <cmath>

namespace fingpt::fin {
#define GEN_PASS_DEF_FINROTATE
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt;
using namespace fingpt::fin;
using fingpt::compress::Matrix;
using fingpt::compress::MatrixView;

namespace {

/// Q: a Hadamard rotation, or a dense orthogonal matrix.
class Basis {
public:
  static Result<Basis> make(StringRef kind, int64_t size, uint64_t seed);
  bool isExactHadamard() const { return !hadamard || hadamard->isHadamard(); }
  /// Rows: x ← x·Q.
  void apply(MatrixView<double> x) const;
  /// w ← Qᵀ·w.
  void applyToOutputs(Matrix<double> &w) const;

private:
  std::optional<compress::Rotation> hadamard;
  Matrix<double> dense;
};

/// What happens to a linear's weight.
struct Turn {
  bool inputs = false, outputs = false;      ///< by Q
  int64_t inputBlocks = 0, outputBlocks = 0; ///< by H of this size on every run of the axis
  auto key() const { return std::tuple(inputs, outputs, inputBlocks, outputBlocks); }
};

struct Rotate final : fingpt::fin::impl::FinRotateBase<Rotate> {
  using FinRotateBase::FinRotateBase;
  void runOnOperation() override;
  void planHeads(func::FuncOp forward);
  void planQueriesAndKeys(func::FuncOp forward);
  void planActivations(const Stream &stream);
  Value rotateOnline(OpOperand &operand, int64_t size);
  Status apply(const Stream &stream, const Basis &q, DerivedParams &derived);
  Status applyTo(LinearOp op, const Turn &turn, uint64_t tag, const Basis &q,
                 DerivedParams &derived);

  WeightAnalysis analysis;
  llvm::MapVector<LinearOp, Turn> turns;
  llvm::DenseMap<std::pair<Value, int64_t>, Value> rotated; ///< activations, by size
};

} // namespace

//===-- The matrices --------------------------------------------------------===//

Result<Basis> Basis::make(StringRef kind, int64_t size, uint64_t seed) {
  Basis basis;
  if (kind == "hadamard") {
    Result<compress::Rotation> r = compress::Rotation::make(size, seed);
    if (!r)
      return r.takeError();
    basis.hadamard = std::move(*r);
    return basis;
  }
  if (kind != "random")
    return Error::at("kind", "of rotation", "hadamard or random", quote(kind.str()));
  Result<Matrix<double>> q = compress::randomOrthogonal(size, seed);
  if (!q)
    return q.takeError();
  basis.dense = std::move(*q);
  return basis;
}

void Basis::apply(MatrixView<double> x) const {
  if (hadamard)
    return hadamard->apply(x);
  Matrix<double> image = compress::product(x, dense);
  std::copy(image.data(), image.data() + x.rows * x.cols, x.data);
}

void Basis::applyToOutputs(Matrix<double> &w) const {
  if (hadamard)
    return hadamard->applyToOutputs(w);
  w = compress::product(dense, w, compress::Transpose::Yes);
}

/// Every run of `size` elements of a row times H/√size.
static void turnRuns(MatrixView<double> x, int64_t size) {
  double norm = 1 / std::sqrt(double(size));
  for (int64_t i = 0; i < x.rows; ++i)
    for (int64_t j = 0; j < x.cols; j += size) {
      compress::walshHadamard(x.row(i) + j, size);
      for (int64_t k = j; k < j + size; ++k)
        x(i, k) *= norm;
    }
}

static Matrix<double> transposed(const Matrix<double> &m) {
  Matrix<double> t(m.cols(), m.rows());
  for (int64_t i = 0; i < m.rows(); ++i)
    for (int64_t j = 0; j < m.cols(); ++j)
      t(j, i) = m(i, j);
  return t;
}

//===-- The plan ------------------------------------------------------------===//

static bool isPowerOfTwo(int64_t n) { return n > 1 && llvm::isPowerOf2_64(uint64_t(n)); }

static int64_t widthOf(Value v) { return cast<RankedTensorType>(v.getType()).getShape().back(); }

/// The linear that makes `v` for one use alone, if its weight can be changed.
static LinearOp soleMaker(Value v, WeightAnalysis &analysis) {
  auto linear = v.getDefiningOp<LinearOp>();
  return linear && v.hasOneUse() && analysis.isWeight(linear.getWeight()) ? linear : LinearOp();
}

void Rotate::planHeads(func::FuncOp forward) {
  forward.walk([&](AttentionOp op) {
    int64_t size = widthOf(op.getValue()) / int64_t(op.getKvHeads());
    LinearOp v = soleMaker(op.getValue(), analysis);
    bool folds = isPowerOfTwo(size) && v && llvm::all_of(op->getUses(), [&](OpOperand &use) {
                   auto o = dyn_cast<LinearOp>(use.getOwner());
                   return o && use.getOperandNumber() == 0 && analysis.isWeight(o.getWeight());
                 });
    if (!folds)
      return;
    turns[v].outputBlocks = size;
    for (Operation *user : op->getUsers())
      turns[cast<LinearOp>(user)].inputBlocks = size;
    ++numHeads;
  });
}

/// The operand's value times H, made once for all who ask.
Value Rotate::rotateOnline(OpOperand &operand, int64_t size) {
  Value &made = rotated[{operand.get(), size}];
  if (!made) {
    OpBuilder b(operand.getOwner());
    made = HadamardOp::create(b, operand.getOwner()->getLoc(), operand.get().getType(),
                              operand.get(), Value(), b.getI64IntegerAttr(size));
    ++numOnline;
  }
  operand.set(made);
  return made;
}

/// q·kᵀ does not see a rotation of both. It must come after rope, which turns pairs of
/// elements; where there is none, the weights take it.
void Rotate::planQueriesAndKeys(func::FuncOp forward) {
  forward.walk([&](AttentionOp op) {
    int64_t size = widthOf(op.getQuery()) / int64_t(op.getHeads());
    if (!isPowerOfTwo(size))
      return;
    for (OpOperand *operand : {&op.getQueryMutable(), &op.getKeyMutable()})
      if (LinearOp maker = soleMaker(operand->get(), analysis))
        turns[maker].outputBlocks = size;
      else
        rotateOnline(*operand, size);
  });
}

/// The inputs of what closes an MLP.
void Rotate::planActivations(const Stream &stream) {
  for (LinearOp op : stream.writers) {
    Operation *maker = op.getInput().getDefiningOp();
    if (!maker || !maker->hasTrait<OpTrait::Elementwise>() || stream.values.contains(op.getInput()))
      continue;
    int64_t width = widthOf(op.getInput());
    int64_t size = width & -width; // the largest power of two that divides it
    if (size == 1)
      continue;
    turns[op].inputBlocks = size;
    rotateOnline(op.getInputMutable(), size);
  }
}

//===-- Weights -------------------------------------------------------------===//

Status Rotate::applyTo(LinearOp op, const Turn &turn, uint64_t tag, const Basis &q,
                       DerivedParams &derived) {
  bool whole = turn.outputs || turn.outputBlocks;
  Value weight = op.getWeight(), bias = op.getBias();
  Result<Value> w =
      derived.change(weight, cast<RankedTensorType>(weight.getType()).getShape(),
                     whole ? Blocks::Whole : Blocks::OfRows, tag, [&](Matrix<double> m) {
                       if (turn.inputs)
                         q.apply(m);
                       if (turn.inputBlocks)
                         turnRuns(m, turn.inputBlocks);
                       if (turn.outputs)
                         q.applyToOutputs(m);
                       if (turn.outputBlocks) {
                         Matrix<double> t = transposed(m);
                         turnRuns(t, turn.outputBlocks);
                         m = transposed(t);
                       }
                       return m;
                     });
  if (!w)
    return w.takeError();
  op.getWeightMutable().assign(*w);
  ++numRotated;
  if (!bias || !whole)
    return Status::ok();
  Result<Value> c =
      derived.change(bias, {widthOf(bias)}, Blocks::Whole, tag, [&](Matrix<double> m) {
        if (turn.outputs)
          q.apply(m);
        if (turn.outputBlocks)
          turnRuns(m, turn.outputBlocks);
        return m;
      });
  if (!c)
    return c.takeError();
  op.getBiasMutable().assign(*c);
  return Status::ok();
}

Status Rotate::apply(const Stream &stream, const Basis &q, DerivedParams &derived) {
  std::map<decltype(Turn().key()), uint64_t> tags;
  auto tagOf = [&](const Turn &t) { return tags.emplace(t.key(), tags.size()).first->second; };
  Turn inputs;
  inputs.inputs = true; // a table's rows are turned as a reader's: a tied head stays tied
  for (EmbeddingOp op : stream.tables) {
    Value table = op.getTable();
    Result<Value> t = derived.change(table, cast<RankedTensorType>(table.getType()).getShape(),
                                     Blocks::OfRows, tagOf(inputs), [&](Matrix<double> rows) {
                                       q.apply(rows);
                                       return rows;
                                     });
    if (!t)
      return t.takeError();
    op.getTableMutable().assign(*t);
    ++numRotated;
  }
  for (auto &[op, turn] : turns)
    if (Status s = applyTo(op, turn, tagOf(turn), q, derived); !s)
      return s;
  return Status::ok();
}

void Rotate::runOnOperation() {
  ModuleOp module = getOperation();
  auto refuse = [&](const Error &e) {
    emitError(module.getLoc(), e.message());
    signalPassFailure();
  };
  FailureOr<func::FuncOp> forward = forwardAlone(module, "fin-rotate");
  if (failed(forward))
    return signalPassFailure();
  Stream stream = residualStream(*forward);
  if (stream.values.empty())
    return refuse(Error::at("'fin-rotate'", "@forward looks no tokens up in a table"));
  if (failed(checkFree(stream, "fin-rotate")))
    return signalPassFailure();
  Result<std::shared_ptr<ParamStore>> params = modelParams(module);
  if (!params)
    return refuse(params.error());
  Result<Basis> q = Basis::make(kind, stream.width(), seed);
  if (!q)
    return refuse(q.error());
  if (!q->isExactHadamard())
    emitRemark(module.getLoc()) << "'fin-rotate': no Hadamard matrix of size " << stream.width()
                                << " is known here; a random orthogonal matrix stands for its "
                                   "odd part";
  for (LinearOp op : stream.writers)
    turns[op].outputs = true;
  for (LinearOp op : stream.readers)
    turns[op].inputs = true;
  planHeads(*forward);
  if (online) {
    planQueriesAndKeys(*forward);
    planActivations(stream);
  }
  DerivedParams derived(**params, "rotated");
  if (Status s = apply(stream, *q, derived); !s)
    return refuse(s.error());
  eraseDeadWeights(*forward);
}
