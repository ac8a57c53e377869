// What a ParamStore is made of; shared by ParamStore.cpp (access), ParamFiles.cpp
// (tensors of files) and ParamMade.cpp (parameters made by us).
#ifndef FINGPT_LIB_PARAMS_PARAMSTOREIMPL_H
#define FINGPT_LIB_PARAMS_PARAMSTOREIMPL_H

#include "fingpt/Params/ParamStore.h"
#include "fingpt/Support/MappedFile.h"

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>

namespace fingpt {

/// Bytes aligned to 64 that return to the system when the last owner goes.
Result<std::shared_ptr<uint8_t>> allocateBytes(uint64_t bytes, const std::string &forWhat);

/// product(shape)·size, nullopt if a dimension is negative or it overflows.
std::optional<uint64_t> denseBytes(DType dtype, const Shape &shape);

/// Bytes that are made on first use and can be made again.
struct Lazy {
  using Make = std::function<Result<std::shared_ptr<const void>>()>;
  explicit Lazy(Make make) : make(std::move(make)) {}
  const Make make;
  std::mutex mutex; ///< held while making: nobody makes the same bytes twice
  std::shared_ptr<const void> made;
};

struct ParamStore::Impl {
  /// Either `data` (a plain tensor) or `lazy`. A million of these must stay
  /// small, so plain tensors have no mutex.
  struct Entry {
    ParamInfo info;
    std::shared_ptr<const void> owner;
    const MappedFile *mapping = nullptr; ///< where pages can be dropped
    const uint8_t *data = nullptr;       ///< of a lazy entry: its source in the mapping
    uint64_t extent = 0;                 ///< bytes at `data`
    std::shared_ptr<Lazy> lazy;
    bool overlay = false;
  };

  std::deque<Entry> entries; ///< stable addresses
  std::unordered_map<std::string_view, Entry *> index;
  std::vector<BlockForm> blockForms;
  std::unordered_map<std::string, size_t> blockIndex;

  Entry *lookup(std::string_view name) const {
    auto it = index.find(name);
    return it == index.end() ? nullptr : it->second;
  }
  /// The name must be new.
  void append(Entry entry) {
    entries.push_back(std::move(entry));
    index.emplace(entries.back().info.name, &entries.back());
  }
  /// Replaces the entry of that name, keeping its address and place, or appends.
  void replace(Entry entry);
  /// Checks name-independent parts and fills `info`.
  Status describe(Entry &entry, const std::string &name, DType dtype, Shape shape,
                  const char *source) const;
  Status refuseExisting(const std::string &name) const;
  /// An entry of bytes at `data`, by an aligned copy if they are not aligned.
  static void setPlain(Entry &entry, const uint8_t *data);
  /// Appends a file's tensors, whose names and types have been checked.
  void addTensors(const std::shared_ptr<const GGUFFile> &file);
  void addBlockForm(BlockForm form) {
    blockIndex.emplace(form.name, blockForms.size());
    blockForms.push_back(std::move(form));
  }
};

/// `parameter "NAME"`, the WHERE of messages about what no file holds.
inline std::string paramWhere(std::string_view name) { return "parameter " + quote(name); }

} // namespace fingpt

#endif // FINGPT_LIB_PARAMS_PARAMSTOREIMPL_H
