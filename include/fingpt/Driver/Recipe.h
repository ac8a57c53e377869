// What `fingpt compress` is to do.
//
//   --scheme rot+w4g64+lr16 --layer 'down_proj=w5g64' --keep lm_head --calib notes.txt
//
// and the file that says the same (YAML or JSON; every member may be absent):
//
//   scheme: rot+w4g64+lr16         # or tier: fast | balanced | best
//   embeddings: w8g64              # token table, and the head tied to it
//   layers:
//     down_proj: w5g64             # regular expression: weight scheme; the first match counts
//   keep: [lm_head]                # regular expressions; lm_head is the output head
//   budget: {size: 70MiB}          # or {bpw: 3.2}, {max_ppl: 2%}; a scheme then names rewrites
//                                  # alone, layers, embeddings and keep what is not chosen
//   candidates: [w2g64, w3g64, w4g64, w6g64]   # what a budget may choose from
//   calibration: {tokens: 16384, context: 512, sequential: true}
//   seed: 0
//
// A scheme is rewrites of the whole graph, then the form of each weight:
//
//   rot           rotate by a Hadamard matrix (fin-fold-norms, fin-rotate)
//   sliceP        remove P percent of the residual stream's width (fin-slice)
//   dropN         remove the N layers that change their input least (fin-drop-layers)
//   kvB           keys and values, and so the cache, of 8 or 4 bits (fin-quantize-kv)
//   w4g64, nf4, svd25, w3g64+lr16, …   see Compress/WeightScheme.h
#ifndef FINGPT_DRIVER_RECIPE_H
#define FINGPT_DRIVER_RECIPE_H

#include "fingpt/Compress/WeightScheme.h"
#include "fingpt/Support/Json.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fingpt {

struct Recipe {
  bool rotate = false;
  double slice = 0; ///< share of the width
  int64_t dropLayers = 0;
  int64_t kvBits = 0;             ///< 0, 8 or 4
  compress::WeightScheme weights; ///< of linears; keep() if only the graph changes
  compress::WeightScheme embeddings;
  bool embeddingsGiven = false; ///< and not the default: a budget heeds it
  std::vector<std::pair<std::string, compress::WeightScheme>> layers;
  std::vector<std::string> keep;

  std::optional<uint64_t> size; ///< bytes of all parameters
  std::optional<double> bitsPerWeight;
  std::optional<double> maxPerplexity; ///< allowed relative rise, .02 for 2%
  std::vector<compress::WeightScheme> candidates;

  int64_t tokens = 16384, context = 512;
  bool sequential = true;
  uint64_t seed = 0;

  void clearBudget() {
    size.reset();
    bitsPerWeight.reset();
    maxPerplexity.reset();
  }
  bool hasBudget() const { return size || bitsPerWeight || maxPerplexity; }
  /// What a budget of bytes allows a model of so many parameters.
  std::optional<uint64_t> budgetBytes(uint64_t parameters) const {
    if (bitsPerWeight && !size)
      return uint64_t(*bitsPerWeight * double(parameters) / 8);
    return size;
  }
  /// Any part that reads statistics of inputs, if they are to be had.
  bool wantsCalibration() const;
  /// Everything, with defaults: echoed into the output, and compared on resume.
  Json json() const;
};

/// "rot+slice25+w4g64+lr16" into `recipe`. Error: the part that was not understood.
Status applyScheme(std::string_view text, Recipe &recipe);
/// "fast", "balanced" or "best".
Status applyTier(std::string_view tier, Recipe &recipe);
/// A recipe file. Error: FILE:/pointer: what, expected, got.
Result<Recipe> readRecipe(const std::string &file);

/// What no recipe may say, however it was written: two budgets, or one and no candidates. Error:
/// "/budget: …", a pointer into the file.
Status checkRecipe(const Recipe &recipe);
/// A pattern of `layers` or `keep`: a regular expression of at most 1000 bytes whose bounded
/// repetitions multiply to 65536 at most (they are compiled by copying).
Status checkPattern(std::string_view pattern);

/// "70MiB", "1.5GB", "73400320".
Result<uint64_t> parseBytes(std::string_view text);
/// "2%", "+2%" or "0.02" as a share.
Result<double> parseShare(std::string_view text);
/// "70.0 MiB".
std::string bytesText(uint64_t bytes);

} // namespace fingpt

#endif // FINGPT_DRIVER_RECIPE_H
