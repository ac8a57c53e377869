#include "fingpt/Compress/BlockInfluence.h"

#include "CompressTesting.h"

using namespace fingpt;
using namespace fingpt::compress;

namespace {

TEST(BlockInfluence, PicksThePlantedIdentity) {
  std::mt19937 random(1);
  std::vector<BlockInfluence> layers(6);
  Matrix<double> x = randomMatrix(random, 100, 32);
  for (size_t l = 0; l < layers.size(); ++l) {
    Matrix<double> y = x, step = randomMatrix(random, 100, 32, l == 3 ? 0 : 0.2 + 0.1 * double(l));
    for (int64_t i = 0; i < 100; ++i)
      for (int64_t j = 0; j < 32; ++j)
        y(i, j) = 1.5 * y(i, j) + step(i, j); // scaling turns nothing
    Matrix<float> before(x.view()), after(y.view());
    for (int64_t t : {0, 60}) // in two parts
      ASSERT_TRUE(layers[l].add(before.view().rowRange(t, t ? 100 : 60),
                                after.view().rowRange(t, t ? 100 : 60)));
    EXPECT_EQ(layers[l].tokens, 100);
    x = y;
  }
  EXPECT_NEAR(layers[3].value(), 0, 1e-7);
  EXPECT_GT(layers[2].value(), 1e-3);
  EXPECT_EQ(*layersToDrop(layers, 1), (std::vector<int64_t>{3}));
  EXPECT_EQ(*layersToDrop(layers, 4), (std::vector<int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(*layersToDrop(layers, 0), (std::vector<int64_t>{}));
  EXPECT_FALSE(bool(layersToDrop(layers, 5)));
  EXPECT_EQ(layersToDrop(layers, 5, true)->size(), 5u);
  EXPECT_FALSE(bool(layersToDrop(layers, 7, true)));
  EXPECT_FALSE(bool(layersToDrop(layers, -1)));
}

TEST(BlockInfluence, ValuesAndTies) {
  BlockInfluence b;
  EXPECT_EQ(b.value(), 1);
  Matrix<float> x(4, 2), y(4, 2);
  x(0, 0) = 1, y(0, 0) = -2; // turned round
  x(1, 0) = 1, y(1, 1) = 3;  // by a right angle
  x(2, 0) = 1;               // to nothing
  ASSERT_TRUE(b.add(x, y));  // and 0 to 0
  EXPECT_DOUBLE_EQ(b.value(), 1 - (-1 + 0 + 0 + 1) / 4.0);
  EXPECT_FALSE(bool(b.add(x, Matrix<float>(4, 3))));
  y(3, 1) = NAN;
  EXPECT_FALSE(bool(b.add(x, y)));
  EXPECT_EQ(b.tokens, 4);
  EXPECT_EQ(*layersToDrop(std::vector<BlockInfluence>(5), 2), (std::vector<int64_t>{2, 3}));
  EXPECT_TRUE(layersToDrop({}, 0)->empty());
}

} // namespace
