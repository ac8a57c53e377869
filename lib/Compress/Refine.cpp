#include "fingpt/Compress/Refine.h"

#include "Clones.h"
#include "GroupCodec.h"
#include "RowChunks.h"
#include "fingpt/Compress/GPTQ.h"
#include "fingpt/Runtime/ThreadPool.h"

#include <algorithm>
#include <cblas.h>
#include <cmath>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

constexpr int64_t MaxStep = 32;

/// H as the descent reads it. It takes part in ratios alone, so it is scaled by a power of two that
/// makes its largest element about 1, and f32 holds it whatever the activations were.
struct Curvature {
  Matrix<float> h;                ///< full
  std::vector<float> ones;        ///< Σ of h(j, k) over the k of j's group
  std::vector<double> groupTotal; ///< Σ of `ones` over a group

  Curvature(ConstMatrixD upper, int64_t groupSize, int64_t groups)
      : h(upper.rows, upper.rows), ones(static_cast<size_t>(upper.rows)),
        groupTotal(static_cast<size_t>(groups)) {
    int64_t n = upper.rows;
    double largest = 0;
    for (int64_t j = 0; j < n; ++j) // no other element of a Gram matrix is larger
      largest = std::max(largest, upper(j, j));
    double scale = largest > 0 ? std::ldexp(1.0, -std::ilogb(largest)) : 1;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = i; j < n; ++j)
        h(i, j) = static_cast<float>(upper(i, j) * scale);
    constexpr int64_t Tile = 64;
    for (int64_t ti = 0; ti < n; ti += Tile)
      for (int64_t tj = 0; tj <= ti; tj += Tile)
        for (int64_t i = ti; i < std::min(ti + Tile, n); ++i)
          for (int64_t j = tj; j < std::min(tj + Tile, i); ++j)
            h(i, j) = h(j, i);
    for (int64_t j = 0; j < n; ++j) {
      int64_t begin = j / groupSize * groupSize;
      double sum = 0;
      for (int64_t k = begin; k < std::min(begin + groupSize, n); ++k)
        sum += h(j, k);
      ones[static_cast<size_t>(j)] = static_cast<float>(sum);
      groupTotal[static_cast<size_t>(j / groupSize)] += sum;
    }
  }
};

FINGPT_CLONES double dot(const float *a, const float *b, int64_t n) {
  constexpr int64_t Lanes = 16;
  double sums[Lanes] = {}, total = 0;
  int64_t i = 0;
  for (; i + Lanes <= n; i += Lanes)
    for (int64_t l = 0; l < Lanes; ++l)
      sums[l] += static_cast<double>(a[i + l]) * static_cast<double>(b[i + l]);
  for (; i < n; ++i)
    total += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  for (double s : sums)
    total += s;
  return total;
}

/// Where the error along a column is least: source + delta − gradient/curvature.
FINGPT_CLONES void minimisers(const float *source, const float *delta, const float *gradient,
                              float inverseCurvature, int64_t rows, float *wanted) {
  for (int64_t i = 0; i < rows; ++i)
    wanted[i] = (source[i] + delta[i]) - gradient[i] * inverseCurvature;
}

/// change = what moving to `value` would change, where that lowers the error, else 0. Says if any
/// is not 0. A code that stays gives the same value and so a change of exactly 0.
FINGPT_CLONES bool improvements(const float *value, const float *source, const float *delta,
                                const float *gradient, float curvature, int64_t rows,
                                float *change) {
  uint32_t any = 0;
  for (int64_t i = 0; i < rows; ++i) {
    float step = (value[i] - source[i]) - delta[i];
    bool lower = step * (2 * gradient[i] + step * curvature) < 0;
    change[i] = lower ? step : 0.0f;
    any |= lower ? 1u : 0u;
  }
  return any != 0;
}

/// to[k] += factors[k]·change.
FINGPT_CLONES void addScaled(const float *factors, int64_t count, const float *change, float *to,
                             int64_t rows) {
  for (int64_t k = 0; k < count; ++k)
    for (int64_t i = 0; i < rows; ++i)
      to[k * rows + i] += factors[k] * change[i];
}

/// The error as a function of scale and offset of one group, for many rows: slopes and curvatures
/// along the group at scale 1 and along 1.
struct Quadratics {
  std::vector<double> unit, mixed, unitSlope, onesSlope;

  void reset(int64_t rows) {
    for (std::vector<double> *v : {&unit, &mixed, &unitSlope, &onesSlope})
      v->assign(static_cast<size_t>(rows), 0.0);
  }
};

