#include "AddedTokens.h"
#include "Unicode.h"

#include <algorithm>

namespace fingpt::tokenizer {

void AddedTokenSet::add(const AddedToken &token, std::string_view spelling) {
  if (spelling.empty())
    return;
  uint32_t at = 0;
  for (char c : spelling) {
    auto byte = static_cast<unsigned char>(c);
    auto &children = nodes[at].children;
    auto it = std::lower_bound(children.begin(), children.end(),
                               std::pair<unsigned char, uint32_t>(byte, 0));
    if (it == children.end() || it->first != byte) {
      auto child = static_cast<uint32_t>(nodes.size());
      children.insert(it, {byte, child});
      nodes.emplace_back();
      at = child;
    } else {
      at = it->second;
    }
  }
  if (nodes[at].token >= 0)
    return;
  nodes[at].token = static_cast<int32_t>(tokens.size());
  tokens.push_back(token);
  lengths.push_back(spelling.size());
  firstBytes[static_cast<unsigned char>(spelling[0])] = true;
}

int32_t AddedTokenSet::longest(std::string_view text, size_t at) const {
  int32_t found = -1;
  uint32_t node = 0;
  for (; at < text.size(); ++at) {
    auto byte = static_cast<unsigned char>(text[at]);
    const auto &children = nodes[node].children;
    auto it = std::lower_bound(children.begin(), children.end(),
                               std::pair<unsigned char, uint32_t>(byte, 0));
    if (it == children.end() || it->first != byte)
      break;
    node = it->second;
    if (nodes[node].token >= 0)
      found = nodes[node].token;
  }
  return found;
}

/// \w : letters, marks, decimal numbers, connectors.
static bool isWordChar(uint32_t cp) {
  return categoryOf(cp) &
         (kLetter | kMark | bit(Category::Nd) | bit(Category::Pc) | bit(Category::Nl));
}

void AddedTokenSet::split(std::string_view text, bool parseSpecial, const LiteralRanges &literal,
                          FunctionRef<void(int32_t, std::string_view)> part) const {
  size_t done = 0, range = 0;
  for (size_t at = 0; at < text.size() && !tokens.empty();) {
    if (!firstBytes[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    int32_t index = longest(text, at);
    if (index < 0) {
      ++at;
      continue;
    }
    const AddedToken &token = tokens[static_cast<size_t>(index)];
    size_t start = at, end = at + lengths[static_cast<size_t>(index)];
    at = end;
    if (token.special) {
      while (range < literal.size() && literal[range].second <= start)
        ++range;
      bool inLiteral = range < literal.size() && literal[range].first < end;
      if (!parseSpecial || inLiteral)
        continue;
    }
    if (token.singleWord) {
      bool left = start > 0 && isWordChar(decodeUtf8(text, previousChar(text, start)).cp);
      bool right = end < text.size() && isWordChar(decodeUtf8(text, end).cp);
      if (left || right)
        continue;
    }
    if (token.stripLeft)
      while (start > done) {
        size_t previous = previousChar(text, start);
        if (previous < done || !isSpace(decodeUtf8(text, previous).cp))
          break;
        start = previous;
      }
    if (token.stripRight)
      while (end < text.size()) {
        Decoded d = decodeUtf8(text, end);
        if (!isSpace(d.cp))
          break;
        end += d.length;
      }
    if (start > done)
      part(-1, text.substr(done, start - done));
    part(token.id, text.substr(start, end - start));
    // As in the reference, a token that begins in white space which the one
    // before has taken counts all the same, and text goes on behind it.
    done = end;
  }
  if (done < text.size())
    part(-1, text.substr(done));
}

} // namespace fingpt::tokenizer
