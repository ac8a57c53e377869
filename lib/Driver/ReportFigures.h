// What the pages and tables of a report share: kinds of weights, sums, numbers as text.
//
// The kind of a weight is its name without layer and ".weight":
//
//   model.layers.3.self_attn.q_proj.weight    self_attn.q_proj, labelled q_proj
//   h.3.attn.c_proj.weight                    attn.c_proj (h.3.mlp.c_proj is another)
//   model.layers.3.mlp.experts.17.up_proj     mlp.experts.*.up_proj
//   lm_head.weight                            lm_head
#ifndef FINGPT_LIB_DRIVER_REPORTFIGURES_H
#define FINGPT_LIB_DRIVER_REPORTFIGURES_H

#include "fingpt/Driver/Report.h"

namespace fingpt::report {

struct Kind {
  std::string key;   ///< "self_attn.q_proj"
  std::string label; ///< the shortest end of the key that no other kind has
  bool inLayers = false;
  size_t group = 0, shade = 0; ///< kinds with one parent are shades of one colour
  size_t weights = 0, kept = 0;
  double before = 0, after = 0, elements = 0; ///< bytes; elements by shape
  /// Of the weights that were not kept.
  std::optional<double> meanError, worstError;
  double bits() const { return elements > 0 ? 8 * after / elements : 0; }
};

struct Figures {
  std::vector<Kind> kinds;     ///< in order of appearance, those of layers first; at most 24
  std::vector<size_t> kindOf;  ///< of each weight
  std::vector<int64_t> layers; ///< that weights are in, ascending
  std::vector<size_t> byError; ///< weights that changed, the largest error first
  double otherBefore = 0, otherAfter = 0; ///< bytes of parameters that are not listed
  std::optional<double> medianError;
};
Figures figuresOf(const Report &report);

/// Weights that were left alone, by reason, in order of appearance.
struct KeptGroup {
  std::string reason;
  std::vector<size_t> weights;
  double bytes = 0;
};
std::vector<KeptGroup> keptGroups(const Report &report);

/// Rounding error over error: how much the method gained. Absent where nothing was rounded.
std::optional<double> gainOf(const ReportWeight &w);
/// Key and value of a free-form object; nested values as compact JSON, empty ones as "".
std::vector<std::pair<std::string, std::string>> flatSettings(const Json &object);

/// "0.0410"; "1.2e+12" where that would be long.
std::string fixed(double value, int decimals);
/// "134,515,008"
std::string grouped(int64_t value);
/// "83.0 MiB"
std::string sizeText(double bytes);
/// Significant digits: "0.041", "0.0031", "3.1e-05".
std::string briefText(double value, int digits = 2);
/// "+1.7%" from a to b; empty if a is 0.
std::string changeText(double a, double b);
/// "3.09×" smaller or "1.20×" larger; empty if either is 0.
std::string ratioText(double before, double after);
/// "576 × 1536"
std::string shapeText(const std::vector<int64_t> &shape, const char *times = " × ");
/// Two significant digits; "–" if absent.
std::string briefOrDash(const std::optional<double> &value);
/// "14.81", "1520", "2.1e+07"; "–" if absent.
std::string perplexityText(const std::optional<double> &value);

/// Foreign text made visible: control characters, bidirectional overrides and invalid UTF-8 as
/// "\x1b", "\u202e", "\xff"; cut to `limit` bytes.
std::string visible(std::string_view text, size_t limit = 2000);

} // namespace fingpt::report

#endif // FINGPT_LIB_DRIVER_REPORTFIGURES_H
