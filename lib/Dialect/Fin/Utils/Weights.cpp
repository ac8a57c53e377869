#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace fingpt::fin {

bool WeightAnalysis::isWeight(Value v) {
  Operation *op = v.getDefiningOp();
  if (!op)
    return false;
  if (auto it = known.find(v); it != known.end())
    return it->second;
  bool result = op->getNumRegions() == 0 && isMemoryEffectFree(op) &&
                llvm::all_of(op->getOperands(), [&](Value operand) { return isWeight(operand); });
  for (Value r : op->getResults())
    known[r] = result;
  return result;
}

SmallVector<ParamOp> weightParams(Value weight) {
  SmallVector<ParamOp> params;
  llvm::SmallPtrSet<Operation *, 16> seen;
  auto visit = [&](Value v, auto &self) -> void {
    Operation *op = v.getDefiningOp();
    if (!op || !seen.insert(op).second)
      return;
    if (auto param = dyn_cast<ParamOp>(op))
      params.push_back(param);
    for (Value operand : op->getOperands())
      self(operand, self);
  };
  visit(weight, visit);
  return params;
}

/// Components that rewrites add to a key: "NAME.q.codes", "NAME.q2.scales", "NAME.lr.b".
static bool isDerived(StringRef component) {
  if (llvm::is_contained({"codes", "dense"}, component))
    return true;
  for (StringRef field : {"q", "lr"})
    if (component.starts_with(field) &&
        llvm::all_of(component.drop_front(field.size()), llvm::isDigit))
      return true;
  return false;
}

std::string weightName(Value weight) {
  std::optional<StringRef> stem;
  for (ParamOp p : weightParams(weight)) {
    StringRef key = p.getKey();
    if (key.starts_with("tables.")) // of number formats, shared by all weights
      continue;
    if (!stem)
      stem = key;
    while (!(key.starts_with(*stem) && (key.size() == stem->size() || key[stem->size()] == '.'))) {
      size_t dot = stem->rfind('.');
      if (dot == StringRef::npos)
        return stem->str();
      stem = stem->take_front(dot);
    }
  }
  if (!stem)
    return {};
  for (size_t dot; (dot = stem->rfind('.')) != StringRef::npos && isDerived(stem->drop_front(dot + 1));)
    stem = stem->take_front(dot);
  return stem->str();
}

int64_t layerOfName(StringRef name) {
  SmallVector<StringRef> parts;
  name.split(parts, '.');
  for (StringRef part : llvm::drop_begin(parts)) {
    int64_t n;
    if (!part.empty() && llvm::all_of(part, llvm::isDigit) && !part.getAsInteger(10, n))
      return n;
  }
  return -1;
}

Result<NameFilter> NameFilter::parse(const std::string &only, const std::string &skip) {
  NameFilter filter;
  for (auto [text, name, target] : {std::tuple{&only, "only", &filter.only},
                                    std::tuple{&skip, "skip", &filter.skip}}) {
    if (text->empty())
      continue;
    target->emplace(*text);
    if (std::string problem; !(*target)->isValid(problem))
      return Error::at(name, "is no regular expression (" + problem + ")", "POSIX extended syntax",
                       quote(*text));
  }
  return filter;
}

bool NameFilter::matches(StringRef name) const {
  return (!only || only->match(name)) && !(skip && skip->match(name));
}

int64_t LinearWeight::rows() const {
  return cast<RankedTensorType>(weight.getType()).getDimSize(0);
}
int64_t LinearWeight::cols() const {
  return cast<RankedTensorType>(weight.getType()).getDimSize(1);
}

std::vector<LinearWeight> linearWeights(func::FuncOp function) {
  std::vector<LinearWeight> weights;
  llvm::DenseMap<Value, size_t> index;
  WeightAnalysis analysis;
  auto find = [&](Value w) -> LinearWeight * {
    auto type = cast<RankedTensorType>(w.getType());
    if (!analysis.isWeight(w) || !type.hasStaticShape() || weightParams(w).empty())
      return nullptr;
    auto [it, isNew] = index.try_emplace(w, weights.size());
    if (isNew)
      weights.push_back({weightName(w), w, {}, false});
    return &weights[it->second];
  };
  function.walk([&](LinearOp op) {
    if (LinearWeight *w = find(op.getWeight()))
      w->users.push_back(op);
  });
  function.walk([&](EmbeddingOp op) {
    auto tokens = dyn_cast<BlockArgument>(op.getIds());
    if (!tokens || tokens.getArgNumber() != 0)
      return;
    if (LinearWeight *w = find(op.getTable()))
      w->embedding = true;
  });
  return weights;
}

void eraseDeadWeights(func::FuncOp function) {
  // Backwards through the block: users go before what they use.
  for (Block &block : function.getBody())
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(block)))
      if (op.use_empty() && op.getNumRegions() == 0 && op.getNumResults() > 0 &&
          isMemoryEffectFree(&op))
        op.erase();
}

Result<uint64_t> storedBytes(Value weight, const ParamStore &params) {
  uint64_t bytes = 0;
  for (ParamOp p : weightParams(weight)) {
    const ParamInfo *info = params.find(p.getKey());
    if (!info)
      return Error::at("parameter " + quote(p.getKey().str()), "is not in the model's files");
    bytes += info->bytes;
  }
  return bytes;
}

} // namespace fingpt::fin
