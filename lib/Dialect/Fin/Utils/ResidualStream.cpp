#include "fingpt/Dialect/Fin/Utils/ResidualStream.h"

#include "fingpt/Dialect/Fin/Utils/Weights.h"

using namespace mlir;

namespace fingpt::fin {

int64_t Stream::width() const {
  return values.empty() ? 0 : cast<RankedTensorType>(values.front().getType()).getShape().back();
}

namespace {

class Flood {
public:
  explicit Flood(Norms norms) : norms(norms) {}
  Stream run(Value seed);

private:
  void push(Value v) {
    if (stream.values.insert(v))
      work.push_back(v);
  }
  void visitDefinition(Value v);
  void visitUse(OpOperand &use);
  bool passes(RmsNormOp op) const {
    return norms == Norms::Pass && !op.getWeight() &&
           op.getRun() == cast<RankedTensorType>(op.getType()).getShape().back();
  }
  /// A sum of two streams, not of a stream and a weight.
  bool joins(arith::AddFOp op) {
    return !analysis.isWeight(op.getLhs()) && !analysis.isWeight(op.getRhs());
  }

  Norms norms;
  Block *block = nullptr; ///< of every value
  Stream stream;
  SmallVector<Value> work;
  WeightAnalysis analysis;
};

} // namespace

void Flood::visitDefinition(Value v) {
  Operation *op = v.getDefiningOp();
  if (!op)
    stream.pins.insert(cast<BlockArgument>(v).getOwner()->getParentOp());
  else if (auto add = dyn_cast<arith::AddFOp>(op); add && joins(add))
    push(add.getLhs()), push(add.getRhs());
  else if (auto multiply = dyn_cast<MultiplyOp>(op))
    push(multiply.getInput());
  else if (auto norm = dyn_cast<RmsNormOp>(op); norm && passes(norm))
    push(norm.getInput());
  else if (auto linear = dyn_cast<LinearOp>(op); linear && analysis.isWeight(linear.getWeight()))
    stream.writers.push_back(linear);
  else if (auto table = dyn_cast<EmbeddingOp>(op); table && analysis.isWeight(table.getTable()))
    stream.tables.push_back(table);
  else
    stream.pins.insert(op);
}

void Flood::visitUse(OpOperand &use) {
  Operation *op = use.getOwner();
  auto linear = dyn_cast<LinearOp>(op);
  auto norm = dyn_cast<RmsNormOp>(op);
  auto add = dyn_cast<arith::AddFOp>(op);
  if (op->getBlock() != block) {
    stream.pins.insert(block->findAncestorOpInBlock(*op));
    return;
  }
  if (linear && use.getOperandNumber() == 0 && analysis.isWeight(linear.getWeight()))
    stream.readers.push_back(linear);
  else if ((add && joins(add)) || isa<MultiplyOp>(op) || (norm && passes(norm)))
    push(op->getResult(0));
  else
    stream.pins.insert(op);
}

Stream Flood::run(Value seed) {
  block = seed.getParentBlock();
  push(seed);
  while (!work.empty()) {
    Value v = work.pop_back_val();
    visitDefinition(v);
    for (OpOperand &use : v.getUses())
      visitUse(use);
  }
  // Program order; arguments and the function that has them come first.
  auto before = [&](Operation *x, Operation *y) {
    bool xInside = x && x->getBlock() == block, yInside = y && y->getBlock() == block;
    return xInside && yInside ? x->isBeforeInBlock(y) : !xInside && yInside;
  };
  auto values = stream.values.takeVector();
  llvm::sort(values,
             [&](Value x, Value y) { return before(x.getDefiningOp(), y.getDefiningOp()); });
  stream.values.insert(values.begin(), values.end());
  auto pins = stream.pins.takeVector();
  llvm::sort(pins, before);
  stream.pins.insert(pins.begin(), pins.end());
  llvm::sort(stream.tables, before);
  llvm::sort(stream.writers, before);
  llvm::sort(stream.readers, before);
  return std::move(stream);
}

Stream findStream(Value seed, Norms norms) { return Flood(norms).run(seed); }

Stream residualStream(func::FuncOp forward) {
  Stream largest;
  llvm::DenseSet<Value> seen;
  forward.walk([&](EmbeddingOp op) {
    if (seen.contains(op.getResult()))
      return;
    Stream s = findStream(op.getResult(), Norms::Pass);
    seen.insert(s.values.begin(), s.values.end());
    if (s.values.size() > largest.values.size())
      largest = std::move(s);
  });
  return largest;
}

/// `norm "model.norm.weight"`, or the op's name without parameters.
static std::string normName(Operation *op, Value weight) {
  std::string name = weight ? weightName(weight) : "";
  return name.empty() ? "'" + op->getName().getStringRef().str() + "'" : "norm " + quote(name);
}

LogicalResult checkFree(const Stream &stream, StringRef what) {
  if (stream.pins.empty())
    return success();
  Operation *pin = stream.pins.front();
  InFlightDiagnostic error = pin->emitError() << "'" << what << "': ";
  if (auto norm = dyn_cast<RmsNormOp>(pin); norm && norm.getWeight()) {
    error << normName(norm, norm.getWeight()) << " keeps its parameters, ";
    Operation *other = nullptr;
    for (Operation *user : norm->getUsers())
      if (!isa<LinearOp>(user))
        other = user;
    if (other)
      error << "which '" << other->getName()
            << "' uses and no weight can take: the residual stream has no free basis";
    else
      error << "which pin the residual stream: run fin-fold-norms first";
  } else if (auto norm = dyn_cast<LayerNormOp>(pin)) {
    error << normName(norm, norm.getWeight())
          << " subtracts a mean, which pins the residual stream: run fin-fold-norms=center first "
             "(where it leaves a layer_norm, the model has no free basis)";
  } else if (isa<func::ReturnOp>(pin)) {
    error << "the residual stream is what @forward returns: its basis is not free";
  } else {
    error << "'" << pin->getName()
          << "' needs the residual stream in its own basis: only linear layers, tables, sums "
             "and norms without parameters let it change";
  }
  return error;
}

namespace {

struct Kind {
  enum { Trunk, Branch, Read } kind;
  int64_t point;   ///< of a trunk value or a read of it
  LinearOp writer; ///< the last one of a branch
};

class PointFinder {
public:
  explicit PointFinder(const Stream &stream) : stream(stream) {}
  Result<ResidualPoints> run();

private:
  Result<Kind> kindOf(Value v);
  Result<Kind> sum(arith::AddFOp op);
  Status assignBranches();

