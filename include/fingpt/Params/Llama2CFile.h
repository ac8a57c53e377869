// Reader of llama2.c checkpoints (.bin, version 0): seven i32, then f32 arrays
// in a fixed order up to the exact end of the file. The arrays get GGUF's tensor
// names; rotary pairs are interleaved (2i, 2i+1), as in GGUF's `llama`.
//
//   dim 64, hidden 172, layers 5, heads 8, kv heads 4, vocab 512, seq 512
//   → token_embd.weight [512, 64], blk.0.attn_norm.weight [64],
//     blk.0.attn_q.weight [64, 64], blk.0.attn_k.weight [32, 64], …
#ifndef FINGPT_PARAMS_LLAMA2CFILE_H
#define FINGPT_PARAMS_LLAMA2CFILE_H

#include "fingpt/Params/ParamStore.h"
#include "fingpt/Support/MappedFile.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fingpt {

struct Llama2CDims {
  int64_t dim = 0, hidden = 0, layers = 0, heads = 0, kvHeads = 0;
  int64_t vocab = 0;         ///< made positive
  int64_t sequence = 0;      ///< longest sequence
  bool separateHead = false; ///< the file's vocab was negative: `output.weight` exists
  int64_t headDim() const { return dim / heads; }
  int64_t kvDim() const { return headDim() * kvHeads; }
};

struct Llama2CTensor {
  std::string name;
  Shape shape;     ///< f32, row-major [out, in]
  uint64_t offset; ///< absolute in the file
  uint64_t bytes;
};

class Llama2CFile {
public:
  static Result<std::shared_ptr<const Llama2CFile>> open(const std::string &path);
  /// Parses an image in memory, which must outlive the result.
  static Result<std::shared_ptr<const Llama2CFile>> parse(std::string_view image,
                                                          const std::string &name);

  const std::string &path() const { return name; }
  std::string_view image() const { return bytes; }
  /// Null for an image in memory.
  const MappedFile *mapping() const { return file.get(); }
  const Llama2CDims &dims() const { return header; }
  const std::vector<Llama2CTensor> &tensors() const { return tensorTable; }

private:
  Llama2CFile() = default;
  Status read();

  std::string name;
  std::shared_ptr<const MappedFile> file;
  std::string_view bytes;
  Llama2CDims header;
  std::vector<Llama2CTensor> tensorTable;
};

} // namespace fingpt

#endif // FINGPT_PARAMS_LLAMA2CFILE_H
