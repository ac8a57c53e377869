#include "fingpt/Params/SafetensorsWriter.h"
#include "ParamStoreImpl.h"

#include "fingpt/Support/AtomicDirectory.h"
#include "fingpt/Support/Checked.h"
#include "fingpt/Support/Json.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <unistd.h>
#include <unordered_map>
#include <unordered_set>

namespace fingpt {

struct SafetensorsWriter::Impl {
  struct Tensor {
    std::string name;
    DType dtype;
    Shape shape;
    uint64_t bytes;
    uint64_t offset = 0; ///< from the first tensor
    bool written = false;
  };

  std::string path, temporary;
  std::map<std::string, std::string> metadata = {{"format", "pt"}};
  std::vector<Tensor> tensors;
  std::unordered_set<std::string> names;
  std::unordered_map<std::string, size_t> index; ///< after begin()
  int fd = -1;
  size_t written = 0;
  uint64_t dataStart = 0; ///< of the first tensor in the file
  bool begun = false, finished = false;

  /// A hole between tensors is not allowed, so alignment comes from the order:
  /// sizes that are multiples of 64 first (they keep every start at 64), then
  /// falling powers of two in the size; each start is then a multiple of its
  /// tensor's own power, which its element size divides.
  static unsigned alignmentClass(uint64_t bytes) {
    unsigned power = 0;
    while (power < 6 && (bytes >> power & 1) == 0)
      ++power;
    return power;
  }
  void sort() {
    std::vector<Tensor> sorted;
    sorted.reserve(tensors.size());
    for (int power = 6; power >= 0; --power)
      for (Tensor &t : tensors)
        if (alignmentClass(t.bytes) == static_cast<unsigned>(power))
          sorted.push_back(std::move(t));
    tensors = std::move(sorted);
  }

