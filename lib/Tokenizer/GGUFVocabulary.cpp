// Vocabularies in GGUF metadata: tokenizer.ggml.*.

#include "BPE.h"
#include "Normalizers.h"
#include "Pipeline.h"
#include "SentencePiece.h"
#include "WordPiece.h"
#include "fingpt/Params/GGUFFile.h"

#include <cmath>

namespace fingpt {

using namespace tokenizer;

namespace {

constexpr const char *kPrefix = "tokenizer.ggml.";

/// What every kind of vocabulary has.
class Reader {
public:
  Reader(const GGUFFile &file, bool wordPiece) : file(file), wordPiece(wordPiece) {}

  Status read() {
    auto texts = file.strings(key("tokens"));
    if (!texts)
      return texts.takeError();
    if (texts->empty() || texts->size() > static_cast<size_t>(kMaxTokenId))
      return Error::at(where("tokens"), "token count", "1 to " + std::to_string(kMaxTokenId),
                       std::to_string(texts->size()));
    int32_t id = 0;
    for (std::string_view raw : *texts) {
      std::string text = wordPiece ? wordPieceText(raw) : std::string(raw);
      if (pipeline->vocabulary.add(text, id) != Vocabulary::Added::Ok)
        return Error::at(where("tokens") + "/" + std::to_string(id), "duplicate token",
                         "distinct texts",
                         quote(text) + " again (first as " +
                             std::to_string(pipeline->vocabulary.find(text)) + ")");
      ++id;
    }
    if (file.find(key("token_type"))) {
      auto read = file.integers(key("token_type"));
      if (!read)
        return read.takeError();
      if (read->size() != texts->size())
        return Error::at(where("token_type"), "count", std::to_string(texts->size()),
                         std::to_string(read->size()));
      for (size_t i = 0; i < read->size(); ++i) {
        if ((*read)[i] < 1 || (*read)[i] > 6)
          return Error::at(where("token_type") + "/" + std::to_string(i), "token type", "1 to 6",
                           std::to_string((*read)[i]));
        types.push_back(static_cast<PieceType>((*read)[i]));
      }
    }
    if (Status s = readSpecial(); !s)
      return s;
    auto tmpl = file.string("tokenizer.chat_template", "");
    if (!tmpl)
      return tmpl.takeError();
    if (!tmpl->empty())
      pipeline->chatForUpdate() = std::move(*tmpl);
    return Status::ok();
  }

  /// Control and user-defined tokens are cut out of the text before the model.
  Status addTokens() {
    for (size_t i = 0; i < types.size(); ++i) {
      bool special = types[i] == PieceType::Control || types[i] == PieceType::Unknown;
      if (!special && types[i] != PieceType::UserDefined)
        continue;
      AddedToken token;
      token.id = static_cast<int32_t>(i);
      token.content = std::string(pipeline->vocabulary.text(token.id));
      token.special = special;
      if (token.content.size() > kMaxAddedTokenBytes)
        return Error::at(where("tokens") + "/" + std::to_string(i), "special token",
                         "at most " + std::to_string(kMaxAddedTokenBytes) + " bytes",
                         std::to_string(token.content.size()));
      if (Status s = pipeline->addToken(token); !s)
        return s.takeError().in(where("tokens"));
    }
    return Status::ok();
  }

  /// BOS, EOS and the tokens that end generation.
  Status addBosEos(bool defaultBos, bool defaultEos) {
    SpecialTokens &special = pipeline->specialForUpdate();
    auto bos = file.boolean(key("add_bos_token"), defaultBos);
    auto eos = file.boolean(key("add_eos_token"), defaultEos);
    if (!bos)
      return bos.takeError();
    if (!eos)
      return eos.takeError();
    if (*bos && special.bos)
      pipeline->before.push_back(*special.bos);
    if (*eos && special.eos)
      pipeline->after.push_back(*special.eos);
    finishSpecial(*pipeline);
    return Status::ok();
  }

  std::string key(const char *name) const { return std::string(kPrefix) + name; }
  std::string where(const char *name) const { return escaped(file.path(), 1000) + ":" + key(name); }

