#include "fingpt/Compress/BlockInfluence.h"

#include "fingpt/Compress/LinearAlgebra.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

double cosine(const float *a, const float *b, int64_t n) {
  double dot = 0, normA = 0, normB = 0;
  for (int64_t j = 0; j < n; ++j) {
    dot += double(a[j]) * b[j];
    normA += double(a[j]) * a[j];
    normB += double(b[j]) * b[j];
  }
  if (normA == 0 || normB == 0)
    return normA == normB ? 1 : 0;
  return std::clamp(dot / (std::sqrt(normA) * std::sqrt(normB)), -1.0, 1.0);
}

} // namespace

Status BlockInfluence::add(ConstMatrixF before, ConstMatrixF after) {
  if (before.rows != after.rows || before.cols != after.cols)
    return Error::at("block influence", "stream after the layer",
                     std::to_string(before.rows) + "x" + std::to_string(before.cols),
                     std::to_string(after.rows) + "x" + std::to_string(after.cols));
  if (Status s = checkFinite(before, "stream before the layer "); !s)
    return s;
  if (Status s = checkFinite(after, "stream after the layer "); !s)
    return s;
  for (int64_t t = 0; t < before.rows; ++t)
    cosines += cosine(before.row(t), after.row(t), before.cols);
  tokens += before.rows;
  return Status::ok();
}

double BlockInfluence::value() const {
  return tokens > 0 ? std::max(0.0, 1 - cosines / static_cast<double>(tokens)) : 1;
}

Result<std::vector<int64_t>> compress::layersToDrop(const std::vector<BlockInfluence> &layers,
                                                    int64_t count, bool ends) {
  std::vector<int64_t> order(layers.size());
  std::iota(order.begin(), order.end(), 0);
  if (!ends && !order.empty()) {
    order.erase(order.begin());
    if (!order.empty())
      order.pop_back();
  }
  if (count < 0 || count > static_cast<int64_t>(order.size()))
    return Error::at("dropping layers", "count",
                     "0 to " + std::to_string(order.size()) + " of " +
                         std::to_string(layers.size()) + " layers",
                     std::to_string(count));
  auto value = [&](int64_t i) { return layers[static_cast<size_t>(i)].value(); };
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return value(a) != value(b) ? value(a) < value(b) : a > b;
  });
  order.resize(static_cast<size_t>(count));
  std::sort(order.begin(), order.end());
  return order;
}
