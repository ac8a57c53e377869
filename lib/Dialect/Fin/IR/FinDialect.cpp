#include "fingpt/Dialect/Fin/IR/Fin.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Transforms/InliningUtils.h"
#include "llvm/ADT/TypeSwitch.h"

#include <limits>

using namespace mlir;
using namespace fingpt::fin;

#include "fingpt/Dialect/Fin/IR/FinDialect.cpp.inc"
#include "fingpt/Dialect/Fin/IR/FinEnums.cpp.inc"
#include "fingpt/Dialect/Fin/IR/FinInterfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "fingpt/Dialect/Fin/IR/FinAttrs.cpp.inc"

namespace {

/// Long attributes that stand on every layer's ops are printed once, by name.
struct FinAsmInterface : public OpAsmDialectInterface {
  using OpAsmDialectInterface::OpAsmDialectInterface;
  AliasResult getAlias(Attribute attribute, raw_ostream &os) const final {
    if (isa<RopeScalingAttr>(attribute)) {
      os << "rope_scaling";
      return AliasResult::FinalAlias;
    }
    return AliasResult::NoAlias;
  }
};

struct FinInlinerInterface : public DialectInlinerInterface {
  using DialectInlinerInterface::DialectInlinerInterface;
  bool isLegalToInline(Operation *, Region *, bool, IRMapping &) const final { return true; }
};

} // namespace

void FinDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "fingpt/Dialect/Fin/IR/FinOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "fingpt/Dialect/Fin/IR/FinAttrs.cpp.inc"
      >();
  addInterfaces<FinAsmInterface, FinInlinerInterface>();
}

Type fingpt::fin::accumulationType(Type storage) {
  return storage.isF64() ? storage : Float32Type::get(storage.getContext());
}

RankedTensorType fingpt::fin::packedType(RankedTensorType codes) {
  SmallVector<int64_t> shape(codes.getShape());
  shape.back() = packedRowBytes(shape.back(), codes.getElementTypeBitWidth());
  return RankedTensorType::get(shape, IntegerType::get(codes.getContext(), 8));
}

//===----------------------------------------------------------------------===//
// rope_scaling
//===----------------------------------------------------------------------===//

double RopeScalingAttr::number(StringRef name) const {
  auto attr = getParams().getAs<FloatAttr>(name);
  return attr ? attr.getValueAsDouble() : 0.0;
}
int64_t RopeScalingAttr::integer(StringRef name) const {
  auto attr = getParams().getAs<IntegerAttr>(name);
  return attr ? attr.getInt() : 0;
}
ArrayRef<double> RopeScalingAttr::numbers(StringRef name) const {
  auto attr = getParams().getAs<DenseF64ArrayAttr>(name);
  return attr ? attr.asArrayRef() : ArrayRef<double>();
}

LogicalResult RopeScalingAttr::verify(function_ref<InFlightDiagnostic()> emitError, StringRef kind,
                                      DictionaryAttr params) {
  auto needs = [&](ArrayRef<StringRef> positive, ArrayRef<StringRef> lists,
                   bool context) -> LogicalResult {
    for (StringRef name : positive) {
      auto attr = params.getAs<FloatAttr>(name);
      if (!attr || !attr.getType().isF64() || !(attr.getValueAsDouble() > 0))
        return emitError() << "rope_scaling \"" << kind << "\" needs a positive f64 '" << name
                           << "'";
    }
    for (StringRef name : lists) {
      auto attr = params.getAs<DenseF64ArrayAttr>(name);
      if (!attr || llvm::any_of(attr.asArrayRef(), [](double v) { return !(v > 0); }))
        return emitError() << "rope_scaling \"" << kind << "\" needs positive factors '" << name
                           << "' as array<f64: ...>";
    }
    auto original = params.getAs<IntegerAttr>("original_context");
    if (context && (!original || !original.getType().isInteger(64) || original.getInt() < 1 ||
                    original.getInt() > std::numeric_limits<int32_t>::max()))
      return emitError() << "rope_scaling \"" << kind
                         << "\" needs a positive i64 'original_context' below 2^31";
    return success();
  };
  if (kind == "linear")
    return needs({"factor"}, {}, false);
  if (kind == "llama3")
    return needs({"factor", "low_frequency_factor", "high_frequency_factor"}, {}, true);
  if (kind == "yarn")
    return needs({"factor", "beta_fast", "beta_slow", "attention_factor"}, {}, true);
  if (kind == "longrope")
    return needs({"attention_factor"}, {"short_factors", "long_factors"}, true);
  return emitError() << "unknown rope_scaling \"" << kind
                     << "\", expected linear, llama3, yarn or longrope";
}
