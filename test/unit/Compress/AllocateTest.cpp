#include "fingpt/Compress/Allocate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <set>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

constexpr int64_t Unlimited = int64_t(1) << 50;

/// Weights with `forms` candidates each, cost falling about exponentially in the bytes.
std::vector<WeightCandidates> randomWeights(std::mt19937 &random, int count, int forms,
                                            int64_t unit = 1) {
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<WeightCandidates> weights;
  for (int i = 0; i < count; ++i) {
    WeightCandidates w;
    w.name = "w" + std::to_string(i);
    double size = 1 + 9 * uniform(random), sensitivity = std::exp(4 * uniform(random));
    for (int f = 0; f < forms; ++f) {
      double bits = 2 + f + 0.5 * uniform(random);
      w.candidates.push_back({static_cast<int64_t>(size * bits * 10 * double(unit)),
                              sensitivity * std::exp2(-2 * bits) * (0.5 + uniform(random)), f});
    }
    weights.push_back(std::move(w));
  }
  return weights;
}

using Visitor = std::function<void(int64_t bytes, double cost, const std::vector<int> &choice)>;

void forEveryAssignment(const std::vector<WeightCandidates> &weights, int maxForms,
                        const Visitor &visit) {
  std::vector<int> choice(weights.size(), 0);
  for (;;) {
    int64_t bytes = 0;
    double cost = 0;
    std::set<int> forms;
    std::vector<std::pair<int, int>> ties;
    bool valid = true;
    for (size_t i = 0; i < weights.size(); ++i) {
      const Candidate &c = weights[i].candidates[size_t(choice[i])];
      bytes += c.bytes;
      cost += c.cost;
      if (c.form >= 0)
        forms.insert(c.form);
      for (auto [tie, k] : ties)
        valid &= tie != weights[i].tie || k == choice[i];
      if (weights[i].tie >= 0)
        ties.emplace_back(weights[i].tie, choice[i]);
    }
    if (valid && (maxForms == 0 || forms.size() <= size_t(maxForms)))
      visit(bytes, cost, choice);
    size_t i = 0;
    while (i < choice.size() && ++choice[i] == int(weights[i].candidates.size()))
      choice[i++] = 0;
    if (i == choice.size())
      return;
  }
}

double leastCost(const std::vector<WeightCandidates> &weights, int64_t budget, int maxForms = 0) {
  double least = INFINITY;
  forEveryAssignment(weights, maxForms, [&](int64_t bytes, double cost, auto &) {
    if (bytes <= budget)
      least = std::min(least, cost);
  });
  return least;
}

int64_t leastBytes(const std::vector<WeightCandidates> &weights, double limit, int maxForms = 0) {
  int64_t least = std::numeric_limits<int64_t>::max();
  forEveryAssignment(weights, maxForms, [&](int64_t bytes, double cost, auto &) {
    if (cost <= limit)
      least = std::min(least, bytes);
  });
  return least;
}

/// The totals that the choice says, and that its ties hold.
void expectConsistent(const std::vector<WeightCandidates> &weights, const Allocation &r) {
  ASSERT_EQ(r.choice.size(), weights.size());
  int64_t bytes = 0;
  double cost = 0;
  std::set<int> forms;
  for (size_t i = 0; i < weights.size(); ++i) {
    const Candidate &c = weights[i].candidates.at(size_t(r.choice[i]));
    bytes += c.bytes;
    cost += c.cost;
    if (c.form >= 0)
      forms.insert(c.form);
    for (size_t j = 0; j < i; ++j)
      if (weights[i].tie >= 0 && weights[i].tie == weights[j].tie)
        EXPECT_EQ(r.choice[i], r.choice[j]);
  }
  EXPECT_EQ(r.bytes, bytes);
  EXPECT_EQ(r.cost, cost);
  EXPECT_EQ(r.forms, std::vector<int>(forms.begin(), forms.end()));
}

std::pair<int64_t, int64_t> rangeOf(const std::vector<WeightCandidates> &weights) {
  int64_t least = 0, most = 0;
  for (const auto &w : weights) {
    auto [low, high] = std::minmax_element(w.candidates.begin(), w.candidates.end(),
                                           [](auto &a, auto &b) { return a.bytes < b.bytes; });
    least += low->bytes;
    most += high->bytes;
  }
  return {least, most};
}

TEST(Allocate, HeaderExample) {
  std::vector<WeightCandidates> weights{
      {"q", {{165888, 0.10, 0}, {124416, 0.55, 1}, {93312, 2.9, 2}}, -1},
      {"down", {{442368, 0.90, 0}, {331776, 4.10, 1}, {248832, 19, 2}}, -1}};
  auto r = allocateBytes(weights, 570000);
  ASSERT_TRUE(bool(r));
  EXPECT_EQ(r->choice, (std::vector<int>{1, 0}));
  EXPECT_EQ(r->bytes, 566784);
  EXPECT_DOUBLE_EQ(r->cost, 1.45);
  EXPECT_EQ(r->forms, (std::vector<int>{0, 1}));
  EXPECT_TRUE(r->exact);
}

