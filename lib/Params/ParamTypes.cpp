#include "fingpt/Params/ParamStore.h"

namespace fingpt {

namespace {
struct Row {
  const char *name;
  size_t size;
};
constexpr Row kDTypes[] = {
    {"BOOL", 1}, {"U8", 1},   {"I8", 1},  {"U16", 2},     {"I16", 2},     {"U32", 4},
    {"I32", 4},  {"U64", 8},  {"I64", 8}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1},
    {"F16", 2},  {"BF16", 2}, {"F32", 4}, {"F64", 8},
};
} // namespace

size_t dtypeSize(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].size; }
const char *dtypeName(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].name; }

bool parseDType(std::string_view name, DType &dtype) {
  for (size_t i = 0; i < sizeof kDTypes / sizeof *kDTypes; ++i)
    if (name == kDTypes[i].name) {
      dtype = static_cast<DType>(i);
      return true;
    }
  return false;
}

std::string shapeText(const Shape &shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i)
    out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + "]";
}

} // namespace fingpt
