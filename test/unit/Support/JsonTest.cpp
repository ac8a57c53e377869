#include "fingpt/Support/Json.h"

#include <gtest/gtest.h>

using namespace fingpt;

static std::string refusal(std::string_view text) {
  Result<Json> r = parseJson(text);
  return r ? std::string("accepted") : r.error().message();
}

TEST(Json, ReadsOrdinaryDocuments) {
  Result<Json> r = parseJson(R"({"b":[1,-2,3.5e2,"x\u00e9",null,true],"a":{}})");
  ASSERT_TRUE(bool(r));
  EXPECT_EQ((*r)["b"][2], 350.0);
  EXPECT_EQ(r->begin().key(), "b"); // order kept
}

TEST(Json, RefusesWhatSilentlyMisleads) {
  EXPECT_NE(refusal(R"({"a":1,"a":2})").find("duplicate key \"a\""), std::string::npos);
  EXPECT_NE(refusal("[1e400]").find("number overflow"), std::string::npos);
  EXPECT_NE(refusal(std::string(200, '[') + std::string(200, ']')).find("nesting deeper"),
            std::string::npos);
  EXPECT_NE(refusal(std::string(1 << 20, '[')).find("nesting deeper"), std::string::npos);
  for (const char *bad : {"", "{", "[1,]", "nul", "\"\x80\"", "{\"a\":1} x", "NaN", "\"a\nb\""})
    EXPECT_NE(refusal(bad), "accepted") << bad;
}

TEST(Json, LocatesTypeErrors) {
  Json j = *parseJson(R"({"n":"big","deep":{"k":-3}})");
  JsonObject o(j, "config.json");
  EXPECT_EQ(o.integer("n", 1, 10).error().message(),
            "config.json:/n: wrong type, expected an integer in [1, 10], got \"big\"");
  EXPECT_EQ(o.object("deep")->integer("k", 0, 9).error().message(),
            "config.json:/deep/k: out of range, expected an integer in [0, 9], got -3");
  EXPECT_EQ(*o.integer("absent", 0, 9, 7), 7);
  // "No limit" of tokenizer_config.json: no integer, and no reason to refuse the file.
  Json large = *parseJson(R"({"n":1000000000000000019884624838656})");
  EXPECT_EQ(large["n"], 1e30);
  EXPECT_NE(JsonObject(large, "t.json").integer("n", 0, 9).error().message().find("out of range"),
            std::string::npos);
}
