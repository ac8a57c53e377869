#include "fingpt/Compress/Slicing.h"

#include "fingpt/Compress/Rotation.h"

#include <algorithm>
#include <cmath>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

ConstMatrixD firstColumns(const PcaBasis &basis, int64_t k) {
  return basis.q.block(0, 0, basis.width(), k);
}

} // namespace

double PcaBasis::tail(int64_t k) const {
  double sum = 0;
  for (auto j = static_cast<size_t>(k); j < spectrum.size(); ++j)
    sum += spectrum[j];
  return sum;
}

Result<PcaBasis> compress::pcaBasis(ConstMatrixD h) {
  auto pairs = eigh(h);
  if (!pairs)
    return pairs.takeError().in("PCA");
  PcaBasis basis{Matrix<double>(h.rows, h.rows), std::move(pairs->values)};
  for (double &value : basis.spectrum)
    value = std::max(value, 0.0);
  for (int64_t i = 0; i < h.rows; ++i)
    for (int64_t j = 0; j < h.rows; ++j)
      basis.q(j, i) = pairs->vectors(i, j);
  return basis;
}

Status compress::orient(PcaBasis &basis, int64_t k, uint64_t seed) {
  auto turn = randomOrthogonal(k, seed);
  if (!turn)
    return turn.takeError();
  Matrix<double> turned = product(firstColumns(basis, k), *turn);
  for (int64_t i = 0; i < basis.width(); ++i)
    std::copy(turned.row(i), turned.row(i) + k, basis.q.row(i));
  return Status::ok();
}

int64_t compress::slicedWidth(int64_t width, double fraction, int64_t align) {
  if (fraction <= 0)
    return width;
  // 1 − fraction may be a rounding below what was meant.
  double exact = (1 - std::min(fraction, 1.0)) * static_cast<double>(width) + 1e-9;
  return std::min(std::max(static_cast<int64_t>(exact) / align * align, align), width);
}

int64_t compress::widthForVariance(const PcaBasis &basis, double explained, int64_t align) {
  double allowed = (1 - explained + 1e-12) * basis.tail(0);
  int64_t k = std::min(align, basis.width());
  while (k < basis.width() && basis.tail(k) > allowed)
    k = std::min(k + align, basis.width());
  return k;
}

Matrix<double> compress::sliceInputs(ConstMatrixD w, const PcaBasis &basis, int64_t k) {
  return product(w, firstColumns(basis, k));
}

Matrix<double> compress::sliceOutputs(ConstMatrixD w, const PcaBasis &basis, int64_t k) {
  return product(firstColumns(basis, k), w, Transpose::Yes);
}

Matrix<double> compress::shortcut(const PcaBasis &from, int64_t kFrom, const PcaBasis &to,
                                  int64_t kTo) {
  return product(firstColumns(from, kFrom), firstColumns(to, kTo), Transpose::Yes);
}

Result<Matrix<float>> compress::weightTokens(ConstMatrixF samples,
                                             const std::vector<double> &weights) {
  if (static_cast<int64_t>(weights.size()) != samples.rows)
    return Error::at("token weights", "number", std::to_string(samples.rows),
                     std::to_string(weights.size()));
  Matrix<float> out(samples);
  for (int64_t t = 0; t < samples.rows; ++t) {
    double weight = weights[static_cast<size_t>(t)];
    if (!(weight >= 0) || !std::isfinite(weight))
      return Error::at("token weights[" + std::to_string(t) + "]", "value",
                       "a finite number of at least 0", std::to_string(weight));
    for (int64_t j = 0; j < samples.cols; ++j)
      out(t, j) = static_cast<float>(samples(t, j) * std::sqrt(weight));
  }
  return out;
}

Result<int64_t> compress::slicedParameters(const SlicedShape &shape,
                                           const std::vector<int64_t> &widths) {
  int64_t perLayer = shape.parallel ? 1 : 2, points = perLayer * shape.layers + 1;
  if (static_cast<int64_t>(widths.size()) != points)
    return Error::at("sliced parameters", "number of widths", std::to_string(points),
                     std::to_string(widths.size()));
  for (size_t p = 0; p < widths.size(); ++p)
    if (widths[p] < 1 || widths[p] > shape.hidden ||
        (p + 1 == widths.size() && widths[p] != shape.hidden))
      return Error::at("sliced parameters", "width of point " + std::to_string(p),
                       p + 1 == widths.size() ? std::to_string(shape.hidden)
                                              : "1 to " + std::to_string(shape.hidden),
                       std::to_string(widths[p]));
  int64_t inputBias = shape.inputBias || shape.normBias, outputBias = shape.outputBias;
  int64_t total = (shape.vocabulary + shape.positions) * widths[0] +
                  shape.vocabulary * (shape.hidden + (shape.normBias ? 1 : 0));
  for (int64_t l = 0; l < shape.layers; ++l) {
    const int64_t *width = widths.data() + perLayer * l;
    int64_t in = width[0], out = width[perLayer], mid = shape.parallel ? in : width[1];
    int64_t attentionTo = shape.parallel ? out : mid;
    total += shape.attentionIn * (in + inputBias) + attentionTo * (shape.attentionOut + outputBias);
    total += shape.mlpIn * (mid + inputBias) + out * (shape.mlpOut + outputBias);
    total += shape.parallel ? in * out : in * mid + mid * out;
  }
  return total;
}

Result<int64_t> compress::slicedParameters(const SlicedShape &shape, int64_t width) {
  std::vector<int64_t> widths(static_cast<size_t>((shape.parallel ? 1 : 2) * shape.layers + 1),
                              width);
  widths.back() = shape.hidden;
  return slicedParameters(shape, widths);
}
