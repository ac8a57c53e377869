#include "TokenizerFiles.h"

#include "fingpt/Support/AtomicDirectory.h"
#include "fingpt/Support/MappedFile.h"

#include <cstring>
#include <filesystem>

namespace fs = std::filesystem;

namespace fingpt {

namespace {

/// Serialises GGUF metadata; little-endian as the machine.
class HeadWriter {
public:
  template <typename T> void put(T value) {
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out.append(bytes, sizeof value);
  }
  void string(std::string_view text) {
    put<uint64_t>(text.size());
    out.append(text);
  }
  void value(const GGUFValue &v) {
    put(static_cast<uint32_t>(v.type));
    if (v.type == GGUFType::Array) {
      put(static_cast<uint32_t>(v.elementType));
      put<uint64_t>(v.count);
      out.append(v.payload);
    } else if (const auto *u = std::get_if<uint64_t>(&v.scalar)) {
      integer(v.type, *u);
    } else if (const auto *i = std::get_if<int64_t>(&v.scalar)) {
      integer(v.type, static_cast<uint64_t>(*i));
    } else if (const auto *d = std::get_if<double>(&v.scalar)) {
      v.type == GGUFType::F32 ? put(static_cast<float>(*d)) : put(*d);
    } else if (const auto *b = std::get_if<bool>(&v.scalar)) {
      put<uint8_t>(*b);
    } else if (const auto *s = std::get_if<std::string_view>(&v.scalar)) {
      string(*s);
    }
  }
  std::string out;

private:
  /// The low bytes are the value in any width, signed or not.
  void integer(GGUFType type, uint64_t bits) {
    switch (type) {
    case GGUFType::U8:
    case GGUFType::I8:
      return put(static_cast<uint8_t>(bits));
    case GGUFType::U16:
    case GGUFType::I16:
      return put(static_cast<uint16_t>(bits));
    case GGUFType::U32:
    case GGUFType::I32:
      return put(static_cast<uint32_t>(bits));
    default:
      return put(bits);
    }
  }
};

} // namespace

std::string tokenizerHead(const GGUFFile &file) {
  HeadWriter body;
  uint64_t count = 0;
  for (const auto &[key, value] : file.metadata()) {
    if (key.compare(0, 10, "tokenizer.") != 0 && key != "general.architecture")
      continue;
    body.string(key);
    body.value(value);
    ++count;
  }
  HeadWriter head;
  head.out = "GGUF";
  head.put<uint32_t>(3);
  head.put<uint64_t>(0); // tensors
  head.put<uint64_t>(count);
  return head.out + body.out;
}

static Status copyFile(const std::string &from, const std::string &to) {
  auto file = MappedFile::open(from);
  if (!file)
    return file.takeError();
  return writeFileAtomically(to, (*file)->view());
}

Result<std::vector<std::string>> copyTokenizer(const ImportedModel &model,
                                               const std::string &directory) {
  static constexpr const char *kNames[] = {"tokenizer.json",
                                           "tokenizer_config.json",
                                           "special_tokens_map.json",
                                           "added_tokens.json",
                                           "vocab.json",
                                           "merges.txt",
                                           "vocab.txt",
                                           "tokenizer.model",
                                           "spiece.model",
                                           "tokenizer.bin",
                                           "tokenizer.gguf",
                                           "chat_template.jinja",
                                           "chat_template.json",
                                           "generation_config.json"};
  std::vector<std::string> out;
  if (model.kind == SourceKind::GGUF) {
    auto file = GGUFFile::open(model.source);
    if (!file)
      return file.takeError();
    if (!(*file)->find("tokenizer.ggml.model"))
      return out;
    out.emplace_back("tokenizer.gguf");
    if (Status s = writeFileAtomically(directory + "/" + out.back(), tokenizerHead(**file)); !s)
      return s.takeError();
    return out;
  }
  std::string from = model.source;
  if (model.kind == SourceKind::Llama2C || model.kind == SourceKind::MLIRFile) {
    size_t slash = from.find_last_of('/');
    from = slash == std::string::npos ? "." : from.substr(0, slash);
  }
  for (const char *name : kNames) {
    std::error_code ec;
    if (!fs::is_regular_file(from + "/" + name, ec))
      continue;
    if (Status s = copyFile(from + "/" + name, directory + "/" + name); !s)
      return s.takeError();
    out.emplace_back(name);
  }
  return out;
}

} // namespace fingpt
