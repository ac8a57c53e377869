#include "TokenizerTesting.h"

using namespace fingpt;
using namespace fingpt::test;

namespace {

/// A document around a model and further members.
std::string document(const std::string &model, const std::string &rest = "") {
  return "{" + rest + (rest.empty() ? "" : ",") + "\"model\":" + model + "}";
}
const std::string kAB = R"({"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]})";
std::string bpe(const std::string &rest) { return document(kAB, rest); }
std::string message(const std::string &text) { return refusal(fromText(text)); }

} // namespace

TEST(TokenizerJson, EncodesAndDecodesFixtures) {
  for (const char *name : {"gpt2", "llama3", "qwen2", "tekken", "gpt4o", "smollm"}) {
    auto t = loaded(Tokenizer::load(fixture(std::string(name) + ".json")));
    ASSERT_TRUE(t);
    for (std::string text :
         {"Hello  world, it's 1234!\n\n", "naïve Straße 👩‍👩‍👧 한국 \xC2\x85",
          "<|im_start|>user\n"}) {
      EncodeOptions plain;
      plain.addSpecial = false;
      Ids ids = encode(*t, text, plain);
      EXPECT_EQ(t->decode(ids, false), text) << name;
      std::string streamed;
      StreamDecoder decoder(*t, false);
      for (int32_t id : ids) {
        std::string part = decoder.push(id);
        streamed += part;
        for (size_t i = 0; i < part.size();) { // whole characters only
          auto c = static_cast<unsigned char>(part[i]);
          size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
          ASSERT_LE(i + n, part.size());
          i += n;
        }
      }
      EXPECT_EQ(streamed + decoder.finish(), text);
    }
  }
}

TEST(TokenizerJson, StreamsAsItDecodes) {
  size_t fixtures = 0;
  for (const auto &entry : std::filesystem::directory_iterator(fixture(""))) {
    if (entry.path().extension() != ".json" && entry.path().extension() != ".model")
      continue;
    auto t = loaded(Tokenizer::load(entry.path()));
    ASSERT_TRUE(t);
    ++fixtures;
    Ids ids;
    for (uint32_t i = 0; i < 5000; ++i) // any order of any ids
      ids.push_back(static_cast<int32_t>(i * 2654435761u % (t->vocabSize() + 3)) - 1);
    for (bool skip : {true, false}) {
      StreamDecoder decoder(*t, skip);
      std::string text;
      for (int32_t id : ids)
        text += decoder.push(id);
      EXPECT_EQ(text + decoder.finish(), t->decode(ids, skip)) << entry.path();
    }
  }
  EXPECT_GT(fixtures, 20u);
}

