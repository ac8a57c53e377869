#include "fingpt/Compress/LowRank.h"

#include <algorithm>
#include <cmath>
#include <map>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

/// Ranks move in steps, within [step, most]; parameters are counted, not ratios.
class RankBudget {
public:
  RankBudget(const std::vector<Spectrum> &weights, double kept, int64_t align)
      : weights(weights), ranks(weights.size()) {
    for (const Spectrum &w : weights) {
      int64_t paying = std::min(largestPayingRank(w.rows, w.cols), std::min(w.rows, w.cols));
      int64_t unit = paying < align ? 1 : align; // as rankForRatio
      step.push_back(unit);
      most.push_back(paying / unit * unit);
      budget += kept * static_cast<double>(w.rows * w.cols);
    }
  }

  void set(size_t i, double rank) {
    auto steps = static_cast<int64_t>(std::max(rank, 0.0)) / step[i];
    ranks[i] = std::clamp(steps * step[i], std::min(step[i], most[i]), most[i]);
  }
  /// Drops the cheapest steps while over the budget, then adds the best that still fit.
  std::vector<int64_t> settle() {
    while (used() > budget && move(-1)) {
    }
    while (move(+1)) {
    }
    return ranks;
  }

private:
  double cost(size_t i) const { return static_cast<double>(weights[i].rows + weights[i].cols); }
  double used() const {
    double sum = 0;
    for (size_t i = 0; i < ranks.size(); ++i)
      sum += static_cast<double>(ranks[i]) * cost(i);
    return sum;
  }
  /// σ² per parameter of the `step` ranks from `first` on.
  double density(size_t i, int64_t first) const {
    double sum = 0;
    for (int64_t k = first; k < first + step[i]; ++k)
      if (k < static_cast<int64_t>(weights[i].sigma.size()))
        sum += weights[i].sigma[static_cast<size_t>(k)] * weights[i].sigma[static_cast<size_t>(k)];
    return sum / (static_cast<double>(step[i]) * cost(i));
  }
  /// One step down where it loses least, or up where it gains most. False if none is possible.
  bool move(int direction) {
    double now = used(), best = 0;
    size_t chosen = ranks.size();
    for (size_t i = 0; i < ranks.size(); ++i) {
      bool possible = direction < 0 ? ranks[i] > step[i]
                                    : ranks[i] + step[i] <= most[i] &&
                                          now + static_cast<double>(step[i]) * cost(i) <= budget;
      if (!possible)
        continue;
      double value = direction < 0 ? -density(i, ranks[i] - step[i]) : density(i, ranks[i]);
      if (chosen == ranks.size() || value > best) {
        best = value;
        chosen = i;
      }
    }
    if (chosen == ranks.size())
      return false;
    ranks[chosen] += direction * step[chosen];
    return true;
  }

  const std::vector<Spectrum> &weights;
  std::vector<int64_t> ranks, step, most;
  double budget = 0;
};

double lossAt(const Spectrum &w, double rank) {
  double sum = 0;
  for (auto k = static_cast<size_t>(std::max(rank, 0.0)); k < w.sigma.size(); ++k)
    sum += w.sigma[k] * w.sigma[k];
  return std::sqrt(sum);
}

/// The rank at which both factors together hold the share `kept` of the weight's parameters.
double rankAt(const Spectrum &w, double kept) {
  return kept * static_cast<double>(w.rows * w.cols) / static_cast<double>(w.rows + w.cols);
}

} // namespace

std::vector<int64_t> compress::allocateRanks(const std::vector<Spectrum> &weights, double kept,
                                             int64_t align) {
  std::map<std::string, std::vector<size_t>> types;
  for (size_t i = 0; i < weights.size(); ++i)
    types[weights[i].type].push_back(i);
  RankBudget budget(weights, kept, align);
  for (const auto &[type, members] : types) {
    std::vector<double> losses;
    for (size_t i : members)
      losses.push_back(lossAt(weights[i], rankAt(weights[i], kept)));
    bool shifted = *std::min_element(losses.begin(), losses.end()) <= std::exp(1.0);
    double total = 0;
    for (double &loss : losses) {
      loss = 1 / std::max(std::log(loss + (shifted ? 1 : 0)), 1e-9);
      total += loss;
    }
    for (size_t m = 0; m < members.size(); ++m) {
      double removed = static_cast<double>(members.size()) * (1 - kept) * losses[m] / total;
      budget.set(members[m], rankAt(weights[members[m]], 1 - std::clamp(removed, 0.0, 1.0)));
    }
  }
  return budget.settle();
}
