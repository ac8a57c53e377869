#include "fingpt/Params/GGUFFile.h"
#include "Where.h"

#include "fingpt/Support/Checked.h"

#include <optional>
#include <unordered_set>

namespace fingpt {

GGMLTypeInfo ggmlTypeInfo(uint32_t type) {
  // Indexed by id; the holes are retired types (ggml.h).
  static constexpr GGMLTypeInfo kTypes[] = {
      {"F32", 1, 4},
      {"F16", 1, 2},
      {"Q4_0", 32, 18},
      {"Q4_1", 32, 20},
      {},
      {},
      {"Q5_0", 32, 22},
      {"Q5_1", 32, 24},
      {"Q8_0", 32, 34},
      {"Q8_1", 32, 36},
      {"Q2_K", 256, 84},
      {"Q3_K", 256, 110},
      {"Q4_K", 256, 144},
      {"Q5_K", 256, 176},
      {"Q6_K", 256, 210},
      {"Q8_K", 256, 292},
      {"IQ2_XXS", 256, 66},
      {"IQ2_XS", 256, 74},
      {"IQ3_XXS", 256, 98},
      {"IQ1_S", 256, 50},
      {"IQ4_NL", 32, 18},
      {"IQ3_S", 256, 110},
      {"IQ2_S", 256, 82},
      {"IQ4_XS", 256, 136},
      {"I8", 1, 1},
      {"I16", 1, 2},
      {"I32", 1, 4},
      {"I64", 1, 8},
      {"F64", 1, 8},
      {"IQ1_M", 256, 56},
      {"BF16", 1, 2},
      {},
      {},
      {},
      {"TQ1_0", 256, 54},
      {"TQ2_0", 256, 66},
      {},
      {},
      {},
      {"MXFP4", 32, 17},
      {"NVFP4", 64, 36},
  };
  return type < sizeof kTypes / sizeof *kTypes ? kTypes[type] : GGMLTypeInfo{};
}

namespace {

/// Bytes of one scalar in the file; for strings the least they take.
constexpr uint64_t kValueBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};
constexpr uint32_t kTypeCount = sizeof kValueBytes / sizeof *kValueBytes;
constexpr const char *kTypeNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                      "bool", "string", "array", "u64", "i64", "f64"};

const char *typeName(GGUFType type) { return kTypeNames[static_cast<uint32_t>(type)]; }

using Scalar = decltype(GGUFValue::scalar);

/// `p` has the bytes of a value of `type`, which is no string and no array.
Scalar loadScalar(GGUFType type, const char *p) {
  switch (type) {
  case GGUFType::U8:
    return static_cast<uint64_t>(loadAs<uint8_t>(p));
  case GGUFType::I8:
    return static_cast<int64_t>(loadAs<int8_t>(p));
  case GGUFType::U16:
    return static_cast<uint64_t>(loadAs<uint16_t>(p));
  case GGUFType::I16:
    return static_cast<int64_t>(loadAs<int16_t>(p));
  case GGUFType::U32:
    return static_cast<uint64_t>(loadAs<uint32_t>(p));
  case GGUFType::I32:
    return static_cast<int64_t>(loadAs<int32_t>(p));
  case GGUFType::F32:
    return static_cast<double>(loadAs<float>(p));
  case GGUFType::Bool:
    return loadAs<uint8_t>(p) != 0;
  case GGUFType::I64:
    return loadAs<int64_t>(p);
  case GGUFType::F64:
    return loadAs<double>(p);
  default:
    return loadAs<uint64_t>(p);
  }
}

class Reader {
public:
  Reader(std::string_view image, const std::string &file) : image(image), file(file) {}

  bool header(uint32_t &version, uint64_t &tensors, uint64_t &pairs) {
    std::string_view magic = image.substr(0, 4);
    if (magic != "GGUF")
      return fail(0, "magic", "\"GGUF\"", quote(magic));
    at = 4;
    if (!get(version, "version"))
      return false;
    if (version != 2 && version != 3)
      return fail(4, version >= 1u << 16 ? "version (byte order?)" : "version", "2 or 3",
                  std::to_string(version));
    // Least bytes of an entry: name length, n_dims, type, offset; key length,
    // type, one byte of value.
    return count(tensors, "tensor count", 24) && count(pairs, "metadata count", 13);
  }

  bool pair(std::map<std::string, GGUFValue, std::less<>> &values) {
    uint64_t keyAt = at;
    std::string_view key;
    if (!string(key, "key"))
      return false;
    subject = "key " + quote(key) + ": ";
    GGUFValue value;
    if (!type(value.type) || !read(value))
      return false;
    subject.clear();
    if (!values.emplace(std::string(key), value).second)
      return fail(keyAt, "key " + quote(key) + ": appears twice");
    return true;
  }

