#include "SentencePiece.h"
#include "Unicode.h"

#include <cmath>
#include <limits>

namespace fingpt::tokenizer {

Unigram::Unigram(const Vocabulary &vocabulary, ScoredPieces given, UnigramOptions options,
                 std::vector<double> exactScores)
    : vocabulary(vocabulary), pieces(std::move(given)), unknownPieces(vocabulary, pieces),
      options(options), scores(std::move(exactScores)) {
  if (scores.empty())
    scores.assign(pieces.scores.begin(), pieces.scores.end());
  // tokenizers takes the extremes of all pieces, SentencePiece of normal ones.
  // SentencePiece's greatest score starts at FLT_MIN, a little above 0.
  double low = std::numeric_limits<double>::infinity(),
         high = static_cast<double>(std::numeric_limits<float>::min());
  for (size_t i = 0; i < scores.size(); ++i)
    if (!options.floatScores || pieces.types[i] == PieceType::Normal) {
      low = std::min(low, scores[i]);
      high = std::max(high, scores[i]);
    }
  if (std::isinf(low))
    low = 0;
  unknownScore =
      options.floatScores ? static_cast<double>(static_cast<float>(low) - 10.0f) : low - 10.0;
  for (size_t i = 0; i < scores.size(); ++i) {
    auto id = static_cast<int32_t>(i);
    std::string_view text = vocabulary.text(id);
    PieceType type = pieces.types[i];
    if (type == PieceType::UserDefined) // outweighs any cutting inside it
      scores[i] = static_cast<double>(static_cast<float>(
          static_cast<double>(static_cast<float>(text.size()) * static_cast<float>(high)) - 0.1));
    else if (type != PieceType::Normal)
      continue;
    index.add(text, id);
  }
  index.build();
}

bool Unigram::encode(std::string_view piece, std::vector<int32_t> &ids) const {
  return options.floatScores ? viterbi<float>(piece, ids) : viterbi<double>(piece, ids);
}

/// best[e]: the highest sum over cuttings of text[0, e), its last piece and
/// where that begins. Only an earlier candidate survives a tie.
template <typename Score>
bool Unigram::viterbi(std::string_view text, std::vector<int32_t> &ids) const {
  struct Node {
    Score score = 0;
    int32_t id = -1, start = -1;
  };
  std::vector<Node> best(text.size() + 1);
  auto relax = [&](size_t end, size_t start, int32_t id, double score) {
    // Rounded before it is compared, so that equal sums stay equal.
    auto sum = static_cast<Score>(score + static_cast<double>(best[start].score));
    Node &node = best[end];
    if (node.start < 0 || sum > node.score)
      node = {sum, id, static_cast<int32_t>(start)};
  };
  for (size_t at = 0; at < text.size();) {
    size_t length = decodeUtf8(text, at).length;
    bool single = false;
    index.matches(text, at, [&](size_t n, int32_t id) {
      relax(at + n, at, id, scores[static_cast<size_t>(id)]);
      single = single || n == length;
    });
    if (!single)
      relax(at + length, at, -1, unknownScore);
    at += length;
  }

  struct Part {
    std::string_view text;
    int32_t id;
  };
  std::vector<Part> parts; // from the end
  for (size_t end = text.size(); end > 0;) {
    const Node &node = best[end];
    auto start = static_cast<size_t>(node.start);
    Part part{text.substr(start, end - start), node.id};
    if (part.id == pieces.unknown)
      part.id = -1;
    if (options.lookUpFused && part.id < 0 && !parts.empty() && parts.back().id < 0)
      parts.back().text = text.substr(start, part.text.size() + parts.back().text.size());
    else
      parts.push_back(part);
    end = start;
  }
  bool previousUnknown = false;
  for (size_t i = parts.size(); i-- > 0;) {
    Part part = parts[i];
    if (options.lookUpFused && part.id < 0)
      part.id = vocabulary.find(part.text);
    if (!unknownPieces.append(part.text, part.id, ids, previousUnknown))
      return false;
  }
  return true;
}

} // namespace fingpt::tokenizer
