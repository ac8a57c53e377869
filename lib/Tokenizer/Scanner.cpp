#include "Scanner.h"
#include "Unicode.h"

namespace fingpt::tokenizer {

namespace {

constexpr CategorySet kTekkenUpper =
    kUpper | bit(Category::Lt) | bit(Category::Lm) | bit(Category::Lo) | kMark;
constexpr CategorySet kTekkenLower = kLower | bit(Category::Lm) | bit(Category::Lo) | kMark;

/// One text and the building blocks that the patterns share. Every method takes
/// a position and returns the end of its match (the same position if none).
class Matcher {
public:
  Matcher(std::string_view text, const Scanner &scanner) : text(text), s(scanner) {
    letters = kLetter | (s.marks ? kMark : 0);
    symbols = ~(kSpace | kNumber | letters);
  }

  /// End of the piece that begins at `at`.
  size_t next(size_t at) const {
    switch (s.kind) {
    case Scanner::Gpt2:
      return gpt2(at);
    case Scanner::Llama3:
    case Scanner::Tekken:
      return llama3(at);
    case Scanner::Numbers:
      return runOrRest(at, kNumber, s.digits);
    case Scanner::AsciiDigits:
      return asciiDigits(at);
    case Scanner::Punctuation:
      return punctuation(at);
    case Scanner::Newlines: {
      bool newline = text[at] == '\n';
      while (at < text.size() && (text[at] == '\n') == newline)
        ++at;
      return at;
    }
    }
    return text.size();
  }

private:
  CategorySet classAt(size_t at, size_t &after) const {
    Decoded d = decodeUtf8(text, at);
    after = at + d.length;
    return categoryOf(d.cp);
  }
  size_t run(size_t at, CategorySet set, unsigned limit = 0) const {
    for (unsigned n = 0; at < text.size() && (limit == 0 || n < limit); ++n) {
      size_t after;
      if (!(classAt(at, after) & set))
        break;
      at = after;
    }
    return at;
  }
  size_t runOrRest(size_t at, CategorySet set, unsigned limit) const {
    size_t end = run(at, set, limit);
    return end > at ? end : run(at, ~set);
  }

  /// 's|'t|'re|'ve|'m|'ll|'d
  size_t contraction(size_t at, bool anyCase) const {
    if (at + 1 >= text.size() || text[at] != '\'')
      return at;
    auto letter = [&](size_t i) {
      char c = i < text.size() ? text[i] : '\0';
      return anyCase && c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    };
    switch (letter(at + 1)) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return at + 2;
    case 'r':
    case 'v':
      return letter(at + 2) == 'e' ? at + 3 : at;
    case 'l':
      return letter(at + 2) == 'l' ? at + 3 : at;
    default:
      return anyCase && s.longS && text.substr(at + 1, 2) == "\xC5\xBF" ? at + 3 : at;
    }
  }

  /// \s+(?!\S)|\s+ : a run of spaces leaves its last one to the word after it.
  size_t spaces(size_t at) const {
    size_t end = at, last = at;
    while (end < text.size()) {
      size_t after;
      if (!(classAt(end, after) & kSpace))
        break;
      last = end;
      end = after;
    }
    return end < text.size() && last > at ? last : end;
  }

  size_t gpt2(size_t at) const {
    if (size_t end = contraction(at, false); end > at)
      return end;
    size_t after;
    CategorySet c = classAt(at, after);
    size_t start = at;
    if (text[at] == ' ' && after < text.size()) {
      start = after;
      c = classAt(start, after);
    }
    for (CategorySet set : {letters, kNumber, symbols})
      if (c & set)
        return run(after, set);
    return spaces(at);
  }

