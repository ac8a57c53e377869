#include "fingpt/Params/Llama2CFile.h"
#include "Where.h"

#include "fingpt/Support/Checked.h"

namespace fingpt {

namespace {

constexpr uint32_t kVersionedMagic = 0x616b3432; // "ak42", v1 and v2

/// One array of the file. `perLayer`: L copies, each a tensor of its own.
struct Section {
  const char *name; ///< after "blk.N." if per layer; null: skipped
  bool perLayer;
  uint64_t rows; ///< 0: a vector of `columns`
  uint64_t columns;
};

} // namespace

Status Llama2CFile::read() {
  if (bytes.size() < 28)
    return Error::at(fileAt(name, 0), "file too short for a llama2.c header", "at least 28 bytes",
                     std::to_string(bytes.size()));
  if (loadAs<uint32_t>(bytes.data()) == kVersionedMagic)
    return Error::at(fileAt(name, 0), "llama2.c version", "0 (no magic)", "1 or 2");

  int64_t word[7];
  static constexpr const char *kNames[7] = {"dim",      "hidden", "layers",  "heads",
                                            "kv heads", "vocab",  "sequence"};
  for (size_t i = 0; i < 7; ++i) {
    word[i] = loadAs<int32_t>(bytes.data() + 4 * i);
    if (i == 5 && word[i] < 0) {
      header.separateHead = true;
      word[i] = -word[i];
    }
    if (word[i] < 1)
      return Error::at(fileAt(name, 4 * i), kNames[i], "a positive number",
                       std::to_string(word[i]));
  }
  header.dim = word[0];
  header.hidden = word[1];
  header.layers = word[2];
  header.heads = word[3];
  header.kvHeads = word[4];
  header.vocab = word[5];
  header.sequence = word[6];
  if (header.dim % header.heads != 0)
    return Error::at(fileAt(name, 12), "heads", "a divisor of dim " + std::to_string(header.dim),
                     std::to_string(header.heads));
  if (header.headDim() % 2 != 0)
    return Error::at(fileAt(name, 12), "elements per head", "an even number",
                     std::to_string(header.headDim()));
  if (header.heads % header.kvHeads != 0)
    return Error::at(fileAt(name, 16), "kv heads",
                     "a divisor of heads " + std::to_string(header.heads),
                     std::to_string(header.kvHeads));

  auto u = [](int64_t v) { return static_cast<uint64_t>(v); };
  const uint64_t dim = u(header.dim), kv = u(header.kvDim()), hidden = u(header.hidden);
  const uint64_t vocab = u(header.vocab), layers = u(header.layers);
  const uint64_t halfHead = u(header.headDim() / 2), sequence = u(header.sequence);
  const Section sections[] = {
      {"token_embd.weight", false, vocab, dim},
      {"attn_norm.weight", true, 0, dim},
      {"attn_q.weight", true, dim, dim},
      {"attn_k.weight", true, kv, dim},
      {"attn_v.weight", true, kv, dim},
      {"attn_output.weight", true, dim, dim},
      {"ffn_norm.weight", true, 0, dim},
      {"ffn_gate.weight", true, hidden, dim},
      {"ffn_down.weight", true, dim, hidden},
      {"ffn_up.weight", true, hidden, dim},
      {"output_norm.weight", false, 0, dim},
      {nullptr, false, sequence, halfHead}, // cosines of the rotary embedding
      {nullptr, false, sequence, halfHead}, // sines
      {header.separateHead ? "output.weight" : nullptr, false, header.separateHead ? vocab : 0,
       header.separateHead ? dim : 0},
  };

  // The whole length first: nothing is reserved for layers that are not there.
  uint64_t end = 28;
  for (const Section &s : sections) {
    auto size = checkedMul(s.rows == 0 ? 1 : s.rows, s.columns);
    size = size ? checkedMul(*size, s.perLayer ? layers : 1) : size;
    size = size ? checkedMul(*size, 4) : size;
    size = size ? checkedAdd(*size, end) : size;
    if (!size)
      return Error::at(fileAt(name, 0), "sizes of the header overflow");
    end = *size;
  }
  if (end != bytes.size())
    return Error::at(fileAt(name, 0), "file length", std::to_string(end) + " by its header",
                     std::to_string(bytes.size()));

  uint64_t at = 28;
  for (const Section &s : sections) {
    uint64_t size = (s.rows == 0 ? 1 : s.rows) * s.columns * 4; // checked above
    for (uint64_t layer = 0; layer < (s.perLayer ? layers : 1); ++layer, at += size) {
      if (!s.name)
        continue;
      Llama2CTensor t;
      t.name = s.perLayer ? "blk." + std::to_string(layer) + "." + s.name : s.name;
      if (s.rows != 0)
        t.shape.push_back(static_cast<int64_t>(s.rows));
      t.shape.push_back(static_cast<int64_t>(s.columns));
      t.offset = at;
      t.bytes = size;
      tensorTable.push_back(std::move(t));
    }
  }
  return Status::ok();
}

Result<std::shared_ptr<const Llama2CFile>> Llama2CFile::parse(std::string_view image,
                                                              const std::string &name) {
  std::shared_ptr<Llama2CFile> f(new Llama2CFile);
  f->name = name;
  f->bytes = image;
  if (Status s = f->read(); !s)
    return s.takeError();
  return std::shared_ptr<const Llama2CFile>(std::move(f));
}

Result<std::shared_ptr<const Llama2CFile>> Llama2CFile::open(const std::string &path) {
  auto mapped = MappedFile::open(path);
  if (!mapped)
    return mapped.takeError();
  std::shared_ptr<Llama2CFile> f(new Llama2CFile);
  f->name = path;
  f->file = *mapped;
  f->bytes = f->file->view();
  if (Status s = f->read(); !s)
    return s.takeError();
  return std::shared_ptr<const Llama2CFile>(std::move(f));
}

} // namespace fingpt
