// The vector exp and tanh of the attention kernels.
#include "KernelTable.h"
#include "KernelTesting.h"

#include <cmath>
#include <limits>

using namespace fingpt;

namespace {

/// Largest error in units of the last place of the result.
double worstUlps(void (*function)(const float *, float *, int64_t), double (*reference)(double),
                 float low, float high) {
  constexpr int64_t Count = 200001;
  std::vector<float> x(Count), y(Count);
  for (int64_t i = 0; i < Count; ++i)
    x[size_t(i)] = low + (high - low) * float(i) / float(Count - 1);
  function(x.data(), y.data(), Count);
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    double expected = reference(x[i]);
    float nearest = float(std::fabs(expected));
    double ulp = std::nextafter(nearest, INFINITY) - nearest;
    worst = std::max(worst, std::fabs(y[i] - expected) / ulp);
  }
  return worst;
}

TEST(Math, ExponentialIsAccurate) {
  forEachIsa([] {
    EXPECT_LE(worstUlps(kernels().exponential, std::exp, -87.3f, 0.0f), 2.0);
    EXPECT_LE(worstUlps(kernels().exponential, std::exp, -1.0f, 1.0f), 1.5);
    EXPECT_LE(worstUlps(kernels().exponential, std::exp, 0.0f, 88.0f), 2.0);
  });
}

TEST(Math, ExponentialOfSpecialValues) {
  forEachIsa([] {
    const float infinity = std::numeric_limits<float>::infinity();
    float x[] = {0.0f, -0.0f, -88.0f, -1e30f, -infinity, NAN};
    float y[6];
    kernels().exponential(x, y, 6);
    EXPECT_EQ(y[0], 1.0f);
    EXPECT_EQ(y[1], 1.0f);
    EXPECT_EQ(y[2], 0.0f);
    EXPECT_EQ(y[3], 0.0f);
    EXPECT_EQ(y[4], 0.0f);
    EXPECT_TRUE(std::isnan(y[5]));
  });
}

TEST(Math, TanhIsAccurate) {
  forEachIsa([] {
    EXPECT_LE(worstUlps(kernels().hyperbolicTangent, std::tanh, -0.7f, 0.7f), 3.0);
    EXPECT_LE(worstUlps(kernels().hyperbolicTangent, std::tanh, -12.0f, 12.0f), 3.0);
    float x[] = {1e30f, -1e30f, NAN}, y[3];
    kernels().hyperbolicTangent(x, y, 3);
    EXPECT_EQ(y[0], 1.0f);
    EXPECT_EQ(y[1], -1.0f);
    EXPECT_TRUE(std::isnan(y[2]));
  });
}

} // namespace
