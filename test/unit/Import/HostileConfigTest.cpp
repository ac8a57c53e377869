// config.json of strangers: every case of the reliability catalogue, with the
// one line that it earns.
#include "ImportFiles.h"

using namespace fingpt;
using namespace fingpt::test;

namespace {

struct Case {
  const char *name;
  const char *patch;    ///< merged into the llama's configuration; null removes a key
  const char *expected; ///< message without the directory
};

const Case kCases[] = {
    {"model_type is missing", R"({"model_type": null})",
     "config.json:/model_type: missing, expected a string, got nothing"},
    {"model_type is unknown", R"({"model_type": "mamba"})",
     "config.json:/model_type: architecture, expected one of bert, gemma, "
     "gemma2, "
     "gemma3_text, gpt2, llama, mistral, opt, phi, phi3, qwen2, qwen3, got "
     "\"mamba\""},
    {"model_type is a number", R"({"model_type": 7})",
     "config.json:/model_type: wrong type, expected a string, got 7"},
    {"string for integer", R"({"hidden_size": "big"})",
     "config.json:/hidden_size: wrong type, expected an integer in [1, "
     "1048576], "
     "got \"big\""},
    {"bool for integer", R"({"num_hidden_layers": true})",
     "config.json:/num_hidden_layers: wrong type, expected an integer in [1, "
     "10000], got true"},
    {"float for integer", R"({"vocab_size": 8.5})",
     "config.json:/vocab_size: wrong type, expected an integer in [1, "
     "16777216], "
     "got 8.5"},
    {"zero", R"({"num_attention_heads": 0})",
     "config.json:/num_attention_heads: out of range, expected an integer in "
     "[1, "
     "65536], got 0"},
    {"negative", R"({"intermediate_size": -12})",
     "config.json:/intermediate_size: out of range, expected an integer in [1, "
     "1048576], got -12"},
    {"2^31", R"({"max_position_embeddings": 2147483648})",
     "config.json:/max_position_embeddings: out of range, expected an integer "
     "in "
     "[1, 2147483647], got 2147483648"},
    {"1e18", R"({"hidden_size": 1000000000000000000})",
     "config.json:/hidden_size: out of range, expected an integer in [1, "
     "1048576], "
     "got 1000000000000000000"},
    {"beyond 64 bits", R"({"vocab_size": 18446744073709551615})",
     "config.json:/vocab_size: out of range, expected an integer in [1, "
     "16777216], "
     "got 18446744073709551615"},
    {"heads do not divide the width", R"({"num_attention_heads": 3, "num_key_value_heads": 3})",
     "config.json:/num_attention_heads: number of heads, expected a divisor of "
     "hidden_size 8, got 3"},
    {"key-value heads do not divide heads",
     R"({"num_attention_heads": 4, "num_key_value_heads": 3})",
     "config.json:/num_key_value_heads: number of key-value heads, expected a "
     "divisor of num_attention_heads 4, got 3"},
    {"head size of its own", R"({"head_dim": 6})",
     "model.safetensors: tensor \"model.layers.0.self_attn.q_proj.weight\": "
     "shape, "
     "expected [12, 8], got [8, 8]"},
    {"odd head size", R"({"head_dim": 3})",
     "config.json:/head_dim: rotary width, expected an even number in [2, 3] "
     "of "
     "head size 3, got 3"},
    {"more layers than tensors", R"({"num_hidden_layers": 2})",
     "model.safetensors: tensor \"model.layers.1.input_layernorm.weight\": "
     "missing, "
     "expected F32, F16 or BF16 [8], got nothing"},
    {"ten thousand layers", R"({"num_hidden_layers": 10000})",
     "model.safetensors: tensor \"model.layers.1.input_layernorm.weight\": "
     "missing, "
     "expected F32, F16 or BF16 [8], got nothing"},
    {"a million layers", R"({"num_hidden_layers": 1000000})",
     "config.json:/num_hidden_layers: out of range, expected an integer in [1, "
     "10000], got 1000000"},
    {"vocabulary is not the table's", R"({"vocab_size": 9})",
     "model.safetensors: tensor \"model.embed_tokens.weight\": shape, expected "
     "[9, "
     "8], got [8, 8]"},
    {"width is not the tensors'", R"({"hidden_size": 16})",
     "model.safetensors: tensor \"model.embed_tokens.weight\": shape, expected "
     "[8, "
     "16], got [8, 8]"},
    {"eps zero", R"({"rms_norm_eps": 0})",
     "config.json:/rms_norm_eps: out of range, expected a number above 0, got "
     "0"},
    {"eps negative", R"({"rms_norm_eps": -1e-05})",
     "config.json:/rms_norm_eps: out of range, expected a number above 0, got "
     "-1e-05"},
    {"eps a string", R"({"rms_norm_eps": "1e-5"})",
     "config.json:/rms_norm_eps: wrong type, expected a number, got \"1e-5\""},
    {"theta zero", R"({"rope_theta": 0})",
     "config.json:/rope_theta: out of range, expected a number above 0, got 0"},
    {"theta in rope_parameters", R"({"rope_parameters": {"rope_theta": -1}})",
     "config.json:/rope_parameters/rope_theta: out of range, expected a number "
     "above 0, got -1"},
    {"rope_parameters is no object", R"({"rope_parameters": [1]})",
     "config.json:/rope_parameters: wrong type, expected an object, got an "
     "array of "
     "1"},
    {"unknown activation", R"({"hidden_act": "mish"})",
     "config.json:/hidden_act: activation, expected one of silu, swish, relu, "
     "gelu, "
     "gelu_new, gelu_pytorch_tanh, gelu_fast, quick_gelu, got \"mish\""},
    {"unknown scaling", R"({"rope_scaling": {"type": "dynamic", "factor": 2}})",
     "config.json:/rope_scaling/type: rotary scaling, expected default, "
     "linear, "
     "llama3, yarn or longrope, got \"dynamic\""},
    {"scaling is a number", R"({"rope_scaling": 4})",
     "config.json:/rope_scaling: wrong type, expected an object, got 4"},
    {"scaling without factor", R"({"rope_scaling": {"type": "linear"}})",
     "config.json:/rope_scaling/factor: missing, expected a number above 0, "
     "got "
     "nothing"},
    {"factor zero", R"({"rope_scaling": {"type": "linear", "factor": 0}})",
     "config.json:/rope_scaling/factor: out of range, expected a number above "
     "0, "
     "got 0"},
    {"llama3 with crossed factors",
     R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 1, "original_max_position_embeddings": 8}})",
     "config.json:/rope_scaling/high_freq_factor: out of range, expected more "
     "than "
     "low_freq_factor 4, got 1"},
    {"yarn on base 1", R"({"rope_theta": 1, "rope_scaling": {"rope_type": "yarn", "factor": 2}})",
     "config.json:/rope_theta: out of range, expected a number above 1 for "
     "yarn, "
     "got 1"},
    {"yarn on base 1 of its own",
     R"({"rope_parameters": {"rope_type": "yarn", "factor": 2, "rope_theta": 1.0}})",
     "config.json:/rope_parameters/rope_theta: out of range, expected a number "
     "above 1 for yarn, got 1"},
    {"yarn on base 0.5",
     R"({"rope_scaling": {"rope_type": "yarn", "factor": 2}, "rope_theta": 0.5})",
     "config.json:/rope_theta: out of range, expected a number above 1 for "
     "yarn, got 0.5"},
    {"yarn attention factor that overflows",
     R"({"rope_scaling": {"type": "yarn", "factor": 1e308, "mscale": 1e308, "mscale_all_dim": 1}})",
     "config.json:/rope_scaling/attention_factor: out of range, expected a "
     "number above 0, got inf"},
    {"original context zero",
     R"({"rope_scaling": {"rope_type": "yarn", "factor": 2, "original_max_position_embeddings": 0}})",
     "config.json:/rope_scaling/original_max_position_embeddings: out of "
     "range, "
     "expected an integer in [1, 2147483647], got 0"},
    {"longrope without factors", R"({"rope_scaling": {"type": "longrope"}})",
     "config.json:/rope_scaling/short_factor: missing, expected an array of 2 "
     "numbers above 0, got nothing"},
    {"longrope of another length",
     R"({"rope_scaling": {"type": "su", "short_factor": [1], "long_factor": [1, 2]}})",
     "config.json:/rope_scaling/short_factor: wrong value, expected an array "
     "of 2 "
     "numbers above 0, got an array of 1"},
    {"longrope factor zero",
     R"({"rope_scaling": {"type": "su", "short_factor": [1, 0], "long_factor": [1, 2]}})",
     "config.json:/rope_scaling/short_factor/1: wrong value, expected a number "
     "above 0, got 0"},
    {"partial rotary too small", R"({"partial_rotary_factor": 0.1})",
     "config.json:/partial_rotary_factor: rotary width, expected an even "
     "number in "
     "[2, 4] of head size 4, got 0"},
    {"partial rotary too large", R"({"partial_rotary_factor": 1.5})",
     "config.json:/partial_rotary_factor: rotary width, expected an even "
     "number in "
     "[2, 4] of head size 4, got 6"},
    {"partial rotary odd", R"({"head_dim": 4, "partial_rotary_factor": 0.75})",
     "config.json:/partial_rotary_factor: rotary width, expected an even "
     "number in "
     "[2, 4] of head size 4, got 3"},
    {"bias that is not there", R"({"attention_bias": true})",
     "model.safetensors: tensor \"model.layers.0.self_attn.q_proj.bias\": "
     "missing, "
     "expected F32, F16 or BF16 [8], got nothing"},
    {"head that is not there", R"({"tie_word_embeddings": false})",
     "model.safetensors: tensor \"lm_head.weight\": missing, expected F32, F16 "
     "or "
     "BF16 [8, 8], got nothing"},
    {"tied is a string", R"({"tie_word_embeddings": "yes"})",
     "config.json:/tie_word_embeddings: wrong type, expected true or false, "
     "got "
     "\"yes\""},
    {"quantized", R"({"quantization_config": {"quant_method": "gptq", "bits": 4}})",
     "config.json:/quantization_config: quantized checkpoint, expected plain "
     "F32, "
     "F16 or BF16 weights, got \"gptq\""},
    {"windows of unknown kind", R"({"model_type": "qwen2", "layer_types": ["chunked_attention"]})",
     "config.json:/layer_types/0: layer type, expected \"full_attention\" or "
     "\"sliding_attention\", got \"chunked_attention\""},
    {"windows for other layers",
     R"({"model_type": "qwen2", "layer_types": ["full_attention", "full_attention"]})",
     "config.json:/layer_types: wrong value, expected an array of "
     "num_hidden_layers "
     "(1) strings, got an array of 2"},
    {"window zero", R"({"model_type": "mistral", "sliding_window": 0})",
     "config.json:/sliding_window: out of range, expected an integer in [1, "
     "2147483647], got 0"},
    {"text_config of another type",
     R"({"model_type": "gemma3", "text_config": {"model_type": "nope"}})",
     "config.json:/text_config/model_type: architecture, expected one of bert, "
     "gemma, gemma2, gemma3_text, gpt2, llama, mistral, opt, phi, phi3, qwen2, "
     "qwen3, got \"nope\""},
    {"bidirectional", R"({"model_type": "gemma", "use_bidirectional_attention": true})",
     "config.json:/use_bidirectional_attention: bidirectional attention is not "
     "supported, expected false or nothing, got true"},
    {"soft cap zero", R"({"model_type": "gemma2", "final_logit_softcapping": 0})",
     "config.json:/final_logit_softcapping: out of range, expected a number "
     "above "
     "0, got 0"},
};

