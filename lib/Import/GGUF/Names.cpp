#include "Names.h"

namespace fingpt {

namespace {

struct Row {
  const char *gguf, *huggingFace; ///< '#' is the layer's number
};

constexpr Row kLlama[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
    {"blk.#.attn_norm", "model.layers.#.input_layernorm"},
    {"blk.#.attn_q", "model.layers.#.self_attn.q_proj"},
    {"blk.#.attn_k", "model.layers.#.self_attn.k_proj"},
    {"blk.#.attn_v", "model.layers.#.self_attn.v_proj"},
    {"blk.#.attn_qkv", "model.layers.#.self_attn.qkv_proj"},
    {"blk.#.attn_output", "model.layers.#.self_attn.o_proj"},
    {"blk.#.attn_q_norm", "model.layers.#.self_attn.q_norm"},
    {"blk.#.attn_k_norm", "model.layers.#.self_attn.k_norm"},
    {"blk.#.ffn_gate", "model.layers.#.mlp.gate_proj"},
    {"blk.#.ffn_up", "model.layers.#.mlp.up_proj"},
    {"blk.#.ffn_down", "model.layers.#.mlp.down_proj"},
};
/// What the name of a norm means depends on how many there are.
constexpr Row kTwoNorms[] = {
    {"blk.#.ffn_norm", "model.layers.#.post_attention_layernorm"},
};
constexpr Row kFourNorms[] = {
    {"blk.#.post_attention_norm", "model.layers.#.post_attention_layernorm"},
    {"blk.#.ffn_norm", "model.layers.#.pre_feedforward_layernorm"},
    {"blk.#.post_ffw_norm", "model.layers.#.post_feedforward_layernorm"},
};
constexpr Row kPhi3[] = {
    {"blk.#.ffn_up", "model.layers.#.mlp.gate_up_proj"},
};
constexpr Row kGPT2[] = {
    {"token_embd", "transformer.wte"},
    {"position_embd", "transformer.wpe"},
    {"output_norm", "transformer.ln_f"},
    {"output", "lm_head"},
    {"blk.#.attn_norm", "transformer.h.#.ln_1"},
    {"blk.#.attn_qkv", "transformer.h.#.attn.c_attn"},
    {"blk.#.attn_output", "transformer.h.#.attn.c_proj"},
    {"blk.#.ffn_norm", "transformer.h.#.ln_2"},
    {"blk.#.ffn_up", "transformer.h.#.mlp.c_fc"},
    {"blk.#.ffn_down", "transformer.h.#.mlp.c_proj"},
};

/// "blk.12.attn_q" → "blk.#.attn_q" and "12".
std::string withoutNumber(std::string_view name, std::string &number) {
  std::string out(name);
  if (name.substr(0, 4) != "blk.")
    return out;
  size_t end = name.find_first_not_of("0123456789", 4);
  if (end == std::string_view::npos || end == 4 || name[end] != '.')
    return out;
  number = name.substr(4, end - 4);
  return out.replace(4, number.size(), "#");
}

template <size_t N> const char *lookup(const Row (&table)[N], const std::string &name) {
  for (const Row &row : table)
    if (name == row.gguf)
      return row.huggingFace;
  return nullptr;
}

const char *rowFor(std::string_view arch, const std::string &name) {
  if (arch == "gpt2")
    return lookup(kGPT2, name);
  if (arch == "phi3")
    if (const char *found = lookup(kPhi3, name))
      return found;
  bool four = arch == "gemma2" || arch == "gemma3";
  if (const char *found = four ? lookup(kFourNorms, name) : lookup(kTwoNorms, name))
    return found;
  return lookup(kLlama, name);
}

} // namespace

std::string huggingFaceName(std::string_view arch, std::string_view name) {
  if (name == "rope_freqs.weight" || name.substr(0, 13) == "rope_factors_")
    return std::string(name); // of no Hugging Face model
  size_t dot = name.rfind('.');
  if (dot == std::string_view::npos)
    return "";
  std::string_view suffix = name.substr(dot); // ".weight" or ".bias"
  std::string number;
  const char *row = rowFor(arch, withoutNumber(name.substr(0, dot), number));
  if (!row)
    return "";
  std::string out = row;
  if (size_t at = out.find('#'); at != std::string::npos)
    out.replace(at, 1, number);
  return out + std::string(suffix);
}

Result<std::vector<std::string>> aliasNames(ParamStore &store, std::string_view arch,
                                            const std::vector<std::string> &names,
                                            const std::string &file) {
  std::vector<std::string> out;
  for (const std::string &name : names) {
    std::string as = huggingFaceName(arch, name);
    if (as.empty())
      return Error::at(escaped(file, 1000) + ": tensor " + quote(name), "unexpected",
                       "a tensor of architecture " + std::string(arch), "an unknown name");
    if (as != name)
      if (Status s = store.alias(as, name); !s)
        return s.error().in(escaped(file, 1000));
    out.push_back(std::move(as));
  }
  return out;
}

} // namespace fingpt
