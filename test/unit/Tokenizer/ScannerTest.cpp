#include "Scanner.h"
#include "AddedTokens.h"
#include "Pattern.h"
#include "TokenizerTesting.h"
#include "Unicode.h"

using namespace fingpt;
using namespace fingpt::test;
using namespace fingpt::tokenizer;

/// The pieces with bars between them, after every scanner of a `pre`.
static std::string cut(const char *pre, std::string_view text) {
  const Pretokenizer *found = findPretokenizer(pre);
  if (!found)
    return "unknown";
  std::vector<std::string_view> pieces{text};
  for (const Scanner &scanner : found->scanners) {
    std::vector<std::string_view> next;
    for (std::string_view piece : pieces)
      scanner.split(piece, [&](std::string_view part) { next.push_back(part); });
    pieces = std::move(next);
  }
  std::string out;
  for (std::string_view piece : pieces)
    out += (out.empty() ? "" : "|") + std::string(piece);
  return out;
}

TEST(Scanner, CutsAsThePatternsSay) {
  EXPECT_EQ(cut("gpt-2", "I'm  42! don'T"), "I|'m| | 42|!| don|'|T");
  EXPECT_EQ(cut("gpt-2", "a\n\n  b \t"), "a|\n\n | b| \t");
  EXPECT_EQ(cut("llama-bpe", "I'M 12345\n\n x.\n!"), "I|'M| |123|45|\n\n| x|.\n|!");
  EXPECT_EQ(cut("qwen2", "x12 \r\n y"), "x|1|2| \r\n| y");
  EXPECT_EQ(cut("smollm", "ab 12c"), "ab| |1|2|c");
  EXPECT_EQ(cut("tekken", "HTTPServer don't a/b//\n"), "HTTPServer| don|'t| a|/b|//\n");
  EXPECT_EQ(cut("gpt-4o", "WORLDwide it's 1234"), "WORLDwide| it's| |123|4");
  EXPECT_EQ(cut("default", "a,b 1234"), "a|,|b| |123|4");
  EXPECT_EQ(cut("gemma4", "a b\n\nc"), "a b|\n\n|c");
  EXPECT_EQ(cut("qwen2", "e\xCC\x81t"), "e|\xCC\x81t");
  EXPECT_EQ(cut("qwen35", "e\xCC\x81t"), "e\xCC\x81t");
  EXPECT_EQ(cut("nosuch", "x"), "unknown");
}

TEST(Scanner, TakesUpperCaseBackInTekken) {
  // U*V+ gives characters back until one of both classes is left.
  EXPECT_EQ(cut("tekken", "ABªCD"), "ABª|CD");
  EXPECT_EQ(cut("tekken", "\xCC\x81 x"), "\xCC\x81| x");
}

TEST(Scanner, IsLinear) {
  for (const char *pre : {"gpt-2", "llama-bpe", "tekken", "gpt-4o", "default", "qwen35"})
    for (std::string unit : {"a", " ", "A", "1", "!", "\n", "'", "\xCC\x81", "Aª", "\xFF"}) {
      std::string text;
      while (text.size() < (1u << 20))
        text += unit;
      EXPECT_LT(secondsOf([&] { cut(pre, text); }), 5.0) << pre << " " << unit;
    }
}

TEST(Unicode, DecodesAndReplacesIllFormedText) {
  EXPECT_EQ(decodeUtf8("\xF0\x9F\x98\x80", 0).cp, 0x1F600u);
  for (std::string_view bad : {"\x80", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80",
                               "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF5", "\xE2\x82"}) {
    Decoded d = decodeUtf8(bad, 0);
    EXPECT_FALSE(d.valid);
    EXPECT_EQ(d.length, 1u);
    EXPECT_FALSE(isValidUtf8(bad));
  }
  std::string out;
  EXPECT_EQ(appendLossy(out, "a\xE2\x82", false), 1u); // may become a character
  EXPECT_EQ(appendLossy(out, "\xE2\x82", true), 2u);
  EXPECT_EQ(out, "a\xEF\xBF\xBD");
  EXPECT_EQ(utf8(0xD800), "\xEF\xBF\xBD");
  EXPECT_EQ(previousChar("a\xC3\xA9", 3), 1u);
  EXPECT_EQ(previousChar("\x80\x80\x80\x80\x80", 5), 4u);
}

