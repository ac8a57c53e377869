#include "fingpt/Driver/Recipe.h"

#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <unistd.h>

using namespace fingpt;
using compress::parseWeightScheme;
using compress::weightSchemeText;

namespace {

class RecipeFile : public ::testing::Test {
protected:
  static void SetUpTestSuite() {
    path = (std::filesystem::temp_directory_path() /
            ("fingpt-recipe-" + std::to_string(::getpid()) + ".yaml"))
               .string();
  }
  static void TearDownTestSuite() { std::filesystem::remove(path); }
  static Result<Recipe> read(const std::string &text) {
    std::ofstream(path, std::ios::binary) << text;
    return readRecipe(path);
  }
  /// The message without the file's name in front.
  static std::string refusal(const std::string &text) {
    Result<Recipe> r = read(text);
    if (r)
      return "accepted: " + r->json().dump();
    const std::string &message = r.error().message();
    EXPECT_EQ(message.find('\n'), std::string::npos);
    EXPECT_LT(message.size(), 1500u);
    EXPECT_EQ(message.substr(0, path.size() + 1), path + ":");
    return message.substr(std::min(message.size(), path.size() + 1));
  }
  static std::string path;
};
std::string RecipeFile::path;

} // namespace

TEST(Scheme, RewritesMayStandAnywhere) {
  Recipe first, mixed;
  ASSERT_TRUE(applyScheme("drop2+rot+slice25+kv8+w4g32+lr8:loftq+w8", first));
  ASSERT_TRUE(applyScheme("w4g32+rot+lr8:loftq+slice25+w8+kv8+drop2", mixed));
  EXPECT_EQ(first.json(), mixed.json());
}

TEST(Scheme, TablesStayIfNothingIsSaidOfWeights) {
  for (auto [scheme, tables] : {std::pair{"kv8", "keep"},
                                {"rot+slice25", "keep"},
                                {"keep", "keep"},
                                {"w4g64", "w6g64"},
                                {"rot+svd20", "w6g64"}}) {
    Recipe recipe;
    ASSERT_TRUE(applyScheme(scheme, recipe));
    EXPECT_EQ(compress::weightSchemeText(recipe.embeddings), tables) << scheme;
    recipe.embeddings = *compress::parseWeightScheme("w8g64");
    recipe.embeddingsGiven = true;
    ASSERT_TRUE(applyScheme(scheme, recipe));
    EXPECT_EQ(compress::weightSchemeText(recipe.embeddings), "w8g64") << scheme;
  }
}

TEST_F(RecipeFile, EveryMember) {
  auto r = read("# a comment\n"
                "scheme: drop2+rot+slice12.5+w3g64:gptq+lr16:loftq+w8\n"
                "embeddings: nf4-dq\n"
                "layers:\n"
                "  down_proj: w5g64      # the first match counts\n"
                "  'layers\\.0\\.': keep\n"
                "  \"a\\u0062c\": svd25:asvd\n"
                "keep: [lm_head, \"o_proj\"]\n"
                "candidates:\n"
                "  - w2g64\n"
                "  - mxfp4\n"
                "calibration: {tokens: 4096, context: 256, sequential: false}\n"
                "seed: 42\n");
  ASSERT_TRUE(bool(r)) << r.error().message();
  EXPECT_EQ(r->dropLayers, 2);
  EXPECT_TRUE(r->rotate);
  EXPECT_EQ(r->slice, 0.125);
  EXPECT_EQ(weightSchemeText(r->weights), "w3g64:gptq+lr16:loftq+w8");
  EXPECT_EQ(weightSchemeText(r->embeddings), "nf4-dq");
  ASSERT_EQ(r->layers.size(), 3u); // in the order of the file
  EXPECT_EQ(r->layers[0].first, "down_proj");
  EXPECT_EQ(weightSchemeText(r->layers[0].second), "w5g64");
  EXPECT_EQ(r->layers[1].first, "layers\\.0\\.");
  EXPECT_TRUE(r->layers[1].second.keep());
  EXPECT_EQ(r->layers[2].first, "abc");
  EXPECT_EQ(weightSchemeText(r->layers[2].second), "svd25:asvd");
  EXPECT_EQ(r->keep, (std::vector<std::string>{"lm_head", "o_proj"}));
  EXPECT_TRUE(r->embeddingsGiven);
  EXPECT_FALSE(r->hasBudget());
  ASSERT_EQ(r->candidates.size(), 2u);
  EXPECT_EQ(weightSchemeText(r->candidates[1]), "mxfp4");
  EXPECT_EQ(r->tokens, 4096);
  EXPECT_EQ(r->context, 256);
  EXPECT_FALSE(r->sequential);
  EXPECT_EQ(r->seed, 42u);
}

