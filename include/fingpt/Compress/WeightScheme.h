// What to make of one weight: the spelling that recipes, options and reports share.
//
//   w4g64              4-bit codes in groups of 64 (QuantScheme lists all formats)
//   w4g64:gptq         how they are chosen: rtn, gptq, awq, hqq; default: gptq where there
//                      are statistics of the inputs, else rtn
//   nf4                a codebook
//   svd25              a low-rank pair with 25% fewer parameters; :svd-llm (whitened, the
//                      default with statistics), :asvd, :svd; :svd-llm-v2: 25% fewer over all
//                      weights of this scheme, with ranks by their spectra
//   svd25+w8           … its factors in 8-bit codes
//   w3g64+lr16         codes and a pair of rank 16 that carries what rounding lost, in f16
//   w3g64+lr16+w8      … the pair in 8-bit codes; +lr16:loftq alternates codes and pair
//   keep               as it is
#ifndef FINGPT_COMPRESS_WEIGHTSCHEME_H
#define FINGPT_COMPRESS_WEIGHTSCHEME_H

#include "fingpt/Compress/QuantScheme.h"

#include <optional>

namespace fingpt::compress {

enum class Rounding { Default, Nearest, Gptq, Awq, Hqq };
enum class Truncation { Default, Svd, Asvd, SvdLlm, SvdLlmV2 };

struct WeightScheme {
  std::optional<QuantScheme> codes; ///< of the weight itself
  Rounding rounding = Rounding::Default;
  double removed = 0; ///< low rank: share of parameters removed, 0: no pair in place of it
  Truncation truncation = Truncation::Default;
  int64_t residualRank = 0;           ///< of a pair beside `codes`
  bool alternate = false;             ///< LoftQ
  std::optional<QuantScheme> factors; ///< of the pair, either kind; none: f16

  bool keep() const { return !codes && removed == 0; }
  friend bool operator==(const WeightScheme &a, const WeightScheme &b) {
    return a.codes == b.codes && a.rounding == b.rounding && a.removed == b.removed &&
           a.truncation == b.truncation && a.residualRank == b.residualRank &&
           a.alternate == b.alternate && a.factors == b.factors;
  }
};

/// Error: names the part that was not understood, or parts that do not go together.
Result<WeightScheme> parseWeightScheme(std::string_view text);
/// Reads back as `scheme`.
std::string weightSchemeText(const WeightScheme &scheme);

/// A share in percent: "12.5" for .125. In the fewest digits that read back, for a share that was
/// read from a percentage.
std::string percentText(double share);

/// Bytes that a weight [rows, cols] takes. A pair that saves nothing is not used: then those
/// of the stored weight, `storedNow`.
int64_t storedBytes(const WeightScheme &scheme, int64_t rows, int64_t cols, int64_t storedNow);

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_WEIGHTSCHEME_H