TEST(TokenizerJson, AppliesEveryComponent) {
  // One token per letter of what the component makes of the text.
  auto ids = [](const std::string &rest, std::string_view text) {
    std::string out;
    auto t = loaded(fromText(document(R"({"type":"BPE","vocab":{"a":0,"b":1,"c":2,"▁":3," ":4,
        "A":5,"1":6,".":7,"é":8,"<":9,"Ġ":10,"ab":11,"-":12,"i":13,"f":14},
        "merges":["a b"]})",
                                      rest)));
    for (int32_t id : t ? encode(*t, text) : Ids{})
      out += t->tokenText(id) + "|";
    return out;
  };
  auto normalized = [&](const std::string &component, std::string_view text) {
    return ids("\"normalizer\":" + component, text);
  };
  EXPECT_EQ(normalized(R"({"type":"Lowercase"})", "AB"), "ab|");
  EXPECT_EQ(normalized(R"({"type":"NFKC"})", "ﬁ"), "f|i|");
  EXPECT_EQ(normalized(R"({"type":"NFC"})", "e\xCC\x81"), "é|");
  EXPECT_EQ(normalized(R"({"type":"NFD"})", "é"), "");
  EXPECT_EQ(normalized(R"({"type":"NFKD"})", "ﬁ"), "f|i|");
  EXPECT_EQ(normalized(R"({"type":"Sequence","normalizers":[{"type":"NFD"},
      {"type":"StripAccents"},{"type":"Strip","strip_right":false}]})",
                       " \tá "),
            "a| |");
  EXPECT_EQ(normalized(R"({"type":"Replace","pattern":"b","content":"c"})", "abb"), "a|c|c|");
  EXPECT_EQ(normalized(R"({"type":"Replace","pattern":{"Regex":"b+"},"content":"c"})", "abb"),
            "a|c|");
  EXPECT_EQ(normalized(R"({"type":"Prepend","prepend":"▁"})", "a"), "▁|a|");
  EXPECT_EQ(normalized(R"({"type":"Nmt"})", "a\x01\tb"), "a| |b|");
  EXPECT_EQ(normalized(R"({"type":"ByteLevel"})", " a"), "Ġ|a|");
  EXPECT_EQ(normalized(R"({"type":"BertNormalizer"})", "Á\x01\tb"), "a| |b|");
  auto cut = [&](const std::string &component, std::string_view text) {
    return ids("\"pre_tokenizer\":" + component, text);
  };
  EXPECT_EQ(cut(R"({"type":"Whitespace"})", "ab a.b"), "ab|a|.|b|");
  EXPECT_EQ(cut(R"({"type":"WhitespaceSplit"})", "ab ab"), "ab|ab|");
  EXPECT_EQ(cut(R"({"type":"BertPreTokenizer"})", "a.b ab"), "a|.|b|ab|");
  EXPECT_EQ(cut(R"({"type":"Punctuation","behavior":"Removed"})", "a.b"), "a|b|");
  EXPECT_EQ(cut(R"({"type":"Digits","individual_digits":true})", "a1b"), "a|1|b|");
  EXPECT_EQ(cut(R"({"type":"CharDelimiterSplit","delimiter":"c"})", "acb"), "a|b|");
  EXPECT_EQ(cut(R"({"type":"Metaspace","add_prefix_space":true})", "ab ab"), "▁|ab|▁|ab|");
  EXPECT_EQ(cut(R"({"type":"Metaspace","prepend_scheme":"never","split":false})", "ab"), "ab|");
  EXPECT_EQ(cut(R"({"type":"ByteLevel","add_prefix_space":true})", "ab"), "Ġ|ab|");
  EXPECT_EQ(cut(R"({"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},
      {"type":"Split","pattern":{"String":"b"},"behavior":"MergedWithNext"}]})",
                "ab"),
            "Ġ|a|b|");
  EXPECT_EQ(
      cut(R"({"type":"Split","pattern":{"String":"a"},"behavior":"MergedWithPrevious"})", "bab"),
      "b|a|b|");
  EXPECT_EQ(cut(R"({"type":"Split","pattern":{"Regex":"\\p{N}"},"behavior":"Isolated"})", "ab1"),
            "ab|1|");
  EXPECT_EQ(cut(R"({"type":"Split","pattern":{"Regex":"[ab]"},"behavior":"Contiguous",
      "invert":true})",
                "abc"),
            "ab|c|");
  auto decoded = [](const std::string &component, const Ids &tokens) {
    auto t = loaded(fromText(document(R"({"type":"WordLevel","vocab":{"a":0,"##b":1,"▁c":2,
        "<0x41>":3,"d</w>":4," .":5,"Ġe":6,"ff":7}})",
                                      "\"decoder\":" + component)));
    return t ? t->decode(tokens) : std::string();
  };
  EXPECT_EQ(decoded(R"({"type":"WordPiece"})", {0, 1, 5, 0}),
            "ab . a"); // "  ." loses one space
  EXPECT_EQ(decoded(R"({"type":"WordPiece","cleanup":false,"prefix":"a"})", {1, 0, 0}), "##b");
  EXPECT_EQ(decoded(R"({"type":"Metaspace"})", {2, 2}), "c c");
  EXPECT_EQ(decoded(R"({"type":"Metaspace","add_prefix_space":false})", {2}), " c");
  EXPECT_EQ(decoded(R"({"type":"BPEDecoder"})", {4, 0, 4}), "d ad");
  EXPECT_EQ(decoded(R"({"type":"ByteLevel"})", {6, 0}), " ea");
  EXPECT_EQ(decoded(
                R"({"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"},
      {"type":"Strip","content":"A","start":1,"stop":1}]})",
                {3, 3, 0, 3, 3}),
            "AaA");
  EXPECT_EQ(decoded(R"({"type":"Replace","pattern":{"String":"##"},"content":"-"})", {0, 1}),
            "a-b");
  EXPECT_EQ(decoded(R"({"type":"Replace","pattern":{"Regex":"f+"},"content":"g"})", {7, 0}), "ga");
  EXPECT_EQ(decoded(R"({"type":"Replace","pattern":{"String":""},"content":"g"})", {7, 0}), "ffa");
}

