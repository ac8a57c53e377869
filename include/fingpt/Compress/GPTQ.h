// Rounding with compensation: each column's error is absorbed by later columns.
//
//   auto r = gptq(w, gram.h, *parseScheme("w4g128"));   // w [576, 1536], h [1536, 1536]
//   r->weight                                           // as `quantize` gives it
//   r->error <= r->roundingError                        // tr(ΔHΔᵀ), always
//
// With U upper and UᵀU = H⁻¹, the columns are taken in order (arXiv:2210.17323):
//
//   q_j = Q(w_j);   e = (w_j − q_j)/U_jj;   w_k −= e·U_jk  for all k > j
//
// which is exact optimal brain surgery with the columns before j fixed. The sweep
// (`compensate`) knows nothing of formats: a ColumnQuantizer turns a column of
// live weights into what will be stored. With H = c·I it is plain rounding.
//
// Σ e² is what the sweep loses, so with a scheme that searches ranges (`-clip`) an error of
// column j counts 1/U_jj². Below 4 bits this matters more than the sweep's order.
#ifndef FINGPT_COMPRESS_GPTQ_H
#define FINGPT_COMPRESS_GPTQ_H

#include "fingpt/Compress/Gram.h"
#include "fingpt/Compress/Quantize.h"

namespace fingpt::compress {

/// The rows that a thread sweeps, transposed: column j of the sweep, of all these rows,
/// lies contiguous in live.row(j).
struct SweepRows {
  int64_t first = 0, count = 0;
  /// [columns, count]: the current column, compensated for all before it; at the first column of a
  /// group (SweepPlan::groupSize) the whole group.
  MatrixView<const float> live;
};

/// Called for each column in sweep order and for disjoint row ranges from several threads.
class ColumnQuantizer {
public:
  virtual ~ColumnQuantizer() = default;
  /// Writes to q[0..rows.count) what is stored for live column `column`.
  virtual void quantize(const SweepRows &rows, int64_t column, float *q) = 0;
};

struct SweepPlan {
  /// order[j] is the weight's column at sweep position j; empty: as they come.
  std::vector<int64_t> order;
  /// First columns of the blocks, ascending from 0. What the columns of a block cost those beyond
  /// it is made good at its end, in one product.
  std::vector<int64_t> blocks;
  /// The quantizer looks at whole groups of so many columns when it reaches their first; 0: at the
  /// current column alone.
  int64_t groupSize = 0;
};
/// Blocks of at most 128 columns such that a group never begins on weights that still miss a
/// compensation: several whole groups per block, or several blocks per group.
std::vector<int64_t> blocksForGroups(int64_t columns, int64_t groupSize);

/// Sweeps all rows. `u` is the factor of `inverseFactor` for H in sweep order. out(i, c) gets
/// what the quantizer returned for row i and weight column c. Rows in chunks of at most 128, f32.
void compensate(ConstMatrixF w, ConstMatrixD u, const SweepPlan &plan, ColumnQuantizer &quantizer,
                MatrixView<float> out);

struct GptqOptions {
  DampingOptions damping;
  /// Columns by descending H_jj. Scales are then fitted beforehand, on the original weights,
  /// so that the stored order of columns stays as it was.
  bool actOrder = false;
};

struct GptqResult {
  QuantizedWeight weight;
  double error = 0;          ///< tr(ΔHΔᵀ) under the given H
  double roundingError = 0;  ///< of round to nearest, with the same ranges if they were searched
  bool keptRounding = false; ///< the sweep was not better: `weight` is plain rounding
  double damping = 0;        ///< fraction of the mean diagonal that was added
  int escalations = 0;
  int64_t deadInputs = 0;
  /// One line for the report if anything but the ordinary happened, else empty.
  std::string note;
};
/// Error: an invalid scheme, shapes that do not match, non-finite values, damping that
/// reached its limit.
Result<GptqResult> gptq(ConstMatrixF w, ConstMatrixD h, const QuantScheme &scheme,
                        const GptqOptions &options = {});

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_GPTQ_H
