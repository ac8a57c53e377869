#include "fingpt/Compress/Refine.h"

#include "GroupCodec.h"
#include "fingpt/Compress/GPTQ.h"
#include "fingpt/Runtime/ThreadPool.h"

#include <algorithm>
#include <cmath>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

constexpr int64_t ChunkRows = 128;

/// Some rows of a weight, transposed: column j of all rows lies contiguous.
class ChunkDescent {
public:
  ChunkDescent(ConstMatrixF w, const Matrix<double> &h, const GroupCodec &codec,
               const QuantizedWeight &start, const std::vector<int64_t> &blocks,
               const RefineOptions &options)
      : w(w), h(h), codec(codec), start(start), blocks(blocks), options(options) {}

  void run(int64_t firstRow, int64_t rows, QuantizedWeight &target) {
    first = firstRow;
    count = rows;
    load();
    double error = objective();
    for (int pass = 0; pass < options.passes && error > 0; ++pass) {
      for (size_t b = 0; b < blocks.size(); ++b)
        descend(blocks[b], b + 1 < blocks.size() ? blocks[b + 1] : w.cols);
      double next = objective();
      bool worthMore = next < error * (1 - options.tolerance);
      error = next;
      if (!worthMore)
        break;
    }
    store(target);
  }

private:
  GroupParams &params(int64_t group, int64_t i) {
    return groupParams[static_cast<size_t>(group * count + i)];
  }
  int64_t groupBegin(int64_t group) const { return group * start.groupSize; }
  int64_t groupEnd(int64_t group) const {
    return std::min(groupBegin(group) + start.groupSize, w.cols);
  }
  double valueOf(uint8_t code, const GroupParams &p) const {
    float out;
    codec.decode(&code, 1, p, &out);
    return out;
  }
  double objective() const {
    double sum = 0;
    for (int64_t j = 0; j < w.cols; ++j)
      for (int64_t i = 0; i < count; ++i)
        sum += delta(j, i) * gradient(j, i);
    return sum;
  }

