// The ABI of compiled code: parameters become one table of pointers, results of
// public functions become destinations. See Passes.td.

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINBINDPARAMS
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt::fin;

namespace {

struct BindParams final : fingpt::fin::impl::FinBindParamsBase<BindParams> {
  void runOnOperation() override;
};

/// Which arguments of an outlined function are parameters.
using ParamPositions = llvm::MapVector<func::FuncOp, SmallVector<unsigned>>;

} // namespace

/// The tensor whose bytes `table[slot]` points to, read-only.
static Value tensorAt(OpBuilder &b, Location loc, Value table, int64_t slot,
                      RankedTensorType type) {
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  Value address = table;
  if (slot != 0)
    address =
        LLVM::GEPOp::create(b, loc, pointer, pointer, table, ArrayRef<LLVM::GEPArg>{int32_t(slot)});
  Value base = LLVM::LoadOp::create(b, loc, pointer, address, /*alignment=*/8,
                                    /*isVolatile=*/false, /*isNonTemporal=*/false,
                                    /*isInvariant=*/true);
  int64_t rank = type.getRank();
  Type i64 = b.getI64Type();
  SmallVector<Type> fields{pointer, pointer, i64};
  if (rank > 0)
    fields.append(2, LLVM::LLVMArrayType::get(i64, rank));
  Value descriptor =
      LLVM::PoisonOp::create(b, loc, LLVM::LLVMStructType::getLiteral(b.getContext(), fields));
  auto insert = [&](Value v, ArrayRef<int64_t> at) {
    descriptor = LLVM::InsertValueOp::create(b, loc, descriptor, v, at);
  };
  auto constant = [&](int64_t v) -> Value {
    return LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(v));
  };
  insert(base, {0});
  insert(base, {1});
  insert(constant(0), {2});
  int64_t stride = 1;
  for (int64_t axis = rank - 1; axis >= 0; --axis) {
    insert(constant(type.getShape()[axis]), {3, axis});
    insert(constant(stride), {4, axis});
    stride *= type.getShape()[axis];
  }
  auto memref = MemRefType::get(type.getShape(), type.getElementType());
  Value buffer =
      UnrealizedConversionCastOp::create(b, loc, TypeRange(memref), descriptor).getResult(0);
  return bufferization::ToTensorOp::create(b, loc, type, buffer, /*restrict=*/true);
}

