// One function per distinct layer.
//
// A layer is found by its parameters: the first number in a key
// ("model.layers.7.mlp.up_proj.weight") says which block an op belongs to. Ops
// without parameters of their own belong to the layer that runs at that point
// of the program. Two layers are one function if their texts are equal with
// parameters and layer numbers as arguments.

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/SmallSet.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINOUTLINELAYERS
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt::fin;

namespace {

struct OutlineLayers final : fingpt::fin::impl::FinOutlineLayersBase<OutlineLayers> {
  void runOnOperation() override;
  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<bufferization::BufferizationDialect>();
  }
};

/// The ops of one layer and what crosses its border.
struct Layer {
  SmallVector<Operation *> ops;     ///< dynamic ops, in program order
  llvm::SetVector<Value> inputs;    ///< dynamic values from outside, by first use
  SmallVector<Value> numbers;       ///< index constants that name the layer
  SmallVector<ParamOp> params;      ///< by first use
  SmallVector<Operation *> statics; ///< constants and weight expressions, cloned inside
  llvm::SetVector<Value> outputs;
};

} // namespace

/// "prefix.N" of the first numeric component of a key; empty if there is none.
static StringRef layerOfKey(StringRef key) {
  key.consume_front("prepared/"); // of one layer with the parameters it was made of
  size_t at = 0;
  while (at < key.size()) {
    size_t end = key.find('.', at);
    StringRef part = key.slice(at, end);
    if (at > 0 && !part.empty() && llvm::all_of(part, llvm::isDigit))
      return key.take_front(at + part.size());
    if (end == StringRef::npos)
      break;
    at = end + 1;
  }
  return {};
}

/// Partitions a function into consecutive layers; ops before, between and after stay.
static std::vector<Layer> findLayers(func::FuncOp function) {
  std::vector<Layer> layers;
  std::string current;
  WeightAnalysis analysis;
  for (Operation &op : function.getBody().front().without_terminator()) {
    if (op.getNumResults() > 0 && analysis.isWeight(op.getResult(0)))
      continue;
    if (isa<SelectLastOp>(op)) // what follows is the head, not a layer
      current.clear();
    SmallVector<ParamOp> params;
    for (Value operand : op.getOperands())
      if (analysis.isWeight(operand))
        llvm::append_range(params, weightParams(operand));
    if (!params.empty()) {
      StringRef layer;
      for (ParamOp p : params)
        if (StringRef l = layerOfKey(p.getKey()); !l.empty())
          layer = l;
      if (layer != current) {
        current = layer.str();
        if (!current.empty())
          layers.emplace_back();
      }
    }
    if (!current.empty())
      layers.back().ops.push_back(&op);
  }
  return layers;
}

static void findBorder(Layer &layer) {
  llvm::SmallPtrSet<Operation *, 32> inside(layer.ops.begin(), layer.ops.end());
  llvm::SmallPtrSet<Operation *, 32> seen;
  WeightAnalysis analysis;
  auto addStatic = [&](Operation *op) {
    if (auto param = dyn_cast<ParamOp>(op))
      layer.params.push_back(param);
    else
      layer.statics.push_back(op);
  };
  auto use = [&](Operation *op, OpOperand &operand) {
    Value v = operand.get();
    if (v.getParentBlock() != layer.ops.front()->getBlock())
      return; // local to a region of the op
    Operation *owner = v.getDefiningOp();
    if (owner && inside.contains(owner))
      return;
    bool isNumber =
        isa<CacheAppendOp, CacheReadOp>(op) && v.getType().isIndex() && analysis.isWeight(v);
    if (isNumber) {
      if (!llvm::is_contained(layer.numbers, v))
        layer.numbers.push_back(v);
    } else if (analysis.isWeight(v)) {
      walkSources(v, seen, addStatic);
    } else {
      layer.inputs.insert(v);
    }
  };
  for (Operation *op : layer.ops) {
    op->walk([&](Operation *inner) {
      for (OpOperand &operand : inner->getOpOperands())
        use(inner, operand);
    });
    for (Value result : op->getResults())
      for (Operation *user : result.getUsers())
        if (!inside.contains(layer.ops.front()->getBlock()->findAncestorOpInBlock(*user)))
          layer.outputs.insert(result);
  }
}

/// True if an op behind the layer reads `v` (`fin-observe` returns hidden states).
static bool isReadBehind(const Layer &layer, Value v) {
  Operation *last = layer.ops.back();
  return llvm::any_of(v.getUsers(), [&](Operation *user) {
    Operation *at = last->getBlock()->findAncestorOpInBlock(*user);
    return at && last->isBeforeInBlock(at);
  });
}

