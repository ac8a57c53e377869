#include "TokenizerFuzz.h"

using namespace fingpt;
using namespace fingpt::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char *>(data), size);
  checkTokenizer(Tokenizer::fromLlama2C(bytes, "t.bin"), "t.bin:");
  return 0;
}
