// Inverse frequencies of rotary embeddings under every scaling in use.
//
// Plain: f[i] = base^(−2i/d) for the d/2 pairs of d rotary elements. With
// λ = 2π/f, the scalings are
//
//   linear     f / factor
//   llama3     λ < orig/high: f;  λ > orig/low: f/factor;  between:
//              s = (orig/λ − low)/(high − low),  (1−s)·f/factor + s·f
//   yarn       c(b) = d·ln(orig/(2πb)) / (2·ln base);  lo = ⌊c(beta_fast)⌋,
//              hi = ⌈c(beta_slow)⌉ clamped to [0, d−1] (whole numbers only if
//              truncate); ramp = clip((i − lo)/(hi − lo), 0, 1);
//              f/factor·ramp + f·(1 − ramp)
//   longrope   f / short[i], or f / long[i] once a position reaches orig
//
// Sources: the configuration rules of Llama 3.1, YaRN (2309.00071 §3) and
// LongRoPE (2402.13753) as checkpoints use them.
#ifndef FINGPT_DIALECT_FIN_IR_ROPEFREQUENCIES_H
#define FINGPT_DIALECT_FIN_IR_ROPEFREQUENCIES_H

#include "fingpt/Dialect/Fin/IR/Fin.h"

#include <vector>

namespace fingpt::fin {

struct RopeFrequencies {
  std::vector<double> frequencies;     ///< per pair, radians per position
  std::vector<double> longFrequencies; ///< longrope only
  int64_t originalContext = 0;         ///< longrope only
  double attentionFactor = 1.0;        ///< multiplies cosine and sine
};

/// `rotaryDim` elements (even), `scaling` may be null.
RopeFrequencies ropeFrequencies(double base, int64_t rotaryDim, RopeScalingAttr scaling);

} // namespace fingpt::fin

#endif // FINGPT_DIALECT_FIN_IR_ROPEFREQUENCIES_H