FINGPT_CLONES void addTerms(const float *unit, const float *image, const float *gradient,
                            float ones, int64_t rows, double *unitSum, double *mixed,
                            double *unitSlope, double *onesSlope) {
  for (int64_t i = 0; i < rows; ++i) {
    double u = unit[i], g = gradient[i];
    unitSum[i] += u * static_cast<double>(image[i]);
    mixed[i] += u * static_cast<double>(ones);
    unitSlope[i] += u * g;
    onesSlope[i] += g;
  }
}

/// Some rows of a weight, transposed: column j of all rows lies contiguous.
class ChunkDescent {
public:
  ChunkDescent(ConstMatrixF w, const Curvature &curvature, const GroupCodec &codec,
               const QuantizedWeight &start, const std::vector<int64_t> &blocks,
               const RefineOptions &options)
      : w(w), curvature(curvature), h(curvature.h), codec(codec), start(start), blocks(blocks),
        options(options) {}

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
  int64_t groupBegin(int64_t group) const { return group * start.groupSize; }
  int64_t groupEnd(int64_t group) const {
    return std::min(groupBegin(group) + start.groupSize, w.cols);
  }
  double objective() const { return dot(delta.data(), gradient.data(), w.cols * count); }
  /// What the codes of column j stand for.
  void decode(int64_t j, float *values) const {
    codec.decodeColumn(codes.row(j), count, params.column(j / start.groupSize), values);
  }

