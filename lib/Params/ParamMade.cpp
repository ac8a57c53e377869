// Parameters that come from no file: splats, random ones, overlay, aliases.
#include "ParamStoreImpl.h"
#include "RandomNormal.h"
#include "Where.h"

#include "fingpt/Support/Float.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace fingpt {

/// Stores `value` as one element; false if it has no such value.
static bool encode(DType dtype, double value, uint8_t *out) {
  auto put = [&](auto v) {
    std::memcpy(out, &v, sizeof v);
    return true;
  };
  switch (dtype) {
  case DType::F16:
    return put(floatToF16(static_cast<float>(value)));
  case DType::BF16:
    return put(floatToBf16(static_cast<float>(value)));
  case DType::F32:
    return put(static_cast<float>(value));
  case DType::F64:
    return put(value);
  case DType::F8E4M3:
  case DType::F8E5M2:
  case DType::F8E8M0:
    return false;
  default:
    break;
  }
  if (value != std::floor(value)) // NaN too
    return false;
  // Bounds are powers of two, exact in double; the upper one is excluded.
  auto fits = [&](double low, double high) { return value >= low && value < high; };
  switch (dtype) {
  case DType::Bool:
    return fits(0, 2) && put(static_cast<uint8_t>(value));
  case DType::U8:
    return fits(0, 0x1p8) && put(static_cast<uint8_t>(value));
  case DType::I8:
    return fits(-0x1p7, 0x1p7) && put(static_cast<int8_t>(value));
  case DType::U16:
    return fits(0, 0x1p16) && put(static_cast<uint16_t>(value));
  case DType::I16:
    return fits(-0x1p15, 0x1p15) && put(static_cast<int16_t>(value));
  case DType::U32:
    return fits(0, 0x1p32) && put(static_cast<uint32_t>(value));
  case DType::I32:
    return fits(-0x1p31, 0x1p31) && put(static_cast<int32_t>(value));
  case DType::U64:
    return fits(0, 0x1p64) && put(static_cast<uint64_t>(value));
  default:
    return fits(-0x1p63, 0x1p63) && put(static_cast<int64_t>(value));
  }
}

Status ParamStore::addSplat(const std::string &name, DType dtype, Shape shape, double value) {
  if (Status s = impl->refuseExisting(name); !s)
    return s;
  Impl::Entry e;
  if (Status s = impl->describe(e, name, dtype, std::move(shape), "splat"); !s)
    return s;
  uint8_t element[8];
  if (!encode(dtype, value, element))
    return Error::at(paramWhere(name),
                     "value " + std::to_string(value) + " does not exist in " + dtypeName(dtype));
  std::string pattern(reinterpret_cast<char *>(element), dtypeSize(dtype));
  e.lazy =
      std::make_shared<Lazy>([pattern, bytes = e.info.bytes,
                              where = paramWhere(name)]() -> Result<std::shared_ptr<const void>> {
        auto out = allocateBytes(bytes, where);
        if (!out)
          return out.takeError();
        for (uint64_t at = 0; at < bytes; at += pattern.size())
          std::memcpy(out->get() + at, pattern.data(), pattern.size());
        return std::shared_ptr<const void>(std::move(*out));
      });
  impl->append(std::move(e));
  return Status::ok();
}

/// Elements [0, count) of the random tensor `key`, as `dtype`.
static void fillRandom(uint64_t key, DType dtype, double sigma, uint64_t count, uint8_t *out) {
  const size_t size = dtypeSize(dtype);
  double z[4];
  for (uint64_t i = 0; i < count; i += 4) {
    randomNormal4(key, i / 4, z);
    for (uint64_t j = 0; j < std::min<uint64_t>(4, count - i); ++j, out += size)
      encode(dtype, z[j] * sigma, out);
  }
}

Status ParamStore::addRandom(const std::string &name, DType dtype, Shape shape, uint64_t seed,
                             double sigma) {
  if (Status s = impl->refuseExisting(name); !s)
    return s;
  Impl::Entry e;
  if (Status s = impl->describe(e, name, dtype, std::move(shape), "random"); !s)
    return s;
  if (dtype != DType::F16 && dtype != DType::BF16 && dtype != DType::F32 && dtype != DType::F64)
    return Error::at(paramWhere(name), "random values", "F16, BF16, F32 or F64", dtypeName(dtype));
  if (!std::isfinite(sigma))
    return Error::at(paramWhere(name), "sigma", "a finite number", std::to_string(sigma));
  e.lazy =
      std::make_shared<Lazy>([key = randomKey(seed, name), dtype, sigma, bytes = e.info.bytes,
                              where = paramWhere(name)]() -> Result<std::shared_ptr<const void>> {
        auto out = allocateBytes(bytes, where);
        if (!out)
          return out.takeError();
        fillRandom(key, dtype, sigma, bytes / dtypeSize(dtype), out->get());
        return std::shared_ptr<const void>(std::move(*out));
      });
  impl->append(std::move(e));
  return Status::ok();
}

