// Makes the files that tests of lib/Params read: temporary directories, images
// of safetensors, GGUF and llama2.c with every field under the test's control.
#ifndef FINGPT_TEST_PARAMS_TESTFILES_H
#define FINGPT_TEST_PARAMS_TESTFILES_H

#include "../TempDir.h"

#include "fingpt/Params/ParamStore.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace fingpt::test {

inline std::string dataFile(const std::string &name) {
  return std::string(FINGPT_TEST_DATA_DIR) + "/params/" + name;
}

/// With FINGPT_CORPUS_DIR set, tests write their small images there as seeds for
/// the fuzz target of that name (merge them: see test/fuzz/README.md).
inline void offerSeed(const char *target, const std::string &image) {
  static int number = 0;
  const char *root = std::getenv("FINGPT_CORPUS_DIR");
  if (!root || image.size() > 4096)
    return;
  std::filesystem::path directory = std::filesystem::path(root) / target;
  std::filesystem::create_directories(directory);
  std::ofstream(directory / ("unit-" + std::to_string(number++)), std::ios::binary)
      .write(image.data(), static_cast<std::streamsize>(image.size()));
}

template <typename T> std::string le(T value) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}
inline std::string u32(uint64_t v) { return le(static_cast<uint32_t>(v)); }
inline std::string u64(uint64_t v) { return le(v); }

/// Refusal of a Result or Status, or "accepted".
template <typename R> std::string refusal(const R &r) {
  return r ? std::string("accepted") : r.error().message();
}

//===-- safetensors -------------------------------------------------------===//

inline std::string safetensors(std::string_view header, std::string_view data = "") {
  return u64(header.size()) + std::string(header) + std::string(data);
}
inline std::string zeros(size_t n) { return std::string(n, '\0'); }
/// `"NAME":{"dtype":"DTYPE","shape":SHAPE,"data_offsets":[BEGIN,END]}`
inline std::string entry(std::string_view name, std::string_view dtype, std::string_view shape,
                         std::string_view offsets) {
  return "\"" + std::string(name) + "\":{\"dtype\":\"" + std::string(dtype) +
         "\",\"shape\":" + std::string(shape) + ",\"data_offsets\":" + std::string(offsets) + "}";
}

//===-- GGUF --------------------------------------------------------------===//

inline std::string gstr(std::string_view s) { return u64(s.size()) + std::string(s); }
/// Key, type id, bytes of the value.
inline std::string kv(std::string_view key, uint32_t type, std::string_view value) {
  return gstr(key) + u32(type) + std::string(value);
}
inline std::string tensorInfo(std::string_view name, std::initializer_list<uint64_t> ne,
                              uint32_t type, uint64_t offset) {
  std::string out = gstr(name) + u32(ne.size());
  for (uint64_t n : ne)
    out += u64(n);
  return out + u32(type) + u64(offset);
}
/// Header with the given counts, body, padding to `alignment`, data.
inline std::string gguf(uint64_t tensors, uint64_t pairs, std::string_view body,
                        std::string_view data = "", uint32_t version = 3, size_t alignment = 32) {
  std::string out = "GGUF" + u32(version) + u64(tensors) + u64(pairs) + std::string(body);
  if (!data.empty())
    out.resize((out.size() + alignment - 1) / alignment * alignment);
  return out + std::string(data);
}

//===-- llama2.c ----------------------------------------------------------===//

/// dim, hidden, layers, heads, kv heads, vocab, sequence; then `floats` counting up.
inline std::string llama2c(std::initializer_list<int32_t> dims, size_t floats) {
  std::string out;
  for (int32_t d : dims)
    out += le(d);
  for (size_t i = 0; i < floats; ++i)
    out += le(static_cast<float>(i));
  return out;
}
/// dim 8, hidden 6, 2 layers, 4 heads, 2 kv heads, vocab 5, sequence 3.
inline constexpr size_t kSmallLlamaFloats =
    5 * 8 + 2 * (8 + 64 + 32 + 32 + 64 + 8 + 48 + 48 + 48) + 8 + 2 * 3 * 1;
inline std::string smallLlama() { return llama2c({8, 6, 2, 4, 2, 5, 3}, kSmallLlamaFloats); }

//===-- Stores ------------------------------------------------------------===//

template <typename T> std::vector<T> values(const ParamStore &store, std::string_view name) {
  Result<TensorData> data = store.get(name);
  if (!data) {
    ADD_FAILURE() << data.error().message();
    return {};
  }
  std::vector<T> out(data->bytes / sizeof(T));
  if (!out.empty())
    std::memcpy(out.data(), data->data, data->bytes);
  return out;
}

} // namespace fingpt::test

#endif // FINGPT_TEST_PARAMS_TESTFILES_H
