#include "Config.h"
#include "../Config/ConfigReader.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace fingpt {

namespace {

struct ArchitectureRow {
  const char *gguf, *modelType, *className;
};
constexpr ArchitectureRow kArchitectures[] = {
    {"gemma", "gemma", "GemmaForCausalLM"},         {"gemma2", "gemma2", "Gemma2ForCausalLM"},
    {"gemma3", "gemma3_text", "Gemma3ForCausalLM"}, {"gpt2", "gpt2", "GPT2LMHeadModel"},
    {"llama", "llama", "LlamaForCausalLM"},         {"phi3", "phi3", "Phi3ForCausalLM"},
    {"qwen2", "qwen2", "Qwen2ForCausalLM"},         {"qwen3", "qwen3", "Qwen3ForCausalLM"},
};

/// The decimal that an f32 was written from: 9.999999747378752e-06 → 1e-05.
double shortest(double value) {
  auto single = static_cast<float>(value);
  for (int digits = 1; digits <= 9; ++digits) {
    char text[40];
    std::snprintf(text, sizeof text, "%.*g", digits, value);
    if (std::strtof(text, nullptr) == single)
      return std::strtod(text, nullptr);
  }
  return value;
}

/// Reads metadata into `config`, keeping the first problem.
class Converter {
public:
  Converter(const GGUFFile &file, const ParamStore &store, const ArchitectureRow &row)
      : file(file), store(store), row(row), arch(row.gguf) {}

  Result<Json> run();

private:
  std::string key(const std::string &name) const { return arch + "." + name; }
  bool has(const std::string &name) const { return file.find(key(name)) != nullptr; }
  bool hasTensor(const std::string &name) const {
    return store.find(name) || store.findBlockForm(name);
  }
  void fail(Error error) {
    if (!problem)
      problem = std::move(error);
  }
  std::string where(const std::string &name) const {
    return escaped(file.path(), 1000) + ":" + key(name);
  }

  int64_t integer(const std::string &name, int64_t high, int64_t fallback = 0);
  double positive(const std::string &name, double fallback);
  void vocabulary();
  void heads();
  void rope();
  void longRope(Json &scaling);
  void attention();

  const GGUFFile &file;
  const ParamStore &store;
  const ArchitectureRow &row;
  std::string arch;
  Json config;
  int64_t hidden = 0, headCount = 0, headDim = 0, context = 0;
  std::optional<Error> problem;
};

} // namespace

/// Without a fallback (0) the key is required.
int64_t Converter::integer(const std::string &name, int64_t high, int64_t fallback) {
  if (fallback != 0 && !has(name))
    return fallback;
  Result<int64_t> value = file.integer(key(name));
  if (!value) {
    fail(value.takeError());
    return 1;
  }
  if (*value >= 1 && *value <= high)
    return *value;
  fail(Error::at(where(name), "out of range", "an integer in [1, " + std::to_string(high) + "]",
                 std::to_string(*value)));
  return 1;
}

double Converter::positive(const std::string &name, double fallback) {
  Result<double> value = file.number(key(name), fallback);
  if (!value) {
    fail(value.takeError());
    return 1;
  }
  if (std::isfinite(*value) && *value > 0)
    return shortest(*value);
  fail(Error::at(where(name), "out of range", "a number above 0", numberText(*value)));
  return 1;
}

void Converter::vocabulary() {
  // The table decides; the key is often absent.
  int64_t rows = 0;
  if (const BlockForm *form = store.findBlockForm("token_embd.weight"))
    rows = form->shape[0];
  else if (const ParamInfo *info = store.find("token_embd.weight"); info && !info->shape.empty())
    rows = info->shape[0];
  if (rows == 0)
    return fail(Error::at(escaped(file.path(), 1000) + ": tensor \"token_embd.weight\"", "missing",
                          "the embedding table", "nothing"));
  config["vocab_size"] = integer("vocab_size", kMaxVocab, rows);
}