TEST(TokenizerJson, KeepsBytesThatAreNoText) {
  auto t = loaded(Tokenizer::load(fixture("gpt2.json")));
  Ids ids = encode(*t, "a\xFF\xC3z");
  EXPECT_EQ(ids.size(), 4u);
  EXPECT_EQ(t->decode(ids), "a\xEF\xBF\xBD\xEF\xBF\xBDz");
}

TEST(TokenizerJson, KnowsItsTokens) {
  auto t = loaded(Tokenizer::load(fixture("llama3.json")));
  EXPECT_EQ(t->tokenText(1), "<|im_start|>");
  EXPECT_EQ(t->tokenId("<|im_start|>"), 1);
  EXPECT_EQ(t->tokenId("nowhere"), std::nullopt);
  EXPECT_EQ(t->tokenText(-1), "");
  EXPECT_EQ(t->tokenText(1 << 30), "");
  EXPECT_EQ(t->vocabSize(), 400u);
  EXPECT_EQ(encode(*t, "")[0], 1);
  EXPECT_EQ(t->special().eos, 2); // <|im_end|>
  EXPECT_EQ(t->special().stop, (Ids{2, 0}));
  EXPECT_EQ(t->decode({-5, 1 << 30, 1}, false), "<|im_start|>");
}

TEST(TokenizerJson, TakesSparseIds) {
  auto t = loaded(fromText(
      document(R"({"type":"BPE","vocab":{"a":7,"b":90000,"ab":3},"merges":[["a","b"]]})")));
  EXPECT_EQ(encode(*t, "abab"), (Ids{3, 3}));
  EXPECT_EQ(t->vocabSize(), 90001u);
  EXPECT_EQ(t->decode({3, 5, 7}), "ab a"); // no decoder: joined by spaces
}

TEST(TokenizerJson, ReplacesGraphemeClusters) {
  // The rules of unigram.json have e + U+0301 → é and ﬁ → fi.
  auto t = loaded(Tokenizer::load(fixture("unigram.json")));
  EXPECT_EQ(encode(*t, "e\xCC\x81"), encode(*t, "é"));
  EXPECT_EQ(encode(*t, "ﬁ"), encode(*t, "fi"));
  EXPECT_EQ(encode(*t, "ﬁ\xCC\xA3\xCC\xA3\xCC\xA3"), encode(*t, "fi\xCC\xA3\xCC\xA3\xCC\xA3"));
}

TEST(TokenizerJson, RefusesBadIds) {
  EXPECT_EQ(message(document(R"({"type":"BPE","vocab":{"a":0,"b":0},"merges":[]})")),
            "t.json:/model/vocab/b: duplicate token id, expected distinct ids, got "
            "0, that of "
            "\"a\"");
  EXPECT_EQ(message(document(R"({"type":"BPE","vocab":{"a":-1},"merges":[]})")),
            "t.json:/model/vocab/a: token id, expected an integer in [0, "
            "16777215], got -1");
  EXPECT_EQ(message(document(R"({"type":"WordLevel","vocab":{"a":4294967296}})")),
            "t.json:/model/vocab/a: token id, expected an integer in [0, 16777215], "
            "got "
            "4294967296");
  EXPECT_EQ(message(document(R"({"type":"WordLevel","vocab":{"a":18446744073709551615}})")),
            "t.json:/model/vocab/a: token id, expected an integer in [0, "
            "16777215], got "
            "18446744073709551615");
  EXPECT_EQ(message(document(R"({"type":"WordLevel","vocab":{"a":"x"}})")),
            "t.json:/model/vocab/a: token id, expected an integer in [0, "
            "16777215], got \"x\"");
  EXPECT_EQ(message(document(R"({"type":"WordLevel","vocab":{"a":0,"a":1}})")),
            "t.json:0x2f: duplicate key \"a\"");
}

