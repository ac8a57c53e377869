// OPT: learned positions that begin at 2, LayerNorm before the blocks or, in
// the 350M model, after them; that one also embeds in a smaller width.
#include "../Architecture.h"

using mlir::Value;

namespace fingpt {

static Value attention(TransformerBuilder &b, const ModelConfig &c, Value x, const std::string &p,
                       int64_t layer) {
  Value q = b.linear(x, p + "q_proj", c.hidden, c.attentionBias);
  Value k = b.linear(x, p + "k_proj", c.hidden, c.attentionBias);
  Value v = b.linear(x, p + "v_proj", c.hidden, c.attentionBias);
  return b.linear(b.attention(q, k, v, layer), p + "out_proj", c.hidden, c.attentionBias);
}

/// x + block(x), with a norm before the block or after the sum.
template <typename Block>
static Value residual(TransformerBuilder &b, const ModelConfig &c, Value x, const std::string &norm,
                      Block block) {
  Value y = block(c.normBefore ? b.layerNorm(x, norm, c.affineNorm) : x);
  y = b.add(x, y);
  return c.normBefore ? y : b.layerNorm(y, norm, c.affineNorm);
}

Value buildOPT(TransformerBuilder &b, const ModelConfig &c) {
  b.beginDecoder();
  Value table = b.weight("embed_tokens.weight", c.vocab, c.embeddingWidth);
  Value h = b.embedding(b.tokens(), table);
  bool projected = c.embeddingWidth != c.hidden;
  if (projected)
    h = b.linear(h, "project_in", c.hidden);
  Value places = b.weight("embed_positions.weight", c.context + kOptPositionOffset, c.hidden);
  h = b.add(h, b.embedding(b.positions(kOptPositionOffset), places));
  for (int64_t i = 0; i < c.layers && !b.failed(); ++i) {
    std::string p = b.layer("layers", i);
    h = residual(b, c, h, p + "self_attn_layer_norm",
                 [&](Value x) { return attention(b, c, x, p + "self_attn.", i); });
    h = residual(b, c, h, p + "final_layer_norm", [&](Value x) {
      x = b.activate(b.linear(x, p + "fc1", c.intermediate, c.attentionBias));
      return b.linear(x, p + "fc2", c.hidden, c.attentionBias);
    });
  }
  b.endLayers();
  if (c.finalNorm)
    h = b.layerNorm(h, "final_layer_norm", c.affineNorm);
  if (projected)
    h = b.linear(h, "project_out", c.embeddingWidth);
  return b.linear(h,
                  b.headWeight("/lm_head.weight", "embed_tokens.weight", table, c.embeddingWidth));
}

} // namespace fingpt
