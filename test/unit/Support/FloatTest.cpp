#include "fingpt/Support/Float.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace fingpt;

TEST(Float, EveryF16RoundTrips) {
  for (uint32_t h = 0; h <= 0xffff; ++h) {
    float f = f16ToFloat(static_cast<uint16_t>(h));
    if (std::isnan(f)) {
      EXPECT_TRUE(std::isnan(f16ToFloat(floatToF16(f))));
      continue;
    }
    EXPECT_EQ(floatToF16(f), h);
    EXPECT_EQ(f, static_cast<float>(static_cast<_Float16>(f)));
  }
}

TEST(Float, RoundingAgreesWithTheCompiler) {
  uint32_t state = 12345;
  for (int i = 0; i < 2000000; ++i) {
    state = state * 1664525u + 1013904223u;
    float f = bitsToFloat(state);
    if (std::isnan(f))
      continue;
    _Float16 reference = static_cast<_Float16>(f);
    uint16_t bits;
    std::memcpy(&bits, &reference, 2);
    ASSERT_EQ(floatToF16(f), bits) << f;
    // bf16: nearest even by exact comparison with both neighbours.
    float down = bitsToFloat(state & 0xffff0000u);
    float rounded = bf16ToFloat(floatToBf16(f));
    if (std::isfinite(f) && std::isfinite(rounded)) {
      ASSERT_LE(std::fabs(static_cast<double>(rounded) - f),
                std::fabs(static_cast<double>(down) - f));
    }
  }
}
