#include "Fuzz.h"

#include "fingpt/Params/GGUFFile.h"

using namespace fingpt;
using namespace fingpt::fuzz;

/// Every typed access of every key: a value, or a line that names the file.
static void readMetadata(const GGUFFile &file) {
  auto check = [](const auto &result) {
    if (!result)
      checkRefusal(result.error(), "m.gguf:");
  };
  for (const auto &[key, value] : file.metadata()) {
    check(file.integer(key));
    check(file.number(key, 0));
    check(file.boolean(key, false));
    check(file.string(key));
    check(file.integers(key));
    check(file.numbers(key));
    auto strings = file.strings(key);
    check(strings);
    if (!strings)
      continue;
    require(strings->size() == value.count);
    for (std::string_view s : *strings)
      touch(s.data(), s.size());
  }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view image(reinterpret_cast<const char *>(data), size);
  auto file = GGUFFile::parse(image, "m.gguf");
  if (!file) {
    checkRefusal(file.error(), "m.gguf:");
    return 0;
  }
  readMetadata(**file);
  for (const GGUFTensor &t : (*file)->tensors())
    touch(image, t.offset, t.bytes);

  ParamStore store;
  if (Status s = store.add(*file); !s) {
    checkRefusal(s.error(), "m.gguf:");
    require(store.list().empty());
    return 0;
  }
  for (const BlockForm &form : store.blockForms())
    require(store.find(form.codes) && store.find(form.scales) && !store.find(form.name));
  for (const ParamInfo *info : store.list()) {
    Result<TensorData> bytes = store.get(info->name);
    require(bytes && bytes->bytes == info->bytes);
    uint64_t elements = 1;
    for (int64_t dim : info->shape)
      elements *= static_cast<uint64_t>(dim);
    require(info->bytes == elements * dtypeSize(info->dtype));
    touch(bytes->data, bytes->bytes);
  }
  return 0;
}
