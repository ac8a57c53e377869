// Arithmetic that decides which token is drawn is done in double with products
// and sums alone (this file is compiled without contraction), and exp is
// written out, so that equal logits give equal text on every machine and C
// library. The penalty is applied in float, as transformers does, for greedy
// choices to agree.
#include "fingpt/Runtime/Sampler.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

using namespace fingpt;

namespace {

/// exp(x) for x ≤ 0, 1e-15 relative; 0 below -700. x = n·ln2 + r with |r| ≤
/// ln2/2, then the Taylor series, whose 14th term is below 1e-17.
double exponential(double x) {
  if (!(x > -700))
    return 0;
  double n = std::floor(x * 1.4426950408889634 + 0.5);
  double r = (x - n * 0.693145751953125) - n * 1.4286068203094172e-6;
  double p = 1;
  for (int k = 13; k >= 1; --k)
    p = 1 + p * r / k;
  uint64_t bits = uint64_t(int64_t(n) + 1023) << 52;
  double scale;
  std::memcpy(&scale, &bits, sizeof(scale));
  return p * scale;
}

/// Uniform in [0, 1) with 53 bits, a function of (seed, step): two rounds of
/// splitmix64's finalizer (Steele, Lea, Flood 2014).
double uniform(uint64_t seed, uint64_t step) {
  auto mix = [](uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  };
  uint64_t z = mix(mix(seed + 0x9e3779b97f4a7c15u) + step * 0x9e3779b97f4a7c15u);
  return double(z >> 11) * 0x1p-53;
}

} // namespace

void Sampler::see(const std::vector<int32_t> &tokens) {
  for (int32_t token : tokens) {
    if (token < 0)
      continue;
    if (size_t(token) >= seen.size())
      seen.resize(size_t(token) + 1, false);
    seen[size_t(token)] = true;
  }
}

int32_t Sampler::sample(const float *logits, size_t vocabSize) {
  const float infinity = std::numeric_limits<float>::infinity();
  scratch.assign(logits, logits + vocabSize);
  for (float logit : scratch)
    if (!(logit < infinity))
      return -1;

  float penalty = options.repetitionPenalty;
  if (penalty != 1.0f) {
    constexpr float Largest = std::numeric_limits<float>::max();
    for (size_t i = 0; i < std::min(seen.size(), vocabSize); ++i)
      if (seen[i]) {
        float logit = scratch[i];
        scratch[i] = std::min(logit < 0 ? logit * penalty : logit / penalty, Largest);
      }
  }
  auto largest = std::max_element(scratch.begin(), scratch.end());
  if (largest == scratch.end() || *largest == -infinity)
    return -1;
  int32_t best = int32_t(largest - scratch.begin());

  int32_t token = options.temperature > 0 ? draw(*largest) : best;
  ++step;
  see({token});
  return token;
}

int32_t Sampler::draw(float largest) {
  // Candidates in the order of the vocabulary; `order` shrinks with every
  // filter.
  order.clear();
  for (size_t i = 0; i < scratch.size(); ++i)
    if (scratch[i] > -std::numeric_limits<float>::infinity())
      order.push_back(int32_t(i));
  auto better = [this](int32_t a, int32_t b) {
    float x = scratch[size_t(a)], y = scratch[size_t(b)];
    return x != y ? x > y : a < b;
  };
  if (options.topK > 0 && size_t(options.topK) < order.size()) {
    std::nth_element(order.begin(), order.begin() + options.topK, order.end(), better);
    order.resize(size_t(options.topK));
    std::sort(order.begin(), order.end());
  }

  weights.resize(order.size());
  double sum = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    double logit = scratch[size_t(order[i])];
    weights[i] = exponential((logit - double(largest)) / double(options.temperature));
    sum += weights[i];
  }
  if (options.topP < 1.0f)
    keepNucleus(sum);
  // Relative to the largest probability, whose weight is 1.
  size_t kept = 0;
  double keptSum = 0;
  for (size_t i = 0; i < order.size(); ++i)
    if (weights[i] >= double(options.minP) || weights[i] == 1) {
      order[kept] = order[i];
      weights[kept] = weights[i];
      keptSum += weights[kept++];
    }

  double target = uniform(options.seed, step) * keptSum;
  int32_t token = -1;
  for (size_t i = 0; i < kept; ++i) {
    if (weights[i] == 0)
      continue;
    token = order[i]; // Also the last one, should rounding leave target ≥ 0.
    target -= weights[i];
    if (target < 0)
      break;
  }
  return token;
}

void Sampler::keepNucleus(double sum) {
  // A heap gives the largest first at O(log V) each; few are needed.
  ranked.resize(order.size());
  for (size_t i = 0; i < ranked.size(); ++i)
    ranked[i] = {weights[i], order[i]};
  auto worse = [](const Weighted &a, const Weighted &b) {
    return a.weight != b.weight ? a.weight < b.weight : a.token > b.token;
  };
  std::make_heap(ranked.begin(), ranked.end(), worse);
  double goal = double(options.topP) * sum, mass = 0;
  auto end = ranked.end();
  do {
    std::pop_heap(ranked.begin(), end, worse);
    --end;
    mass += end->weight;
  } while (mass < goal && end != ranked.begin());
  std::sort(end, ranked.end(),
            [](const Weighted &a, const Weighted &b) { return a.token < b.token; });
  size_t kept = size_t(ranked.end() - end);
  order.resize(kept);
  weights.resize(kept);
  for (size_t i = 0; i < kept; ++i) {
    order[i] = end[ptrdiff_t(i)].token;
    weights[i] = end[ptrdiff_t(i)].weight;
  }
}