  void load() {
    int64_t n = w.cols;
    source = delta = gradient = Matrix<float>(n, count);
    codes = nearest = Matrix<uint8_t>(n, count);
    params = ParamTable(start.groups, count);
    ones.assign(static_cast<size_t>(count), 1.0f);
    none.assign(static_cast<size_t>(count), 0.0f);
    values.resize(static_cast<size_t>(count));
    std::vector<uint8_t> row(static_cast<size_t>(n));
    for (int64_t i = 0; i < count; ++i) {
      storedCodes(start, first + i, row.data());
      for (int64_t g = 0; g < start.groups; ++g)
        params.set(g, i, storedParams(start, first + i, g));
      for (int64_t j = 0; j < n; ++j) {
        codes(j, i) = row[static_cast<size_t>(j)];
        source(j, i) = w(first + i, j);
      }
    }
    for (int64_t j = 0; j < n; ++j) {
      decode(j, values.data());
      for (int64_t i = 0; i < count; ++i)
        delta(j, i) = values[static_cast<size_t>(i)] - source(j, i);
    }
    gemm(1.0f, h, Transpose::No, delta, Transpose::No, 0.0f, gradient.view());
  }
  void store(QuantizedWeight &target) {
    std::vector<uint8_t> row(static_cast<size_t>(w.cols));
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t j = 0; j < w.cols; ++j)
        row[static_cast<size_t>(j)] = codes(j, i);
      for (int64_t g = 0; g < start.groups; ++g)
        codec.store(target, first + i, g, params.at(g, i));
      codec.storeRow(target, first + i, row.data());
    }
  }

  /// gradient rows [from, to) += H·change, of the columns from `at`.
  void spread(ConstMatrixF change, int64_t at, int64_t from, int64_t to) {
    if (from < to)
      gemm(1.0f, h.block(from, at, to - from, change.rows), Transpose::No, change, Transpose::No,
           1.0f, gradient.block(from, 0, to - from, count));
  }

  /// A block is part of a group or several whole groups. Within a step (of at most 32 columns, of
  /// one group) the gradient is kept current at every column, in the rest of the block at the end
  /// of a step, elsewhere at the end of the block.
  void descend(int64_t begin, int64_t end) {
    bool wholeGroups = start.groupSize <= end - begin;
    if (!wholeGroups && begin % start.groupSize == 0)
      moveScales(begin / start.groupSize, 0, w.cols);
    Matrix<float> before(ConstMatrixF(delta.view()).rowRange(begin, end));
    for (int64_t j = begin; j < end;) {
      int64_t group = j / start.groupSize;
      if (wholeGroups && j == groupBegin(group))
        moveScales(group, begin, end);
      int64_t next = std::min({j + MaxStep, groupEnd(group), end});
      moveCodes(j, next, begin, end);
      j = next;
    }
    for (int64_t j = begin; j < end; ++j)
      for (int64_t i = 0; i < count; ++i)
        before(j - begin, i) = delta(j, i) - before(j - begin, i);
    spread(before, begin, 0, begin);
    spread(before, begin, end, w.cols);
  }

  /// The codes of columns [begin, end), which are of one group. gradient rows [from, to) are
  /// brought up to date.
  void moveCodes(int64_t begin, int64_t end, int64_t from, int64_t to) {
    int64_t width = end - begin;
    ParamArrays p = params.column(begin / start.groupSize);
    Matrix<float> change(width, count), local(ConstMatrixF(gradient.view()).rowRange(begin, end));
    bool moved = false;
    for (int64_t j = begin; j < end; ++j) {
      float along = h(j, j), *step = change.row(j - begin), *slope = local.row(j - begin);
      if (!(along > 0))
        continue;
      minimisers(source.row(j), delta.row(j), slope, 1 / along, count, values.data());
      codec.encodeColumn(values.data(), count, p, nearest.row(j));
      codec.decodeColumn(nearest.row(j), count, p, values.data());
      if (!improvements(values.data(), source.row(j), delta.row(j), slope, along, count, step))
        continue;
      moved = true;
      for (int64_t i = 0; i < count; ++i)
        if (step[i] != 0) {
          codes(j, i) = nearest(j, i);
          delta(j, i) = values[static_cast<size_t>(i)] - source(j, i);
        }
      addScaled(&h(j, begin), width, step, local.row(0), count);
    }
    if (moved)
      spread(change, begin, from, to);
  }

  /// Scale, and minimum or zero, of one group in all rows. gradient rows [from, to) are brought up
  /// to date.
  void moveScales(int64_t group, int64_t from, int64_t to) {
    if (start.scheme.doubleQuant)
      return;
    int64_t begin = groupBegin(group), size = groupEnd(group) - begin;
    Matrix<float> unit(size, count), image(size, count); // the group at scale 1 and minimum 0
    ParamArrays units{ones.data(), params.zero.row(group), none.data()};
    for (int64_t j = 0; j < size; ++j)
      codec.decodeColumn(codes.row(begin + j), count, units, unit.row(j));
    gemm(1.0f, h.block(begin, begin, size, size), Transpose::No, unit, Transpose::No, 0.0f,
         image.view());
    sums.reset(count);
    for (int64_t j = 0; j < size; ++j)
      addTerms(unit.row(j), image.row(j), gradient.row(begin + j),
               curvature.ones[static_cast<size_t>(begin + j)], count, sums.unit.data(),
               sums.mixed.data(), sums.unitSlope.data(), sums.onesSlope.data());
    bool moved = false;
    for (int64_t i = 0; i < count; ++i) {
      auto k = static_cast<size_t>(i);
      Quadratic f{sums.unit[k], curvature.groupTotal[static_cast<size_t>(group)], sums.mixed[k],
                  sums.unitSlope[k], sums.onesSlope[k]};
      GroupParams p = params.at(group, i), next = better(f, p);
      if (next.scale == p.scale && next.zero == p.zero && next.min == p.min)
        continue;
      params.set(group, i, next);
      moved = true;
    }
    if (!moved)
      return;
    for (int64_t j = 0; j < size; ++j) { // `unit` becomes the change
      decode(begin + j, values.data());
      for (int64_t i = 0; i < count; ++i) {
        float next = values[static_cast<size_t>(i)] - source(begin + j, i);
        unit(j, i) = next - delta(begin + j, i);
        delta(begin + j, i) = next;
      }
    }
    spread(unit, begin, from, to);
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
    if (mins && determinant > 1e-6 * f.unit * f.ones)
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
  const Curvature &curvature;
  const Matrix<float> &h;
  const GroupCodec &codec;
  const QuantizedWeight &start;
  const std::vector<int64_t> &blocks;
  const RefineOptions &options;
  int64_t first = 0, count = 0;
  Matrix<float> source, delta, gradient; ///< [columns, count]: w, ŵ − w, its product with H
  Matrix<uint8_t> codes, nearest;        ///< [columns, count]; chosen, and last found nearest
  ParamTable params;                     ///< [groups, count]
  Quadratics sums;
  std::vector<float> ones, none, values; ///< per row
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
  Curvature curvature(h, start.groupSize, start.groups);
  std::vector<int64_t> blocks = blocksForGroups(w.cols, start.groupSize);
  SerialBlas serial;
  RowChunks chunks(w.rows);
  ThreadPool::global().parallelFor(chunks.count, [&](size_t begin, size_t end) {
    ChunkDescent descent(w, curvature, codec, start, blocks, options);
    for (size_t c = begin; c < end; ++c)
      descent.run(chunks.first(c), chunks.rows(c), result.weight);
  });
  result.startError =
      options.startError ? *options.startError : outputError(dequantized(start).view(), w, h);
  result.error = outputError(dequantized(result.weight).view(), w, h);
  if (!(result.error < result.startError)) { // only rounding separates them
    result.weight = start;
    result.error = result.startError;
  }
  return result;
}