  Error systemError(const char *what) const {
    return Error::at(escaped(path, 1000), std::string(what) + ": " + std::strerror(errno));
  }
  Status writeAt(uint64_t offset, const void *data, uint64_t size) {
    const char *p = static_cast<const char *>(data);
    while (size > 0) {
      ssize_t n = ::pwrite(fd, p, std::min<uint64_t>(size, 1u << 30), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR)
        continue;
      if (n <= 0)
        return systemError("cannot write");
      p += n;
      offset += static_cast<uint64_t>(n);
      size -= static_cast<uint64_t>(n);
    }
    return Status::ok();
  }
};

SafetensorsWriter::SafetensorsWriter(std::string path) : impl(std::make_unique<Impl>()) {
  impl->path = std::move(path);
  impl->temporary = impl->path + ".partial-" + std::to_string(::getpid());
}

SafetensorsWriter::~SafetensorsWriter() {
  if (impl->fd >= 0)
    ::close(impl->fd);
  if (impl->begun && !impl->finished)
    ::unlink(impl->temporary.c_str());
}

static bool isUtf8(const std::string &text) {
  try {
    (void)Json(text).dump();
    return true;
  } catch (const Json::exception &) {
    return false;
  }
}

Status SafetensorsWriter::declare(const std::string &name, DType dtype, const Shape &shape) {
  std::string where = escaped(impl->path, 1000) + ":" + quote(name);
  if (impl->begun)
    return Error::at(where, "declared after begin()");
  if (name == "__metadata__" || !isUtf8(name))
    return Error::at(where, "no name for a tensor of a safetensors file");
  std::optional<uint64_t> bytes = denseBytes(dtype, shape);
  if (!bytes)
    return Error::at(where, "shape " + escaped(shapeText(shape)) + " is negative or overflows");
  if (!impl->names.insert(name).second)
    return Error::at(where, "declared twice");
  impl->tensors.push_back({name, dtype, shape, *bytes, 0, false});
  return Status::ok();
}

void SafetensorsWriter::metadata(const std::string &key, const std::string &value) {
  impl->metadata[key] = value;
}

std::vector<std::string> SafetensorsWriter::order() const {
  impl->sort();
  std::vector<std::string> out;
  for (const Impl::Tensor &t : impl->tensors)
    out.push_back(t.name);
  return out;
}

Status SafetensorsWriter::begin() {
  if (impl->begun)
    return Error::at(escaped(impl->path, 1000), "begin() called twice");
  impl->sort();
  Json header = Json::object();
  for (const auto &[key, value] : impl->metadata)
    header["__metadata__"][key] = value;
  // Tensors are appended as text: a document of a million entries is large.
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.pop_back();
  uint64_t at = 0;
  for (Impl::Tensor &t : impl->tensors) {
    t.offset = at;
    impl->index[t.name] = static_cast<size_t>(&t - impl->tensors.data());
    auto end = checkedAdd(at, t.bytes);
    if (!end)
      return Error::at(escaped(impl->path, 1000), "total size overflows");
    Json entry = {{"dtype", dtypeName(t.dtype)}, {"shape", t.shape}, {"data_offsets", {at, *end}}};
    text += "," + Json(t.name).dump() + ":" + entry.dump();
    at = *end;
  }
  text += "}";
  text.append((64 - (8 + text.size()) % 64) % 64, ' ');
  if (text.size() > 100'000'000)
    return Error::at(escaped(impl->path, 1000), "header length", "at most 100000000",
                     std::to_string(text.size()));

  impl->fd = ::open(impl->temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (impl->fd < 0)
    return impl->systemError("cannot create");
  impl->begun = true;
  uint64_t length = text.size();
  impl->dataStart = 8 + length;
  if (Status s = impl->writeAt(0, &length, 8); !s)
    return s;
  return impl->writeAt(8, text.data(), text.size());
}

Status SafetensorsWriter::write(const std::string &name, const void *data, uint64_t bytes) {
  std::string where = escaped(impl->path, 1000) + ":" + quote(name);
  if (!impl->begun || impl->finished)
    return Error::at(where, "write() outside of begin() and finish()");
  auto found = impl->index.find(name);
  if (found == impl->index.end())
    return Error::at(where, "was not declared");
  Impl::Tensor &t = impl->tensors[found->second];
  if (t.written)
    return Error::at(where, "written twice");
  if (t.bytes != bytes)
    return Error::at(where, "bytes of data", std::to_string(t.bytes), std::to_string(bytes));
  if (Status s = impl->writeAt(impl->dataStart + t.offset, data, bytes); !s)
    return s;
  t.written = true;
  ++impl->written;
  return Status::ok();
}

Status SafetensorsWriter::finish() {
  std::string where = escaped(impl->path, 1000);
  if (!impl->begun || impl->finished)
    return Error::at(where, "finish() without begin()");
  if (impl->written != impl->tensors.size())
    return Error::at(where, "tensors written", std::to_string(impl->tensors.size()),
                     std::to_string(impl->written));
  if (::fsync(impl->fd) != 0)
    return impl->systemError("cannot sync");
  int fd = impl->fd;
  impl->fd = -1;
  if (::close(fd) != 0)
    return impl->systemError("cannot close");
  if (::rename(impl->temporary.c_str(), impl->path.c_str()) != 0)
    return impl->systemError("cannot rename");
  impl->finished = true;
  // The name is durable only when the directory is.
  size_t slash = impl->path.find_last_of('/');
  std::string directory = slash == std::string::npos ? "." : impl->path.substr(0, slash + 1);
  int dir = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (dir < 0)
    return impl->systemError("cannot open the directory");
  bool synced = ::fsync(dir) == 0;
  ::close(dir);
  return synced ? Status::ok() : Status(impl->systemError("cannot sync the directory"));
}

//===-- Whole stores ------------------------------------------------------===//

static Status writeOne(const ParamStore &store, const std::vector<const ParamInfo *> &infos,
                       const std::string &path) {
  SafetensorsWriter writer(path);
  for (const ParamInfo *info : infos)
    if (Status s = writer.declare(info->name, info->dtype, info->shape); !s)
      return s;
  if (Status s = writer.begin(); !s)
    return s;
  for (const std::string &name : writer.order()) {
    {
      Result<TensorData> data = store.get(name);
      if (!data)
        return data.takeError();
      if (Status s = writer.write(name, data->data, data->bytes); !s)
        return s;
    }
    store.release(name); // one tensor at a time in memory
  }
  return writer.finish();
}

Result<std::vector<std::string>> writeParams(const ParamStore &store,
                                             const std::vector<std::string> &names,
                                             const std::string &directory, uint64_t shardBytes) {
  std::vector<std::vector<const ParamInfo *>> shards(1);
  std::unordered_set<std::string_view> seen;
  uint64_t filled = 0, total = 0;
  for (const std::string &name : names) {
    const ParamInfo *info = store.find(name);
    if (!info)
      return Error::at(paramWhere(name), "is not in the store");
    if (!seen.insert(info->name).second)
      return Error::at(paramWhere(name), "asked for twice");
    if (!shards.back().empty() && !extentFits(filled, info->bytes, shardBytes)) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().push_back(info);
    auto sum = checkedAdd(total, info->bytes);
    if (!sum)
      return Error::at(paramWhere(name), "total size overflows");
    total = *sum;
    filled += info->bytes; // at most the total
  }

  std::vector<std::string> files;
  if (shards.size() == 1) {
    files.push_back("model.safetensors");
    if (Status s = writeOne(store, shards[0], directory + "/" + files[0]); !s)
      return s.takeError();
    return files;
  }
  std::map<std::string, std::string> weightMap;
  for (size_t i = 0; i < shards.size(); ++i) {
    char name[64];
    std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", i + 1, shards.size());
    files.emplace_back(name);
    if (Status s = writeOne(store, shards[i], directory + "/" + name); !s)
      return s.takeError();
    for (const ParamInfo *info : shards[i])
      weightMap.emplace(info->name, name);
  }
  Json index;
  index["metadata"]["total_size"] = total;
  index["weight_map"] = nlohmann::json(weightMap);
  files.emplace_back("model.safetensors.index.json");
  if (Status s = writeFileAtomically(directory + "/" + files.back(), index.dump(2) + "\n"); !s)
    return s.takeError();
  return files;
}

} // namespace fingpt
