#include "fingpt/Compress/Correction.h"

namespace fingpt::compress {

Result<Matrix<float>> correctedWeight(ConstMatrixF w, ConstMatrixD h, ConstMatrixD drift,
                                      ConstMatrixD residual, double damping) {
  auto shape = [](ConstMatrixD m) { return std::to_string(m.rows) + "x" + std::to_string(m.cols); };
  if (h.rows != w.cols || h.cols != w.cols || drift.rows != w.cols || drift.cols != w.cols)
    return Error::at("correction", "statistics", std::to_string(w.cols) + " inputs",
                     shape(h) + " and " + shape(drift));
  if (residual.rows != 0 && (residual.rows != w.cols || residual.cols != w.rows))
    return Error::at("correction", "residual statistics",
                     std::to_string(w.cols) + "x" + std::to_string(w.rows), shape(residual));
  if (Status s = checkFinite(w, "weight "); !s)
    return s.takeError();
  DampingOptions options;
  options.fraction = damping;
  options.limit = std::max(options.limit, 100 * damping);
  auto inverse = inverseFactor(h, options);
  if (!inverse)
    return inverse.takeError();
  Matrix<double> step = product(Matrix<double>(w), drift, Transpose::No, Transpose::Yes);
  if (residual.rows != 0)
    for (int64_t i = 0; i < w.rows; ++i)
      for (int64_t j = 0; j < w.cols; ++j)
        step(i, j) += residual(j, i);
  timesUpper(step, inverse->factor, Transpose::Yes); // H'⁻¹ = UᵀU, so tr(Δ·H'·Δᵀ) = ‖Δ·H'·Uᵀ‖²
  if (!(squaredNorm(step) <= outputNorm(w, h)))      // or is not finite: sums that overflowed
    return Matrix<float>();
  timesUpper(step, inverse->factor, Transpose::No);
  Matrix<float> out(w.rows, w.cols);
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.cols; ++j)
      out(i, j) = static_cast<float>(w(i, j) + step(i, j));
  return out;
}

} // namespace fingpt::compress
