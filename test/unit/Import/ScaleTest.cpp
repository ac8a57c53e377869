// Importing costs what the headers cost: a llama of 7 billion f32 parameters
// (28 GB, sparse files in six shards) in at most a second and 300 MB.
#include "ImportFiles.h"

#include <chrono>

using namespace fingpt;
using namespace fingpt::test;
namespace fs = std::filesystem;

namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kSlow = true;
#else
constexpr bool kSlow = false;
#endif
#else
constexpr bool kSlow = false;
#endif

constexpr int64_t kLayers = 32, kWidth = 4096, kMlp = 11008, kVocab = 32000;

struct Tensor {
  std::string name;
  Shape shape;
};

std::vector<Tensor> llama7B() {
  std::vector<Tensor> t{{"model.embed_tokens.weight", {kVocab, kWidth}}};
  for (int64_t i = 0; i < kLayers; ++i) {
    std::string p = "model.layers." + std::to_string(i) + ".";
    for (const char *name : {"q_proj", "k_proj", "v_proj", "o_proj"})
      t.push_back({p + "self_attn." + name + ".weight", {kWidth, kWidth}});
    t.push_back({p + "mlp.gate_proj.weight", {kMlp, kWidth}});
    t.push_back({p + "mlp.up_proj.weight", {kMlp, kWidth}});
    t.push_back({p + "mlp.down_proj.weight", {kWidth, kMlp}});
    t.push_back({p + "input_layernorm.weight", {kWidth}});
    t.push_back({p + "post_attention_layernorm.weight", {kWidth}});
  }
  t.push_back({"model.norm.weight", {kWidth}});
  t.push_back({"lm_head.weight", {kVocab, kWidth}});
  return t;
}

/// One sparse shard; adds its tensors to the index's map.
std::error_code writeShard(const TempDir &dir, const std::string &shard,
                           const std::vector<Tensor> &tensors, Json &map) {
  std::string header = "{";
  uint64_t at = 0;
  for (const Tensor &t : tensors) {
    uint64_t bytes = 4;
    for (int64_t n : t.shape)
      bytes *= static_cast<uint64_t>(n);
    header +=
        (at ? "," : "") + entry(t.name, "F32", Json(t.shape).dump(),
                                "[" + std::to_string(at) + "," + std::to_string(at + bytes) + "]");
    at += bytes;
    map[t.name] = shard;
  }
  std::string path = dir.write(shard, safetensors(header + "}"));
  std::error_code error;
  fs::resize_file(path, fs::file_size(path) + at, error);
  return error;
}

size_t peakResidentBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.compare(0, 6, "VmHWM:") == 0)
      return std::stoul(line.substr(6)) * 1024;
  return 0;
}

} // namespace

TEST(Scale, TwentyEightGigabytes) {
  TempDir dir;
  dir.write("config.json", Json{{"model_type", "llama"},
                                {"vocab_size", kVocab},
                                {"hidden_size", kWidth},
                                {"intermediate_size", kMlp},
                                {"num_hidden_layers", kLayers},
                                {"num_attention_heads", 32},
                                {"max_position_embeddings", 4096}}
                               .dump());
  std::vector<Tensor> all = llama7B();
  const size_t shards = 6, perShard = (all.size() + shards - 1) / shards;
  Json index;
  for (size_t s = 0; s < shards; ++s) {
    std::vector<Tensor> part(all.begin() + std::min(all.size(), s * perShard),
                             all.begin() + std::min(all.size(), (s + 1) * perShard));
    std::string name = "model-" + std::to_string(s) + ".safetensors";
    if (std::error_code error = writeShard(dir, name, part, index["weight_map"]))
      GTEST_SKIP() << "no sparse files here: " << error.message();
  }
  dir.write("model.safetensors.index.json", index.dump());

  auto start = std::chrono::steady_clock::now();
  TestContext context;
  auto model = importModel(dir.path(), context);
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  ASSERT_TRUE(model) << refusal(model);
  std::printf("imported in %.3f s, peak %.0f MB\n", seconds.count(), peakResidentBytes() / 1e6);
  EXPECT_LT(seconds.count(), kSlow ? 10 : 1);
  if (!kSlow)
    EXPECT_LT(peakResidentBytes(), 300u << 20);
}
