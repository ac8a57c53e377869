// Descent on the codes and scales of a weight that is already quantized.
//
//   auto start = gptq(w, gram.h, *parseScheme("w3g64"));       // w [576, 1536]
//   auto r = refine(w, gram.h, start->weight);
//   r->error <= r->startError                                  // tr(ΔHΔᵀ), the form unchanged
//
// GPTQ fixes each column for good, knowing nothing of the columns after it. With Δ = ŵ − w and
// G = ΔH (kept current), one more pass may move any part while all others stay:
//
//   a code      ŵ_j − G_j/H_jj, to the nearest code: the exact minimiser along column j
//   a scale s   with c = the group of ŵ at s = 1:  s − c·G/(c·H_gg·c), to a storable scale
//   a min m, a zero z   likewise with c = 1; scale and min together by two equations
//
// Every move lowers tr(ΔHΔᵀ), to the precision of f32 in which it is done, or is not made. The
// passes end when one gains less than a fraction.
#ifndef FINGPT_COMPRESS_REFINE_H
#define FINGPT_COMPRESS_REFINE_H

#include "fingpt/Compress/Gram.h"
#include "fingpt/Compress/Quantize.h"

#include <optional>

namespace fingpt::compress {

struct RefineOptions {
  int passes = 10;         ///< at most
  double tolerance = 1e-3; ///< stop when a pass lowers the error by less, as a fraction
  std::optional<double> startError = {}; ///< of `start`, where it is known already
};

struct RefineResult {
  QuantizedWeight weight;
  double error = 0;      ///< tr(ΔHΔᵀ)
  double startError = 0; ///< of `start`; never below `error`
};
/// Scheme, group size and stored bytes are those of `start`. Coded scales (-dq) stay as they are.
/// Error: shapes that do not match, non-finite values.
Result<RefineResult> refine(ConstMatrixF w, ConstMatrixD h, const QuantizedWeight &start,
                            const RefineOptions &options = {});

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_REFINE_H
