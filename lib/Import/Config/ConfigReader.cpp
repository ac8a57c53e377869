#include "ConfigReader.h"

#include <cmath>
#include <cstdio>

namespace fingpt {

std::string numberText(double value) {
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%.9g", value);
  return buffer;
}

bool ConfigReader::isNull(const char *key) const {
  const Json &json = object.json();
  auto it = json.find(key);
  return it != json.end() && it->is_null();
}

int64_t ConfigReader::integer(const char *key, int64_t low, int64_t high, int64_t fallback) {
  return take(object.integer(key, low, high, fallback), fallback);
}
double ConfigReader::number(const char *key, double fallback) {
  return take(object.number(key, fallback), fallback);
}
bool ConfigReader::boolean(const char *key, bool fallback) {
  return take(object.boolean(key, fallback), fallback);
}
std::string ConfigReader::string(const char *key, const char *fallback) {
  return take(object.string(key, fallback), std::string(fallback));
}

double ConfigReader::positive(const char *key, double fallback) {
  // A fallback computed from other keys may be infinite though they are not.
  double value = number(key, fallback);
  if (value > 0 && std::isfinite(value))
    return value;
  fail(key, "out of range", "a number above 0", numberText(value));
  return fallback > 0 ? fallback : 1;
}

double ConfigReader::positiveOrNone(const char *key, double fallback) {
  if (isNull(key) || (!has(key) && fallback == 0))
    return 0;
  return positive(key, fallback);
}

std::vector<double> ConfigReader::positives(const char *key, int64_t length) {
  std::vector<double> out;
  std::string expected = "an array of " + std::to_string(length) + " numbers above 0";
  const Json *value = object.find(key);
  if (!value || !value->is_array() || value->size() != static_cast<size_t>(length)) {
    fail(key, value ? "wrong value" : "missing", expected, value ? describe(*value) : "nothing");
    return std::vector<double>(static_cast<size_t>(length), 1.0);
  }
  for (const Json &item : *value) {
    bool good = item.is_number() && item.get<double>() > 0;
    if (!good)
      fail(Error::at(object.where(key) + "/" + std::to_string(out.size()), "wrong value",
                     "a number above 0", describe(item)));
    out.push_back(good ? item.get<double>() : 1.0);
  }
  return out;
}

ConfigReader ConfigReader::member(const char *key) const {
  static const Json empty = Json::object();
  const Json *value = object.find(key);
  return value ? ConfigReader(*value, file, pointer + "/" + key)
               : ConfigReader(empty, file, pointer);
}

Activation ConfigReader::activation(const char *key, const char *fallback) {
  struct Row {
    const char *name;
    Activation activation;
  };
  static constexpr Row kNames[] = {
      {"silu", Activation::Silu},          {"swish", Activation::Silu},
      {"relu", Activation::Relu},          {"gelu", Activation::GeluExact},
      {"gelu_new", Activation::GeluTanh},  {"gelu_pytorch_tanh", Activation::GeluTanh},
      {"gelu_fast", Activation::GeluTanh}, {"quick_gelu", Activation::GeluQuick},
  };
  std::string name = string(key, fallback);
  for (const Row &row : kNames)
    if (name == row.name)
      return row.activation;
  std::string known;
  for (const Row &row : kNames)
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  fail(key, "activation", "one of " + known, quote(name));
  return Activation::Silu;
}

void ConfigReader::refuse(const char *key, const char *why) {
  const Json *value = object.find(key);
  if (!value || *value == Json(false) || *value == Json(0))
    return;
  fail(key, why, "false or nothing", describe(*value));
}

void ConfigReader::decoder(ModelConfig &c, const DecoderDefaults &d) {
  c.vocab = integer("vocab_size", 1, kMaxVocab, d.vocab);
  c.hidden = integer("hidden_size", 1, kMaxWidth, d.hidden);
  c.intermediate = integer("intermediate_size", 1, kMaxWidth, d.intermediate);
  c.layers = integer("num_hidden_layers", 1, kMaxLayers, d.layers);
  c.heads = integer("num_attention_heads", 1, kMaxHeads, d.heads);
  bool nullHeads = isNull("num_key_value_heads");
  c.kvHeads =
      integer("num_key_value_heads", 1, kMaxHeads, d.kvHeads && !nullHeads ? d.kvHeads : c.heads);
  c.headDim = integer("head_dim", 1, kMaxHeads, isNull("head_dim") ? 0 : d.headDim);
  c.context = integer("max_position_embeddings", 1, kMaxContext, d.context);
  c.normEps = positive("rms_norm_eps", d.eps);
  c.tiedHead = boolean("tie_word_embeddings", d.tied);
  c.activation = activation("hidden_act", d.activation);
  checkHeads(c, "hidden_size", "num_attention_heads");
}

void ConfigReader::checkHeads(ModelConfig &c, const char *hiddenKey, const char *headsKey) {
  if (c.headDim == 0) {
    if (c.hidden % c.heads != 0)
      fail(headsKey, "number of heads",
           "a divisor of " + std::string(hiddenKey) + " " + std::to_string(c.hidden),
           std::to_string(c.heads));
    c.headDim = std::max<int64_t>(c.hidden / c.heads, 1);
  }
  if (c.heads % c.kvHeads != 0) {
    fail("num_key_value_heads", "number of key-value heads",
         "a divisor of " + std::string(headsKey) + " " + std::to_string(c.heads),
         std::to_string(c.kvHeads));
    c.kvHeads = c.heads;
  }
  c.attentionScale = 1.0 / std::sqrt(double(c.headDim));
}

int64_t ConfigReader::window(int64_t fallback) {
  if (isNull("sliding_window"))
    return 0;
  return integer("sliding_window", 1, kMaxContext, fallback);
}

std::vector<bool> ConfigReader::layerTypes(int64_t layers) {
  std::vector<bool> out;
  const Json *types = object.find("layer_types");
  if (!types)
    return out;
  if (!types->is_array() || types->size() != static_cast<size_t>(layers)) {
    fail("layer_types", "wrong value",
         "an array of num_hidden_layers (" + std::to_string(layers) + ") strings",
         describe(*types));
    return out;
  }
  for (const Json &type : *types) {
    bool sliding = type == "sliding_attention";
    if (!sliding && type != "full_attention")
      fail(Error::at(object.where("layer_types") + "/" + std::to_string(out.size()), "layer type",
                     "\"full_attention\" or \"sliding_attention\"", describe(type)));
    out.push_back(sliding);
  }
  return out;
}

} // namespace fingpt
