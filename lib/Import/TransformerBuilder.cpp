#include "TransformerBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace fingpt {

TransformerBuilder::TransformerBuilder(MLIRContext &context, ParamStore &store,
                                       const ModelConfig &config, FileConventions conventions)
    : store(store), config(config), files(std::move(conventions)), b(&context),
      loc(NameLoc::get(b.getStringAttr("forward"))) {
  context.loadDialect<fin::FinDialect>(); // and, as its dependents, all others
                                          // used here
}

//===-- The function ------------------------------------------------------===//

RankedTensorType TransformerBuilder::f32(ArrayRef<int64_t> shape) const {
  return RankedTensorType::get(shape, Float32Type::get(b.getContext()));
}

void TransformerBuilder::begin(bool decoder) {
  constexpr int64_t any = ShapedType::kDynamic;
  auto ids = RankedTensorType::get({any, any}, b.getI32Type());
  SmallVector<Type> arguments{ids};
  if (!decoder)
    arguments.append({RankedTensorType::get({any}, b.getI32Type()), ids});
  module = ModuleOp::create(b, loc);
  (*module)->setAttr("fin.model",
                     fin::ModelAttr::get(b.getContext(), config.architecture, config.context,
                                         decoder || config.maskedHead ? config.vocab : 0,
                                         config.layers));
  b.setInsertionPointToEnd(module->getBody());
  // The result type follows from what finish() returns.
  function = func::FuncOp::create(b, loc, "forward", b.getFunctionType(arguments, {}));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToEnd(entry);
  tokenIds = entry->getArgument(0);
  if (decoder)
    return;
  lengths = entry->getArgument(1);
  typeIds = entry->getArgument(2);
}

void TransformerBuilder::beginDecoder() { begin(true); }
void TransformerBuilder::beginEncoder() { begin(false); }

Result<OwningOpRef<ModuleOp>> TransformerBuilder::finish(Value result) {
  if (problem)
    return std::move(*problem);
  func::ReturnOp::create(b, loc, result);
  function.setFunctionType(b.getFunctionType(function.getArgumentTypes(), result.getType()));
  return std::move(module);
}

std::string TransformerBuilder::layer(const std::string &list, int64_t index) {
  if (!lengths)
    positions(); // what all layers share comes before them
  std::string name = list + "." + std::to_string(index);
  loc = NameLoc::get(b.getStringAttr(files.prefix + name));
  return name + ".";
}

void TransformerBuilder::endLayers() { loc = NameLoc::get(b.getStringAttr("forward")); }

void TransformerBuilder::fail(Error error) {
  if (!problem)
    problem = std::move(error);
}

//===-- Parameters --------------------------------------------------------===//

std::string TransformerBuilder::key(const std::string &name) const {
  return name.front() == '/' ? name.substr(1) : files.prefix + name;
}

bool TransformerBuilder::has(const std::string &name) const {
  return store.find(key(name)) || store.findBlockForm(key(name));
}

Value TransformerBuilder::param(const std::string &key, RankedTensorType type) {
  return fin::ParamOp::create(b, loc, type, key);
}

static std::string tensorWhere(const std::string &file, const std::string &key) {
  return escaped(file, 1000) + ": tensor " + quote(key);
}

Value TransformerBuilder::plain(const std::string &key, const Shape &shape) {
  RankedTensorType type = f32(shape);
  usedNames.insert(key);
  const ParamInfo *info = store.find(key);
  if (!info) {
    fail(Error::at(tensorWhere(files.file, key), "missing", "F32, F16 or BF16 " + shapeText(shape),
                   "nothing"));
    return param(key, type);
  }
  if (info->shape != shape)
    fail(Error::at(tensorWhere(info->source, key), "shape", shapeText(shape),
                   shapeText(info->shape)));
  switch (info->dtype) {
  case DType::F32:
    return param(key, type);
  case DType::F16:
    return arith::ExtFOp::create(b, loc, type,
                                 param(key, RankedTensorType::get(shape, b.getF16Type())));
  case DType::BF16:
    return arith::ExtFOp::create(b, loc, type,
                                 param(key, RankedTensorType::get(shape, b.getBF16Type())));
  default:
    fail(Error::at(tensorWhere(info->source, key), "type", "F32, F16 or BF16",
                   dtypeName(info->dtype)));
    return param(key, type);
  }
}

Value TransformerBuilder::vector(const std::string &name, int64_t length) {
  return plain(key(name), {length});
}

Value TransformerBuilder::weight(const std::string &name, int64_t out, int64_t in) {
  std::string k = key(name);
  Value &known = weights[k];
  if (known)
    return known;
  const BlockForm *form = store.findBlockForm(k);
  if (!form)
    return known = plain(k, {out, in});
  usedNames.insert(k);
  if (form->shape != Shape{out, in}) {
    const ParamInfo *codes = store.find(form->codes);
    fail(Error::at(tensorWhere(codes ? codes->source : files.file, k), "shape",
                   shapeText({out, in}), shapeText(form->shape)));
    return known = param(k, f32({out, in}));
  }
  return known = blockWeight(*form);
}

