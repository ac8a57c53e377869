#include "PreTokenizers.h"
#include "BPE.h"
#include "Properties.h"
#include "Unicode.h"

namespace fingpt::tokenizer {

namespace {

/// Joins sections (matches and what lies between) into pieces as they come.
class Joiner {
public:
  Joiner(Piece piece, SplitBehavior behavior, PieceSink sink)
      : piece(piece), behavior(behavior), sink(sink) {}

  void add(size_t begin, size_t end, bool match) {
    switch (behavior) {
    case SplitBehavior::Removed:
      if (!match)
        emit(begin, end);
      return;
    case SplitBehavior::Isolated:
      emit(begin, end);
      return;
    case SplitBehavior::MergedWithPrevious:
      join(begin, end, match, match && !heldMatch);
      return;
    case SplitBehavior::MergedWithNext:
      join(begin, end, match, !match && heldMatch);
      return;
    case SplitBehavior::Contiguous:
      join(begin, end, match, match == heldMatch);
      return;
    }
  }
  void finish() {
    if (held)
      emit(heldBegin, heldEnd);
    held = false;
  }

private:
  void join(size_t begin, size_t end, bool match, bool together) {
    if (held && together) {
      heldEnd = end;
    } else {
      finish();
      heldBegin = begin;
      heldEnd = end;
      held = true;
    }
    heldMatch = match;
  }
  void emit(size_t begin, size_t end) {
    if (end > begin)
      sink({piece.text.substr(begin, end - begin), piece.first && begin == 0});
  }

  Piece piece;
  SplitBehavior behavior;
  PieceSink sink;
  bool held = false, heldMatch = false;
  size_t heldBegin = 0, heldEnd = 0;
};

class SplitPreTokenizer : public PreTokenizer {
public:
  SplitPreTokenizer(Pattern pattern, SplitBehavior behavior, bool invert)
      : pattern(std::move(pattern)), behavior(behavior), invert(invert) {}
  Status split(Piece piece, PieceSink sink) const override {
    Joiner joiner(piece, behavior, sink);
    Status s = pattern.forEach(piece.text, [&](size_t begin, size_t end, bool match) {
      joiner.add(begin, end, match != invert);
    });
    joiner.finish();
    return s;
  }

private:
  Pattern pattern;
  SplitBehavior behavior;
  bool invert;
};

class ClassPreTokenizer : public PreTokenizer {
public:
  ClassPreTokenizer(bool (*inClass)(uint32_t), SplitBehavior behavior)
      : inClass(inClass), behavior(behavior) {}
  Status split(Piece piece, PieceSink sink) const override {
    Joiner joiner(piece, behavior, sink);
    size_t begin = 0, length;
    for (size_t at = 0; at < piece.text.size(); at += length) {
      Decoded d = decodeUtf8(piece.text, at);
      length = d.length;
      if (!inClass(d.cp))
        continue;
      if (at > begin)
        joiner.add(begin, at, false);
      joiner.add(at, begin = at + length, true);
    }
    if (begin < piece.text.size())
      joiner.add(begin, piece.text.size(), false);
    joiner.finish();
    return Status::ok();
  }

private:
  bool (*inClass)(uint32_t);
  SplitBehavior behavior;
};

class WhitespacePreTokenizer : public PreTokenizer {
public:
  Status split(Piece piece, PieceSink sink) const override {
    auto kind = [&](size_t at, size_t &after) {
      Decoded d = decodeUtf8(piece.text, at);
      after = at + d.length;
      return isSpace(d.cp) ? 0 : isWord(d.cp) ? 1 : 2;
    };
    for (size_t at = 0; at < piece.text.size();) {
      size_t end, after;
      int first = kind(at, end);
      while (end < piece.text.size() && kind(end, after) == first)
        end = after;
      if (first != 0)
        sink({piece.text.substr(at, end - at), piece.first && at == 0});
      at = end;
    }
    return Status::ok();
  }
};

class ByteLevelPreTokenizer : public PreTokenizer {
public:
  ByteLevelPreTokenizer(bool addPrefixSpace, bool useRegex, bool mapBytes)
      : addPrefixSpace(addPrefixSpace), useRegex(useRegex), mapBytes(mapBytes) {}
  Status split(Piece piece, PieceSink sink) const override {
    std::string prefixed;
    std::string_view text = piece.text;
    if (addPrefixSpace && text[0] != ' ') {
      prefixed = " ";
      prefixed += text;
      text = prefixed;
    }
    auto emit = [&](std::string_view part) {
      bool first = piece.first && part.data() == text.data();
      if (!mapBytes)
        return sink({part, first});
      std::string mapped = toByteLevel(part);
      sink({mapped, first});
    };
    if (useRegex)
      Scanner{Scanner::Gpt2}.split(text, emit);
    else
      emit(text);
    return Status::ok();
  }

private:
  bool addPrefixSpace, useRegex, mapBytes;
};

class MetaspacePreTokenizer : public PreTokenizer {
public:
  MetaspacePreTokenizer(std::string replacement, PrependScheme scheme, bool split)
      : replacement(std::move(replacement)), scheme(scheme), splits(split) {}
  Status split(Piece piece, PieceSink sink) const override {
    std::string text;
    for (char c : piece.text)
      if (c == ' ')
        text += replacement;
      else
        text += c;
    bool wanted =
        scheme == PrependScheme::Always || (scheme == PrependScheme::First && piece.first);
    if (wanted && text.compare(0, replacement.size(), replacement) != 0)
      text.insert(0, replacement);
    if (!splits) {
      sink({text, piece.first});
      return Status::ok();
    }
    std::string_view view = text;
    for (size_t at = 0; at < view.size();) {
      size_t end = view.find(replacement, at + (starts(view, at) ? replacement.size() : 1));
      end = std::min(end, view.size());
      sink({view.substr(at, end - at), piece.first && at == 0});
      at = end;
    }
    return Status::ok();
  }

private:
  bool starts(std::string_view text, size_t at) const {
    return text.compare(at, replacement.size(), replacement) == 0;
  }
  std::string replacement;
  PrependScheme scheme;
  bool splits;
};

} // namespace

std::unique_ptr<PreTokenizer> splitPreTokenizer(Pattern pattern, SplitBehavior behavior,
                                                bool invert) {
  return std::make_unique<SplitPreTokenizer>(std::move(pattern), behavior, invert);
}
std::unique_ptr<PreTokenizer> classPreTokenizer(bool (*inClass)(uint32_t), SplitBehavior behavior) {
  return std::make_unique<ClassPreTokenizer>(inClass, behavior);
}
std::unique_ptr<PreTokenizer> whitespacePreTokenizer() {
  return std::make_unique<WhitespacePreTokenizer>();
}
std::unique_ptr<PreTokenizer> byteLevelPreTokenizer(bool addPrefixSpace, bool useRegex,
                                                    bool mapBytes) {
  return std::make_unique<ByteLevelPreTokenizer>(addPrefixSpace, useRegex, mapBytes);
}
std::unique_ptr<PreTokenizer> metaspacePreTokenizer(std::string replacement, PrependScheme scheme,
                                                    bool split) {
  return std::make_unique<MetaspacePreTokenizer>(std::move(replacement), scheme, split);
}

} // namespace fingpt::tokenizer
