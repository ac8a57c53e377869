// Opening costs what the header costs: a 28 GB model (sparse files) opens in
// well under a second and touches almost no memory; a million tensors in seconds.
#include "TestFiles.h"

#include "fingpt/Params/SafetensorsFile.h"

#include <chrono>

using namespace fingpt;
using namespace fingpt::test;

namespace {

/// Resident bytes of this process.
size_t residentBytes() {
  std::ifstream statm("/proc/self/statm");
  size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kSlow = true;
#else
constexpr bool kSlow = false;
#endif
#else
constexpr bool kSlow = false;
#endif

} // namespace

TEST(Scale, TwentyEightGigabytesInShards) {
  TempDir dir;
  const int64_t rows = 4096, columns = 13824; // 113 MB in bf16
  const uint64_t bytes = static_cast<uint64_t>(rows * columns) * 2;
  const int shards = 6, perShard = 42;
  std::string map;
  for (int s = 0; s < shards; ++s) {
    std::string header = "{", shard = "model-" + std::to_string(s) + ".safetensors";
    for (int i = 0; i < perShard; ++i) {
      std::string name = "model.layers." + std::to_string(s * perShard + i) + ".mlp.weight";
      uint64_t at = static_cast<uint64_t>(i) * bytes;
      header +=
          (i ? "," : "") + entry(name, "BF16", "[4096,13824]",
                                 "[" + std::to_string(at) + "," + std::to_string(at + bytes) + "]");
      map += (map.empty() ? "\"" : ",\"") + name + "\":\"" + shard + "\"";
    }
    std::string path = dir.write(shard, safetensors(header + "}"));
    std::error_code error;
    std::filesystem::resize_file(path, std::filesystem::file_size(path) + perShard * bytes, error);
    if (error)
      GTEST_SKIP() << "no sparse files here: " << error.message();
  }
  std::string index = dir.write("model.safetensors.index.json", "{\"weight_map\":{" + map + "}}");
  size_t before = residentBytes();
  double start = seconds();
  ParamStore store;
  ASSERT_EQ(refusal(store.addFile(index)), "accepted");
  double took = seconds() - start;
  size_t grown = residentBytes() - std::min(before, residentBytes());
  uint64_t total = 0;
  for (const ParamInfo *info : store.list())
    total += info->bytes;
  EXPECT_GT(total, 28'000'000'000u);
  EXPECT_LT(took, 1.0);
  EXPECT_LT(grown, 50u << 20);
  // The far end can be read, and given back.
  Result<TensorData> last = store.get("model.layers.251.mlp.weight");
  ASSERT_TRUE(bool(last));
  EXPECT_EQ(last->as<uint16_t>()[rows * columns - 1], 0);
  store.release("model.layers.251.mlp.weight");
}

TEST(Scale, ReleaseGivesPagesAndBuffersBack) {
  ParamStore store;
  const int64_t n = 64 << 20;
  ASSERT_EQ(refusal(store.addSplat("big", DType::U8, {n}, 1)), "accepted");
  size_t before = residentBytes();
  ASSERT_TRUE(bool(store.get("big")));
  EXPECT_GT(residentBytes(), before + (60u << 20));
  store.release("big");
  EXPECT_LT(residentBytes(), before + (8u << 20));

  TempDir dir;
  std::string path = dir.write(
      "m.safetensors",
      safetensors("{" + entry("w", "U8", "[67108864]", "[0,67108864]") + "}", std::string(n, 'x')));
  ASSERT_EQ(refusal(store.addFile(path)), "accepted");
  before = residentBytes();
  Result<TensorData> w = store.get("w");
  uint64_t sum = 0;
  for (int64_t i = 0; i < n; i += 4096)
    sum += w->as<uint8_t>()[i];
  EXPECT_EQ(sum, static_cast<uint64_t>(n / 4096 * 'x'));
  EXPECT_GT(residentBytes(), before + (60u << 20));
  store.release("w");
  EXPECT_LT(residentBytes(), before + (8u << 20));
}

TEST(Scale, AMillionTensors) {
  const int count = kSlow ? 100'000 : 1'000'000;
  std::string header = "{";
  header.reserve(80u * static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    std::string at = std::to_string(i), end = std::to_string(i + 1);
    header += (i ? ",\"t" : "\"t") + at + "\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[" +
              at + "," + end + "]}";
  }
  header += "}";
  TempDir dir;
  std::string path =
      dir.write("m.safetensors", safetensors(header, zeros(static_cast<size_t>(count))));
  const uint64_t fileBytes = header.size() + static_cast<size_t>(count) + 8;
  std::string().swap(header);
  size_t before = residentBytes();
  double start = seconds();
  ParamStore store;
  ASSERT_EQ(refusal(store.addFile(path)), "accepted");
  double took = seconds() - start;
  EXPECT_EQ(store.list().size(), static_cast<size_t>(count));
  EXPECT_TRUE(store.find("t" + std::to_string(count - 1)));
  EXPECT_LT(took, 10.0);
  if (!kSlow)
    EXPECT_LT(residentBytes() - std::min(before, residentBytes()), (256u << 20) + 2 * fileBytes);
  RecordProperty("seconds", std::to_string(took));
}
