#include "fingpt/Driver/Segments.h"

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Utils/Taps.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;

namespace fingpt {

namespace {

constexpr const char *kVariants[] = {"observe", "advance", "both"};

/// A segment as it lies in @forward.
struct Piece : fin::Piece {
  llvm::SetVector<Value> roots; ///< weights and other parameters, by first use
  SmallVector<Value> taps;
  std::string function; ///< name stem of its compiled functions
};

} // namespace

struct SegmentedModel::Impl {
  std::shared_ptr<ParamStore> params;
  std::unique_ptr<JITModel> code;
  std::vector<Segment> segments;
  std::vector<Piece> pieces;
  std::vector<std::vector<std::string>> inputs; ///< of @forward: its other arguments' kinds
  size_t arguments = 1;                         ///< of @forward

  Status split(func::FuncOp forward);
  Status build(func::FuncOp forward, ModuleOp module);
};

SegmentedModel::SegmentedModel() : impl(std::make_unique<Impl>()) {}
SegmentedModel::~SegmentedModel() = default;
size_t SegmentedModel::size() const { return impl->segments.size(); }
const Segment &SegmentedModel::segment(size_t i) const { return impl->segments[i]; }

static bool isFloatTensor(Value v) {
  auto type = dyn_cast<RankedTensorType>(v.getType());
  return type && isa<FloatType>(type.getElementType());
}

//===----------------------------------------------------------------------===//
// Cutting
//===----------------------------------------------------------------------===//

/// The last linear among the terms whose sum with `in` is `out`.
static fin::LinearOp residualLinear(Value in, Value out) {
  fin::LinearOp found;
  bool hasIn = false;
  SmallVector<Value> work{out};
  while (!work.empty()) {
    Value v = work.pop_back_val();
    if (v == in) {
      hasIn = true;
    } else if (auto add = v.getDefiningOp<arith::AddFOp>()) {
      work.push_back(add.getLhs());
      work.push_back(add.getRhs());
    } else if (auto linear = v.getDefiningOp<fin::LinearOp>();
               linear && (!found || found->isBeforeInBlock(linear))) {
      found = linear;
    }
  }
  return hasIn ? found : fin::LinearOp();
}

Status SegmentedModel::Impl::split(func::FuncOp forward) {
  fin::WeightAnalysis analysis;
  for (fin::Piece &cut : fin::residualPieces(forward))
    pieces.push_back({std::move(cut), {}, {}, {}});
  if (pieces.size() == 1 && llvm::none_of(pieces[0].ops, llvm::IsaPred<fin::LinearOp>))
    return Error::at("model", "has no linear layer");
  llvm::DenseMap<Operation *, size_t> pieceOf;
  Value result = pieces.back().out;
  for (Piece &piece : pieces) {
    Segment segment;
    segment.width = cast<RankedTensorType>(piece.out.getType()).getShape().back();
    segment.last = piece.out == result;
    if (fin::LinearOp writer = piece.in ? residualLinear(piece.in, piece.out) : fin::LinearOp())
      segment.residualWriter = fin::weightName(writer.getWeight());
    for (Operation *op : piece.ops) {
      pieceOf[op] = segments.size();
      op->walk([&](Operation *inner) {
        for (Value v : inner->getOperands())
          if (analysis.isWeight(v) && isa<RankedTensorType>(v.getType()) &&
              !v.getDefiningOp()->hasTrait<OpTrait::ConstantLike>())
            piece.roots.insert(v);
      });
    }
    segments.push_back(std::move(segment));
  }
  for (fin::Tap &tap : fin::linearTaps(forward))
    for (fin::LinearWeight &w : tap.weights) {
      auto at = pieceOf.find(w.users.front());
      if (at == pieceOf.end())
        continue;
      Segment &segment = segments[at->second];
      SmallVector<Value> &taps = pieces[at->second].taps;
      if (taps.empty() || taps.back() != tap.input) {
        taps.push_back(tap.input);
        segment.taps.push_back({w.name, w.cols(), {}});
      }
      segment.taps.back().weights.push_back(w.name);
      segment.weights.push_back(std::move(w));
    }
  return Status::ok();
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

namespace {

/// Builds one variant of a piece.
class FunctionBuilder {
public:
  FunctionBuilder(func::FuncOp forward, ModuleOp module, const Piece &piece)
      : forward(forward), piece(piece), b(OpBuilder::atBlockEnd(module.getBody())),
        loc(b.getUnknownLoc()) {}
  func::FuncOp build(StringRef name, bool hidden, bool taps);

private:
  void require(Value v);

  func::FuncOp forward;
  const Piece &piece;
  OpBuilder b;
  Location loc;
  IRMapping mapping;
};

} // namespace

/// Makes what lies outside of the piece available in it: its parameters, constants, and what is
/// computed of tokens alone.
void FunctionBuilder::require(Value v) {
  if (mapping.contains(v))
    return;
  for (auto [slot, root] : llvm::enumerate(piece.roots))
    if (root == v) {
      auto type = cast<RankedTensorType>(v.getType());
      mapping.map(v, fin::ParamOp::create(b, loc, type, "w" + std::to_string(slot)).getResult());
      return;
    }
  Operation *op = v.getDefiningOp();
  for (Value operand : op->getOperands())
    require(operand);
  b.clone(*op, mapping)->setLoc(loc);
}

func::FuncOp FunctionBuilder::build(StringRef name, bool hidden, bool taps) {
  SmallVector<Type> arguments(forward.getArgumentTypes()), results;
  if (piece.in)
    arguments.push_back(piece.in.getType());
  SmallVector<Value> returned;
  if (hidden)
    returned.push_back(piece.out);
  if (taps)
    returned.append(piece.taps.begin(), piece.taps.end());
  for (Value v : returned)
    results.push_back(v.getType());
  auto function = func::FuncOp::create(b, loc, name, b.getFunctionType(arguments, results));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(function.addEntryBlock());
  for (auto [from, to] : llvm::zip(forward.getArguments(), function.getArguments()))
    mapping.map(from, to);
  if (piece.in)
    mapping.map(piece.in, function.getArguments().back());
  // Only what the results need: without `hidden` the last linear falls away.
  llvm::SmallPtrSet<Operation *, 32> needed;
  SmallVector<Value> work(returned);
  llvm::SmallPtrSet<Operation *, 32> inside(piece.ops.begin(), piece.ops.end());
  while (!work.empty()) {
    Operation *op = work.pop_back_val().getDefiningOp();
    if (!op || !inside.contains(op) || !needed.insert(op).second)
      continue;
    op->walk([&](Operation *inner) { work.append(inner->operand_begin(), inner->operand_end()); });
  }
  for (Operation *op : piece.ops) {
    if (!needed.contains(op))
      continue;
    op->walk([&](Operation *inner) {
      for (Value v : inner->getOperands())
        if (v.getParentBlock() == op->getBlock())
          require(v);
    });
    b.clone(*op, mapping)->setLoc(loc);
  }
  SmallVector<Value> values;
  for (Value v : returned)
    values.push_back(mapping.lookup(v));
  func::ReturnOp::create(b, loc, values);
  return function;
}

Status SegmentedModel::Impl::build(func::FuncOp forward, ModuleOp module) {
  llvm::StringMap<std::string> byText;
  for (Piece &piece : pieces) {
    func::FuncOp both = FunctionBuilder(forward, module, piece).build("candidate", true, true);
    std::string text;
    llvm::raw_string_ostream os(text);
    both.print(os, OpPrintingFlags().useLocalScope());
    both.erase();
    std::string name = "segment" + std::to_string(byText.size());
    auto [entry, isNew] = byText.try_emplace(text, name);
    piece.function = entry->second;
    if (!isNew)
      continue;
    for (auto [i, variant] : llvm::enumerate(kVariants)) {
      bool taps = i != size_t(Run::Advance), hidden = i != size_t(Run::Observe);
      if (taps && piece.taps.empty())
        continue;
      FunctionBuilder(forward, module, piece).build(name + "_" + variant, hidden, taps);
    }
  }
  return Status::ok();
}

Result<std::unique_ptr<SegmentedModel>> SegmentedModel::create(ModuleOp graph,
                                                               std::shared_ptr<ParamStore> params,
                                                               const std::string &cacheDirectory) {
  auto forward = graph.lookupSymbol<func::FuncOp>("forward");
  if (!forward || !forward.getBody().hasOneBlock())
    return Error::at("model", "has no function @forward of one block");
  std::unique_ptr<SegmentedModel> model(new SegmentedModel);
  Impl &impl = *model->impl;
  impl.params = std::move(params);
  impl.arguments = forward.getNumArguments();
  if (Status s = impl.split(forward); !s)
    return s.takeError();
  OpBuilder b(graph.getContext());
  OwningOpRef<ModuleOp> module(ModuleOp::create(b, b.getUnknownLoc()));
  if (Status s = impl.build(forward, *module); !s)
    return s.takeError();
  JITOptions options;
  options.functionsOnly = true;
  options.cacheDirectory = cacheDirectory;
  auto code = JITModel::compile(*module, impl.params, options);
  if (!code)
    return code.takeError();
  impl.code = std::move(*code);
  return model;
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

compress::ConstMatrixF SegmentWeights::weight(const std::string &name) const {
  auto it = slots.find(name);
  if (it == slots.end())
    return {};
  const Value &v = values[it->second];
  const compress::WeightSource &shape = v.dense->source();
  return {static_cast<const float *>(v.data), shape.rows(), shape.cols()};
}

void SegmentWeights::replace(const std::string &name, compress::Matrix<float> replacement) {
  Value &v = values[slots.at(name)];
  v.replaced = std::move(replacement);
  v.data = v.replaced.data();
}

void SegmentWeights::restore(const std::string &name) {
  Value &v = values[slots.at(name)];
  v.data = v.dense->view().data;
  v.replaced = {};
}

Result<SegmentWeights> SegmentedModel::load(size_t i) const {
  const Piece &piece = impl->pieces[i];
  SegmentWeights weights;
  for (auto [slot, root] : llvm::enumerate(piece.roots)) {
    SegmentWeights::Value value;
    if (isFloatTensor(root)) {
      Result<fin::DenseWeight> dense = fin::denseWeight(root, *impl->params);
      if (!dense)
        return dense.takeError();
      value.dense = std::make_unique<fin::DenseWeight>(std::move(*dense));
      value.data = value.dense->view().data;
    } else {
      auto param = root.getDefiningOp<fin::ParamOp>();
      if (!param)
        return Error::at("weight " + quote(fin::weightName(root)), "is no float expression");
      Result<TensorData> raw = impl->params->get(param.getKey());
      if (!raw)
        return raw.takeError();
      value.raw = *raw;
      value.data = raw->data;
    }
    if (isFloatTensor(root) && cast<RankedTensorType>(root.getType()).getRank() == 2)
      weights.slots[fin::weightName(root)] = slot;
    weights.values.push_back(std::move(value));
  }
  return weights;
}

Status SegmentedModel::run(size_t i, Run what, const SegmentWeights &weights,
                           SegmentSample &sample) const {
  const Piece &piece = impl->pieces[i];
  const Segment &segment = impl->segments[i];
  bool hidden = what != Run::Observe, taps = what != Run::Advance && !piece.taps.empty();
  if (!hidden && !taps)
    return Status::ok();
  what = hidden ? (taps ? Run::Both : Run::Advance) : Run::Observe;
  std::string function = piece.function + "_" + kVariants[size_t(what)];
  std::vector<const void *> table;
  for (const std::string &key : impl->code->parameters(function))
    table.push_back(weights.values[size_t(std::stoul(key.substr(1)))].data);

  if (!piece.in) // looks them up
    if (Status s = impl->code->checkTokens(sample.tokens, "tokens"); !s)
      return s;

  int64_t rows = sample.batch * sample.length;
  std::vector<int32_t> lengths(size_t(sample.batch), int32_t(sample.length)), types;
  std::vector<TensorRef> arguments{{sample.tokens.data(), {sample.batch, sample.length}}};
  if (impl->arguments == 3) { // an encoder: lengths and token types
    types.assign(size_t(rows), 0);
    arguments.push_back({lengths.data(), {sample.batch}});
    arguments.push_back({types.data(), {sample.batch, sample.length}});
  }
  if (piece.in)
    arguments.push_back({sample.hidden.data(),
                         {sample.batch, sample.length,
                          cast<RankedTensorType>(piece.in.getType()).getShape().back()}});
  std::vector<float> next;
  if (hidden) {
    next.resize(size_t(rows * segment.width));
    arguments.push_back({next.data(), {sample.batch, sample.length, segment.width}});
  }
  if (taps) {
    sample.taps.resize(segment.taps.size());
    for (auto [t, tap] : llvm::enumerate(segment.taps)) {
      sample.taps[t].resize(size_t(rows * tap.columns));
      arguments.push_back({sample.taps[t].data(), {sample.batch, sample.length, tap.columns}});
    }
  }
  if (Status s = impl->code->callWith(function, table, arguments); !s)
    return s;
  if (hidden)
    sample.hidden = std::move(next);
  return Status::ok();
}

} // namespace fingpt
