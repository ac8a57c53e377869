#include "TestFiles.h"

#include "fingpt/Support/Float.h"

#include <cmath>

using namespace fingpt;
using namespace fingpt::test;

static std::vector<double> normals(const char *name, uint64_t seed, int64_t n) {
  ParamStore store;
  EXPECT_EQ(refusal(store.addRandom(name, DType::F64, {n}, seed, 1.0)), "accepted");
  return values<double>(store, name);
}

TEST(RandomParams, AreThoseOfEveryOtherMachine) {
  // Bits recorded once: they may never change, or models made by seed change.
  std::vector<double> z = normals("w", 1, 5);
  uint64_t bits[5];
  std::memcpy(bits, z.data(), sizeof bits);
  const uint64_t expected[5] = {4607802577680114490u, 4600915434003716617u, 13827202039928705266u,
                                4600530665788469609u, 13813616482830733999u};
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(bits[i], expected[i]) << i << " " << z[static_cast<size_t>(i)];
}

TEST(RandomParams, DependOnSeedAndNameOnly) {
  EXPECT_EQ(normals("a", 1, 100), normals("a", 1, 100));
  EXPECT_NE(normals("a", 1, 100), normals("a", 2, 100));
  EXPECT_NE(normals("a", 1, 100), normals("b", 1, 100));
  // Element i does not depend on how many there are.
  std::vector<double> few = normals("a", 1, 7), many = normals("a", 1, 1000);
  EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin()));
  // Released and made again: the same.
  ParamStore store;
  ASSERT_EQ(refusal(store.addRandom("w", DType::BF16, {1000}, 3)), "accepted");
  std::vector<uint16_t> first = values<uint16_t>(store, "w");
  store.release("w");
  EXPECT_EQ(values<uint16_t>(store, "w"), first);
}

TEST(RandomParams, AreStandardNormal) {
  const int64_t n = 1 << 20;
  std::vector<double> z = normals("w", 7, n);
  double mean = 0, square = 0, fourth = 0, neighbour = 0;
  double beyond1 = 0, beyond2 = 0;
  for (size_t i = 0; i < z.size(); ++i) {
    ASSERT_TRUE(std::isfinite(z[i]));
    ASSERT_LT(std::fabs(z[i]), 6.7); // √(2·32·ln 2)
    mean += z[i] / n;
    square += z[i] * z[i] / n;
    fourth += z[i] * z[i] * z[i] * z[i] / n;
    beyond1 += (std::fabs(z[i]) > 1) / double(n);
    beyond2 += (std::fabs(z[i]) > 2) / double(n);
    if (i > 0)
      neighbour += z[i] * z[i - 1] / n;
  }
  // Five standard errors each.
  EXPECT_NEAR(mean, 0, 5 * 0.001);
  EXPECT_NEAR(square, 1, 5 * 0.0014);
  EXPECT_NEAR(fourth, 3, 5 * 0.0096);
  EXPECT_NEAR(neighbour, 0, 5 * 0.001);
  EXPECT_NEAR(beyond1, 0.317311, 5 * 0.00046);
  EXPECT_NEAR(beyond2, 0.0455003, 5 * 0.00021);
}

TEST(RandomParams, RoundTheSameValuesToEveryType) {
  for (auto [name, dtype] :
       {std::pair("f32", DType::F32), {"f16", DType::F16}, {"bf16", DType::BF16}}) {
    ParamStore other;
    ASSERT_EQ(refusal(other.addRandom("w", dtype, {64}, 5, 0.25)), "accepted");
    std::vector<double> z = normals("w", 5, 64);
    for (size_t i = 0; i < 64; ++i) {
      float expected = static_cast<float>(z[i] * 0.25), got;
      if (dtype == DType::F32) {
        got = values<float>(other, "w")[i];
      } else if (dtype == DType::F16) {
        got = f16ToFloat(values<uint16_t>(other, "w")[i]);
        expected = f16ToFloat(floatToF16(expected));
      } else {
        got = bf16ToFloat(values<uint16_t>(other, "w")[i]);
        expected = bf16ToFloat(floatToBf16(expected));
      }
      EXPECT_EQ(got, expected) << name;
    }
  }
}

TEST(RandomParams, RefuseWhatIsNotReal) {
  ParamStore store;
  EXPECT_EQ(refusal(store.addRandom("w", DType::I8, {4}, 0)),
            "parameter \"w\": random values, expected F16, BF16, F32 or F64, got I8");
  EXPECT_EQ(refusal(store.addRandom("w", DType::F32, {4}, 0, INFINITY)),
            "parameter \"w\": sigma, expected a finite number, got inf");
  ASSERT_EQ(refusal(store.addRandom("w", DType::F32, {4}, 0)), "accepted");
  EXPECT_EQ(refusal(store.addRandom("w", DType::F32, {4}, 0)),
            "parameter \"w\": exists already, from random");
}
