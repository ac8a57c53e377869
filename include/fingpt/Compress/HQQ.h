// Half-quadratic quantization: better zero points without data.
//
//   auto r = hqq(w, *parseScheme("w4g64-min"));    // q·s + m per group of 64
//
// Per group the scale s stays and the real zero z = −m/s moves: in turn the codes
// q, the sparse part e of the error (a proximal step of the |·|^0.7 norm, which
// leaves outliers out) and z = mean(q − (w − e)/s). The best z seen, measured with m
// as it is stored, is kept, so no group ends worse than rounding.
#ifndef FINGPT_COMPRESS_HQQ_H
#define FINGPT_COMPRESS_HQQ_H

#include "fingpt/Compress/Quantize.h"

namespace fingpt::compress {

struct HqqOptions {
  int iterations = 20;
  double p = 0.7, beta = 10, kappa = 1.01; ///< β grows by κ each time
};
struct HqqResult {
  QuantizedWeight weight;
  double meanError = 0;         ///< mean |ŵ − w|
  double roundingMeanError = 0; ///< of `quantize` with the same scheme
};
/// Error: a scheme without mins (spelled `-min`), non-finite weights.
Result<HqqResult> hqq(ConstMatrixF w, const QuantScheme &scheme, const HqqOptions &options = {});

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_HQQ_H