TEST(TokenizerJson, RefusesBadMerges) {
  auto with = [](const std::string &merge) {
    return message(
        document(R"({"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[)" + merge + "]}"));
  };
  std::string expected = ": merge, expected two tokens of the vocabulary whose join is a third, "
                         "got ";
  EXPECT_EQ(with("\"a b\",\"a c\""), "t.json:/model/merges/1" + expected + "\"a c\"");
  EXPECT_EQ(with("\"b a\""), "t.json:/model/merges/0" + expected + "\"b a\"");
  EXPECT_EQ(with("\"ab\""), "t.json:/model/merges/0" + expected + "\"ab\"");
  EXPECT_EQ(with("[\"a\"]"), "t.json:/model/merges/0" + expected + "\"\" and \"\"");
  EXPECT_EQ(with("7"), "t.json:/model/merges/0" + expected + "7");
  std::string longer(5000, 'x'); // longer than any token
  EXPECT_EQ(with("\"a " + longer + "\"").find("t.json:/model/merges/0" + expected), 0u);
  EXPECT_LT(with("\"a " + longer + "\"").size(), 400u);
  EXPECT_EQ(message(document(R"({"type":"BPE","vocab":{}})")),
            "t.json:/model/merges: wrong type, expected an array, got nothing");
}

TEST(TokenizerJson, NamesUnknownComponents) {
  EXPECT_EQ(message(bpe(R"("normalizer":{"type":"Rot13"})")),
            "t.json:/normalizer/type: unsupported normalizer, expected a "
            "normalizer of "
            "tokenizer.json, got \"Rot13\"");
  EXPECT_EQ(message(bpe(R"("pre_tokenizer":{"type":"Sequence","pretokenizers":[
              {"type":"Digits"},{"type":"UnicodeScripts"}]})")),
            "t.json:/pre_tokenizer/pretokenizers/1/type: unsupported "
            "pre-tokenizer, expected a "
            "pre-tokenizer of tokenizer.json, got \"UnicodeScripts\"");
  EXPECT_EQ(message(bpe(R"("decoder":{"type":"CTC"})")),
            "t.json:/decoder/type: unsupported decoder, expected a decoder of "
            "tokenizer.json, "
            "got \"CTC\"");
  EXPECT_EQ(message(bpe(R"("post_processor":{"type":"X"})")),
            "t.json:/post_processor/type: unsupported post-processor, expected "
            "a post-processor "
            "of tokenizer.json, got \"X\"");
  EXPECT_EQ(message(document(R"({"type":"Neural"})")),
            "t.json:/model/type: unsupported model, expected BPE, Unigram, "
            "WordPiece or "
            "WordLevel, got \"Neural\"");
  EXPECT_EQ(message(bpe(R"("normalizer":{})")),
            "t.json:/normalizer/type: missing, expected a string, got nothing");
}