  bool tensor(GGUFTensor &t, uint64_t &entryAt) {
    entryAt = at;
    std::string_view name;
    if (!string(name, "tensor name"))
      return false;
    subject = "tensor " + quote(name) + ": ";
    if (name.size() >= 64)
      return fail(entryAt, "length of the name", "at most 63", std::to_string(name.size()));
    t.name = name;
    uint32_t rank;
    uint64_t rankAt = at;
    if (!get(rank, "number of dimensions"))
      return false;
    if (rank > 4)
      return fail(rankAt, "number of dimensions", "at most 4", std::to_string(rank));
    t.shape.resize(rank);
    uint64_t rows = 1, width = 1, dimsAt = at;
    bool overflow = false;
    for (uint32_t i = 0; i < rank; ++i) {
      uint64_t dimAt = at, dim;
      if (!get(dim, "dimension"))
        return false;
      if (dim == 0 || dim > static_cast<uint64_t>(INT64_MAX))
        return fail(dimAt, "dimension", "1 to 2^63-1", std::to_string(dim));
      t.shape[rank - 1 - i] = static_cast<int64_t>(dim);
      if (i == 0)
        width = dim;
      else if (auto product = checkedMul(rows, dim))
        rows = *product;
      else
        overflow = true;
    }
    uint64_t typeAt = at;
    if (!get(t.type, "type"))
      return false;
    GGMLTypeInfo info = ggmlTypeInfo(t.type);
    if (!info.name)
      return fail(typeAt, "type", "a ggml type in use", std::to_string(t.type));
    if (width % info.blockElements != 0)
      return fail(dimsAt, "row width",
                  "a multiple of " + std::to_string(info.blockElements) + " for " + info.name,
                  std::to_string(width));
    auto size = checkedMul(width / info.blockElements, info.blockBytes);
    size = size ? checkedMul(*size, rows) : size;
    auto elements = checkedMul(width, rows);
    if (overflow || !size || !elements || *elements > static_cast<uint64_t>(INT64_MAX) / 8)
      return fail(dimsAt, "shape " + shapeText(t.shape) + " overflows");
    t.bytes = *size;
    if (!get(t.offset, "offset"))
      return false;
    subject.clear();
    return true;
  }

  bool fail(uint64_t where, const std::string &what) {
    if (!error)
      error = Error::at(fileAt(file, where), subject + what);
    return false;
  }
  bool fail(uint64_t where, const std::string &what, std::string_view expected,
            std::string_view got) {
    if (!error)
      error = Error::at(fileAt(file, where), subject + what, expected, got);
    return false;
  }
  Error takeError() { return std::move(*error); }
  uint64_t position() const { return at; }

private:
  uint64_t left() const { return image.size() - at; }

  template <typename T> bool get(T &value, const char *what) {
    if (left() < sizeof(T))
      return fail(at, what, std::to_string(sizeof(T)) + " bytes",
                  std::to_string(left()) + " (the file ends)");
    value = loadAs<T>(image.data() + at);
    at += sizeof(T);
    return true;
  }

  bool count(uint64_t &value, const char *what, uint64_t leastBytes) {
    uint64_t where = at;
    if (!get(value, what))
      return false;
    if (value > left() / leastBytes)
      return fail(where, what, atMost(left() / leastBytes) + " (bytes left in the file)",
                  std::to_string(value));
    return true;
  }

  bool string(std::string_view &out, const std::string &what) {
    uint64_t length, where = at;
    if (!get(length, "string length"))
      return false;
    if (length > left())
      return fail(where, "length of the " + what, atMost(left()) + " (bytes left in the file)",
                  std::to_string(length));
    out = image.substr(at, length);
    at += length;
    return true;
  }

  bool type(GGUFType &out) {
    uint64_t where = at;
    uint32_t id;
    if (!get(id, "value type"))
      return false;
    if (id >= kTypeCount)
      return fail(where, "value type", "0 to 12", std::to_string(id));
    out = static_cast<GGUFType>(id);
    return true;
  }

  bool read(GGUFValue &value) {
    if (value.type == GGUFType::Array)
      return array(value);
    if (value.type == GGUFType::String) {
      std::string_view text;
      if (!string(text, "string"))
        return false;
      value.scalar = text;
      return true;
    }
    uint64_t size = kValueBytes[static_cast<uint32_t>(value.type)];
    if (left() < size)
      return fail(at, "value", std::to_string(size) + " bytes",
                  std::to_string(left()) + " (the file ends)");
    if (value.type == GGUFType::Bool && static_cast<uint8_t>(image[at]) > 1)
      return fail(at, "bool", "0 or 1", std::to_string(static_cast<uint8_t>(image[at])));
    value.scalar = loadScalar(value.type, image.data() + at);
    at += size;
    return true;
  }

