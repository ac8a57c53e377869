#include "TokenizerFuzz.h"
#include "fingpt/Params/GGUFFile.h"

using namespace fingpt;
using namespace fingpt::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char *>(data), size);
  auto file = GGUFFile::parse(bytes, "t.gguf");
  if (file)
    checkTokenizer(Tokenizer::fromGGUF(**file), "t.gguf:");
  return 0;
}