// A budget chooses the forms of weights; a scheme then says what is rewritten before.
TEST_F(RecipeFile, BudgetAndRewrites) {
  auto r = read("budget: {size: 70MiB}\nscheme: rot+slice12.5+kv8\ncandidates: [w2g64, nf4]\n");
  ASSERT_TRUE(bool(r)) << r.error().message();
  EXPECT_EQ(r->size, 70u << 20);
  EXPECT_FALSE(r->bitsPerWeight || r->maxPerplexity || r->embeddingsGiven);
  EXPECT_TRUE(r->rotate);
  EXPECT_EQ(r->slice, 0.125);
  EXPECT_EQ(r->json()["scheme"], "rot+slice12.5+kv8");
}

// What a recipe says of itself is a recipe file again, and says the same.
TEST_F(RecipeFile, ReadsWhatRecipesPrint) {
  for (const char *text :
       {"{}", "scheme: rot", "scheme: keep", "scheme: drop3+slice33.3+kv4+svd40:svd-llm+w8",
        "tier: fast", "tier: best", "budget: {bpw: 3.2}\ncandidates: [w2g64, w4g64, keep]",
        "budget: {max_ppl: 2%}", "budget: {max_ppl: 7%}", "budget: {size: 1.5GB}",
        "budget: {bpw: 4}\nembeddings: w8g64\nscheme: drop1+rot",
        "layers: {b: w8, a: w4g32, c: keep}\nkeep: ['x\\.y', '\"']", "seed: 9223372036854775807",
        "calibration: {tokens: 4, context: 4, sequential: false}"}) {
    auto first = read(text);
    ASSERT_TRUE(bool(first)) << first.error().message();
    std::string json = first->json().dump();
    auto second = read(json);
    ASSERT_TRUE(bool(second)) << text << ": " << second.error().message();
    EXPECT_EQ(second->json().dump(), json) << text;
  }
}

TEST_F(RecipeFile, NothingIsTheBalancedTier) {
  for (const char *text :
       {"", "\n", "{}", "# nothing\n", "---\n", "scheme:\nkeep:\nbudget: ~\nseed: null\n"}) {
    auto r = read(text);
    ASSERT_TRUE(bool(r)) << '"' << text << "\": " << r.error().message();
    EXPECT_EQ(weightSchemeText(r->weights), "w4g64");
    EXPECT_EQ(weightSchemeText(r->embeddings), "w6g64");
    EXPECT_FALSE(r->hasBudget());
    EXPECT_GE(r->candidates.size(), 2u);
    EXPECT_TRUE(r->sequential);
  }
  EXPECT_EQ(read("tier: best")->bitsPerWeight, 4.5);
  EXPECT_EQ(read("tier: best\nbudget: {size: 1MiB}")->bitsPerWeight, std::nullopt);
  EXPECT_FALSE(read("tier: fast")->sequential);
  EXPECT_FALSE(read("tier: fast")->wantsCalibration());
}