  bool array(GGUFValue &value) {
    uint64_t typeAt = at;
    if (!type(value.elementType))
      return false;
    if (value.elementType == GGUFType::Array)
      return fail(typeAt, "type of array elements", "a scalar or a string", "array");
    uint64_t size = kValueBytes[static_cast<uint32_t>(value.elementType)];
    if (!count(value.count, "array length", size))
      return false;
    uint64_t begin = at;
    if (value.elementType == GGUFType::String) {
      std::string_view item;
      for (uint64_t i = 0; i < value.count; ++i)
        if (!string(item, "string"))
          return false;
    } else {
      at += value.count * size; // count() has compared it with what is left
    }
    value.payload = image.substr(begin, at - begin);
    return true;
  }

  std::string_view image;
  const std::string &file;
  std::string subject; ///< "tensor NAME: " for messages
  uint64_t at = 0;
  std::optional<Error> error;
};

/// Rounds up to a power of two.
std::optional<uint64_t> padded(uint64_t n, uint64_t alignment) {
  auto sum = checkedAdd(n, alignment - 1);
  return sum ? std::optional<uint64_t>(*sum & ~(alignment - 1)) : sum;
}

} // namespace

Status GGUFFile::read() {
  Reader r(bytes, name);
  uint64_t tensorCount = 0, pairCount = 0;
  if (!r.header(fileVersion, tensorCount, pairCount))
    return r.takeError();
  for (uint64_t i = 0; i < pairCount; ++i)
    if (!r.pair(values))
      return r.takeError();

  uint64_t alignment = 32;
  if (const GGUFValue *v = find("general.alignment")) {
    std::string where = escaped(name, 1000) + ":general.alignment";
    if (v->type != GGUFType::U32)
      return Error::at(where, "type", "u32", typeName(v->type));
    alignment = std::get<uint64_t>(v->scalar);
    if (alignment == 0 || (alignment & (alignment - 1)) != 0)
      return Error::at(where, "alignment", "a power of two", std::to_string(alignment));
  }

  std::unordered_set<std::string> names;
  std::vector<uint64_t> entryAt;
  for (uint64_t i = 0; i < tensorCount; ++i) {
    GGUFTensor t;
    uint64_t where = 0;
    if (!r.tensor(t, where))
      return r.takeError();
    if (!names.insert(t.name).second)
      return Error::at(fileAt(name, where), ofTensor(t.name, "appears twice"));
    tensorTable.push_back(std::move(t));
    entryAt.push_back(where);
  }
  if (tensorTable.empty())
    return Status::ok();

  // Offsets must be the running sum of padded sizes: no gap, no overlap, no
  // reordering. Only the last tensor may lack its padding.
  auto dataStart = padded(r.position(), alignment);
  uint64_t sum = 0;
  for (size_t i = 0; i < tensorTable.size(); ++i) {
    GGUFTensor &t = tensorTable[i];
    auto fail = [&](const std::string &what, const std::string &expected, const std::string &got) {
      return Error::at(fileAt(name, entryAt[i]), ofTensor(t.name, what), expected, got);
    };
    if (t.offset != sum)
      return fail("offset", std::to_string(sum) + " (padded sizes before it)",
                  std::to_string(t.offset));
    auto offset = dataStart ? checkedAdd(*dataStart, sum) : dataStart;
    if (!offset || !extentFits(*offset, t.bytes, bytes.size())) {
      uint64_t left = offset && *offset < bytes.size() ? bytes.size() - *offset : 0;
      return fail("bytes of data", std::to_string(t.bytes),
                  std::to_string(left) + " left in the file");
    }
    t.offset = *offset;
    // Cannot wrap: the extent lies in the file, and alignment is below 2^32.
    sum = *padded(sum + t.bytes, alignment);
  }
  return Status::ok();
}

Result<std::shared_ptr<const GGUFFile>> GGUFFile::parse(std::string_view image,
                                                        const std::string &name) {
  std::shared_ptr<GGUFFile> f(new GGUFFile);
  f->name = name;
  f->bytes = image;
  if (Status s = f->read(); !s)
    return s.takeError();
  return std::shared_ptr<const GGUFFile>(std::move(f));
}

Result<std::shared_ptr<const GGUFFile>> GGUFFile::open(const std::string &path) {
  auto mapped = MappedFile::open(path);
  if (!mapped)
    return mapped.takeError();
  std::shared_ptr<GGUFFile> f(new GGUFFile);
  f->name = path;
  f->file = *mapped;
  f->bytes = f->file->view();
  if (Status s = f->read(); !s)
    return s.takeError();
  return std::shared_ptr<const GGUFFile>(std::move(f));
}

