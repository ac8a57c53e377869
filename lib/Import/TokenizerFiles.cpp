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

Result<std::string> tokenizerPath(const ImportedModel &model) {
  if (!model.tokenizer.empty())
    return model.tokenizer;
  if (model.kind != SourceKind::Llama2C && model.kind != SourceKind::MLIRFile)
    return model.source;
  std::string directory = fs::path(model.source).parent_path().string();
  if (directory.empty())
    directory = ".";
  if (model.kind == SourceKind::MLIRFile)
    return directory;
  std::error_code ec;
  std::vector<std::string> found;
  for (const fs::directory_entry &entry : fs::directory_iterator(directory, ec)) {
    std::string name = entry.path().filename().string();
    if (name == "tokenizer.bin")
      return entry.path().string();
    if (llvm::StringRef(name).starts_with("tok") && llvm::StringRef(name).ends_with(".bin"))
      found.push_back(entry.path().string());
  }
  if (found.size() == 1)
    return found.front();
  return Error::at(escaped(model.source, 1000),
                   "no tokenizer: expected tokenizer.bin beside the file "
                   "(--tokenizer names another)");
}

/// Under the name by which a model directory knows this kind of file.
static Result<std::vector<std::string>> copyTokenizerFile(const std::string &path, bool gguf,
                                                          const std::string &directory) {
  std::vector<std::string> out;
  if (gguf) {
    auto file = GGUFFile::open(path);
    if (!file)
      return file.takeError();
    if (!(*file)->find("tokenizer.ggml.model"))
      return out;
    out.emplace_back("tokenizer.gguf");
    if (Status s = writeFileAtomically(directory + "/" + out.back(), tokenizerHead(**file)); !s)
      return s.takeError();
    return out;
  }
  for (const char *kind : {".json", ".model", ".bin"})
    if (llvm::StringRef(path).ends_with(kind)) {
      out.push_back(std::string("tokenizer") + kind);
      if (Status s = copyFile(path, directory + "/" + out.back()); !s)
        return s.takeError();
    }
  return out;
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
                                           "sentencepiece.bpe.model",
                                           "tokenizer.bin",
                                           "tokenizer.gguf",
                                           "chat_template.jinja",
                                           "chat_template.json",
                                           "generation_config.json"};
  Result<std::string> from = tokenizerPath(model);
  std::error_code ec;
  if (!from)
    return std::vector<std::string>();
  if (fs::is_regular_file(*from, ec)) {
    bool gguf = llvm::StringRef(*from).ends_with(".gguf") ||
                (model.tokenizer.empty() && model.kind == SourceKind::GGUF);
    return copyTokenizerFile(*from, gguf, directory);
  }
  std::vector<std::string> out;
  for (const char *name : kNames) {
    if (!fs::is_regular_file(*from + "/" + name, ec))
      continue;
    if (Status s = copyFile(*from + "/" + name, directory + "/" + name); !s)
      return s.takeError();
    out.emplace_back(name);
  }
  return out;
}

} // namespace fingpt
