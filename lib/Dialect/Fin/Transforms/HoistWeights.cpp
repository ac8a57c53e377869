// Moves what depends on parameters alone into @prepare.
//
// A value is *static* if every op that it is computed from is pure and ends in
// parameters and constants. A static value that is no plain parameter or
// constant and that a dynamic op uses is *prepared*: it gets a key of its own.
// The expression of a prepared value, with its parameters as arguments, is a
// function; textually equal functions are one.

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINHOISTWEIGHTS
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt::fin;

namespace {

struct HoistWeights final : fingpt::fin::impl::FinHoistWeightsBase<HoistWeights> {
  void runOnOperation() override;
};

/// Splits a function's top-level ops into static and dynamic.
class StaticValues {
public:
  explicit StaticValues(func::FuncOp function) {
    for (Operation &op : function.getBody().front())
      if (op.getNumResults() > 0 && isMemoryEffectFree(&op) &&
          llvm::all_of(op.getOperands(), [&](Value v) { return contains(v); }) && !readsOutside(op))
        ops.insert(&op);
  }
  bool contains(Value v) const { return v.getDefiningOp() && ops.contains(v.getDefiningOp()); }

private:
  /// An op with a region (linalg.generic) may capture values of the function.
  bool readsOutside(Operation &op) const {
    bool outside = false;
    op.walk([&](Operation *inner) {
      for (Value v : inner->getOperands()) {
        Operation *owner = v.getDefiningOp();
        Block *block = owner ? owner->getBlock() : cast<BlockArgument>(v).getOwner();
        bool local = block->getParentOp() == &op || op.isProperAncestor(block->getParentOp());
        if (!local && inner != &op && !contains(v))
          outside = true;
      }
    });
    return outside;
  }
  llvm::SmallPtrSet<Operation *, 32> ops;
};

/// One expression: its ops in order, its parameters in order of first use.
struct Expression {
  Value root;
  SmallVector<Operation *> ops; ///< without the parameters
  SmallVector<ParamOp> params;
};

} // namespace

static Expression expressionOf(Value root) {
  Expression e;
  e.root = root;
  llvm::SmallPtrSet<Operation *, 8> seen;
  walkSources(root, seen, [&](Operation *op) {
    if (auto param = dyn_cast<ParamOp>(op))
      e.params.push_back(param);
    else
      e.ops.push_back(op);
  });
  return e;
}

/// A parameter as a function argument: code types become their packed bytes.
static RankedTensorType argumentType(ParamOp param) {
  RankedTensorType type = param.getType();
  auto code = dyn_cast<IntegerType>(type.getElementType());
  return code && !code.isSignless() ? packedType(type) : type;
}

/// Builds `name(params...) -> value` before any other function of the module.
static func::FuncOp buildFunction(ModuleOp module, StringRef name, Expression &e) {
  OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
  SmallVector<Type> arguments;
  for (ParamOp p : e.params)
    arguments.push_back(argumentType(p));
  Location loc = UnknownLoc::get(module.getContext());
  auto function =
      func::FuncOp::create(b, loc, name, b.getFunctionType(arguments, e.root.getType()));
  function.setPrivate();
  function->setAttr("fin.prepare", b.getUnitAttr());
  b.setInsertionPointToStart(function.addEntryBlock());
  IRMapping mapping;
  for (auto [p, argument] : llvm::zip(e.params, function.getArguments())) {
    Value v = argument;
    if (v.getType() != p.getType())
      v = UnpackOp::create(b, loc, p.getType(), v);
    mapping.map(p.getResult(), v);
  }
  for (Operation *op : e.ops)
    b.clone(*op, mapping)->setLoc(loc);
  func::ReturnOp::create(b, loc, mapping.lookup(e.root));
  return function;
}

/// The function's text without its name: equal texts are one function.
static std::string signatureOf(func::FuncOp function) {
  std::string text;
  llvm::raw_string_ostream os(text);
  OpPrintingFlags flags;
  // Constants are part of the form; what the command line elides is not elided here.
  flags.useLocalScope().elideLargeElementsAttrs(std::numeric_limits<int64_t>::max());
  function.print(os, flags);
  return text.substr(text.find('('));
}

/// "model.layers.0.q_proj.weight.codes" → "model.layers.0.q_proj.weight".
static StringRef tensorName(StringRef key) {
  for (StringRef field : {".codes", ".scales", ".mins", ".zeros", ".codebook"})
    if (key.ends_with(field))
      return key.drop_back(field.size());
  return key;
}

