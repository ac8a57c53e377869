#include "Fuzz.h"

#include "fingpt/Params/SafetensorsFile.h"

using namespace fingpt;
using namespace fingpt::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::string_view text(reinterpret_cast<const char *>(data), size);
  Result<SafetensorsIndex> index = SafetensorsIndex::parse(text, "i.json");
  if (!index) {
    checkRefusal(index.error(), "i.json:");
    return 0;
  }
  require(!index->weights.empty() && !index->shards.empty());
  for (const SafetensorsIndex::Weight &w : index->weights)
    require(w.shard < index->shards.size());
  // No shard leaves the directory.
  for (const std::string &shard : index->shards)
    require(!shard.empty() && shard != "." && shard != ".." &&
            shard.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos);
  return 0;
}
