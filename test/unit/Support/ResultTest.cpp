#include "fingpt/Support/Result.h"

#include <gtest/gtest.h>

using namespace fingpt;

TEST(Result, EscapesForeignText) {
  EXPECT_EQ(quote("a\x1b[31m\n\"\xff"), "\"a\\x1b[31m\\x0a\\\"\\xff\"");
  EXPECT_EQ(escaped("é—😀"), "é—😀");
  EXPECT_EQ(escaped("\xc2\x85"), "\\xc2\\x85"); // C1 control
  EXPECT_LE(escaped(std::string(10000, 'x')).size(), 210u);
}

TEST(Result, FindsTheEndOfValidText) {
  EXPECT_EQ(validUtf8Prefix("é—😀"), 9u);
  EXPECT_EQ(validUtf8Prefix("ab\xff"), 2u);
  EXPECT_EQ(validUtf8Prefix("\xed\xa0\x80"), 0u);  // a surrogate
  EXPECT_EQ(validUtf8Prefix("x\xf0\x9f\x98"), 1u); // cut
}

TEST(Result, MovesValuesAndErrors) {
  Result<std::string> good = std::string("x");
  ASSERT_TRUE(bool(good));
  Result<std::string> bad = Error::at("f:0x4", "count", "at most 3", "9");
  ASSERT_FALSE(bool(bad));
  EXPECT_EQ(bad.error().message(), "f:0x4: count, expected at most 3, got 9");
}
