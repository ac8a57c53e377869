// Phi-1 to 2: one LayerNorm feeds attention and MLP, whose results are both
// added to the residual; biases everywhere; rotary positions on a part of every
// head.
#include "../Architecture.h"

using mlir::Value;

namespace fingpt {

static Value attention(TransformerBuilder &b, const ModelConfig &c, Value x, const std::string &p,
                       int64_t layer) {
  Value q = b.linear(x, p + "q_proj", c.heads * c.headDim, true);
  Value k = b.linear(x, p + "k_proj", c.kvHeads * c.headDim, true);
  Value v = b.linear(x, p + "v_proj", c.kvHeads * c.headDim, true);
  if (c.queryKeyNorm) {
    q = b.layerNorm(q, p + "q_layernorm", true, c.headDim);
    k = b.layerNorm(k, p + "k_layernorm", true, c.headDim);
  }
  q = b.rope(q, c.rope);
  k = b.rope(k, c.rope);
  return b.linear(b.attention(q, k, v, layer), p + "dense", c.hidden, true);
}

Value buildPhi(TransformerBuilder &b, const ModelConfig &c) {
  b.beginDecoder();
  Value table = b.weight("embed_tokens.weight", c.vocab, c.hidden);
  Value h = b.embedding(b.tokens(), table);
  for (int64_t i = 0; i < c.layers && !b.failed(); ++i) {
    std::string p = b.layer("layers", i);
    Value n = b.layerNorm(h, p + "input_layernorm");
    Value a = attention(b, c, n, p + "self_attn.", i);
    Value m = b.activate(b.linear(n, p + "mlp.fc1", c.intermediate, true));
    m = b.linear(m, p + "mlp.fc2", c.hidden, true);
    h = b.add(b.add(a, m), h);
  }
  b.endLayers();
  h = b.layerNorm(h, "final_layernorm");
  Value head = b.headWeight("/lm_head.weight", "embed_tokens.weight", table, c.hidden);
  return b.linear(h, head, b.vector("/lm_head.bias", c.vocab));
}

} // namespace fingpt
