// A quantized weight and a low-rank pair that carries what rounding lost.
//
//   w [576, 1536] ≈ dequantize(q) + b·a,   b [576, 16], a [16, 1536]
//
//   auto base = gptq(w, gram.h, scheme);
//   auto r = lowRankResidual(w, base->weight, white, gram.h, {16});   // SVD of (w − q)·R
//
// Under the calibration norm the best pair for a fixed q is the whitened SVD of the
// residual (EoRA). `alternate` also moves q: q = Q(w − b·a), then the pair again
// (LoftQ, arXiv:2310.08659, is this with R = 1). Rounding is no projection, so the error
// may rise from one iteration to the next: the best (q, pair) of one iteration is
// kept, and never one worse than q alone.
#ifndef FINGPT_COMPRESS_RESIDUAL_H
#define FINGPT_COMPRESS_RESIDUAL_H

#include "fingpt/Compress/LowRank.h"

#include <functional>
#include <optional>

namespace fingpt::compress {

struct ResidualOptions {
  int64_t rank = 16; ///< more than min(out, in) counts as that
  /// Stores the factors in codes; without it they are full precision (16-bit floats by
  /// convention of the report).
  std::optional<QuantScheme> factorScheme;
};

struct ResidualWeight {
  QuantizedWeight base;
  LowRank factors;                           ///< as they will be read: dequantized if coded
  std::optional<QuantizedLowRank> codedPair; ///< with factorScheme
  double error = 0;                          ///< tr(ΔHΔᵀ) of dequantize(base) + b·a
  double baseError = 0; ///< of the first base alone: rounding or compensation without a pair
  int iteration = 0;    ///< of the alternation, from 1; 0: the pair was no gain and has rank 0
  /// Of base and pair; 16 bits per element of factors that are not coded.
  int64_t storedBytes() const;
};

/// The pair for a fixed base. An empty h measures with the identity. Error: shapes that do not
/// match, a negative rank, non-finite values.
Result<ResidualWeight> lowRankResidual(ConstMatrixF w, const QuantizedWeight &base,
                                       const Whitener &whitener, ConstMatrixD h,
                                       const ResidualOptions &options);

/// Makes the base for a weight: `quantize` or `gptq` bound to a scheme.
using BaseQuantizer = std::function<Result<QuantizedWeight>(ConstMatrixF)>;

/// At most `iterations` alternations, LoftQ's 5 by default.
Result<ResidualWeight> alternate(ConstMatrixF w, const BaseQuantizer &quantizer,
                                 const Whitener &whitener, ConstMatrixD h,
                                 const ResidualOptions &options, int iterations = 5);

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_RESIDUAL_H
