// Reader of GGUF v2/v3: metadata and tensor table, checked against the file's
// size before anything is reserved. The data section is not touched.
#ifndef FINGPT_PARAMS_GGUFFILE_H
#define FINGPT_PARAMS_GGUFFILE_H

#include "fingpt/Params/ParamStore.h"
#include "fingpt/Support/MappedFile.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace fingpt {

enum class GGUFType : uint32_t {
  U8 = 0,
  I8,
  U16,
  I16,
  U32,
  I32,
  F32,
  Bool,
  String,
  Array,
  U64,
  I64,
  F64
};

/// One metadata value. Strings and arrays are views into the mapping.
struct GGUFValue {
  GGUFType type;
  std::variant<uint64_t, int64_t, double, bool, std::string_view> scalar;
  GGUFType elementType = GGUFType::U8; ///< of an array
  uint64_t count = 0;                  ///< of an array
  std::string_view payload;            ///< bytes of an array's items
};

struct GGUFTensor {
  std::string name;
  uint32_t type;   ///< ggml type id
  Shape shape;     ///< row-major: the reverse of the file's ne[]
  uint64_t offset; ///< absolute in the file
  uint64_t bytes;
};

class GGUFFile {
public:
  static Result<std::shared_ptr<const GGUFFile>> open(const std::string &path);
  /// Parses an image in memory (for tests and fuzzing). `name` is for messages.
  static Result<std::shared_ptr<const GGUFFile>> parse(std::string_view image,
                                                       const std::string &name);

  const std::string &path() const { return name; }
  std::string_view image() const { return bytes; }
  /// Null for an image in memory, which must outlive this object.
  const MappedFile *mapping() const { return file.get(); }
  uint32_t version() const { return fileVersion; }
  const std::vector<GGUFTensor> &tensors() const { return tensorTable; }
  const std::map<std::string, GGUFValue, std::less<>> &metadata() const { return values; }
  const GGUFValue *find(std::string_view key) const;

  /// Typed access; an integer of any width is accepted. Errors name file and key.
  Result<int64_t> integer(std::string_view key) const;
  Result<int64_t> integer(std::string_view key, int64_t fallback) const;
  Result<double> number(std::string_view key, double fallback) const;
  Result<bool> boolean(std::string_view key, bool fallback) const;
  Result<std::string> string(std::string_view key) const;
  Result<std::string> string(std::string_view key, std::string fallback) const;
  Result<std::vector<std::string_view>> strings(std::string_view key) const;
  Result<std::vector<double>> numbers(std::string_view key) const;
  Result<std::vector<int64_t>> integers(std::string_view key) const;

private:
  GGUFFile() = default;
  Status read();

  std::string name;
  std::shared_ptr<const MappedFile> file;
  std::string_view bytes;
  uint32_t fileVersion = 0;
  std::map<std::string, GGUFValue, std::less<>> values;
  std::vector<GGUFTensor> tensorTable;
};

/// The files of a split model in order, the first (NAME-00001-of-0000N.gguf) given: the
/// others lie beside it, and must agree about numbers and tensors. A whole model is one
/// file; so is an image in memory, which has no siblings to look for.
Result<GGUFSplits> openSplits(std::shared_ptr<const GGUFFile> first);

/// Name of a ggml type id ("Q4_K"), elements and bytes per block; null name if
/// unknown or retired.
struct GGMLTypeInfo {
  const char *name = nullptr;
  uint32_t blockElements = 0, blockBytes = 0;
};
GGMLTypeInfo ggmlTypeInfo(uint32_t type);

} // namespace fingpt

#endif // FINGPT_PARAMS_GGUFFILE_H