  const GGUFFile &file;
  std::unique_ptr<Pipeline> pipeline = std::make_unique<Pipeline>();
  std::vector<PieceType> types; ///< empty, or one per token

private:
  /// GGUF marks the words that begin; BERT's own spelling marks the others.
  static std::string wordPieceText(std::string_view raw) {
    if (raw.substr(0, kSpaceSymbol.size()) == kSpaceSymbol)
      return std::string(raw.substr(kSpaceSymbol.size()));
    if (raw.size() > 2 && raw.front() == '[' && raw.back() == ']')
      return std::string(raw);
    return "##" + std::string(raw);
  }

  bool wordPiece;

  Status id(const char *name, std::optional<int32_t> &out) {
    auto value = file.integer(key(name), -1);
    if (!value)
      return value.takeError();
    auto size = static_cast<int64_t>(pipeline->vocabulary.size());
    if (*value == -1 || *value == 0xFFFFFFFF) // both stand for "none"
      return Status::ok();
    if (*value < 0 || *value >= size)
      return Error::at(where(name), "token id", "an id in [0, " + std::to_string(size - 1) + "]",
                       std::to_string(*value));
    out = static_cast<int32_t>(*value);
    return Status::ok();
  }

  Status readSpecial() {
    SpecialTokens &special = pipeline->specialForUpdate();
    std::optional<int32_t> eot, eom;
    const std::pair<const char *, std::optional<int32_t> *> ids[] = {
        {"bos_token_id", &special.bos},
        {"eos_token_id", &special.eos},
        {"unknown_token_id", &special.unk},
        {"padding_token_id", &special.pad},
        {"seperator_token_id", &special.sep},
        {"cls_token_id", &special.cls},
        {"mask_token_id", &special.mask},
        {"eot_token_id", &eot},
        {"eom_token_id", &eom}};
    for (auto [name, out] : ids)
      if (Status s = id(name, *out); !s)
        return s;
    for (std::optional<int32_t> token : {special.eos, eot, eom})
      if (token)
        special.stop.push_back(*token);
    return Status::ok();
  }
};

Status buildByteLevel(Reader &reader, const Pretokenizer &pre, bool gemma4) {
  const GGUFFile &file = reader.file;
  Pipeline &pipeline = *reader.pipeline;
  auto merges = file.strings(reader.key("merges"));
  if (!merges)
    return merges.takeError();
  MergeTable table(merges->size());
  for (size_t rank = 0; rank < merges->size(); ++rank) {
    std::string_view merge = (*merges)[rank];
    // A side may itself begin with a space (raw UTF-8 vocabularies).
    size_t space = merge.find(' ', 1);
    if (space == std::string_view::npos ||
        !addMerge(table, pipeline.vocabulary, merge.substr(0, space), merge.substr(space + 1),
                  static_cast<uint32_t>(rank)))
      return Error::at(reader.where("merges") + "/" + std::to_string(rank), "merge",
                       "two tokens of the vocabulary whose join is a third", quote(merge));
  }
  BPEOptions options;
  options.byteLevel = !gemma4;
  options.byteFallback = gemma4;
  options.ignoreMerges = pre.ignoreMerges;
  pipeline.model = std::make_unique<BPE>(pipeline.vocabulary, std::move(table), options);
  for (const Scanner &scanner : pre.scanners)
    pipeline.preTokenizers.push_back(std::make_unique<ScannerPreTokenizer>(scanner));
  if (Status s = reader.addTokens(); !s)
    return s;
  if (!gemma4) {
    pipeline.decoders = {byteLevelDecoder};
  } else {
    pipeline.normalizers.push_back(
        replaceNormalizer(Pattern::literal(" "), std::string(kSpaceSymbol)));
    pipeline.decoders = {[] { return replaceDecoder(std::string(kSpaceSymbol), " "); },
                         rawByteDecoder, utf8Decoder};
  }
  if (Status s = reader.addBosEos(pre.addBos, false); !s)
    return s;
  SpecialTokens &special = pipeline.specialForUpdate();
  if (pre.addSep && special.sep) {
    if (special.cls)
      pipeline.before = {*special.cls};
    pipeline.after = {*special.sep};
  }
  return Status::ok();
}

Status buildScored(Reader &reader, bool unigram) {
  const GGUFFile &file = reader.file;
  Pipeline &pipeline = *reader.pipeline;
  size_t count = pipeline.vocabulary.size();
  auto scores = file.numbers(reader.key("scores"));
  if (!scores)
    return scores.takeError();
  if (scores->size() != count)
    return Error::at(reader.where("scores"), "count", std::to_string(count),
                     std::to_string(scores->size()));
  ScoredPieces pieces;
  for (size_t i = 0; i < count; ++i) {
    if (!std::isfinite((*scores)[i]))
      return Error::at(reader.where("scores") + "/" + std::to_string(i), "score", "a finite number",
                       std::to_string((*scores)[i]));
    pieces.scores.push_back(static_cast<float>((*scores)[i]));
  }
  pieces.types = reader.types;
  pieces.types.resize(count, PieceType::Normal);
  SpecialTokens &special = pipeline.specialForUpdate();
  // llama.cpp's defaults.
  auto byDefault = [&](std::optional<int32_t> &id, int32_t value) {
    if (!id && pipeline.vocabulary.has(value))
      id = value;
  };
  byDefault(special.unk, unigram ? 2 : 0);
  byDefault(special.eos, unigram ? 1 : 2);
  if (!unigram)
    byDefault(special.bos, 1);
  pieces.unknown = special.unk.value_or(-1);
  pieces.byteFallback = !unigram;

  auto prefix = file.boolean(reader.key("add_space_prefix"), true);
  auto extra = file.boolean(reader.key("remove_extra_whitespaces"), false);
  auto suffix = file.boolean(reader.key("treat_whitespace_as_suffix"), false);
  for (auto *flag : {&prefix, &extra, &suffix})
    if (!*flag)
      return flag->takeError();
  SentencePieceNormalizerOptions options;
  options.addDummyPrefix = *prefix;
  options.removeExtraSpaces = *extra;
  options.spaceAsSuffix = *suffix;
  options.keepInvalid = !unigram;
  CharsMap map;
  if (const GGUFValue *value = file.find(reader.key("precompiled_charsmap"))) {
    if (value->type != GGUFType::Array ||
        (value->elementType != GGUFType::U8 && value->elementType != GGUFType::I8))
      return Error::at(reader.where("precompiled_charsmap"), "wrong type", "an array of bytes",
                       "another type");
    auto parsed = CharsMap::parse(value->payload, reader.where("precompiled_charsmap"));
    if (!parsed)
      return parsed.takeError();
    map = std::move(*parsed);
  }
  if (Status s = reader.addTokens(); !s)
    return s;
  buildSentencePiece(pipeline, std::move(pieces), unigram, std::move(map), options);
  return reader.addBosEos(!unigram, unigram);
}

} // namespace

Result<std::unique_ptr<Tokenizer>> Tokenizer::fromGGUF(const GGUFFile &file) {
  auto model = file.string(std::string(kPrefix) + "model");
  if (!model)
    return model.takeError();
  Reader reader(file, *model == "bert");
  if (Status s = reader.read(); !s)
    return s.takeError();
  Status built;
  if (*model == "gpt2") {
    auto pre = file.string(reader.key("pre"), "default");
    if (!pre)
      return pre.takeError();
    const Pretokenizer *found = findPretokenizer(*pre);
    if (!found)
      return Error::at(reader.where("pre"), "unknown pre-tokenizer",
                       "a known name (gpt-2, llama-bpe, qwen2, smollm, …)", quote(*pre));
    built = buildByteLevel(reader, *found, *pre == "gemma4");
  } else if (*model == "llama" || *model == "t5") {
    built = buildScored(reader, *model == "t5");
  } else if (*model == "bert") {
    built = completeBert(*reader.pipeline, true, escaped(file.path(), 1000));
  } else {
    return Error::at(reader.where("model"), "unknown tokenizer", "gpt2, llama, bert or t5",
                     quote(*model));
  }
  if (!built)
    return built.takeError();
  return std::unique_ptr<Tokenizer>(std::move(reader.pipeline));
}

} // namespace fingpt