TEST_F(RecipeFile, RefusesWithPlaceExpectationAndFinding) {
  const std::string members = "unknown member, expected one of budget, tier, scheme, embeddings, "
                              "layers, keep, candidates, calibration, seed";
  const std::pair<std::string, std::string> cases[] = {
      {"schema: w4g64", "/schema: " + members},
      {"Scheme: w4g64", "/Scheme: " + members},
      {"budget: {size: 1MiB, bits: 3}",
       "/budget/bits: unknown member, expected one of size, bpw, max_ppl"},
      {"calibration: {sequences: 3}",
       "/calibration/sequences: unknown member, expected one of tokens, context, sequential"},
      {"w4g64", " recipe, expected a mapping, got \"w4g64\""},
      {"[scheme]", " recipe, expected a mapping, got an array of 1"},
      // Wrong types.
      {"scheme: [w4g64]", "/scheme: expected text, got an array of 1"},
      {"scheme: {a: b}", "/scheme: expected text, got an object"},
      {"tier: [best]", "/tier: expected text, got an array of 1"},
      {"embeddings: []", "/embeddings: expected text, got an array of 0"},
      {"layers: [w4g64]", "/layers: expected a mapping, got an array of 1"},
      {"layers: w4g64", "/layers: expected a mapping, got \"w4g64\""},
      {"layers: {a: [w4g64]}", "/layers/a: expected a scheme, got an array of 1"},
      {"layers: {a: }", "/layers/a: expected a scheme, got null"},
      {"keep: lm_head", "/keep: expected a list, got \"lm_head\""},
      {"keep: [a, [b]]", "/keep/1: expected text, got an array of 1"},
      {"keep: [~]", "/keep/0: expected text, got null"},
      {"candidates: w4g64", "/candidates: expected a list, got \"w4g64\""},
      {"candidates: [w4g64, {w: 4}]", "/candidates/1: expected a scheme, got an object"},
      {"budget: 70MiB", "/budget: expected a mapping, got \"70MiB\""},
      {"calibration: [4096]", "/calibration: expected a mapping, got an array of 1"},
      {"seed: [1]", "/seed: expected text, got an array of 1"},
      // Values.
      {"tier: good", "/tier: tier: unknown, expected fast, balanced or best, got \"good\""},
      {"scheme: w4g64+turn", "/scheme: quantization scheme \"turn\": spelling, expected "
                             "wBITS[gGROUP], nf4, fp4, mxfp4 or "
                             "nvfp4, then -sym, -asym, -min, -signed, -clip, -dq, got \"turn\""},
      {"scheme: w4g64+rot+",
       "/scheme: scheme \"w4g64+rot+\": not understood, expected parts joined by single +, got "
       "\"w4g64+rot+\""},
      {"scheme: slice90+w4", "/scheme: scheme \"slice90+w4\": not understood, expected "
                             "slicePERCENT with 0 < PERCENT < 90, got \"slice90\""},
      {"scheme: slice0", "/scheme: scheme \"slice0\": not understood, expected slicePERCENT with 0 "
                         "< PERCENT < 90, got \"slice0\""},
      {"scheme: drop0", "/scheme: scheme \"drop0\": not understood, expected dropLAYERS with "
                        "LAYERS >= 1, got \"drop0\""},
      {"scheme: rot+rot",
       "/scheme: scheme \"rot+rot\": not understood, expected each rewrite once, got \"rot\""},
      {"scheme: drop1+drop2", "/scheme: scheme \"drop1+drop2\": not understood, expected each "
                              "rewrite once, got \"drop2\""},
      {"scheme: kv4+kv8",
       "/scheme: scheme \"kv4+kv8\": not understood, expected each rewrite once, got \"kv8\""},
      {"scheme: kv5", "/scheme: scheme \"kv5\": not understood, expected kv8 or kv4, got \"kv5\""},
      {"scheme: slice10+rot+slice20", "/scheme: scheme \"slice10+rot+slice20\": not understood, "
                                      "expected each rewrite once, got \"slice20\""},
      {"embeddings: rot", "/embeddings: quantization scheme \"rot\": spelling, expected "
                          "wBITS[gGROUP], nf4, fp4, mxfp4 or nvfp4, then -sym, -asym, -min, "
                          "-signed, -clip, -dq, got \"rot\""},
      {"candidates: [w4, w9]", "/candidates/1: quantization scheme w9: bits, expected 2 to 8, "
                               "got 9"},
      {"seed: -1", "/seed: expected an integer in 0..9223372036854775807, got \"-1\""},
      {"seed: 9223372036854775808",
       "/seed: expected an integer in 0..9223372036854775807, got \"9223372036854775808\""},
      {"calibration: {tokens: 3}",
       "/calibration/tokens: expected an integer in 4..1073741824, got \"3\""},
      {"calibration: {context: 1e3}",
       "/calibration/context: expected an integer in 4..16777216, got \"1e3\""},
      {"calibration: {sequential: yes}",
       "/calibration/sequential: expected true or false, got \"yes\""},
      {"budget: {size: 70 parsecs}", "/budget/size: size: not understood, expected such as 70MiB, "
                                     "1.5GB or bytes, got \"70 parsecs\""},
      {"budget: {size: -1}", "/budget/size: size: not understood, expected such as 70MiB, 1.5GB or "
                             "bytes, got \"-1\""},
      {"budget: {bpw: inf}", "/budget/bpw: expected bits per weight such as 3.2, 64 at most, got "
                             "\"inf\""},
      {"budget: {bpw: 0}", "/budget/bpw: expected bits per weight such as 3.2, 64 at most, got "
                           "\"0\""},
      {"budget: {max_ppl: 0%}", "/budget/max_ppl: share: not understood, expected such as 2% or "
                                "0.02, got \"0%\""},
      {"layers: {'(': w4}", "/layers/(: pattern \"(\": is no regular expression: parentheses not "
                            "balanced"},
      {"keep: [a, '*']", "/keep/1: pattern \"*\": is no regular expression: repetition-operator "
                         "operand invalid"},
      {"keep: ['']", "/keep/0: pattern \"\": is no regular expression: empty (sub)expression"},
      // Contradictions.
      {"layers: {a: w4, b: w5, a: w6}", "/a: appears twice"},
      {"scheme: w4\nscheme: w4", "/scheme: appears twice"},
      {"budget: {size: 1MiB, size: 2MiB}", "/size: appears twice"},
      {"budget: {size: 1MiB, bpw: 3}",
       "/budget: contradiction, expected one of size, bpw and max_ppl, got size and bpw"},
      {"budget: {bpw: 3, max_ppl: 2%}",
       "/budget: contradiction, expected one of size, bpw and max_ppl, got bpw and max_ppl"},
      {"budget: {size: 1MiB, bpw: 3, max_ppl: 2%}",
       "/budget: contradiction, expected one of size, bpw and max_ppl, got size and bpw and "
       "max_ppl"},
      {"budget: {}", "/budget: expected one of size, bpw and max_ppl, got none"},
      {"budget: {bpw: 3}\nscheme: rot+w4g64", "/scheme: scheme \"rot+w4g64\": contradiction, "
                                              "expected rewrites alone (rot, slice25, …): the "
                                              "budget chooses the forms of weights, got \"w4g64\""},
      {"tier: best\nscheme: rot",
       "/scheme: contradiction, expected one of tier and scheme, got both"},
      {"budget: {bpw: 3}\ncandidates: []",
       "/candidates: a budget chooses from them, expected at least one scheme, got none"},
      // What YAML has and recipes do not.
      {"scheme: &a w4\nembeddings: *a", " a construct that recipes do not have, expected mappings, "
                                        "lists and text, got an alias or tag"},
      {"? [a]\n: b", " a key that is no text"},
      {"scheme: w4\n---\nscheme: w5\n", " documents, expected one, got more"},
      {"scheme: \xff\xfe", " is not UTF-8: byte 8"},
  };
  for (const auto &[text, message] : cases)
    EXPECT_EQ(refusal(text), message) << text;
  // Syntax: line and column.
  for (const char *text : {"scheme: [w4", "scheme: \"w4", "a: b: c", "layers: {a: w4",
                           "scheme: w4\n bad\n  - x: [", "%YAML 9\n---\n..."}) {
    std::string message = refusal(text);
    EXPECT_NE(message.substr(0, 9), "accepted:") << text << ": " << message;
  }
}

