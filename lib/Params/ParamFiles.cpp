// Tensors of files: safetensors (alone or by index), GGUF, llama2.c.
#include "BlockFormats.h"
#include "ParamStoreImpl.h"
#include "Where.h"

#include "fingpt/Params/GGUFFile.h"
#include "fingpt/Params/Llama2CFile.h"
#include "fingpt/Params/SafetensorsFile.h"
#include "fingpt/Support/Checked.h"

#include <algorithm>
#include <unordered_set>

namespace fingpt {

namespace {

/// Names of the store and those about to join it: a file joins whole or not at all.
class NewNames {
public:
  template <typename Impl>
  Status claim(const Impl &impl, const std::string &file, const std::string &name) {
    const auto *old = impl.lookup(name);
    if (old)
      return Error::at(escaped(file, 1000),
                       ofTensor(name, "exists already, from " + escaped(old->info.source, 1000)));
    if (!names.insert(name).second || impl.blockIndex.count(name))
      return Error::at(escaped(file, 1000), ofTensor(name, "exists already"));
    return Status::ok();
  }

private:
  std::unordered_set<std::string> names;
};

/// The plain dtype of a ggml type; false for block formats.
bool plainType(uint32_t type, DType &dtype) {
  struct Row {
    uint32_t type;
    DType dtype;
  };
  static constexpr Row kPlain[] = {{0, DType::F32},  {1, DType::F16},  {24, DType::I8},
                                   {25, DType::I16}, {26, DType::I32}, {27, DType::I64},
                                   {28, DType::F64}, {30, DType::BF16}};
  for (const Row &row : kPlain)
    if (row.type == type) {
      dtype = row.dtype;
      return true;
    }
  return false;
}

BlockForm describeBlocks(const GGUFTensor &t, const BlockFormat &f) {
  BlockForm form;
  form.name = t.name;
  form.format = f.name;
  int64_t in = t.shape.empty() ? 1 : t.shape.back(), out = 1;
  for (size_t i = 0; i + 1 < t.shape.size(); ++i)
    out *= t.shape[i]; // the reader has checked the product
  form.shape = {out, in};
  form.bits = f.bits;
  form.codesSigned = f.codesType == DType::I8;
  form.group = f.group;
  form.zero = f.zero;
  if (f.codebook)
    form.codebook.assign(f.codebook, f.codebook + 16);
  form.twoLevel = f.twoLevel;
  form.scaleBits = f.scaleBits;
  form.scalesSigned = f.scalesType == DType::I8;
  form.scaleZero = f.scaleZero;
  form.superGroup = f.twoLevel ? f.elements / f.group : 0;
  for (BlockField field : f.fields()) {
    std::string name = t.name + "." + blockFieldName(field);
    switch (field) {
    case BlockField::Codes:
      form.codes = name;
      break;
    case BlockField::Scales:
      form.scales = name;
      break;
    case BlockField::Mins:
      form.mins = name;
      break;
    case BlockField::SuperScales:
      form.superScales = name;
      break;
    case BlockField::SuperMins:
      form.superMins = name;
      break;
    }
  }
  return form;
}

} // namespace

Status ParamStore::add(std::shared_ptr<const SafetensorsFile> file) {
  if (!impl->entries.empty()) {
    NewNames names;
    for (const SafetensorsTensor &t : file->tensors())
      if (Status s = names.claim(*impl, file->path(), t.name); !s)
        return s;
  }
  const auto *base = reinterpret_cast<const uint8_t *>(file->image().data());
  const std::string path = file->path();
  std::shared_ptr<const MappedFile> owner = file->owner();
  // An image in memory has no owner but the file that views it.
  std::shared_ptr<const void> keep = owner ? std::shared_ptr<const void>(owner) : file;
  std::vector<SafetensorsTensor> tensors = SafetensorsFile::takeTensors(std::move(file));
  impl->index.reserve(impl->index.size() + tensors.size());
  for (SafetensorsTensor &t : tensors) {
    Impl::Entry e;
    e.info = {std::move(t.name), t.dtype, std::move(t.shape), t.bytes, path};
    e.owner = keep;
    e.mapping = owner.get();
    Impl::setPlain(e, base + t.offset);
    impl->append(std::move(e));
  }
  return Status::ok();
}

Status ParamStore::add(std::shared_ptr<const Llama2CFile> file) {
  NewNames names;
  for (const Llama2CTensor &t : file->tensors())
    if (Status s = names.claim(*impl, file->path(), t.name); !s)
      return s;
  const auto *base = reinterpret_cast<const uint8_t *>(file->image().data());
  for (const Llama2CTensor &t : file->tensors()) {
    Impl::Entry e;
    e.info = {t.name, DType::F32, t.shape, t.bytes, file->path()};
    e.owner = file;
    e.mapping = file->mapping();
    Impl::setPlain(e, base + t.offset);
    impl->append(std::move(e));
  }
  return Status::ok();
}

Status ParamStore::add(std::shared_ptr<const GGUFFile> file) {
  Result<GGUFSplits> files = openSplits(std::move(file));
  if (!files)
    return files.takeError();
  return add(*files);
}

Status ParamStore::add(const GGUFSplits &files) {
  NewNames names;
  DType dtype;
  for (const auto &f : files)
    for (const GGUFTensor &t : f->tensors()) {
      if (Status s = names.claim(*impl, f->path(), t.name); !s)
        return s;
      if (plainType(t.type, dtype))
        continue;
      const BlockFormat *format = findBlockFormat(t.type);
      if (!format)
        return Error::at(escaped(f->path(), 1000), ofTensor(t.name, "block format"),
                         "one that can be decoded", ggmlTypeInfo(t.type).name);
      for (BlockField field : format->fields())
        if (Status s = names.claim(*impl, f->path(), t.name + "." + blockFieldName(field)); !s)
          return s;
    }
  for (const auto &f : files)
    impl->addTensors(f);
  return Status::ok();
}

void ParamStore::Impl::addTensors(const std::shared_ptr<const GGUFFile> &file) {
  DType dtype;
  const auto *base = reinterpret_cast<const uint8_t *>(file->image().data());
  for (const GGUFTensor &t : file->tensors()) {
    Entry e;
    e.owner = file;
    e.mapping = file->mapping();
    if (plainType(t.type, dtype)) {
      e.info = {t.name, dtype, t.shape, t.bytes, file->path()};
      setPlain(e, base + t.offset);
      append(std::move(e));
      continue;
    }
    const BlockFormat *format = findBlockFormat(t.type);
    BlockForm form = describeBlocks(t, *format);
    uint64_t blocks = t.bytes / format->bytes;
    for (BlockField field : format->fields()) {
      Entry part = e;
      // A row is whole blocks, so the field of the tensor is that of its blocks
      // one after another, and rows need no padding.
      auto perRow = static_cast<int64_t>(static_cast<uint64_t>(form.shape[1]) / format->elements *
                                         format->fieldElements(field));
      DType type = format->fieldType(field);
      uint64_t bytes = blocks * format->fieldElements(field) * dtypeSize(type);
      part.info = {
          t.name + "." + blockFieldName(field), type, {form.shape[0], perRow}, bytes, file->path()};
      part.data = base + t.offset;
      part.extent = t.bytes;
      part.lazy = std::make_shared<Lazy>(
          [format, field, from = part.data, blocks, bytes, owner = e.owner,
           where = paramWhere(part.info.name)]() -> Result<std::shared_ptr<const void>> {
            auto out = allocateBytes(bytes, where);
            if (!out)
              return out.takeError();
            format->gather(field, from, blocks, out->get());
            return std::shared_ptr<const void>(std::move(*out));
          });
      append(std::move(part));
    }
    addBlockForm(std::move(form));
  }
}

Status ParamStore::addSafetensors(const std::string &path) {
  auto file = SafetensorsFile::open(path);
  if (!file)
    return file.takeError();
  return add(std::move(*file)); // moved: the store takes its table over
}

Status ParamStore::addSafetensorsIndex(const std::string &path) {
  // Like the header of a shard, an index beyond 100 MB is no index.
  Result<std::string> text = readFile(path, SafetensorsFile::kMaxHeader);
  if (!text)
    return text.takeError();
  Result<SafetensorsIndex> index = SafetensorsIndex::parse(*text, path);
  if (!index)
    return index.takeError();

  std::string directory = path.substr(0, path.find_last_of('/') + 1);
  std::vector<std::shared_ptr<const SafetensorsFile>> files;
  for (const std::string &shard : index->shards) {
    auto file = SafetensorsFile::open(directory + shard);
    if (!file)
      return file.takeError();
    files.push_back(*file);
  }

  // Both ways: what the map names is there, what is there the map names.
  std::unordered_map<std::string_view, uint32_t> shardOf;
  for (const SafetensorsIndex::Weight &w : index->weights)
    shardOf.emplace(w.tensor, w.shard);
  size_t found = 0;
  for (uint32_t i = 0; i < files.size(); ++i)
    for (const SafetensorsTensor &t : files[i]->tensors()) {
      auto it = shardOf.find(t.name);
      if (it == shardOf.end() || it->second != i)
        return Error::at(fileAt(files[i]->path(), t.entryAt), ofTensor(t.name, "shard"),
                         it == shardOf.end() ? std::string("an entry of the index")
                                             : quote(index->shards[it->second]) + " by the index",
                         quote(index->shards[i]));
      ++found;
    }
  if (found != index->weights.size()) {
    std::unordered_set<std::string_view> present;
    for (const auto &file : files)
      for (const SafetensorsTensor &t : file->tensors())
        present.insert(t.name);
    for (const SafetensorsIndex::Weight &w : index->weights)
      if (!present.count(w.tensor))
        return Error::at(escaped(path, 1000) + ":/weight_map/" + escaped(w.tensor),
                         "not in its shard " + quote(index->shards[w.shard]));
  }

  NewNames names;
  for (const auto &file : files)
    for (const SafetensorsTensor &t : file->tensors())
      if (Status s = names.claim(*impl, file->path(), t.name); !s)
        return s;
  for (auto &file : files)
    if (Status s = add(std::move(file)); !s)
      return s;
  return Status::ok();
}

Status ParamStore::addFile(const std::string &path) {
  auto mapped = MappedFile::open(path);
  if (!mapped)
    return mapped.takeError();
  std::string_view image = (*mapped)->view();
  auto endsWith = [&](std::string_view end) {
    return path.size() >= end.size() &&
           std::string_view(path).substr(path.size() - end.size()) == end;
  };
  // By content; the extension decides whose complaint about a broken file is
  // the useful one.
  uint64_t length = image.size() >= 8 ? loadAs<uint64_t>(image.data()) : 0;
  bool header = image.size() >= 9 && length <= SafetensorsFile::kMaxHeader &&
                std::string_view("{ \t\r\n").find(image[8]) != std::string_view::npos;
  if (image.substr(0, 4) == "GGUF" || endsWith(".gguf")) {
    auto file = GGUFFile::open(path);
    return file ? add(*file) : Status(file.takeError());
  }
  if (header || endsWith(".safetensors"))
    return addSafetensors(path);
  if (endsWith(".json"))
    return addSafetensorsIndex(path);
  if (image.substr(0, 4) == "PK\x03\x04" || image.substr(0, 1) == "\x80")
    return Error::at(fileAt(path, 0), "format", "safetensors, GGUF or llama2.c (convert it first)",
                     "a PyTorch pickle, which can run code");
  auto file = Llama2CFile::open(path);
  if (file)
    return add(*file);
  if (endsWith(".bin"))
    return file.takeError();
  return Error::at(fileAt(path, 0), "format", "safetensors, GGUF or llama2.c",
                   "bytes " + quote(image.substr(0, 8)));
}

} // namespace fingpt
