#include "TokenizerTesting.h"
#include "fingpt/Support/MappedFile.h"

using namespace fingpt;
using namespace fingpt::test;

namespace {

/// A model directory with a copy of a fixture.
struct Directory : TempDir {
  explicit Directory(const std::string &name, const std::string &as) {
    write(as, *readFile(fixture(name)));
  }
  std::unique_ptr<Tokenizer> load() { return loaded(Tokenizer::load(path())); }
  std::string message() {
    std::string text = refusal(Tokenizer::load(path()));
    std::string root = path().substr(0, path().size() - 1); // without the /
    return text.compare(0, root.size(), root) == 0 ? text.substr(root.size()) : text;
  }
};

} // namespace

TEST(ModelDirectory, ReadsConfigurations) {
  Directory d("smollm.json", "tokenizer.json");
  d.write("tokenizer_config.json", R"({"bos_token":"<|im_start|>",
    "eos_token":{"content":"<|im_end|>"},"pad_token":null,"chat_template":"inline",
    "add_bos_token":true,
    "added_tokens_decoder":{"0":{"content":"<|endoftext|>","special":true},
                            "900":{"content":"<tool>","special":false}}})");
  d.write("generation_config.json", R"({"eos_token_id":[2,0,2]})");
  auto t = d.load();
  ASSERT_TRUE(t);
  EXPECT_EQ(t->special().bos, 1);
  EXPECT_EQ(t->special().eos, 2);
  EXPECT_EQ(t->special().stop, (Ids{2, 0}));
  EXPECT_EQ(t->chatTemplate(), "inline");
  EXPECT_EQ(t->tokenId("<tool>"), 900);
  EXPECT_EQ(encode(*t, "<tool>"), (Ids{900})); // this class says nothing of BOS
  d.write("chat_template.jinja", "from file");
  EXPECT_EQ(d.load()->chatTemplate(), "from file");
}

TEST(ModelDirectory, LetsLlamaOverruleBos) {
  Directory d("llama.json", "tokenizer.json");
  EXPECT_TRUE(d.load()->special().addBos);
  d.write("tokenizer_config.json",
          R"({"tokenizer_class":"LlamaTokenizer","bos_token":"<s>",
    "eos_token":"</s>","add_bos_token":false,"add_eos_token":true,
    "chat_template":[{"name":"tool","template":"x"},{"name":"default","template":"y"}]})");
  auto t = d.load();
  EXPECT_FALSE(t->special().addBos);
  EXPECT_TRUE(t->special().addEos);
  EXPECT_EQ(encode(*t, ""), (Ids{2}));
  EXPECT_EQ(t->chatTemplate(), "y");
}

TEST(ModelDirectory, FindsOtherVocabularies) {
  Directory spm("spm-bpe.model", "tokenizer.model");
  spm.write("config.json", R"({"eos_token_id":7})");
  EXPECT_EQ(encode(*spm.load(), "")[0], 1);
  EXPECT_EQ(spm.load()->special().stop, (Ids{7, 2}));
  Directory t5("spm-unigram.model", "spiece.model");
  EXPECT_EQ(encode(*t5.load(), "").back(), 2);

  TempDir bert;
  bert.write("vocab.txt", "[UNK]\r\n[CLS]\n[SEP]\nHello\nhello\n##s");
  EXPECT_EQ(encode(*loaded(Tokenizer::load(bert.path())), "Hellos"), (Ids{1, 4, 5, 2}));
  bert.write("tokenizer_config.json", R"({"do_lower_case":false})");
  EXPECT_EQ(encode(*loaded(Tokenizer::load(bert.path())), "Hellos"), (Ids{1, 3, 5, 2}));
  bert.write("tokenizer_config.json", R"({"do_lower_case":3})");
  EXPECT_NE(refusal(Tokenizer::load(bert.path())).find("/do_lower_case: wrong type"),
            std::string::npos);
  bert.write("vocab.txt", "a\na\n");
  bert.write("tokenizer_config.json", "{}");
  EXPECT_EQ(refusal(Tokenizer::load(bert.path())),
            bert.path("vocab.txt") + ":2: duplicate token, expected distinct texts, got \"a\"");

  TempDir gpt;
  gpt.write("vocab.json", R"({"a":0,"b":1,"ab":2,"<|endoftext|>":3})");
  gpt.write("merges.txt", "#version: 0.2\r\na b\r\n\n");
  EXPECT_EQ(encode(*loaded(Tokenizer::load(gpt.path())), "ab<|endoftext|>b"), (Ids{2, 3, 1}));
}