void Converter::heads() {
  headCount = integer("attention.head_count", kMaxHeads);
  int64_t kv = integer("attention.head_count_kv", kMaxHeads, headCount);
  if (!has("attention.key_length") && hidden % headCount != 0)
    fail(Error::at(where("attention.head_count"), "number of heads",
                   "a divisor of embedding_length " + std::to_string(hidden),
                   std::to_string(headCount)));
  if (headCount % kv != 0)
    fail(Error::at(where("attention.head_count_kv"), "number of key-value heads",
                   "a divisor of head_count " + std::to_string(headCount), std::to_string(kv)));
  headDim = integer("attention.key_length", kMaxHeads, std::max<int64_t>(hidden / headCount, 1));
  int64_t valueDim = integer("attention.value_length", kMaxHeads, headDim);
  if (valueDim != headDim)
    fail(Error::at(where("attention.value_length"), "head size of values",
                   "that of keys, " + std::to_string(headDim), std::to_string(valueDim)));
  config["num_attention_heads"] = headCount;
  config["num_key_value_heads"] = kv;
  config["head_dim"] = headDim;
}

/// The factors of longrope, from the two tensors that hold them.
void Converter::longRope(Json &scaling) {
  for (auto [name, as] : {std::pair("rope_factors_short.weight", "short_factor"),
                          std::pair("rope_factors_long.weight", "long_factor")}) {
    const ParamInfo *info = store.find(name);
    if (!info || info->dtype != DType::F32 || info->shape.size() != 1)
      return fail(Error::at(
          escaped(file.path(), 1000) + ": tensor " + quote(name), info ? "wrong type" : "missing",
          "an F32 vector",
          info ? std::string(dtypeName(info->dtype)) + " " + shapeText(info->shape) : "nothing"));
    Result<TensorData> data = store.get(name);
    if (!data)
      return fail(data.takeError());
    Json values = Json::array();
    for (int64_t i = 0; i < info->shape[0]; ++i) {
      float factor = data->as<float>()[i];
      if (!std::isfinite(factor) || factor <= 0)
        return fail(Error::at(escaped(file.path(), 1000) + ": tensor " + quote(name),
                              "element " + std::to_string(i), "a number above 0",
                              numberText(factor)));
      values.push_back(shortest(factor));
    }
    scaling[as] = std::move(values);
  }
  scaling["type"] = "longrope";
  scaling["original_max_position_embeddings"] =
      integer("rope.scaling.original_context_length", kMaxContext, context);
  if (has("rope.scaling.attn_factor"))
    scaling["attention_factor"] = positive("rope.scaling.attn_factor", 1);
}

void Converter::rope() {
  if (arch == "gpt2")
    return;
  config["rope_theta"] = positive("rope.freq_base", arch == "gemma3" ? 1e6 : 1e4);
  int64_t rotary = integer("rope.dimension_count", kMaxHeads, headDim);
  if (rotary != headDim) {
    // Readers truncate the product: it must not come out below the width.
    double part = double(rotary) / double(headDim);
    while (std::floor(double(headDim) * part) < double(rotary))
      part = std::nextafter(part, 2.0);
    config["partial_rotary_factor"] = part;
  }

  if (hasTensor("rope_factors_long.weight")) {
    Json scaling = Json::object();
    longRope(scaling);
    if (!scaling.empty()) {
      config["original_max_position_embeddings"] = scaling["original_max_position_embeddings"];
      config["rope_scaling"] = std::move(scaling);
    }
    return;
  }
  Result<std::string> type = file.string(key("rope.scaling.type"), "none");
  if (!type)
    return fail(type.takeError());
  bool old = has("rope.scale_linear"); // before scaling had types
  if (*type == "none" && !old)
    return;
  double factor =
      positive(old && !has("rope.scaling.factor") ? "rope.scale_linear" : "rope.scaling.factor", 1);
  if (*type == "linear" || *type == "none") {
    if (factor != 1)
      config["rope_scaling"] = Json{{"type", "linear"}, {"factor", factor}};
    return;
  }
  if (*type != "yarn")
    return fail(Error::at(where("rope.scaling.type"), "rotary scaling", "none, linear or yarn",
                          quote(*type)));
  Json scaling{{"type", "yarn"}, {"factor", factor}};
  scaling["original_max_position_embeddings"] =
      integer("rope.scaling.original_context_length", kMaxContext, context);
  if (has("rope.scaling.attn_factor"))
    scaling["attention_factor"] =
        positive("rope.scaling.attn_factor", 1) * (factor > 1 ? 0.1 * std::log(factor) + 1 : 1);
  config["rope_scaling"] = std::move(scaling);
}