static std::string sections(const char *source, std::string_view text) {
  auto pattern = Pattern::compile(source, "p");
  if (!pattern)
    return pattern.error().message();
  std::string out;
  Status s = pattern->forEach(text, [&](size_t begin, size_t end, bool match) {
    out += (match ? "<" : "(") + std::string(text.substr(begin, end - begin)) + (match ? ">" : ")");
  });
  return s ? out : s.error().message();
}

TEST(Pattern, MatchesAsOniguruma) {
  EXPECT_EQ(sections("a+b|c", "xaabc"), "(x)<aab><c>");
  EXPECT_EQ(sections("a*?b|a", "aab"), "<aab>");
  EXPECT_EQ(sections("(?i:'S|x)y?", "'sYXy"), "<'s>(Y)<Xy>");
  EXPECT_EQ(sections("(?<=a)b(?!c)", "abcab"), "(abca)<b>");
  EXPECT_EQ(sections("a++a|b", "aab"), "(aa)<b>");
  EXPECT_EQ(sections("\\p{N}{2}+", "12345"), "<1234>(5)"); // {2}+ repeats {2}
  EXPECT_EQ(sections("^x$", "x\nx"), "<x>(\n)<x>");
  EXPECT_EQ(sections("(a|b?)*c", "abc"), "<abc>");
  EXPECT_EQ(sections("x{", "x{"), "<x{>");
  EXPECT_EQ(sections("[]a]", "]a"), "<]><a>");
  EXPECT_EQ(sections("\\bx", "x ax"), "<x>( ax)");
  EXPECT_EQ(sections("", "ab"), "<>(a)<>(b)<>");
  EXPECT_EQ(sections("(?<!a|bc)d", "adbcdd"), "(adbcd)<d>");
  EXPECT_EQ(sections("[^\\D5]", "45"), "<4>(5)");
  EXPECT_EQ(sections("[[:space:][:^digit:]&&[^a]]", "a1 b"), "(a1)< ><b>");
  EXPECT_EQ(sections("\\w+|\\W", "aé½ ²!"), "<aé½>< ><²><!>");
  EXPECT_EQ(sections("[\\w]+|[\\W\\d]", "a½1"), "<a><½><1>"); // no ½ inside [ ]
  EXPECT_EQ(sections("\\h+|\\H", "f0g"), "<f0><g>");
  EXPECT_EQ(sections("\\Aa|a\\z|a\\Z", "aaa"), "<a>(a)<a>");
  EXPECT_EQ(sections("a\\Z", "aa\n"), "(a)<a>(\n)");
  EXPECT_EQ(sections("\\Bb|(?#no)c", "abc"), "(a)<b><c>");
  EXPECT_EQ(sections("(?m:a.)|(?-i:.)", "a\nb\n"), "<a\n><b>(\n)");
  EXPECT_EQ(sections("x{,2}y|z{2,}|q{,}|r{3", "xxxyzzzr{3q{,}"), "(x)<xxy><zzz><r{3><q{,}>");
  EXPECT_EQ(sections("[\\f\\v\\a\\e\\b\\-a-]+", "\f\v\a\x1b\b-ab"), "<\f\v\a\x1b\b-a>(b)");
  EXPECT_EQ(sections("\\p{^L}|[[:alpha:]]{2}", "1ab"), "<1><ab>");
  EXPECT_EQ(sections("[[:alnum:]]+", "a1!"), "<a1>(!)");
  EXPECT_EQ(sections("(?<name>ab)+?", "abab"), "<ab><ab>");
  EXPECT_EQ(sections("(?:ab){1,2}+a|(?:ab|c)*+c|x", "ababac"), "<ababa>(c)");
  EXPECT_EQ(sections("a{0,2}?b", "aaab"), "(a)<aab>");
  EXPECT_EQ(sections("()a|(|b)c", "abc"), "<a><bc>");
  EXPECT_EQ(sections("\\x{e9}\\u00e9\\xE9?\\t", "éé\t"), "<éé\t>");
}

