#include "TokenizerTesting.h"

using namespace fingpt;
using namespace fingpt::test;

namespace {

const std::string kSpace = "\xE2\x96\x81";

Vocab byteLevel() {
  return Vocab()
      .text("model", "gpt2")
      .text("pre", "gpt-2")
      .texts("tokens", {"a", "b", "ab", "\xC4\xA0", "<|eot|>", "ZZ"})
      .texts("merges", {"a b"})
      .integers("token_type", {1, 1, 1, 1, 3, 4})
      .number("eos_token_id", 4);
}
Vocab scored(const char *model = "llama") {
  return Vocab()
      .text("model", model)
      .texts("tokens", {"<unk>", "<s>", "</s>", kSpace, "a", kSpace + "a", "<0xC3>", "<0xA9>"})
      .floats("scores", {0, 0, 0, -1, -2, -3, 0, 0})
      .integers("token_type", {2, 3, 3, 1, 1, 1, 6, 6});
}
std::string message(const Vocab &vocab) { return refusal(fromImage(vocab.image())); }

} // namespace

TEST(GGUFVocabulary, ReadsByteLevelBPE) {
  auto t = loaded(fromImage(byteLevel().image()));
  ASSERT_TRUE(t);
  EXPECT_EQ(encode(*t, "ab abZZ<|eot|>"), (Ids{2, 3, 2, 5, 4}));
  EncodeOptions plain;
  plain.parseSpecial = false;
  EXPECT_EQ(encode(*t, "ZZ<|eot|>", plain), (Ids{5})); // the rest has no bytes here
  EXPECT_EQ(t->decode({2, 3, 2, 4}), "ab ab");
  EXPECT_EQ(t->special().stop, (Ids{4}));
  EXPECT_FALSE(t->special().addBos);
}

TEST(GGUFVocabulary, AddsBosAsTold) {
  auto with = [](Vocab v) {
    return encode(*loaded(fromImage(v.number("bos_token_id", 4).image())), "a");
  };
  EXPECT_EQ(with(byteLevel()), (Ids{0}));
  EXPECT_EQ(with(byteLevel().flag("add_bos_token", true).flag("add_eos_token", true)),
            (Ids{4, 0, 4}));
  EXPECT_EQ(with(Vocab()
                     .text("model", "gpt2")
                     .text("pre", "llama-bpe")
                     .texts("tokens", {"a", "b", "c", "d", "e"})
                     .texts("merges", {})),
            (Ids{4, 0}));
  auto roberta = Vocab()
                     .text("model", "gpt2")
                     .text("pre", "roberta-bpe")
                     .texts("tokens", {"a", "<s>", "</s>"})
                     .texts("merges", {})
                     .number("cls_token_id", 1)
                     .number("seperator_token_id", 2);
  EXPECT_EQ(encode(*loaded(fromImage(roberta.image())), "a"), (Ids{1, 0, 2}));
}

TEST(GGUFVocabulary, ReadsSentencePieceAndTemplates) {
  Vocab v = scored();
  v.body += kv("tokenizer.chat_template", 8, gstr("{{ messages }}"));
  ++v.pairs;
  auto t = loaded(fromImage(v.image()));
  ASSERT_TRUE(t);
  EXPECT_EQ(encode(*t, "a a"), (Ids{1, 5, 5}));
  EXPECT_EQ(encode(*t, "é<s>a"), (Ids{1, 3, 6, 7, 1, 5}));
  EXPECT_EQ(t->decode({1, 5, 5, 6, 7}), "a aé");
  EXPECT_EQ(t->chatTemplate(), "{{ messages }}");
  EXPECT_EQ(encode(*loaded(fromImage(scored().flag("add_space_prefix", false).image())), "a"),
            (Ids{1, 4}));
  auto t5 = loaded(
      fromImage(scored("t5").number("eos_token_id", 2).number("unknown_token_id", 0).image()));
  EXPECT_EQ(encode(*t5, "a"), (Ids{5, 2}));
}

TEST(GGUFVocabulary, ReadsGemmaAndBert) {
  auto gemma = Vocab()
                   .text("model", "gpt2")
                   .text("pre", "gemma4")
                   .texts("tokens", {"a", kSpace, kSpace + "a", "<0xC3>", "<0xA9>", "\n"})
                   .texts("merges", {kSpace + " a"});
  auto t = loaded(fromImage(gemma.image()));
  ASSERT_TRUE(t);
  EXPECT_EQ(encode(*t, "a aé\n"), (Ids{0, 2, 3, 4, 5}));
  EXPECT_EQ(t->decode({0, 2, 3, 4, 5}), "a aé\n");
  auto bert = Vocab()
                  .text("model", "bert")
                  .texts("tokens", {"[PAD]", "[UNK]", "[CLS]", "[SEP]", kSpace + "un", "able"});
  auto b = loaded(fromImage(bert.image()));
  EXPECT_EQ(encode(*b, "Unable x"), (Ids{2, 4, 5, 1, 3}));
  EXPECT_EQ(b->decode({2, 4, 5, 3}), "unable");
  EXPECT_EQ(message(Vocab().text("model", "bert").texts("tokens", {"a"})),
            "t.gguf: special tokens, expected [UNK], [CLS] and [SEP], got not "
            "all of them");
}