void HoistWeights::runOnOperation() {
  ModuleOp module = getOperation();
  MLIRContext *context = &getContext();
  // Expression text (with keys) → the key of its value.
  llvm::StringMap<std::string> preparedKeys;
  llvm::StringSet<> usedKeys;
  llvm::StringMap<func::FuncOp> functionsByText;
  struct Preparation {
    func::FuncOp function;
    SmallVector<std::pair<std::string, RankedTensorType>> params; ///< as the function takes them
    std::string key;
    Type type;
  };
  SmallVector<Preparation> preparations;
  SymbolTable symbols(module);
  SmallVector<func::FuncOp> functions(module.getOps<func::FuncOp>());
  module.walk([&](ParamOp op) { usedKeys.insert(op.getKey()); });

  for (func::FuncOp function : functions) {
    if (function.isExternal() || function.getName() == "prepare")
      continue;
    StaticValues statics(function);
    llvm::SetVector<Value> roots;
    function.walk([&](Operation *user) {
      for (Value v : user->getOperands()) {
        if (!statics.contains(v) || isa<ParamOp>(v.getDefiningOp()) ||
            v.getDefiningOp()->hasTrait<OpTrait::ConstantLike>() ||
            !isa<RankedTensorType>(v.getType()) ||
            !cast<RankedTensorType>(v.getType()).hasStaticShape())
          continue;
        Operation *outer = function.getBody().findAncestorOpInRegion(*user);
        bool userIsStatic = outer->getNumResults() > 0 && statics.contains(outer->getResult(0));
        if (!userIsStatic)
          roots.insert(v);
      }
    });

    // Replaced together, at the end: every expression is one of parameters as they are
    // stored, not of values prepared before it.
    SmallVector<std::pair<Value, std::string>> replacements;
    for (Value root : roots) {
      Expression e = expressionOf(root);
      if (e.params.empty())
        continue;
      func::FuncOp body = buildFunction(module, "fin_hoist_candidate", e);
      std::string text = signatureOf(body);
      std::string identity = text;
      for (ParamOp p : e.params)
        identity += "\n" + p.getKey().str();
      auto [entry, isNew] = preparedKeys.try_emplace(identity);
      if (isNew) {
        std::string base = ("prepared/" + tensorName(e.params.front().getKey())).str();
        std::string key = base;
        for (unsigned n = 2; !usedKeys.insert(key).second; ++n)
          key = base + "#" + std::to_string(n);
        entry->second = key;
        auto [shared, firstOfForm] = functionsByText.try_emplace(text, body);
        if (firstOfForm) {
          body.setName("prepare_" + std::to_string(functionsByText.size() - 1));
          while (symbols.lookup(body.getName()))
            body.setName((body.getName() + "_").str());
          symbols.insert(body);
        }
        Preparation preparation{shared->second, {}, key, root.getType()};
        for (ParamOp p : e.params)
          preparation.params.emplace_back(p.getKey().str(), argumentType(p));
        preparations.push_back(std::move(preparation));
        if (!firstOfForm)
          body.erase();
      } else {
        body.erase();
      }
      replacements.emplace_back(root, entry->second);
    }
    for (auto &[root, key] : replacements) {
      OpBuilder b(root.getDefiningOp());
      b.setInsertionPointAfter(root.getDefiningOp());
      Value prepared = ParamOp::create(b, root.getLoc(), root.getType(), key);
      root.replaceAllUsesWith(prepared);
    }
    // What only served hoisted values is dead.
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
      if (op.use_empty() && isMemoryEffectFree(&op) && !op.hasTrait<OpTrait::IsTerminator>())
        op.erase();
  }
  if (preparations.empty())
    return;

  Location loc = UnknownLoc::get(context);
  auto prepare = module.lookupSymbol<func::FuncOp>("prepare");
  OpBuilder b(context);
  if (!prepare) {
    b.setInsertionPointToEnd(module.getBody());
    prepare = func::FuncOp::create(b, loc, "prepare", b.getFunctionType({}, {}));
    b.setInsertionPointToStart(prepare.addEntryBlock());
    func::ReturnOp::create(b, loc);
  }
  b.setInsertionPoint(prepare.getBody().front().getTerminator());
  for (Preparation &p : preparations) {
    SmallVector<Value> arguments;
    for (auto &[key, type] : p.params)
      arguments.push_back(ParamOp::create(b, loc, type, key));
    auto call = func::CallOp::create(b, loc, p.function, arguments);
    StoreOp::create(b, loc, call.getResult(0), p.key);
  }
}
