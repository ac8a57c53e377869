// tokenizer.json: model, added tokens and the assembly of the stages.

#include "BPE.h"
#include "Components.h"
#include "Pipeline.h"
#include "SentencePiece.h"
#include "WordPiece.h"

#include <cmath>
#include <cstring>

namespace fingpt {

using namespace tokenizer;

namespace {

class Reader {
public:
  Reader(const Json &json, const std::string &name) : root(json, name) {}

  Status read() {
    if (Status s = root.expectObject(); !s)
      return s;
    auto model = root.member("model");
    if (!model)
      return model.takeError();
    auto type = modelType(*model);
    if (!type)
      return type.takeError();
    kind = *type;
    if (Status s = kind == "Unigram" ? readPieces(*model) : readVocabulary(*model); !s)
      return s;
    if (Status s = readStages(*model); !s)
      return s;
    Status s = kind == "BPE"       ? readBPE(*model)
               : kind == "Unigram" ? readUnigram(*model)
                                   : readWords(*model);
    if (!s)
      return s;
    if (Status added = readAddedTokens(); !added)
      return added;
    return checkPostProcessor();
  }

  std::unique_ptr<Pipeline> pipeline = std::make_unique<Pipeline>();

private:
  static Result<std::string> modelType(const Component &model) {
    auto type = model.string("type", "");
    if (!type)
      return type.takeError();
    if (type->empty()) { // older files leave it out
      const Json *vocab = model.find("vocab");
      *type = model.has("merges")                      ? "BPE"
              : vocab && vocab->is_array()             ? "Unigram"
              : model.has("continuing_subword_prefix") ? "WordPiece"
                                                       : "WordLevel";
    }
    if (*type != "BPE" && *type != "Unigram" && *type != "WordPiece" && *type != "WordLevel")
      return Error::at(model.where("type"), "unsupported model",
                       "BPE, Unigram, WordPiece or WordLevel", quote(*type));
    return *type;
  }

  Status readVocabulary(const Component &model) {
    auto vocab = model.member("vocab");
    if (!vocab)
      return vocab.takeError();
    for (const auto &[text, id] : vocab->json().items()) {
      bool fits = id.is_number_integer() && id >= 0 && id <= kMaxTokenId;
      if (!fits)
        return Error::at(vocab->where(text), "token id",
                         "an integer in [0, " + std::to_string(kMaxTokenId) + "]", describe(id));
      auto value = id.get<int32_t>();
      if (pipeline->vocabulary.add(text, value) != Vocabulary::Added::Ok)
        return Error::at(vocab->where(text), "duplicate token id", "distinct ids",
                         std::to_string(value) + ", that of " +
                             quote(pipeline->vocabulary.text(value)));
    }
    return Status::ok();
  }

  Status readPieces(const Component &model) {
    const Json *vocab = model.find("vocab");
    if (!vocab || !vocab->is_array())
      return Error::at(model.where("vocab"), "wrong type", "an array",
                       vocab ? describe(*vocab) : "nothing");
    int32_t id = 0;
    for (const Json &item : *vocab) {
      std::string where = model.where("vocab") + "/" + std::to_string(id);
      if (!item.is_array() || item.size() != 2 || !item[0].is_string() || !item[1].is_number() ||
          id > kMaxTokenId)
        return Error::at(where, "piece", "[text, score]", describe(item));
      const auto &text = item[0].get_ref<const std::string &>();
      // The reference keeps the last of two pieces alike for the way there and
      // both for the way back; such a file is rather broken.
      if (pipeline->vocabulary.add(text, id) != Vocabulary::Added::Ok)
        return Error::at(where, "duplicate piece", "distinct texts", quote(text));
      if (text.size() > kMaxAddedTokenBytes)
        return Error::at(where, "piece",
                         "at most " + std::to_string(kMaxAddedTokenBytes) + " bytes",
                         std::to_string(text.size()));
      scores.push_back(item[1].get<double>());
      ++id;
    }
    return Status::ok();
  }

  Status readStages(const Component &model) {
    if (root.has("normalizer")) {
      auto normalizer = root.member("normalizer");
      if (!normalizer)
        return normalizer.takeError();
      if (Status s = readNormalizer(*normalizer, pipeline->normalizers); !s)
        return s;
    }
    if (root.has("pre_tokenizer")) {
      auto pre = root.member("pre_tokenizer");
      if (!pre)
        return pre.takeError();
      PreTokenizerReading reading;
      reading.modelTakesBytes = kind == "BPE" && plainText(model, "end_of_word_suffix") &&
                                plainText(model, "continuing_subword_prefix");
      if (Status s = readPreTokenizer(*pre, true, reading); !s)
        return s;
      pipeline->preTokenizers = std::move(reading.stages);
      byteLevel = reading.leftBytes;
    }
    if (root.has("post_processor")) {
      auto post = root.member("post_processor");
      if (!post)
        return post.takeError();
      if (Status s = readPostProcessor(*post, pipeline->before, pipeline->after); !s)
        return s;
    }
    if (!root.has("decoder")) {
      pipeline->decoders = {joinDecoder};
      return Status::ok();
    }
    auto decoder = root.member("decoder");
    if (!decoder)
      return decoder.takeError();
    return readDecoder(*decoder, pipeline->decoders);
  }
  static bool plainText(const Component &model, const char *key) {
    const Json *value = model.find(key);
    return !value || (value->is_string() && value->get_ref<const std::string &>().empty());
  }

