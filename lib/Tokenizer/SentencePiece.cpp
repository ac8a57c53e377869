#include "SentencePiece.h"
#include "BPE.h"
#include "Unicode.h"

#include <queue>
#include <unordered_map>

namespace fingpt::tokenizer {

UnknownPieces::UnknownPieces(const Vocabulary &vocabulary, const ScoredPieces &pieces)
    : byteIds(byteTokenIds(vocabulary)), unknown(pieces.unknown),
      byteFallback(pieces.byteFallback) {}

bool UnknownPieces::append(std::string_view piece, int32_t id, std::vector<int32_t> &ids,
                           bool &previousUnknown) const {
  if (id >= 0 && id != unknown) {
    ids.push_back(id);
    previousUnknown = false;
    return true;
  }
  bool covered = byteFallback;
  for (char c : piece)
    covered = covered && byteIds[static_cast<unsigned char>(c)] >= 0;
  if (covered) {
    for (char c : piece)
      ids.push_back(byteIds[static_cast<unsigned char>(c)]);
    previousUnknown = false;
    return true;
  }
  if (unknown < 0)
    return false;
  if (!previousUnknown)
    ids.push_back(unknown);
  previousUnknown = true;
  return true;
}

SentencePieceBPE::SentencePieceBPE(const Vocabulary &vocabulary, ScoredPieces given)
    : vocabulary(vocabulary), pieces(std::move(given)), unknownPieces(vocabulary, pieces) {
  for (size_t i = 0; i < pieces.types.size(); ++i)
    if (pieces.types[i] == PieceType::UserDefined) {
      auto id = static_cast<int32_t>(i);
      userDefined.add(vocabulary.text(id), id);
    }
  userDefined.build();
}

namespace {

struct Symbol {
  uint32_t start, length; // length 0: merged away
  uint32_t previous, next;
  bool frozen; // a user-defined piece takes part in no merge
};
constexpr uint32_t kEnd = ~0u;

struct Candidate {
  float score;
  uint32_t left, length;
  bool operator<(const Candidate &o) const {
    return score != o.score ? score < o.score : left > o.left;
  }
};

} // namespace

bool SentencePieceBPE::encode(std::string_view text, std::vector<int32_t> &ids) const {
  std::vector<Symbol> symbols;
  symbols.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    size_t length;
    int32_t id;
    bool frozen = userDefined.longest(text, at, length, id);
    if (!frozen)
      length = decodeUtf8(text, at).length;
    auto index = static_cast<uint32_t>(symbols.size());
    symbols.push_back({static_cast<uint32_t>(at), static_cast<uint32_t>(length),
                       index == 0 ? kEnd : index - 1, index + 1, frozen});
    at += length;
  }
  if (symbols.empty())
    return true;
  symbols.back().next = kEnd;

  // How a piece was joined, to take UNUSED pieces apart again.
  std::unordered_map<std::string_view, uint32_t> leftLength;
  auto candidate = [&](uint32_t left, Candidate &c) {
    if (left == kEnd || symbols[left].next == kEnd)
      return false;
    const Symbol &a = symbols[left], &b = symbols[a.next];
    uint32_t length = a.length + b.length;
    if (a.frozen || b.frozen || length > vocabulary.longest())
      return false;
    std::string_view joined = text.substr(a.start, length);
    int32_t id = vocabulary.find(joined);
    if (id < 0)
      return false;
    PieceType type = pieces.types[static_cast<size_t>(id)];
    if (type == PieceType::Unused)
      leftLength[joined] = a.length;
    else if (type != PieceType::Normal && type != PieceType::UserDefined)
      return false;
    c = {pieces.scores[static_cast<size_t>(id)], left, length};
    return true;
  };
  std::vector<Candidate> start;
  Candidate c;
  for (uint32_t i = 0; i + 1 < symbols.size(); ++i)
    if (candidate(i, c))
      start.push_back(c);
  std::priority_queue<Candidate> queue({}, std::move(start));
  while (!queue.empty()) {
    Candidate top = queue.top();
    queue.pop();
    Symbol &left = symbols[top.left];
    if (left.length == 0 || left.next == kEnd ||
        left.length + symbols[left.next].length != top.length)
      continue;
    Symbol &right = symbols[left.next];
    left.length = top.length;
    left.next = right.next;
    right.length = 0;
    if (left.next != kEnd)
      symbols[left.next].previous = top.left;
    if (candidate(top.left, c))
      queue.push(c);
    if (candidate(left.previous, c))
      queue.push(c);
  }

  bool previousUnknown = false;
  std::vector<std::string_view> parts;
  for (uint32_t i = 0; i != kEnd; i = symbols[i].next) {
    parts.push_back(text.substr(symbols[i].start, symbols[i].length));
    while (!parts.empty()) {
      std::string_view part = parts.back();
      parts.pop_back();
      int32_t id = vocabulary.find(part);
      if (id >= 0 && pieces.types[static_cast<size_t>(id)] == PieceType::Unused) {
        auto split = leftLength.find(part);
        if (split != leftLength.end()) {
          parts.push_back(part.substr(split->second));
          parts.push_back(part.substr(0, split->second));
          continue;
        }
      }
      if (!unknownPieces.append(part, id, ids, previousUnknown))
        return false;
    }
  }
  return true;
}

} // namespace fingpt::tokenizer
