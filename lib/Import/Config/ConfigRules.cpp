#include "ConfigRules.h"
#include "ConfigReader.h"

#include <cmath>

namespace fingpt {

static void readLlama(ConfigReader &r, ModelConfig &c) {
  r.decoder(c, {32000, 4096, 11008, 32, 32, 0, 0, 2048, 1e-6, false, "silu"});
  c.attentionBias = c.outputBias = r.boolean("attention_bias", false);
  c.mlpBias = r.boolean("mlp_bias", false);
  r.rope(c);
}

static void readMistral(ConfigReader &r, ModelConfig &c) {
  r.decoder(c, {32000, 4096, 14336, 32, 32, 8, 0, 131072, 1e-6, false, "silu"});
  r.rope(c);
  c.windows.assign(static_cast<size_t>(c.layers), r.window(4096));
}

/// Windows of Qwen: on the layers from max_window_layers on, if at all.
static void readQwenWindows(ConfigReader &r, ModelConfig &c) {
  int64_t first = r.integer("max_window_layers", 0, kMaxLayers, 28);
  int64_t window = r.boolean("use_sliding_window", false) ? r.window(4096) : 0;
  r.windows(c, window, [&](int64_t i) { return i >= first; });
}

static void readQwen2(ConfigReader &r, ModelConfig &c) {
  r.decoder(c, {151936, 4096, 22016, 32, 32, 32, 0, 32768, 1e-6, false, "silu"});
  c.attentionBias = true; // q, k and v, with no key that says so
  r.rope(c);
  readQwenWindows(r, c);
}

static void readQwen3(ConfigReader &r, ModelConfig &c) {
  r.decoder(c, {151936, 4096, 22016, 32, 32, 32, 128, 32768, 1e-6, false, "silu"});
  c.attentionBias = c.outputBias = r.boolean("attention_bias", false);
  c.queryKeyNorm = true;
  r.rope(c);
  readQwenWindows(r, c);
}

static void readPhi3(ConfigReader &r, ModelConfig &c) {
  r.decoder(c, {32064, 3072, 8192, 32, 32, 0, 0, 4096, 1e-5, false, "silu"});
  c.fusedProjections = true;
  r.rope(c);
  if (int64_t window = r.integer("sliding_window", 1, kMaxContext, 0))
    c.windows.assign(static_cast<size_t>(c.layers), window);
}

/// Gemma 1 to 3: norms multiply by 1 + w, embeddings are scaled by √width.
static void readGemmaCommon(ConfigReader &r, ModelConfig &c, const DecoderDefaults &d) {
  r.decoder(c, d);
  // An old hidden_act is not what the models were trained with.
  c.activation = r.activation("hidden_activation", "gelu_pytorch_tanh");
  if (c.activation == Activation::GeluExact)
    c.activation = Activation::GeluTanh;
  c.normPlusOne = true;
  c.embeddingScale = std::sqrt(double(c.hidden));
  c.attentionBias = c.outputBias = r.boolean("attention_bias", false);
  r.refuse("use_bidirectional_attention", "bidirectional attention is not supported");
}

static void readGemma(ConfigReader &r, ModelConfig &c) {
  readGemmaCommon(r, c,
                  {256000, 3072, 24576, 28, 16, 16, 256, 8192, 1e-6, true, "gelu_pytorch_tanh"});
  r.rope(c);
}

/// Gemma 2 and 3: norms on the branches, caps and a scale of its own.
static void readGemmaCaps(ConfigReader &r, ModelConfig &c, double attention, double logits) {
  c.attentionSoftCap = r.positiveOrNone("attn_logit_softcapping", attention);
  c.logitSoftCap = r.positiveOrNone("final_logit_softcapping", logits);
  c.attentionScale = 1.0 / std::sqrt(r.positive("query_pre_attn_scalar", 256));
  c.branchNorms = true;
}

static void readGemma2(ConfigReader &r, ModelConfig &c) {
  readGemmaCommon(r, c, {256000, 2304, 9216, 26, 8, 4, 256, 8192, 1e-6, true, "gelu_pytorch_tanh"});
  readGemmaCaps(r, c, 50, 30);
  r.rope(c);
  r.windows(c, r.window(4096), [](int64_t i) { return i % 2 == 0; });
}

static void readGemma3(ConfigReader &r, ModelConfig &c) {
  readGemmaCommon(r, c,
                  {262208, 2304, 9216, 26, 8, 4, 256, 131072, 1e-6, true, "gelu_pytorch_tanh"});
  readGemmaCaps(r, c, 0, 0);
  c.queryKeyNorm = true;
  r.ropeByLayerType(c, 1e6, 1e4);
  int64_t pattern = r.integer("sliding_window_pattern", 1, kMaxLayers, 6);
  r.windows(c, r.window(4096), [&](int64_t i) { return (i + 1) % pattern != 0; });
}

static void readGPT2(ConfigReader &r, ModelConfig &c) {
  c.vocab = r.integer("vocab_size", 1, kMaxVocab, 50257);
  c.hidden = r.integer("n_embd", 1, kMaxWidth, 768);
  c.layers = r.integer("n_layer", 1, kMaxLayers, 12);
  c.heads = c.kvHeads = r.integer("n_head", 1, kMaxHeads, 12);
  c.intermediate = r.integer("n_inner", 1, kMaxWidth * 4, 4 * c.hidden);
  c.context = r.integer("n_positions", 1, kMaxContext, 1024);
  c.normEps = r.positive("layer_norm_epsilon", 1e-5);
  c.activation = r.activation("activation_function", "gelu_new");
  c.tiedHead = r.boolean("tie_word_embeddings", true);
  c.conv1D = true;
  r.checkHeads(c, "n_embd", "n_head");
  if (!r.boolean("scale_attn_weights", true))
    c.attentionScale = 1;
  c.scaleByLayer = r.boolean("scale_attn_by_inverse_layer_idx", false);
  r.refuse("add_cross_attention", "cross-attention is not supported");
}

static void readOPT(ConfigReader &r, ModelConfig &c) {
  c.vocab = r.integer("vocab_size", 1, kMaxVocab, 50272);
  c.hidden = r.integer("hidden_size", 1, kMaxWidth, 768);
  c.layers = r.integer("num_hidden_layers", 1, kMaxLayers, 12);
  c.heads = c.kvHeads = r.integer("num_attention_heads", 1, kMaxHeads, 12);
  c.intermediate = r.integer("ffn_dim", 1, kMaxWidth, 3072);
  c.context = r.integer("max_position_embeddings", 1, kMaxContext - kOptPositionOffset, 2048);
  c.embeddingWidth = r.integer("word_embed_proj_dim", 1, kMaxWidth, c.hidden);
  c.normEps = 1e-5; // nn.LayerNorm's default; OPT has no key
  c.activation = r.activation("activation_function", "relu");
  c.tiedHead = r.boolean("tie_word_embeddings", true);
  c.attentionBias = r.boolean("enable_bias", true);
  c.affineNorm = r.boolean("layer_norm_elementwise_affine", true);
  c.normBefore = r.boolean("do_layer_norm_before", true);
  c.finalNorm = c.normBefore && !r.boolean("_remove_final_layer_norm", false);
  r.checkHeads(c, "hidden_size", "num_attention_heads");
}

static void readPhi(ConfigReader &r, ModelConfig &c) {
  r.decoder(c, {51200, 2048, 8192, 24, 32, 0, 0, 2048, 1e-5, false, "gelu_new"});
  c.normEps = r.positive("layer_norm_eps", 1e-5);
  c.queryKeyNorm = r.boolean("qk_layernorm", false);
  r.rope(c, 10000, 0.5);
}

static void readBert(ConfigReader &r, ModelConfig &c) {
  c.vocab = r.integer("vocab_size", 1, kMaxVocab, 30522);
  c.hidden = r.integer("hidden_size", 1, kMaxWidth, 768);
  c.layers = r.integer("num_hidden_layers", 1, kMaxLayers, 12);
  c.heads = c.kvHeads = r.integer("num_attention_heads", 1, kMaxHeads, 12);
  c.intermediate = r.integer("intermediate_size", 1, kMaxWidth, 3072);
  c.context = r.integer("max_position_embeddings", 1, kMaxContext, 512);
  c.tokenTypes = r.integer("type_vocab_size", 1, kMaxWidth, 2);
  c.normEps = r.positive("layer_norm_eps", 1e-12);
  c.activation = r.activation("hidden_act", "gelu");
  c.tiedHead = r.boolean("tie_word_embeddings", true);
  r.checkHeads(c, "hidden_size", "num_attention_heads");
  r.refuse("is_decoder", "BERT as a decoder is not supported");
  r.refuse("add_cross_attention", "cross-attention is not supported");
  std::string positions = r.string("position_embedding_type", "absolute");
  if (positions != "absolute")
    r.fail("position_embedding_type", "positions", "\"absolute\"", quote(positions));
  if (const Json *classes = r.json().find("architectures"); classes && classes->is_array())
    for (const Json &name : *classes)
      c.maskedHead |= name == "BertForMaskedLM" || name == "BertForPreTraining";
}

namespace {
struct ConfigRules {
  const char *modelType; ///< `model_type` of config.json
  void (*read)(ConfigReader &, ModelConfig &);
};
} // namespace

static constexpr ConfigRules kRules[] = {
    {"bert", readBert}, {"gemma", readGemma}, {"gemma2", readGemma2},   {"gemma3_text", readGemma3},
    {"gpt2", readGPT2}, {"llama", readLlama}, {"mistral", readMistral}, {"opt", readOPT},
    {"phi", readPhi},   {"phi3", readPhi3},   {"qwen2", readQwen2},     {"qwen3", readQwen3},
};

std::string knownArchitectures() {
  std::string out;
  for (const ConfigRules &rules : kRules)
    out += (out.empty() ? "" : ", ") + std::string(rules.modelType);
  return out;
}

Result<ModelConfig> readConfig(std::string_view modelType, const Json &config,
                               const std::string &file, const std::string &pointer) {
  for (const ConfigRules &rules : kRules) {
    if (modelType != rules.modelType)
      continue;
    ModelConfig c;
    c.architecture = rules.modelType;
    ConfigReader r(config, file, pointer);
    if (Status s = r.status(); !s)
      return s.takeError();
    rules.read(r, c);
    if (Status s = r.status(); !s)
      return s.takeError();
    return c;
  }
  return Error::at(escaped(file, 1000) + ":" + pointer + "/model_type", "architecture",
                   "one of " + knownArchitectures(), quote(modelType));
}

/// Multimodal files keep the language model's configuration under text_config.
static const Json *textConfig(const Json &config) {
  auto it = config.find("text_config");
  return it != config.end() && it->is_object() ? &*it : nullptr;
}

Result<ModelConfig> readHuggingFaceConfig(const Json &json, const std::string &file) {
  JsonObject root(json, file);
  if (Status s = root.expectObject(); !s)
    return s.takeError();
  const Json *nested = textConfig(json);
  const Json &config = nested ? *nested : json;
  std::string pointer = nested ? "/text_config" : "";
  Result<std::string> type = JsonObject(config, file, pointer).string("model_type");
  if (!type)
    return type.takeError();
  if (const Json *q = root.find("quantization_config"))
    return Error::at(root.where("quantization_config"), "quantized checkpoint",
                     "plain F32, F16 or BF16 weights",
                     q->is_object() && q->contains("quant_method") ? describe((*q)["quant_method"])
                                                                   : describe(*q));
  return readConfig(*type, config, file, pointer);
}

} // namespace fingpt