std::string messageFor(const Json &patch) {
  TempDir dir;
  Json config = llamaConfig();
  for (const auto &[key, value] : patch.items())
    config[key] = value;
  dir.write("config.json", config.dump());
  writeTensors(dir, llamaTensors());
  return importMessage(dir, dir.path());
}

} // namespace

TEST(HostileConfig, EveryCaseHasItsLine) {
  for (const Case &c : kCases)
    EXPECT_EQ(messageFor(Json::parse(c.patch)), c.expected) << c.name;
}

TEST(HostileConfig, TheModelItselfIsFine) { EXPECT_EQ(messageFor(Json::object()), "accepted"); }

TEST(HostileConfig, AutoMapIsIgnored) {
  EXPECT_EQ(messageFor({{"auto_map", {{"AutoModel", "evil.py--evil.Model"}}}}), "accepted");
}

TEST(HostileConfig, NotAnObject) {
  TempDir dir;
  for (auto [text, expected] : {
           std::pair("[]", "config.json:/: wrong type, expected an object, got "
                           "an array of 0"),
           std::pair("", "config.json:0x0: invalid JSON: "),
           std::pair("{\"a\":1,\"a\":2}", "config.json:0xa: duplicate key \"a\""),
           std::pair("{\"hidden_size\":NaN}", "config.json:0xf: invalid JSON: "),
       }) {
    dir.write("config.json", text);
    std::string message = importMessage(dir, dir.path());
    EXPECT_EQ(message.substr(0, std::string(expected).size()), expected);
  }
}

TEST(HostileConfig, ForeignTextIsEscapedAndCut) {
  std::string evil = "llama\n\x1b[31merror: all is well" + std::string(5000, 'x');
  std::string message = messageFor({{"model_type", evil}});
  EXPECT_LT(message.size(), 600u);
  EXPECT_EQ(message.find('\n'), std::string::npos);
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
}
