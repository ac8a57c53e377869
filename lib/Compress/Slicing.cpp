#include "fingpt/Compress/Slicing.h"

#include "fingpt/Compress/Rotation.h"

#include <algorithm>

using namespace fingpt;
using namespace fingpt::compress;

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
  Matrix<double> turned = product(basis.first(k), *turn);
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
