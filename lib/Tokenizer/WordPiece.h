// WordPiece (BERT) and WordLevel: pieces of words from a plain list.
//
//   "unaffable" → un ##aff ##able : always the longest token that fits; a word
//   with a stretch that no token begins is [UNK] as a whole.
#ifndef FINGPT_LIB_TOKENIZER_WORDPIECE_H
#define FINGPT_LIB_TOKENIZER_WORDPIECE_H

#include "Model.h"
#include "PrefixIndex.h"
#include "Vocabulary.h"

#include <string_view>

namespace fingpt::tokenizer {

class WordPiece : public Model {
public:
  WordPiece(const Vocabulary &vocabulary, int32_t unknown, std::string_view prefix,
            size_t maxCharacters);
  bool encode(std::string_view piece, std::vector<int32_t> &ids) const override;

private:
  PrefixIndex beginning, continuing; ///< the second without their prefix
  int32_t unknown;
  size_t maxCharacters;
};

class WordLevel : public Model {
public:
  WordLevel(const Vocabulary &vocabulary, int32_t unknown)
      : vocabulary(vocabulary), unknown(unknown) {}
  bool encode(std::string_view piece, std::vector<int32_t> &ids) const override {
    int32_t id = vocabulary.find(piece);
    ids.push_back(id >= 0 ? id : unknown);
    return ids.back() >= 0 || (ids.pop_back(), false);
  }

private:
  const Vocabulary &vocabulary;
  int32_t unknown;
};

/// Longest word that a tokenizer may ask for; the work is quadratic in it.
constexpr size_t kMaxWordCharacters = 1000;

class Pipeline;
/// Everything of BERT beside the vocabulary, for files that hold only that:
/// normalizer, pre-tokenizer, [CLS] … [SEP], special tokens, decoder. Errors
/// begin with `where`.
Status completeBert(Pipeline &pipeline, bool lowercase, const std::string &where);

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_WORDPIECE_H
