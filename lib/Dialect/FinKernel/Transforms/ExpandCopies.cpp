// memref.copy becomes linalg.copy. See Passes.td.

#include "fingpt/Dialect/FinKernel/Transforms/Passes.h"

#include "mlir/IR/Builders.h"

namespace fingpt::fin_kernel {
#define GEN_PASS_DEF_FINEXPANDCOPIES
#include "fingpt/Dialect/FinKernel/Transforms/Passes.h.inc"
} // namespace fingpt::fin_kernel

using namespace mlir;

namespace {
struct ExpandCopies final : fingpt::fin_kernel::impl::FinExpandCopiesBase<ExpandCopies> {
  void runOnOperation() override {
    getOperation()->walk([](memref::CopyOp op) {
      OpBuilder b(op);
      linalg::CopyOp::create(b, op.getLoc(), op.getSource(), op.getTarget());
      op.erase();
    });
  }
};
} // namespace