TEST(Pattern, RefusesWhatItCannotDo) {
  auto at = [](const char *source) {
    std::string text = sections(source, "");
    return text.substr(0, 3) == "p: " ? text.substr(text.find("\": ") + 3) : "accepted " + text;
  };
  EXPECT_EQ(at("(a"), "missing ) at character 2");
  EXPECT_EQ(at("a)"), "unmatched ) at character 1");
  EXPECT_EQ(at("[a"), "missing ] at character 2");
  EXPECT_EQ(at("*a"), "quantifier without a target at character 0");
  EXPECT_EQ(at("(a)\\1"), "unsupported escape \\1 at character 5");
  EXPECT_EQ(at("\\p{Klingon}"), "unsupported property \"klingon\" at character 11");
  EXPECT_EQ(at("\\p{L"), "\\p{ without } at character 4");
  EXPECT_EQ(at("\\p"), "\\p without { at character 2");
  EXPECT_EQ(at("\\"), "\\ at the end at character 1");
  EXPECT_EQ(at("\\x{110000}"), "bad character number at character 10");
  EXPECT_EQ(at("(?x)a"), "unsupported group option at character 2");
  EXPECT_EQ(at("(?i)é"), "(?i) on a letter outside ASCII is not supported at character 6");
  EXPECT_EQ(at("(?<=a*)b"), "look-behind of more than 100 characters");
  EXPECT_EQ(at("(?=a)*"), "quantifier on an assertion at character 6");
  EXPECT_EQ(at("a{2}?"), "{n}? is not supported at character 4");
  EXPECT_EQ(at("a{9999}"), "repetition outside 0 to 1000 at character 1");
  EXPECT_EQ(at("a{5,2}"), "repetition outside 0 to 1000 at character 1");
  EXPECT_EQ(at("[z-a]"), "bad range in a class at character 4");
  EXPECT_EQ(at("[[:upper:]]"), "unsupported class [:upper:] at character 10");
  EXPECT_EQ(at("[[:x"), "[: without :] at character 3");
  EXPECT_EQ(at("(?<n"), "group name without > at character 4");
  EXPECT_EQ(at("((ab){1000}){1000}"), "pattern too large once repetitions are written out");
  EXPECT_EQ(at("a**********"), "too many quantifiers at character 11");
  EXPECT_EQ(at(std::string(100, '(').c_str()), "groups nested deeper than 60 at character 60");
  EXPECT_EQ(at(std::string(100, '[').c_str()), "classes nested deeper than 60 at character 60");
}

TEST(Pattern, CountsItsSteps) {
  std::string as(1 << 17, 'a');
  for (const char *bomb : {"(a+)+$x", "(a|aa)+$x", "(?=.*)b", "(?>.*)b", "[^x]*+x", "(a*)*b",
                           "(?<=a{0,90})b", "((a?)*)*b"}) {
    std::string result;
    EXPECT_LT(secondsOf([&] { result = sections(bomb, as); }), 10.0) << bomb;
    EXPECT_EQ(result.find("text: too much work for the pattern"), 0u) << bomb;
  }
  std::string spaces(1 << 20, ' ');
  EXPECT_EQ(sections("\\s+(?!\\S)|\\s+", spaces).size(), spaces.size() + 2);
}

static std::string added(AddedTokenSet &set, std::string_view text, bool special = true,
                         LiteralRanges literal = {}) {
  std::string out;
  set.split(text, special, literal, [&](int32_t id, std::string_view part) {
    out += "[" + (id < 0 ? "" : std::to_string(id) + ":") + std::string(part) + "]";
  });
  return out;
}

TEST(AddedTokens, CutsTheLongestFirst) {
  AddedTokenSet set;
  set.add({1, "<a>", true}, "<a>");
  set.add({2, "<a><b>", false}, "<a><b>");
  set.add({3, "w", false, false, true}, "w");
  set.add({4, "L", false, false, false, true}, "L");
  set.add({5, "R", false, false, false, false, true}, "R");
  EXPECT_EQ(added(set, "x<a><b><a>y"), "[x][2:<a><b>][1:<a>][y]");
  EXPECT_EQ(added(set, "x<a>y", false), "[x<a>y]");
  EXPECT_EQ(added(set, "<a><a>", true, {{1, 2}}), "[<a>][1:<a>]");
  EXPECT_EQ(added(set, "w xw w"), "[3:w][ xw ][3:w]");
  EXPECT_EQ(added(set, "a  L  R \n b"), "[a][4:  L][  ][5:R \n ][b]");
  EXPECT_EQ(added(set, ""), "");
}
