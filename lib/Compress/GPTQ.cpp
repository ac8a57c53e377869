#include "fingpt/Compress/GPTQ.h"

#include "Clones.h"
#include "GroupCodec.h"
#include "fingpt/Runtime/ThreadPool.h"

#include <algorithm>
#include <cblas.h>
#include <cmath>
#include <cstdio>
#include <numeric>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

constexpr int64_t ChunkRows = 128, MaxBlock = 128;

/// live[k] −= factors[k]·e for the `count` rows after the current one.
FINGPT_CLONES void subtractScaled(const float *factors, int64_t count, const float *e, float *live,
                                  int64_t rows) {
  for (int64_t k = 0; k < count; ++k)
    for (int64_t i = 0; i < rows; ++i)
      live[k * rows + i] -= factors[k] * e[i];
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
    errors = Matrix<float>(MaxBlock, count);
    q.resize(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i)
      for (int64_t j = 0; j < n; ++j)
        live(j, i) = w(first + i, column(j));
    for (size_t b = 0; b < plan.blocks.size(); ++b) {
      int64_t begin = plan.blocks[b];
      int64_t end = b + 1 < plan.blocks.size() ? plan.blocks[b + 1] : n;
      sweepBlock({first, count, live.view()}, begin, end);
      if (end < n) // the columns beyond, at once: live −= Uᵀ·errors
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, static_cast<int>(n - end),
                    static_cast<int>(count), static_cast<int>(end - begin), -1.0f, &u(begin, end),
                    static_cast<int>(n), errors.data(), static_cast<int>(count), 1.0f,
                    live.row(end), static_cast<int>(count));
    }
  }

private:
  int64_t column(int64_t j) const {
    return plan.order.empty() ? j : plan.order[static_cast<size_t>(j)];
  }
  void sweepBlock(const SweepRows &rows, int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      quantizer.quantize(rows, j, q.data());
      float *e = errors.row(j - begin);
      float inverse = 1 / u(j, j);
      for (int64_t i = 0; i < rows.count; ++i) {
        float value = q[static_cast<size_t>(i)];
        e[i] = (live(j, i) - value) * inverse;
        out(rows.first + i, column(j)) = value;
      }
      if (j + 1 < end)
        subtractScaled(&u(j, j + 1), end - j - 1, e, live.row(j + 1), rows.count);
    }
  }

  ConstMatrixF w;
  const Matrix<float> &u;
  const SweepPlan &plan;
  ColumnQuantizer &quantizer;
  MatrixView<float> out;
  Matrix<float> live, errors;
  std::vector<float> q;
};

/// Rounds a column to the codes of one scheme. Each group is fitted on its live weights when its
/// first column is reached, or beforehand: by `fitAll`, or as another weight stores it.
class GroupedColumns : public ColumnQuantizer {
public:
  /// `importance`, per column of the weight, is what a search of ranges weighs errors with.
  GroupedColumns(const GroupCodec &codec, int64_t rows, int64_t cols,
                 const std::vector<int64_t> &order, const std::vector<float> &importance)
      : codec(codec), order(order), importance(importance), target(codec.allocate(rows, cols)),
        codes(rows, cols), params(static_cast<size_t>(rows * target.groups)) {}

  void takeAll(const QuantizedWeight &fixed) {
    isStatic = true;
    target = fixed;
    for (int64_t i = 0; i < target.rows; ++i)
      for (int64_t g = 0; g < target.groups; ++g)
        params[cell(i, g)] = storedParams(target, i, g);
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
    const float *live = rows.live.row(column);
    for (int64_t i = 0; i < rows.count; ++i) {
      const GroupParams &p = params[cell(rows.first + i, group)];
      uint8_t &code = codes(rows.first + i, original);
      codec.encode(live + i, 1, p, &code);
      codec.decode(&code, 1, p, q + i);
    }
  }

  QuantizedWeight finish() {
    for (int64_t i = 0; i < target.rows; ++i)
      codec.storeRow(target, i, codes.row(i));
    return std::move(target);
  }

private:
  size_t cell(int64_t row, int64_t group) const {
    return static_cast<size_t>(row * target.groups + group);
  }
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
    params[cell(row, group)] = p;
    codec.store(target, row, group, p);
  }

  const GroupCodec &codec;
  const std::vector<int64_t> &order;
  const std::vector<float> &importance;
  QuantizedWeight target;
  bool isStatic = false;
  Matrix<uint8_t> codes;
  std::vector<GroupParams> params;
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
  auto chunks = static_cast<size_t>((w.rows + ChunkRows - 1) / ChunkRows);
  ThreadPool::global().parallelFor(chunks, [&](size_t begin, size_t end) {
    ChunkSweep sweep(w, factor, plan, quantizer, out);
    for (size_t c = begin; c < end; ++c) {
      int64_t first = static_cast<int64_t>(c) * ChunkRows;
      sweep.run(first, std::min(ChunkRows, w.rows - first));
    }
  });
}

Result<GptqResult> compress::gptq(ConstMatrixF w, ConstMatrixD h, const QuantScheme &scheme,
                                  const GptqOptions &options) {
  if (Status s = checkGram(h, w.cols); !s)
    return s.takeError().in("GPTQ");
  auto rounding = quantize(w, scheme);
  if (!rounding)
    return rounding.takeError();

  // Scales that are coded themselves need all rows at once, so they are fitted beforehand.
  bool isStatic = options.actOrder || scheme.doubleQuant;
  SweepPlan plan;
  if (options.actOrder)
    plan.order = byDescendingDiagonal(h);
  plan.blocks = blocksForGroups(w.cols, isStatic ? MaxBlock : scheme.groupSize(w.cols));
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
    columns.takeAll(*rounding);
  else if (options.actOrder)
    columns.fitAll(source);
  Matrix<float> swept(w.rows, w.cols);
  compensate(source.view(), factor->factor, plan, columns, swept.view());

  GptqResult result;
  result.damping = factor->info.fraction;
  result.escalations = factor->info.escalations;
  result.deadInputs = static_cast<int64_t>(factor->info.dead.size());
  result.error = outputError(swept, w, h);
  result.roundingError = outputError(dequantized(*rounding).view(), w, h);
  result.keptRounding = !(result.error < result.roundingError);
  if (result.keptRounding)
    result.error = result.roundingError;
  result.weight = result.keptRounding ? std::move(*rounding) : columns.finish();
  result.note = noteFor(result, options.damping.fraction);
  return result;
}
