#include "fingpt/Compress/WeightScheme.h"

#include <gtest/gtest.h>
#include <random>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

std::string refusal(std::string_view text) {
  auto scheme = parseWeightScheme(text);
  return scheme ? "accepted as " + weightSchemeText(*scheme) : scheme.error().message();
}

TEST(WeightScheme, EveryFormPrintsAsItWasWritten) {
  for (const char *text : {"keep",
                           "w4g64",
                           "w8",
                           "w2g16-sym-clip",
                           "w4g128-min",
                           "w8g32-asym",
                           "w4g64-sym-dq",
                           "w4g64-sym-signed",
                           "nf4",
                           "nf4-dq",
                           "nf4g128",
                           "fp4",
                           "mxfp4",
                           "nvfp4",
                           "w4g64:rtn",
                           "w4g64:gptq",
                           "w4g64:awq",
                           "w4g64-min:hqq",
                           "nf4:gptq",
                           "svd25",
                           "svd25:svd",
                           "svd25:asvd",
                           "svd25:svd-llm",
                           "svd33.3",
                           "svd0.5",
                           "svd99.9",
                           "svd12.5+w8",
                           "svd25:asvd+w4g64",
                           "svd25+nf4",
                           "w3g64+lr16",
                           "w3g64+lr16:loftq",
                           "w3g64+lr16+w8",
                           "w3g64+lr16:loftq+w8",
                           "w4g64:gptq+lr16",
                           "w4g64:rtn+lr1+w4g32",
                           "nf4+lr65536",
                           "mxfp4+lr8+nvfp4"}) {
    auto scheme = parseWeightScheme(text);
    ASSERT_TRUE(bool(scheme)) << scheme.error().message();
    EXPECT_EQ(weightSchemeText(*scheme), text);
  }
}

TEST(WeightScheme, PartsMeanWhatTheySay) {
  auto s = parseWeightScheme("w3g64-clip:gptq+lr16:loftq+w8");
  ASSERT_TRUE(bool(s));
  EXPECT_EQ(*s->codes, *parseScheme("w3g64-clip"));
  EXPECT_EQ(s->rounding, Rounding::Gptq);
  EXPECT_EQ(s->residualRank, 16);
  EXPECT_TRUE(s->alternate);
  EXPECT_EQ(*s->factors, *parseScheme("w8"));
  EXPECT_EQ(s->removed, 0);
  auto pair = parseWeightScheme("svd12.5:svd+nf4");
  ASSERT_TRUE(bool(pair));
  EXPECT_FALSE(pair->codes);
  EXPECT_EQ(pair->removed, 0.125);
  EXPECT_EQ(pair->truncation, Truncation::Svd);
  EXPECT_EQ(*pair->factors, *parseScheme("nf4"));
  EXPECT_TRUE(parseWeightScheme("keep")->keep());
  EXPECT_EQ(parseWeightScheme("w4")->rounding, Rounding::Default);
}

