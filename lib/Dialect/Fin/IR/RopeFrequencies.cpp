#include "fingpt/Dialect/Fin/IR/RopeFrequencies.h"

#include <algorithm>
#include <cmath>

namespace fingpt::fin {

RopeFrequencies ropeFrequencies(double base, int64_t rotaryDim, RopeScalingAttr scaling) {
  constexpr double twoPi = 6.283185307179586476925;
  RopeFrequencies out;
  int64_t pairs = rotaryDim / 2;
  for (int64_t i = 0; i < pairs; ++i)
    out.frequencies.push_back(std::pow(base, -2.0 * double(i) / double(rotaryDim)));
  if (!scaling)
    return out;

  llvm::StringRef kind = scaling.getKind();
  double factor = scaling.number("factor");
  double original = double(scaling.integer("original_context"));
  std::vector<double> &f = out.frequencies;
  if (kind == "linear") {
    for (double &v : f)
      v /= factor;
  } else if (kind == "llama3") {
    double low = scaling.number("low_frequency_factor");
    double high = scaling.number("high_frequency_factor");
    for (double &v : f) {
      double wavelength = twoPi / v;
      if (wavelength > original / low) {
        v /= factor;
      } else if (wavelength >= original / high) {
        double s = (original / wavelength - low) / (high - low);
        v = (1 - s) * v / factor + s * v;
      }
    }
  } else if (kind == "yarn") {
    auto correction = [&](double rotations) {
      return double(rotaryDim) * std::log(original / (rotations * twoPi)) / (2 * std::log(base));
    };
    double lo = correction(scaling.number("beta_fast"));
    double hi = correction(scaling.number("beta_slow"));
    if (scaling.integer("truncate")) {
      lo = std::floor(lo);
      hi = std::ceil(hi);
    }
    lo = std::max(lo, 0.0);
    hi = std::min(hi, double(rotaryDim - 1));
    if (lo == hi)
      hi += 0.001;
    for (int64_t i = 0; i < pairs; ++i) {
      double ramp = std::clamp((double(i) - lo) / (hi - lo), 0.0, 1.0);
      f[i] = f[i] / factor * ramp + f[i] * (1 - ramp);
    }
    out.attentionFactor = scaling.number("attention_factor");
  } else if (kind == "longrope") {
    out.longFrequencies = f;
    out.originalContext = scaling.integer("original_context");
    llvm::ArrayRef<double> shortFactors = scaling.numbers("short_factors");
    llvm::ArrayRef<double> longFactors = scaling.numbers("long_factors");
    for (int64_t i = 0; i < pairs; ++i) {
      f[i] /= shortFactors[i];
      out.longFrequencies[i] /= longFactors[i];
    }
    out.attentionFactor = scaling.number("attention_factor");
  }
  return out;
}

} // namespace fingpt::fin
