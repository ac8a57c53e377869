#include "fingpt/Compress/Allocate.h"

#include "Knapsack.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

constexpr size_t MostSubsets = 2000;

Status checkWeight(const WeightCandidates &w) {
  std::string where = "allocation: " + quote(w.name);
  if (w.candidates.empty())
    return Error::at(where, "no candidates");
  for (size_t k = 0; k < w.candidates.size(); ++k) {
    const Candidate &c = w.candidates[k];
    std::string which = "candidate " + std::to_string(k) + ": ";
    if (c.bytes < 0)
      return Error::at(where, which + "bytes", "at least 0", std::to_string(c.bytes));
    if (!std::isfinite(c.cost))
      return Error::at(where, which + "cost", "a finite number", std::to_string(c.cost));
  }
  return Status::ok();
}

Status checkTie(const WeightCandidates &first, const WeightCandidates &other) {
  bool same = first.candidates.size() == other.candidates.size();
  for (size_t k = 0; same && k < first.candidates.size(); ++k)
    same = first.candidates[k].form == other.candidates[k].form;
  if (same)
    return Status::ok();
  return Error::at("allocation: " + quote(other.name),
                   "tied to " + quote(first.name) + " but with other forms");
}

enum class Limited { Bytes, Cost };

/// Weights by tie, as items of the knapsack; its forms are numbered from 0 in ascending order.
class Allocator {
public:
  static Result<Allocator> make(const std::vector<WeightCandidates> &weights, Limited limited) {
    Allocator a(weights, limited);
    std::map<int, size_t> itemOfTie;
    std::set<int> forms;
    for (size_t i = 0; i < weights.size(); ++i) {
      const WeightCandidates &w = weights[i];
      if (Status s = checkWeight(w); !s)
        return s.takeError();
      size_t item = a.members.size();
      if (w.tie >= 0)
        item = itemOfTie.try_emplace(w.tie, item).first->second;
      if (item == a.members.size())
        a.members.emplace_back();
      else if (Status s = checkTie(weights[a.members[item].front()], w); !s)
        return s.takeError();
      a.members[item].push_back(i);
      for (const Candidate &c : w.candidates)
        if (c.form >= 0)
          forms.insert(c.form);
    }
    a.forms.assign(forms.begin(), forms.end());
    for (const auto &group : a.members)
      a.items.push_back(a.itemOf(group));
    return a;
  }

  Result<Allocation> solve(double limit, int maxForms) const {
    size_t count = forms.size();
    bool limitForms = maxForms > 0 && static_cast<size_t>(maxForms) < count;
    Best best;
    if (!limitForms)
      best = solveAmong({FormSet(count, true)}, limit);
    else if (auto subsets = subsetsOf(count, static_cast<size_t>(maxForms)); !subsets.empty())
      best = solveAmong(subsets, limit);
    else
      best = searchSubsets(static_cast<size_t>(maxForms), limit);
    if (best.solution.choice.size() != items.size())
      return infeasible(best, limit, limitForms ? maxForms : 0);
    return describe(best);
  }

private:
  struct Best {
    KnapsackSolution solution;
    double bound = INFINITY;
    bool exact = true;
    /// For the error: what comes closest.
    Closeness closest;
  };

  Allocator(const std::vector<WeightCandidates> &weights, Limited limited)
      : weights(weights), limited(limited) {}

  KnapsackItem itemOf(const std::vector<size_t> &group) const {
    KnapsackItem item;
    const auto &candidates = weights[group.front()].candidates;
    for (size_t k = 0; k < candidates.size(); ++k) {
      double bytes = 0, cost = 0;
      for (size_t i : group) {
        bytes += static_cast<double>(weights[i].candidates[k].bytes);
        cost += weights[i].candidates[k].cost;
      }
      int form =
          candidates[k].form < 0
              ? -1
              : static_cast<int>(std::lower_bound(forms.begin(), forms.end(), candidates[k].form) -
                                 forms.begin());
      bool bytesLimited = limited == Limited::Bytes;
      item.push_back(
          {bytesLimited ? bytes : cost, bytesLimited ? cost : bytes, static_cast<int>(k), form});
    }
    return item;
  }

  /// All sets of `size` forms in lexicographic order; empty if they are too many.
  static std::vector<FormSet> subsetsOf(size_t count, size_t size) {
    double number = 1;
    for (size_t k = 0; k < size; ++k)
      number *= static_cast<double>(count - k) / static_cast<double>(k + 1);
    if (number > static_cast<double>(MostSubsets))
      return {};
    std::vector<FormSet> all;
    FormSet set(count, false);
    std::fill(set.begin(), set.begin() + static_cast<std::ptrdiff_t>(size), true);
    do
      all.push_back(set);
    while (std::prev_permutation(set.begin(), set.end()));
    return all;
  }

