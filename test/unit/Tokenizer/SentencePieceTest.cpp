#include "TokenizerTesting.h"
#include "fingpt/Support/MappedFile.h"

using namespace fingpt;
using namespace fingpt::test;

namespace {

std::string varint(uint64_t v) {
  std::string out;
  for (; v >= 128; v >>= 7)
    out += static_cast<char>(static_cast<unsigned char>(v | 128));
  return out + static_cast<char>(v);
}
std::string bytesField(unsigned field, const std::string &bytes) {
  return varint(field << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string numberField(unsigned field, uint64_t value) {
  return varint(field << 3) + varint(value);
}
std::string floatField(unsigned field, float value) { return varint(field << 3 | 5) + le(value); }
std::string piece(const std::string &text, float score = 0, uint64_t type = 1) {
  return bytesField(1, bytesField(1, text) + floatField(2, score) + numberField(3, type));
}
/// Unknown, BOS, EOS, then `pieces`; BPE unless told otherwise.
std::string model(const std::string &pieces, const std::string &trainer = numberField(3, 2),
                  const std::string &normalizer = "") {
  return piece("<unk>", 0, 2) + piece("<s>", 0, 3) + piece("</s>", 0, 3) + pieces +
         bytesField(2, trainer) + bytesField(3, normalizer);
}
TokenizerResult fromModel(const std::string &bytes) {
  offerSeed("tokenizer-sentencepiece", bytes);
  return Tokenizer::fromSentencePiece(bytes, "t.model");
}
std::string message(const std::string &bytes) { return refusal(fromModel(bytes)); }

const std::string kSpace = "\xE2\x96\x81";

std::string binToken(const std::string &text, float score = 0) {
  return le(score) + le(static_cast<int32_t>(text.size())) + text;
}
std::string bin(const std::string &rest) {
  std::string out =
      le(int32_t(16)) + binToken("<unk>") + binToken("\n<s>\n") + binToken("\n</s>\n");
  for (int b = 0; b < 256; ++b) {
    char text[8];
    std::snprintf(text, sizeof text, "<0x%02X>", b);
    out += binToken(text);
  }
  return out + rest;
}
TokenizerResult fromBin(const std::string &bytes) {
  offerSeed("tokenizer-bin", bytes);
  return Tokenizer::fromLlama2C(bytes, "t.bin");
}

} // namespace

TEST(SentencePiece, JoinsTheBestScore) {
  std::string pieces = piece(kSpace, -1) + piece("a", -2) + piece("b", -3) + piece("ab", -9) +
                       piece("ba", -4) + piece(kSpace + "a", -20);
  auto t = loaded(fromModel(model(pieces)));
  ASSERT_TRUE(t);
  // ▁aba: "ba" (-4) before "ab" (-9), then "▁a" (-20).
  EXPECT_EQ(encode(*t, "aba"), (Ids{1, 8, 7}));
  EXPECT_EQ(encode(*t, "xxy"), (Ids{1, 3, 0})); // unknowns fuse
  EXPECT_EQ(t->decode({1, 8, 7, 2}), "aba");
  EXPECT_EQ(t->special().addBos, true);
  EXPECT_EQ(t->special().stop, (Ids{2}));
}

TEST(SentencePiece, TakesUnusedPiecesApart) {
  std::string pieces =
      piece("a", -1) + piece("b", -1) + piece("ab", -2, 5) + piece("abab", -3) + piece(kSpace, -1);
  auto t = loaded(fromModel(model(pieces)));
  EXPECT_EQ(encode(*t, "ab"), (Ids{1, 7, 3, 4}));
  EXPECT_EQ(encode(*t, "abab"), (Ids{1, 7, 6}));
}

TEST(SentencePiece, KeepsUserDefinedPiecesWhole) {
  std::string pieces = piece("a", -1) + piece("aa", -2) + piece("aXa", 0, 4) + piece(kSpace, -1);
  auto t = loaded(fromModel(model(pieces)));
  EXPECT_EQ(encode(*t, "aaaXaaa"), (Ids{1, 6, 4, 5, 4}));
}

TEST(SentencePiece, FallsBackToBytes) {
  std::string pieces = piece(kSpace, -1);
  for (int b = 0; b < 256; ++b) {
    char text[8];
    std::snprintf(text, sizeof text, "<0x%02X>", b);
    pieces += piece(text, 0, 6);
  }
  auto t = loaded(fromModel(model(pieces, numberField(3, 2) + numberField(35, 1))));
  EXPECT_EQ(encode(*t, "é"), (Ids{1, 3, 4 + 0xC3, 4 + 0xA9}));
  StreamDecoder decoder(*t);
  EXPECT_EQ(decoder.push(3), "");
  EXPECT_EQ(decoder.push(4 + 0xC3), ""); // half a character
  EXPECT_EQ(decoder.push(4 + 0xA9), "é");
  EXPECT_EQ(decoder.push(4 + 0xE2), "");
  EXPECT_EQ(decoder.push(4 + 0x41), "\xEF\xBF\xBD"
                                    "A");
  EXPECT_EQ(decoder.push(4 + 0xE2), "");
  EXPECT_EQ(decoder.finish(), "\xEF\xBF\xBD");
}

TEST(SentencePiece, NamesTheFault) {
  EXPECT_EQ(message(""), "t.model:0x0: missing, expected pieces, got the end");
  EXPECT_EQ(message("\x0A"), "t.model:0x0: number, expected more bytes, got the end");
  EXPECT_EQ(message("\x0A\x7F"), "t.model:0x0: field of 127 bytes, expected at most 0, got more");
  EXPECT_EQ(message(std::string(11, '\xFF')),
            "t.model:0x0: number, expected at most 10 bytes, got more");
  EXPECT_EQ(message(std::string("\x00\x01", 2)),
            "t.model:0x0: field number, expected 1 to 536870911, got 0");
  EXPECT_EQ(message("\x0B"), "t.model:0x0: wire type, expected 0, 1, 2 or 5, got 3");
  EXPECT_EQ(message("\x08\x01"), "t.model:0x0: wire type of field 1, expected 2, got 0");
  EXPECT_EQ(message("\x0D\x01"), "t.model:0x0: number, expected 4 bytes, got 1");
  EXPECT_EQ(message("\x09\x01"), "t.model:0x0: number, expected 8 bytes, got 1");
  EXPECT_EQ(message(bytesField(1, numberField(1, 3))),
            "t.model:0x2: wire type of field 1, expected 2, got 0");
  EXPECT_EQ(message(bytesField(1, "")), "t.model:0x2: piece, expected a text, got none");
  EXPECT_EQ(message(piece("a", 0, 9)), "t.model:0xa: piece type, expected 1 to 6, got 9");
  EXPECT_EQ(message(piece("a", NAN)), "t.model:0xa: score, expected a finite number, got another");
  EXPECT_EQ(message(piece("a") + piece("a")),
            "t.model:0x16: duplicate piece, expected distinct texts, got \"a\"");
  EXPECT_EQ(message(piece("<0xG0>", 0, 6)),
            "t.model:0xf: byte piece, expected <0x00> to <0xFF>, got \"<0xG0>\"");
  EXPECT_EQ(message(piece("u", 0, 2) + piece("v", 0, 2)),
            "t.model:0x16: pieces of type UNKNOWN, expected one, got a second, "
            "\"v\"");
  EXPECT_EQ(message(piece(std::string(600, 'x'), 0, 4)),
            "t.model:0x263: special piece, expected at most 512 bytes, got 600");
  EXPECT_EQ(message(piece("a")), "t.model:0xc: missing, expected a trainer_spec, got the end");
  EXPECT_EQ(message(piece("a") + bytesField(2, "")),
            "t.model:0xe: missing, expected a normalizer_spec, got the end");
  EXPECT_EQ(message(piece("a") + bytesField(2, "") + bytesField(3, "")),
            "t.model:0x10: missing, expected a piece of type UNKNOWN, got the end");
  EXPECT_EQ(message(model("", numberField(3, 4))),
            "t.model: model type, expected 1 (unigram) or 2 (BPE), got 4");
  EXPECT_EQ(message(model("", bytesField(3, ""))),
            "t.model:0x2f: wire type of field 3, expected 0, got 2");
  EXPECT_EQ(message(model("", numberField(3, 2), bytesField(2, "abc"))),
            "t.model:0x35: charsmap, expected at least 4 bytes, got 3");
  EXPECT_EQ(message(model("", numberField(3, 2), numberField(2, 1))),
            "t.model:0x33: wire type of field 2, expected 2, got 0");
}

TEST(SentencePiece, SurvivesEveryPrefix) {
  for (const char *name : {"spm-bpe.model", "spm-unigram.model"}) {
    std::string bytes = *readFile(fixture(name));
    size_t accepted = 0;
    for (size_t n = 0; n < bytes.size(); ++n) {
      auto t = Tokenizer::fromSentencePiece(bytes.substr(0, n), "t.model");
      if (t)
        ++accepted;
      else
        ASSERT_EQ(t.error().message().compare(0, 8, "t.model:"), 0) << t.error().message();
    }
    EXPECT_LT(accepted, 3u) << name; // only where optional messages follow
  }
}

TEST(SentencePiece, FollowsTheNormalizerSpec) {
  std::string pieces = piece("a", -1) + piece("b", -1) + piece(" ", -1) + piece(kSpace, -1);
  auto ids = [&](const std::string &spec, std::string_view text, const std::string &more = "") {
    return encode(*loaded(fromModel(model(pieces, numberField(3, 2) + more, spec))), text);
  };
  EXPECT_EQ(ids("", "  a  b "), (Ids{1, 6, 3, 6, 4}));
  EXPECT_EQ(ids(numberField(4, 0), " a  b"), (Ids{1, 6, 6, 3, 6, 6, 4}));
  EXPECT_EQ(ids(numberField(3, 0), "a b"), (Ids{1, 3, 6, 4}));
  EXPECT_EQ(ids(numberField(5, 0), "a b"), (Ids{1, 5, 3, 5, 4}));
  EXPECT_EQ(ids("", "a b", numberField(24, 1)), (Ids{1, 3, 6, 4, 6}));
  EXPECT_EQ(ids("", "   "), (Ids{1}));
  EXPECT_EQ(ids("", "\xFF"), (Ids{1, 6, 0}));
}

TEST(Llama2C, EncodesAndDecodes) {
  auto t = loaded(
      fromBin(bin(binToken(" ", -1) + binToken("a", -2) + binToken(" a", -3) + binToken("a", -9))));
  ASSERT_TRUE(t);
  EXPECT_EQ(encode(*t, "a a"), (Ids{1, 261, 261}));
  EXPECT_EQ(encode(*t, "\xFF"), (Ids{1, 259, 3 + 0xFF}));
  EXPECT_EQ(t->decode({1, 261, 261, 262}), "a aa");
  EXPECT_EQ(t->vocabSize(), 263u);
  EXPECT_EQ(t->special().stop, (Ids{2, 1}));
}

TEST(Llama2C, NamesTheFault) {
  auto message = [](const std::string &bytes) { return refusal(fromBin(bytes)); };
  EXPECT_EQ(message(""), "t.bin:0x0: longest token, expected 4 bytes, got 0");
  EXPECT_EQ(message("1234"), "t.bin:0x4: tokens, expected at least 259, got 0");
  EXPECT_EQ(message("12345"), "t.bin:0x4: token, expected 8 bytes of score and length, got 1");
  EXPECT_EQ(message("1234" + le(0.f) + le(int32_t(-1)) + "abc"),
            "t.bin:0x4: token length, expected 1 to 3, got -1");
  EXPECT_EQ(message("1234" + le(0.f) + le(int32_t(4)) + "abc"),
            "t.bin:0x4: token length, expected 1 to 3, got 4");
  EXPECT_EQ(message("1234" + le(INFINITY) + le(int32_t(1)) + "a"),
            "t.bin:0x4: score, expected a finite number, got inf");
  EXPECT_EQ(message("1234" + binToken("a") + binToken("b") + binToken("c") + binToken("<0x01>")),
            "t.bin:0x1f: byte token 3, expected <0x00> to <0xFF> in order, got "
            "\"<0x01>\"");
  std::string good = bin("");
  for (size_t n = 0; n < good.size(); ++n)
    EXPECT_NE(refusal(Tokenizer::fromLlama2C(good.substr(0, n), "t.bin")), "accepted");
}
