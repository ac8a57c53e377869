// Functions do not return buffers that came in. See Passes.td.

#include "fingpt/Dialect/FinKernel/Transforms/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

namespace fingpt::fin_kernel {
#define GEN_PASS_DEF_FINDROPRETURNEDARGUMENTS
#include "fingpt/Dialect/FinKernel/Transforms/Passes.h.inc"
} // namespace fingpt::fin_kernel

using namespace mlir;

namespace {
struct DropReturnedArguments final
    : fingpt::fin_kernel::impl::FinDropReturnedArgumentsBase<DropReturnedArguments> {
  void runOnOperation() override;
};
} // namespace

/// The argument that result `i` is, if it is one.
static std::optional<unsigned> returnedArgument(func::ReturnOp ret, unsigned i) {
  auto argument = dyn_cast<BlockArgument>(ret.getOperand(i));
  if (!argument || !isa<MemRefType>(argument.getType()))
    return std::nullopt;
  return argument.getArgNumber();
}

/// Drops what it can of one function; true if anything changed.
static bool dropResults(func::FuncOp function, ModuleOp module) {
  auto ret = cast<func::ReturnOp>(function.getBody().back().getTerminator());
  BitVector dropped(function.getNumResults());
  SmallVector<std::optional<unsigned>> sources;
  for (unsigned i = 0; i < function.getNumResults(); ++i) {
    sources.push_back(returnedArgument(ret, i));
    if (sources.back())
      dropped.set(i);
  }
  if (dropped.none())
    return false;
  SmallVector<Value> kept;
  for (unsigned i = 0; i < function.getNumResults(); ++i)
    if (!dropped[i])
      kept.push_back(ret.getOperand(i));
  ret.getOperandsMutable().assign(kept);
  (void)function.eraseResults(dropped);
  module.walk([&](func::CallOp call) {
    if (call.getCallee() != function.getName())
      return;
    OpBuilder b(call);
    auto replacement = func::CallOp::create(b, call.getLoc(), function, call.getOperands());
    unsigned next = 0;
    for (auto [i, result] : llvm::enumerate(call.getResults()))
      result.replaceAllUsesWith(sources[i] ? call.getOperand(*sources[i])
                                           : replacement.getResult(next++));
    call.erase();
  });
  return true;
}

void DropReturnedArguments::runOnOperation() {
  // A caller returns an argument only once its callee's result has been replaced.
  bool changed = true;
  while (changed) {
    changed = false;
    for (func::FuncOp function : llvm::to_vector(getOperation().getOps<func::FuncOp>()))
      if (!function.isExternal() && function.getBody().hasOneBlock())
        changed |= dropResults(function, getOperation());
  }
}
