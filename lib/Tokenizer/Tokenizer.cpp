#include "fingpt/Tokenizer/Tokenizer.h"
#include "ModelDirectory.h"
#include "fingpt/Params/GGUFFile.h"
#include "fingpt/Support/MappedFile.h"

#include <filesystem>

namespace fingpt {

Tokenizer::~Tokenizer() = default;
DecodeSession::~DecodeSession() = default;

std::string Tokenizer::decode(const std::vector<int32_t> &ids, bool skipSpecial) const {
  auto session = startDecoding(skipSpecial);
  std::string text;
  for (int32_t id : ids)
    text += session->push(id);
  return text + session->finish();
}

static bool endsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::load(const std::string &path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    return tokenizer::loadModelDirectory(path);
  if (endsWith(path, ".gguf")) {
    auto file = GGUFFile::open(path);
    if (!file)
      return file.takeError();
    return fromGGUF(**file);
  }
  auto fromBytes = [&](auto &&parse) -> Result<std::unique_ptr<Tokenizer>> {
    auto bytes = readFile(path);
    if (!bytes)
      return bytes.takeError();
    return parse(*bytes, path);
  };
  if (endsWith(path, ".json")) {
    auto json = readJsonFile(path);
    if (!json)
      return json.takeError();
    return fromJson(*json, path);
  }
  if (endsWith(path, ".model"))
    return fromBytes(fromSentencePiece);
  if (endsWith(path, ".bin"))
    return fromBytes(fromLlama2C);
  return Error::at(escaped(path, 1000), "unknown kind of tokenizer file",
                   "a model directory, tokenizer.json, *.gguf, *.model or tokenizer.bin",
                   "another name");
}

} // namespace fingpt
