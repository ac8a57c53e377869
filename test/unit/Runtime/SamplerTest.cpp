#include "fingpt/Runtime/Sampler.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <vector>

using namespace fingpt;

namespace {

const float Infinity = std::numeric_limits<float>::infinity();

std::vector<float> randomLogits(unsigned seed, size_t n) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 2.0f);
  std::vector<float> logits(n);
  for (float &logit : logits)
    logit = normal(random);
  return logits;
}

int32_t sampleOnce(const SamplingOptions &options, const std::vector<float> &logits) {
  return Sampler(options).sample(logits.data(), logits.size());
}

/// Counts of `draws` draws from the same logits.
std::vector<int> histogram(const SamplingOptions &options, const std::vector<float> &logits,
                           int draws) {
  Sampler sampler(options);
  std::vector<int> counts(logits.size(), 0);
  for (int i = 0; i < draws; ++i) {
    int32_t token = sampler.sample(logits.data(), logits.size());
    EXPECT_GE(token, 0);
    if (token >= 0)
      ++counts[size_t(token)];
  }
  return counts;
}

std::vector<double> softmax(const std::vector<float> &logits, double temperature) {
  std::vector<double> p(logits.begin(), logits.end());
  double sum = 0;
  for (double &value : p)
    sum += value = std::exp(value / temperature);
  for (double &value : p)
    value /= sum;
  return p;
}

/// Tokens by falling probability, ties by id.
std::vector<size_t> ranking(const std::vector<double> &p) {
  std::vector<size_t> order(p.size());
  for (size_t i = 0; i < p.size(); ++i)
    order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return p[a] != p[b] ? p[a] > p[b] : a < b; });
  return order;
}

TEST(Sampler, GreedyTakesTheLargestAndTheLowestOfEqual) {
  EXPECT_EQ(sampleOnce({}, {1.0f, 3.0f, 2.0f, 3.0f}), 1);
  EXPECT_EQ(sampleOnce({}, {-Infinity, -5.0f, -Infinity}), 1);
  SamplingOptions options;
  options.topP = 0.01f; // Nothing but the penalty applies.
  options.minP = 1.0f;
  options.topK = 1;
  EXPECT_EQ(sampleOnce(options, {0.0f, -0.0f, 0.0f}), 0);
}

TEST(Sampler, TopOneIsGreedy) {
  SamplingOptions options;
  options.temperature = 1.3f;
  options.topK = 1;
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::vector<float> logits = randomLogits(seed, 1000);
    logits[seed * 7] = logits[900] = 20.0f; // A tie.
    options.seed = seed;
    EXPECT_EQ(sampleOnce(options, logits), sampleOnce({}, logits));
  }
}

TEST(Sampler, TopKDrawsFromTheKLargest) {
  std::vector<float> logits = randomLogits(1, 40);
  SamplingOptions options;
  options.temperature = 5.0f;
  options.topK = 5;
  std::vector<int> counts = histogram(options, logits, 4000);
  std::vector<size_t> order = ranking(softmax(logits, 1));
  for (size_t i = 0; i < order.size(); ++i)
    EXPECT_EQ(counts[order[i]] > 0, i < 5) << "rank " << i;
}

TEST(Sampler, TopPKeepsTheSmallestSetWithTheMass) {
  std::vector<float> logits = randomLogits(2, 40);
  std::vector<double> p = softmax(logits, 2.0);
  std::vector<size_t> order = ranking(p);
  for (float topP : {0.0f, 0.05f, 0.3f, 0.5f, 0.8f}) {
    size_t size = 0;
    double mass = 0;
    do
      mass += p[order[size++]];
    while (mass < topP);
    SamplingOptions options;
    options.temperature = 2.0f;
    options.topP = topP;
    std::vector<int> counts = histogram(options, logits, 5000);
    for (size_t i = 0; i < order.size(); ++i)
      EXPECT_EQ(counts[order[i]] > 0, i < size) << "topP " << topP << " rank " << i;
  }
}

TEST(Sampler, TopPIsOfWhatTopKLeft) {
  // Equal weights: of four kept, half the mass is two, the lowest ids.
  std::vector<float> logits(10, 1.0f);
  SamplingOptions options;
  options.temperature = 1.0f;
  options.topK = 4;
  options.topP = 0.5f;
  std::vector<int> counts = histogram(options, logits, 1000);
  for (size_t i = 0; i < 10; ++i)
    EXPECT_EQ(counts[i] > 0, i < 2) << i;
}

TEST(Sampler, MinPDropsTheUnlikely) {
  std::vector<float> logits = randomLogits(3, 40);
  std::vector<double> p = softmax(logits, 3.0);
  double most = *std::max_element(p.begin(), p.end());
  SamplingOptions options;
  options.temperature = 3.0f;
  options.minP = 0.3f;
  std::vector<int> counts = histogram(options, logits, 5000);
  for (size_t i = 0; i < p.size(); ++i)
    EXPECT_EQ(counts[i] > 0, p[i] >= 0.3 * most) << i;
  options.minP = 2.0f; // Even so one token is left.
  EXPECT_EQ(sampleOnce(options, logits), sampleOnce({}, logits));
}

