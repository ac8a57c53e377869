// GPT-2: learned positions, LayerNorm before attention and MLP, one fused
// projection; linears are Conv1D, stored as [in, out].
#include "../Architecture.h"

using mlir::Value;

namespace fingpt {

void readGPT2(ConfigReader &r, ModelConfig &c) {
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

static Value attention(TransformerBuilder &b, const ModelConfig &c, Value x, const std::string &p,
                       int64_t layer) {
  auto third = [&](const char *part, int64_t i) {
    Value w = b.weightRows(p + "c_attn.weight", 3 * c.hidden, c.hidden, i * c.hidden, c.hidden,
                           p + part + ".weight");
    return b.linear(x, w, b.vectorPart(p + "c_attn.bias", 3 * c.hidden, i * c.hidden, c.hidden));
  };
  Value q = third("q_attn", 0);
  Value k = third("k_attn", 1);
  Value v = third("v_attn", 2);
  return b.linear(b.attention(q, k, v, layer), p + "c_proj", c.hidden, true);
}

Value buildGPT2(TransformerBuilder &b, const ModelConfig &c) {
  b.beginDecoder();
  Value table = b.weight("wte.weight", c.vocab, c.hidden);
  Value h = b.embedding(b.tokens(), table);
  Value places = b.weight("wpe.weight", c.context, c.hidden);
  h = b.add(h, b.embedding(b.positions(), places));
  for (int64_t i = 0; i < c.layers && !b.failed(); ++i) {
    std::string p = b.layer("h", i);
    Value x = b.layerNorm(h, p + "ln_1");
    h = b.add(h, attention(b, c, x, p + "attn.", i));
    x = b.layerNorm(h, p + "ln_2");
    x = b.activate(b.linear(x, p + "mlp.c_fc", c.intermediate, true));
    h = b.add(h, b.linear(x, p + "mlp.c_proj", c.hidden, true));
  }
  b.endLayers();
  h = b.layerNorm(h, "ln_f");
  return b.linear(h, b.headWeight("/lm_head.weight", "wte.weight", table, c.hidden));
}

} // namespace fingpt