/// Parameter arguments of every private function; fails if two calls disagree.
static LogicalResult findParamArguments(ModuleOp module, ParamPositions &positions) {
  WalkResult result = module.walk([&](func::CallOp call) {
    auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee());
    if (!callee || callee.isExternal())
      return WalkResult::advance();
    SmallVector<unsigned> params;
    for (auto [i, operand] : llvm::enumerate(call.getOperands()))
      if (operand.getDefiningOp<ParamOp>())
        params.push_back(i);
    auto [entry, isNew] = positions.insert({callee, params});
    if (!isNew && entry->second != params) {
      call.emitOpError("passes other parameters than an earlier call of the same function");
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// Replaces the arguments at `params` by reads from a table that becomes the last
/// argument (or the first, with `first`).
static void takeTable(func::FuncOp function, ArrayRef<unsigned> params, bool first) {
  Block &body = function.getBody().front();
  OpBuilder b = OpBuilder::atBlockBegin(&body);
  auto pointer = LLVM::LLVMPointerType::get(function.getContext());
  Value table = first ? body.insertArgument(0u, pointer, function.getLoc())
                      : body.addArgument(pointer, function.getLoc());
  unsigned shift = first ? 1 : 0;
  BitVector erased(body.getNumArguments());
  for (auto [slot, position] : llvm::enumerate(params)) {
    BlockArgument argument = body.getArgument(position + shift);
    argument.replaceAllUsesWith(
        tensorAt(b, function.getLoc(), table, slot, cast<RankedTensorType>(argument.getType())));
    erased.set(position + shift);
  }
  body.eraseArguments(erased);
  function.setAllArgAttrs(ArrayRef<DictionaryAttr>());
  function.setType(
      FunctionType::get(function.getContext(), body.getArgumentTypes(), function.getResultTypes()));
}

/// Gives every parameter of a public function a slot; returns the keys in order.
static SmallVector<Attribute> bindFunction(func::FuncOp function, ModuleOp module,
                                           const ParamPositions &positions) {
  Block &body = function.getBody().front();
  OpBuilder b(function.getContext());
  auto pointer = LLVM::LLVMPointerType::get(function.getContext());
  SmallVector<DictionaryAttr> argumentAttrs{DictionaryAttr::get(function.getContext())};
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    argumentAttrs.push_back(function.getArgAttrDict(i));
  Value table = body.insertArgument(0u, pointer, function.getLoc());
  SmallVector<Attribute> keys;

  for (func::CallOp call : llvm::to_vector(function.getOps<func::CallOp>())) {
    auto callee = module.lookupSymbol<func::FuncOp>(call.getCallee());
    auto entry = positions.find(callee);
    if (entry == positions.end())
      continue;
    b.setInsertionPoint(call);
    SmallVector<Value> operands;
    int64_t base = keys.size();
    for (auto [i, operand] : llvm::enumerate(call.getOperands())) {
      if (llvm::is_contained(entry->second, i))
        keys.push_back(operand.getDefiningOp<ParamOp>().getKeyAttr());
      else
        operands.push_back(operand);
    }
    Value slice = base == 0 ? table
                            : LLVM::GEPOp::create(b, call.getLoc(), pointer, pointer, table,
                                                  ArrayRef<LLVM::GEPArg>{int32_t(base)})
                                  .getResult();
    operands.push_back(slice);
    auto replacement =
        func::CallOp::create(b, call.getLoc(), call.getCallee(), call.getResultTypes(), operands);
    call.replaceAllUsesWith(replacement.getResults());
    call.erase();
  }
  llvm::StringMap<Value> byKey;
  for (ParamOp param : llvm::to_vector(function.getOps<ParamOp>())) {
    if (!param.use_empty()) {
      Value &v = byKey[param.getKey()];
      if (!v) {
        b.setInsertionPointToStart(&body);
        v = tensorAt(b, param.getLoc(), table, keys.size(), param.getType());
        keys.push_back(param.getKeyAttr());
      }
      param.getResult().replaceAllUsesWith(v);
    }
    param.erase();
  }
  function.setType(
      FunctionType::get(function.getContext(), body.getArgumentTypes(), function.getResultTypes()));
  function.setAllArgAttrs(argumentAttrs);
  return keys;
}

/// True if `v` is the new value of a donated argument: a chain of calls and appends
/// that ends in it.
static bool isUpdateOfArgument(Value v, ModuleOp module) {
  while (true) {
    if (auto argument = dyn_cast<BlockArgument>(v)) {
      auto function = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
      auto donated = function ? function.getArgAttrOfType<BoolAttr>(argument.getArgNumber(),
                                                                    "bufferization.writable")
                              : BoolAttr();
      return donated && donated.getValue();
    }
    Operation *op = v.getDefiningOp();
    if (auto append = dyn_cast<CacheAppendOp>(op)) {
      v = append.getCache();
    } else if (auto call = dyn_cast<func::CallOp>(op)) {
      // The operand of the result's type: caches are distinct from hidden states.
      Value next;
      for (Value operand : call.getOperands())
        if (operand.getType() == v.getType())
          next = operand;
      if (!next || cast<RankedTensorType>(v.getType()).getRank() != 5)
        return false;
      v = next;
    } else {
      return false;
    }
  }
}

static void resultsToDestinations(func::FuncOp function, ModuleOp module) {
  Block &body = function.getBody().front();
  Operation *ret = body.getTerminator();
  OpBuilder b(ret);
  // Arguments without a word on it are not ours to overwrite.
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (isa<RankedTensorType>(function.getArgument(i).getType()) &&
        !function.getArgAttr(i, "bufferization.writable"))
      function.setArgAttr(i, "bufferization.writable", b.getBoolAttr(false));
  SmallVector<std::pair<OpOperand *, Value>> results; // with their destinations
  for (OpOperand &operand : ret->getOpOperands()) {
    Value v = operand.get();
    if (!isa<RankedTensorType>(v.getType()) || isUpdateOfArgument(v, module))
      continue;
    unsigned position = function.getNumArguments();
    (void)function.insertArgument(
        position, v.getType(),
        b.getDictionaryAttr(b.getNamedAttr("bufferization.writable", b.getBoolAttr(true))),
        function.getLoc());
    results.emplace_back(&operand, function.getArgument(position));
  }
  // In the order of their definitions: elimination of empty tensors gives a sum and its first
  // term one buffer, and must come to the term first if that is returned too.
  llvm::sort(results, [](const auto &x, const auto &y) {
    Operation *first = x.first->get().getDefiningOp(), *second = y.first->get().getDefiningOp();
    if (first == second)
      return x.first->getOperandNumber() < y.first->getOperandNumber();
    return first && second ? first->isBeforeInBlock(second) : !first;
  });
  for (auto [operand, out] : results) {
    Value v = operand->get();
    operand->set(
        bufferization::MaterializeInDestinationOp::create(b, function.getLoc(), v.getType(), v, out)
            .getResult());
  }
}

/// @prepare runs on the host, one call at a time: it becomes data, the module
/// attribute fin.prepare = [{function, params, key}, ...].
static LogicalResult takePrepare(ModuleOp module) {
  auto prepare = module.lookupSymbol<func::FuncOp>("prepare");
  if (!prepare)
    return success();
  Builder b(module.getContext());
  SmallVector<Attribute> steps;
  for (StoreOp store : prepare.getOps<StoreOp>()) {
    auto call = store.getValue().getDefiningOp<func::CallOp>();
    if (!call)
      return store.emitOpError("must store the result of a call");
    SmallVector<Attribute> keys;
    for (Value operand : call.getOperands()) {
      auto param = operand.getDefiningOp<ParamOp>();
      if (!param)
        return call.emitOpError("must take parameters only");
      keys.push_back(param.getKeyAttr());
    }
    steps.push_back(b.getDictionaryAttr({b.getNamedAttr("function", call.getCalleeAttr()),
                                         b.getNamedAttr("params", b.getArrayAttr(keys)),
                                         b.getNamedAttr("key", store.getKeyAttr())}));
  }
  module->setAttr("fin.prepare", b.getArrayAttr(steps));
  prepare.erase();
  return success();
}

void BindParams::runOnOperation() {
  ModuleOp module = getOperation();
  if (failed(takePrepare(module)))
    return signalPassFailure();
  ParamPositions positions;
  if (failed(findParamArguments(module, positions)))
    return signalPassFailure();
  OpBuilder b(&getContext());
  for (func::FuncOp function : llvm::to_vector(module.getOps<func::FuncOp>())) {
    if (function.isExternal())
      continue;
    if (function->hasAttr("fin.prepare")) {
      takeTable(function, llvm::to_vector(llvm::seq<unsigned>(0, function.getNumArguments())),
                /*first=*/true);
      function.setPublic();
      resultsToDestinations(function, module);
    } else if (function.isPublic()) {
      SmallVector<Attribute> keys = bindFunction(function, module, positions);
      function->setAttr("fin.params", b.getArrayAttr(keys));
      resultsToDestinations(function, module);
    }
  }
  for (auto &[callee, params] : positions)
    takeTable(callee, params, /*first=*/false);
}
