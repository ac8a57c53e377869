// Brackets functions that allocate scratch by marks of the runtime's arena.

#include "fingpt/Dialect/FinKernel/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

namespace fingpt::fin_kernel {
#define GEN_PASS_DEF_FINSCOPESCRATCH
#include "fingpt/Dialect/FinKernel/Transforms/Passes.h.inc"
} // namespace fingpt::fin_kernel

using namespace mlir;

namespace {
struct ScopeScratch final : fingpt::fin_kernel::impl::FinScopeScratchBase<ScopeScratch> {
  void runOnOperation() override;
};
} // namespace

static func::FuncOp declare(ModuleOp module, StringRef name, FunctionType type) {
  if (auto function = module.lookupSymbol<func::FuncOp>(name))
    return function;
  OpBuilder b = OpBuilder::atBlockBegin(module.getBody());
  auto function = func::FuncOp::create(b, module.getLoc(), name, type);
  function.setPrivate();
  return function;
}

void ScopeScratch::runOnOperation() {
  ModuleOp module = getOperation();
  Builder types(&getContext());
  Type i64 = types.getI64Type();
  for (func::FuncOp function : llvm::to_vector(module.getOps<func::FuncOp>())) {
    SmallVector<memref::AllocOp> allocations;
    function.walk([&](memref::AllocOp op) { allocations.push_back(op); });
    if (allocations.empty())
      continue;
    for (Type type : function.getResultTypes())
      if (isa<BaseMemRefType>(type)) {
        function.emitError("'fin-scope-scratch': returns a buffer that may be scratch");
        return signalPassFailure();
      }
    for (memref::AllocOp op : allocations)
      if (op->getParentOfType<LoopLikeOpInterface>()) {
        op.emitOpError("allocates scratch inside a loop");
        return signalPassFailure();
      }
    func::FuncOp mark = declare(module, "fingpt_arena_mark", types.getFunctionType({}, i64));
    func::FuncOp release = declare(module, "fingpt_arena_release", types.getFunctionType(i64, {}));
    OpBuilder b = OpBuilder::atBlockBegin(&function.getBody().front());
    Value start = func::CallOp::create(b, function.getLoc(), mark, ValueRange()).getResult(0);
    function.walk([&](func::ReturnOp ret) {
      b.setInsertionPoint(ret);
      func::CallOp::create(b, ret.getLoc(), release, start);
    });
  }
}
