// Block-quantized tensors of GGUF files as weight expressions. Exactly the
// arithmetic of BlockForm: what the graph computes in f32 is, bit for bit, what
// the format's reference decoder gives.
#include "TransformerBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace fingpt {

static Value dequantize(OpBuilder &b, Location loc, RankedTensorType type, Value codes,
                        Value scales, Value mins, int64_t group, int64_t zero) {
  return fin::DequantizeOp::create(b, loc, type, codes, scales, /*zeros=*/Value(), mins,
                                   b.getI64IntegerAttr(group), b.getI64IntegerAttr(zero));
}

/// Scales of a k-quant, f32 [out, in / group]: codes times a scale per super
/// block. `negated` serves mins, which the format subtracts.
Value TransformerBuilder::blockScales(const BlockForm &form, const std::string &codes,
                                      const std::string &super, bool negated) {
  int64_t out = form.shape[0], groups = form.shape[1] / form.group;
  IntegerType code = b.getIntegerType(8, /*isSigned=*/!negated && form.scalesSigned);
  Value q = param(codes, RankedTensorType::get({out, groups}, code));
  Value s = param(super, RankedTensorType::get({out, groups / form.superGroup}, b.getF16Type()));
  if (negated)
    s = arith::NegFOp::create(b, loc, s);
  return dequantize(b, loc, f32({out, groups}), q, s, Value(), form.superGroup,
                    negated ? 0 : form.scaleZero);
}

Value TransformerBuilder::blockWeight(const BlockForm &form) {
  int64_t out = form.shape[0], in = form.shape[1], groups = in / form.group;
  RankedTensorType type = f32({out, in});
  Value codes = param(
      form.codes, RankedTensorType::get({out, in}, b.getIntegerType(form.bits, form.codesSigned)));
  if (form.twoLevel) {
    Value scales = blockScales(form, form.scales, form.superScales, false);
    Value mins = form.mins.empty() ? Value() : blockScales(form, form.mins, form.superMins, true);
    return dequantize(b, loc, type, codes, scales, mins, form.group, form.zero);
  }
  const ParamInfo *info = store.find(form.scales);
  Type element = info && info->dtype == DType::F32 ? Type(b.getF32Type()) : b.getF16Type();
  auto perGroup = RankedTensorType::get({out, groups}, element);
  Value scales = param(form.scales, perGroup);
  if (!form.codebook.empty()) {
    auto values = RankedTensorType::get({int64_t(form.codebook.size())}, b.getF32Type());
    Value book = arith::ConstantOp::create(
        b, loc, DenseElementsAttr::get(values, ArrayRef<float>(form.codebook)));
    return fin::LookupOp::create(b, loc, type, codes, book, scales,
                                 b.getI64IntegerAttr(form.group));
  }
  Value mins = form.mins.empty() ? Value() : param(form.mins, perGroup);
  return dequantize(b, loc, type, codes, scales, mins, form.group, form.zero);
}

/// A parameter that holds rows [first, first + count) of another.
static Status addRows(ParamStore &store, const std::string &name, const std::string &base,
                      int64_t first, int64_t count) {
  if (store.find(name))
    return Status::ok();
  const ParamInfo *info = store.find(base);
  if (!info)
    return Error::at("parameter " + quote(base), "is not in the store");
  uint64_t row = info->bytes / static_cast<uint64_t>(info->shape[0]);
  uint64_t begin = static_cast<uint64_t>(first) * row, bytes = static_cast<uint64_t>(count) * row;
  Shape shape = info->shape;
  shape[0] = count;
  return store.putLazy(name, info->dtype, shape,
                       [&store, base, begin, bytes]() -> Result<std::vector<uint8_t>> {
                         Result<TensorData> whole = store.get(base);
                         if (!whole)
                           return whole.takeError();
                         const auto *from = whole->as<uint8_t>() + begin;
                         std::vector<uint8_t> rows(from, from + bytes);
                         store.release(base);
                         return rows;
                       });
}

Value TransformerBuilder::blockRows(const BlockForm &whole, const std::string &part, int64_t first,
                                    int64_t count) {
  BlockForm form = whole;
  form.name = part;
  form.shape[0] = count;
  for (std::string *field :
       {&form.codes, &form.scales, &form.mins, &form.superScales, &form.superMins}) {
    if (field->empty())
      continue;
    std::string name = part + field->substr(field->rfind('.'));
    if (Status s = addRows(store, name, *field, first, count); !s)
      fail(s.takeError());
    *field = name;
  }
  return blockWeight(form);
}

} // namespace fingpt
