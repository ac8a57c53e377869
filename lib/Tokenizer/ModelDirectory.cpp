// Tokenizers of model directories: tokenizer.json, tokenizer.model, vocab.txt
// or vocab.json with merges.txt, and what tokenizer_config.json,
// chat_template.jinja, generation_config.json and config.json add.

#include "ModelDirectory.h"
#include "BPE.h"
#include "Components.h"
#include "PreTokenizers.h"
#include "WordPiece.h"
#include "fingpt/Support/MappedFile.h"

#include <algorithm>
#include <filesystem>

namespace fingpt::tokenizer {

namespace {

bool exists(const std::string &path) {
  std::error_code ignored;
  return std::filesystem::is_regular_file(path, ignored);
}

Result<std::unique_ptr<Tokenizer>> fromVocabTxt(const std::string &path, bool lowercase) {
  auto text = readFile(path, 256u << 20);
  if (!text)
    return text.takeError();
  auto pipeline = std::make_unique<Pipeline>();
  std::string_view rest = *text;
  int32_t id = 0;
  for (; !rest.empty(); ++id) {
    size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (!line.empty() && line.back() == '\r')
      line.remove_suffix(1);
    std::string where = escaped(path, 1000) + ":" + std::to_string(id + 1);
    if (id > kMaxTokenId)
      return Error::at(where, "tokens", "at most " + std::to_string(kMaxTokenId + 1), "more");
    if (pipeline->vocabulary.add(line, id) != Vocabulary::Added::Ok)
      return Error::at(where, "duplicate token", "distinct texts", quote(line));
  }
  if (Status s = completeBert(*pipeline, lowercase, escaped(path, 1000)); !s)
    return s.takeError();
  return std::unique_ptr<Tokenizer>(std::move(pipeline));
}

/// GPT-2's two files.
Result<std::unique_ptr<Tokenizer>> fromVocabAndMerges(const std::string &vocabPath,
                                                      const std::string &mergesPath) {
  auto vocab = readJsonFile(vocabPath);
  if (!vocab)
    return vocab.takeError();
  auto text = readFile(mergesPath, 256u << 20);
  if (!text)
    return text.takeError();
  Json merges = Json::array();
  std::string_view rest = *text;
  while (!rest.empty()) {
    size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (!line.empty() && line.back() == '\r')
      line.remove_suffix(1);
    if (!line.empty() && line.substr(0, 9) != "#version:")
      merges.push_back(std::string(line));
  }
  Json added = Json::array();
  if (vocab->is_object() && vocab->contains("<|endoftext|>"))
    added.push_back(
        {{"id", (*vocab)["<|endoftext|>"]}, {"content", "<|endoftext|>"}, {"special", true}});
  Json root = {{"added_tokens", added},
               {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
               {"decoder", {{"type", "ByteLevel"}}},
               {"model", {{"type", "BPE"}, {"vocab", *vocab}, {"merges", merges}}}};
  return Tokenizer::fromJson(root, vocabPath);
}

/// tokenizer_config.json on top of what the vocabulary file said.
class Config {
public:
  Config(Pipeline &pipeline, const Component &config, bool described)
      : pipeline(pipeline), config(config), described(described) {}

  Status apply() {
    if (Status s = config.expectObject(); !s)
      return s;
    if (Status s = addedTokens(); !s)
      return s;
    SpecialTokens &special = pipeline.specialForUpdate();
    const std::pair<const char *, std::optional<int32_t> *> roles[] = {
        {"bos_token", &special.bos},  {"eos_token", &special.eos}, {"unk_token", &special.unk},
        {"pad_token", &special.pad},  {"sep_token", &special.sep}, {"cls_token", &special.cls},
        {"mask_token", &special.mask}};
    for (auto [key, id] : roles)
      if (Status s = role(key, *id); !s)
        return s;
    if (Status s = addBosEos(); !s)
      return s;
    return chatTemplate();
  }

private:
  Status addedTokens() {
    if (!config.has("added_tokens_decoder"))
      return Status::ok();
    auto tokens = config.member("added_tokens_decoder");
    if (!tokens)
      return tokens.takeError();
    for (const auto &[key, value] : tokens->json().items()) {
      Component item(value, config.fileName(), "/added_tokens_decoder/" + escaped(key));
      int64_t id = 0;
      bool number = !key.empty() && key.size() <= 9;
      for (char c : key) {
        number = number && c >= '0' && c <= '9';
        id = number ? id * 10 + (c - '0') : 0;
      }
      if (!number || id > kMaxTokenId)
        return Error::at(item.where(), "token id",
                         "an integer in [0, " + std::to_string(kMaxTokenId) + "]", quote(key));
      if (Status s = item.expectObject(); !s)
        return s;
      AddedToken token;
      token.id = static_cast<int32_t>(id);
      auto content = item.string("content");
      if (!content)
        return content.takeError();
      token.content = std::move(*content);
      if (Status s = readAddedTokenFlags(item, token); !s)
        return s;
      if (Status s = addToPipeline(pipeline, token, item.where()); !s)
        return s;
    }
    return Status::ok();
  }

  /// "x", or {"content": "x", …}.
  Status role(const char *key, std::optional<int32_t> &id) {
    const Json *value = config.find(key);
    if (!value)
      return Status::ok();
    const Json *text = value;
    if (value->is_object() && value->contains("content"))
      text = &(*value)["content"];
    if (!text->is_string())
      return Error::at(config.where(key), "wrong type", "a string", describe(*text));
    id = pipeline.tokenId(text->get_ref<const std::string &>());
    return Status::ok();
  }

  /// add_bos_token and add_eos_token. A tokenizer.json says itself what it
  /// adds; only the Llama and Gemma classes let these flags overrule it.
  Status addBosEos() {
    auto name = config.string("tokenizer_class", "");
    if (!name)
      return name.takeError();
    auto begins = [&](std::string_view prefix) {
      return name->compare(0, prefix.size(), prefix) == 0;
    };
    if (described && !begins("Llama") && !begins("CodeLlama") && !begins("Gemma"))
      return Status::ok();
    const SpecialTokens &special = pipeline.special();
    for (bool begin : {true, false}) {
      const char *key = begin ? "add_bos_token" : "add_eos_token";
      std::optional<int32_t> id = begin ? special.bos : special.eos;
      std::vector<int32_t> &ids = begin ? pipeline.before : pipeline.after;
      if (!config.has(key) || !id)
        continue;
      auto wanted = config.boolean(key, false);
      if (!wanted)
        return wanted.takeError();
      bool present = !ids.empty() && (begin ? ids.front() : ids.back()) == *id;
      auto place = begin ? ids.begin() : ids.end();
      if (*wanted && !present)
        ids.insert(place, *id);
      else if (!*wanted && present)
        ids.erase(begin ? place : place - 1);
    }
    return Status::ok();
  }

  /// A string, or a list of {"name", "template"} with one called "default".
  Status chatTemplate() {
    const Json *value = config.find("chat_template");
    if (!value)
      return Status::ok();
    if (value->is_string()) {
      pipeline.chatForUpdate() = value->get<std::string>();
      return Status::ok();
    }
    return config.forEach("chat_template", [&](const Component &item, size_t) -> Status {
      auto name = item.string("name");
      auto text = item.string("template");
      if (!name)
        return name.takeError();
      if (!text)
        return text.takeError();
      if (*name == "default" || !pipeline.chatForUpdate())
        pipeline.chatForUpdate() = std::move(*text);
      return Status::ok();
    });
  }

  Pipeline &pipeline;
  const Component &config;
  bool described;
};

/// eos_token_id: an id or a list of ids.
Status readStop(Pipeline &pipeline, const Component &config) {
  if (Status s = config.expectObject(); !s)
    return s;
  const Json *value = config.find("eos_token_id");
  if (!value)
    return Status::ok();
  Json list = value->is_array() ? *value : Json::array({*value});
  std::vector<int32_t> stop;
  for (const Json &id : list) {
    if (!id.is_number_integer() || id < 0 || id > kMaxTokenId)
      return Error::at(config.where("eos_token_id"), "token id",
                       "an integer in [0, " + std::to_string(kMaxTokenId) + "]", describe(id));
    if (std::find(stop.begin(), stop.end(), id.get<int32_t>()) == stop.end())
      stop.push_back(id.get<int32_t>());
  }
  pipeline.specialForUpdate().stop = std::move(stop);
  return Status::ok();
}

/// Runs `apply(Component)` on a JSON file if there is one.
template <typename Apply> Status withJson(const std::string &path, Apply &&apply) {
  if (!exists(path))
    return Status::ok();
  auto json = readJsonFile(path, 64u << 20);
  if (!json)
    return json.takeError();
  return apply(Component(*json, path));
}

} // namespace

Result<std::unique_ptr<Tokenizer>> loadModelDirectory(std::string directory) {
  while (directory.size() > 1 && directory.back() == '/')
    directory.pop_back();
  auto file = [&](const char *name) { return directory + "/" + name; };
  Result<std::unique_ptr<Tokenizer>> loaded =
      Error::at(escaped(directory, 1000), "no tokenizer",
                "tokenizer.json, tokenizer.model, spiece.model, sentencepiece.bpe.model, "
                "vocab.json with merges.txt, vocab.txt, tokenizer.gguf or tokenizer.bin",
                "none of them");
  // A directory imported from GGUF or llama2.c carries the vocabulary in that form, which
  // says everything itself.
  for (const char *name : {"tokenizer.gguf", "tokenizer.bin"})
    if (exists(file(name)))
      return Tokenizer::load(file(name));
  bool described = exists(file("tokenizer.json"));
  if (described) {
    loaded = Tokenizer::load(file("tokenizer.json"));
  } else if (exists(file("vocab.json")) && exists(file("merges.txt"))) {
    loaded = fromVocabAndMerges(file("vocab.json"), file("merges.txt"));
  } else if (exists(file("vocab.txt"))) {
    bool lowercase = true;
    Status s = withJson(file("tokenizer_config.json"), [&](const Component &config) {
      auto flag = config.boolean("do_lower_case", true);
      lowercase = flag && *flag;
      return flag ? Status::ok() : Status(flag.takeError());
    });
    if (!s)
      return s.takeError();
    loaded = fromVocabTxt(file("vocab.txt"), lowercase);
  } else {
    for (const char *name : {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model"})
      if (!loaded && exists(file(name)))
        return finishModelDirectory(Tokenizer::load(file(name)), directory, false);
  }
  return finishModelDirectory(std::move(loaded), directory, described);
}

Result<std::unique_ptr<Tokenizer>> finishModelDirectory(Result<std::unique_ptr<Tokenizer>> loaded,
                                                        const std::string &directory,
                                                        bool described) {
  if (!loaded)
    return loaded;
  auto &pipeline = static_cast<Pipeline &>(**loaded);
  auto file = [&](const char *name) { return directory + "/" + name; };
  pipeline.specialForUpdate().stop.clear();
  Status s = withJson(file("tokenizer_config.json"), [&](const Component &config) {
    return Config(pipeline, config, described).apply();
  });
  if (s && exists(file("chat_template.jinja"))) {
    auto text = readFile(file("chat_template.jinja"), 16u << 20);
    if (!text)
      return text.takeError();
    pipeline.chatForUpdate() = std::move(*text);
  }
  auto stop = [&](const Component &config) { return readStop(pipeline, config); };
  const char *source =
      exists(file("generation_config.json")) ? "generation_config.json" : "config.json";
  if (s)
    s = withJson(file(source), stop);
  if (!s)
    return s.takeError();
  finishSpecial(pipeline);
  return loaded;
}

} // namespace fingpt::tokenizer
