#include "Fuzz.h"

#include "fingpt/Params/SafetensorsFile.h"

#include <algorithm>
#include <cstring>

using namespace fingpt;
using namespace fingpt::fuzz;

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view image(reinterpret_cast<const char *>(data), size);
  auto file = SafetensorsFile::parse(image, "m.safetensors");
  if (!file) {
    checkRefusal(file.error(), "m.safetensors:");
    return 0;
  }
  uint64_t covered = 0;
  for (const SafetensorsTensor &t : (*file)->tensors()) {
    touch(image, t.offset, t.bytes);
    covered += t.bytes;
  }
  // The tensors tile the data.
  uint64_t header;
  std::memcpy(&header, data, 8);
  require(covered == size - 8 - header);

  ParamStore store;
  require(bool(store.add(*file)));
  for (const ParamInfo *info : store.list()) {
    Result<TensorData> bytes = store.get(info->name);
    require(bytes && bytes->bytes == info->bytes);
    require(reinterpret_cast<uintptr_t>(bytes->data) % dtypeSize(info->dtype) == 0);
    touch(bytes->data, bytes->bytes);
  }
  return 0;
}

/// Mutates the JSON or the data and repairs the length word between them, which
/// blind mutation would break nearly every time.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize,
                                          unsigned seed) {
  uint64_t header = 0;
  if (size >= 8)
    std::memcpy(&header, data, 8);
  if (size < 8 || header > size - 8 || seed % 16 == 0)
    return LLVMFuzzerMutate(data, size, maxSize);
  std::string json(reinterpret_cast<char *>(data) + 8, header);
  std::string rest(reinterpret_cast<char *>(data) + 8 + header, size - 8 - header);
  std::string &part = seed % 16 < 12 || rest.empty() ? json : rest;
  size_t room = maxSize - (size - part.size());
  size_t length = part.size();
  part.resize(std::max(room, length));
  part.resize(LLVMFuzzerMutate(reinterpret_cast<uint8_t *>(part.data()), length, room));
  header = json.size();
  std::memcpy(data, &header, 8);
  std::memcpy(data + 8, json.data(), json.size());
  std::memcpy(data + 8 + json.size(), rest.data(), rest.size());
  return 8 + json.size() + rest.size();
}
