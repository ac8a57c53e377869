#include "fingpt/Compress/GPTQ.h"

#include "Clones.h"
#include "GroupCodec.h"
#include "RowChunks.h"
#include "fingpt/Runtime/ThreadPool.h"

#include <algorithm>
#include <cblas.h>
#include <cmath>
#include <cstdio>
#include <numeric>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

constexpr int64_t MaxBlock = 128, MaxStep = 32;

/// live[k] −= factors[k]·e for the `count` rows after the current one.
FINGPT_CLONES void subtractScaled(const float *factors, int64_t count, const float *e, float *live,
                                  int64_t rows) {
  for (int64_t k = 0; k < count; ++k)
    for (int64_t i = 0; i < rows; ++i)
      live[k * rows + i] -= factors[k] * e[i];
}

/// e = (live − q)·inverse.
FINGPT_CLONES void scaledError(const float *live, const float *q, float inverse, int64_t rows,
                               float *e) {
  for (int64_t i = 0; i < rows; ++i)
    e[i] = (live[i] - q[i]) * inverse;
}

/// One chunk of rows through all blocks. `errors` holds the scaled errors of a block.
class ChunkSweep {
public:
  ChunkSweep(ConstMatrixF w, const Matrix<float> &u, const SweepPlan &plan,
             ColumnQuantizer &quantizer, MatrixView<float> out)
      : w(w), u(u), plan(plan), quantizer(quantizer), out(out) {}

  void run(int64_t first, int64_t count) {
    int64_t n = w.cols;
    live = Matrix<float>(n, count);
    stored = Matrix<float>(n, count);
    errors = Matrix<float>(MaxBlock, count);
    for (int64_t i = 0; i < count; i += Lines)
      for (int64_t j = 0; j < n; ++j)
        for (int64_t k = i; k < std::min(i + Lines, count); ++k)
          live(j, k) = w(first + k, column(j));
    for (size_t b = 0; b < plan.blocks.size(); ++b) {
      int64_t begin = plan.blocks[b];
      int64_t end = b + 1 < plan.blocks.size() ? plan.blocks[b + 1] : n;
      for (int64_t step = begin; step < end;) {
        int64_t next = stepEnd(step, end);
        sweepStep({first, count, live.view()}, step, next,
                  errors.view().rowRange(step - begin, MaxBlock));
        subtract(step, next, end, errors.row(step - begin));
        step = next;
      }
      subtract(begin, end, n, errors.row(0));
    }
    store(first, count);
  }

private:
  static constexpr int64_t Lines = 16; ///< rows whose columns share a cache line

  int64_t column(int64_t j) const {
    return plan.order.empty() ? j : plan.order[static_cast<size_t>(j)];
  }
  /// A step ends where a group begins, so that the quantizer finds all of it compensated.
  int64_t stepEnd(int64_t begin, int64_t blockEnd) const {
    int64_t end = std::min(begin + MaxStep, blockEnd);
    return plan.groupSize > 0 ? std::min(end, (begin / plan.groupSize + 1) * plan.groupSize) : end;
  }
  void sweepStep(const SweepRows &rows, int64_t begin, int64_t end, MatrixView<float> stepErrors) {
    for (int64_t j = begin; j < end; ++j) {
      float *q = stored.row(j), *e = stepErrors.row(j - begin);
      quantizer.quantize(rows, j, q);
      scaledError(live.row(j), q, 1 / u(j, j), rows.count, e);
      if (j + 1 < end)
        subtractScaled(&u(j, j + 1), end - j - 1, e, live.row(j + 1), rows.count);
    }
  }
  /// Columns [end, until) at once: live −= Uᵀ·errors of columns [begin, end).
  void subtract(int64_t begin, int64_t end, int64_t until, const float *scaled) {
    auto rows = static_cast<int>(live.cols());
    if (end < until)
      cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, static_cast<int>(until - end), rows,
                  static_cast<int>(end - begin), -1.0f, &u(begin, end), static_cast<int>(w.cols),
                  scaled, rows, 1.0f, live.row(end), rows);
  }
  void store(int64_t first, int64_t count) {
    for (int64_t i = 0; i < count; i += Lines)
      for (int64_t j = 0; j < w.cols; ++j)
        for (int64_t k = i; k < std::min(i + Lines, count); ++k)
          out(first + k, column(j)) = stored(j, k);
  }

  ConstMatrixF w;
  const Matrix<float> &u;
  const SweepPlan &plan;
  ColumnQuantizer &quantizer;
  MatrixView<float> out;
  Matrix<float> live, stored, errors; ///< [columns, rows of the chunk]
};

/// Rounds a column to the codes of one scheme. Each group is fitted on its live weights when its
/// first column is reached, or beforehand: by `fitAll`, or as another weight stores it.
class GroupedColumns : public ColumnQuantizer {
public:
  /// `importance`, per column of the weight, is what a search of ranges weighs errors with.
  GroupedColumns(const GroupCodec &codec, int64_t rows, int64_t cols,
                 const std::vector<int64_t> &order, const std::vector<float> &importance)
      : codec(codec), order(order), importance(importance), target(codec.allocate(rows, cols)),
        codes(cols, rows), params(target.groups, rows) {}