static Value slice(OpBuilder &b, Location loc, Value v, int64_t first, int64_t count) {
  auto type = cast<RankedTensorType>(v.getType());
  SmallVector<OpFoldResult> offsets(type.getRank(), b.getIndexAttr(0)), sizes,
      strides(type.getRank(), b.getIndexAttr(1));
  for (int64_t n : type.getShape())
    sizes.push_back(b.getIndexAttr(n));
  offsets[0] = b.getIndexAttr(first);
  sizes[0] = b.getIndexAttr(count);
  return tensor::ExtractSliceOp::create(b, loc, v, offsets, sizes, strides);
}

Value TransformerBuilder::weightRows(const std::string &name, int64_t out, int64_t in,
                                     int64_t first, int64_t count, const std::string &part) {
  const BlockForm *form = store.findBlockForm(key(name));
  if (form && form->shape == Shape{out, in}) {
    usedNames.insert(key(name));
    return blockRows(*form, key(part), first, count);
  }
  if (!transposed())
    return slice(b, loc, weight(name, out, in), first, count);
  Value &rows = weights[key(name) + " transposed"];
  if (!rows)
    rows = fin::TransposeOp::create(b, loc, weight(name, in, out));
  return slice(b, loc, rows, first, count);
}

Value TransformerBuilder::vectorPart(const std::string &name, int64_t length, int64_t first,
                                     int64_t count) {
  Value &whole = weights[key(name)];
  if (!whole)
    whole = vector(name, length);
  return slice(b, loc, whole, first, count);
}

/// True if two parameters hold the same bytes.
static bool sameBytes(const ParamStore &store, const std::string &x, const std::string &y) {
  const ParamInfo *a = store.find(x), *b = store.find(y);
  if (!a || !b || a->dtype != b->dtype || a->shape != b->shape)
    return false;
  Result<TensorData> p = store.get(x), q = store.get(y);
  bool same = p && q && std::memcmp(p->data, q->data, a->bytes) == 0;
  store.release(x);
  store.release(y);
  return same;
}

Value TransformerBuilder::headWeight(const std::string &name, const std::string &tableName,
                                     Value table, int64_t width) {
  if (!config.tiedHead)
    return weight(name, config.vocab, width);
  if (!has(name))
    return table;
  // Tied, yet in the file: a copy of the table, or another head after all.
  if (!sameBytes(store, key(name), key(tableName)))
    return weight(name, config.vocab, width);
  usedNames.insert(key(name));
  return table;
}

//===-- Ops ---------------------------------------------------------------===//

int64_t TransformerBuilder::widthOf(Value v) const {
  return cast<RankedTensorType>(v.getType()).getShape().back();
}

Value TransformerBuilder::embedding(Value ids, Value table) {
  return fin::EmbeddingOp::create(b, loc, ids, table);
}

Value TransformerBuilder::positions(int64_t offset) {
  if (offset != 0)
    return fin::PositionsOp::create(b, loc, tokenIds.getType(), tokenIds, offset);
  if (!tokenPositions)
    tokenPositions = fin::PositionsOp::create(b, loc, tokenIds.getType(), tokenIds, 0);
  return tokenPositions;
}

Value TransformerBuilder::linear(Value x, Value w, Value bias) {
  return fin::LinearOp::create(b, loc, x, w, bias);
}

Value TransformerBuilder::linear(Value x, const std::string &name, int64_t out, bool bias) {
  int64_t in = widthOf(x);
  Value w;
  if (transposed())
    w = fin::TransposeOp::create(b, loc, weight(name + ".weight", in, out));
  else
    w = weight(name + ".weight", out, in);
  return linear(x, w, bias ? vector(name + ".bias", out) : Value());
}

static IntegerAttr optionalHead(OpBuilder &b, int64_t headDim) {
  return headDim ? b.getI64IntegerAttr(headDim) : IntegerAttr();
}

Value TransformerBuilder::rmsNorm(Value x, const std::string &name, int64_t headDim) {
  Value w = vector(name + ".weight", headDim ? headDim : widthOf(x));
  if (config.normPlusOne && !files.normPlusOneStored) {
    auto ones = DenseElementsAttr::get(cast<RankedTensorType>(w.getType()), 1.0f);
    w = arith::AddFOp::create(b, loc, w, arith::ConstantOp::create(b, loc, ones));
  }
  return fin::RmsNormOp::create(b, loc, x.getType(), x, w, b.getF64FloatAttr(config.normEps),
                                optionalHead(b, headDim), /*width=*/IntegerAttr());
}

