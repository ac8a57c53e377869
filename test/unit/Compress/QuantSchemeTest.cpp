#include "fingpt/Compress/Quantize.h"

#include "CompressTesting.h"

using namespace fingpt;
using namespace fingpt::compress;

namespace {

TEST(QuantScheme, SpellingsRoundTrip) {
  for (const char *text : {"w4g128", "w4g128-sym", "w3g64-min", "w8", "w8g32-asym",
                           "w4g128-sym-signed", "nf4", "nf4g128", "nf4-dq", "fp4", "mxfp4", "nvfp4",
                           "w2g16-sym-clip", "w4g64-sym-dq", "w8-signed", "nf4-clip-dq"}) {
    auto scheme = parseScheme(text);
    ASSERT_TRUE(bool(scheme)) << text << ": " << scheme.error().message();
    EXPECT_EQ(schemeText(*scheme), text);
  }
  EXPECT_EQ(parseScheme("w4g128")->offset, Offset::ZeroCodes);
  EXPECT_EQ(parseScheme("w8")->offset, Offset::Symmetric);
  EXPECT_EQ(parseScheme("w8")->groupSize(1536), 1536);
  EXPECT_EQ(schemeText(*parseScheme("w4g128-asym")), "w4g128");
}

TEST(QuantScheme, RefusesWithOneLine) {
  for (const char *text : {"",
                           "w",
                           "w9",
                           "w1g64",
                           "4g128",
                           "w4g",
                           "w4g8",
                           "w4g2000",
                           "w4g-8",
                           "w4g128-",
                           "w4g128-foo",
                           "w4g128-asym-signed",
                           "w4g128-dq",
                           "mxfp4g64",
                           "nvfp4-dq",
                           "nf4-min",
                           "nf4x",
                           "w4 g128",
                           "w99999999999999999999",
                           "nf4-signed"}) {
    auto scheme = parseScheme(text);
    ASSERT_FALSE(bool(scheme)) << text;
    EXPECT_EQ(scheme.error().message().find('\n'), std::string::npos);
  }
  EXPECT_NE(parseScheme("w4g128-foo").error().message().find("\"foo\""), std::string::npos);
}

TEST(QuantScheme, PredictsStoredBytes) {
  std::mt19937 random(1);
  for (auto [rows, cols] : {std::pair<int64_t, int64_t>{7, 100}, {300, 576}, {1, 1}, {33, 130}}) {
    Matrix<float> w = randomWeight(random, rows, cols);
    for (const char *text : {"w4g128", "w3g32-min", "w5g64-sym", "w8", "w2g16", "nf4", "nf4-dq",
                             "mxfp4", "nvfp4", "fp4", "w7g48"}) {
      QuantScheme scheme = *parseScheme(text);
      auto q = quantize(w, scheme);
      ASSERT_TRUE(bool(q));
      EXPECT_EQ(q->storedBytes(), storedBytes(scheme, rows, cols)) << text;
    }
  }
}

TEST(QuantScheme, BitsPerWeightAreThePublishedOnes) {
  auto bits = [](const char *text) {
    return 8.0 * double(storedBytes(*parseScheme(text), 4096, 4096)) / (4096.0 * 4096);
  };
  EXPECT_NEAR(bits("w4g128"), 4 + 20.0 / 128, 1e-9);     // GPTQ: 4.16
  EXPECT_NEAR(bits("w4g128-sym"), 4 + 16.0 / 128, 1e-9); // b + 16/g
  EXPECT_NEAR(bits("w4g64-min"), 4.5, 1e-9);             // HQQ
  EXPECT_NEAR(bits("nf4-dq"), 4.127, 0.003);
  EXPECT_NEAR(bits("mxfp4"), 4.25, 1e-4);
  EXPECT_NEAR(bits("nvfp4"), 4.5, 1e-4);
}

} // namespace
