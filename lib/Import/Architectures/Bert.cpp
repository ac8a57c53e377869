// BERT: an encoder with LayerNorm after every residual sum. BertModel yields
// hidden states, BertForMaskedLM logits.
#include "../Architecture.h"

using mlir::Value;

namespace fingpt {

static Value attention(TransformerBuilder &b, const ModelConfig &c, Value x, const std::string &p,
                       int64_t layer) {
  Value q = b.linear(x, p + "self.query", c.hidden, true);
  Value k = b.linear(x, p + "self.key", c.hidden, true);
  Value v = b.linear(x, p + "self.value", c.hidden, true);
  return b.linear(b.attention(q, k, v, layer), p + "output.dense", c.hidden, true);
}

/// dense, activation, norm, then the table's transpose with a bias of its own.
static Value maskedHead(TransformerBuilder &b, const ModelConfig &c, Value h, Value table) {
  const std::string p = "/cls.predictions.";
  h = b.activate(b.linear(h, p + "transform.dense", c.hidden, true));
  h = b.layerNorm(h, p + "transform.LayerNorm");
  Value head =
      b.headWeight(p + "decoder.weight", "embeddings.word_embeddings.weight", table, c.hidden);
  std::string bias = b.has(p + "bias") ? p + "bias" : p + "decoder.bias";
  return b.linear(h, head, b.vector(bias, c.vocab));
}

Value buildBert(TransformerBuilder &b, const ModelConfig &c) {
  b.beginEncoder();
  std::string e = "embeddings.";
  Value table = b.weight(e + "word_embeddings.weight", c.vocab, c.hidden);
  Value h = b.embedding(b.tokens(), table);
  Value types = b.weight(e + "token_type_embeddings.weight", c.tokenTypes, c.hidden);
  h = b.add(h, b.embedding(b.tokenTypes(), types));
  Value places = b.weight(e + "position_embeddings.weight", c.context, c.hidden);
  h = b.add(h, b.embedding(b.positions(), places));
  h = b.layerNorm(h, e + "LayerNorm");
  for (int64_t i = 0; i < c.layers && !b.failed(); ++i) {
    std::string p = b.layer("encoder.layer", i);
    Value x = attention(b, c, h, p + "attention.", i);
    h = b.layerNorm(b.add(x, h), p + "attention.output.LayerNorm");
    x = b.activate(b.linear(h, p + "intermediate.dense", c.intermediate, true));
    x = b.linear(x, p + "output.dense", c.hidden, true);
    h = b.layerNorm(b.add(x, h), p + "output.LayerNorm");
  }
  b.endLayers();
  return c.maskedHead ? maskedHead(b, c, h, table) : h;
}

} // namespace fingpt