TEST(GGUFVocabulary, NamesTheFault) {
  EXPECT_EQ(message(Vocab().text("model", "rwkv").texts("tokens", {"a"})),
            "t.gguf:tokenizer.ggml.model: unknown tokenizer, expected gpt2, "
            "llama, bert or t5, "
            "got \"rwkv\"");
  EXPECT_NE(message(Vocab()).find("t.gguf:tokenizer.ggml.model"), std::string::npos);
  EXPECT_NE(message(Vocab().text("model", "gpt2")).find("tokenizer.ggml.tokens"),
            std::string::npos);
  EXPECT_EQ(message(Vocab().text("model", "gpt2").texts("tokens", {})),
            "t.gguf:tokenizer.ggml.tokens: token count, expected 1 to "
            "16777215, got 0");
  EXPECT_EQ(message(Vocab().text("model", "gpt2").texts("tokens", {"a", "a"})),
            "t.gguf:tokenizer.ggml.tokens/1: duplicate token, expected "
            "distinct texts, got "
            "\"a\" again (first as 0)");
  EXPECT_EQ(message(byteLevel().number("bos_token_id", 99)),
            "t.gguf:tokenizer.ggml.bos_token_id: token id, expected an id in "
            "[0, 5], got 99");
  EXPECT_EQ(message(byteLevel().number("unknown_token_id", 0xFFFFFFFF)), "accepted");
  EXPECT_EQ(message(Vocab()
                        .text("model", "gpt2")
                        .text("pre", "mystery")
                        .texts("tokens", {"a"})
                        .texts("merges", {})),
            "t.gguf:tokenizer.ggml.pre: unknown pre-tokenizer, expected a "
            "known name (gpt-2, "
            "llama-bpe, qwen2, smollm, …), got \"mystery\"");
  EXPECT_EQ(message(Vocab().text("model", "gpt2").texts("tokens", {"a"}).texts("merges", {"ab"})),
            "t.gguf:tokenizer.ggml.merges/0: merge, expected two tokens of the "
            "vocabulary whose "
            "join is a third, got \"ab\"");
  EXPECT_NE(message(Vocab().text("model", "gpt2").texts("tokens", {"a"})).find("merges"),
            std::string::npos);
  EXPECT_EQ(
      message(Vocab().text("model", "gpt2").texts("tokens", {"a"}).integers("token_type", {1, 1})),
      "t.gguf:tokenizer.ggml.token_type: count, expected 1, got 2");
  EXPECT_EQ(
      message(Vocab().text("model", "gpt2").texts("tokens", {"a"}).integers("token_type", {7})),
      "t.gguf:tokenizer.ggml.token_type/0: token type, expected 1 to 6, got 7");
  EXPECT_EQ(message(Vocab()
                        .text("model", "gpt2")
                        .texts("tokens", {std::string(513, 'x')})
                        .texts("merges", {})
                        .integers("token_type", {4})),
            "t.gguf:tokenizer.ggml.tokens/0: special token, expected at most "
            "512 bytes, got 513");
  EXPECT_EQ(message(Vocab().text("model", "llama").texts("tokens", {"a"}).floats("scores", {})),
            "t.gguf:tokenizer.ggml.scores: count, expected 1, got 0");
  EXPECT_EQ(message(Vocab().text("model", "llama").texts("tokens", {"a"}).floats("scores", {NAN})),
            "t.gguf:tokenizer.ggml.scores/0: score, expected a finite number, "
            "got nan");
  EXPECT_EQ(message(scored("t5").text("precompiled_charsmap", "x")),
            "t.gguf:tokenizer.ggml.precompiled_charsmap: wrong type, expected "
            "an array of bytes, "
            "got another type");
  EXPECT_EQ(message(scored("t5").add("precompiled_charsmap", 9, gArray(0, 3, "abc"))),
            "t.gguf:tokenizer.ggml.precompiled_charsmap: charsmap, expected at least "
            "4 bytes, "
            "got 3");
  for (const char *flag : {"add_space_prefix", "add_bos_token", "add_eos_token"})
    EXPECT_NE(message(scored().text(flag, "x")).find(flag), std::string::npos);
  EXPECT_NE(message(byteLevel().text("eot_token_id", "x")).find("eot_token_id"), std::string::npos);
}

/// A t5 vocabulary whose charsmap is a double array with the one rule "b" →
/// `to`.
static TokenizerResult withRule(uint32_t replacementAt, const std::string &replacements,
                                uint32_t valueOffset = 2) {
  std::vector<uint32_t> units(256, 0);
  units[0] = 1u << 10; // offset 1
  uint32_t at = 1 ^ 'b';
  units[at] = 'b' | 1u << 8 | valueOffset << 10; // has a value
  units[at ^ 2] = 0x80000000u | replacementAt;
  std::string map = u32(units.size() * 4);
  for (uint32_t u : units)
    map += u32(u);
  map += replacements;
  auto t5 = scored("t5")
                .number("eos_token_id", 2)
                .number("unknown_token_id", 0)
                .add("precompiled_charsmap", 9, gArray(0, map.size(), map));
  return fromImage(t5.image());
}

TEST(GGUFVocabulary, FollowsCharsMaps) {
  std::string a("\0a\0", 3);
  EXPECT_EQ(encode(*loaded(withRule(1, a)), "b"), (Ids{5, 2}));
  // Offsets that lead outside map nothing.
  EXPECT_EQ(encode(*loaded(withRule(9, a)), "b"), (Ids{3, 0, 2}));
  EXPECT_EQ(encode(*loaded(withRule(1, a, 4096)), "b"), (Ids{3, 0, 2}));
  std::string bomb = '\0' + std::string(100000, 'a') + '\0';
  EXPECT_EQ(refusal(loaded(withRule(1, bomb))->encode("bbbb")),
            "text: grows too much under normalization, expected at most 64 "
            "times its size, got "
            "more");
}