  const Stream &stream;
  llvm::DenseMap<Value, Kind> kinds;
  ResidualPoints result;
};

} // namespace

static std::string placeOf(Operation *op) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << op->getLoc();
  return text + ": '" + op->getName().getStringRef().str() + "'";
}

Result<Kind> PointFinder::sum(arith::AddFOp op) {
  Kind x = kinds.at(op.getLhs()), y = kinds.at(op.getRhs());
  if (x.kind == Kind::Branch && y.kind == Kind::Branch) {
    bool later = x.writer->isBeforeInBlock(y.writer);
    return Kind{Kind::Branch, -1, later ? y.writer : x.writer};
  }
  if (x.kind == Kind::Trunk && y.kind == Kind::Trunk && x.point == 0 && y.point == 0)
    return Kind{Kind::Trunk, 0, {}};
  bool first = x.kind == Kind::Trunk && y.kind == Kind::Branch;
  bool second = y.kind == Kind::Trunk && x.kind == Kind::Branch;
  if (!first && !second)
    return Error::at(placeOf(op), "joins no branch to the residual stream");
  auto to = int64_t(result.points.size());
  result.adds.push_back(
      {op, first ? 0u : 1u, first ? x.point : y.point, to, first ? y.writer : x.writer});
  return Kind{Kind::Trunk, to, {}};
}

Result<Kind> PointFinder::kindOf(Value v) {
  Operation *op = v.getDefiningOp();
  if (auto linear = dyn_cast_or_null<LinearOp>(op))
    return Kind{Kind::Branch, -1, linear};
  if (auto multiply = dyn_cast_or_null<MultiplyOp>(op))
    return kinds.at(multiply.getInput());
  if (auto norm = dyn_cast_or_null<RmsNormOp>(op)) {
    Kind k = kinds.at(norm.getInput());
    if (k.kind == Kind::Trunk)
      k.kind = Kind::Read;
    return k;
  }
  if (auto add = dyn_cast_or_null<arith::AddFOp>(op))
    return sum(add);
  return Kind{Kind::Trunk, 0, {}};
}

/// A branch is in the basis of the sum that takes it.
Status PointFinder::assignBranches() {
  for (Value v : llvm::reverse(stream.values)) {
    if (kinds.at(v).kind != Kind::Branch)
      continue;
    std::optional<int64_t> point;
    for (Operation *user : v.getUsers()) {
      if (user->getNumResults() != 1 || !stream.values.contains(user->getResult(0)))
        continue; // a reader
      auto it = result.pointOf.find(user->getResult(0));
      if (it == result.pointOf.end() || (point && *point != it->second))
        return Error::at(placeOf(user), "shares a branch of the residual stream with another sum");
      point = it->second;
    }
    if (!point)
      return Error::at(placeOf(v.getDefiningOp()),
                       "writes the residual stream, but no sum takes its result");
    result.pointOf[v] = *point;
  }
  return Status::ok();
}

Result<ResidualPoints> PointFinder::run() {
  result.points.resize(1);
  for (Value v : stream.values) {
    Result<Kind> k = kindOf(v);
    if (!k)
      return k.takeError();
    kinds.insert({v, *k});
    if (k->kind == Kind::Branch)
      continue;
    result.pointOf[v] = k->point;
    if (k->kind == Kind::Trunk) {
      result.points.resize(std::max<size_t>(result.points.size(), size_t(k->point) + 1));
      result.points[size_t(k->point)] = v;
    }
  }
  if (Status s = assignBranches(); !s)
    return s.takeError();
  return std::move(result);
}

Result<ResidualPoints> residualPoints(const Stream &stream) { return PointFinder(stream).run(); }

FailureOr<func::FuncOp> forwardAlone(ModuleOp module, StringRef pass) {
  auto forward = module.lookupSymbol<func::FuncOp>("forward");
  if (!forward || forward.isExternal()) {
    module.emitError() << "'" << pass << "': needs a function @forward";
    return failure();
  }
  for (StringRef other : {"prefill", "decode", "prepare"})
    if (module.lookupSymbol(other)) {
      module.emitError() << "'" << pass << "': the module has @" << other
                         << " already: it must run before fin-add-kv-cache and fin-hoist-weights";
      return failure();
    }
  return forward;
}

} // namespace fingpt::fin
