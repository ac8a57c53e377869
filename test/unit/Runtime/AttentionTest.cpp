#include "AllocationCount.h"
#include "KernelTesting.h"

#include "fingpt/Runtime/Kernels.h"

#include <cmath>
#include <limits>

using namespace fingpt;

namespace {

const float Infinity = std::numeric_limits<float>::infinity();

struct Problem {
  FingptAttention shape{};
  std::vector<float> q, k, v, bias, sinks;
  std::vector<int32_t> positions, lengths;
  int64_t biasBatch = 0, biasHead = 0, biasToken = 0;

  Problem(std::mt19937 &random, int64_t B, int64_t T, int64_t S, int64_t heads, int64_t kvHeads,
          int64_t headDim, int64_t valueDim, int64_t padding = 0) {
    shape.batch = B;
    shape.tokens = T;
    shape.keys = S;
    shape.heads = heads;
    shape.kvHeads = kvHeads;
    shape.headDim = headDim;
    shape.valueDim = valueDim;
    // `padding`: elements between tokens, as in a slice of a wider tensor.
    shape.qToken = heads * headDim + padding;
    shape.kToken = kvHeads * headDim + padding;
    shape.vToken = kvHeads * valueDim + padding;
    shape.outToken = heads * valueDim + padding;
    shape.qBatch = T * shape.qToken + padding;
    shape.kBatch = S * shape.kToken + padding;
    shape.vBatch = S * shape.vToken + padding;
    shape.outBatch = T * shape.outToken + padding;
    shape.scale = 1.0f / std::sqrt(float(std::max<int64_t>(headDim, 1)));
    q = randomFloats(random, B * shape.qBatch);
    k = randomFloats(random, B * shape.kBatch);
    v = randomFloats(random, B * shape.vBatch);
  }

  void setCausal(int64_t window = 0) {
    shape.causal = 1;
    shape.window = window;
    setPositions();
  }
  /// The last T positions of the key axis.
  void setPositions() {
    positions.clear();
    for (int64_t b = 0; b < shape.batch; ++b)
      for (int64_t t = 0; t < shape.tokens; ++t)
        positions.push_back(int32_t(shape.keys - shape.tokens + t));
  }
  void setBias(std::mt19937 &random, bool perHead) {
    biasToken = shape.keys;
    biasHead = perHead ? shape.tokens * biasToken : 0;
    biasBatch = (perHead ? shape.heads : 1) * shape.tokens * biasToken;
    bias = randomFloats(random, shape.batch * biasBatch);
    for (size_t i = 0; i < bias.size(); i += 3)
      bias[i] = -Infinity;
  }

  std::vector<float> run() const {
    std::vector<float> out(size_t(shape.batch * shape.outBatch), -7.0f);
    auto data = [](const auto &values) { return values.empty() ? nullptr : values.data(); };
    fingpt_attention_f32(&shape, q.data(), k.data(), v.data(), data(positions), data(lengths),
                         data(bias), biasBatch, biasHead, biasToken, data(sinks), out.data());
    return out;
  }

  bool visible(int64_t b, int64_t t, int64_t j) const {
    if (!lengths.empty() && j >= lengths[size_t(b)])
      return false;
    int64_t p = positions.empty() ? t : positions[size_t(b * shape.tokens + t)];
    return !(shape.causal && j > p) && !(shape.window && j <= p - shape.window);
  }

