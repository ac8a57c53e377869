// A layer is left out by handing on what came in.
//
// Its ops are found by its parameters: "model.layers.7.…" in a key says who uses it, and
// what lies on a path between two such ops belongs to it too. That set grows by the ops
// around it until one value of the stream enters, one leaves and none goes around it:
//
//   llama   q … down        grows by the sum behind down and, once its norm has no
//                           parameters any more, by the norm before q
//   phi     norm … fc2      grows by the sums that take attention and MLP

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Dialect/Fin/Utils/ResidualStream.h"
#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include "llvm/ADT/SetVector.h"

#include <set>

namespace fingpt::fin {
#define GEN_PASS_DEF_FINDROPLAYERS
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt;
using namespace fingpt::fin;

namespace {

struct DropLayers final : fingpt::fin::impl::FinDropLayersBase<DropLayers> {
  using FinDropLayersBase::FinDropLayersBase;
  void runOnOperation() override;
  LogicalResult check(ModuleOp module, const std::set<int64_t> &present);
};

/// The ops of one layer, grown until one value goes in and one comes out.
class LayerOps {
public:
  LayerOps(int64_t number, func::FuncOp function) : number(number), function(function) {}
  LogicalResult find();
  Value input, output;

private:
  void start();
  LogicalResult grow(Operation *op);
  Operation *firstUserOutside(ArrayRef<Value> values) const;
  Operation *firstBypass(Type type) const;
  SmallVector<Value> outputs() const;
  SmallVector<Value> inputs(Type type) const;
  LogicalResult refuse(Operation *op, const Twine &why) const;