/// For every output the input whose buffer it may take: of the same type, not read any
/// more, not yet taken. An appended cache needs none: it is the old one's buffer already.
static FailureOr<SmallVector<std::optional<unsigned>>> findDestinations(const Layer &layer) {
  SmallVector<std::optional<unsigned>> destinations;
  llvm::SmallSet<unsigned, 4> taken;
  for (Value output : layer.outputs) {
    if (isa<CacheAppendOp>(output.getDefiningOp())) {
      destinations.push_back(std::nullopt);
      continue;
    }
    std::optional<unsigned> found;
    for (auto [i, input] : llvm::enumerate(layer.inputs))
      if (input.getType() == output.getType() && !taken.contains(i) &&
          !isReadBehind(layer, input)) {
        found = i;
        break;
      }
    if (!found)
      return failure();
    taken.insert(*found);
    destinations.push_back(found);
  }
  return destinations;
}

static func::FuncOp buildFunction(ModuleOp module, func::FuncOp before, const Layer &layer,
                                  ArrayRef<std::optional<unsigned>> destinations) {
  OpBuilder b(before);
  SmallVector<Type> arguments;
  for (Value v : layer.inputs)
    arguments.push_back(v.getType());
  for (Value v : layer.numbers)
    arguments.push_back(v.getType());
  for (ParamOp p : layer.params)
    arguments.push_back(p.getType());
  SmallVector<Type> results;
  for (Value v : layer.outputs)
    results.push_back(v.getType());
  Location loc = UnknownLoc::get(module.getContext());
  auto function =
      func::FuncOp::create(b, loc, "fin_outline_candidate", b.getFunctionType(arguments, results));
  function.setPrivate();
  b.setInsertionPointToStart(function.addEntryBlock());
  IRMapping mapping;
  unsigned next = 0;
  for (Value v : layer.inputs)
    mapping.map(v, function.getArgument(next++));
  for (Value v : layer.numbers)
    mapping.map(v, function.getArgument(next++));
  for (ParamOp p : layer.params)
    mapping.map(p.getResult(), function.getArgument(next++));
  for (Operation *op : layer.statics)
    b.clone(*op, mapping)->setLoc(loc);
  for (Operation *op : layer.ops)
    b.clone(*op, mapping)->setLoc(loc);
  SmallVector<Value> returned;
  for (auto [output, destination] : llvm::zip(layer.outputs, destinations)) {
    Value v = mapping.lookup(output);
    if (destination)
      v = bufferization::MaterializeInDestinationOp::create(b, loc, v.getType(), v,
                                                            function.getArgument(*destination))
              .getResult();
    returned.push_back(v);
  }
  func::ReturnOp::create(b, loc, returned);
  return function;
}

static std::string textOf(func::FuncOp function) {
  std::string text;
  llvm::raw_string_ostream os(text);
  function.print(os, OpPrintingFlags().useLocalScope());
  return text.substr(text.find('('));
}

void OutlineLayers::runOnOperation() {
  ModuleOp module = getOperation();
  SymbolTable symbols(module);
  llvm::StringMap<func::FuncOp> byText;
  for (func::FuncOp function : llvm::to_vector(module.getOps<func::FuncOp>())) {
    if (function.isExternal() || function.isPrivate())
      continue;
    unsigned outlined = 0;
    for (Layer &layer : findLayers(function)) {
      findBorder(layer);
      FailureOr<SmallVector<std::optional<unsigned>>> destinations = findDestinations(layer);
      if (failed(destinations) || layer.outputs.empty())
        continue; // stays inline
      func::FuncOp body = buildFunction(module, function, layer, *destinations);
      auto [entry, isNew] = byText.try_emplace(textOf(body), body);
      if (isNew) {
        std::string name = (function.getName() + "_layer").str();
        if (outlined > 0 || symbols.lookup(name))
          name += "_" + std::to_string(byText.size());
        body.setName(name);
        symbols.insert(body);
        ++outlined;
      } else {
        body.erase();
      }
      OpBuilder b(layer.ops.back());
      b.setInsertionPointAfter(layer.ops.back());
      SmallVector<Value> arguments(layer.inputs.begin(), layer.inputs.end());
      arguments.append(layer.numbers);
      for (ParamOp p : layer.params)
        arguments.push_back(p.getResult());
      auto call = func::CallOp::create(b, layer.ops.back()->getLoc(), entry->second, arguments);
      llvm::SmallPtrSet<Operation *, 32> inside(layer.ops.begin(), layer.ops.end());
      for (auto [i, output] : llvm::enumerate(layer.outputs)) {
        Value old = output;
        old.replaceUsesWithIf(call.getResult(i), [&](OpOperand &use) {
          return !inside.contains(call->getBlock()->findAncestorOpInBlock(*use.getOwner()));
        });
      }
      for (Operation *op : llvm::reverse(layer.ops))
        op->erase();
      for (Operation *op : llvm::reverse(layer.statics))
        if (op->use_empty())
          op->erase();
    }
  }
}
