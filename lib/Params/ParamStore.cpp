#include "ParamStoreImpl.h"
#include "Where.h"

#include "fingpt/Support/Checked.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <sys/mman.h>

namespace fingpt {

Result<std::shared_ptr<uint8_t>> allocateBytes(uint64_t bytes, const std::string &forWhat) {
  auto refuse = [&] {
    return Error::at(forWhat, "out of memory", std::to_string(bytes) + " bytes", "none");
  };
  // Large blocks are mapped, so that release() gives them back at once instead
  // of leaving holes in the heap.
  constexpr uint64_t kMapped = 1u << 20;
  if (bytes >= kMapped) {
    if (bytes > static_cast<uint64_t>(PTRDIFF_MAX))
      return refuse();
    void *p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
      return refuse();
    return std::shared_ptr<uint8_t>(static_cast<uint8_t *>(p),
                                    [bytes](uint8_t *q) { ::munmap(q, bytes); });
  }
  void *p = std::aligned_alloc(64, ceilDiv(bytes == 0 ? 1 : bytes, 64) * 64);
  if (!p)
    return refuse();
  return std::shared_ptr<uint8_t>(static_cast<uint8_t *>(p), std::free);
}

std::optional<uint64_t> denseBytes(DType dtype, const Shape &shape) {
  uint64_t product = dtypeSize(dtype);
  bool zero = false;
  for (int64_t dim : shape) {
    if (dim < 0)
      return std::nullopt;
    zero |= dim == 0;
    auto next = checkedMul(product, dim == 0 ? 1 : static_cast<uint64_t>(dim));
    if (!next || *next > static_cast<uint64_t>(INT64_MAX))
      return std::nullopt;
    product = *next;
  }
  return zero ? 0 : product;
}

//===-- Impl --------------------------------------------------------------===//

Status ParamStore::Impl::describe(Entry &entry, const std::string &name, DType dtype, Shape shape,
                                  const char *source) const {
  std::optional<uint64_t> bytes = denseBytes(dtype, shape);
  if (!bytes)
    return Error::at(paramWhere(name),
                     "shape " + escaped(shapeText(shape)) + " is negative or overflows");
  entry.info.name = name;
  entry.info.dtype = dtype;
  entry.info.shape = std::move(shape);
  entry.info.bytes = *bytes;
  entry.info.source = source;
  entry.overlay = true;
  return Status::ok();
}

Status ParamStore::Impl::refuseExisting(const std::string &name) const {
  if (const Entry *e = lookup(name))
    return Error::at(paramWhere(name), "exists already, from " + escaped(e->info.source, 1000));
  if (blockIndex.count(name))
    return Error::at(paramWhere(name), "exists already, as a block-quantized tensor");
  return Status::ok();
}

void ParamStore::Impl::replace(Entry entry) {
  Entry *old = lookup(entry.info.name);
  if (!old)
    return append(std::move(entry));
  // The index refers to the old name's characters: they stay where they are.
  entry.overlay = old->overlay;
  std::string name = std::move(old->info.name);
  *old = std::move(entry);
  old->info.name = std::move(name);
  index.erase(std::string_view(old->info.name));
  index.emplace(old->info.name, old);
}

void ParamStore::Impl::setPlain(Entry &entry, const uint8_t *data) {
  entry.data = data;
  entry.extent = entry.info.bytes;
  if (reinterpret_cast<uintptr_t>(data) % dtypeSize(entry.info.dtype) == 0)
    return;
  entry.lazy = std::make_shared<Lazy>(
      [data, bytes = entry.info.bytes, owner = entry.owner,
       where = paramWhere(entry.info.name)]() -> Result<std::shared_ptr<const void>> {
        auto copy = allocateBytes(bytes, where);
        if (!copy)
          return copy.takeError();
        std::memcpy(copy->get(), data, bytes);
        return std::shared_ptr<const void>(std::move(*copy));
      });
}

//===-- Access ------------------------------------------------------------===//

ParamStore::ParamStore() : impl(std::make_unique<Impl>()) {}
ParamStore::~ParamStore() = default;
ParamStore::ParamStore(ParamStore &&) noexcept = default;
ParamStore &ParamStore::operator=(ParamStore &&) noexcept = default;

const ParamInfo *ParamStore::find(std::string_view name) const {
  const Impl::Entry *e = impl->lookup(name);
  return e ? &e->info : nullptr;
}

std::vector<const ParamInfo *> ParamStore::list() const {
  std::vector<const ParamInfo *> out;
  out.reserve(impl->entries.size());
  for (bool overlay : {false, true})
    for (const Impl::Entry &e : impl->entries)
      if (e.overlay == overlay)
        out.push_back(&e.info);
  return out;
}

const std::vector<BlockForm> &ParamStore::blockForms() const { return impl->blockForms; }

const BlockForm *ParamStore::findBlockForm(std::string_view tensor) const {
  auto it = impl->blockIndex.find(std::string(tensor));
  return it == impl->blockIndex.end() ? nullptr : &impl->blockForms[it->second];
}

Result<TensorData> ParamStore::get(std::string_view name) const {
  Impl::Entry *e = impl->lookup(name);
  if (!e)
    return Error::at(paramWhere(name), "is not in the store");
  if (!e->lazy)
    return TensorData{e->data, e->info.bytes, e->owner};
  std::lock_guard<std::mutex> lock(e->lazy->mutex);
  if (!e->lazy->made) {
    try {
      auto made = e->lazy->make();
      if (!made)
        return made.takeError();
      e->lazy->made = std::move(*made);
    } catch (const std::bad_alloc &) { // a putLazy() function works with vectors
      return Error::at(paramWhere(name), "out of memory");
    }
  }
  return TensorData{e->lazy->made.get(), e->info.bytes, e->lazy->made};
}

void ParamStore::release(std::string_view name) const {
  Impl::Entry *e = impl->lookup(name);
  if (!e)
    return;
  if (e->lazy) {
    std::lock_guard<std::mutex> lock(e->lazy->mutex);
    e->lazy->made.reset();
  }
  if (e->mapping)
    e->mapping->dropPages(static_cast<size_t>(e->data - e->mapping->data()), e->extent);
}

void ParamStore::releasePart(std::string_view name, uint64_t offset, uint64_t bytes) const {
  const Impl::Entry *e = impl->lookup(name);
  if (e && e->mapping && !e->lazy && offset < e->extent)
    e->mapping->dropPages(static_cast<size_t>(e->data - e->mapping->data()) + offset,
                          std::min(bytes, e->extent - offset));
}

} // namespace fingpt