  /// The id of `unk_token`, -1 if there is none.
  Status readUnknown(const Component &model, int32_t &id) {
    auto text = model.string("unk_token", "");
    if (!text)
      return text.takeError();
    id = text->empty() ? -1 : pipeline->vocabulary.find(*text);
    if (id >= 0)
      pipeline->specialForUpdate().unk = id;
    else if (!text->empty() && kind == "BPE")
      return Error::at(model.where("unk_token"), "unknown token", "a token of the vocabulary",
                       quote(*text));
    return Status::ok();
  }

  Status readBPE(const Component &model) {
    BPEOptions options;
    auto ignoreMerges = model.boolean("ignore_merges", false);
    auto byteFallback = model.boolean("byte_fallback", false);
    auto fuse = model.boolean("fuse_unk", false);
    for (auto *flag : {&ignoreMerges, &byteFallback, &fuse})
      if (!*flag)
        return flag->takeError();
    auto prefix = model.string("continuing_subword_prefix", "");
    auto suffix = model.string("end_of_word_suffix", "");
    auto dropout = model.number("dropout", 0);
    if (!prefix)
      return prefix.takeError();
    if (!suffix)
      return suffix.takeError();
    if (!dropout)
      return dropout.takeError();
    if (*dropout != 0)
      return Error::at(model.where("dropout"), "dropout", "null or 0, for it is random",
                       describe(*model.find("dropout")));
    options.byteLevel = byteLevel;
    options.ignoreMerges = *ignoreMerges;
    options.byteFallback = *byteFallback;
    options.fuseUnknown = *fuse;
    options.continuingPrefix = *prefix;
    options.endOfWordSuffix = *suffix;
    if (Status s = readUnknown(model, options.unknown); !s)
      return s;

    const Json *merges = model.find("merges");
    if (!merges || !merges->is_array())
      return Error::at(model.where("merges"), "wrong type", "an array",
                       merges ? describe(*merges) : "nothing");
    MergeTable table(merges->size());
    uint32_t rank = 0;
    for (const Json &merge : *merges) {
      std::string_view left, right;
      bool good = false;
      if (merge.is_string()) {
        std::string_view text = merge.get_ref<const std::string &>();
        size_t space = text.find(' ');
        if (space != std::string_view::npos) {
          left = text.substr(0, space);
          right = text.substr(space + 1);
          good = right.find(' ') == std::string_view::npos;
        }
      } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
                 merge[1].is_string()) {
        left = merge[0].get_ref<const std::string &>();
        right = merge[1].get_ref<const std::string &>();
        good = true;
      }
      if (!good || !addMerge(table, pipeline->vocabulary, left, right, rank, *prefix))
        return Error::at(model.where("merges") + "/" + std::to_string(rank), "merge",
                         "two tokens of the vocabulary whose join is a third",
                         merge.is_array() ? quote(left) + " and " + quote(right) : describe(merge));
      ++rank;
    }
    pipeline->model = std::make_unique<BPE>(pipeline->vocabulary, std::move(table), options);
    return Status::ok();
  }

  Status readUnigram(const Component &model) {
    ScoredPieces pieces;
    pieces.types.assign(scores.size(), PieceType::Normal);
    pieces.scores.assign(scores.begin(), scores.end());
    auto fallback = model.boolean("byte_fallback", false);
    if (!fallback)
      return fallback.takeError();
    pieces.byteFallback = *fallback;
    if (scores.empty())
      return Error::at(model.where("vocab"), "vocabulary", "pieces", "none");
    if (model.has("unk_id")) {
      auto id = model.integer("unk_id", 0, static_cast<int64_t>(scores.size()) - 1);
      if (!id)
        return id.takeError();
      pieces.unknown = static_cast<int32_t>(*id);
      pipeline->specialForUpdate().unk = pieces.unknown;
    }
    UnigramOptions options;
    options.floatScores = false;
    options.lookUpFused = true;
    pipeline->model = std::make_unique<Unigram>(pipeline->vocabulary, std::move(pieces), options,
                                                std::move(scores));
    return Status::ok();
  }

