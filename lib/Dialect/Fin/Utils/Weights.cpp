#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace fingpt::fin {

bool WeightAnalysis::isWeight(Value v) {
  Operation *root = v.getDefiningOp();
  if (!root)
    return false;
  SmallVector<std::pair<Operation *, unsigned>> stack{{root, 0}}; // op, next operand
  while (!stack.empty()) {
    auto &[op, next] = stack.back();
    auto [it, isNew] = states.try_emplace(op, State::Open);
    State result = it->second;
    if (isNew && !(op->getNumRegions() == 0 && isMemoryEffectFree(op)))
      result = State::Other;
    Operation *unknown = nullptr;
    for (; result == State::Open && next < op->getNumOperands(); ++next) {
      Operation *source = op->getOperand(next).getDefiningOp();
      auto known = source ? states.find(source) : states.end();
      if (source && known == states.end()) {
        unknown = source;
        break;
      }
      // One that is still open is a cycle, as graph regions may have them.
      if (!source || known->second != State::Weight)
        result = State::Other;
    }
    if (unknown) {
      stack.emplace_back(unknown, 0);
      continue;
    }
    states[op] = result == State::Open ? State::Weight : result;
    stack.pop_back();
  }
  return states[root] == State::Weight;
}

/// What `op` reads: its operands, and what its regions capture.
static SmallVector<Value, 4> sourcesOf(Operation *op) {
  SmallVector<Value, 4> sources;
  if (op->getNumRegions() == 0) {
    sources.assign(op->operand_begin(), op->operand_end());
    return sources;
  }
  op->walk([&](Operation *inner) {
    for (Value v : inner->getOperands())
      if (!op->isAncestor(v.getParentRegion()->getParentOp()))
        sources.push_back(v);
  });
  return sources;
}

void walkSources(Value v, llvm::SmallPtrSetImpl<Operation *> &seen,
                 llvm::function_ref<void(Operation *)> visit) {
  struct Frame {
    Operation *op;
    SmallVector<Value, 4> sources;
    size_t next = 0;
  };
  SmallVector<Frame, 8> stack;
  auto enter = [&](Value source) {
    Operation *op = source.getDefiningOp();
    if (op && seen.insert(op).second)
      stack.push_back({op, sourcesOf(op)});
  };
  enter(v);
  while (!stack.empty()) {
    Frame &frame = stack.back();
    if (frame.next < frame.sources.size()) {
      enter(frame.sources[frame.next++]);
      continue;
    }
    Operation *op = frame.op;
    stack.pop_back();
    visit(op);
  }
}

SmallVector<ParamOp> weightParams(Value weight) {
  SmallVector<ParamOp> params;
  llvm::SmallPtrSet<Operation *, 16> seen;
  walkSources(weight, seen, [&](Operation *op) {
    if (auto param = dyn_cast<ParamOp>(op))
      params.push_back(param);
  });
  return params;
}

/// Components that rewrites add to a key: "NAME.q.codes", "NAME.q2.scales", "NAME.folded".
static bool isDerived(StringRef component) {
  if (component == "codes")
    return true;
  for (StringRef field : {"q", "lr", "dense", "folded", "rotated", "sliced"})
    if (component.starts_with(field) &&
        llvm::all_of(component.drop_front(field.size()), llvm::isDigit))
      return true;
  return false;
}

/// ".part64" of a weight that is rows from 64 on of a fused one (GPT-2's queries, keys and values;
/// Phi-3's gate and up): parts of one tensor are weights of their own.
static std::string partOfFused(Value weight) {
  while (Operation *op = weight.getDefiningOp()) {
    if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
      RankedTensorType whole = slice.getSourceType(), part = slice.getResultType();
      for (int64_t axis = 0; axis < std::min(whole.getRank(), part.getRank()); ++axis)
        if (int64_t offset = slice.getStaticOffsets()[size_t(axis)];
            whole.getDimSize(axis) != part.getDimSize(axis) && !ShapedType::isDynamic(offset))
          return ".part" + std::to_string(offset);
    }
    if (op->getNumOperands() != 1)
      break;
    weight = op->getOperand(0);
  }
  return {};
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
  for (size_t dot;
       (dot = stem->rfind('.')) != StringRef::npos && isDerived(stem->drop_front(dot + 1));)
    stem = stem->take_front(dot);
  return stem->str() + partOfFused(weight);
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

std::string kindOfName(StringRef name) {
  SmallVector<StringRef> parts;
  name.split(parts, '.');
  llvm::erase_if(parts,
                 [](StringRef part) { return !part.empty() && llvm::all_of(part, llvm::isDigit); });
  return llvm::join(parts, ".");
}

Result<NameFilter> NameFilter::parse(const std::string &only, const std::string &skip) {
  NameFilter filter;
  for (auto [text, name, target] :
       {std::tuple{&only, "only", &filter.only}, std::tuple{&skip, "skip", &filter.skip}}) {
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