  size_t llama3(size_t at) const {
    bool tekken = s.kind == Scanner::Tekken;
    if (!tekken)
      if (size_t end = contraction(at, true); end > at)
        return end;
    size_t after;
    CategorySet c = classAt(at, after);
    if (size_t end = tekken ? tekkenWord(at, after, c) : word(at, after, c); end > at)
      return end;
    if (c & kNumber)
      return run(at, kNumber, s.digits);
    size_t start = at;
    if (text[at] == ' ' && after < text.size())
      c = classAt(start = after, after);
    if (c & symbols) {
      size_t end = run(start, symbols);
      while (end < text.size() &&
             (text[end] == '\r' || text[end] == '\n' || (tekken && text[end] == '/')))
        ++end;
      return end;
    }
    return newlinesOrSpaces(at);
  }

  /// Whether [^\r\n\p{L}\p{N}] takes the character of class `c` at `at`.
  bool leads(size_t at, CategorySet c) const {
    return !(c & (kLetter | kNumber)) && text[at] != '\r' && text[at] != '\n';
  }

  /// [^\r\n\p{L}\p{N}]?\p{L}+
  size_t word(size_t at, size_t after, CategorySet c) const {
    if (leads(at, c))
      if (size_t end = run(after, letters); end > after)
        return end;
    return run(at, letters);
  }

  /// lead?U*V+ | lead?U+V*, then perhaps a contraction.
  size_t tekkenWord(size_t at, size_t after, CategorySet c) const {
    bool lead = leads(at, c);
    size_t end = at;
    if (lead)
      end = upperThenLower(after);
    if (end <= after || !lead) {
      end = upperThenLower(at);
      if (end == at && lead) {
        end = run(after, kTekkenUpper);
        end = end > after ? run(end, kTekkenLower) : at;
      }
      if (end == at) {
        end = run(at, kTekkenUpper);
        end = end > at ? run(end, kTekkenLower) : at;
      }
    }
    if (end > at && s.contractionInWord)
      end = contraction(end, true);
    return end;
  }

  /// U*V+ with U* greedy: it gives characters back until one is in V.
  size_t upperThenLower(size_t at) const {
    size_t end = at, afterLastShared = at;
    while (end < text.size()) {
      size_t after;
      CategorySet c = classAt(end, after);
      if (!(c & kTekkenUpper))
        break;
      end = after;
      if (c & kTekkenLower)
        afterLastShared = end;
    }
    size_t lower = run(end, kTekkenLower);
    return lower > end ? lower : afterLastShared;
  }

  /// \s*[\r\n]+|\s+(?!\S)|\s+
  size_t newlinesOrSpaces(size_t at) const {
    size_t end = at, last = at, afterNewline = at;
    while (end < text.size()) {
      size_t after;
      if (!(classAt(end, after) & kSpace))
        break;
      if (text[end] == '\r' || text[end] == '\n')
        afterNewline = after;
      last = end;
      end = after;
    }
    if (afterNewline > at)
      return afterNewline;
    return end < text.size() && last > at ? last : end;
  }

