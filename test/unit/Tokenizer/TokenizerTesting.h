// What the tests of lib/Tokenizer share.
#ifndef FINGPT_TEST_TOKENIZER_TOKENIZERTESTING_H
#define FINGPT_TEST_TOKENIZER_TOKENIZERTESTING_H

#include "../Params/TestFiles.h"
#include "fingpt/Params/GGUFFile.h"
#include "fingpt/Tokenizer/Tokenizer.h"

#include <chrono>
#include <functional>

namespace fingpt::test {

using TokenizerResult = Result<std::unique_ptr<Tokenizer>>;
using Ids = std::vector<int32_t>;

inline std::string fixture(const std::string &name) {
  return std::string(FINGPT_TEST_DATA_DIR) + "/tokenizer/" + name;
}
inline std::unique_ptr<Tokenizer> loaded(TokenizerResult result) {
  if (result)
    return std::move(*result);
  ADD_FAILURE() << result.error().message();
  return nullptr;
}
inline TokenizerResult fromText(const std::string &text) {
  offerSeed("tokenizer-json", text);
  auto json = parseJson(text);
  if (!json)
    return json.error().in("t.json");
  return Tokenizer::fromJson(*json, "t.json");
}
inline TokenizerResult fromImage(const std::string &image) {
  offerSeed("tokenizer-gguf", image);
  auto file = GGUFFile::parse(image, "t.gguf");
  if (!file)
    return file.takeError();
  return Tokenizer::fromGGUF(**file);
}
inline Ids encode(const Tokenizer &tokenizer, std::string_view text, EncodeOptions options = {}) {
  auto ids = tokenizer.encode(text, options);
  if (ids)
    return *ids;
  ADD_FAILURE() << ids.error().message();
  return {};
}
inline double secondsOf(const std::function<void()> &work) {
  auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

//===-- GGUF --------------------------------------------------------------===//

inline std::string gArray(uint32_t type, size_t count, const std::string &items) {
  return u32(type) + u64(count) + items;
}
/// Metadata pairs of a vocabulary, added one by one.
struct Vocab {
  std::string body;
  size_t pairs = 0;
  Vocab &add(const std::string &key, uint32_t type, const std::string &value) {
    body += kv("tokenizer.ggml." + key, type, value);
    ++pairs;
    return *this;
  }
  Vocab &text(const std::string &key, std::string_view value) { return add(key, 8, gstr(value)); }
  Vocab &number(const std::string &key, uint64_t value) { return add(key, 4, u32(value)); }
  Vocab &flag(const std::string &key, bool value) {
    return add(key, 7, std::string(1, value ? '\1' : '\0'));
  }
  Vocab &texts(const std::string &key, const std::vector<std::string> &values) {
    std::string items;
    for (const std::string &value : values)
      items += gstr(value);
    return add(key, 9, gArray(8, values.size(), items));
  }
  Vocab &floats(const std::string &key, const std::vector<float> &values) {
    std::string items;
    for (float value : values)
      items += le(value);
    return add(key, 9, gArray(6, values.size(), items));
  }
  Vocab &integers(const std::string &key, const std::vector<int32_t> &values) {
    std::string items;
    for (int32_t value : values)
      items += le(value);
    return add(key, 9, gArray(5, values.size(), items));
  }
  std::string image() const { return gguf(0, pairs, body); }
};

} // namespace fingpt::test

#endif // FINGPT_TEST_TOKENIZER_TOKENIZERTESTING_H
