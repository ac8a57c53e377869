#include "fingpt/Import/GraphParams.h"

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Support/Float.h"

#include <cstring>
#include <unordered_map>
#include <xxhash.h>

using namespace mlir;

namespace fingpt {

static std::string where(const std::string &file, const std::string &key) {
  return escaped(file, 1000) + ": parameter " + quote(key);
}

static std::optional<DType> storedDType(Type element) {
  if (auto integer = dyn_cast<IntegerType>(element)) {
    bool isUnsigned = integer.isUnsigned();
    switch (integer.getWidth()) {
    case 8:
      return isUnsigned ? DType::U8 : DType::I8;
    case 16:
      return isUnsigned ? DType::U16 : DType::I16;
    case 32:
      return isUnsigned ? DType::U32 : DType::I32;
    case 64:
      return isUnsigned ? DType::U64 : DType::I64;
    default:
      // Codes: packed bytes.
      return integer.getWidth() < 8 && !integer.isSignless() ? std::optional(DType::U8)
                                                             : std::nullopt;
    }
  }
  if (element.isF32())
    return DType::F32;
  if (element.isF16())
    return DType::F16;
  if (element.isBF16())
    return DType::BF16;
  if (element.isF64())
    return DType::F64;
  if (isa<Float8E4M3FNType>(element))
    return DType::F8E4M3;
  if (isa<Float8E5M2Type>(element))
    return DType::F8E5M2;
  if (isa<Float8E8M0FNUType>(element))
    return DType::F8E8M0;
  return std::nullopt;
}

static Shape storedShape(RankedTensorType type) {
  Shape shape(type.getShape().begin(), type.getShape().end());
  auto code = dyn_cast<IntegerType>(type.getElementType());
  if (code && code.getWidth() < 8 && !shape.empty())
    shape.back() = fin::packedRowBytes(shape.back(), code.getWidth());
  return shape;
}

/// Bytes are bytes, whatever their sign is said to be.
static bool sameStorage(DType a, DType b) {
  auto bytes = [](DType d) { return d == DType::U8 || d == DType::I8; };
  return a == b || (bytes(a) && bytes(b));
}

Result<std::vector<GraphParam>> graphParams(ModuleOp module, const std::string &file) {
  std::vector<GraphParam> out;
  std::unordered_map<std::string, size_t> index;
  std::optional<Error> problem;
  module.walk([&](fin::ParamOp op) {
    GraphParam p{op.getKey().str(), op.getType(), DType::U8, storedShape(op.getType())};
    std::optional<DType> dtype = storedDType(op.getType().getElementType());
    if (!dtype) {
      std::string text;
      llvm::raw_string_ostream(text) << op.getType();
      problem = Error::at(where(file, p.key), "type", "one that a file can hold", text);
      return WalkResult::interrupt();
    }
    p.dtype = *dtype;
    auto [it, isNew] = index.emplace(p.key, out.size());
    if (isNew) {
      out.push_back(std::move(p));
      return WalkResult::advance();
    }
    const GraphParam &old = out[it->second];
    if (old.shape == p.shape && sameStorage(old.dtype, p.dtype))
      return WalkResult::advance();
    problem = Error::at(where(file, p.key), "used with two types",
                        dtypeName(old.dtype) + (" " + shapeText(old.shape)),
                        dtypeName(p.dtype) + (" " + shapeText(p.shape)));
    return WalkResult::interrupt();
  });
  if (problem)
    return std::move(*problem);
  return out;
}

Status checkGraphParams(ModuleOp module, const ParamStore &store, const std::string &file) {
  Result<std::vector<GraphParam>> params = graphParams(module, file);
  if (!params)
    return params.takeError();
  for (const GraphParam &p : *params) {
    std::string expected = dtypeName(p.dtype) + (" " + shapeText(p.shape));
    const ParamInfo *info = store.find(p.key);
    if (!info)
      return Error::at(where(file, p.key), "is in no parameter file", expected, "nothing");
    if (info->shape != p.shape || !sameStorage(info->dtype, p.dtype))
      return Error::at(where(file, p.key), "stored in " + escaped(info->source, 1000), expected,
                       dtypeName(info->dtype) + (" " + shapeText(info->shape)));
  }
  return Status::ok();
}

//===-- Made parameters ---------------------------------------------------===//

namespace {
/// splitmix64: a sequence that depends on the seed and the name alone.
struct Sequence {
  uint64_t state;
  Sequence(uint64_t seed, const std::string &name)
      : state(XXH3_64bits_withSeed(name.data(), name.size(), seed)) {}
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  /// In [0, 1).
  float unit() { return static_cast<float>(next() >> 40) * 0x1p-24f; }
};
} // namespace

static bool isFloat(DType d) {
  return d == DType::F16 || d == DType::BF16 || d == DType::F32 || d == DType::F64;
}

static void storeFloat(DType dtype, float value, uint8_t *out) {
  uint16_t half = dtype == DType::F16 ? floatToF16(value) : floatToBf16(value);
  double wide = value;
  if (dtype == DType::F32)
    std::memcpy(out, &value, 4);
  else if (dtype == DType::F64)
    std::memcpy(out, &wide, 8);
  else
    std::memcpy(out, &half, 2);
}

static Status makeRandom(ParamStore &store, const GraphParam &p, uint64_t seed) {
  auto endsWith = [&](std::string_view end) {
    return p.key.size() >= end.size() &&
           p.key.compare(p.key.size() - end.size(), end.size(), end) == 0;
  };
  if (isFloat(p.dtype) && (p.shape.size() != 1 || endsWith("bias")))
    return store.addRandom(p.key, p.dtype, p.shape, seed);
  return store.putLazy(p.key, p.dtype, p.shape, [p, seed]() -> Result<std::vector<uint8_t>> {
    size_t size = dtypeSize(p.dtype), count = 1;
    for (int64_t n : p.shape)
      count *= static_cast<size_t>(n);
    std::vector<uint8_t> bytes(count * size);
    Sequence random(seed, p.key);
    for (size_t i = 0; i < count; ++i) {
      uint8_t *at = bytes.data() + i * size;
      if (isFloat(p.dtype)) {
        storeFloat(p.dtype, 0.9f + 0.2f * random.unit(), at);
      } else if (p.dtype == DType::I32) {
        auto index = static_cast<int32_t>(i);
        std::memcpy(at, &index, 4);
      } else {
        uint64_t value = random.next();
        std::memcpy(at, &value, size);
      }
    }
    return bytes;
  });
}

Status makeGraphParams(ModuleOp module, const std::string &rule, ParamStore &store,
                       const std::string &file) {
  Result<std::vector<GraphParam>> params = graphParams(module, file);
  if (!params)
    return params.takeError();
  size_t colon = rule.find(':');
  std::string kind = rule.substr(0, colon);
  std::string number = colon == std::string::npos ? "" : rule.substr(colon + 1);
  char *end = nullptr;
  uint64_t seed = std::strtoull(number.c_str(), &end, 10);
  bool good = kind == "random" && !number.empty() && *end == '\0';
  double value = 0;
  if (kind == "splat") {
    value = std::strtod(number.c_str(), &end);
    good = !number.empty() && *end == '\0';
  }
  if (!good)
    return Error::at(escaped(file, 1000) + ":fin.params", "rule", "random:SEED or splat:VALUE",
                     quote(rule));
  for (const GraphParam &p : *params) {
    Status s = kind == "random"
                   ? makeRandom(store, p, seed)
                   : store.addSplat(p.key, p.dtype, p.shape, isFloat(p.dtype) ? value : 0);
    if (!s)
      return s.error().in(escaped(file, 1000));
  }
  return Status::ok();
}

} // namespace fingpt
