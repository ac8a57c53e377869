// One pass over all that a model is made of, before work begins.
#include "Compression.h"

#include "llvm/ADT/StringSet.h"

#include <xxhash.h>

using namespace mlir;

namespace fingpt {

/// The first of n floats of this layout whose exponent is all ones; n if there is none.
template <typename T, T Exponent> static uint64_t firstNotFinite(const TensorData &data) {
  const T *values = data.as<T>();
  uint64_t n = data.bytes / sizeof(T);
  constexpr uint64_t Block = 4096;
  for (uint64_t begin = 0; begin < n; begin += Block) {
    uint64_t end = std::min(begin + Block, n);
    bool any = false;
    for (uint64_t i = begin; i < end; ++i)
      any |= (values[i] & Exponent) == Exponent;
    for (uint64_t i = begin; any && i < end; ++i)
      if ((values[i] & Exponent) == Exponent)
        return i;
  }
  return n;
}

/// NaN and infinity are named where they lie; found later, in the activations that they make, they
/// would be blamed on another weight.
static Status checkFinite(const ParamInfo &info, const TensorData &data) {
  uint64_t count = 0, at = 0;
  switch (info.dtype) {
  case DType::F32:
    count = data.bytes / 4;
    at = firstNotFinite<uint32_t, 0x7f800000>(data);
    break;
  case DType::F16:
    count = data.bytes / 2;
    at = firstNotFinite<uint16_t, 0x7c00>(data);
    break;
  case DType::BF16:
    count = data.bytes / 2;
    at = firstNotFinite<uint16_t, 0x7f80>(data);
    break;
  default:
    return Status::ok();
  }
  if (at == count)
    return Status::ok();
  std::string place;
  for (size_t d = info.shape.size(); d-- > 0;) {
    auto extent = uint64_t(info.shape[d]);
    place = std::to_string(at % extent) + (place.empty() ? "" : ", ") + place;
    at /= extent;
  }
  return Error::at(info.name + "[" + place + "]", "value", "a finite number", "NaN or infinity");
}

std::string hex(uint64_t hash) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
  return text;
}

Result<std::string> sourceHash(ModuleOp graph, const ParamStore &params) {
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(),
                                                                 XXH3_freeState);
  XXH3_64bits_reset(state.get());
  std::string text = textOf(graph);
  XXH3_64bits_update(state.get(), text.data(), text.size());
  llvm::StringSet<> seen;
  std::optional<Error> problem;
  graph.walk([&](fin::ParamOp op) {
    const ParamInfo *info = params.find(op.getKey());
    if (problem || !info || !seen.insert(op.getKey()).second)
      return;
    Result<TensorData> data = params.get(op.getKey());
    if (!data) {
      problem = data.takeError();
      return;
    }
    if (Status s = checkFinite(*info, *data); !s)
      problem = s.takeError();
    XXH3_64bits_update(state.get(), data->data, data->bytes);
    *data = {};
    params.release(op.getKey());
  });
  if (problem)
    return *problem;
  return hex(XXH3_64bits_digest(state.get()));
}

} // namespace fingpt