  Status readWords(const Component &model) {
    int32_t unknown = -1;
    if (Status s = readUnknown(model, unknown); !s)
      return s;
    if (kind == "WordLevel") {
      pipeline->model = std::make_unique<WordLevel>(pipeline->vocabulary, unknown);
      return Status::ok();
    }
    auto prefix = model.string("continuing_subword_prefix", "##");
    auto most = model.integer("max_input_chars_per_word", 1, kMaxWordCharacters, 100);
    if (!prefix)
      return prefix.takeError();
    if (!most)
      return most.takeError();
    pipeline->model = std::make_unique<WordPiece>(pipeline->vocabulary, unknown, *prefix,
                                                  static_cast<size_t>(*most));
    return Status::ok();
  }

  Status readAddedTokens() {
    if (!root.has("added_tokens"))
      return Status::ok();
    return root.forEach("added_tokens", [&](const Component &item, size_t) -> Status {
      auto token = readAddedToken(item);
      if (!token)
        return token.takeError();
      return addToPipeline(*pipeline, *token, item.where());
    });
  }

  static Result<AddedToken> readAddedToken(const Component &item) {
    AddedToken token;
    auto id = item.integer("id", 0, kMaxTokenId);
    auto content = item.string("content");
    if (!id)
      return id.takeError();
    if (!content)
      return content.takeError();
    token.id = static_cast<int32_t>(*id);
    token.content = std::move(*content);
    if (Status s = readAddedTokenFlags(item, token); !s)
      return s.takeError();
    return token;
  }

  Status checkPostProcessor() {
    for (const auto *ids : {&pipeline->before, &pipeline->after})
      for (int32_t id : *ids)
        if (!pipeline->vocabulary.has(id) && !pipeline->extra.has(id))
          return Error::at(root.where("post_processor"), "token id", "a token of the vocabulary",
                           std::to_string(id));
    return Status::ok();
  }

  Component root;
  std::string kind;
  std::vector<double> scores;
  bool byteLevel = false;
};

} // namespace

Status tokenizer::readAddedTokenFlags(const JsonObject &item, AddedToken &token) {
  auto special = item.boolean("special", false);
  auto normalized = item.boolean("normalized", !special || !*special);
  auto single = item.boolean("single_word", false);
  auto left = item.boolean("lstrip", false), right = item.boolean("rstrip", false);
  for (auto *flag : {&special, &normalized, &single, &left, &right})
    if (!*flag)
      return flag->takeError();
  token.special = *special;
  token.normalized = *normalized;
  token.singleWord = *single;
  token.stripLeft = *left;
  token.stripRight = *right;
  return Status::ok();
}

Status tokenizer::addToPipeline(Pipeline &pipeline, const AddedToken &token,
                                const std::string &where) {
  if (token.content.empty() || token.content.size() > kMaxAddedTokenBytes)
    return Error::at(where, "added token", "1 to " + std::to_string(kMaxAddedTokenBytes) + " bytes",
                     std::to_string(token.content.size()));
  int32_t known = pipeline.vocabulary.find(token.content);
  if (known < 0)
    known = pipeline.extra.find(token.content);
  if (known >= 0 && known != token.id)
    return Error::at(where, "id of added token " + quote(token.content),
                     std::to_string(known) + " as in the vocabulary", std::to_string(token.id));
  if (known < 0) {
    if (pipeline.vocabulary.has(token.id) || pipeline.extra.has(token.id))
      return Error::at(where, "id of added token " + quote(token.content), "a free id",
                       std::to_string(token.id) + ", that of " + quote(pipeline.textOf(token.id)));
    pipeline.extra.add(token.content, token.id);
  }
  if (Status s = pipeline.addToken(token); !s)
    return s.takeError().in(where);
  return Status::ok();
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::fromJson(const Json &json, const std::string &name) {
  Reader reader(json, name);
  if (Status s = reader.read(); !s)
    return s.takeError();
  // The file has no roles; the names that models use are what there is.
  Pipeline &pipeline = *reader.pipeline;
  SpecialTokens &special = pipeline.specialForUpdate();
  auto role = [&](std::optional<int32_t> &id, std::initializer_list<const char *> names) {
    for (const char *text : names)
      if (!id)
        if (auto found = pipeline.tokenId(text); found && pipeline.isSkipped(*found))
          id = found;
  };
  role(special.bos, {"<s>", "<|begin_of_text|>", "<bos>", "[BOS]"});
  role(special.eos,
       {"</s>", "<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "<eos>", "[EOS]"});
  role(special.pad, {"<pad>", "[PAD]"});
  role(special.unk, {"<unk>", "[UNK]"});
  role(special.cls, {"[CLS]"});
  role(special.sep, {"[SEP]"});
  role(special.mask, {"[MASK]", "<mask>"});
  finishSpecial(pipeline);
  return std::unique_ptr<Tokenizer>(std::move(reader.pipeline));
}

} // namespace fingpt
