#include "fingpt/Params/SafetensorsFile.h"

#include "fingpt/Support/Json.h"

#include <unordered_map>

namespace fingpt {

/// A name that stays in its directory on every system.
static bool isPlainName(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= 255 &&
         name.find_first_of(std::string_view("/\\:\0", 4)) == std::string_view::npos;
}

Result<SafetensorsIndex> SafetensorsIndex::parse(std::string_view text, const std::string &name) {
  Result<Json> json = parseJson(text);
  if (!json)
    return json.error().in(escaped(name, 1000));
  JsonObject root(*json, name);
  if (Status s = root.expectObject(); !s)
    return s.takeError();
  Result<JsonObject> map = root.object("weight_map");
  if (!map)
    return map.takeError();

  SafetensorsIndex index;
  std::unordered_map<std::string, uint32_t> numbers;
  index.weights.reserve(map->json().size());
  for (const auto &[tensor, value] : map->json().items()) {
    if (!value.is_string())
      return Error::at(map->where(tensor), "shard", "a file name", describe(value));
    const std::string &shard = value.get_ref<const std::string &>();
    if (!isPlainName(shard))
      return Error::at(map->where(tensor), "shard", "a plain file name in the same directory",
                       quote(shard));
    auto [it, isNew] = numbers.emplace(shard, static_cast<uint32_t>(index.shards.size()));
    if (isNew)
      index.shards.push_back(shard);
    index.weights.push_back({tensor, it->second});
  }
  if (index.weights.empty())
    return Error::at(root.where("weight_map"), "no tensors");
  return index;
}

} // namespace fingpt
