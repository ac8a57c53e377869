// Llama and its relatives: RMSNorm before attention and MLP, rotary positions,
// grouped heads, a gated MLP. Mistral, Qwen 2 and 3, Phi-3 and the Gemmas
// differ in what ModelConfig says.
#include "../Architecture.h"

using mlir::Value;

namespace fingpt {

/// Queries, keys and values of x; `first` counts the rows of a fused weight.
static Value project(TransformerBuilder &b, const ModelConfig &c, Value x, const std::string &p,
                     const char *name, int64_t width, int64_t first) {
  if (!c.fusedProjections)
    return b.linear(x, p + name, width, c.attentionBias);
  int64_t rows = (c.heads + 2 * c.kvHeads) * c.headDim;
  return b.linear(
      x, b.weightRows(p + "qkv_proj.weight", rows, c.hidden, first, width, p + name + ".weight"));
}

static Value attention(TransformerBuilder &b, const ModelConfig &c, Value x, const std::string &p,
                       int64_t layer) {
  int64_t width = c.heads * c.headDim, kvWidth = c.kvHeads * c.headDim;
  Value q = project(b, c, x, p, "q_proj", width, 0);
  Value k = project(b, c, x, p, "k_proj", kvWidth, width);
  Value v = project(b, c, x, p, "v_proj", kvWidth, width + kvWidth);
  if (c.queryKeyNorm) {
    q = b.rmsNorm(q, p + "q_norm", c.headDim);
    k = b.rmsNorm(k, p + "k_norm", c.headDim);
  }
  bool local = c.hasLocalRope && c.windows[static_cast<size_t>(layer)] != 0;
  const RopeConfig &rope = local ? c.localRope : c.rope;
  q = b.rope(q, rope);
  k = b.rope(k, rope);
  return b.linear(b.attention(q, k, v, layer), p + "o_proj", c.hidden, c.outputBias);
}

static Value mlp(TransformerBuilder &b, const ModelConfig &c, Value x, const std::string &p) {
  auto half = [&](const char *name, int64_t first) {
    if (!c.fusedProjections)
      return b.linear(x, p + name, c.intermediate, c.mlpBias);
    return b.linear(x, b.weightRows(p + "gate_up_proj.weight", 2 * c.intermediate, c.hidden, first,
                                    c.intermediate, p + name + ".weight"));
  };
  Value gate = b.activate(half("gate_proj", 0));
  Value up = half("up_proj", c.intermediate);
  return b.linear(b.multiply(gate, up), p + "down_proj", c.hidden, c.mlpBias);
}

Value buildLlama(TransformerBuilder &b, const ModelConfig &c) {
  b.beginDecoder();
  Value table = b.weight("embed_tokens.weight", c.vocab, c.hidden);
  Value h = b.embedding(b.tokens(), table);
  if (c.embeddingScale != 1)
    h = b.scale(h, c.embeddingScale);
  for (int64_t i = 0; i < c.layers && !b.failed(); ++i) {
    std::string p = b.layer("layers", i);
    Value x = attention(b, c, b.rmsNorm(h, p + "input_layernorm"), p + "self_attn.", i);
    if (c.branchNorms)
      x = b.rmsNorm(x, p + "post_attention_layernorm");
    h = b.add(h, x);
    x = b.rmsNorm(h,
                  p + (c.branchNorms ? "pre_feedforward_layernorm" : "post_attention_layernorm"));
    x = mlp(b, c, x, p + "mlp.");
    if (c.branchNorms)
      x = b.rmsNorm(x, p + "post_feedforward_layernorm");
    h = b.add(h, x);
  }
  b.endLayers();
  h = b.rmsNorm(h, "norm");
  Value head = b.headWeight("/lm_head.weight", "embed_tokens.weight", table, c.hidden);
  return b.softCap(b.linear(h, head), c.logitSoftCap);
}

} // namespace fingpt
