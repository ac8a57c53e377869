// GGUF metadata of strangers, and the expressions that block formats become.
#include "ImportFiles.h"

#include <filesystem>

using namespace fingpt;
using namespace fingpt::test;

namespace {

/// A llama of one layer as a GGUF file: width 32, MLP 64, heads 2, F32 or Q8_0.
struct Model {
  std::map<std::string, std::string> pairs; ///< encoded type and value by key
  std::string arch = "llama";
  uint32_t type = 0;                                    ///< of matrices
  std::map<std::string, std::vector<uint64_t>> tensors; ///< ne, fastest first

  Model() {
    integer("llama.context_length", 64);
    integer("llama.embedding_length", 32);
    integer("llama.block_count", 1);
    integer("llama.feed_forward_length", 64);
    integer("llama.attention.head_count", 2);
    number("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    tensors = {{"token_embd.weight", {32, 4}},      {"output_norm.weight", {32}},
               {"blk.0.attn_norm.weight", {32}},    {"blk.0.ffn_norm.weight", {32}},
               {"blk.0.attn_q.weight", {32, 32}},   {"blk.0.attn_k.weight", {32, 32}},
               {"blk.0.attn_v.weight", {32, 32}},   {"blk.0.attn_output.weight", {32, 32}},
               {"blk.0.ffn_gate.weight", {32, 64}}, {"blk.0.ffn_up.weight", {32, 64}},
               {"blk.0.ffn_down.weight", {64, 32}}};
  }
  void integer(const std::string &key, uint32_t v) { pairs[key] = u32(4) + u32(v); }
  void number(const std::string &key, float v) { pairs[key] = u32(6) + le(v); }
  void text(const std::string &key, const std::string &v) { pairs[key] = u32(8) + gstr(v); }

  /// One of `count` files, which share the tensors out in turn; the first has the metadata.
  std::string split(uint32_t number, uint32_t count) const {
    Model part = *this;
    if (number > 0)
      part.pairs.clear();
    part.integer("split.no", number);
    part.integer("split.count", count);
    part.integer("split.tensors.count", tensors.size());
    part.tensors.clear();
    uint32_t turn = 0;
    for (const auto &tensor : tensors)
      if (turn++ % count == number)
        part.tensors.insert(tensor);
    return part.image();
  }
  std::string image() const {
    std::string body = kv("general.architecture", 8, gstr(arch)), infos, data;
    for (const auto &[key, value] : pairs)
      body += gstr(key) + value;
    for (const auto &[name, ne] : tensors) {
      uint64_t elements = 1;
      for (uint64_t n : ne)
        elements *= n;
      uint32_t t = ne.size() > 1 ? type : 0;
      infos += gstr(name) + u32(ne.size());
      for (uint64_t n : ne)
        infos += u64(n);
      infos += u32(t) + u64(data.size());
      data += zeros(t == 8 ? elements / 32 * 34 : elements * 4);
      data.resize((data.size() + 31) / 32 * 32);
    }
    return gguf(tensors.size(), pairs.size() + 1, body + infos, data);
  }
  std::string message() const {
    TempDir dir;
    return importMessage(dir, dir.write("m.gguf", image()));
  }
};

} // namespace

TEST(GGUFImport, TheModelItselfIsFine) {
  Model m;
  EXPECT_EQ(m.message(), "accepted");
  m.type = 8;
  EXPECT_EQ(m.message(), "accepted");
}

TEST(GGUFImport, ConfigurationOfHuggingFace) {
  Model m;
  m.number("llama.rope.freq_base", 5e5f);
  TempDir dir;
  TestContext context;
  auto model = importModel(dir.write("m.gguf", m.image()), context);
  ASSERT_TRUE(model) << refusal(model);
  EXPECT_EQ(model->config, Json::parse(
                               R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama",
              "vocab_size": 4, "num_attention_heads": 2, "num_key_value_heads": 2,
              "head_dim": 16, "hidden_size": 32, "num_hidden_layers": 1,
              "intermediate_size": 64, "max_position_embeddings": 64, "rms_norm_eps": 1e-05,
              "rope_theta": 500000.0, "attention_bias": false, "mlp_bias": false,
              "tie_word_embeddings": true})"));
}