TEST(Allocate, IsTheOptimumOfSmallInstances) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 60; ++trial) {
    auto weights = randomWeights(random, 1 + trial % 6, 4);
    if (trial % 3 == 0 && weights.size() > 2)
      weights[0].tie = weights[2].tie = 5;
    if (trial % 4 == 0) // a form that costs more bytes and loses more
      weights[0].candidates.push_back({10000, 1000, 3});
    auto [least, most] = rangeOf(weights);
    for (double part : {0.0, 0.1, 0.35, 0.6, 0.9, 1.0}) {
      auto budget = least + static_cast<int64_t>(part * double(most - least));
      auto r = allocateBytes(weights, budget);
      ASSERT_TRUE(bool(r)) << r.error().message();
      expectConsistent(weights, *r);
      EXPECT_TRUE(r->exact);
      EXPECT_LE(r->bytes, budget);
      EXPECT_NEAR(r->cost, leastCost(weights, budget), 1e-9 * r->cost) << trial << " " << part;
      EXPECT_LE(r->bound, r->cost * (1 + 1e-12));
      auto dual = smallestForCost(weights, r->cost);
      ASSERT_TRUE(bool(dual)) << dual.error().message();
      expectConsistent(weights, *dual);
      EXPECT_LE(dual->cost, r->cost * (1 + 1e-11));
      EXPECT_LE(dual->bytes, r->bytes);
      EXPECT_EQ(dual->bytes, leastBytes(weights, r->cost * (1 + 1e-11)));
    }
  }
}

TEST(Allocate, LimitOfForms) {
  std::mt19937 random(2);
  for (int trial = 0; trial < 150; ++trial) {
    auto weights = randomWeights(random, 5, 4);
    weights[1].candidates.push_back({4000, 0, -1}); // as it is: no code
    weights[4].candidates = {{17, 0.25, -1}};
    auto [least, most] = rangeOf(weights);
    for (int forms : {1, 2, 3})
      for (double part : {0.15, 0.5, 0.8}) {
        auto budget = least + static_cast<int64_t>(part * double(most - least));
        double best = leastCost(weights, budget, forms);
        auto r = allocateBytes(weights, budget, {forms});
        ASSERT_EQ(bool(r), best < INFINITY);
        if (!r)
          continue;
        expectConsistent(weights, *r);
        EXPECT_LE(r->forms.size(), size_t(forms));
        EXPECT_NEAR(r->cost, best, 1e-9 * best);
        auto dual = smallestForCost(weights, best, {forms});
        ASSERT_TRUE(bool(dual));
        EXPECT_EQ(dual->bytes, leastBytes(weights, best * (1 + 1e-11), forms));
      }
  }
}

TEST(Allocate, SearchesSubsetsThatAreTooManyToTry) {
  std::mt19937 random(3);
  auto weights = randomWeights(random, 12, 3);
  for (auto &w : weights) // 30 forms of three sizes; C(30, 4) subsets
    for (int f = 3; f < 30; ++f) {
      Candidate c = w.candidates[size_t(f % 3)];
      c.form = f;
      c.cost *= 1 + 0.3 * (random() % 100) / 100.0;
      w.candidates.push_back(c);
    }
  auto [least, most] = rangeOf(weights);
  int64_t budget = (least + most) / 2;
  double previous = INFINITY;
  for (int forms : {1, 2, 4, 8}) {
    auto r = allocateBytes(weights, budget, {forms});
    ASSERT_TRUE(bool(r)) << r.error().message();
    expectConsistent(weights, *r);
    EXPECT_LE(r->forms.size(), size_t(forms));
    EXPECT_LE(r->cost, previous);
    previous = r->cost;
  }
  auto free = allocateBytes(weights, budget);
  EXPECT_LE(free->cost, previous);
  EXPECT_LT(previous, 1.2 * free->cost);
}

TEST(Allocate, CostFallsWithTheBudgetAndIsNearItsBound) {
  std::mt19937 random(4);
  auto weights = randomWeights(random, 120, 7, 4096);
  auto [least, most] = rangeOf(weights);
  double previous = INFINITY;
  for (int step = 0; step <= 100; ++step) {
    auto r = allocateBytes(weights, least + (most - least) / 100 * step);
    ASSERT_TRUE(bool(r));
    EXPECT_TRUE(r->exact) << step;
    EXPECT_LE(r->cost, previous);
    EXPECT_LE(r->cost, step == 0 ? INFINITY : r->bound * 1.01);
    previous = r->cost;
  }
}

// So many weights of different sizes that the merged assignments are thinned.
TEST(Allocate, LargeInstancesEndNearTheBound) {
  std::mt19937 random(7);
  auto weights = randomWeights(random, 2000, 8, 4099);
  auto [least, most] = rangeOf(weights);
  int64_t budget = least + (most - least) / 3;
  auto r = allocateBytes(weights, budget);
  ASSERT_TRUE(bool(r));
  expectConsistent(weights, *r);
  EXPECT_LE(r->bytes, budget);
  EXPECT_LE(r->cost, r->bound * 1.00002);
  EXPECT_FALSE(r->exact);
}