// All combinations: what is printed reads back as the same scheme.
TEST(WeightScheme, EveryCombinationReadsBack) {
  std::vector<WeightScheme> schemes;
  for (const char *codes : {"", "w2", "w4g64", "w8g16-min", "w5g1024-sym-signed-clip", "nf4-dq"})
    for (Rounding rounding :
         {Rounding::Default, Rounding::Nearest, Rounding::Gptq, Rounding::Awq, Rounding::Hqq})
      for (double removed : {0.0, 0.25, 33.3 / 100})
        for (Truncation truncation : {Truncation::Default, Truncation::Svd, Truncation::Asvd,
                                      Truncation::SvdLlm, Truncation::SvdLlmV2})
          for (int64_t rank : {0, 1, 16})
            for (bool alternate : {false, true})
              for (const char *factors : {"", "w8", "mxfp4"}) {
                WeightScheme s;
                if (*codes)
                  s.codes = *parseScheme(codes);
                s.rounding = rounding;
                s.removed = removed;
                s.truncation = truncation;
                s.residualRank = rank;
                s.alternate = alternate;
                if (*factors)
                  s.factors = *parseScheme(factors);
                bool pairAlone = removed > 0 && !s.codes && rank == 0 &&
                                 rounding == Rounding::Default && !alternate;
                bool coded = s.codes && removed == 0 && truncation == Truncation::Default &&
                             (rank > 0 || (!alternate && !s.factors));
                // Scaled inputs have no pair beside them, and nothing alternates with HQQ.
                coded &= rank == 0 || rounding != Rounding::Awq;
                coded &= !alternate || rounding != Rounding::Hqq;
                if (pairAlone || coded)
                  schemes.push_back(s);
              }
  EXPECT_EQ(schemes.size(), 5u * (5 + 3 * 2 * 2 * 3 + 2 * 3) + 2u * 5 * 3);
  for (const WeightScheme &s : schemes) {
    std::string text = weightSchemeText(s);
    auto back = parseWeightScheme(text);
    ASSERT_TRUE(bool(back)) << back.error().message();
    EXPECT_TRUE(*back == s) << text;
    EXPECT_EQ(weightSchemeText(*back), text);
  }
}

TEST(WeightScheme, PercentagesReadBack) {
  EXPECT_EQ(percentText(0.125), "12.5");
  EXPECT_EQ(percentText(0.07), "7"); // 0.07 * 100 is 7.000000000000001
  EXPECT_EQ(percentText(0.29), "29");
  EXPECT_EQ(percentText(0.1), "10");
  EXPECT_EQ(percentText(10), "1000");
  for (int tenth = 1; tenth < 1000; ++tenth) {
    std::string text =
        "svd" + std::to_string(tenth / 10) + (tenth % 10 ? "." + std::to_string(tenth % 10) : "");
    EXPECT_EQ(weightSchemeText(*parseWeightScheme(text)), text);
  }
  std::mt19937_64 random(1);
  for (int trial = 0; trial < 20000; ++trial) {
    double percent = std::uniform_real_distribution<double>(0, 100)(random);
    if (trial % 4 == 0)
      percent = std::pow(10, -percent * 3);
    char digits[64];
    std::snprintf(digits, sizeof digits, "svd%.17g", percent);
    auto scheme = parseWeightScheme(digits);
    ASSERT_TRUE(bool(scheme)) << scheme.error().message();
    std::string text = weightSchemeText(*scheme);
    auto back = parseWeightScheme(text);
    ASSERT_TRUE(bool(back)) << back.error().message();
    EXPECT_EQ(back->removed, scheme->removed) << digits << " " << text;
  }
}

