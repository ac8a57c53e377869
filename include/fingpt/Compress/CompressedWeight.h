// What a method made of a weight, and the methods behind a scheme.
//
//   WeightProblem p{"…q_proj.weight", w, &gram};
//   auto r = compressWeight(p, *parseWeightScheme("w3g64+lr16"));
//   r->terms              // QuantizedWeight, LowRankTerm: their sum stands for w
//   r->dense()            // [out, in] f32, exactly what the graph will compute
//   r->error              // tr(ΔHΔᵀ)/tr(wHwᵀ)
//
// Terms are what the `fin` dialect has ops for; a new form of weights is one more alternative
// of WeightTerm, its case in this file and in BuildWeight.cpp.
#ifndef FINGPT_COMPRESS_COMPRESSEDWEIGHT_H
#define FINGPT_COMPRESS_COMPRESSEDWEIGHT_H

#include "fingpt/Compress/Gram.h"
#include "fingpt/Compress/LowRank.h"
#include "fingpt/Compress/WeightScheme.h"

#include <string>
#include <variant>

namespace fingpt::compress {

/// b·a with both factors in f16 (values that f16 holds exactly).
struct LowRankTerm {
  Matrix<float> b; ///< [out, rank]
  Matrix<float> a; ///< [rank, in]
};
using WeightTerm = std::variant<QuantizedWeight, LowRankTerm, QuantizedLowRank>;

struct CompressedWeight {
  int64_t rows = 0, cols = 0;
  std::vector<WeightTerm> terms;  ///< added up; none: the weight stays as it is
  std::vector<float> inputScales; ///< f16 values; column j of the sum times [j], if not empty
  double error = 0;               ///< of dense(), relative
  double roundingError = 0;       ///< of plain rounding with the scheme's codes; of no pair: 1
  std::string note;               ///< for the report, if anything out of the ordinary happened

  bool kept() const { return terms.empty(); }
  int64_t storedBytes() const;
  /// As the graph computes it.
  Matrix<float> dense() const;
  /// "4.13 bit + rank 16": for a progress line.
  std::string form() const;
};

struct WeightProblem {
  std::string name;
  ConstMatrixF w;             ///< [out, in]
  const Gram *gram = nullptr; ///< of its inputs; null: all inputs count alike
  int64_t storedNow = 0;      ///< bytes; a pair that takes more is not used
  bool quick = false;         ///< compensation as published: ranges not searched, not refined
};

/// In whose norm a pair comes closest, by the name of the method.
Result<Whitener> whitenerOf(const Gram &gram, Truncation truncation);

/// Singular values of the weight under the statistics of a sample, as `scheme` whitens it; `type`
/// is left to the caller. Error: names the weight.
Result<Spectrum> spectrumOf(const WeightProblem &problem, const WeightScheme &scheme);
/// `scheme` with the share that each weight's own rank removes, for `allocateRanks`.
std::vector<WeightScheme> allotRanks(const std::vector<Spectrum> &weights,
                                     const WeightScheme &scheme);
/// True if the scheme's ranks depend on all weights that have it.
inline bool allotsRanks(const WeightScheme &scheme) {
  return scheme.truncation == Truncation::SvdLlmV2;
}
/// True if the low-rank pair of a scheme takes fewer bytes than the weight does now (0: not known).
bool pairPays(const WeightScheme &scheme, int64_t rows, int64_t cols, int64_t storedNow);

/// Error: names the weight; NaN or Inf in it, a method that needs statistics without them, a
/// scheme its shape does not allow.
Result<CompressedWeight> compressWeight(const WeightProblem &problem, const WeightScheme &scheme);

/// True if the scheme names a method that cannot do without statistics.
bool needsStatistics(const WeightScheme &scheme);

/// True if the scheme is plain rounding where there are no statistics.
bool roundsPlainly(const WeightScheme &scheme);
/// Plain rounding, row by row from where the weight lies: it never is in memory as f32. The same
/// terms as compressWeight gives. Error: names the weight.
Result<CompressedWeight> roundWeight(const std::string &name, const WeightSource &w,
                                     const WeightScheme &scheme);

/// Several weights that read one input: methods that scale inputs (AWQ) choose for all at once.
Result<std::vector<CompressedWeight>> compressGroup(const std::vector<WeightProblem> &problems,
                                                    const std::vector<WeightScheme> &schemes);

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_COMPRESSEDWEIGHT_H