  /// Largest |error| over a bound that follows the f32 computation: each score
  /// is off by at most (D+4)·eps·Σ|q||k|·scale, which moves every probability
  /// by twice the largest of these, and the sums over S keys add S·eps.
  double errorRatio(const std::vector<float> &out) const {
    const FingptAttention &s = shape;
    double worst = 0;
    std::vector<double> score(size_t(s.keys));
    for (int64_t b = 0; b < s.batch; ++b)
      for (int64_t t = 0; t < s.tokens; ++t)
        for (int64_t h = 0; h < s.heads; ++h) {
          int64_t kv = h / (s.heads / s.kvHeads);
          double most = sinks.empty() ? -Infinity : sinks[size_t(h)];
          double scoreError = 0;
          for (int64_t j = 0; j < s.keys; ++j) {
            score[size_t(j)] = -Infinity;
            if (!visible(b, t, j))
              continue;
            double sum = 0, size = 0;
            for (int64_t d = 0; d < s.headDim; ++d) {
              double product = double(q[size_t(b * s.qBatch + t * s.qToken + h * s.headDim + d)]) *
                               k[size_t(b * s.kBatch + j * s.kToken + kv * s.headDim + d)];
              sum += product;
              size += std::fabs(product);
            }
            sum *= s.scale;
            double error = double(s.headDim + 4) * Epsilon * size * s.scale;
            if (s.softCap != 0) {
              sum = s.softCap * std::tanh(sum / s.softCap);
              error += 8 * Epsilon * std::fabs(sum);
            }
            if (!bias.empty()) {
              sum += bias[size_t(b * biasBatch + h * biasHead + t * biasToken + j)];
              error += Epsilon * std::fabs(sum);
            }
            score[size_t(j)] = sum;
            if (sum == -Infinity)
              continue;
            scoreError = std::max(scoreError, error + Epsilon * std::fabs(sum));
            most = std::max(most, sum);
          }
          double l = sinks.empty() ? 0 : std::exp(sinks[size_t(h)] - most);
          for (double value : score)
            l += value == -Infinity ? 0 : std::exp(value - most);
          for (int64_t d = 0; d < s.valueDim; ++d) {
            double expected = 0, size = 0;
            for (int64_t j = 0; j < s.keys; ++j) {
              if (score[size_t(j)] == -Infinity)
                continue;
              double p = std::exp(score[size_t(j)] - most) / l;
              double value = v[size_t(b * s.vBatch + j * s.vToken + kv * s.valueDim + d)];
              expected += p * value;
              size += p * std::fabs(value);
            }
            double bound = (2 * scoreError + double(s.keys + 16) * Epsilon) * size;
            double error = std::fabs(
                out[size_t(b * s.outBatch + t * s.outToken + h * s.valueDim + d)] - expected);
            if (!(error <= bound))
              return Infinity;
            worst = std::max(worst, bound > 0 ? error / bound : 0);
          }
        }
    return worst;
  }