  int64_t number;
  func::FuncOp function;
  WeightAnalysis analysis;
  llvm::SetVector<Operation *> ops;
};

} // namespace

/// The layers whose parameters `op` uses.
static std::set<int64_t> layersOf(Operation *op, WeightAnalysis &analysis) {
  std::set<int64_t> layers;
  for (Value operand : op->getOperands())
    if (analysis.isWeight(operand))
      for (ParamOp p : weightParams(operand))
        if (int64_t n = layerOfName(p.getKey()); n >= 0)
          layers.insert(n);
  return layers;
}

static bool isDynamic(Operation &op, WeightAnalysis &analysis) {
  return op.getNumResults() == 0 || !analysis.isWeight(op.getResult(0));
}

/// What lies between the first and the last op that uses the layer's parameters.
void LayerOps::start() {
  llvm::SmallPtrSet<Operation *, 32> after, before;
  Block &body = function.getBody().front();
  auto isOwn = [&](Operation &op) {
    return isDynamic(op, analysis) && layersOf(&op, analysis).count(number) > 0;
  };
  for (Operation &op : body)
    if (isOwn(op) || llvm::any_of(op.getOperands(), [&](Value v) {
          return v.getDefiningOp() && after.contains(v.getDefiningOp());
        }))
      after.insert(&op);
  for (Operation &op : llvm::reverse(body))
    if (isOwn(op) ||
        llvm::any_of(op.getUsers(), [&](Operation *user) { return before.contains(user); }))
      before.insert(&op);
  for (Operation &op : body)
    if (after.contains(&op) && before.contains(&op))
      ops.insert(&op);
}

LogicalResult LayerOps::refuse(Operation *op, const Twine &why) const {
  return mlir::emitError(op->getLoc()) << "'fin-drop-layers': layer " << number
                                       << " cannot be left out: '" << op->getName() << "' " << why;
}

LogicalResult LayerOps::grow(Operation *op) {
  if (op->hasTrait<OpTrait::IsTerminator>())
    return refuse(op, "returns more than its result");
  if (op->getBlock() != &function.getBody().front())
    return refuse(op, "uses its values inside a region");
  std::set<int64_t> others = layersOf(op, analysis);
  if (!others.empty() && others.count(number) == 0)
    return refuse(op, "of layer " + Twine(*others.begin()) + " uses more than its result");
  ops.insert(op);
  return success();
}

Operation *LayerOps::firstUserOutside(ArrayRef<Value> values) const {
  Operation *first = nullptr;
  for (Value v : values)
    for (Operation *user : v.getUsers())
      if (!ops.contains(user) && (!first || user->isBeforeInBlock(first)))
        first = user;
  return first;
}

/// The first op behind the layer's beginning that reads a stream value from before it: what
/// goes around the ops so far is a residual, and the sum that takes it is still missing.
Operation *LayerOps::firstBypass(Type type) const {
  Operation *first =
      *llvm::min_element(ops, [](Operation *x, Operation *y) { return x->isBeforeInBlock(y); });
  for (Operation &op : llvm::make_range(first->getIterator(), first->getBlock()->end()))
    for (Value v : op.getOperands()) {
      Operation *maker = v.getDefiningOp();
      if (!ops.contains(&op) && v.getType() == type && (!maker || maker->isBeforeInBlock(first)))
        return &op;
    }
  return nullptr;
}

SmallVector<Value> LayerOps::outputs() const {
  SmallVector<Value> values;
  for (Operation *op : ops)
    for (Value v : op->getResults())
      if (llvm::any_of(v.getUsers(), [&](Operation *user) { return !ops.contains(user); }))
        values.push_back(v);
  return values;
}

SmallVector<Value> LayerOps::inputs(Type type) const {
  llvm::SetVector<Value> values;
  for (Operation *op : ops)
    for (Value v : op->getOperands())
      if (v.getType() == type && !ops.contains(v.getDefiningOp()))
        values.insert(v);
  return values.takeVector();
}

LogicalResult LayerOps::find() {
  start();
  for (;;) {
    SmallVector<Value> leave = outputs();
    if (leave.size() != 1) {
      if (failed(grow(firstUserOutside(leave))))
        return failure();
      continue;
    }
    output = leave.front();
    SmallVector<Value> enter = inputs(output.getType());
    Operation *last = nullptr;
    for (Value v : enter)
      if (Operation *op = v.getDefiningOp(); op && (!last || last->isBeforeInBlock(op)))
        last = op;
    if (enter.empty() || (enter.size() > 1 && !last))
      return refuse(ops.front(), "reads nothing that its result could be replaced by");
    if (enter.size() > 1) {
      if (failed(grow(last)))
        return failure();
      continue;
    }
    input = enter.front();
    Operation *around = firstBypass(output.getType());
    if (!around)
      return success();
    if (failed(grow(around)))
      return failure();
  }
}

LogicalResult DropLayers::check(ModuleOp module, const std::set<int64_t> &present) {
  auto refuse = [&] { return mlir::emitError(module.getLoc()) << "'fin-drop-layers': "; };
  if (layers.empty())
    return refuse() << "layers: missing, expected numbers such as layers=3,7";
  for (int64_t n : layers) {
    if (present.count(n) == 0)
      return refuse() << "layers: there is no layer " << n << " (the model has "
                      << (present.empty() ? "none"
                                          : std::to_string(*present.begin()) + " to " +
                                                std::to_string(*present.rbegin()))
                      << ")";
    if (!force && (n == *present.begin() || n == *present.rbegin()))
      return refuse() << "layer " << n << " is the " << (n == *present.begin() ? "first" : "last")
                      << ", which models hardly live without: say force if it must go";
  }
  std::set<int64_t> dropped(layers.begin(), layers.end());
  if (dropped.size() == present.size())
    return refuse() << "layers: these are all layers of the model";
  return success();
}

void DropLayers::runOnOperation() {
  ModuleOp module = getOperation();
  FailureOr<func::FuncOp> forward = forwardAlone(module, "fin-drop-layers");
  if (failed(forward))
    return signalPassFailure();
  std::set<int64_t> present;
  forward->walk([&](ParamOp op) {
    if (int64_t n = layerOfName(op.getKey()); n >= 0)
      present.insert(n);
  });
  if (failed(check(module, present)))
    return signalPassFailure();
  for (int64_t n : std::set<int64_t>(layers.begin(), layers.end())) {
    LayerOps block(n, *forward);
    if (failed(block.find()))
      return signalPassFailure();
    block.output.replaceAllUsesWith(block.input);
    eraseDeadWeights(*forward);
    ++numDropped;
    if (auto model = module->getAttrOfType<ModelAttr>("fin.model"))
      module->setAttr("fin.model",
                      ModelAttr::get(&getContext(), model.getArch(), model.getContextLength(),
                                     model.getVocabSize(), model.getLayers() - 1));
  }
}
