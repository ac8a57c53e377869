// Reader of safetensors: `u64 n`, n bytes of JSON, data. Only the header is
// read; it is accepted iff the tensors tile the data exactly to the end of the
// file. There is no alignment guarantee: a tensor may start at any byte.
#ifndef FINGPT_PARAMS_SAFETENSORSFILE_H
#define FINGPT_PARAMS_SAFETENSORSFILE_H

#include "fingpt/Params/ParamStore.h"
#include "fingpt/Support/MappedFile.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fingpt {

struct SafetensorsTensor {
  std::string name;
  Shape shape;
  uint64_t offset = 0; ///< absolute in the file
  uint64_t bytes = 0;
  uint32_t entryAt = 0; ///< where the header names it, for messages
  DType dtype = DType::U8;
};

class SafetensorsFile {
public:
  /// Header length that the format's reference reader accepts at most.
  static constexpr uint64_t kMaxHeader = 100'000'000;

  static Result<std::shared_ptr<const SafetensorsFile>> open(const std::string &path);
  /// Parses an image in memory (for tests and fuzzing), which must outlive the
  /// result. `name` is for messages.
  static Result<std::shared_ptr<const SafetensorsFile>> parse(std::string_view image,
                                                              const std::string &name);

  const std::string &path() const { return name; }
  std::string_view image() const { return bytes; }
  /// Null for an image in memory.
  const MappedFile *mapping() const { return file.get(); }
  /// Keeps the bytes alive without the tables; null for an image in memory.
  std::shared_ptr<const MappedFile> owner() const { return file; }
  /// In the order of their data.
  const std::vector<SafetensorsTensor> &tensors() const { return tensorTable; }
  /// Moves the table out.
  static std::vector<SafetensorsTensor> takeTensors(std::shared_ptr<const SafetensorsFile> file);
  const std::map<std::string, std::string, std::less<>> &metadata() const { return values; }

private:
  SafetensorsFile() = default;
  Status readHeader();

  std::string name;
  std::shared_ptr<const MappedFile> file;
  std::string_view bytes;
  std::vector<SafetensorsTensor> tensorTable;
  std::map<std::string, std::string, std::less<>> values;
};

/// `model.safetensors.index.json`: which shard holds which tensor.
struct SafetensorsIndex {
  struct Weight {
    std::string tensor;
    uint32_t shard; ///< index into `shards`
  };
  std::vector<std::string> shards; ///< plain file names, in order of first use
  std::vector<Weight> weights;

  /// Refuses shard names that are not plain names: the index of a stranger must
  /// not reach outside its directory.
  static Result<SafetensorsIndex> parse(std::string_view text, const std::string &name);
};

} // namespace fingpt

#endif // FINGPT_PARAMS_SAFETENSORSFILE_H
