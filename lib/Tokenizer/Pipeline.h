// A tokenizer as its stages; every source (tokenizer.json, GGUF, .model …)
// fills in one of these.
//
//   text ─ added tokens ─ normalizers ─ added tokens (normalized) ─
//   pre-tokenizers
//        ─ model ─ ids, between the ids of the post-processor
#ifndef FINGPT_LIB_TOKENIZER_PIPELINE_H
#define FINGPT_LIB_TOKENIZER_PIPELINE_H

#include "AddedTokens.h"
#include "Decoders.h"
#include "Model.h"
#include "Stages.h"
#include "Vocabulary.h"
#include "fingpt/Tokenizer/Tokenizer.h"

#include <unordered_set>

namespace fingpt::tokenizer {

class WordCache;

class Pipeline final : public Tokenizer {
public:
  Result<std::vector<int32_t>> encode(std::string_view text, EncodeOptions options) const override;
  std::unique_ptr<DecodeSession> startDecoding(bool skipSpecial) const override;
  size_t vocabSize() const override;
  std::string tokenText(int32_t id) const override;
  std::optional<int32_t> tokenId(std::string_view text) const override;

  std::string_view textOf(int32_t id) const;
  bool isSkipped(int32_t id) const { return specialIds.count(id) != 0; }
  /// Adds a token to the set it is sought in; its text must be in a vocabulary.
  Status addToken(const AddedToken &token);

  SpecialTokens &specialForUpdate() { return specialTokens; }
  std::optional<std::string> &chatForUpdate() { return chat; }

  Vocabulary vocabulary; ///< what the model knows
  Vocabulary extra;      ///< added tokens that the model does not know
  std::unordered_set<int32_t> specialIds;
  AddedTokenSet rawTokens, normalizedTokens;
  NormalizerList normalizers;
  PreTokenizerList preTokenizers;
  std::unique_ptr<Model> model;
  std::vector<int32_t> before, after; ///< ids that the post-processor adds
  std::vector<DecodeStepFactory> decoders;

private:
  Status encodeText(std::string_view text, bool first, bool parseSpecial, WordCache *cache,
                    std::vector<int32_t> &ids) const;
  void preTokenize(Piece piece, size_t step, FunctionRef<void(std::string_view)> word,
                   Status &problem) const;
};

/// special, normalized, single_word, lstrip and rstrip of an added token.
Status readAddedTokenFlags(const JsonObject &item, AddedToken &token);
/// Adds a token that the vocabulary may or may not have under the same id.
Status addToPipeline(Pipeline &pipeline, const AddedToken &token, const std::string &where);
/// Completes the special tokens: addBos and addEos from the post-processor, and
/// in `stop` EOS and the tokens by which chat models end a turn.
void finishSpecial(Pipeline &pipeline);

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_PIPELINE_H
