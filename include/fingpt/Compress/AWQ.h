// Scaling salient inputs up before rounding (arXiv:2306.00978).
//
//   y = x·wᵀ = (x·diag(1/s))·(w·diag(s))ᵀ
//
// is exact; rounding w·diag(s) instead of w moves error away from inputs that
// are large. One s serves all linears that read the same input (q, k, v; gate, up), so that
// diag(1/s) may be folded into what produces that input; unfolded it is a column scale of the
// weights:
//
//   auto s = searchAwqScales({q, k, v}, gram, *parseScheme("w4g128"));   // s->scales: [in]
//   auto wq = quantizeScaled(q, gram.h, s->scales, scheme, /*clip=*/false);
//   // wq->weight approximates q·diag(s): use it as linear(x·diag(1/s), dequantize(weight))
//
// s = mean|x|^α, α from a grid that contains 0, which is plain rounding. The error
// that decides is the linears' own output error tr(ΔHΔᵀ), which needs no data but H.
// Then each group's range may be narrowed by the same measure (clip).
#ifndef FINGPT_COMPRESS_AWQ_H
#define FINGPT_COMPRESS_AWQ_H

#include "fingpt/Compress/Gram.h"
#include "fingpt/Compress/Quantize.h"

namespace fingpt::compress {

struct AwqScales {
  std::vector<float> scales; ///< s, one per input; all 1 if α is 0
  double alpha = 0;
  double error = 0;         ///< Σ over the linears of tr(ΔHΔᵀ), Δ = Q(w·diag(s))·diag(1/s) − w
  double roundingError = 0; ///< the same with s = 1; never below `error`
};
/// Grid of α = 0, .05, …, .95. The grid is walked on at most 512 evenly spaced rows of each
/// weight; the winner is then measured on all rows against α = 0.
Result<AwqScales> searchAwqScales(const std::vector<ConstMatrixF> &weights, const Gram &gram,
                                  const QuantScheme &scheme);

struct ScaledWeight {
  QuantizedWeight weight; ///< approximates w·diag(s)
  double error = 0;       ///< tr(ΔHΔᵀ), Δ = weight·diag(1/s) − w
};
/// Rounds w·diag(s). With `clip` each group takes the one of ten ranges, down to 55%, of least
/// error under its own block of H; the result is kept only if it is better under all of H.
/// Not for schemes with coded scales.
Result<ScaledWeight> quantizeScaled(ConstMatrixF w, ConstMatrixD h,
                                    const std::vector<float> &scales, const QuantScheme &scheme,
                                    bool clip);

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_AWQ_H
