#include "Fuzz.h"

#include "fingpt/Params/Llama2CFile.h"

#include <cstdlib>
#include <cstring>

using namespace fingpt;
using namespace fingpt::fuzz;

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view image(reinterpret_cast<const char *>(data), size);
  auto file = Llama2CFile::parse(image, "m.bin");
  if (!file) {
    checkRefusal(file.error(), "m.bin:");
    return 0;
  }
  for (const Llama2CTensor &t : (*file)->tensors()) {
    uint64_t elements = 1;
    for (int64_t dim : t.shape)
      elements *= static_cast<uint64_t>(dim);
    require(t.bytes == 4 * elements);
    touch(image, t.offset, t.bytes);
  }
  ParamStore store;
  require(bool(store.add(*file)));
  require(store.list().size() == (*file)->tensors().size());
  return 0;
}

/// Mutates the header and makes the file as long as that says, by the reader's
/// own complaint ("expected N by its header"): blind mutation never would.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize,
                                          unsigned seed) {
  size_t length = LLVMFuzzerMutate(data, seed % 4 && size > 28 ? 28 : size,
                                   seed % 4 && size > 28 ? 28 : maxSize);
  if (length < 28)
    return length;
  auto file = Llama2CFile::parse({reinterpret_cast<char *>(data), length}, "m.bin");
  if (file)
    return length;
  const std::string &text = file.error().message();
  size_t at = text.find("file length, expected ");
  if (at == std::string::npos)
    return length;
  unsigned long long wanted = std::strtoull(text.c_str() + at + 22, nullptr, 10);
  if (wanted > maxSize)
    return length;
  if (wanted > length)
    std::memset(data + length, 0x3f, wanted - length);
  return wanted;
}
