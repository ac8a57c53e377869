#include "SentencePiece.h"
#include "Unicode.h"

#include <cstring>
#include <utf8proc.h>

namespace fingpt::tokenizer {

Result<CharsMap> CharsMap::parse(std::string_view blob, const std::string &where) {
  CharsMap map;
  if (blob.empty())
    return map;
  uint32_t trieBytes;
  if (blob.size() < 4)
    return Error::at(where, "charsmap", "at least 4 bytes", std::to_string(blob.size()));
  std::memcpy(&trieBytes, blob.data(), 4);
  if (trieBytes % 4 != 0 || trieBytes == 0 || trieBytes > blob.size() - 4)
    return Error::at(where, "charsmap trie",
                     "a multiple of 4 bytes in [4, " + std::to_string(blob.size() - 4) + "]",
                     std::to_string(trieBytes));
  map.units.resize(trieBytes / 4);
  std::memcpy(map.units.data(), blob.data() + 4, trieBytes);
  map.replacements = blob.substr(4 + trieBytes);
  if (map.replacements.empty() || map.replacements.back() != '\0')
    return Error::at(where, "charsmap replacements", "a NUL at the end", "none");
  return map;
}

bool CharsMap::find(std::string_view text, size_t at, bool longest, std::string_view &replacement,
                    size_t &length) const {
  if (units.empty())
    return false;
  auto offset = [](uint32_t u) { return (u >> 10) << ((u & 0x200) >> 6); };
  bool found = false;
  uint32_t p = offset(units[0]);
  for (size_t i = at; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    p ^= c;
    if (c == 0 || p >= units.size())
      break;
    uint32_t u = units[p];
    if ((u & 0x800000FFu) != c)
      break;
    p ^= offset(u);
    if (!(u >> 8 & 1))
      continue;
    if (p >= units.size())
      break;
    uint32_t start = units[p] & 0x7FFFFFFFu;
    if (start >= replacements.size())
      break;
    replacement = std::string_view(replacements.data() + start); // NUL-terminated
    length = i + 1 - at;
    found = true;
    if (!longest)
      break;
  }
  return found;
}

namespace {

class SentencePieceNormalizer : public Normalizer {
public:
  SentencePieceNormalizer(CharsMap map, SentencePieceNormalizerOptions options,
                          std::vector<std::string> userDefined)
      : map(std::move(map)), options(options), texts(std::move(userDefined)) {
    for (const std::string &text : texts)
      passed.add(text, 0);
    passed.build();
  }

  Status apply(std::string &text) const override {
    std::string out;
    std::string_view input = text;
    size_t at = 0, length = 0;
    if (options.removeExtraSpaces)
      while (at < input.size() && next(input, at, length) == " ")
        at += length;
    if (at == input.size()) {
      text.clear();
      return Status::ok();
    }
    std::string_view space = options.escapeSpaces ? kSpaceSymbol : " ";
    if (options.addDummyPrefix && !options.spaceAsSuffix)
      out += space;
    bool afterSpace = options.removeExtraSpaces;
    for (; at < input.size(); at += length) {
      std::string_view part = next(input, at, length);
      while (afterSpace && !part.empty() && part[0] == ' ')
        part.remove_prefix(1);
      if (out.size() > (text.size() + 4096) * 64)
        return Error::at("text", "grows too much under normalization", "at most 64 times its size",
                         "more");
      for (char c : part)
        if (c == ' ')
          out += space;
        else
          out += c;
      if (!part.empty())
        afterSpace = options.removeExtraSpaces && part.back() == ' ';
    }
    if (options.removeExtraSpaces)
      while (out.size() >= space.size() &&
             std::string_view(out).substr(out.size() - space.size()) == space)
        out.resize(out.size() - space.size());
    if (options.addDummyPrefix && options.spaceAsSuffix)
      out += space;
    text = std::move(out);
    return Status::ok();
  }

private:
  std::string_view next(std::string_view input, size_t at, size_t &length) const {
    int32_t ignored;
    if (passed.longest(input, at, length, ignored))
      return input.substr(at, length);
    std::string_view replacement;
    if (map.find(input, at, true, replacement, length))
      return replacement;
    Decoded d = decodeUtf8(input, at);
    length = d.length;
    return d.valid || options.keepInvalid ? input.substr(at, length)
                                          : std::string_view("\xEF\xBF\xBD");
  }

  CharsMap map;
  SentencePieceNormalizerOptions options;
  std::vector<std::string> texts;
  PrefixIndex passed;
};

class PrecompiledNormalizer : public Normalizer {
public:
  explicit PrecompiledNormalizer(CharsMap map) : map(std::move(map)) {}

  /// A grapheme cluster of fewer than 6 bytes is replaced whole if a rule
  /// matches its beginning; otherwise its characters are replaced one by one.
  /// That is what the reference does, and models were trained with it.
  Status apply(std::string &text) const override {
    std::string out;
    std::string_view input = text;
    for (size_t at = 0; at < input.size();) {
      size_t end = clusterEnd(input, at), length;
      std::string_view cluster = input.substr(at, end - at), replacement;
      if (cluster.size() < 6 && map.find(cluster, 0, false, replacement, length)) {
        out += replacement;
      } else {
        for (size_t i = 0; i < cluster.size();) {
          std::string_view c = cluster.substr(i, decodeUtf8(cluster, i).length);
          out += map.find(c, 0, false, replacement, length) ? replacement : c;
          i += c.size();
        }
      }
      at = end;
      if (out.size() > (text.size() + 4096) * 64)
        return Error::at("text", "grows too much under normalization", "at most 64 times its size",
                         "more");
    }
    text = std::move(out);
    return Status::ok();
  }

private:
  static size_t clusterEnd(std::string_view text, size_t at) {
    Decoded d = decodeUtf8(text, at);
    utf8proc_int32_t state = 0;
    for (at += d.length; at < text.size(); at += d.length) {
      Decoded n = decodeUtf8(text, at);
      if (utf8proc_grapheme_break_stateful(static_cast<utf8proc_int32_t>(d.cp),
                                           static_cast<utf8proc_int32_t>(n.cp), &state))
        break;
      d = n;
    }
    return at;
  }
  CharsMap map;
};

} // namespace

std::unique_ptr<Normalizer> sentencePieceNormalizer(CharsMap map,
                                                    SentencePieceNormalizerOptions options,
                                                    std::vector<std::string> userDefined) {
  return std::make_unique<SentencePieceNormalizer>(std::move(map), options, std::move(userDefined));
}
std::unique_ptr<Normalizer> precompiledNormalizer(CharsMap map) {
  return std::make_unique<PrecompiledNormalizer>(std::move(map));
}

} // namespace fingpt::tokenizer
