#include "fingpt/Driver/Inspect.h"

#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace fingpt {

static std::string typeName(Type element) {
  std::string text;
  llvm::raw_string_ostream(text) << element;
  if (auto code = dyn_cast<IntegerType>(element))
    return (code.isUnsigned() ? "uint" : "int") + std::to_string(code.getWidth());
  return text;
}

/// A weight expression in words, of at most `left` ops: the words double wherever an
/// expression uses one twice.
static std::string describeForm(Value v, int &left) {
  if (left-- <= 0)
    return "…";
  auto element = [](Value x) { return cast<RankedTensorType>(x.getType()).getElementType(); };
  return llvm::TypeSwitch<Operation *, std::string>(v.getDefiningOp())
      .Case([&](fin::ParamOp) { return typeName(element(v)); })
      .Case([&](fin::DequantizeOp op) {
        std::string form =
            typeName(element(op.getCodes())) + " group " + std::to_string(op.getGroupSize());
        if (op.getScales().getDefiningOp<fin::DequantizeOp>())
          form += " (two-level scales)";
        return form + (op.getMins() ? " + mins" : op.getZeros() ? " - zeros" : "");
      })
      .Case([&](fin::LookupOp op) {
        std::string form =
            "codebook of " + std::to_string(1u << element(op.getCodes()).getIntOrFloatBitWidth());
        return op.getGroupSize() ? form + " group " + std::to_string(*op.getGroupSize()) : form;
      })
      .Case([&](fin::LowRankOp op) {
        return "low_rank " +
               std::to_string(cast<RankedTensorType>(op.getA().getType()).getDimSize(0)) + " (" +
               describeForm(op.getB(), left) + ")";
      })
      .Case([&](fin::SparseOp) { return std::string("sparse"); })
      .Case([&](fin::SumOp op) {
        std::string form;
        for (Value term : op.getTerms()) {
          form += (form.empty() ? "" : " + ") + describeForm(term, left);
          if (left < 0)
            break;
        }
        return form;
      })
      .Default([&](Operation *op) -> std::string {
        // Casts, transposes, scales, slices: the form is that of the main operand.
        for (Value operand : op->getOperands())
          if (operand.getDefiningOp() &&
              !operand.getDefiningOp()->hasTrait<OpTrait::ConstantLike>())
            return describeForm(operand, left);
        return "constant";
      });
}

Result<ModelSummary> inspectModel(const Model &model) {
  ModelSummary s;
  s.source = model.imported().source;
  s.architecture = model.architecture();
  s.contextLength = model.contextLength();
  s.vocabSize = model.vocabSize();
  if (auto facts = model.graph()->getAttrOfType<fin::ModelAttr>("fin.model"))
    s.layers = facts.getLayers();
  auto forward = model.graph().lookupSymbol<func::FuncOp>("forward");
  if (!forward)
    return Error::at(escaped(s.source, 1000), "has no function @forward");

  llvm::SetVector<Value> roots;
  fin::WeightAnalysis analysis;
  forward.walk([&](Operation *op) {
    if (op->getNumResults() > 0 && analysis.isWeight(op->getResult(0)))
      return;
    for (Value v : op->getOperands())
      if (analysis.isWeight(v) && isa<RankedTensorType>(v.getType()))
        roots.insert(v);
  });
  std::map<std::string, uint64_t> counted; // stored parameter → bytes
  std::map<std::string, bool> dense;       // tensor counted as parameters
  for (Value root : roots) {
    SmallVector<fin::ParamOp> params = fin::weightParams(root);
    if (params.empty())
      continue;
    WeightSummary w;
    w.name = fin::weightName(root);
    w.layer = fin::layerOfName(w.name);
    auto type = cast<RankedTensorType>(root.getType());
    w.shape.assign(type.getShape().begin(), type.getShape().end());
    w.elements = uint64_t(type.getNumElements());
    int words = 64;
    w.form = describeForm(root, words);
    for (fin::ParamOp op : params) {
      std::string key = op.getKey().str();
      const ParamInfo *info = model.imported().params->find(key);
      if (!info)
        return Error::at(escaped(s.source, 1000), "parameter " + quote(key) + " is missing");
      if (!counted.emplace(key, info->bytes).second)
        continue;
      w.bytes += info->bytes;
      s.bytesByKind[typeName(op.getType().getElementType())] += info->bytes;
    }
    s.storedBytes += w.bytes;
    if (dense.emplace(w.name + shapeText(w.shape), true).second)
      s.parameters += w.elements;
    s.weights.push_back(std::move(w));
  }
  s.bitsPerWeight = s.parameters ? 8.0 * double(s.storedBytes) / double(s.parameters) : 0;
  return s;
}

} // namespace fingpt
