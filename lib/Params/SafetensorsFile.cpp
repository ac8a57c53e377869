#include "fingpt/Params/SafetensorsFile.h"
#include "JsonCursor.h"
#include "Where.h"

#include "fingpt/Support/Checked.h"

#include <algorithm>
#include <tuple>
#include <unordered_set>

namespace fingpt {

namespace {

/// Bits of one element for every dtype of the format, 0 if there is none such.
unsigned dtypeBits(std::string_view name) {
  DType dtype;
  if (parseDType(name, dtype))
    return static_cast<unsigned>(dtypeSize(dtype) * 8);
  struct Row {
    std::string_view name;
    unsigned bits;
  };
  static constexpr Row kOthers[] = {{"C64", 64}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8},
                                    {"F4", 4},   {"F6_E2M3", 6},     {"F6_E3M2", 6}};
  for (const Row &row : kOthers)
    if (row.name == name)
      return row.bits;
  return 0;
}

/// More dimensions than NumPy or torch can say are no tensor.
constexpr size_t kMaxRank = 64;

class HeaderReader {
public:
  HeaderReader(std::string_view header, const std::string &file, uint64_t dataSize)
      : cursor(header, file, 8), dataStart(8 + header.size()), dataSize(dataSize) {}

  Status read(std::vector<SafetensorsTensor> &tensors,
              std::map<std::string, std::string, std::less<>> &metadata) {
    bool sawMetadata = false;
    bool ok = cursor.object(
        [&](std::string &key, size_t at) {
          if (key != "__metadata__")
            return entry(key, at, tensors);
          if (sawMetadata)
            return cursor.fail(at, "duplicate key \"__metadata__\"");
          sawMetadata = true;
          return readMetadata(metadata);
        },
        "a JSON object");
    if (!ok || !cursor.finish() || !namesAreUnique(tensors) || !tiles(tensors))
      return cursor.takeError();
    return Status::ok();
  }

private:
  bool fail(const SafetensorsTensor &t, std::string_view what) {
    return cursor.fail(t.entryAt - 8, ofTensor(t.name, what));
  }
  bool fail(const SafetensorsTensor &t, std::string_view what, std::string_view expected,
            std::string_view got) {
    return cursor.fail(t.entryAt - 8, ofTensor(t.name, what), expected, got);
  }

  bool readMetadata(std::map<std::string, std::string, std::less<>> &metadata) {
    if (cursor.null())
      return true;
    return cursor.object(
        [&](std::string &key, size_t at) {
          std::string value;
          if (!cursor.string(value, "a string as metadata value"))
            return false;
          if (!metadata.emplace(key, std::move(value)).second)
            return cursor.fail(at, "duplicate key " + quote(key));
          return true;
        },
        "an object or null as \"__metadata__\"");
  }

  bool readShape(SafetensorsTensor &t) {
    return cursor.array(
        [&] {
          size_t at = cursor.position();
          uint64_t dim;
          if (!cursor.integer(dim, "dimension"))
            return false;
          if (dim > static_cast<uint64_t>(INT64_MAX))
            return cursor.fail(at, "dimension", atMost(INT64_MAX), std::to_string(dim));
          if (t.shape.size() == kMaxRank)
            return cursor.fail(at, ofTensor(t.name, "more than 64 dimensions"));
          t.shape.push_back(static_cast<int64_t>(dim));
          return true;
        },
        "an array as \"shape\"");
  }

  bool readExtent(uint64_t (&extent)[2]) {
    size_t at = cursor.position(), count = 0;
    bool ok = cursor.array(
        [&] {
          uint64_t value;
          if (!cursor.integer(value, "data offset"))
            return false;
          if (count < 2)
            extent[count] = value;
          ++count;
          return true;
        },
        "an array as \"data_offsets\"");
    if (ok && count != 2)
      return cursor.fail(at, "\"data_offsets\"", "2 numbers", std::to_string(count));
    return ok;
  }

  bool entry(std::string &name, size_t at, std::vector<SafetensorsTensor> &tensors) {
    SafetensorsTensor t;
    t.name = std::move(name);
    t.entryAt = static_cast<uint32_t>(8 + at); // fits: the header is ≤ 10^8 bytes
    std::string dtype;
    uint64_t extent[2] = {0, 0};
    bool seen[3] = {false, false, false};
    auto once = [&](int field, std::string_view key, size_t keyAt) {
      if (seen[field])
        return cursor.fail(keyAt, "duplicate key " + quote(key));
      return seen[field] = true;
    };
    bool ok = cursor.object(
        [&](std::string &key, size_t keyAt) {
          if (key == "dtype")
            return once(0, key, keyAt) && cursor.string(dtype, "a string as \"dtype\"");
          if (key == "shape")
            return once(1, key, keyAt) && readShape(t);
          if (key == "data_offsets")
            return once(2, key, keyAt) && readExtent(extent);
          return cursor.skip();
        },
        "an object as tensor entry");
    if (!ok)
      return false;
    static constexpr const char *kFields[] = {"dtype", "shape", "data_offsets"};
    for (int i = 0; i < 3; ++i)
      if (!seen[i])
        return fail(t, std::string("\"") + kFields[i] + "\" is missing");
    if (!checkExtent(t, dtype, extent[0], extent[1]))
      return false;
    tensors.push_back(std::move(t));
    return true;
  }