TEST(ModelDirectory, NamesTheFault) {
  TempDir empty;
  std::string root = empty.path().substr(0, empty.path().size() - 1);
  EXPECT_EQ(refusal(Tokenizer::load(empty.path())).find(root + ": no tokenizer, expected"), 0u);
  EXPECT_EQ(refusal(Tokenizer::load(empty.path("x.txt"))),
            empty.path("x.txt") + ": unknown kind of tokenizer file, expected a model directory, "
                                  "tokenizer.json, *.gguf, *.model or tokenizer.bin, got another "
                                  "name");
  for (const char *name : {"a.json", "a.gguf", "a.model", "a.bin"}) {
    EXPECT_EQ(refusal(Tokenizer::load(empty.path(name))).find(empty.path(name)), 0u);
    empty.write(name, "");
    EXPECT_EQ(refusal(Tokenizer::load(empty.path(name))).find(empty.path(name)), 0u);
  }
  EXPECT_EQ(loaded(Tokenizer::load(fixture("spm-bpe.model")))->special().bos, 1);

  const std::tuple<const char *, const char *, const char *> cases[] = {
      {"tokenizer_config.json", "[]",
       "/tokenizer_config.json:/: wrong type, expected an object, got an array "
       "of 0"},
      {"tokenizer_config.json", "{", ""},
      {"tokenizer_config.json", R"({"bos_token":7})",
       "/tokenizer_config.json:/bos_token: wrong type, expected a string, got "
       "7"},
      {"tokenizer_config.json", R"({"chat_template":7})",
       "/tokenizer_config.json:/chat_template: wrong type, expected an array, "
       "got 7"},
      {"tokenizer_config.json", R"({"chat_template":[{"name":"x"}]})",
       "/tokenizer_config.json:/chat_template/0/template: missing, expected a "
       "string, got "
       "nothing"},
      {"tokenizer_config.json", R"({"chat_template":[{}]})",
       "/tokenizer_config.json:/chat_template/0/name: missing, expected a "
       "string, got nothing"},
      {"tokenizer_config.json", R"({"tokenizer_class":7})",
       "/tokenizer_config.json:/tokenizer_class: wrong type, expected a "
       "string, got 7"},
      {"tokenizer_config.json",
       R"({"tokenizer_class":"LlamaTokenizer","bos_token":"<|im_start|>","add_bos_token":7})",
       "/tokenizer_config.json:/add_bos_token: wrong type, expected true or "
       "false, got 7"},
      {"tokenizer_config.json", R"({"added_tokens_decoder":7})",
       "/tokenizer_config.json:/added_tokens_decoder: wrong type, expected an "
       "object, got 7"},
      {"tokenizer_config.json", R"({"added_tokens_decoder":{"x":{}}})",
       "/tokenizer_config.json:/added_tokens_decoder/x: token id, expected an "
       "integer in [0, "
       "16777215], got \"x\""},
      {"tokenizer_config.json", R"({"added_tokens_decoder":{"5":7}})",
       "/tokenizer_config.json:/added_tokens_decoder/5: wrong type, expected "
       "an object, got 7"},
      {"tokenizer_config.json", R"({"added_tokens_decoder":{"5":{}}})",
       "/tokenizer_config.json:/added_tokens_decoder/5/content: missing, "
       "expected a string, got "
       "nothing"},
      {"tokenizer_config.json", R"({"added_tokens_decoder":{"5":{"content":"x","special":7}}})",
       "/tokenizer_config.json:/added_tokens_decoder/5/special: wrong type, "
       "expected true or "
       "false, got 7"},
      {"tokenizer_config.json", R"({"added_tokens_decoder":{"0":{"content":"zz"}}})",
       "/tokenizer_config.json:/added_tokens_decoder/0: id of added token "
       "\"zz\", expected a free "
       "id, got 0, that of \"<|endoftext|>\""},
      {"generation_config.json", "[]",
       "/generation_config.json:/: wrong type, expected an object, got an "
       "array of 0"},
      {"generation_config.json", R"({"eos_token_id":["x"]})",
       "/generation_config.json:/eos_token_id: token id, expected an integer "
       "in [0, 16777215], "
       "got \"x\""},
      {"generation_config.json", R"({"eos_token_id":-1})",
       "/generation_config.json:/eos_token_id: token id, expected an integer "
       "in [0, 16777215], "
       "got -1"},
  };
  for (auto [name, text, expected] : cases) {
    Directory d("smollm.json", "tokenizer.json");
    d.write(name, text);
    std::string got = d.message();
    if (*expected)
      EXPECT_EQ(got, expected) << text;
    else
      EXPECT_NE(got, "accepted");
  }
}