const GGUFValue *GGUFFile::find(std::string_view key) const {
  auto it = values.find(key);
  return it == values.end() ? nullptr : &it->second;
}

//===-- Typed access ------------------------------------------------------===//

static Error badValue(const GGUFFile &file, std::string_view key, const GGUFValue *value,
                      const char *expected) {
  std::string where = escaped(file.path(), 1000) + ":" + escaped(key);
  if (!value)
    return Error::at(where, "missing", expected, "nothing");
  if (value->type == GGUFType::Array)
    return Error::at(where, "wrong type", expected,
                     std::string("an array of ") + typeName(value->elementType));
  return Error::at(where, "wrong type", expected, typeName(value->type));
}

/// An integer of any width; nullopt if it is none or beyond i64.
static std::optional<int64_t> asInteger(const Scalar &scalar) {
  if (const auto *u = std::get_if<uint64_t>(&scalar))
    return *u <= static_cast<uint64_t>(INT64_MAX) ? std::optional(static_cast<int64_t>(*u))
                                                  : std::nullopt;
  if (const auto *i = std::get_if<int64_t>(&scalar))
    return *i;
  return std::nullopt;
}

static std::optional<double> asNumber(const Scalar &scalar) {
  if (const auto *d = std::get_if<double>(&scalar))
    return *d;
  if (const auto *u = std::get_if<uint64_t>(&scalar))
    return static_cast<double>(*u);
  if (const auto *i = std::get_if<int64_t>(&scalar))
    return static_cast<double>(*i);
  return std::nullopt;
}

Result<int64_t> GGUFFile::integer(std::string_view key) const {
  const GGUFValue *v = find(key);
  if (v && v->type != GGUFType::Array)
    if (std::optional<int64_t> n = asInteger(v->scalar))
      return *n;
  return badValue(*this, key, v, "an integer below 2^63");
}
Result<int64_t> GGUFFile::integer(std::string_view key, int64_t fallback) const {
  return find(key) ? integer(key) : Result<int64_t>(fallback);
}
Result<double> GGUFFile::number(std::string_view key, double fallback) const {
  const GGUFValue *v = find(key);
  if (!v)
    return fallback;
  if (v->type != GGUFType::Array)
    if (std::optional<double> n = asNumber(v->scalar))
      return *n;
  return badValue(*this, key, v, "a number");
}
Result<bool> GGUFFile::boolean(std::string_view key, bool fallback) const {
  const GGUFValue *v = find(key);
  if (!v)
    return fallback;
  if (v->type == GGUFType::Bool)
    return std::get<bool>(v->scalar);
  return badValue(*this, key, v, "a bool");
}
Result<std::string> GGUFFile::string(std::string_view key) const {
  const GGUFValue *v = find(key);
  if (v && v->type == GGUFType::String)
    return std::string(std::get<std::string_view>(v->scalar));
  return badValue(*this, key, v, "a string");
}
Result<std::string> GGUFFile::string(std::string_view key, std::string fallback) const {
  return find(key) ? string(key) : Result<std::string>(std::move(fallback));
}

Result<std::vector<std::string_view>> GGUFFile::strings(std::string_view key) const {
  const GGUFValue *v = find(key);
  if (!v || v->type != GGUFType::Array || v->elementType != GGUFType::String)
    return badValue(*this, key, v, "an array of strings");
  std::vector<std::string_view> out;
  out.reserve(v->count); // the reader has walked every item
  for (size_t at = 0; at < v->payload.size();) {
    auto length = loadAs<uint64_t>(v->payload.data() + at);
    out.push_back(v->payload.substr(at + 8, length));
    at += 8 + length;
  }
  return out;
}

template <typename T, typename Convert>
static Result<std::vector<T>> items(const GGUFFile &file, std::string_view key,
                                    const char *expected, Convert convert) {
  const GGUFValue *v = file.find(key);
  if (!v || v->type != GGUFType::Array || v->elementType == GGUFType::String)
    return badValue(file, key, v, expected);
  uint64_t size = kValueBytes[static_cast<uint32_t>(v->elementType)];
  std::vector<T> out;
  out.reserve(v->count);
  for (uint64_t i = 0; i < v->count; ++i) {
    std::optional<T> item = convert(loadScalar(v->elementType, v->payload.data() + i * size));
    if (!item)
      return badValue(file, key, v, expected);
    out.push_back(*item);
  }
  return out;
}

Result<std::vector<double>> GGUFFile::numbers(std::string_view key) const {
  return items<double>(*this, key, "an array of numbers", asNumber);
}
Result<std::vector<int64_t>> GGUFFile::integers(std::string_view key) const {
  return items<int64_t>(*this, key, "an array of integers below 2^63", asInteger);
}

} // namespace fingpt