Value TransformerBuilder::layerNorm(Value x, const std::string &name, bool affine,
                                    int64_t headDim) {
  Value w, bias;
  if (affine) {
    int64_t length = headDim ? headDim : widthOf(x);
    bool old = !has(name + ".weight") && has(name + ".gamma"); // names of TensorFlow
    w = vector(name + (old ? ".gamma" : ".weight"), length);
    bias = vector(name + (old ? ".beta" : ".bias"), length);
  }
  return fin::LayerNormOp::create(b, loc, x.getType(), x, w, bias,
                                  b.getF64FloatAttr(config.normEps), optionalHead(b, headDim));
}

static fin::RopeScalingAttr scalingAttr(OpBuilder &b, const RopeScaling &s) {
  if (s.kind.empty())
    return {};
  SmallVector<NamedAttribute> params;
  auto number = [&](StringRef name, double v) {
    params.push_back(b.getNamedAttr(name, b.getF64FloatAttr(v)));
  };
  auto integer = [&](StringRef name, int64_t v) {
    params.push_back(b.getNamedAttr(name, b.getI64IntegerAttr(v)));
  };
  if (s.kind != "longrope")
    number("factor", s.factor);
  if (s.kind != "linear")
    integer("original_context", s.originalContext);
  if (s.kind == "llama3") {
    number("low_frequency_factor", s.lowFrequencyFactor);
    number("high_frequency_factor", s.highFrequencyFactor);
  } else if (s.kind == "yarn") {
    number("beta_fast", s.betaFast);
    number("beta_slow", s.betaSlow);
    integer("truncate", s.truncate);
  } else if (s.kind == "longrope") {
    params.push_back(b.getNamedAttr("short_factors", b.getDenseF64ArrayAttr(s.shortFactors)));
    params.push_back(b.getNamedAttr("long_factors", b.getDenseF64ArrayAttr(s.longFactors)));
  }
  if (s.kind == "yarn" || s.kind == "longrope")
    number("attention_factor", s.attentionFactor);
  return fin::RopeScalingAttr::get(b.getContext(), b.getStringAttr(s.kind),
                                   b.getDictionaryAttr(params));
}

Value TransformerBuilder::rope(Value x, const RopeConfig &rope) {
  if (!files.ropeDivisors.empty() && !divisors)
    divisors = vector("/" + files.ropeDivisors, rope.rotaryDim / 2);
  IntegerAttr rotaryDim =
      rope.rotaryDim == config.headDim ? IntegerAttr() : b.getI64IntegerAttr(rope.rotaryDim);
  return fin::RopeOp::create(b, loc, x.getType(), x, positions(), divisors,
                             b.getF64FloatAttr(rope.base), b.getI64IntegerAttr(config.headDim),
                             rotaryDim, fin::RopeStyleAttr::get(b.getContext(), files.ropeStyle),
                             scalingAttr(b, rope.scaling));
}

Value TransformerBuilder::attention(Value q, Value k, Value v, int64_t layer) {
  bool causal = !lengths;
  int64_t window = config.windows.empty() ? 0 : config.windows[layer];
  double scale = config.attentionScale / (config.scaleByLayer ? double(layer + 1) : 1.0);
  return fin::AttentionOp::create(
      b, loc, q.getType(), q, causal ? positions() : Value(), k, v, lengths,
      /*mask=*/Value(),
      /*sinks=*/Value(), b.getI64IntegerAttr(config.heads), b.getI64IntegerAttr(config.kvHeads),
      causal ? b.getUnitAttr() : UnitAttr(), window ? b.getI64IntegerAttr(window) : IntegerAttr(),
      config.attentionSoftCap != 0 ? b.getF64FloatAttr(config.attentionSoftCap) : FloatAttr(),
      b.getF64FloatAttr(scale));
}

Value TransformerBuilder::activate(Value x) {
  switch (config.activation) {
  case Activation::Silu:
    return fin::SiluOp::create(b, loc, x);
  case Activation::Relu:
    return fin::ReluOp::create(b, loc, x);
  case Activation::GeluExact:
    return fin::GeluOp::create(b, loc, x, fin::GeluKind::Exact);
  case Activation::GeluTanh:
    return fin::GeluOp::create(b, loc, x, fin::GeluKind::Tanh);
  case Activation::GeluQuick:
    return fin::GeluOp::create(b, loc, x, fin::GeluKind::Quick);
  }
  return x;
}

Value TransformerBuilder::add(Value x, Value y) { return arith::AddFOp::create(b, loc, x, y); }
Value TransformerBuilder::multiply(Value x, Value y) { return arith::MulFOp::create(b, loc, x, y); }
Value TransformerBuilder::scale(Value x, double factor) {
  return fin::MultiplyOp::create(b, loc, x.getType(), x, b.getF64FloatAttr(factor));
}
Value TransformerBuilder::softCap(Value x, double cap) {
  if (cap == 0)
    return x;
  return fin::SoftCapOp::create(b, loc, x.getType(), x, b.getF64FloatAttr(cap));
}

} // namespace fingpt
