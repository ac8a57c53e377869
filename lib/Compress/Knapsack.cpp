#include "Knapsack.h"

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <limits>

using namespace fingpt::compress;

namespace {

constexpr size_t MostStates = 4096;

/// From one vertex of an item's lower convex hull to the next.
struct Step {
  double ratio; ///< value that falls per unit of the resource
  size_t item, from, to;
};

void appendHullSteps(const KnapsackItem &front, size_t item, std::vector<Step> &steps) {
  auto ratio = [&](size_t a, size_t b) {
    return (front[a].value - front[b].value) / (front[b].resource - front[a].resource);
  };
  std::vector<size_t> hull;
  for (size_t k = 0; k < front.size(); ++k) {
    while (hull.size() > 1 && ratio(hull[hull.size() - 2], hull.back()) <= ratio(hull.back(), k))
      hull.pop_back();
    hull.push_back(k);
  }
  for (size_t k = 1; k < hull.size(); ++k)
    steps.push_back({ratio(hull[k - 1], hull[k]), item, hull[k - 1], hull[k]});
}

/// An assignment of the items so far.
struct State {
  double resource, value;
  uint32_t parent; ///< in the layer before
  uint32_t position;
};

/// Keeps what no other beats, by ascending resource.
void keepUndominated(std::vector<State> &states) {
  std::sort(states.begin(), states.end(), [](const State &a, const State &b) {
    if (a.resource != b.resource)
      return a.resource < b.resource;
    if (a.value != b.value)
      return a.value < b.value;
    return a.parent != b.parent ? a.parent < b.parent : a.position < b.position;
  });
  size_t kept = 0;
  for (const State &s : states)
    if (kept == 0 || s.value < states[kept - 1].value)
      states[kept++] = s;
  states.resize(kept);
}

} // namespace

Knapsack::Knapsack(const std::vector<KnapsackItem> &items, const FormSet &allowed, double limit)
    : items(items), allowed(allowed), limit(limit) {
  close.uncovered = 0;
  close.least = 0;
  for (const KnapsackItem &item : items) {
    fronts.push_back(frontOf(item));
    if (fronts.back().empty())
      ++close.uncovered;
    else
      close.least += fronts.back().front().resource;
  }
  close.excess = std::max(0.0, close.least - limit);
  if (!feasible())
    return;
  greedy = walkHulls();
  relaxed = lagrangian(greedy.lambda);
  close.value = solutionAt(greedy.at).value;
}

KnapsackItem Knapsack::frontOf(const KnapsackItem &item) const {
  KnapsackItem front;
  for (const KnapsackPoint &p : item)
    if (p.form < 0 || allowed[static_cast<size_t>(p.form)])
      front.push_back(p);
  std::sort(front.begin(), front.end(), [](const KnapsackPoint &a, const KnapsackPoint &b) {
    if (a.resource != b.resource)
      return a.resource < b.resource;
    return a.value != b.value ? a.value < b.value : a.choice < b.choice;
  });
  size_t kept = 0;
  for (const KnapsackPoint &p : front)
    if (kept == 0 || p.value < front[kept - 1].value)
      front[kept++] = p;
  front.erase(front.begin() + static_cast<std::ptrdiff_t>(kept), front.end());
  return front;
}

Knapsack::Greedy Knapsack::walkHulls() const {
  std::vector<Step> steps;
  for (size_t i = 0; i < fronts.size(); ++i)
    appendHullSteps(fronts[i], i, steps);
  std::sort(steps.begin(), steps.end(), [](const Step &a, const Step &b) {
    if (a.ratio != b.ratio)
      return a.ratio > b.ratio;
    return a.item != b.item ? a.item < b.item : a.from < b.from;
  });
  Greedy walk{Position(fronts.size(), 0), 0};
  double used = close.least;
  for (const Step &s : steps) {
    if (walk.at[s.item] != s.from)
      continue; // an earlier step of the item did not fit
    double more = fronts[s.item][s.to].resource - fronts[s.item][s.from].resource;
    if (used + more <= limit) {
      used += more;
      walk.at[s.item] = s.to;
    } else if (walk.lambda == 0) {
      walk.lambda = s.ratio;
    }
  }
  fill(walk.at);
  return walk;
}

/// Moves single items to the point of least value that fits, the largest fall first.
void Knapsack::fill(Position &at) const {
  for (;;) {
    double slack = limit - solutionAt(at).resource, most = 0;
    size_t item = fronts.size(), target = 0;
    for (size_t i = 0; i < fronts.size(); ++i) {
      const KnapsackPoint &now = fronts[i][at[i]];
      for (size_t k = at[i] + 1; k < fronts[i].size(); ++k) {
        if (fronts[i][k].resource - now.resource > slack)
          break;
        if (double fall = now.value - fronts[i][k].value; fall > most) {
          most = fall;
          item = i;
          target = k;
        }
      }
    }
    if (item == fronts.size())
      return;
    at[item] = target;
  }
}

