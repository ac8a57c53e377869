#include "fingpt/Compress/Residual.h"

using namespace fingpt;
using namespace fingpt::compress;

namespace {

double errorUnder(ConstMatrixD delta, ConstMatrixD h) {
  return h.rows > 0 ? outputError(delta, h) : squaredNorm(delta);
}

/// w − dequantize(q), in f64.
Matrix<double> residualOf(ConstMatrixF w, const QuantizedWeight &q) {
  Matrix<float> rounded = dequantized(q);
  Matrix<double> residual(w);
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.cols; ++j)
      residual(i, j) -= rounded(i, j);
  return residual;
}

Status checkInputs(ConstMatrixF w, const Whitener &whitener, ConstMatrixD h,
                   const ResidualOptions &options) {
  if (options.rank < 0)
    return Error::at("low-rank residual", "rank", "at least 0", std::to_string(options.rank));
  if (whitener.columns() != w.cols || (h.rows != 0 && h.rows != w.cols))
    return Error::at("low-rank residual", "inputs", std::to_string(w.cols),
                     std::to_string(whitener.columns()) + " and " + std::to_string(h.rows));
  if (h.rows != 0)
    if (Status s = checkGram(h, w.cols); !s)
      return s.takeError().in("low-rank residual");
  return checkFinite(w, "weight ");
}

} // namespace

int64_t ResidualWeight::storedBytes() const {
  return base.storedBytes() + (codedPair ? codedPair->storedBytes() : 2 * factors.parameters());
}

Result<ResidualWeight> compress::lowRankResidual(ConstMatrixF w, const QuantizedWeight &base,
                                                 const Whitener &whitener, ConstMatrixD h,
                                                 const ResidualOptions &options) {
  if (Status s = checkInputs(w, whitener, h, options); !s)
    return s.takeError();
  if (base.rows != w.rows || base.cols != w.cols)
    return Error::at("low-rank residual", "base",
                     std::to_string(w.rows) + "x" + std::to_string(w.cols),
                     std::to_string(base.rows) + "x" + std::to_string(base.cols));
  Matrix<double> residual = residualOf(w, base);
  auto parts = decompose(residual, whitener);
  if (!parts)
    return parts.takeError();
  ResidualWeight out;
  out.base = base;
  out.baseError = errorUnder(residual, h);
  out.factors = parts->factors(options.rank);
  if (options.factorScheme) {
    auto coded = quantizeFactors(out.factors, *options.factorScheme);
    if (!coded)
      return coded.takeError();
    out.factors = coded->dequantized();
    out.codedPair = std::move(*coded);
  }
  gemm(-1.0, out.factors.b, Transpose::No, out.factors.a, Transpose::No, 1.0, residual.view());
  out.error = errorUnder(residual, h);
  out.iteration = 1;
  if (!(out.error <= out.baseError)) { // coded factors of a residual with no structure
    out.factors = {Matrix<double>(w.rows, 0), Matrix<double>(0, w.cols)};
    out.codedPair.reset();
    out.error = out.baseError;
    out.iteration = 0;
  }
  return out;
}

Result<ResidualWeight> compress::alternate(ConstMatrixF w, const BaseQuantizer &quantizer,
                                           const Whitener &whitener, ConstMatrixD h,
                                           const ResidualOptions &options, int iterations) {
  if (Status s = checkInputs(w, whitener, h, options); !s)
    return s.takeError();
  std::optional<ResidualWeight> best;
  double firstError = 0;
  Matrix<float> target(w);
  for (int k = 1; k <= std::max(iterations, 1); ++k) {
    auto base = quantizer(target.view());
    if (!base)
      return base.takeError();
    auto next = lowRankResidual(w, *base, whitener, h, options);
    if (!next)
      return next;
    if (k == 1)
      firstError = next->baseError;
    Matrix<double> pair = next->factors.dense();
    for (int64_t i = 0; i < w.rows; ++i)
      for (int64_t j = 0; j < w.cols; ++j)
        target(i, j) = static_cast<float>(w(i, j) - pair(i, j));
    if (!best || next->error < best->error) {
      if (next->iteration > 0)
        next->iteration = k;
      best = std::move(*next);
    }
  }
  best->baseError = firstError;
  return std::move(*best);
}
