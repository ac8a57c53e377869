// The rotary embedding in config.json, in both dialects:
//
//   old: "rope_theta": 1e6, "partial_rotary_factor": 0.5,
//        "rope_scaling": {"type": "linear", "factor": 8}
//   new: "rope_parameters": {"rope_type": "linear", "rope_theta": 1e6,
//   "factor": 8,
//                            "partial_rotary_factor": 0.5}
//
// Where a number stands in both places, the object's wins, as in transformers.
#include "ConfigReader.h"

#include <cmath>

namespace fingpt {

/// 0.1·m·ln(s) + 1: YaRN's attention factor (paper, section 3.4).
static double yarnScale(double s, double m = 1) {
  return s <= 1 ? 1.0 : 0.1 * m * std::log(s) + 1.0;
}

void ConfigReader::ropeFrom(ConfigReader &r, ModelConfig &c, double theta, double partial,
                            RopeConfig &out) {
  // A key that the object lacks was read, if at all, from the top level.
  auto owner = [&](const char *key) -> ConfigReader & { return r.has(key) ? r : *this; };
  out.base = r.positive("rope_theta", theta);
  double part = r.positive("partial_rotary_factor", partial);
  double width = std::floor(double(c.headDim) * part);
  out.rotaryDim = width >= 2 && width <= double(c.headDim) ? int64_t(width) : 0;
  if (out.rotaryDim == 0 || out.rotaryDim % 2 != 0)
    owner("partial_rotary_factor")
        .fail(part == 1 ? "head_dim" : "partial_rotary_factor", "rotary width",
              "an even number in [2, " + std::to_string(c.headDim) + "] of head size " +
                  std::to_string(c.headDim),
              numberText(width));

  RopeScaling &s = out.scaling;
  std::string kind = r.string(r.has("rope_type") ? "rope_type" : "type", "default");
  if (kind == "default")
    return;
  if (kind == "su" || (kind == "yarn" && c.architecture == "phi3"))
    kind = "longrope";
  if (kind != "linear" && kind != "llama3" && kind != "yarn" && kind != "longrope") {
    r.fail(r.has("rope_type") ? "rope_type" : "type", "rotary scaling",
           "default, linear, llama3, yarn or longrope", quote(kind));
    return;
  }
  s.kind = kind;
  // The top level wins over the object here, alone of all keys; phi3 has a
  // default.
  int64_t original = r.integer("original_max_position_embeddings", 1, kMaxContext, c.context);
  s.originalContext = integer("original_max_position_embeddings", 1, kMaxContext,
                              c.architecture == "phi3" ? 4096 : original);
  double ratio = double(c.context) / double(s.originalContext);
  bool required = kind == "linear" || kind == "llama3";
  if (required && !r.has("factor"))
    r.fail("factor", "missing", "a number above 0", "nothing");
  s.factor = r.positive("factor", ratio);
  if (kind == "llama3") {
    s.lowFrequencyFactor = r.positive("low_freq_factor", 1);
    s.highFrequencyFactor = r.positive("high_freq_factor", 4);
    if (s.highFrequencyFactor <= s.lowFrequencyFactor)
      r.fail("high_freq_factor", "out of range",
             "more than low_freq_factor " + numberText(s.lowFrequencyFactor),
             numberText(s.highFrequencyFactor));
  } else if (kind == "yarn") {
    if (out.base <= 1)
      owner("rope_theta")
          .fail("rope_theta", "out of range", "a number above 1 for yarn", numberText(out.base));
    s.betaFast = r.positive("beta_fast", 32);
    s.betaSlow = r.positive("beta_slow", 1);
    s.truncate = r.boolean("truncate", true);
    double m = r.number("mscale", 0), all = r.number("mscale_all_dim", 0);
    s.attentionFactor = r.positive(
        "attention_factor", m != 0 && all != 0 ? yarnScale(s.factor, m) / yarnScale(s.factor, all)
                                               : yarnScale(s.factor));
  } else if (kind == "longrope") {
    s.shortFactors = r.positives("short_factor", out.rotaryDim / 2);
    s.longFactors = r.positives("long_factor", out.rotaryDim / 2);
    double grown = s.factor <= 1 || s.originalContext <= 1
                       ? 1.0
                       : std::sqrt(1 + std::log(s.factor) / std::log(double(s.originalContext)));
    s.attentionFactor = r.positive("attention_factor", grown);
  }
}

void ConfigReader::rope(ModelConfig &c, double theta, double partial) {
  double base = positive("rope_theta", theta);
  double part = positive("partial_rotary_factor", partial);
  ConfigReader r = member(has("rope_scaling") ? "rope_scaling" : "rope_parameters");
  ropeFrom(r, c, base, part, c.rope);
  if (r.problem)
    fail(*r.problem);
}

void ConfigReader::ropeByLayerType(ModelConfig &c, double globalTheta, double localTheta) {
  double base = positive("rope_theta", globalTheta);
  double local = positive("rope_local_base_freq", localTheta);
  ConfigReader whole = member("rope_parameters");
  if (whole.problem)
    fail(*whole.problem);
  auto read = [&](ConfigReader r, double theta, RopeConfig &out) {
    ropeFrom(r, c, theta, 1, out);
    if (r.problem)
      fail(*r.problem);
  };
  c.hasLocalRope = true;
  read(whole.member("sliding_attention"), local, c.localRope);
  // The old dialect scales the global layers only.
  read(has("rope_scaling") ? member("rope_scaling") : whole.member("full_attention"), base, c.rope);
}

} // namespace fingpt