  bool checkExtent(SafetensorsTensor &t, const std::string &dtype, uint64_t begin, uint64_t end) {
    unsigned bits = dtypeBits(dtype);
    if (bits == 0)
      return fail(t, "unknown dtype " + quote(dtype, 40));
    // Zero dimensions are left out, so that what a consumer computes from the
    // shape (strides, say) cannot overflow either.
    uint64_t product = 1;
    bool zero = false;
    for (int64_t dim : t.shape) {
      zero |= dim == 0;
      auto next = checkedMul(product, dim == 0 ? 1 : static_cast<uint64_t>(dim));
      if (!next || *next > static_cast<uint64_t>(INT64_MAX) / 8)
        return fail(t, "shape " + escaped(shapeText(t.shape)) + " overflows");
      product = *next;
    }
    uint64_t elements = zero ? 0 : product;
    auto sizeBits = checkedMul(elements, bits);
    if (!sizeBits)
      return fail(t, "shape " + escaped(shapeText(t.shape)) + " overflows");
    if (*sizeBits % 8 != 0)
      return fail(t, "shape " + escaped(shapeText(t.shape)) + " of " + dtype, "whole bytes",
                  std::to_string(*sizeBits) + " bits");
    if (!parseDType(dtype, t.dtype))
      return fail(t, "dtype " + dtype + " is not supported");
    if (begin > end)
      return fail(t, "data_offsets are reversed", "begin <= end",
                  "[" + std::to_string(begin) + ", " + std::to_string(end) + "]");
    if (end > dataSize)
      return fail(t, "data end", atMost(dataSize), std::to_string(end));
    if (end - begin != *sizeBits / 8)
      return fail(t, "bytes of data",
                  std::to_string(*sizeBits / 8) + " for " + escaped(shapeText(t.shape)) + " of " +
                      dtype,
                  std::to_string(end - begin));
    t.offset = dataStart + begin; // both within the file
    t.bytes = end - begin;
    return true;
  }

  bool namesAreUnique(const std::vector<SafetensorsTensor> &tensors) {
    std::unordered_set<std::string_view> names;
    names.reserve(tensors.size());
    for (const SafetensorsTensor &t : tensors)
      if (!names.insert(t.name).second)
        return fail(t, "duplicate name");
    return true;
  }

  /// Sorts by data and requires that the extents tile it without a gap.
  bool tiles(std::vector<SafetensorsTensor> &tensors) {
    auto before = [](const SafetensorsTensor &a, const SafetensorsTensor &b) {
      // Empty tensors lie before what starts where they do.
      return std::tie(a.offset, a.bytes, a.entryAt) < std::tie(b.offset, b.bytes, b.entryAt);
    };
    if (!std::is_sorted(tensors.begin(), tensors.end(), before))
      std::sort(tensors.begin(), tensors.end(), before);
    uint64_t covered = dataStart;
    for (const SafetensorsTensor &t : tensors) {
      if (t.offset != covered)
        return fail(
            t, t.offset < covered ? "data overlaps another tensor" : "hole in the data before it",
            "begin " + std::to_string(covered - dataStart), std::to_string(t.offset - dataStart));
      covered += t.bytes;
    }
    if (covered - dataStart != dataSize)
      return cursor.fail(covered - 8, "bytes after the last tensor", "the end of the file",
                         std::to_string(dataSize - (covered - dataStart)) + " bytes");
    return true;
  }

  JsonCursor cursor;
  uint64_t dataStart, dataSize;
};

} // namespace

Status SafetensorsFile::readHeader() {
  if (bytes.size() < 8)
    return Error::at(fileAt(name, 0), "file too short for a safetensors header length",
                     "at least 8 bytes", std::to_string(bytes.size()));
  uint64_t length = loadAs<uint64_t>(bytes.data()), left = bytes.size() - 8;
  if (length > kMaxHeader)
    return Error::at(fileAt(name, 0), "header length", atMost(kMaxHeader), std::to_string(length));
  if (length < 2)
    return Error::at(fileAt(name, 0), "header length", "at least 2", std::to_string(length));
  if (length > left)
    return Error::at(fileAt(name, 0), "header length", atMost(left) + " (bytes left in the file)",
                     std::to_string(length));
  return HeaderReader(bytes.substr(8, length), name, left - length).read(tensorTable, values);
}

std::vector<SafetensorsTensor>
SafetensorsFile::takeTensors(std::shared_ptr<const SafetensorsFile> file) {
  // Every object of this class is made non-const below; with one owner left
  // nobody sees the table go.
  if (file.use_count() == 1)
    return std::move(std::const_pointer_cast<SafetensorsFile>(file)->tensorTable);
  return file->tensorTable;
}

Result<std::shared_ptr<const SafetensorsFile>> SafetensorsFile::parse(std::string_view image,
                                                                      const std::string &name) {
  std::shared_ptr<SafetensorsFile> f(new SafetensorsFile);
  f->name = name;
  f->bytes = image;
  if (Status s = f->readHeader(); !s)
    return s.takeError();
  return std::shared_ptr<const SafetensorsFile>(std::move(f));
}

Result<std::shared_ptr<const SafetensorsFile>> SafetensorsFile::open(const std::string &path) {
  auto mapped = MappedFile::open(path);
  if (!mapped)
    return mapped.takeError();
  std::shared_ptr<SafetensorsFile> f(new SafetensorsFile);
  f->name = path;
  f->file = *mapped;
  f->bytes = f->file->view();
  if (Status s = f->readHeader(); !s)
    return s.takeError();
  // The header is not needed again; a million tensors make it 75 MB.
  f->file->dropPages(0, f->bytes.size());
  return std::shared_ptr<const SafetensorsFile>(std::move(f));
}

} // namespace fingpt
