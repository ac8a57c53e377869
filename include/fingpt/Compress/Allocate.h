// One budget for a whole model: which form each weight takes.
//
//   weight   w4g128           w3g128           w2g64            (bytes, cost)
//   q        165888   0.10    124416   0.55     93312   2.9
//   down     442368   0.90    331776   4.10    248832  19
//
//   auto r = allocateBytes(weights, 570000);   // r->choice == {1, 0}: 566784 bytes, cost 1.45
//
// The cost is additive over the weights: tr(ΔHΔᵀ), or a loss that was measured with one weight
// changed at a time. Minimising Σ cost under Σ bytes ≤ budget is a knapsack with one choice per
// weight. Walking the lower convex hulls of all weights by best cost drop per byte solves its
// relaxation, in which one weight may be split between two forms: that gives the multiplier λ, a
// lower bound, and, with the rest of the budget filled greedily, a solution. Then partial
// assignments are merged weight by weight; one is dropped if another is no larger and no
// costlier, or if its bound at λ cannot beat the solution in hand. Unless these grow beyond 4096
// (`exact` is then false), the result is the optimum, so it never gets worse with a larger budget.
//
// No code form is free: each is a kernel in the compiled model. `maxForms` limits how many
// may be in use at once; all subsets are tried while these are few.
#ifndef FINGPT_COMPRESS_ALLOCATE_H
#define FINGPT_COMPRESS_ALLOCATE_H

#include "fingpt/Support/Result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace fingpt::compress {

/// A form that one weight may take.
struct Candidate {
  int64_t bytes = 0;
  double cost = 0;
  int form = 0; ///< negative: needs no code of its own and does not count towards maxForms
};

struct WeightCandidates {
  std::string name;
  std::vector<Candidate> candidates;
  /// Weights of one non-negative tie take the same candidate; their lists agree in length and
  /// forms. A tensor that is stored once and used twice is one weight, its costs added.
  int tie = -1;
};

struct AllocateOptions {
  int maxForms = 0; ///< distinct non-negative forms in use at once; 0: any number
};

struct Allocation {
  std::vector<int> choice; ///< per weight, an index into its candidates
  int64_t bytes = 0;
  double cost = 0;
  std::vector<int> forms; ///< in use, ascending, the negative ones left out
  /// No assignment within the limits is below this: a cost for `allocateBytes`, bytes for
  /// `smallestForCost`.
  double bound = 0;
  bool exact = false; ///< proven to be the optimum
};

/// The least Σ cost with Σ bytes ≤ budget. Never worse than the best uniform assignment: one
/// form for all weights that have it, the others by budget. Of equal costs the fewest bytes, then
/// the earlier candidate. Error: a weight without candidates, negative bytes, a cost that is not
/// finite, ties that disagree, or a budget that no assignment meets, with the least that one does.
Result<Allocation> allocateBytes(const std::vector<WeightCandidates> &weights, int64_t budget,
                                 const AllocateOptions &options = {});

/// The dual: the least Σ bytes with Σ cost ≤ limit (to 1e-12 of Σ|cost|). Errors as above.
Result<Allocation> smallestForCost(const std::vector<WeightCandidates> &weights, double limit,
                                   const AllocateOptions &options = {});

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_ALLOCATE_H
