// The knapsack with one choice per item, under which budgets are solved.
#ifndef FINGPT_LIB_COMPRESS_KNAPSACK_H
#define FINGPT_LIB_COMPRESS_KNAPSACK_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace fingpt::compress {

/// The resource is limited, the value is minimised.
struct KnapsackPoint {
  double resource, value;
  int choice;
  int form; ///< −1: always allowed
};
using KnapsackItem = std::vector<KnapsackPoint>;
/// Which forms are allowed.
using FormSet = std::vector<bool>;

struct KnapsackSolution {
  std::vector<int> choice; ///< per item; empty: none
  double resource = 0, value = 0;
  bool exact = true; ///< proven optimal to 1e-12
};

/// How far a set of forms is from a solution, and how good the solution.
struct Closeness {
  size_t uncovered = SIZE_MAX; ///< items without an allowed point
  double excess = INFINITY;    ///< of the least resource over the limit
  double value = INFINITY;
  double least = INFINITY; ///< resource that the covered items need
  bool operator<(const Closeness &other) const {
    if (uncovered != other.uncovered)
      return uncovered < other.uncovered;
    return excess != other.excess ? excess < other.excess : value < other.value;
  }
};

class Knapsack {
public:
  Knapsack(const std::vector<KnapsackItem> &items, const FormSet &allowed, double limit);

  bool feasible() const { return close.uncovered == 0 && close.excess == 0; }
  const Closeness &closeness() const { return close; }
  /// The value of the relaxation; of a feasible problem only.
  double bound() const { return relaxed; }
  /// Of a feasible problem.
  KnapsackSolution solve() const;

private:
  /// Index into `fronts[i]` per item.
  using Position = std::vector<size_t>;
  struct Greedy {
    Position at;
    double lambda = 0; ///< value that one more unit of the resource is worth
  };

  KnapsackItem frontOf(const KnapsackItem &item) const;
  Greedy walkHulls() const;
  void fill(Position &at) const;
  double lagrangian(double lambda) const;
  KnapsackSolution solutionAt(const Position &at) const;
  std::optional<KnapsackSolution> uniform(size_t form) const;
  void improve(KnapsackSolution &best) const;

  const std::vector<KnapsackItem> &items;
  const FormSet &allowed;
  double limit;
  /// Per item the allowed points that no other beats: resource ascending, value descending.
  std::vector<KnapsackItem> fronts;
  Closeness close;
  Greedy greedy;
  double relaxed = INFINITY;
};

} // namespace fingpt::compress

#endif // FINGPT_LIB_COMPRESS_KNAPSACK_H
