#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Dialect/Fin/Utils/DerivedParams.h"
#include "fingpt/Dialect/Fin/Utils/ModelParams.h"
#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include "llvm/ADT/StringMap.h"

namespace fingpt::fin {
#define GEN_PASS_DEF_FINMATERIALIZEWEIGHTS
#include "fingpt/Dialect/Fin/Transforms/Passes.h.inc"
} // namespace fingpt::fin

using namespace mlir;
using namespace fingpt;
using namespace fingpt::fin;

namespace {
struct MaterializeWeights final : fingpt::fin::impl::FinMaterializeWeightsBase<MaterializeWeights> {
  using FinMaterializeWeightsBase::FinMaterializeWeightsBase;
  void runOnOperation() override;
};
} // namespace

/// The values of `weight` as a parameter of the store.
static Status store(Value weight, const std::string &key, ParamStore &params) {
  Result<DenseWeight> dense = denseWeight(weight, params);
  if (!dense)
    return dense.takeError();
  compress::ConstMatrixF w = dense->view();
  std::vector<uint8_t> bytes(size_t(w.rows * w.cols) * sizeof(float));
  std::memcpy(bytes.data(), w.data, bytes.size());
  return params.put(key, DType::F32, {w.rows, w.cols}, std::move(bytes));
}

namespace {
/// Numbers weight expressions so that equal numbers are equal values, in any function: hash
/// consing over ops, attributes and keys. Visits each op once.
class ExpressionNumbers {
public:
  unsigned of(Value weight) {
    walkSources(weight, seen, [&](Operation *op) {
      std::string text;
      llvm::raw_string_ostream os(text);
      os << op->getName() << op->getAttrDictionary() << op->getResultTypes();
      for (Value operand : op->getOperands())
        os << ' ' << numbers.lookup(operand.getDefiningOp()) << ':'
           << cast<OpResult>(operand).getResultNumber();
      numbers[op] = byText.try_emplace(text, unsigned(byText.size())).first->second;
    });
    return numbers.lookup(weight.getDefiningOp());
  }
  /// The ops seen so far may be erased after this.
  void endFunction() {
    seen.clear();
    numbers.clear();
  }

private:
  llvm::SmallPtrSet<Operation *, 32> seen;
  llvm::DenseMap<Operation *, unsigned> numbers;
  llvm::StringMap<unsigned> byText;
};
} // namespace

void MaterializeWeights::runOnOperation() {
  auto failed = [&](const Error &e) {
    emitError(getOperation().getLoc(), e.message());
    signalPassFailure();
  };
  Result<std::shared_ptr<ParamStore>> params = modelParams(getOperation());
  if (!params)
    return failed(params.error());
  Result<NameFilter> filter = NameFilter::parse(only, "");
  if (!filter)
    return failed(filter.error());
  ExpressionNumbers numbers;
  llvm::DenseMap<unsigned, std::string> keys; // of dense tensors, by expression
  for (func::FuncOp function : getOperation().getOps<func::FuncOp>()) {
    WeightAnalysis analysis;
    SmallVector<Value> roots;
    llvm::SmallPtrSet<Operation *, 32> seen;
    auto add = [&](Value v) {
      Operation *op = v.getDefiningOp();
      if (op && !isa<ParamOp>(op) && analysis.isWeight(v) && seen.insert(op).second)
        roots.push_back(v);
    };
    function.walk([&](Operation *op) {
      if (auto linear = dyn_cast<LinearOp>(op))
        add(linear.getWeight());
      else if (auto embedding = dyn_cast<EmbeddingOp>(op))
        add(embedding.getTable());
    });
    for (Value root : roots) {
      std::string name = weightName(root);
      auto type = cast<RankedTensorType>(root.getType());
      if (name.empty() || !filter->matches(name) || !type.getElementType().isF32())
        continue;
      auto [entry, isNew] = keys.try_emplace(numbers.of(root));
      std::string &key = entry->second;
      if (isNew) {
        key = freeKey(**params, name + ".dense");
        if (Status s = store(root, key, **params); !s)
          return failed(s.error());
      }
      OpBuilder b(root.getDefiningOp());
      root.replaceAllUsesWith(ParamOp::create(b, root.getLoc(), type, key));
      ++numMaterialized;
    }
    numbers.endFunction();
    eraseDeadWeights(function);
  }
}