static Status wrongSize(const std::string &name, uint64_t expected, uint64_t got) {
  return Error::at(paramWhere(name), "bytes of data", std::to_string(expected),
                   std::to_string(got));
}

/// A block tensor's own name is not a parameter's, or both would be `name`.
static Status refuseBlockName(const ParamStore &store, const std::string &name) {
  if (store.findBlockForm(name))
    return Error::at(paramWhere(name), "is the name of a block-quantized tensor");
  return Status::ok();
}

Status ParamStore::put(const std::string &name, DType dtype, Shape shape,
                       std::vector<uint8_t> bytes) {
  if (Status s = refuseBlockName(*this, name); !s)
    return s;
  Impl::Entry e;
  if (Status s = impl->describe(e, name, dtype, std::move(shape), "overlay"); !s)
    return s;
  if (bytes.size() != e.info.bytes)
    return wrongSize(name, e.info.bytes, bytes.size());
  auto copy = allocateBytes(bytes.size(), paramWhere(name));
  if (!copy)
    return copy.takeError();
  if (!bytes.empty())
    std::memcpy(copy->get(), bytes.data(), bytes.size());
  e.owner = *copy;
  Impl::setPlain(e, copy->get());
  impl->replace(std::move(e));
  return Status::ok();
}

Status ParamStore::putView(const std::string &name, DType dtype, Shape shape, TensorData data) {
  if (Status s = refuseBlockName(*this, name); !s)
    return s;
  Impl::Entry e;
  if (Status s = impl->describe(e, name, dtype, std::move(shape), "overlay"); !s)
    return s;
  if (data.bytes != e.info.bytes)
    return wrongSize(name, e.info.bytes, data.bytes);
  e.owner = std::move(data.owner);
  Impl::setPlain(e, static_cast<const uint8_t *>(data.data));
  impl->replace(std::move(e));
  return Status::ok();
}

Status ParamStore::putLazy(const std::string &name, DType dtype, Shape shape,
                           std::function<Result<std::vector<uint8_t>>()> make) {
  if (Status s = refuseBlockName(*this, name); !s)
    return s;
  Impl::Entry e;
  if (Status s = impl->describe(e, name, dtype, std::move(shape), "overlay"); !s)
    return s;
  e.lazy = std::make_shared<Lazy>([make = std::move(make), bytes = e.info.bytes,
                                   name]() -> Result<std::shared_ptr<const void>> {
    Result<std::vector<uint8_t>> made = make();
    if (!made)
      return made.takeError();
    if (made->size() != bytes)
      return wrongSize(name, bytes, made->size()).takeError();
    auto copy = allocateBytes(bytes, paramWhere(name));
    if (!copy)
      return copy.takeError();
    if (bytes != 0)
      std::memcpy(copy->get(), made->data(), bytes);
    return std::shared_ptr<const void>(std::move(*copy));
  });
  impl->replace(std::move(e));
  return Status::ok();
}

Status ParamStore::alias(const std::string &name, const std::string &existing) {
  if (Status s = impl->refuseExisting(name); !s)
    return s;
  auto share = [this](const std::string &as, const Impl::Entry &of) {
    Impl::Entry e = of;
    e.info.name = as;
    e.overlay = true;
    impl->append(std::move(e));
  };
  if (const Impl::Entry *e = impl->lookup(existing)) {
    share(name, *e);
    return Status::ok();
  }
  const BlockForm *found = findBlockForm(existing);
  if (!found)
    return Error::at(paramWhere(existing), "is not in the store");
  BlockForm form = *found;
  form.name = name;
  std::string *fields[] = {&form.codes, &form.scales, &form.mins, &form.superScales,
                           &form.superMins};
  for (bool check : {true, false})
    for (std::string *field : fields) {
      if (field->empty())
        continue;
      std::string as = name + field->substr(existing.size()); // ".codes", …
      if (check) {
        if (Status s = impl->refuseExisting(as); !s)
          return s;
        continue;
      }
      share(as, *impl->lookup(*field));
      *field = as;
    }
  impl->addBlockForm(std::move(form));
  return Status::ok();
}

} // namespace fingpt