  void load() {
    int64_t n = w.cols;
    delta = Matrix<double>(n, count);
    gradient = Matrix<double>(n, count);
    codes = Matrix<uint8_t>(n, count);
    groupParams.resize(static_cast<size_t>(start.groups * count));
    std::vector<uint8_t> row(static_cast<size_t>(n));
    for (int64_t i = 0; i < count; ++i) {
      storedCodes(start, first + i, row.data());
      for (int64_t g = 0; g < start.groups; ++g)
        params(g, i) = storedParams(start, first + i, g);
      for (int64_t j = 0; j < n; ++j) {
        codes(j, i) = row[static_cast<size_t>(j)];
        delta(j, i) = valueOf(codes(j, i), params(j / start.groupSize, i)) - w(first + i, j);
      }
    }
    gemm(1.0, h, Transpose::No, delta, Transpose::No, 0.0, gradient.view());
  }
  void store(QuantizedWeight &target) {
    std::vector<uint8_t> row(static_cast<size_t>(w.cols));
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t j = 0; j < w.cols; ++j)
        row[static_cast<size_t>(j)] = codes(j, i);
      for (int64_t g = 0; g < start.groups; ++g)
        codec.store(target, first + i, g, params(g, i));
      codec.storeRow(target, first + i, row.data());
    }
  }

  /// gradient rows [from, to) += H·(delta − before) for the columns that `before` holds from `at`.
  void spread(const Matrix<double> &before, int64_t at, int64_t from, int64_t to) {
    if (from >= to)
      return;
    Matrix<double> change(before.rows(), count);
    for (int64_t j = 0; j < before.rows(); ++j)
      for (int64_t i = 0; i < count; ++i)
        change(j, i) = delta(at + j, i) - before(j, i);
    gemm(1.0, h.block(from, at, to - from, before.rows()), Transpose::No, change, Transpose::No,
         1.0, gradient.block(from, 0, to - from, count));
  }

  /// A block is part of a group or several whole groups. Within it the gradient is kept current
  /// at every step, elsewhere at its end.
  void descend(int64_t begin, int64_t end) {
    if (start.groupSize > end - begin && begin % start.groupSize == 0)
      moveScales(begin / start.groupSize, 0, w.cols);
    Matrix<double> before(ConstMatrixD(delta.view()).rowRange(begin, end));
    for (int64_t j = begin; j < end; ++j) {
      if (start.groupSize <= end - begin && j % start.groupSize == 0)
        moveScales(j / start.groupSize, begin, end);
      moveCodes(j, begin, end);
    }
    spread(before, begin, 0, begin);
    spread(before, begin, end, w.cols);
  }

  /// gradient rows [from, to) are brought up to date.
  void moveCodes(int64_t j, int64_t from, int64_t to) {
    double curvature = h(j, j);
    if (!(curvature > 0))
      return;
    int64_t group = j / start.groupSize;
    wanted.resize(static_cast<size_t>(count));
    nearest.resize(static_cast<size_t>(count));
    change.assign(static_cast<size_t>(count), 0.0);
    for (int64_t i = 0; i < count; ++i)
      wanted[static_cast<size_t>(i)] =
          static_cast<float>(w(first + i, j) + delta(j, i) - gradient(j, i) / curvature);
    codec.encode(wanted.data(), count, 1, &params(group, 0), nearest.data());
    bool moved = false;
    for (int64_t i = 0; i < count; ++i) {
      uint8_t code = nearest[static_cast<size_t>(i)];
      if (code == codes(j, i))
        continue;
      double step = valueOf(code, params(group, i)) - w(first + i, j) - delta(j, i);
      if (!(step * (2 * gradient(j, i) + step * curvature) < 0))
        continue;
      codes(j, i) = code;
      delta(j, i) += step;
      change[static_cast<size_t>(i)] = step;
      moved = true;
    }
    if (moved)
      for (int64_t k = from; k < to; ++k)
        for (int64_t i = 0; i < count; ++i)
          gradient(k, i) += h(k, j) * change[static_cast<size_t>(i)];
  }

  /// Scale, and minimum or zero, of one group in all rows. gradient rows [from, to) are brought up
  /// to date.
  void moveScales(int64_t group, int64_t from, int64_t to) {
    if (start.scheme.doubleQuant)
      return;
    int64_t begin = groupBegin(group), size = groupEnd(group) - begin;
    Matrix<double> unit(size, count); // the group at scale 1 and minimum 0
    for (int64_t j = 0; j < size; ++j)
      for (int64_t i = 0; i < count; ++i)
        unit(j, i) = valueOf(codes(begin + j, i), {1, params(group, i).zero, 0});
    Matrix<double> image = product(h.block(begin, begin, size, size), unit);
    std::vector<double> ones(static_cast<size_t>(size)); // H_gg·1
    double onesCurvature = 0;
    for (int64_t j = 0; j < size; ++j) {
      for (int64_t k = 0; k < size; ++k)
        ones[static_cast<size_t>(j)] += h(begin + j, begin + k);
      onesCurvature += ones[static_cast<size_t>(j)];
    }
    Matrix<double> before(ConstMatrixD(delta.view()).rowRange(begin, begin + size));
    for (int64_t i = 0; i < count; ++i) {
      Quadratic f;
      f.ones = onesCurvature;
      for (int64_t j = 0; j < size; ++j) {
        f.unit += unit(j, i) * image(j, i);
        f.mixed += unit(j, i) * ones[static_cast<size_t>(j)];
        f.unitSlope += unit(j, i) * gradient(begin + j, i);
        f.onesSlope += gradient(begin + j, i);
      }
      GroupParams &p = params(group, i);
      GroupParams next = better(f, p);
      if (next.scale == p.scale && next.zero == p.zero && next.min == p.min)
        continue;
      p = next;
      for (int64_t j = 0; j < size; ++j)
        delta(begin + j, i) = valueOf(codes(begin + j, i), p) - w(first + i, begin + j);
    }
    spread(before, begin, from, to);
  }

  /// The error as a function of scale and offset of one group: slopes and curvatures along the
  /// group at scale 1 and along 1.
  struct Quadratic {
    double unit = 0, ones = 0, mixed = 0, unitSlope = 0, onesSlope = 0;
    double change(double scale, double offset) const {
      return 2 * (scale * unitSlope + offset * onesSlope) + scale * scale * unit +
             2 * scale * offset * mixed + offset * offset * ones;
    }
    double bestOffset(double scale) const {
      return ones > 0 ? -(onesSlope + scale * mixed) / ones : 0;
    }
  };

  GroupParams better(const Quadratic &f, const GroupParams &p) const {
    if (!(f.unit > 0))
      return p;
    GroupParams best = p;
    double least = 0;
    bool mins = start.scheme.offset == Offset::Mins && !start.scheme.isLookup();
    bool zeros = start.scheme.offset == Offset::ZeroCodes && !start.scheme.isLookup();
    double determinant = f.unit * f.ones - f.mixed * f.mixed;
    double scaleStep = -f.unitSlope / f.unit;
    if (mins && determinant > 1e-9 * f.unit * f.ones)
      scaleStep = (f.onesSlope * f.mixed - f.unitSlope * f.ones) / determinant;
    auto consider = [&](GroupParams next, double offset) {
      double scale = static_cast<double>(next.scale) - p.scale;
      if (double change = f.change(scale, offset); change < least) {
        least = change;
        best = next;
      }
    };
    for (double wanted : {p.scale + scaleStep, static_cast<double>(p.scale)}) {
      if (!(wanted > 0))
        continue;
      GroupParams next = p;
      next.scale = wanted == p.scale ? p.scale : codec.nearestScale(static_cast<float>(wanted));
      double step = static_cast<double>(next.scale) - p.scale;
      consider(next, 0);
      double offset = f.bestOffset(step);
      if (mins) {
        next.min = codec.nearestMin(static_cast<float>(p.min + offset));
        consider(next, static_cast<double>(next.min) - p.min);
      } else if (zeros) { // (q − z)·s: the zero moves by whole scales
        double codesDown = std::nearbyint(offset / next.scale);
        next.zero =
            static_cast<float>(std::clamp(p.zero - codesDown, 0.0, double(codec.maxCode())));
        consider(next, (p.zero - next.zero) * static_cast<double>(next.scale));
      }
    }
    return best;
  }

  ConstMatrixF w;
  const Matrix<double> &h;
  const GroupCodec &codec;
  const QuantizedWeight &start;
  const std::vector<int64_t> &blocks;
  const RefineOptions &options;
  int64_t first = 0, count = 0;
  Matrix<double> delta, gradient; ///< [columns, count]: ŵ − w and its product with H
  Matrix<uint8_t> codes;          ///< [columns, count]
  std::vector<GroupParams> groupParams;
  std::vector<float> wanted;
  std::vector<uint8_t> nearest;
  std::vector<double> change;
};

} // namespace

