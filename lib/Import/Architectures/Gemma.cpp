// Gemma 1 to 3: Llama with norms that multiply by 1 + w and embeddings times
// √width; 2 and 3 add norms on the branches, sliding layers and their own
// scale.
#include "../Architecture.h"

#include <cmath>

namespace fingpt {

static void readCommon(ConfigReader &r, ModelConfig &c, const DecoderDefaults &d) {
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

void readGemma(ConfigReader &r, ModelConfig &c) {
  readCommon(r, c, {256000, 3072, 24576, 28, 16, 16, 256, 8192, 1e-6, true, "gelu_pytorch_tanh"});
  r.rope(c);
}

static void readCaps(ConfigReader &r, ModelConfig &c, double attention, double logits) {
  c.attentionSoftCap = r.positiveOrNone("attn_logit_softcapping", attention);
  c.logitSoftCap = r.positiveOrNone("final_logit_softcapping", logits);
  c.attentionScale = 1.0 / std::sqrt(r.positive("query_pre_attn_scalar", 256));
  c.branchNorms = true;
}

void readGemma2(ConfigReader &r, ModelConfig &c) {
  readCommon(r, c, {256000, 2304, 9216, 26, 8, 4, 256, 8192, 1e-6, true, "gelu_pytorch_tanh"});
  readCaps(r, c, 50, 30);
  r.rope(c);
  r.windows(c, r.window(4096), [](int64_t i) { return i % 2 == 0; });
}

void readGemma3(ConfigReader &r, ModelConfig &c) {
  readCommon(r, c, {262208, 2304, 9216, 26, 8, 4, 256, 131072, 1e-6, true, "gelu_pytorch_tanh"});
  readCaps(r, c, 0, 0);
  c.queryKeyNorm = true;
  r.ropeByLayerType(c, 1e6, 1e4);
  int64_t pattern = r.integer("sliding_window_pattern", 1, kMaxLayers, 6);
  r.windows(c, r.window(4096), [&](int64_t i) { return (i + 1) % pattern != 0; });
}

} // namespace fingpt
