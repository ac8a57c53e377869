// Rewrites fin ops into the upstream ops that define them. The rules themselves
// stand with the ops (lib/Dialect/Fin/IR/Decompose*.cpp); this pass walks.

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"

#include "mlir/IR/Iterators.h"
#include "llvm/ADT/StringSet.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINDECOMPOSE
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt::fin;

namespace {

struct Decompose final : fingpt::fin::impl::FinDecomposeBase<Decompose> {
  using FinDecomposeBase::FinDecomposeBase;
  void runOnOperation() override;
};

} // namespace

void Decompose::runOnOperation() {
  auto names = [](ArrayRef<std::string> list) {
    llvm::StringSet<> set;
    for (const std::string &name : list)
      set.insert(StringRef(name).starts_with("fin.") ? name : "fin." + name);
    return set;
  };
  llvm::StringSet<> chosen = names(only), left = names(except);

  SmallVector<DecomposeOpInterface> worklist;
  getOperation()->walk([&](DecomposeOpInterface op) {
    StringRef name = op->getName().getStringRef();
    if ((chosen.empty() || chosen.contains(name)) && !left.contains(name))
      worklist.push_back(op);
  });
  IRRewriter rewriter(&getContext());
  for (DecomposeOpInterface op : worklist) {
    rewriter.setInsertionPoint(op);
    FailureOr<SmallVector<Value>> values = op.decompose(rewriter);
    if (failed(values))
      return signalPassFailure();
    rewriter.replaceOp(op, *values);
  }
  // Parameters and unpacks of codes have served their users.
  getOperation()->walk<WalkOrder::PostOrder, ReverseIterator>([&](Operation *op) {
    if (isa<ParamOp, UnpackOp>(op) && op->use_empty())
      rewriter.eraseOp(op);
  });
}