TEST(GGUFImport, Metadata) {
  auto with = [](auto edit) {
    Model m;
    edit(m);
    return m.message();
  };
  EXPECT_EQ(with([](Model &m) { m.arch = "mamba"; }),
            "m.gguf:general.architecture: architecture, expected one of gemma, "
            "gemma2, gemma3, "
            "gpt2, llama, phi3, qwen2, qwen3, got \"mamba\"");
  EXPECT_EQ(with([](Model &m) { m.text("general.type", "adapter"); }),
            "m.gguf:general.type: kind of file, expected \"model\", got \"adapter\"");
  EXPECT_EQ(with([](Model &m) { m.integer("split.count", 3); }),
            "m.gguf:split.count: name of the first split, expected an end of "
            "\"-00001-of-00003.gguf\", got \"m.gguf\"");
  EXPECT_EQ(with([](Model &m) { m.pairs.erase("llama.block_count"); }),
            "m.gguf:llama.block_count: missing, expected an integer below "
            "2^63, got nothing");
  EXPECT_EQ(with([](Model &m) { m.integer("llama.block_count", 0); }),
            "m.gguf:llama.block_count: out of range, expected an integer in "
            "[1, 10000], got 0");
  EXPECT_EQ(with([](Model &m) { m.text("llama.embedding_length", "32"); }),
            "m.gguf:llama.embedding_length: wrong type, expected an integer "
            "below 2^63, got "
            "string");
  EXPECT_EQ(with([](Model &m) { m.integer("llama.attention.head_count", 3); }),
            "m.gguf:llama.attention.head_count: number of heads, expected a "
            "divisor of "
            "embedding_length 32, got 3");
  EXPECT_EQ(with([](Model &m) {
              m.integer("llama.attention.head_count", 4);
              m.integer("llama.attention.head_count_kv", 3);
            }),
            "m.gguf:llama.attention.head_count_kv: number of key-value heads, "
            "expected a "
            "divisor of head_count 4, got 3");
  EXPECT_EQ(with([](Model &m) { m.integer("llama.attention.value_length", 8); }),
            "m.gguf:llama.attention.value_length: head size of values, expected that "
            "of keys, "
            "16, got 8");
  EXPECT_EQ(with([](Model &m) { m.number("llama.attention.layer_norm_rms_epsilon", 0); }),
            "m.gguf:llama.attention.layer_norm_rms_epsilon: out of range, "
            "expected a number "
            "above 0, got 0");
  EXPECT_EQ(with([](Model &m) { m.number("llama.rope.freq_base", -1); }),
            "m.gguf:llama.rope.freq_base: out of range, expected a number "
            "above 0, got -1");
  EXPECT_EQ(with([](Model &m) { m.text("llama.rope.scaling.type", "ntk"); }),
            "m.gguf:llama.rope.scaling.type: rotary scaling, expected none, "
            "linear or yarn, got "
            "\"ntk\"");
  EXPECT_EQ(with([](Model &m) { m.integer("llama.expert_count", 8); }),
            "m.gguf:llama.expert_count: mixture of experts, expected a dense "
            "model, got 8 "
            "experts");
  EXPECT_EQ(with([](Model &m) { m.integer("llama.vocab_size", 5); }),
            "m.gguf: tensor \"model.embed_tokens.weight\": shape, expected [5, "
            "32], got [4, 32]");
}

TEST(GGUFImport, RotaryWidthSurvivesTheFraction) {
  Model m; // 60/88·88 is 59.999… in doubles
  m.integer("llama.attention.key_length", 88);
  m.integer("llama.attention.value_length", 88);
  m.integer("llama.rope.dimension_count", 60);
  for (const char *name : {"q", "k", "v"})
    m.tensors["blk.0.attn_" + std::string(name) + ".weight"] = {32, 176};
  m.tensors["blk.0.attn_output.weight"] = {176, 32};
  EXPECT_EQ(m.message(), "accepted");
}

TEST(GGUFImport, TheFirstSplitBringsTheOthers) {
  TempDir dir;
  auto write = [&](const Model &m) {
    for (uint32_t i = 0; i < 3; ++i)
      dir.write("m-0000" + std::to_string(i + 1) + "-of-00003.gguf", m.split(i, 3));
    return importMessage(dir, dir.path("m-00001-of-00003.gguf"));
  };
  Model m;
  EXPECT_EQ(write(m), "accepted");
  m.type = 8;
  EXPECT_EQ(write(m), "accepted");
  EXPECT_EQ(importMessage(dir, dir.path("m-00002-of-00003.gguf")),
            "m-00002-of-00003.gguf:split.count: name of the first split, expected an end of "
            "\"-00001-of-00003.gguf\", got \"m-00002-of-00003.gguf\"");
  m.tensors["z"] = {4}; // of the last split
  EXPECT_EQ(write(m), "m-00001-of-00003.gguf: tensor \"z\": unexpected, expected a tensor of "
                      "architecture llama, got an unknown name");
  std::filesystem::remove(dir.path("m-00003-of-00003.gguf"));
  EXPECT_EQ(importMessage(dir, dir.path("m-00001-of-00003.gguf")),
            "m-00003-of-00003.gguf: cannot open: No such file or directory");
}

TEST(GGUFImport, Tensors) {
  auto with = [](auto edit) {
    Model m;
    edit(m);
    return m.message();
  };
  EXPECT_EQ(with([](Model &m) { m.tensors.erase("token_embd.weight"); }),
            "m.gguf: tensor \"token_embd.weight\": missing, expected the "
            "embedding table, got "
            "nothing");
  EXPECT_EQ(with([](Model &m) { m.tensors.erase("blk.0.ffn_up.weight"); }),
            "m.gguf: tensor \"model.layers.0.mlp.up_proj.weight\": missing, "
            "expected F32, F16 or "
            "BF16 [64, 32], got nothing");
  EXPECT_EQ(with([](Model &m) { m.tensors["blk.0.ffn_exps.weight"] = {32, 4}; }),
            "m.gguf: tensor \"blk.0.ffn_exps.weight\": unexpected, expected a tensor "
            "of "
            "architecture llama, got an unknown name");
  EXPECT_EQ(with([](Model &m) { m.tensors["blk.1.attn_norm.weight"] = {32}; }),
            "m.gguf: tensor \"model.layers.1.input_layernorm.weight\": "
            "unexpected, expected no "
            "such tensor in a llama model of 1 layer, got [32]");
  EXPECT_EQ(with([](Model &m) {
              m.type = 8;
              m.tensors["blk.0.ffn_up.weight"] = {32, 32};
            }),
            "m.gguf: tensor \"model.layers.0.mlp.up_proj.weight\": shape, "
            "expected [64, 32], got "
            "[32, 32]");
  EXPECT_EQ(with([](Model &m) { m.tensors["rope_freqs.weight"] = {7}; }),
            "m.gguf: tensor \"rope_freqs.weight\": shape, expected [8], got [7]");
}
