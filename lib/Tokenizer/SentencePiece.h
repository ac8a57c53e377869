// SentencePiece: text with spaces as ▁, cut into scored pieces.
//
//   "Hello world" ─normalizer→ "▁Hello▁world" ─→ [▁Hello][▁world]
//
// Its BPE joins the neighbours whose joined piece scores highest, leftmost
// among equals; its unigram model takes the cutting whose scores sum highest.
// What the vocabulary lacks becomes <0xXX> bytes or the unknown token, one for
// a run.
#ifndef FINGPT_LIB_TOKENIZER_SENTENCEPIECE_H
#define FINGPT_LIB_TOKENIZER_SENTENCEPIECE_H

#include "Model.h"
#include "PrefixIndex.h"
#include "Stages.h"
#include "Vocabulary.h"

#include <array>
#include <memory>

namespace fingpt::tokenizer {

/// Piece types of the .model format and of GGUF's token_type.
enum class PieceType : uint8_t {
  Normal = 1,
  Unknown = 2,
  Control = 3,
  UserDefined = 4,
  Unused = 5,
  Byte = 6
};

constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81"; // ▁ U+2581

struct ScoredPieces {
  std::vector<float> scores;    ///< one per id
  std::vector<PieceType> types; ///< one per id
  int32_t unknown = -1;
  bool byteFallback = false;
};

/// Turns the ids -1 of unknown pieces into bytes or (fused) unknown tokens.
class UnknownPieces {
public:
  UnknownPieces(const Vocabulary &vocabulary, const ScoredPieces &pieces);
  /// `id` is -1 for an unknown piece. False if there is no way to say it.
  bool append(std::string_view piece, int32_t id, std::vector<int32_t> &ids,
              bool &previousUnknown) const;

private:
  std::array<int32_t, 256> byteIds;
  int32_t unknown;
  bool byteFallback;
};

class SentencePieceBPE : public Model {
public:
  SentencePieceBPE(const Vocabulary &vocabulary, ScoredPieces pieces);
  bool encode(std::string_view piece, std::vector<int32_t> &ids) const override;
  bool cacheable() const override { return false; }

private:
  const Vocabulary &vocabulary;
  ScoredPieces pieces;
  UnknownPieces unknownPieces;
  PrefixIndex userDefined;
};

/// Options where SentencePiece and the `tokenizers` package differ.
struct UnigramOptions {
  /// Path scores are kept as float (SentencePiece) instead of double.
  bool floatScores = true;
  /// Fuses unknowns, then looks the fused text up (tokenizers).
  bool lookUpFused = false;
};

class Unigram : public Model {
public:
  Unigram(const Vocabulary &vocabulary, ScoredPieces pieces, UnigramOptions options,
          std::vector<double> exactScores = {});
  bool encode(std::string_view piece, std::vector<int32_t> &ids) const override;

private:
  template <typename Score> bool viterbi(std::string_view text, std::vector<int32_t> &ids) const;

  const Vocabulary &vocabulary;
  ScoredPieces pieces;
  UnknownPieces unknownPieces;
  UnigramOptions options;
  std::vector<double> scores;
  double unknownScore;
  PrefixIndex index;
};

/// SentencePiece's compiled rewriting rules: a double-array trie of sources,
/// and their replacements (formats of `precompiled_charsmap`).
class CharsMap {
public:
  /// An empty blob maps nothing. Errors begin with `where`.
  static Result<CharsMap> parse(std::string_view blob, const std::string &where);
  bool empty() const { return units.empty(); }
  /// The replacement of the longest (or shortest) source at `at`.
  bool find(std::string_view text, size_t at, bool longest, std::string_view &replacement,
            size_t &length) const;

private:
  std::vector<uint32_t> units;
  std::string replacements;
};

struct SentencePieceNormalizerOptions {
  bool addDummyPrefix = true, removeExtraSpaces = true, escapeSpaces = true, spaceAsSuffix = false;
  /// Bytes that are not UTF-8 stay (llama.cpp) instead of becoming U+FFFD.
  bool keepInvalid = false;
};
/// `userDefined` texts pass through unchanged.
std::unique_ptr<Normalizer> sentencePieceNormalizer(CharsMap map,
                                                    SentencePieceNormalizerOptions options,
                                                    std::vector<std::string> userDefined);
/// The `Precompiled` normalizer of tokenizer.json: by grapheme clusters.
std::unique_ptr<Normalizer> precompiledNormalizer(CharsMap map);

class Pipeline;
/// Completes a pipeline whose vocabulary is filled.
void buildSentencePiece(Pipeline &pipeline, ScoredPieces pieces, bool unigram, CharsMap map,
                        SentencePieceNormalizerOptions options);

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_SENTENCEPIECE_H
