// The contract before translation to LLVM. See Passes.td.

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Dialect/FinKernel/IR/FinKernel.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINVERIFYLOWERED
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt::fin;

namespace {
struct VerifyLowered final : fingpt::fin::impl::FinVerifyLoweredBase<VerifyLowered> {
  void runOnOperation() override;
};
} // namespace

static LogicalResult verifyOp(Operation *op) {
  if (isa_and_nonnull<FinDialect, fingpt::fin_kernel::FinKernelDialect>(op->getDialect()))
    return op->emitOpError("is left after lowering");
  for (Type type : llvm::concat<const Type>(op->getOperandTypes(), op->getResultTypes()))
    if (isa<TensorType>(type))
      return op->emitOpError("still uses tensors after bufferization");
  if (isa<memref::AllocOp>(op) && op->getParentOfType<LoopLikeOpInterface>())
    return op->emitOpError("allocates scratch inside a loop");
  if (auto ret = dyn_cast<func::ReturnOp>(op))
    for (Value v : ret.getOperands())
      if (isa<BaseMemRefType>(v.getType()))
        return op->emitOpError("returns a buffer: results must be written to destinations");
  return success();
}

void VerifyLowered::runOnOperation() {
  WalkResult result = getOperation().walk([](Operation *op) {
    return failed(verifyOp(op)) ? WalkResult::interrupt() : WalkResult::advance();
  });
  if (result.wasInterrupted())
    signalPassFailure();
}
