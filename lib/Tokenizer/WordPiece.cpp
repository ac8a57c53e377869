#include "WordPiece.h"
#include "Normalizers.h"
#include "Pipeline.h"
#include "PreTokenizers.h"
#include "Properties.h"
#include "Unicode.h"

namespace fingpt::tokenizer {

WordPiece::WordPiece(const Vocabulary &vocabulary, int32_t unknown, std::string_view prefix,
                     size_t maxCharacters)
    : unknown(unknown), maxCharacters(maxCharacters) {
  for (size_t i = 0; i < vocabulary.size(); ++i) {
    auto id = static_cast<int32_t>(i);
    std::string_view text = vocabulary.text(id);
    beginning.add(text, id);
    if (text.substr(0, prefix.size()) == prefix)
      continuing.add(text.substr(prefix.size()), id);
  }
  beginning.build();
  continuing.build();
}

bool WordPiece::encode(std::string_view piece, std::vector<int32_t> &ids) const {
  size_t start = ids.size(), characters = 0;
  for (size_t at = 0; at < piece.size() && characters <= maxCharacters; ++characters)
    at += decodeUtf8(piece, at).length;
  bool whole = characters <= maxCharacters;
  for (size_t at = 0; at < piece.size() && whole;) {
    size_t length = 0;
    int32_t id = -1;
    whole = (at == 0 ? beginning : continuing).longest(piece, at, length, id);
    ids.push_back(id);
    at += length;
  }
  if (whole)
    return true;
  ids.resize(start);
  if (unknown >= 0)
    ids.push_back(unknown);
  return unknown >= 0;
}

Status completeBert(Pipeline &pipeline, bool lowercase, const std::string &where) {
  SpecialTokens &special = pipeline.specialForUpdate();
  const std::pair<const char *, std::optional<int32_t> *> roles[] = {{"[UNK]", &special.unk},
                                                                     {"[CLS]", &special.cls},
                                                                     {"[SEP]", &special.sep},
                                                                     {"[PAD]", &special.pad},
                                                                     {"[MASK]", &special.mask}};
  for (auto [text, id] : roles) {
    if (!*id)
      *id = pipeline.vocabulary.idOf(text);
    if (!*id)
      continue;
    AddedToken token;
    token.id = **id;
    token.content = std::string(pipeline.vocabulary.text(**id));
    token.special = true;
    if (Status s = pipeline.addToken(token); !s)
      return s;
  }
  if (!special.unk || !special.cls || !special.sep)
    return Error::at(where, "special tokens", "[UNK], [CLS] and [SEP]", "not all of them");
  BertNormalizerOptions options;
  options.lowercase = lowercase;
  pipeline.normalizers.push_back(bertNormalizer(options));
  pipeline.preTokenizers.push_back(classPreTokenizer(isSpace, SplitBehavior::Removed));
  pipeline.preTokenizers.push_back(classPreTokenizer(isBertPunctuation, SplitBehavior::Isolated));
  pipeline.model = std::make_unique<WordPiece>(pipeline.vocabulary, *special.unk, "##", 100);
  pipeline.before = {*special.cls};
  pipeline.after = {*special.sep};
  pipeline.decoders = {[] { return wordPieceDecoder("##", true); }};
  finishSpecial(pipeline);
  return Status::ok();
}

} // namespace fingpt::tokenizer