TEST(TokenizerJson, RefusesMalformedComponents) {
  const std::pair<const char *, const char *> cases[] = {
      {R"("normalizer":7)", "/normalizer: wrong type, expected an object, got 7"},
      {R"("normalizer":{"type":"Sequence"})",
       "/normalizer/normalizers: wrong type, expected an array, got nothing"},
      {R"("normalizer":{"type":"Sequence","normalizers":[1]})",
       "/normalizer/normalizers/0: wrong type, expected an object, got 1"},
      {R"("normalizer":{"type":"Prepend"})",
       "/normalizer/prepend: missing, expected a string, got nothing"},
      {R"("normalizer":{"type":"Strip","strip_left":3})",
       "/normalizer/strip_left: wrong type, expected true or false, got 3"},
      {R"("normalizer":{"type":"Replace","content":"x"})",
       "/normalizer/pattern: missing, expected an object, got nothing"},
      {R"("normalizer":{"type":"Replace","pattern":{},"content":"x"})",
       "/normalizer/pattern/Regex: missing, expected a string, got nothing"},
      {R"("normalizer":{"type":"Precompiled","precompiled_charsmap":"AB*="})",
       "/normalizer/precompiled_charsmap: invalid base64, expected letters, "
       "digits, + and /, got "
       "\"*\""},
      {R"("normalizer":{"type":"Precompiled","precompiled_charsmap":"AAA="})",
       "/normalizer/precompiled_charsmap: charsmap, expected at least 4 bytes, "
       "got 2"},
      {R"("normalizer":{"type":"Precompiled","precompiled_charsmap":"/////wAA"})",
       "/normalizer/precompiled_charsmap: charsmap trie, expected a multiple "
       "of 4 bytes in [4, "
       "2], got 4294967295"},
      {R"("normalizer":{"type":"Precompiled","precompiled_charsmap":"BAAAAAAAAAA="})",
       "/normalizer/precompiled_charsmap: charsmap replacements, expected a "
       "NUL at the end, got "
       "none"},
      {R"("pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated"})",
       "/pre_tokenizer/pattern/Regex: pattern \"(a\": missing ) at character "
       "2"},
      {R"("pre_tokenizer":{"type":"Split","pattern":{"String":"a"},"behavior":"Explode"})",
       "/pre_tokenizer/behavior: unknown behavior, expected Removed, Isolated, "
       "MergedWithPrevious, MergedWithNext or Contiguous, got \"Explode\""},
      {R"("pre_tokenizer":{"type":"Punctuation","behavior":"x"})",
       "/pre_tokenizer/behavior: unknown behavior, expected Removed, Isolated, "
       "MergedWithPrevious, MergedWithNext or Contiguous, got \"x\""},
      {R"("pre_tokenizer":{"type":"Split","pattern":{"String":"a"}})",
       "/pre_tokenizer/behavior: missing, expected a string, got nothing"},
      {R"("pre_tokenizer":{"type":"Metaspace","replacement":"ab"})",
       "/pre_tokenizer/replacement: replacement, expected one character, got "
       "\"ab\""},
      {R"("pre_tokenizer":{"type":"Metaspace","prepend_scheme":"last"})",
       "/pre_tokenizer/prepend_scheme: unknown scheme, expected always, first "
       "or never, got "
       "\"last\""},
      {R"("pre_tokenizer":{"type":"Metaspace","split":3})",
       "/pre_tokenizer/split: wrong type, expected true or false, got 3"},
      {R"("decoder":{"type":"Strip","content":"","start":0,"stop":0})",
       "/decoder/content: content, expected one character, got none"},
      {R"("decoder":{"type":"Strip","content":"x","start":-1,"stop":0})",
       "/decoder/start: out of range, expected an integer in [0, 1048576], got "
       "-1"},
      {R"("decoder":{"type":"Metaspace","replacement":""})",
       "/decoder/replacement: replacement, expected one character, got none"},
      {R"("decoder":{"type":"Replace","content":"x"})",
       "/decoder/pattern: missing, expected an object, got nothing"},
      {R"("post_processor":{"type":"BertProcessing","cls":["x"],"sep":["y",1]})",
       "/post_processor/cls: special token, expected [text, id], got an array "
       "of 1"},
      {R"("post_processor":{"type":"RobertaProcessing","cls":["x",0]})",
       "/post_processor/sep: special token, expected [text, id], got nothing"},
      {R"("post_processor":{"type":"BertProcessing","cls":["x",0],"sep":["y",99]})",
       "/post_processor: token id, expected a token of the vocabulary, got 99"},
      {R"("post_processor":{"type":"TemplateProcessing","single":[],"special_tokens":{}})",
       "/post_processor/single: template, expected the text in it, got none"},
      {R"("post_processor":{"type":"TemplateProcessing",
           "single":[{"Sequence":{}},{"Sequence":{}}]})",
       "/post_processor/single/1/Sequence: template, expected the text once, "
       "got twice"},
      {R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}],
           "special_tokens":{"x":{"ids":["y"]}}})",
       "/post_processor/special_tokens/x/ids: token id, expected an integer in "
       "[0, 16777215], "
       "got \"y\""},
      {R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}],
           "special_tokens":{"x":{"ids":7}}})",
       "/post_processor/special_tokens/x/ids: wrong type, expected an array, "
       "got 7"},
      {R"("added_tokens":[{"id":0,"content":"zz"}])",
       "/added_tokens/0: id of added token \"zz\", expected a free id, got 0, "
       "that of \"a\""},
      {R"("added_tokens":[{"id":7,"content":"ab"}])",
       "/added_tokens/0: id of added token \"ab\", expected 2 as in the "
       "vocabulary, got 7"},
      {R"("added_tokens":[{"id":7,"content":""}])",
       "/added_tokens/0: added token, expected 1 to 512 bytes, got 0"},
      {R"("added_tokens":[{"id":-7,"content":"x"}])",
       "/added_tokens/0/id: out of range, expected an integer in [0, "
       "16777215], got -7"},
      {R"("added_tokens":[{"id":7,"content":"x","special":1}])",
       "/added_tokens/0/special: wrong type, expected true or false, got 1"},
      {R"("added_tokens":{})", "/added_tokens: wrong type, expected an array, got an object"},
  };
  for (const auto &[rest, expected] : cases)
    EXPECT_EQ(message(bpe(rest)), std::string("t.json:") + expected);
  EXPECT_EQ(message(bpe(R"("added_tokens":[{"id":7,"content":")" + std::string(513, 'x') + "\"}]")),
            "t.json:/added_tokens/0: added token, expected 1 to 512 bytes, got 513");
}

