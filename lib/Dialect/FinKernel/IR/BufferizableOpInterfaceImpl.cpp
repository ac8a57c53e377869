// Bufferization of fin_kernel ops: the destination's buffer is updated in place.

#include "fingpt/Dialect/FinKernel/IR/FinKernel.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/IR/DstBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace mlir::bufferization;
using namespace fingpt::fin_kernel;

namespace {
template <typename Op>
struct KernelModel : public DstBufferizableOpInterfaceExternalModel<KernelModel<Op>, Op> {
  /// Kernels write the whole destination and never read it.
  bool bufferizesToMemoryRead(Operation *op, OpOperand &operand, const AnalysisState &) const {
    return !cast<DestinationStyleOpInterface>(op).isDpsInit(&operand);
  }
  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options, BufferizationState &state) const {
    SmallVector<Value> buffers;
    for (Value v : op->getOperands()) {
      FailureOr<Value> buffer = getBuffer(rewriter, v, options, state);
      if (failed(buffer))
        return failure();
      buffers.push_back(*buffer);
    }
    rewriter.setInsertionPoint(op);
    Op::create(rewriter, op->getLoc(), TypeRange(), buffers, op->getAttrs());
    replaceOpWithBufferizedValues(rewriter, op, buffers.back()); // `out` is the last operand
    return success();
  }
};
} // namespace

void fingpt::fin_kernel::registerBufferizationModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, FinKernelDialect *) {
    LinearOp::attachInterface<KernelModel<LinearOp>>(*context);
    AttentionOp::attachInterface<KernelModel<AttentionOp>>(*context);
    HadamardOp::attachInterface<KernelModel<HadamardOp>>(*context);
    QuantizeRowsOp::attachInterface<KernelModel<QuantizeRowsOp>>(*context);
  });
}