TEST(Sampler, RepetitionPenaltyIsTransformers) {
  SamplingOptions options;
  options.repetitionPenalty = 1.5f;
  // 3 / 1.5 = 2 < 2.5; -1 · 1.5 = -1.5 < -1.2.
  Sampler positive(options);
  positive.see({0, 0}); // Twice counts once.
  EXPECT_EQ(positive.sample(std::vector<float>{3.0f, 1.9f}.data(), 2), 0);
  EXPECT_EQ(positive.sample(std::vector<float>{3.0f, 2.5f}.data(), 2), 1);
  // Both seen now.
  EXPECT_EQ(positive.sample(std::vector<float>{3.0f, 2.5f}.data(), 2), 0);
  Sampler negative(options);
  negative.see({0, -3, 100});
  EXPECT_EQ(negative.sample(std::vector<float>{-1.0f, -1.2f}.data(), 2), 1);
  // The token drawn counts as seen.
  Sampler own(options);
  EXPECT_EQ(own.sample(std::vector<float>{3.0f, 2.5f}.data(), 2), 0);
  EXPECT_EQ(own.sample(std::vector<float>{3.0f, 2.5f}.data(), 2), 1);
}

TEST(Sampler, DistributionIsTheSoftmax) {
  std::vector<float> logits = randomLogits(4, 20);
  for (float temperature : {0.7f, 1.0f, 2.5f}) {
    std::vector<double> p = softmax(logits, temperature);
    SamplingOptions options;
    options.temperature = temperature;
    options.seed = 99;
    constexpr int Draws = 50000;
    std::vector<int> counts = histogram(options, logits, Draws);
    double chi = 0, restP = 0, restCount = 0;
    int cells = 0;
    for (size_t i = 0; i < p.size(); ++i) {
      if (p[i] * Draws < 10) { // Pool the rare ones.
        restP += p[i];
        restCount += counts[i];
        continue;
      }
      chi += std::pow(counts[i] - p[i] * Draws, 2) / (p[i] * Draws);
      ++cells;
    }
    if (restP * Draws >= 5) {
      chi += std::pow(restCount - restP * Draws, 2) / (restP * Draws);
      ++cells;
    }
    // Mean cells-1, standard deviation √(2(cells-1)): five of them above.
    double freedom = cells - 1;
    EXPECT_LT(chi, freedom + 5 * std::sqrt(2 * freedom)) << temperature;
    EXPECT_GT(chi, 0.0);
  }
}

TEST(Sampler, SeedAndStepDecide) {
  std::vector<float> logits = randomLogits(5, 5000);
  auto draws = [&](uint64_t seed) {
    SamplingOptions options;
    options.temperature = 2.0f;
    options.topP = 0.95f;
    options.seed = seed;
    Sampler sampler(options);
    std::vector<int32_t> tokens;
    for (int i = 0; i < 30; ++i)
      tokens.push_back(sampler.sample(logits.data(), logits.size()));
    return tokens;
  };
  EXPECT_EQ(draws(1), draws(1));
  EXPECT_NE(draws(1), draws(2));
  std::vector<int32_t> tokens = draws(3);
  EXPECT_GT(std::set<int32_t>(tokens.begin(), tokens.end()).size(), 15u);
}

TEST(Sampler, DrawsAreTheSameOnEveryMachine) {
  // Written down once; a change of generator or order would change saved runs.
  std::vector<float> logits(100);
  for (size_t i = 0; i < logits.size(); ++i)
    logits[i] = float(i % 10) * 0.25f;
  SamplingOptions options;
  options.temperature = 1.0f;
  options.seed = 42;
  Sampler sampler(options);
  std::vector<int32_t> tokens;
  for (int i = 0; i < 8; ++i)
    tokens.push_back(sampler.sample(logits.data(), logits.size()));
  EXPECT_EQ(tokens, (std::vector<int32_t>{69, 37, 97, 49, 8, 69, 8, 19}));
}

TEST(Sampler, MinusInfinityIsNeverDrawn) {
  std::vector<float> logits(50, -Infinity);
  logits[7] = -3e38f;
  logits[30] = -3e38f;
  SamplingOptions options;
  options.temperature = 1e-3f;
  std::vector<int> counts = histogram(options, logits, 200);
  EXPECT_EQ(counts[7] + counts[30], 200);
  EXPECT_GT(counts[7], 50);
  EXPECT_GT(counts[30], 50);
  options.topK = 40;
  options.topP = 0.999f;
  counts = histogram(options, logits, 200);
  EXPECT_EQ(counts[7] + counts[30], 200);
}

TEST(Sampler, RefusesWhatItCannotSampleFrom) {
  SamplingOptions hot;
  hot.temperature = 1.0f;
  for (const SamplingOptions &options : {SamplingOptions(), hot}) {
    EXPECT_EQ(sampleOnce(options, {1.0f, NAN, 2.0f}), -1);
    EXPECT_EQ(sampleOnce(options, {1.0f, Infinity, 2.0f}), -1);
    EXPECT_EQ(sampleOnce(options, {-Infinity, -Infinity}), -1);
    EXPECT_EQ(sampleOnce(options, {}), -1);
  }
}

TEST(Sampler, ExtremesStayFinite) {
  SamplingOptions options;
  options.temperature = 1e-30f;
  EXPECT_EQ(sampleOnce(options, {3e38f, -3e38f, 1.0f}), 0);
  options.temperature = 1e30f;
  EXPECT_GE(sampleOnce(options, {3e38f, -3e38f, 1.0f}), 0);
  options.repetitionPenalty = 1e-3f;
  Sampler sampler(options);
  sampler.see({0, 1, 2});
  EXPECT_GE(sampler.sample(std::vector<float>{3e38f, -3e38f, 1.0f}.data(), 3), 0);
}

} // namespace
