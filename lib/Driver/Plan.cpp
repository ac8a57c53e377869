// Which weight gets which form, before anything is computed.
#include "CompressPlan.h"

#include "fingpt/Compress/CompressedWeight.h"
#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include "llvm/Support/Regex.h"

#include <set>

using namespace mlir;

namespace fingpt {

using compress::WeightScheme;

bool isOutputHead(const fin::LinearWeight &w) {
  for (fin::LinearOp op : w.users) {
    Value v = op.getResult();
    // Soft caps and scales may follow; not what mixes in other activations, or norms.
    auto ofOneValue = [&](Operation *user) {
      return user->getNumResults() == 1 && llvm::all_of(user->getOperands(), [&](Value operand) {
               return operand == v || operand.getDefiningOp<arith::ConstantOp>() ||
                      operand.getDefiningOp<tensor::SplatOp>();
             });
    };
    while (v.hasOneUse() && !isa<func::ReturnOp>(*v.user_begin()) && ofOneValue(*v.user_begin()))
      v = (*v.user_begin())->getResult(0);
    if (v.hasOneUse() && isa<func::ReturnOp>(*v.user_begin()) && v.getType() == op.getType())
      return true;
  }
  return false;
}

namespace {

/// The names by which a weight answers to a pattern.
bool matches(const std::string &pattern, const fin::LinearWeight &w, bool head) {
  llvm::Regex regex(pattern);
  if (regex.match(w.name))
    return true;
  if (head && regex.match("lm_head"))
    return true;
  return w.embedding && regex.match("embeddings");
}

} // namespace

/// Ranks that are allotted later use up the share that a uniform one is rounded down from.
static uint64_t predictedBytes(const PlannedWeight &w) {
  int64_t bytes = compress::storedBytes(w.scheme, w.rows, w.cols, int64_t(w.bytesBefore));
  if (!compress::allotsRanks(w.scheme) || uint64_t(bytes) == w.bytesBefore)
    return uint64_t(bytes);
  double kept = 1 - w.scheme.removed;
  double share = double(compress::rankForRatio(w.rows, w.cols, kept)) * double(w.rows + w.cols) /
                 (double(w.rows) * double(w.cols));
  return std::min(uint64_t(double(bytes) * kept / share), w.bytesBefore);
}

/// Of the elements of its tensor those that a part of a fused one has.
static double shareOf(const fin::LinearWeight &w, const ParamStore &params) {
  SmallVector<fin::ParamOp> tensors = fin::weightParams(w.weight);
  const ParamInfo *info = tensors.size() == 1 ? params.find(tensors.front().getKey()) : nullptr;
  if (!info)
    return 1;
  double elements = 1;
  for (int64_t extent : info->shape)
    elements *= double(extent);
  return std::min(1.0, double(w.rows()) * double(w.cols()) / elements);
}

Result<std::vector<PlannedWeight>> planWeights(func::FuncOp forward, const ParamStore &params,
                                               const Recipe &recipe) {
  std::vector<PlannedWeight> planned;
  std::set<std::string> unmatched;
  for (const std::string &pattern : recipe.keep)
    unmatched.insert(pattern);
  for (const auto &[pattern, scheme] : recipe.layers)
    unmatched.insert(pattern);
  for (const std::string &pattern : unmatched)
    if (Status s = checkPattern(pattern); !s)
      return s.takeError();
  std::string names;
  std::set<std::string> counted; ///< tensors of weights that are kept
  for (const fin::LinearWeight &w : fin::linearWeights(forward)) {
    PlannedWeight p;
    p.name = w.name;
    p.rows = w.rows();
    p.cols = w.cols();
    p.table = w.embedding;
    if (names.size() < 400)
      names += (names.empty() ? "" : ", ") + w.name;
    Result<uint64_t> bytes = fin::storedBytes(w.weight, params);
    if (!bytes)
      return bytes.takeError();
    p.wholeBytes = *bytes;
    p.bytesBefore = uint64_t(shareOf(w, params) * double(*bytes));
    bool head = isOutputHead(w);
    p.scheme = w.embedding || head ? recipe.embeddings : recipe.weights;
    p.given = (w.embedding || head) && recipe.embeddingsGiven;
    bool named = false;
    for (const auto &[pattern, scheme] : recipe.layers)
      if (matches(pattern, w, head)) {
        unmatched.erase(pattern);
        p.scheme = scheme;
        p.given = named = true;
        break;
      }
    if (recipe.hasBudget() && !p.given) // 4 bits until it has chosen
      p.scheme = *compress::parseWeightScheme("w4g64");
    for (const std::string &pattern : recipe.keep)
      if (matches(pattern, w, head)) {
        unmatched.erase(pattern);
        p.scheme = {};
        p.kept = "asked to keep " + pattern;
      }
    if (!cast<RankedTensorType>(w.weight.getType()).getElementType().isF32()) {
      p.scheme = {};
      p.kept = "not computed in f32";
    }
    if (p.table && compress::allotsRanks(p.scheme))
      return Error::at(p.name, "scheme of a table", "one without allotted ranks, such as svd25",
                       quote(compress::weightSchemeText(p.scheme)));
    if (p.scheme.keep() && p.kept.empty())
      p.kept = "the recipe leaves it";
    p.bytesAfter = predictedBytes(p);
    // A table is not made larger, nor coded twice, unless its own pattern says so. Rewrites make it
    // dense.
    bool chosen = recipe.hasBudget() && !p.given;
    if ((w.embedding || head) && !named && !chosen && !p.scheme.keep() &&
        p.bytesAfter >= p.bytesBefore && !recipe.rotate && recipe.slice == 0) {
      p.scheme = {};
      p.kept = "small enough";
    }
    if (p.scheme.keep()) {
      p.bytesAfter = 0;
      for (fin::ParamOp tensor : fin::weightParams(w.weight))
        if (const ParamInfo *info = params.find(tensor.getKey());
            info && counted.insert(info->name).second)
          p.bytesAfter += info->bytes;
    }
    planned.push_back(std::move(p));
  }
  if (!unmatched.empty())
    return Error::at("pattern " + quote(*unmatched.begin()), "matches no weight",
                     "one of lm_head, embeddings, " + names + (names.size() >= 400 ? ", …" : ""),
                     "none");
  return planned;
}

} // namespace fingpt