  void takeAll(const QuantizedWeight &fixed) {
    isStatic = true;
    target = fixed;
    for (int64_t i = 0; i < target.rows; ++i)
      for (int64_t g = 0; g < target.groups; ++g)
        params.set(g, i, storedParams(target, i, g));
  }
  void fitAll(ConstMatrixF w) {
    isStatic = true;
    ThreadPool::global().parallelFor(static_cast<size_t>(w.rows), [&](size_t begin, size_t end) {
      for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i)
        for (int64_t g = 0; g < target.groups; ++g)
          fitGroup(i, g, w.row(i) + g * target.groupSize);
    });
  }

  void quantize(const SweepRows &rows, int64_t column, float *q) override {
    int64_t original = order.empty() ? column : order[static_cast<size_t>(column)];
    int64_t group = original / target.groupSize;
    if (!isStatic && column % target.groupSize == 0)
      fit(rows, column, group);
    uint8_t *code = codes.row(original) + rows.first;
    ParamArrays p = params.column(group, rows.first);
    codec.encodeColumn(rows.live.row(column), rows.count, p, code);
    codec.decodeColumn(code, rows.count, p, q);
  }

  /// Rounded to nearest with the ranges that fitAll found.
  QuantizedWeight rounded(ConstMatrixF w) const {
    QuantizedWeight q = target;
    ThreadPool::global().parallelFor(static_cast<size_t>(w.rows), [&](size_t begin, size_t end) {
      std::vector<uint8_t> row(static_cast<size_t>(w.cols));
      for (auto i = static_cast<int64_t>(begin); i < static_cast<int64_t>(end); ++i) {
        for (int64_t g = 0; g < q.groups; ++g) {
          int64_t first = g * q.groupSize, n = std::min(q.groupSize, q.cols - first);
          codec.encode(w.row(i) + first, n, params.at(g, i), row.data() + first);
        }
        codec.storeRow(q, i, row.data());
      }
    });
    return q;
  }

  QuantizedWeight finish() {
    constexpr int64_t Lines = 64; // a cache line of `codes` serves them all
    auto tiles = static_cast<size_t>((target.rows + Lines - 1) / Lines);
    ThreadPool::global().parallelFor(tiles, [&](size_t begin, size_t end) {
      Matrix<uint8_t> rows(Lines, target.cols);
      for (size_t t = begin; t < end; ++t) {
        int64_t first = static_cast<int64_t>(t) * Lines,
                count = std::min(Lines, target.rows - first);
        for (int64_t j = 0; j < target.cols; ++j)
          for (int64_t i = 0; i < count; ++i)
            rows(i, j) = codes(j, first + i);
        for (int64_t i = 0; i < count; ++i)
          codec.storeRow(target, first + i, rows.row(i));
      }
    });
    return std::move(target);
  }

private:
  void fit(const SweepRows &rows, int64_t first, int64_t group) {
    int64_t n = std::min(target.groupSize, target.cols - first);
    std::vector<float> values(static_cast<size_t>(n));
    for (int64_t i = 0; i < rows.count; ++i) {
      for (int64_t j = 0; j < n; ++j)
        values[static_cast<size_t>(j)] = rows.live(first + j, i);
      fitGroup(rows.first + i, group, values.data());
    }
  }
  void fitGroup(int64_t row, int64_t group, const float *values) {
    int64_t first = group * target.groupSize, n = std::min(target.groupSize, target.cols - first);
    GroupParams p = codec.fit(values, n, importance.data() + first);
    params.set(group, row, p);
    codec.store(target, row, group, p);
  }

  const GroupCodec &codec;
  const std::vector<int64_t> &order;
  const std::vector<float> &importance;
  QuantizedWeight target;
  bool isStatic = false;
  Matrix<uint8_t> codes; ///< [columns, rows], as the sweep makes them
  ParamTable params;
};

Matrix<double> permuted(ConstMatrixD h, const std::vector<int64_t> &order) {
  Matrix<double> out(h.rows, h.cols);
  for (int64_t i = 0; i < h.rows; ++i)
    for (int64_t j = i; j < h.cols; ++j) {
      int64_t a = order[static_cast<size_t>(i)], b = order[static_cast<size_t>(j)];
      out(i, j) = h(std::min(a, b), std::max(a, b));
    }
  return out;
}

std::vector<int64_t> byDescendingDiagonal(ConstMatrixD h) {
  std::vector<int64_t> order(static_cast<size_t>(h.rows));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int64_t a, int64_t b) { return h(a, a) != h(b, b) ? h(a, a) > h(b, b) : a < b; });
  return order;
}