TEST(TokenizerJson, RefusesMalformedModels) {
  const std::pair<const char *, const char *> cases[] = {
      {R"(3)", "/model: wrong type, expected an object, got 3"},
      {R"({"type":"BPE"})", "/model/vocab: missing, expected an object, got nothing"},
      {R"({"type":"BPE","vocab":{},"merges":[],"dropout":0.5})",
       "/model/dropout: dropout, expected null or 0, for it is random, got "
       "0.5"},
      {R"({"type":"BPE","vocab":{},"merges":[],"unk_token":"u"})",
       "/model/unk_token: unknown token, expected a token of the vocabulary, "
       "got \"u\""},
      {R"({"type":"BPE","vocab":{},"merges":[],"ignore_merges":1})",
       "/model/ignore_merges: wrong type, expected true or false, got 1"},
      {R"({"type":"Unigram","vocab":[["a",-1],["a",-2]]})",
       "/model/vocab/1: duplicate piece, expected distinct texts, got \"a\""},
      {R"({"type":"Unigram","vocab":[["a"]]})",
       "/model/vocab/0: piece, expected [text, score], got an array of 1"},
      {R"({"type":"Unigram","vocab":[]})", "/model/vocab: vocabulary, expected pieces, got none"},
      {R"({"type":"Unigram","vocab":{}})",
       "/model/vocab: wrong type, expected an array, got an object"},
      {R"({"type":"Unigram","vocab":[["a",-1]],"unk_id":1})",
       "/model/unk_id: out of range, expected an integer in [0, 0], got 1"},
      {R"({"type":"WordPiece","vocab":{"a":0},"max_input_chars_per_word":100000})",
       "/model/max_input_chars_per_word: out of range, expected an integer in "
       "[1, 1000], got "
       "100000"},
  };
  for (const auto &[model, expected] : cases)
    EXPECT_EQ(message(document(model)), std::string("t.json:") + expected);
  EXPECT_EQ(message("[]"), "t.json:/: wrong type, expected an object, got an array of 0");
  EXPECT_EQ(message("{}"), "t.json:/model: missing, expected an object, got nothing");
  std::string deep;
  for (int i = 0; i < 100000; ++i)
    deep += R"({"type":"Sequence","normalizers":[)";
  EXPECT_NE(message("{\"normalizer\":" + deep).find("nesting deeper than 128"), std::string::npos);
}

TEST(TokenizerJson, GuessesTheModelOfOldFiles) {
  EXPECT_EQ(encode(*loaded(fromText(document(R"({"vocab":{"a":0},"merges":[]})"))), "aa"),
            (Ids{0, 0}));
  EXPECT_EQ(
      encode(*loaded(fromText(document(R"({"vocab":[["<unk>",0],["a",-1]],"unk_id":0})"))), "ax"),
      (Ids{1, 0}));
  EXPECT_EQ(encode(*loaded(fromText(
                       document(R"({"vocab":{"a":0,"##b":1},"continuing_subword_prefix":"##"})"))),
                   "ab"),
            (Ids{0, 1}));
  EXPECT_EQ(encode(*loaded(fromText(document(R"({"vocab":{"ab":5}})"))), "ab"), (Ids{5}));
}

TEST(TokenizerJson, SaysWhenACharacterCannotBeSaid) {
  auto t = loaded(fromText(document(R"({"type":"WordLevel","vocab":{"a":0}})")));
  EXPECT_EQ(refusal(t->encode("b")), "text: character outside the vocabulary, "
                                     "expected known characters, as the model "
                                     "has no unknown token, got another");
  auto dropped = loaded(fromText(bpe("")));
  EXPECT_EQ(encode(*dropped, "axb"), (Ids{2})); // as the reference drops it
}

TEST(TokenizerJson, BytesOutsideTheVocabulary) {
  // Byte tokens that are missing or misspelled make the character unknown.
  std::string model =
      R"({"type":"BPE","byte_fallback":true,"unk_token":"u","vocab":
    {"u":0,"a":1,"<0xC3>":2,"<0xZZ>":3,"<0xa9>":4},"merges":[]})";
  auto t = loaded(fromText(document(model)));
  EXPECT_EQ(encode(*t, "aéa"), (Ids{1, 0, 1}));
  auto u = loaded(fromText(document(R"({"type":"BPE","byte_fallback":true,"unk_token":"u",
    "vocab":{"u":0,"a":1,"<0xC3>":2,"<0xA9>":4},"merges":[]})",
                                    R"("decoder":{"type":"ByteFallback"})")));
  EXPECT_EQ(encode(*u, "éa"), (Ids{2, 4, 1}));
  EXPECT_EQ(u->decode({2, 4, 1, 2}), "éa\xEF\xBF\xBD");
}