TEST_F(RecipeFile, NamesTheFileThatIsMissing) {
  std::string missing = path + ".not";
  auto r = readRecipe(missing);
  ASSERT_FALSE(bool(r));
  EXPECT_EQ(r.error().message().rfind(missing + ":", 0), 0u) << r.error().message();
}

// Each is refused, in little time and without a crash.
TEST_F(RecipeFile, HostileFiles) {
  auto many = [](const std::string &part, size_t n) {
    std::string text;
    for (size_t i = 0; i < n; ++i)
      text += part;
    return text;
  };
  auto numbered = [](const char *format, int n) {
    std::string text;
    char line[64];
    for (int i = 0; i < n; ++i) {
      std::snprintf(line, sizeof line, format, i);
      text += line;
    }
    return text;
  };
  constexpr size_t Large = 100000;
  const std::pair<const char *, std::string> files[] = {
      {"2 MiB", many("# nothing to see\n", 130000)},
      {"brackets", many("[", Large)},
      {"braces", many("{", Large)},
      {"nested flow", "a: " + many("{a: ", 30000)},
      {"nested lists", many("- ", 50000)},
      {"nested keys", many("? ", 50000)},
      {"nested mapping", many("a: ", 40000)},
      {"anchors", many("&a ", 40000)},
      {"tags", many("! ", 60000)},
      {"aliases", "a: &a [x]\nb: [" + many("*a, ", 30000) + "]"},
      {"members", numbered("k%d: w4\n", 9000)},
      {"layers", "layers:\n" + numbered("  k%d: w4\n", 9000)},
      {"list", "keep:\n" + many("- a\n", 20000)},
      {"long pattern", "keep: ['" + many("(", Large) + "']"},
      {"long scheme", "scheme: " + many("w4g64+", 20000)},
      {"repetitions", "keep: ['" + many("(", 20) + "a" + many("{9}){9}", 20) + "']"},
      {"repetition", "keep: ['((a{255}){255}){99}']"},
      {"zeros", std::string(Large, '\0')},
      {"control bytes", "scheme: " + many("\x01\x7f\x1b", 1000)},
      {"quotes", many("\"", Large + 1)},
      {"escapes", "scheme: \"" + many("\\x41", 30000) + "\""},
      {"surrogates", "scheme: \"" + many("\\ud800", 1000) + "\""},
      {"percent", many("%", Large)},
      {"block scalar", "scheme: |\n" + many(" w4\n", 30000)},
      {"documents", many("---\n", 30000) + "a"},
      {"colons", many(":", Large)},
      {"directives", many("%YAML 1.2\n", 10000)},
      {"commas", "keep: [" + many(",", Large) + "(]"},
  };
  for (const auto &[name, text] : files) {
    std::clock_t start = std::clock(); // of the process, whatever else runs
    std::string message = refusal(text);
    double seconds = double(std::clock() - start) / CLOCKS_PER_SEC;
    EXPECT_NE(message.substr(0, 9), "accepted:") << name;
    EXPECT_LT(seconds, 5) << name;
  }
}

