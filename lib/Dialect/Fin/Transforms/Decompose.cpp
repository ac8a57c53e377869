// Rewrites fin ops into the upstream ops that define them. The rules themselves
// stand with the ops (lib/Dialect/Fin/IR/Decompose*.cpp); this pass walks.

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Support/Result.h"

#include "mlir/IR/Iterators.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINDECOMPOSE
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt::fin;
using fingpt::Error;
using fingpt::quote;

namespace {

struct Decompose final : fingpt::fin::impl::FinDecomposeBase<Decompose> {
  using FinDecomposeBase::FinDecomposeBase;
  LogicalResult initialize(MLIRContext *context) override;
  void runOnOperation() override;

private:
  llvm::StringSet<> chosen, left; ///< "fin.linear", … of the options
};

} // namespace

/// A misspelt name would choose nothing, or leave nothing alone, without a word.
LogicalResult Decompose::initialize(MLIRContext *context) {
  llvm::StringSet<> known;
  SmallVector<StringRef> names;
  for (RegisteredOperationName op : context->getRegisteredOperations())
    if (op.getDialectNamespace() == "fin" && op.hasInterface<DecomposeOpInterface>() &&
        known.insert(op.getStringRef()).second)
      names.push_back(op.stripDialect());
  llvm::sort(names);
  auto read = [&](StringRef option, ArrayRef<std::string> list,
                  llvm::StringSet<> &set) -> LogicalResult {
    for (const std::string &name : list) {
      std::string full = StringRef(name).starts_with("fin.") ? name : "fin." + name;
      if (!known.contains(full))
        return emitError(UnknownLoc::get(context))
               << Error::at("fin-decompose: " + option.str(), "op",
                            "one of " + llvm::join(names, ", "), quote(name))
                      .message();
      set.insert(full);
    }
    return success();
  };
  chosen.clear();
  left.clear();
  return success(succeeded(read("only", only, chosen)) && succeeded(read("except", except, left)));
}

void Decompose::runOnOperation() {
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
