// Streams tensors, one at a time, into one safetensors file (or shards) that any
// safetensors reader accepts. The format allows no gap between tensors, so their
// order aligns them: every tensor whose size is a multiple of 64 starts at one
// in the mapping, any other at a multiple of its element size.
//
//   SafetensorsWriter w("out/model.safetensors");
//   w.declare("a", DType::F32, {2, 3});       // all first: the header needs them
//   w.begin();
//   w.write("a", data, bytes);                // in any order, each once
//   w.finish();                               // fsync, rename
#ifndef FINGPT_PARAMS_SAFETENSORSWRITER_H
#define FINGPT_PARAMS_SAFETENSORSWRITER_H

#include "fingpt/Params/ParamStore.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace fingpt {

class SafetensorsWriter {
public:
  explicit SafetensorsWriter(std::string path);
  ~SafetensorsWriter(); ///< removes an unfinished file
  SafetensorsWriter(const SafetensorsWriter &) = delete;
  SafetensorsWriter &operator=(const SafetensorsWriter &) = delete;

  Status declare(const std::string &name, DType dtype, const Shape &shape);
  /// String metadata; "format":"pt" is always there.
  void metadata(const std::string &key, const std::string &value);
  /// Names in file order, in which writing is fastest.
  std::vector<std::string> order() const;
  Status begin();
  Status write(const std::string &name, const void *data, uint64_t bytes);
  Status finish();

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

/// Writes the named parameters of `store`; more than `shardBytes` of them are
/// split into model-0000i-of-0000N.safetensors plus an index file.
/// What could be made again is released after it was written.
/// Returns the names of the files written in `directory`.
Result<std::vector<std::string>> writeParams(const ParamStore &store,
                                             const std::vector<std::string> &names,
                                             const std::string &directory,
                                             uint64_t shardBytes = 5ull << 30);

} // namespace fingpt

#endif // FINGPT_PARAMS_SAFETENSORSWRITER_H