// All prefixes and many changed bytes of a recipe: read or refused.
TEST_F(RecipeFile, Mutations) {
  const std::string text = "scheme: rot+w4g64\nlayers:\n  'a\\.b': w5 # c\n  \"d\\n\": keep\nkeep: "
                           "[x, y]\nbudget: {size: 70MiB}\ncalibration: {tokens: 4096}\n";
  for (size_t n = 0; n <= text.size(); ++n)
    (void)read(text.substr(0, n));
  std::mt19937 random(3);
  const std::string special = "{}[]:,-?&*!|>'\"%@`#\n\t \\\xff";
  int refused = 0;
  for (int trial = 0; trial < 4000; ++trial) {
    std::string changed = text;
    for (unsigned edits = 1 + random() % 3; edits > 0; --edits) {
      size_t at = random() % changed.size();
      char c = random() % 2 ? special[random() % special.size()] : char(random());
      if (random() % 3 == 0)
        changed.insert(at, 1, c);
      else if (random() % 3 == 0)
        changed.erase(at, 1);
      else
        changed[at] = c;
    }
    Result<Recipe> r = read(changed);
    if (r)
      (void)r->json().dump(); // what was accepted can be written
    refused += !r;
  }
  EXPECT_GT(refused, 1000);
}

TEST(Patterns, AreOfASizeThatCompiles) {
  for (const char *pattern :
       {"a", "layers\\.(0|1)\\.", "x{3}", "(a{16}){16}", "[{]{2,}", "^lm_head$", "a{255}b{255}"})
    EXPECT_TRUE(bool(checkPattern(pattern))) << pattern;
  auto refusal = [](const std::string &pattern) {
    Status s = checkPattern(pattern);
    return s ? std::string("accepted") : s.error().message();
  };
  EXPECT_EQ(
      refusal("(a{255}){2,255}b{2}"),
      "pattern \"(a{255}){2,255}b{2}\": repeats too much, expected bounds {M,N} that multiply "
      "to at most 65536, got more");
  EXPECT_EQ(refusal("a{99999999999999999999}").find("pattern \"a{99999999999999999999}\": repeats"),
            0u);
  EXPECT_NE(refusal(std::string(1001, 'a')).find("too long, expected 1000 bytes at most, got 1001"),
            std::string::npos);
  EXPECT_EQ(refusal("\xff"), "pattern \"\\xff\": is not UTF-8");
  EXPECT_NE(refusal("("), "accepted");
}