TEST(TokenizerJson, BoundsGrowthAndWork) {
  std::string big(1 << 20, 'a');
  auto grow = loaded(fromText(bpe(R"("normalizer":{"type":"Replace","pattern":{"String":"a"},
      "content":")" + std::string(4096, 'b') +
                                  "\"}")));
  EXPECT_EQ(refusal(grow->encode(big)),
            "text: grows too much under normalization, expected at most "
            "17825792 bytes, got "
            "more");
  auto bomb = loaded(fromText(bpe(R"("pre_tokenizer":{"type":"Split","behavior":"Isolated",
      "pattern":{"Regex":"(a+)+$x"}})")));
  double seconds = secondsOf([&] {
    EXPECT_EQ(refusal(bomb->encode(big.substr(0, 100000))),
              "text: too much work for the pattern \"(a+)+$x\", expected at "
              "most 40002000 "
              "steps, got more");
  });
  EXPECT_LT(seconds, 20.0);
}

TEST(TokenizerJson, MergesLeftmostFirst) {
  auto t = loaded(fromText(document(R"({"type":"BPE","vocab":{"a":0,"aa":1},"merges":["a a"]})")));
  for (size_t n : {3, 31, 33, 101, 1001}) { // short and long words take other ways
    Ids want(n / 2, 1);
    want.push_back(0);
    EXPECT_EQ(encode(*t, std::string(n, 'a')), want);
  }
}

TEST(TokenizerJson, FollowsTheFlagsOfBPE) {
  auto ids = [](const std::string &flags, std::string_view text) {
    return encode(*loaded(fromText(document(
                      R"({"type":"BPE","unk_token":"?","vocab":{"?":0,"a":1,"b":2,"abb":3,
        "ab":4},"merges":["a b"],)" +
                      flags + "}"))),
                  text);
  };
  EXPECT_EQ(ids(R"("ignore_merges":true)", "abb"), (Ids{3}));
  EXPECT_EQ(ids(R"("ignore_merges":false)", "abb"), (Ids{4, 2}));
  EXPECT_EQ(ids(R"("fuse_unk":true)", "xxaxxx"), (Ids{0, 1, 0}));
  EXPECT_EQ(ids(R"("fuse_unk":false)", "xxax"), (Ids{0, 0, 1, 0}));
  std::string suffixed =
      R"({"type":"BPE","end_of_word_suffix":"</w>","continuing_subword_prefix":"@",
      "vocab":{"a":0,"@b":1,"@b</w>":2,"ab</w>":3},"merges":["a @b</w>"]})";
  EXPECT_EQ(encode(*loaded(fromText(document(suffixed))), "ab"), (Ids{3}));
  EXPECT_EQ(encode(*loaded(fromText(document(suffixed))), "abb"), (Ids{0, 1, 2}));
}

TEST(TokenizerJson, IsFastOnOneCharacter) {
  for (const char *name : {"gpt2", "llama3", "llama", "unigram", "bert", "clip"}) {
    auto t = loaded(Tokenizer::load(fixture(std::string(name) + ".json")));
    for (const char *unit : {"a", " ", "\xF0\x9F\x98\x80", "\xCC\x81"}) {
      std::string text;
      while (text.size() < (1u << 20))
        text += unit;
      EXPECT_LT(secondsOf([&] { encode(*t, text); }), 10.0) << name << " " << unit;
    }
  }
}

TEST(TokenizerJson, LeavesRangesLiteral) {
  auto t = loaded(Tokenizer::load(fixture("gpt2.json")));
  EncodeOptions options;
  options.literal = {{12, 24}};
  Ids ids = encode(*t, "<|im_start|><|im_start|><|im_start|>", options);
  EXPECT_EQ(ids.front(), 1);
  EXPECT_EQ(ids.back(), 1);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 1), 2);
  EXPECT_EQ(t->decode(ids, false), "<|im_start|><|im_start|><|im_start|>");
}