TEST(WeightScheme, RefusesWithPlaceExpectationAndFinding) {
  const std::string spelling = "spelling, expected wBITS[gGROUP], nf4, fp4, mxfp4 or nvfp4, then "
                               "-sym, -asym, -min, -signed, -clip, -dq, got ";
  const std::pair<const char *, std::string> cases[] = {
      {"", "quantization scheme \"\": " + spelling + "\"\""},
      {"w4g64+", "quantization scheme \"\": " + spelling + "\"\""},
      {"+w4g64", "quantization scheme \"\": " + spelling + "\"\""},
      {"Keep", "quantization scheme \"Keep\": " + spelling + "\"Keep\""},
      {"keep+lr4", "quantization scheme \"keep\": " + spelling + "\"keep\""},
      {"w4g64+keep", "quantization scheme \"keep\": " + spelling + "\"keep\""},
      {"w4g64 +lr4", "quantization scheme \"w4g64 \": " + spelling + "\"w4g64 \""},
      {"rot+w4g64", "quantization scheme \"rot\": " + spelling + "\"rot\""},
      {"w4g64-foo:gptq", "quantization scheme \"w4g64-foo\": " + spelling + "\"foo\""},
      {"w9:rtn", "quantization scheme w9: bits, expected 2 to 8, got 9"},
      {"w4g8", "quantization scheme w4g8: group, expected 16 to 1024, or 0 for a whole row, got 8"},
      {"mxfp4g64", "quantization scheme mxfp4g64: group, expected 32, got 64"},
      {"nf4-signed",
       "quantization scheme nf4-signed: signed codes go with symmetric integers only"},
      {"w4-dq", "quantization scheme w4-dq: double quantization goes with symmetric integers, nf4 "
                "and fp4 only"},
      {"nf4-min", "quantization scheme nf4: a codebook format has 4 bits and no zeros"},
      {"w4-sym-min", "quantization scheme \"w4-sym-min\": contradiction or repetition, expected "
                     "one of -sym, -asym and -min, and each other option once, got \"min\""},
      {"w4-clip-clip", "quantization scheme \"w4-clip-clip\": contradiction or repetition, "
                       "expected one of -sym, -asym and -min, and each other option once, got "
                       "\"clip\""},
      {"w4g64:", "scheme \"w4g64:\": not understood, expected a method behind the colon, got "
                 "\"w4g64:\""},
      {"svd25:", "scheme \"svd25:\": not understood, expected a method behind the colon, got "
                 "\"svd25:\""},
      {"w4+lr4:+w8", "scheme \"w4+lr4:+w8\": not understood, expected a method behind the colon, "
                     "got \"lr4:\""},
      {"w4g64:gpt", "scheme \"w4g64:gpt\": not understood, expected rtn, gptq, awq or hqq, got "
                    "\"gpt\""},
      {"w4g64:gptq:awq", "scheme \"w4g64:gptq:awq\": not understood, expected rtn, gptq, awq or "
                         "hqq, got \"gptq:awq\""},
      {"w4g64:svd", "scheme \"w4g64:svd\": not understood, expected rtn, gptq, awq or hqq, got "
                    "\"svd\""},
      {"svd25:gptq",
       "scheme \"svd25:gptq\": not understood, expected svd, asvd, svd-llm or svd-llm-v2, got "
       "\"gptq\""},
      {"svd", "scheme \"svd\": not understood, expected svdPERCENT with 0 < PERCENT < 100, got "
              "\"svd\""},
      {"svd0", "scheme \"svd0\": not understood, expected svdPERCENT with 0 < PERCENT < 100, got "
               "\"svd0\""},
      {"svd100", "scheme \"svd100\": not understood, expected svdPERCENT with 0 < PERCENT < 100, "
                 "got \"svd100\""},
      {"svdnan", "scheme \"svdnan\": not understood, expected svdPERCENT with 0 < PERCENT < 100, "
                 "got \"svdnan\""},
      {"svd-5", "scheme \"svd-5\": not understood, expected svdPERCENT with 0 < PERCENT < 100, got "
                "\"svd-5\""},
      {"svd25%", "scheme \"svd25%\": not understood, expected svdPERCENT with 0 < PERCENT < 100, "
                 "got \"svd25%\""},
      {"svd25+svd25", "scheme \"svd25+svd25\": not understood, expected svd first, and once, got "
                      "\"svd25\""},
      {"w4g64+svd25", "scheme \"w4g64+svd25\": not understood, expected svd first, and once, got "
                      "\"svd25\""},
      {"lr16", "scheme \"lr16\": not understood, expected a residual pair after the codes it "
               "corrects, once, got \"lr16\""},
      {"lr16+w4g64", "scheme \"lr16+w4g64\": not understood, expected a residual pair after the "
                     "codes it corrects, once, got \"lr16\""},
      {"svd25+lr16", "scheme \"svd25+lr16\": not understood, expected a residual pair after the "
                     "codes it corrects, once, got \"lr16\""},
      {"w4+lr4+lr4", "scheme \"w4+lr4+lr4\": not understood, expected a residual pair after the "
                     "codes it corrects, once, got \"lr4\""},
      {"w4+lr", "scheme \"w4+lr\": not understood, expected lrRANK with 1 <= RANK <= 65536, got "
                "\"lr\""},
      {"w4+lr0", "scheme \"w4+lr0\": not understood, expected lrRANK with 1 <= RANK <= 65536, got "
                 "\"lr0\""},
      {"w4+lr65537", "scheme \"w4+lr65537\": not understood, expected lrRANK with 1 <= RANK <= "
                     "65536, got \"lr65537\""},
      {"w4+lr99999999999999999999", "scheme \"w4+lr99999999999999999999\": not understood, "
                                    "expected lrRANK with 1 <= RANK <= 65536, got "
                                    "\"lr99999999999999999999\""},
      {"w4+lr1.5", "scheme \"w4+lr1.5\": not understood, expected lrRANK with 1 <= RANK <= 65536, "
                   "got \"lr1.5\""},
      {"w4+lr4:gptq", "scheme \"w4+lr4:gptq\": not understood, expected loftq, got \"gptq\""},
      {"w4+lr4+w8:gptq", "scheme \"w4+lr4+w8:gptq\": not understood, expected nothing: factors are "
                         "rounded to nearest, got \"gptq\""},
      {"svd25+w8:rtn", "scheme \"svd25+w8:rtn\": not understood, expected nothing: factors are "
                       "rounded to nearest, got \"rtn\""},
      {"w4+w8", "scheme \"w4+w8\": not understood, expected one format for the weight, got \"w8\""},
      {"w4+lr4+w8+w8", "scheme \"w4+lr4+w8+w8\": not understood, expected one format for the "
                       "weight, got \"w8\""},
      {"w4\ng64", "quantization scheme \"w4\\x0ag64\": " + spelling + "\"w4\\x0ag64\""},
      {"\xff", "quantization scheme \"\\xff\": " + spelling + "\"\\xff\""},
  };
  for (const auto &[text, message] : cases)
    EXPECT_EQ(refusal(text), message);
  // A text of any length makes a message of a few hundred bytes.
  for (const std::string &text :
       {std::string(1 << 20, '+'), std::string(1 << 20, 'w'), std::string(1 << 20, '\n'),
        "w4g64" + std::string(1 << 20, '-'), std::string("w4") + '\0' + "g64"}) {
    auto scheme = parseWeightScheme(text);
    ASSERT_FALSE(bool(scheme));
    EXPECT_LT(scheme.error().message().size(), 1000u);
    EXPECT_EQ(scheme.error().message().find('\n'), std::string::npos);
  }
}

TEST(WeightScheme, BytesOfEveryKind) {
  auto bytes = [](const char *text, int64_t now = 1 << 20) {
    return storedBytes(*parseWeightScheme(text), 256, 512, now);
  };
  auto codes = [](const char *text, int64_t rows, int64_t cols) {
    return storedBytes(*parseScheme(text), rows, cols);
  };
  EXPECT_EQ(bytes("keep", 777), 777);
  EXPECT_EQ(bytes("w4g64"), codes("w4g64", 256, 512));
  EXPECT_EQ(bytes("w4g64+lr16"), codes("w4g64", 256, 512) + 2 * 16 * (256 + 512));
  EXPECT_EQ(bytes("w4g64+lr16+w8"),
            codes("w4g64", 256, 512) + codes("w8", 256, 16) + codes("w8", 16, 512));
  // A residual of more than full rank is of full rank.
  EXPECT_EQ(bytes("w4g64+lr65536"), bytes("w4g64+lr256"));
  // Half of 256·512 parameters: rank 85, a multiple of 8 below it; f16.
  EXPECT_EQ(bytes("svd50"), 2 * 80 * (256 + 512));
  EXPECT_EQ(bytes("svd50", 1000), 1000); // saves nothing
}

} // namespace