Result<RefineResult> compress::refine(ConstMatrixF w, ConstMatrixD h, const QuantizedWeight &start,
                                      const RefineOptions &options) {
  if (Status s = checkGram(h, w.cols); !s)
    return s.takeError().in("refinement");
  if (start.rows != w.rows || start.cols != w.cols)
    return Error::at("refinement", "quantized weight",
                     std::to_string(w.rows) + "x" + std::to_string(w.cols),
                     std::to_string(start.rows) + "x" + std::to_string(start.cols));
  if (Status s = checkFinite(w, "weight "); !s)
    return s.takeError();
  GroupCodec codec(start);
  RefineResult result;
  result.weight = codec.allocate(w.rows, w.cols);
  result.weight.scaleCodes = start.scaleCodes;
  Matrix<double> full = symmetric(h);
  std::vector<int64_t> blocks = blocksForGroups(w.cols, start.groupSize);
  SerialBlas serial;
  auto chunks = static_cast<size_t>((w.rows + ChunkRows - 1) / ChunkRows);
  ThreadPool::global().parallelFor(chunks, [&](size_t begin, size_t end) {
    ChunkDescent descent(w, full, codec, start, blocks, options);
    for (size_t c = begin; c < end; ++c) {
      int64_t row = static_cast<int64_t>(c) * ChunkRows;
      descent.run(row, std::min(ChunkRows, w.rows - row), result.weight);
    }
  });
  result.startError = outputError(dequantized(start).view(), w, h);
  result.error = outputError(dequantized(result.weight).view(), w, h);
  if (!(result.error < result.startError)) { // only rounding separates them
    result.weight = start;
    result.error = result.startError;
  }
  return result;
}