TEST(Allocate, NeverWorseThanUniform) {
  std::mt19937 random(5);
  for (int trial = 0; trial < 20; ++trial) {
    auto weights = randomWeights(random, 40, 5);
    for (int form = 0; form < 5; ++form) {
      int64_t bytes = 0;
      double cost = 0;
      for (auto &w : weights) {
        bytes += w.candidates[size_t(form)].bytes;
        cost += w.candidates[size_t(form)].cost;
      }
      for (int maxForms : {0, 1, 2}) {
        auto r = allocateBytes(weights, bytes, {maxForms});
        ASSERT_TRUE(bool(r));
        EXPECT_LE(r->cost, cost * (1 + 1e-12));
      }
    }
  }
}

// Equal ratios everywhere: many assignments are equally good.
TEST(Allocate, EqualWeights) {
  std::vector<WeightCandidates> weights(50, {"w", {{10, 8, 0}, {20, 4, 1}, {30, 0, 2}}, -1});
  auto r = allocateBytes(weights, 1005);
  ASSERT_TRUE(bool(r));
  EXPECT_DOUBLE_EQ(r->cost, 200);
  EXPECT_EQ(r->bytes, 1000);
  EXPECT_EQ(allocateBytes(weights, 1005)->choice, r->choice);
  // The same candidate twice: the first. The same cost in fewer bytes: the smaller.
  std::vector<WeightCandidates> twice{{"w", {{20, 1, 0}, {10, 1, 1}, {10, 1, 2}}, -1}};
  EXPECT_EQ(allocateBytes(twice, 100)->choice, (std::vector<int>{1}));
}

TEST(Allocate, TiedWeightsTakeTheSameCandidate) {
  std::vector<WeightCandidates> weights{{"a", {{10, 1, 0}, {20, 0, 1}}, 3},
                                        {"b", {{10, 5, 0}, {20, 0, 1}}, 3},
                                        {"c", {{10, 2, 0}, {20, 0, 1}}, -1}};
  EXPECT_EQ(allocateBytes(weights, 45)->choice, (std::vector<int>{0, 0, 1}));
  EXPECT_EQ(allocateBytes(weights, 50)->choice, (std::vector<int>{1, 1, 0}));
  weights[1].candidates[1].form = 2;
  auto r = allocateBytes(weights, 50);
  ASSERT_FALSE(bool(r));
  EXPECT_EQ(r.error().message(), "allocation: \"b\": tied to \"a\" but with other forms");
}

TEST(Allocate, Errors) {
  std::vector<WeightCandidates> weights{{"a", {{10, 1, 0}, {20, 0.25, 1}}, -1},
                                        {"b", {{30, 5, 2}, {70, 0.5, 1}}, -1}};
  auto text = [](const Result<Allocation> &r) { return r ? "" : r.error().message(); };
  EXPECT_EQ(text(allocateBytes(weights, 39)),
            "allocation: budget in bytes, expected at least 40, got 39");
  EXPECT_EQ(text(allocateBytes(weights, 60, {1})),
            "allocation: budget in bytes, expected at least 90 with at most 1 forms, got 60");
  EXPECT_EQ(text(smallestForCost(weights, 0.5)),
            "allocation: limit of cost, expected at least 0.75, got 0.5");
  EXPECT_EQ(smallestForCost(weights, 0.75)->bytes, 90);
  EXPECT_NE(text(smallestForCost(weights, NAN)), "");
  EXPECT_EQ(allocateBytes(weights, 40)->bytes, 40);
  EXPECT_EQ(allocateBytes(weights, Unlimited)->cost, 0.75);
  EXPECT_EQ(smallestForCost(weights, INFINITY)->bytes, 40);
  weights[1].candidates.pop_back();
  EXPECT_EQ(text(allocateBytes(weights, 1000, {1})),
            "allocation: no 1 forms give every weight a candidate");
  weights[1].candidates = {{-1, 0, 0}};
  EXPECT_EQ(text(allocateBytes(weights, 1000)),
            "allocation: \"b\": candidate 0: bytes, expected at least 0, got -1");
  weights[1].candidates = {{1, 0, 0}, {1, NAN, 0}};
  EXPECT_EQ(text(allocateBytes(weights, 1000)),
            "allocation: \"b\": candidate 1: cost, expected a finite number, got nan");
  weights[1].candidates.clear();
  EXPECT_EQ(text(allocateBytes(weights, 1000)), "allocation: \"b\": no candidates");
  auto none = allocateBytes({}, 0);
  ASSERT_TRUE(bool(none));
  EXPECT_EQ(none->bytes, 0);
}

// A change that measures better than no change has a negative cost.
TEST(Allocate, NegativeCosts) {
  std::mt19937 random(6);
  auto weights = randomWeights(random, 5, 3);
  for (auto &w : weights)
    for (auto &c : w.candidates)
      c.cost -= 0.4;
  auto [least, most] = rangeOf(weights);
  for (int64_t budget = least; budget <= most; budget += (most - least) / 7) {
    auto r = allocateBytes(weights, budget);
    ASSERT_TRUE(bool(r));
    EXPECT_NEAR(r->cost, leastCost(weights, budget), 1e-9);
  }
}

} // namespace
