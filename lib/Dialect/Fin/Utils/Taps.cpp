#include "fingpt/Dialect/Fin/Utils/Taps.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace fingpt::fin {

std::vector<Tap> linearTaps(func::FuncOp function) {
  std::vector<Tap> taps;
  llvm::DenseMap<Value, size_t> tapOf;
  llvm::StringSet<> seen;
  for (LinearWeight &w : linearWeights(function)) {
    if (w.users.empty() || !seen.insert(w.name).second)
      continue;
    Value input = w.users.front().getInput();
    auto [it, isNew] = tapOf.try_emplace(input, taps.size());
    if (isNew)
      taps.push_back({input, {}});
    taps[it->second].weights.push_back(std::move(w));
  }
  return taps;
}

/// The values after which only they are alive, with the number of ops up to there.
static SmallVector<std::pair<size_t, Value>> findCuts(ArrayRef<Operation *> ops, Value result) {
  llvm::DenseMap<Value, size_t> lastUse;
  for (auto [i, op] : llvm::enumerate(ops))
    op->walk([&, at = i](Operation *inner) {
      for (Value v : inner->getOperands())
        lastUse[v] = at;
    });
  lastUse[result] = ops.size();
  SmallVector<std::pair<size_t, Value>> cuts;
  llvm::SetVector<Value> live;
  for (auto [i, op] : llvm::enumerate(ops)) {
    for (Value v : op->getResults())
      if (lastUse.contains(v))
        live.insert(v);
    live.remove_if([&, at = i](Value v) { return lastUse[v] <= at; });
    if (live.size() == 1 && cast<RankedTensorType>(live[0].getType()).getRank() == 3)
      cuts.push_back({i + 1, live[0]});
  }
  return cuts;
}

static bool isFloatTensor(Value v) {
  auto type = dyn_cast<RankedTensorType>(v.getType());
  return type && isa<FloatType>(type.getElementType());
}

std::vector<Piece> residualPieces(func::FuncOp function) {
  WeightAnalysis analysis;
  SmallVector<Operation *> ops;
  Block &block = function.getBody().front();
  for (Operation &op : block.without_terminator())
    if (op.getNumResults() > 0 && isFloatTensor(op.getResult(0)) &&
        !analysis.isWeight(op.getResult(0)))
      ops.push_back(&op);
  Value result = block.getTerminator()->getOperand(0);
  auto hasLinear = [&](size_t begin, size_t end) {
    return llvm::any_of(ArrayRef(ops).slice(begin, end - begin),
                        [](Operation *op) { return isa<LinearOp>(op); });
  };
  std::vector<Piece> pieces;
  size_t begin = 0;
  auto add = [&](size_t end, Value out) {
    Piece piece;
    piece.ops.assign(ops.begin() + long(begin), ops.begin() + long(end));
    piece.in = pieces.empty() ? Value() : pieces.back().out;
    piece.out = out;
    pieces.push_back(std::move(piece));
    begin = end;
  };
  SmallVector<std::pair<size_t, Value>> cuts = findCuts(ops, result);
  for (size_t c = 0; c + 1 < cuts.size() || (c < cuts.size() && cuts[c].second != result); ++c) {
    auto [end, value] = cuts[c];
    size_t next = c + 1 < cuts.size() ? cuts[c + 1].first : ops.size();
    bool embeddings = pieces.empty() && !hasLinear(begin, end) && hasLinear(end, next);
    // Later pieces need linears, and so does what is left.
    if (embeddings || (hasLinear(begin, end) && hasLinear(end, ops.size())))
      add(end, value);
  }
  add(ops.size(), result);
  return pieces;
}

} // namespace fingpt::fin