TEST(Sizes, AreReadAsPeopleWriteThem) {
  auto bytes = [](const char *text) {
    auto r = parseBytes(text);
    return r ? int64_t(*r) : -1;
  };
  EXPECT_EQ(bytes("73400320"), 73400320);
  EXPECT_EQ(bytes("70MiB"), 70 << 20);
  EXPECT_EQ(bytes("70 MiB"), 70 << 20);
  EXPECT_EQ(bytes("70M"), 70 << 20);
  EXPECT_EQ(bytes("1.5GB"), 1500000000);
  EXPECT_EQ(bytes("2KiB"), 2048);
  EXPECT_EQ(bytes("2KB"), 2000);
  EXPECT_EQ(bytes("12B"), 12);
  for (const char *text : {"", "B", "MiB", "-1", "0", "0.5", "0.5B", "nan", "inf", "1e30", "70mib",
                           "0x10", "7 0", "70MiBs", " 70", "+70"})
    EXPECT_EQ(bytes(text), -1) << text;
  auto share = [](const char *text) {
    auto r = parseShare(text);
    return r ? *r : -1;
  };
  EXPECT_DOUBLE_EQ(share("2%"), 0.02);
  EXPECT_DOUBLE_EQ(share("+2%"), 0.02);
  EXPECT_DOUBLE_EQ(share("0.02"), 0.02);
  for (const char *text :
       {"", "%", "+", "+%", "0", "-2%", "+-2%", "++2%", "nan", "inf%", "2%%", "2 %", "2"})
    EXPECT_EQ(share(text), -1) << text;
  EXPECT_EQ(bytesText(70 << 20), "70.0 MiB");
  EXPECT_EQ(bytesText(1023), "1023 B");
}