  /// Query `t` alone, as in decoding.
  std::vector<float> runToken(int64_t t) const {
    Problem one = *this;
    one.shape.tokens = 1;
    one.q.erase(one.q.begin(), one.q.begin() + t * shape.qToken);
    if (!positions.empty())
      one.positions = {positions[size_t(t)]};
    if (!bias.empty())
      one.bias.erase(one.bias.begin(), one.bias.begin() + t * biasToken);
    return outputOf(one.run(), 0);
  }
  std::vector<float> outputOf(const std::vector<float> &out, int64_t t) const {
    auto begin = out.begin() + t * shape.outToken;
    return std::vector<float>(begin, begin + shape.heads * shape.valueDim);
  }
};

TEST(Attention, AgreesWithDoubleLoop) {
  const int64_t shapes[][7] = {
      // B, T, S, heads, kvHeads, headDim, valueDim
      {1, 1, 1, 1, 1, 1, 1},     {1, 1, 300, 9, 3, 64, 64}, {2, 3, 17, 4, 2, 5, 7},
      {1, 40, 40, 9, 3, 64, 64}, {1, 7, 515, 6, 1, 33, 80}, {2, 5, 70, 2, 2, 128, 65},
      {1, 70, 600, 2, 1, 16, 4}, {3, 1, 1030, 3, 3, 24, 1}, {1, 2, 5, 130, 1, 3, 17}};
  forEachIsa([&] {
    std::mt19937 random(1);
    double worst = 0;
    for (auto &s : shapes)
      for (int variant = 0; variant < 8; ++variant) {
        SCOPED_TRACE(testing::Message()
                     << "T " << s[1] << " S " << s[2] << " D " << s[5] << " variant " << variant);
        Problem problem(random, s[0], s[1], s[2], s[3], s[4], s[5], s[6], variant % 2 ? 3 : 0);
        if (variant & 1)
          problem.setCausal(variant & 2 ? 9 : 0);
        if (variant & 2)
          problem.setBias(random, variant & 1);
        if (variant & 4) {
          problem.shape.softCap = 1.5f;
          problem.sinks = randomFloats(random, s[3]);
          for (int64_t b = 0; b < s[0]; ++b)
            problem.lengths.push_back(int32_t(s[2] - b * 3 - 1));
        }
        double ratio = problem.errorRatio(problem.run());
        EXPECT_LE(ratio, 1.0);
        worst = std::max(worst, ratio);
      }
    testing::Test::RecordProperty("worst_error_ratio", std::to_string(worst));
  });
}

TEST(Attention, AgreesOnRandomShapes) {
  forEachIsa([] {
    std::mt19937 random(2);
    for (int i = 0; i < 80; ++i) {
      int64_t group = 1 + int64_t(random() % 4), kvHeads = 1 + int64_t(random() % 3);
      int64_t S = int64_t(random() % 700), T = 1 + int64_t(random() % 50);
      Problem problem(random, 1 + int64_t(random() % 2), T, S, group * kvHeads, kvHeads,
                      int64_t(random() % 70), int64_t(random() % 70));
      problem.shape.causal = random() % 2;
      problem.shape.window = random() % 2 ? 1 + int64_t(random() % 300) : 0;
      for (int64_t t = 0; t < problem.shape.batch * T; ++t)
        problem.positions.push_back(int32_t(random() % 800) - 50);
      if (random() % 3 == 0 && S > 0)
        problem.setBias(random, random() % 2);
      if (random() % 2)
        problem.shape.softCap = 30.0f;
      EXPECT_LE(problem.errorRatio(problem.run()), 1.0) << "problem " << i;
    }
  });
}

TEST(Attention, WindowWithoutCausalSeesTheFuture) {
  std::mt19937 random(3);
  Problem problem(random, 1, 20, 40, 2, 1, 8, 8);
  problem.shape.window = 5;
  problem.setPositions();
  EXPECT_LE(problem.errorRatio(problem.run()), 1.0);
}

TEST(Attention, BitsDoNotDependOnChunking) {
  forEachIsa([] {
    std::mt19937 random(4);
    for (int variant = 0; variant < 4; ++variant) {
      Problem problem(random, 1, 61, 600, 6, 2, 40, 24);
      problem.setCausal(variant & 1 ? 200 : 0);
      if (variant & 2)
        problem.setBias(random, false);
      std::vector<float> all = problem.run();
      for (int64_t t = 0; t < problem.shape.tokens; t += 4)
        EXPECT_TRUE(sameBits(problem.runToken(t), problem.outputOf(all, t)))
            << "variant " << variant << " token " << t;
    }
  });
}

TEST(Attention, BitsDoNotDependOnKeysNotYetVisible) {
  // A cache with room for more, as in decoding with a preallocated buffer.
  forEachIsa([] {
    std::mt19937 random(5);
    Problem longer(random, 1, 3, 900, 4, 2, 32, 32), shorter = longer;
    longer.positions = shorter.positions = {500, 501, 502};
    longer.shape.causal = shorter.shape.causal = 1;
    shorter.shape.keys = 503;
    EXPECT_TRUE(sameBits(longer.run(), shorter.run()));
  });
}

TEST(Attention, BitsDoNotDependOnThreads) {
  forEachIsa([] {
    std::mt19937 random(6);
    for (int64_t T : {1, 4, 130}) {
      Problem problem(random, 1, T, 1500, 6, 2, 64, 64);
      problem.setCausal();
      std::vector<float> expected;
      for (unsigned threads : {1u, 2u, 3u, 8u}) {
        ThreadCount scope(threads);
        std::vector<float> out = problem.run();
        if (threads == 1)
          expected = out;
        EXPECT_TRUE(sameBits(out, expected)) << "T " << T << " threads " << threads;
      }
    }
  });
}

TEST(Attention, QueriesThatSeeNothingGiveZeros) {
  forEachIsa([] {
    std::mt19937 random(7);
    Problem problem(random, 2, 3, 20, 4, 2, 8, 8);
    problem.shape.causal = 1;
    problem.positions = {-1, 0, 5, 2, 3, 4};
    problem.lengths = {20, 0};
    std::vector<float> out = problem.run();
    for (int64_t i = 0; i < 32; ++i)
      EXPECT_EQ(out[size_t(i)], 0.0f);
    for (int64_t i = 32; i < 96; ++i)
      EXPECT_NE(out[size_t(i)], 0.0f);
    for (int64_t i = 96; i < 192; ++i)
      EXPECT_EQ(out[size_t(i)], 0.0f);
    // Keys that exist but are masked by bias, with and without a sink.
    Problem masked(random, 1, 1, 20, 2, 2, 8, 8);
    masked.setBias(random, false);
    masked.bias.assign(masked.bias.size(), -Infinity);
    for (bool sink : {false, true}) {
      if (sink)
        masked.sinks = {1.0f, -Infinity};
      for (float value : masked.run())
        EXPECT_EQ(value, 0.0f);
    }
  });
}

TEST(Attention, UnseenKeysMayHoldAnything) {
  forEachIsa([] {
    std::mt19937 random(8);
    Problem problem(random, 1, 20, 300, 6, 2, 16, 16);
    problem.setCausal(260);
    std::vector<float> clean = problem.run();
    Problem dirty = problem;
    // The last token's own key and value: only the last query sees them. And
    // keys before every window.
    for (int64_t j : {int64_t(0), int64_t(3), int64_t(299)})
      for (int64_t i = 0; i < problem.shape.kToken; ++i) {
        dirty.k[size_t(j * problem.shape.kToken + i)] = i % 2 ? NAN : Infinity;
        dirty.v[size_t(j * problem.shape.vToken + i)] = NAN;
      }
    std::vector<float> out = dirty.run();
    for (int64_t t = 0; t < 19; ++t)
      EXPECT_TRUE(sameBits(problem.outputOf(out, t), problem.outputOf(clean, t))) << "token " << t;
    for (float value : problem.outputOf(out, 19))
      EXPECT_TRUE(std::isnan(value));
    // Past `lengths`, memory is not used either.
    Problem cut = problem;
    cut.lengths = {290};
    clean = cut.run();
    for (size_t i = size_t(290 * cut.shape.kToken); i < cut.k.size(); ++i)
      cut.k[i] = cut.v[i] = NAN;
    EXPECT_TRUE(sameBits(cut.run(), clean));
  });
}

TEST(Attention, NanReachesTheQueriesThatSeeIt) {
  forEachIsa([] {
    std::mt19937 random(9);
    Problem problem(random, 1, 2, 40, 2, 1, 8, 8);
    problem.setBias(random, false);
    problem.bias.assign(problem.bias.size(), -Infinity);
    problem.k[5 * 8] = NAN; // -inf + NaN is NaN, though every other key is masked.
    for (float value : problem.run())
      EXPECT_TRUE(std::isnan(value));
  });
}

TEST(Attention, LargeScores) {
  forEachIsa([] {
    std::mt19937 random(10);
    Problem problem(random, 1, 5, 50, 2, 2, 16, 16);
    problem.setCausal();
    for (float &value : problem.q)
      value *= 1e15f;
    for (float &value : problem.k)
      value *= 1e15f;
    // All weight on the largest score: some row of v.
    std::vector<float> out = problem.run();
    for (int64_t t = 0; t < 5; ++t)
      for (int64_t h = 0; h < 2; ++h) {
        bool found = false;
        for (int64_t j = 0; j < 50; ++j)
          found |= std::memcmp(&out[size_t(t * 32 + h * 16)], &problem.v[size_t(j * 32 + h * 16)],
                               16 * sizeof(float)) == 0;
        EXPECT_TRUE(found);
      }
  });
}

TEST(Attention, AllocatesNothingInSteadyState) {
  std::mt19937 random(11);
  ThreadCount scope(2);
  for (int64_t T : {1, 100}) {
    Problem problem(random, 1, T, 2000, 6, 2, 64, 64);
    problem.setCausal();
    problem.setBias(random, false);
    std::vector<float> out(size_t(problem.shape.outBatch));
    size_t before = 0;
    int64_t growths = 0;
    for (int i = 0; i < 4; ++i) {
      if (i == 2) {
        before = allocationCount();
        growths = fingpt_arena_growths();
      }
      fingpt_attention_f32(&problem.shape, problem.q.data(), problem.k.data(), problem.v.data(),
                           problem.positions.data(), nullptr, problem.bias.data(),
                           problem.biasBatch, problem.biasHead, problem.biasToken, nullptr,
                           out.data());
    }
    EXPECT_EQ(allocationCount(), before) << "T " << T;
    EXPECT_EQ(fingpt_arena_growths(), growths) << "T " << T;
  }
}

} // namespace
