// GPT-2: learned positions, LayerNorm before attention and MLP, one fused
// projection; linears are Conv1D, stored as [in, out].
#include "../Architecture.h"

using mlir::Value;

namespace fingpt {

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