/// Windows, caps, scales and biases.
void Converter::attention() {
  // qwen2 files may carry the window of a config that did not use it.
  bool slides = arch == "llama" || arch == "phi3" || arch == "gemma2" || arch == "gemma3";
  Result<int64_t> window = file.integer(key("attention.sliding_window"), 0);
  if (!window)
    return fail(window.takeError());
  if (*window < 0 || *window > kMaxContext)
    fail(Error::at(where("attention.sliding_window"), "out of range", "an integer of at least 0",
                   std::to_string(*window)));
  if (slides && *window > 0)
    config["sliding_window"] = *window;

  if (arch == "gemma2") {
    config["attn_logit_softcapping"] = positive("attn_logit_softcapping", 50);
    config["final_logit_softcapping"] = positive("final_logit_softcapping", 30);
  }
  if (arch == "gemma2" || arch == "gemma3") {
    // The format has no key for the scale. It is the head size but in the 27B
    // models, which are told by their depth, as llama.cpp does.
    int64_t layers = config["num_hidden_layers"].get<int64_t>();
    bool large = layers == (arch == "gemma2" ? 46 : 62);
    config["query_pre_attn_scalar"] = large ? hidden / headCount : headDim;
  }
  if (arch == "llama" || arch == "qwen3") {
    config["attention_bias"] = hasTensor("blk.0.attn_q.bias");
    if (arch == "llama")
      config["mlp_bias"] = hasTensor("blk.0.ffn_up.bias");
  }
}

Result<Json> Converter::run() {
  const bool gpt2 = arch == "gpt2";
  config = Json{{"architectures", Json::array({row.className})}, {"model_type", row.modelType}};
  hidden = integer("embedding_length", kMaxWidth);
  context = integer("context_length", kMaxContext);
  if (file.find(key("expert_count")) && integer("expert_count", kMaxWidth, 1) > 1)
    fail(Error::at(where("expert_count"), "mixture of experts", "a dense model",
                   std::to_string(integer("expert_count", kMaxWidth, 1)) + " experts"));
  vocabulary();
  int64_t layers = integer("block_count", kMaxLayers);
  int64_t ffn = integer("feed_forward_length", kMaxWidth);
  heads();
  if (gpt2) {
    config["n_embd"] = hidden;
    config["n_layer"] = layers;
    config["n_head"] = headCount;
    config["n_inner"] = ffn;
    config["n_positions"] = context;
    config["layer_norm_epsilon"] = positive("attention.layer_norm_epsilon", 1e-5);
    for (const char *name : {"num_attention_heads", "num_key_value_heads", "head_dim"})
      config.erase(name);
  } else {
    config["hidden_size"] = hidden;
    config["num_hidden_layers"] = layers;
    config["intermediate_size"] = ffn;
    config["max_position_embeddings"] = context;
    config["rms_norm_eps"] = positive("attention.layer_norm_rms_epsilon", 1e-6);
    rope();
    attention();
  }
  config["tie_word_embeddings"] = !hasTensor("output.weight");
  if (problem)
    return std::move(*problem);
  return std::move(config);
}

std::string knownGGUFArchitectures() {
  std::string out;
  for (const ArchitectureRow &row : kArchitectures)
    out += (out.empty() ? "" : ", ") + std::string(row.gguf);
  return out;
}

Result<Json> configFromGGUF(const GGUFFile &file, const ParamStore &store) {
  Result<std::string> arch = file.string("general.architecture");
  if (!arch)
    return arch.takeError();
  for (const ArchitectureRow &row : kArchitectures)
    if (*arch == row.gguf)
      return Converter(file, store, row).run();
  return Error::at(escaped(file.path(), 1000) + ":general.architecture", "architecture",
                   "one of " + knownGGUFArchitectures(), quote(*arch));
}

} // namespace fingpt