double Knapsack::lagrangian(double lambda) const {
  double sum = 0;
  for (const KnapsackItem &front : fronts) {
    double least = INFINITY;
    for (const KnapsackPoint &p : front)
      least = std::min(least, p.value + lambda * p.resource);
    sum += least;
  }
  return lambda > 0 ? sum - lambda * limit : sum;
}

KnapsackSolution Knapsack::solutionAt(const Position &at) const {
  KnapsackSolution s;
  for (size_t i = 0; i < fronts.size(); ++i) {
    const KnapsackPoint &p = fronts[i][at[i]];
    s.choice.push_back(p.choice);
    s.resource += p.resource;
    s.value += p.value;
  }
  return s;
}

/// One form for all items that have it.
std::optional<KnapsackSolution> Knapsack::uniform(size_t form) const {
  std::vector<KnapsackItem> narrowed = items;
  for (KnapsackItem &item : narrowed) {
    KnapsackItem only;
    for (const KnapsackPoint &p : item)
      if (p.form == static_cast<int>(form))
        only.push_back(p);
    if (!only.empty())
      item = std::move(only);
  }
  Knapsack problem(narrowed, allowed, limit);
  if (!problem.feasible())
    return std::nullopt;
  return problem.solutionAt(problem.greedy.at);
}

KnapsackSolution Knapsack::solve() const {
  assert(feasible());
  KnapsackSolution best = solutionAt(greedy.at);
  for (size_t form = 0; form < allowed.size(); ++form)
    if (allowed[form])
      if (auto other = uniform(form); other && other->value < best.value)
        best = std::move(*other);
  if (greedy.lambda > 0) // else every item is at its least value
    improve(best);
  return best;
}

/// Merges the fronts item by item. A point's regret is what it loses against the relaxation at λ;
/// no assignment is below the bound plus its regrets.
void Knapsack::improve(KnapsackSolution &best) const {
  size_t count = fronts.size();
  double scale = 0;
  std::vector<double> least(count, INFINITY); // value + λ·resource
  for (size_t i = 0; i < count; ++i) {
    double largest = 0;
    for (const KnapsackPoint &p : fronts[i]) {
      least[i] = std::min(least[i], p.value + greedy.lambda * p.resource);
      largest = std::max(largest, std::fabs(p.value) + greedy.lambda * std::fabs(p.resource));
    }
    scale += largest;
  }
  // Σ over the items so far of value + λ·resource may exceed Σ least by this.
  double gap = best.value - relaxed - 1e-12 * scale;
  if (!(gap > 0))
    return;
  std::vector<double> restLeast(count + 1, 0.0); // resource of the items that follow
  for (size_t i = count; i-- > 0;)
    restLeast[i] = restLeast[i + 1] + fronts[i].front().resource;

  std::vector<std::vector<State>> layers{{{0, 0, 0, 0}}};
  double base = 0;
  for (size_t i = 0; i < count; ++i) {
    base += least[i];
    std::vector<State> next;
    const std::vector<State> &last = layers.back();
    for (size_t k = 0; k < fronts[i].size(); ++k) {
      const KnapsackPoint &p = fronts[i][k];
      for (size_t s = 0; s < last.size(); ++s) {
        State state{last[s].resource + p.resource, last[s].value + p.value,
                    static_cast<uint32_t>(s), static_cast<uint32_t>(k)};
        if (state.resource + restLeast[i + 1] <= limit &&
            state.value + greedy.lambda * state.resource - base < gap)
          next.push_back(state);
      }
    }
    keepUndominated(next);
    if (next.size() > MostStates) { // keep the most promising
      best.exact = false;
      auto promise = [&](const State &s) { return s.value + greedy.lambda * s.resource; };
      std::sort(next.begin(), next.end(), [&](const State &a, const State &b) {
        return promise(a) != promise(b) ? promise(a) < promise(b) : a.resource < b.resource;
      });
      next.resize(MostStates);
      keepUndominated(next);
    }
    if (next.empty())
      return; // nothing beats what is in hand
    layers.push_back(std::move(next));
  }
  const State *found = &layers.back().back(); // the least value
  if (!(found->value < best.value))
    return;
  Position at(count);
  for (size_t i = count; i-- > 0;) {
    at[i] = found->position;
    found = &layers[i][found->parent];
  }
  bool exact = best.exact;
  best = solutionAt(at);
  best.exact = exact;
}