  size_t asciiDigits(size_t at) const {
    auto digit = [&](size_t i) { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
    auto three = [&](size_t i) { return digit(i) && digit(i + 1) && digit(i + 2); };
    if (three(at))
      return at + 3;
    while (at < text.size() && !three(at))
      ++at;
    return at;
  }

  size_t punctuation(size_t at) const {
    auto inSet = [&](size_t i, size_t &after) {
      return (classAt(i, after) & kPunctuation) ||
             std::string_view("$+<=>^~|").find(text[i]) != std::string_view::npos;
    };
    size_t after;
    bool wanted = inSet(at, after);
    while ((at = after) < text.size() && inSet(at, after) == wanted)
      ;
    return at;
  }

  std::string_view text;
  const Scanner &s;
  CategorySet letters, symbols;
};

} // namespace

void Scanner::split(std::string_view text, FunctionRef<void(std::string_view)> piece) const {
  Matcher matcher(text, *this);
  for (size_t at = 0; at < text.size();) {
    size_t end = matcher.next(at);
    piece(text.substr(at, end - at));
    at = end;
  }
}

namespace {

constexpr Scanner kGpt2{Scanner::Gpt2};
constexpr Scanner kLlama3{Scanner::Llama3, 3};
constexpr Scanner kQwen2{Scanner::Llama3, 1};
constexpr Scanner kQwen35{Scanner::Llama3, 1, true};
constexpr Scanner kTekken{Scanner::Tekken, 1};
constexpr Scanner kGpt4o{Scanner::Tekken, 3, false, true};
constexpr Scanner kDigit{Scanner::Numbers, 1};

struct NamedPretokenizer {
  std::vector<std::string_view> names;
  Pretokenizer value;
};

const std::vector<NamedPretokenizer> &pretokenizers() {
  static const std::vector<NamedPretokenizer> table = {
      {{"gpt-2", "phi-2", "mpt", "olmo", "modern-bert", "exaone4"}, {{kGpt2}}},
      {{"roberta-bpe"}, {{kGpt2}, false, false, true}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral", "lfm2"}, {{kLlama3}, true, true}},
      {{"dbrx", "smaug-bpe", "glm4", "chatglm-bpe"}, {{kLlama3}}},
      {{"qwen2", "deepseek-r1-qwen", "megrez", "hunyuan", "stablelm2"}, {{kQwen2}}},
      {{"qwen35"}, {{kQwen35}}},
      {{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"}, {{kDigit, kGpt2}}},
      {{"tekken"}, {{kTekken}, true, true}},
      {{"gpt-4o", "llama4"}, {{kGpt4o}}},
      {{"gemma4"}, {{{Scanner::Newlines}}, false, true}},
      {{"default"}, {{{Scanner::Punctuation}, kGpt2, {Scanner::Numbers}, {Scanner::AsciiDigits}}}},
  };
  return table;
}

} // namespace

const Pretokenizer *findPretokenizer(std::string_view pre) {
  for (const NamedPretokenizer &entry : pretokenizers())
    for (std::string_view name : entry.names)
      if (name == pre)
        return &entry.value;
  return nullptr;
}

std::optional<Scanner> scannerForPattern(std::string_view pattern) {
  // What follows the word alternatives in the Llama 3 family.
#define FINGPT_TAIL(EXTRA) "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n" EXTRA "]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define FINGPT_CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define FINGPT_LEAD "[^\\r\\n\\p{L}\\p{N}]?"
#define FINGPT_U "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define FINGPT_V "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
  static const std::pair<std::string_view, Scanner> known[] = {
      {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| "
       "?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
       kGpt2},
      {FINGPT_CONTRACTION "|" FINGPT_LEAD "\\p{L}+|\\p{N}{1,3}" FINGPT_TAIL(""),
       {Scanner::Llama3, 3, false, false, true}},
      {FINGPT_CONTRACTION "|" FINGPT_LEAD "\\p{L}+|\\p{N}" FINGPT_TAIL(""),
       {Scanner::Llama3, 1, false, false, true}},
      {FINGPT_CONTRACTION "|" FINGPT_LEAD
                          "[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|"
                          "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
       {Scanner::Llama3, 1, true, false, true}},
      {FINGPT_LEAD FINGPT_U "*" FINGPT_V "+|" FINGPT_LEAD FINGPT_U "+" FINGPT_V
                            "*|\\p{N}" FINGPT_TAIL("/"),
       kTekken},
      {FINGPT_LEAD FINGPT_U "*" FINGPT_V "+" FINGPT_CONTRACTION "?|" FINGPT_LEAD FINGPT_U
                            "+" FINGPT_V "*" FINGPT_CONTRACTION "?|\\p{N}{1,3}" FINGPT_TAIL("/"),
       {Scanner::Tekken, 3, false, true, true}},
      {"\\p{N}", kDigit},
      {"\\p{N}{1,3}", {Scanner::Numbers, 3}},
      {"\\p{N}+", {Scanner::Numbers}},
  };
#undef FINGPT_TAIL
#undef FINGPT_CONTRACTION
#undef FINGPT_LEAD
#undef FINGPT_U
#undef FINGPT_V
  for (const auto &[text, scanner] : known)
    if (text == pattern)
      return scanner;
  return std::nullopt;
}

} // namespace fingpt::tokenizer