  /// The best over all sets, the most promising first; the rest is skipped by its bound.
  Best solveAmong(const std::vector<FormSet> &sets, double limit) const {
    Best best;
    std::vector<std::pair<double, size_t>> order;
    for (size_t s = 0; s < sets.size(); ++s) {
      Knapsack problem(items, sets[s], limit);
      best.closest = std::min(best.closest, problem.closeness());
      if (problem.feasible())
        order.emplace_back(problem.bound(), s);
    }
    std::sort(order.begin(), order.end());
    for (auto [bound, s] : order) {
      best.bound = std::min(best.bound, bound);
      if (!best.solution.choice.empty() && bound >= best.solution.value)
        break;
      KnapsackSolution next = Knapsack(items, sets[s], limit).solve();
      best.exact &= next.exact;
      if (best.solution.choice.empty() || next.value < best.solution.value)
        best.solution = std::move(next);
    }
    return best;
  }

  /// Grows a set by the form that helps most, then exchanges single forms while that helps.
  Best searchSubsets(size_t size, double limit) const {
    FormSet set(forms.size(), false);
    auto judge = [&](const FormSet &s) { return Knapsack(items, s, limit).closeness(); };
    auto improve = [&](FormSet from) { // by one more form
      FormSet chosen = from;
      std::optional<Closeness> least;
      for (size_t f = 0; f < from.size(); ++f) {
        if (from[f])
          continue;
        FormSet next = from;
        next[f] = true;
        if (Closeness c = judge(next); !least || c < *least) {
          least = c;
          chosen = next;
        }
      }
      return chosen;
    };
    for (size_t k = 0; k < size; ++k)
      set = improve(set);
    for (bool moved = true; moved;) {
      moved = false;
      for (size_t f = 0; f < set.size(); ++f) {
        if (!set[f])
          continue;
        FormSet without = set;
        without[f] = false;
        FormSet next = improve(without);
        if (judge(next) < judge(set)) {
          set = next;
          moved = true;
        }
      }
    }
    Best best = solveAmong({set}, limit);
    best.bound = Knapsack(items, FormSet(forms.size(), true), limit).bound();
    best.exact = false;
    return best;
  }

  Error infeasible(const Best &best, double limit, int maxForms) const {
    std::string forms =
        maxForms > 0 ? " with at most " + std::to_string(maxForms) + " forms" : std::string();
    if (best.closest.uncovered > 0)
      return Error::at("allocation",
                       "no " + std::to_string(maxForms) + " forms give every weight a candidate");
    auto text = [&](double x) {
      if (limited == Limited::Bytes)
        return std::to_string(static_cast<int64_t>(x));
      char digits[32];
      std::snprintf(digits, sizeof(digits), "%.9g", x);
      return std::string(digits);
    };
    return Error::at("allocation", limited == Limited::Bytes ? "budget in bytes" : "limit of cost",
                     "at least " + text(best.closest.least) + forms, text(limit));
  }

  Allocation describe(const Best &best) const {
    Allocation out;
    out.choice.resize(weights.size());
    std::set<int> used;
    for (size_t item = 0; item < items.size(); ++item)
      for (size_t i : members[item])
        out.choice[i] = best.solution.choice[item];
    for (size_t i = 0; i < weights.size(); ++i) {
      const Candidate &c = weights[i].candidates[static_cast<size_t>(out.choice[i])];
      out.bytes += c.bytes;
      out.cost += c.cost;
      if (c.form >= 0)
        used.insert(c.form);
    }
    out.forms.assign(used.begin(), used.end());
    out.bound = best.bound;
    out.exact = best.exact;
    return out;
  }

  const std::vector<WeightCandidates> &weights;
  Limited limited;
  std::vector<std::vector<size_t>> members; ///< weights of each item
  std::vector<KnapsackItem> items;
  std::vector<int> forms;
};

} // namespace

Result<Allocation> compress::allocateBytes(const std::vector<WeightCandidates> &weights,
                                           int64_t budget, const AllocateOptions &options) {
  auto allocator = Allocator::make(weights, Limited::Bytes);
  if (!allocator)
    return allocator.takeError();
  return allocator->solve(static_cast<double>(budget), options.maxForms);
}

Result<Allocation> compress::smallestForCost(const std::vector<WeightCandidates> &weights,
                                             double limit, const AllocateOptions &options) {
  auto allocator = Allocator::make(weights, Limited::Cost);
  if (!allocator)
    return allocator.takeError();
  if (std::isnan(limit))
    return Error::at("allocation", "limit of cost", "a number", "nan");
  double sum = 0;
  for (const WeightCandidates &w : weights)
    for (const Candidate &c : w.candidates)
      sum = std::max(sum, std::fabs(c.cost));
  sum *= static_cast<double>(weights.size());
  return allocator->solve(limit + 1e-12 * sum, options.maxForms);
}