/// 1/U_jj² per column of the weight, relative to the largest: what an error of column j costs once
/// the columns after it have absorbed what they can.
std::vector<float> importanceOf(ConstMatrixD u, const std::vector<int64_t> &order) {
  double least = INFINITY;
  for (int64_t j = 0; j < u.rows; ++j)
    least = std::min(least, u(j, j));
  std::vector<float> importance(static_cast<size_t>(u.rows));
  for (int64_t j = 0; j < u.rows; ++j) {
    double ratio = least / u(j, j);
    auto column = static_cast<size_t>(order.empty() ? j : order[static_cast<size_t>(j)]);
    importance[column] = static_cast<float>(ratio * ratio);
  }
  return importance;
}

float largestMagnitude(ConstMatrixF w) {
  float largest = 0;
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.cols; ++j)
      largest = std::max(largest, std::fabs(w(i, j)));
  return largest;
}

std::string noteFor(const GptqResult &r, double asked) {
  char text[160];
  if (r.keptRounding && r.error > 0) {
    std::snprintf(text, sizeof(text),
                  "kept round-to-nearest: its output error %.4g is not above "
                  "GPTQ's",
                  r.roundingError);
    return text;
  }
  if (r.escalations == 0)
    return {};
  std::snprintf(text, sizeof(text), "damping raised from %.3g to %.3g of the mean diagonal", asked,
                r.damping);
  return text;
}

} // namespace

std::vector<int64_t> compress::blocksForGroups(int64_t columns, int64_t groupSize) {
  std::vector<int64_t> blocks;
  int64_t step =
      groupSize <= MaxBlock ? MaxBlock / std::max<int64_t>(groupSize, 1) * groupSize : groupSize;
  for (int64_t begin = 0; begin < columns; begin += step)
    for (int64_t at = begin; at < std::min(begin + step, columns); at += MaxBlock)
      blocks.push_back(at);
  return blocks;
}

void compress::compensate(ConstMatrixF w, ConstMatrixD u, const SweepPlan &plan,
                          ColumnQuantizer &quantizer, MatrixView<float> out) {
  assert(u.rows == w.cols && u.cols == w.cols && out.rows == w.rows && out.cols == w.cols);
  Matrix<float> factor(u);
  SerialBlas serial;
  RowChunks chunks(w.rows);
  ThreadPool::global().parallelFor(chunks.count, [&](size_t begin, size_t end) {
    ChunkSweep sweep(w, factor, plan, quantizer, out);
    for (size_t c = begin; c < end; ++c)
      sweep.run(chunks.first(c), chunks.rows(c));
  });
}

Result<GptqResult> compress::gptq(ConstMatrixF w, ConstMatrixD h, const QuantScheme &scheme,
                                  const GptqOptions &options) {
  for (Status s : {checkGram(h, w.cols), validate(scheme), checkFinite(w, "weight ")})
    if (!s)
      return s.takeError().in("GPTQ");

  // Scales that are coded themselves need all rows at once, so they are fitted beforehand.
  bool isStatic = options.actOrder || scheme.doubleQuant;
  // One search of ranges serves the sweep and the rounding that it is held against.
  bool shareRanges = isStatic && scheme.searchClip && !scheme.doubleQuant;
  QuantizedWeight rounding;
  if (!shareRanges) {
    auto rounded = quantize(w, scheme);
    if (!rounded)
      return rounded.takeError();
    rounding = std::move(*rounded);
  }
  SweepPlan plan;
  if (options.actOrder)
    plan.order = byDescendingDiagonal(h);
  plan.blocks = blocksForGroups(w.cols, isStatic ? MaxBlock : scheme.groupSize(w.cols));
  plan.groupSize = isStatic ? 0 : scheme.groupSize(w.cols);
  auto factor =
      inverseFactor(options.actOrder ? permuted(h, plan.order).view() : h, options.damping);
  if (!factor)
    return factor.takeError();

  Matrix<float> source(w);
  for (int64_t j : factor->info.dead) {
    int64_t column = options.actOrder ? plan.order[static_cast<size_t>(j)] : j;
    for (int64_t i = 0; i < w.rows; ++i)
      source(i, column) = 0;
  }
  GroupCodec codec(scheme, largestMagnitude(w));
  std::vector<float> importance = importanceOf(factor->factor, plan.order);
  GroupedColumns columns(codec, w.rows, w.cols, plan.order, importance);
  if (scheme.doubleQuant)
    columns.takeAll(rounding);
  else if (options.actOrder)
    columns.fitAll(source);
  if (shareRanges)
    rounding = columns.rounded(w);
  Matrix<float> swept(w.rows, w.cols);
  compensate(source.view(), factor->factor, plan, columns, swept.view());

  GptqResult result;
  result.damping = factor->info.fraction;
  result.escalations = factor->info.escalations;
  result.deadInputs = static_cast<int64_t>(factor->info.dead.size());
  result.error = outputError(swept, w, h);
  result.roundingError = outputError(dequantized(rounding).view(), w, h);
  result.keptRounding = !(result.error < result.roundingError);
  if (result.keptRounding)
    result.error = result.roundingError;
  result.weight = result.keptRounding ? std::move(rounding) : columns.finish();
  result.note = noteFor(result, options.damping.fraction);
  return result;
}
