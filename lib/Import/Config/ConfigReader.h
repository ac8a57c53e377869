// Reads config.json for an architecture. The first problem is kept and reading
// goes on with harmless values, so that an architecture's rules have no error
// paths:
//
//   c.hidden = r.integer("hidden_size", 1, kMaxWidth, 4096);
//   c.normEps = r.positive("rms_norm_eps", 1e-6);
//
// A key that is absent or null means the default of the class in transformers.
#ifndef FINGPT_LIB_IMPORT_CONFIG_CONFIGREADER_H
#define FINGPT_LIB_IMPORT_CONFIG_CONFIGREADER_H

#include "ModelConfig.h"

#include "fingpt/Support/Json.h"

#include <optional>
#include <string>

namespace fingpt {

// Far beyond every real model, small enough that no product of three overflows.
constexpr int64_t kMaxLayers = 10000, kMaxHeads = 1 << 16, kMaxWidth = 1 << 20;
constexpr int64_t kMaxVocab = 1 << 24, kMaxContext = (int64_t(1) << 31) - 1;

/// The class defaults of the keys that all decoders with rotary embeddings
/// share.
struct DecoderDefaults {
  int64_t vocab, hidden, intermediate, layers, heads;
  int64_t kvHeads; ///< 0: as many as heads
  int64_t headDim; ///< 0: hidden / heads
  int64_t context;
  double eps;
  bool tied;
  const char *activation;
};

class ConfigReader {
public:
  /// Reads `value`, which `file` has at `pointer` ("" is the root).
  ConfigReader(const Json &value, const std::string &file, const std::string &pointer = "")
      : file(file), pointer(pointer), object(value, file, pointer) {
    if (Status s = object.expectObject(); !s)
      fail(s.takeError());
  }

  bool has(const char *key) const { return object.has(key); }
  const JsonObject &json() const { return object; }

  int64_t integer(const char *key, int64_t low, int64_t high, int64_t fallback);
  double number(const char *key, double fallback);
  /// A finite number above 0.
  double positive(const char *key, double fallback);
  /// The same, or 0 where the key is null or, without `fallback`, absent.
  double positiveOrNone(const char *key, double fallback);
  bool boolean(const char *key, bool fallback);
  Activation activation(const char *key, const char *fallback);
  /// `length` finite positive numbers; required.
  std::vector<double> positives(const char *key, int64_t length);
  std::string string(const char *key, const char *fallback);
  /// A member object. Where it is absent, an empty one whose messages point
  /// here.
  ConfigReader member(const char *key) const;

  /// hidden_size, num_hidden_layers, … by their usual names.
  void decoder(ModelConfig &c, const DecoderDefaults &defaults);
  /// Heads and head size must fit; attention's scale follows.
  void checkHeads(ModelConfig &c, const char *hiddenKey, const char *headsKey);
  /// Both dialects: rope_theta, rope_scaling, partial_rotary_factor;
  /// rope_parameters.
  void rope(ModelConfig &c, double theta = 10000, double partial = 1);
  /// The rope of `type` layers; `globalKey` etc. as Gemma 3 has them.
  void ropeByLayerType(ModelConfig &c, double globalTheta, double localTheta);
  /// layer_types, or `sliding(i)` where it is absent; window 0 means none at
  /// all.
  template <typename F> void windows(ModelConfig &c, int64_t window, F sliding) {
    c.windows.assign(static_cast<size_t>(c.layers), 0);
    std::vector<bool> types = layerTypes(c.layers);
    for (int64_t i = 0; i < c.layers; ++i)
      if (types.empty() ? sliding(i) : bool(types[static_cast<size_t>(i)]))
        c.windows[static_cast<size_t>(i)] = window;
  }
  /// sliding_window: 0 if null.
  int64_t window(int64_t fallback);
  /// Which layers slide, by layer_types; empty if it is absent.
  std::vector<bool> layerTypes(int64_t layers);

  void fail(Error error) {
    if (!problem)
      problem = std::move(error);
  }
  void fail(const char *key, std::string_view what, std::string_view expected,
            std::string_view got) {
    fail(Error::at(object.where(key), what, expected, got));
  }
  /// A key that must be absent, null, false or 0: what it means is not
  /// supported.
  void refuse(const char *key, const char *why);
  Status status() const { return problem ? Status(*problem) : Status::ok(); }

private:
  template <typename T> T take(Result<T> value, T fallback) {
    if (value)
      return *value;
    fail(value.takeError());
    return fallback;
  }
  bool isNull(const char *key) const;
  void ropeFrom(ConfigReader &r, ModelConfig &c, double theta, double partial, RopeConfig &out);

  std::string file, pointer;
  JsonObject object;
  std::optional<Error> problem;
};

/// A number for messages: 1e-05, 0.5, 3.
std::string numberText(double value);

} // namespace fingpt

#endif // FINGPT_LIB_IMPORT_CONFIG_CONFIGREADER_H
