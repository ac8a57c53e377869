#include "fingpt/Compress/LowRank.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace fingpt;
using namespace fingpt::compress;

Whitener Whitener::identity(int64_t columns) {
  Whitener w;
  w.width = columns;
  return w;
}

Whitener Whitener::activationScale(const std::vector<double> &meanAbs, double alpha) {
  Whitener w;
  w.kind = Kind::Diagonal;
  w.width = static_cast<int64_t>(meanAbs.size());
  double least = std::numeric_limits<double>::infinity();
  for (double m : meanAbs)
    if (m > 0)
      least = std::min(least, m);
  for (double m : meanAbs)
    w.diagonal.push_back(std::pow(m > 0 ? m : std::isinf(least) ? 1 : least, alpha));
  return w;
}

Result<Whitener> Whitener::cholesky(ConstMatrixD h, const DampingOptions &options) {
  auto factor = choleskyFactor(h, options);
  if (!factor)
    return factor.takeError();
  Whitener w;
  w.kind = Kind::Lower;
  w.width = h.rows;
  w.added = factor->info.fraction;
  w.matrix = std::move(factor->factor);
  return w;
}

Result<Whitener> Whitener::eigen(ConstMatrixD h, double tolerance) {
  auto pairs = eigh(h);
  if (!pairs)
    return pairs.takeError();
  Whitener w;
  w.kind = Kind::Eigen;
  w.width = h.rows;
  w.matrix = std::move(pairs->vectors);
  double floor = pairs->values.empty() ? 0 : std::max(pairs->values[0], 0.0) * tolerance;
  for (double value : pairs->values)
    w.diagonal.push_back(value > floor ? std::sqrt(value) : 0);
  return w;
}

Matrix<double> Whitener::apply(ConstMatrixD x) const {
  assert(x.cols == width);
  if (kind == Kind::Lower)
    return product(x, matrix);
  Matrix<double> y =
      kind == Kind::Eigen ? product(x, matrix, Transpose::No, Transpose::Yes) : Matrix<double>(x);
  if (kind != Kind::Identity)
    for (int64_t i = 0; i < y.rows(); ++i)
      for (int64_t j = 0; j < width; ++j)
        y(i, j) *= diagonal[static_cast<size_t>(j)];
  return y;
}

void Whitener::divide(Matrix<double> &x) const {
  if (kind == Kind::Lower)
    return solveRightLower(matrix, x);
  if (kind == Kind::Identity)
    return;
  for (int64_t i = 0; i < x.rows(); ++i)
    for (int64_t j = 0; j < width; ++j) {
      double d = diagonal[static_cast<size_t>(j)];
      x(i, j) = d > 0 ? x(i, j) / d : 0;
    }
  if (kind == Kind::Eigen)
    x = product(x, matrix);
}

double WeightSvd::tail(int64_t rank) const {
  double sum = 0; // from the smallest, for accuracy
  for (auto k = static_cast<int64_t>(parts.sigma.size()); k-- > rank;)
    sum += parts.sigma[static_cast<size_t>(k)] * parts.sigma[static_cast<size_t>(k)];
  return sum;
}

/// A power of two moves between the factors of terms [begin, end), until their largest elements
/// have about one magnitude.
static void balanceTerms(LowRank &factors, int64_t begin, int64_t end) {
  auto each = [&](auto &&use) {
    for (int64_t k = begin; k < end; ++k) {
      for (int64_t i = 0; i < factors.b.rows(); ++i)
        use(factors.b(i, k), true);
      for (int64_t j = 0; j < factors.a.cols(); ++j)
        use(factors.a(k, j), false);
    }
  };
  double a = 0, b = 0;
  each([&](double v, bool left) { (left ? b : a) = std::max(left ? b : a, std::fabs(v)); });
  if (!(b > 0 && a > 0))
    return;
  auto shift = int(std::lround((std::log2(a) - std::log2(b)) / 2));
  each([&](double &v, bool left) { v = std::ldexp(v, left ? shift : -shift); });
}

LowRank WeightSvd::factors(int64_t rank) const {
  rank = std::min(rank, static_cast<int64_t>(parts.sigma.size()));
  LowRank f{Matrix<double>(parts.u.rows(), rank), Matrix<double>(rank, parts.vt.cols())};
  for (int64_t k = 0; k < rank; ++k) {
    double root = std::sqrt(parts.sigma[static_cast<size_t>(k)]);
    for (int64_t i = 0; i < f.b.rows(); ++i)
      f.b(i, k) = parts.u(i, k) * root;
    for (int64_t j = 0; j < f.a.cols(); ++j)
      f.a(k, j) = parts.vt(k, j) * root;
  }
  whitener->divide(f.a);
  balanceTerms(f, 0, rank); // statistics may be of any scale
  return f;
}

void compress::balance(LowRank &factors) {
  for (int64_t k = 0; k < factors.rank(); ++k)
    balanceTerms(factors, k, k + 1);
}

Result<WeightSvd> compress::decompose(ConstMatrixD w, const Whitener &whitener) {
  if (w.cols != whitener.columns())
    return Error::at("low rank", "inputs", std::to_string(whitener.columns()),
                     std::to_string(w.cols));
  if (Status s = checkFinite(w, "weight "); !s)
    return s.takeError();
  auto parts = svd(whitener.apply(w));
  if (!parts)
    return parts.takeError();
  WeightSvd out;
  out.parts = std::move(*parts);
  out.whitener = &whitener;
  return out;
}

Result<std::vector<double>> compress::whitenedSpectrum(ConstMatrixD w, const Whitener &whitener) {
  if (Status s = checkFinite(w, "weight "); !s)
    return s.takeError();
  return singularValues(whitener.apply(w));
}

int64_t compress::largestPayingRank(int64_t rows, int64_t cols) {
  return rows > 0 && cols > 0 ? (rows * cols - 1) / (rows + cols) : 0;
}

double compress::removedForRank(int64_t rows, int64_t cols, int64_t rank, int64_t align) {
  double exact = 1 - double(rank) * double(rows + cols) / (double(rows) * double(cols));
  for (int decimals = 2; decimals < 14; ++decimals) {
    double unit = std::pow(10.0, decimals), share = std::floor(exact * unit) / unit;
    if (share > 0 && rankForRatio(rows, cols, 1 - share, align) == rank)
      return share;
  }
  return exact;
}

int64_t compress::rankForRatio(int64_t rows, int64_t cols, double kept, int64_t align) {
  double exact = kept * static_cast<double>(rows * cols) / static_cast<double>(rows + cols);
  int64_t most = largestPayingRank(rows, cols);
  if (most < align)
    return std::clamp<int64_t>(static_cast<int64_t>(exact), 0, most);
  auto rank = static_cast<int64_t>(exact) / align * align;
  return std::clamp(rank, align, most / align * align);
}

LowRank QuantizedLowRank::dequantized() const {
  return {Matrix<double>(compress::dequantized(b).view()),
          Matrix<double>(compress::dequantized(a).view())};
}

Result<QuantizedLowRank> compress::quantizeFactors(const LowRank &factors,
                                                   const QuantScheme &scheme) {
  auto b = quantize(Matrix<float>(factors.b.view()), scheme);
  if (!b)
    return b.takeError().in("factor b");
  auto a = quantize(Matrix<float>(factors.a.view()), scheme);
  if (!a)
    return a.takeError().in("factor a");
  return QuantizedLowRank{std::move(*b), std::move(*a)};
}
