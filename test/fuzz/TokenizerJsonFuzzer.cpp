#include "TokenizerFuzz.h"

using namespace fingpt;
using namespace fingpt::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char *>(data), size);
  auto json = parseJson(bytes);
  if (json)
    checkTokenizer(Tokenizer::fromJson(*json, "t.json"), "t.json:");
  return 0;
}
