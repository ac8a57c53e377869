// Named tensors over the files of a model, without copying them.
//
//   ParamStore store;
//   if (Status s = store.addFile("model.safetensors"); !s) ...
//   const ParamInfo *info = store.find("model.layers.0.self_attn.q_proj.weight");
//   info->dtype, info->shape;                  // from headers: no byte was read
//   Result<TensorData> t = store.get(info->name);
//   t->data;                                   // into the mapping, or materialised once
//
// A key is a name, never a path. Three kinds of parameters look alike:
//
//  * a plain tensor of a file: `data` points into the mapping when the bytes
//    are aligned for their type, else into an aligned copy made on first use;
//  * a field of a block format: a Q4_1 tensor "w" of shape [576, 576] is the
//    three parameters "w.codes" U8 [576, 288], "w.scales" F16 [576, 18] and
//    "w.mins" F16 [576, 18]. Each is gathered from the blocks on first use;
//  * an overlay tensor that a pass has made.
//
// Codes of 2..7 bits are packed U8: low bits first, rows padded to a byte.
// The store is thread-safe for reading (find/get) once all files are added.
#ifndef FINGPT_PARAMS_PARAMSTORE_H
#define FINGPT_PARAMS_PARAMSTORE_H

#include "fingpt/Support/Result.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fingpt {

enum class DType : uint8_t {
  Bool,
  U8,
  I8,
  U16,
  I16,
  U32,
  I32,
  U64,
  I64,
  F8E4M3,
  F8E5M2,
  F8E8M0,
  F16,
  BF16,
  F32,
  F64,
};
/// Bytes of one element.
size_t dtypeSize(DType dtype);
/// The safetensors spelling: "F32", "BF16", "U8", "F8_E4M3", …
const char *dtypeName(DType dtype);
/// Inverse of dtypeName; false if unknown.
bool parseDType(std::string_view name, DType &dtype);

using Shape = std::vector<int64_t>;
std::string shapeText(const Shape &shape); ///< "[576, 18]"

struct ParamInfo {
  std::string name;
  DType dtype;
  Shape shape;
  uint64_t bytes = 0; ///< dense size: product(shape) * dtypeSize
  std::string source; ///< file it comes from, "overlay", "random", "splat"
};

/// How a quantized tensor of a file is made of parameters of this store. The
/// importer turns it into a weight expression; with every field materialised
/// the formula is exact (bit for bit what the format's reference decodes, up
/// to the rounding of one f32 multiply and add).
struct BlockForm {
  std::string name;   ///< the tensor, e.g. "blk.0.attn_q.weight"
  std::string format; ///< "Q4_0", "Q6_K", …
  Shape shape;        ///< dense shape [out, in]
  unsigned bits = 0;  ///< of codes; 8 for Q8_0
  bool codesSigned = false;
  int64_t group = 0; ///< elements along `in` that share a scale
  /// (code - zero)·scale + min. For IQ4_NL code → codebook[code]·scale.
  std::string codes, scales, mins; ///< parameter names; mins may be empty
  int64_t zero = 0;                ///< constant zero point
  std::vector<float> codebook;     ///< for lookup formats
  /// k-quants: scales are themselves (code - subZero)·superScale, per group,
  /// with one f16 superScale per `superGroup` groups.
  bool twoLevel = false;
  unsigned scaleBits = 0; ///< bits of `scales`/`mins` codes, stored as U8/I8
  bool scalesSigned = false;
  int64_t scaleZero = 0;  ///< Q3_K: 32
  int64_t superGroup = 0; ///< groups per super block
  std::string superScales,
      superMins; ///< f16 [out, in/256]; value = q·(superScales·scale) − superMins·min
};

struct TensorData {
  const void *data = nullptr;
  uint64_t bytes = 0;
  std::shared_ptr<const void> owner; ///< keeps mapping or buffer alive
  template <typename T> const T *as() const { return static_cast<const T *>(data); }
};

class GGUFFile;
class SafetensorsFile;
class Llama2CFile;
using GGUFSplits = std::vector<std::shared_ptr<const GGUFFile>>; ///< see openSplits()

/// Names are unique. What adds a whole file adds all of its tensors or none.
class ParamStore {
public:
  ParamStore();
  ~ParamStore();
  ParamStore(ParamStore &&) noexcept;
  ParamStore &operator=(ParamStore &&) noexcept;

  /// Adds a file by its content: safetensors, GGUF v2/v3 or llama2.c .bin (v0).
  /// The first file of a split GGUF (NAME-00001-of-0000N.gguf) brings the others.
  Status addFile(const std::string &path);
  Status addSafetensors(const std::string &path);
  /// `model.safetensors.index.json`: every shard of its weight map. Shards must
  /// be plain names in the same directory, and agree with the map both ways.
  Status addSafetensorsIndex(const std::string &path);
  /// Files that are already open (an importer reads their metadata too).
  Status add(std::shared_ptr<const SafetensorsFile> file);
  Status add(std::shared_ptr<const GGUFFile> file);
  Status add(const GGUFSplits &files);
  Status add(std::shared_ptr<const Llama2CFile> file);

  /// A parameter whose every element is `value` (materialised on use). Integer
  /// types take exactly representable values only; 8-bit floats are refused.
  Status addSplat(const std::string &name, DType dtype, Shape shape, double value);
  /// Standard normal · `sigma`, from a counter-based generator keyed by (seed,
  /// name): the same bits on every machine. F16, BF16, F32 and F64 only.
  Status addRandom(const std::string &name, DType dtype, Shape shape, uint64_t seed,
                   double sigma = 0.02);

  /// Adds or replaces a parameter by owned bytes (size must match).
  Status put(const std::string &name, DType dtype, Shape shape, std::vector<uint8_t> bytes);
  /// Adds or replaces a tensor whose bytes someone else owns.
  Status putView(const std::string &name, DType dtype, Shape shape, TensorData data);
  /// Adds or replaces a parameter computed when first needed. `make` may get()
  /// other parameters of this store, and is called again after release().
  Status putLazy(const std::string &name, DType dtype, Shape shape,
                 std::function<Result<std::vector<uint8_t>>()> make);
  /// Another name for an existing parameter, or for a block-quantized tensor
  /// with all its fields. Replacing either later leaves the other as it is.
  Status alias(const std::string &name, const std::string &existing);

  const ParamInfo *find(std::string_view name) const;
  /// Names in file order, then overlay order. A replaced tensor of a file keeps
  /// its place, and every pointer to its ParamInfo stays valid.
  std::vector<const ParamInfo *> list() const;
  /// Block-quantized tensors of GGUF files, in file order. Their fields appear
  /// in list() too; the tensor's own name does not.
  const std::vector<BlockForm> &blockForms() const;
  const BlockForm *findBlockForm(std::string_view tensor) const;

  /// The bytes of a parameter: row-major, aligned to 64 where materialised, to
  /// the element size otherwise.
  Result<TensorData> get(std::string_view name) const;
  /// Forgets materialised bytes and drops mapped pages of `name`. What a put()
  /// owns stays; what a TensorData still holds lives as long as that does.
  void release(std::string_view name) const;
  /// Drops the mapped pages that lie wholly in [offset, offset + bytes) of `name`.
  void releasePart(std::string_view name, uint64_t offset, uint64_t bytes) const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace fingpt

#endif // FINGPT_PARAMS_PARAMSTORE_H
