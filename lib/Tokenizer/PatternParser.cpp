#include "PatternNode.h"

#include <algorithm>
#include <utf8proc.h>

namespace fingpt::tokenizer {

namespace {

using Node = PatternNode;

constexpr unsigned kMaxDepth = 60;
constexpr uint32_t kMaxRepeat = 1000;

struct NamedSet {
  const char *name;
  CategorySet categories;
};
constexpr NamedSet kProperties[] = {
    {"l", kLetter},
    {"letter", kLetter},
    {"lu", bit(Category::Lu)},
    {"ll", bit(Category::Ll)},
    {"lt", bit(Category::Lt)},
    {"lm", bit(Category::Lm)},
    {"lo", bit(Category::Lo)},
    {"uppercaseletter", bit(Category::Lu)},
    {"lowercaseletter", bit(Category::Ll)},
    {"m", kMark},
    {"mark", kMark},
    {"mn", bit(Category::Mn)},
    {"mc", bit(Category::Mc)},
    {"me", bit(Category::Me)},
    {"n", kNumber},
    {"number", kNumber},
    {"nd", bit(Category::Nd)},
    {"digit", bit(Category::Nd)},
    {"nl", bit(Category::Nl)},
    {"no", bit(Category::No)},
    {"p", kPunctuation},
    {"punctuation", kPunctuation},
    {"pc", bit(Category::Pc)},
    {"pd", bit(Category::Pd)},
    {"ps", bit(Category::Ps)},
    {"pe", bit(Category::Pe)},
    {"pi", bit(Category::Pi)},
    {"pf", bit(Category::Pf)},
    {"po", bit(Category::Po)},
    {"s", kSymbol},
    {"symbol", kSymbol},
    {"sm", bit(Category::Sm)},
    {"sc", bit(Category::Sc)},
    {"sk", bit(Category::Sk)},
    {"so", bit(Category::So)},
    {"z", kSeparator},
    {"separator", kSeparator},
    {"zs", bit(Category::Zs)},
    {"zl", bit(Category::Zl)},
    {"zp", bit(Category::Zp)},
    {"c", kOther},
    {"other", kOther},
    {"cc", kControl},
    {"cntrl", kControl},
    {"cf", bit(Category::Cf)},
    {"co", bit(Category::Co)},
    {"cn", bit(Category::Cn)},
    {"space", kSpace},
    {"whitespace", kSpace},
    {"any", ~CategorySet(0)},
};

class Parser {
public:
  Parser(std::string_view source, const std::string &where, std::vector<CharSet> &sets)
      : source(source), where(where), sets(sets) {}

  Result<PatternNode> parse() {
    Node root = choice();
    if (problem && at < source.size())
      fail("unmatched )");
    if (!problem)
      return problem.takeError();
    return root;
  }

private:
  bool fail(const std::string &what) {
    if (problem)
      problem = Error::at(where, "pattern " + quote(source, 100) + ": " + what + " at character " +
                                     std::to_string(at));
    return false;
  }
  bool more() const { return problem && at < source.size(); }
  bool take(std::string_view text) {
    if (source.substr(at, text.size()) != text)
      return false;
    at += text.size();
    return true;
  }

  Node choice() {
    Node node{Node::Choice};
    if (++depth > kMaxDepth) {
      fail("groups nested deeper than " + std::to_string(kMaxDepth));
      return {Node::Empty};
    }
    do
      node.children.push_back(sequence());
    while (more() && take("|"));
    --depth;
    if (node.children.size() == 1) {
      Node only = std::move(node.children[0]);
      return only;
    }
    return node;
  }

  Node sequence() {
    Node node{Node::Sequence};
    while (more() && source[at] != '|' && source[at] != ')') {
      Node item = atom();
      if (!problem)
        break;
      quantify(item);
      node.children.push_back(std::move(item));
    }
    return node;
  }

  void quantify(Node &item) {
    for (unsigned n = 0; more(); ++n) {
      uint32_t min, max;
      bool interval = false;
      if (take("*"))
        min = 0, max = kUnbounded;
      else if (take("+"))
        min = 1, max = kUnbounded;
      else if (take("?"))
        min = 0, max = 1;
      else if (readInterval(min, max))
        interval = true;
      else
        return;
      if (n > 8) {
        fail("too many quantifiers");
        return;
      }
      Node repeat{Node::Repeat};
      repeat.min = min;
      repeat.max = max;
      if (more() && source[at] == '?') {
        if (interval && min == max) {
          fail("{n}? is not supported");
          return;
        }
        ++at;
        repeat.mode = Instruction::Lazy;
      } else if (!interval && take("+")) { // {n}+ repeats {n} in this syntax
        repeat.mode = Instruction::Possessive;
      }
      if (item.kind == Node::Assert || item.kind == Node::Look || item.kind == Node::Behind) {
        fail("quantifier on an assertion");
        return;
      }
      repeat.children.push_back(std::move(item));
      item = std::move(repeat);
    }
  }

  bool readInterval(uint32_t &min, uint32_t &max) {
    size_t i = at;
    auto number = [&](uint32_t &value) {
      size_t start = i;
      uint64_t v = 0;
      for (; i < source.size() && source[i] >= '0' && source[i] <= '9'; ++i)
        v = std::min<uint64_t>(v * 10 + static_cast<uint64_t>(source[i] - '0'), 1u << 30);
      value = static_cast<uint32_t>(v);
      return i > start;
    };
    if (i >= source.size() || source[i] != '{')
      return false;
    ++i;
    bool low = number(min), high = true;
    max = min;
    if (i < source.size() && source[i] == ',') {
      ++i;
      high = number(max);
      if (!low && !high)
        return false;
      if (!low)
        min = 0;
      if (!high)
        max = kUnbounded;
    } else if (!low) {
      return false;
    }
    if (i >= source.size() || source[i] != '}')
      return false;
    if (min > kMaxRepeat || (max != kUnbounded && (max > kMaxRepeat || max < min)))
      return fail("repetition outside 0 to " + std::to_string(kMaxRepeat));
    at = i + 1;
    return true;
  }

  Node assertion(Instruction::Op op) {
    Node node{Node::Assert};
    node.assertion = op;
    return node;
  }
  Node setNode(CharSet set) {
    set.foldCase = set.foldCase || ignoreCase;
    set.finish();
    Node node{Node::Set};
    node.set = static_cast<uint32_t>(sets.size());
    sets.push_back(std::move(set));
    return node;
  }
  Node character(uint32_t cp) {
    CharSet set;
    auto c = static_cast<utf8proc_int32_t>(cp);
    if (ignoreCase && cp >= 128 && (utf8proc_tolower(c) != c || utf8proc_toupper(c) != c))
      fail("(?i) on a letter outside ASCII is not supported");
    set.ranges.push_back({cp, cp});
    return setNode(std::move(set));
  }

  Node atom() {
    if (take("("))
      return group();
    if (take("["))
      return setNode(charClass());
    if (take("^"))
      return assertion(Instruction::LineStart);
    if (take("$"))
      return assertion(Instruction::LineEnd);
    if (take(".")) {
      CharSet set;
      if (!dotAll)
        set.ranges.push_back({'\n', '\n'});
      set.negated = true;
      return setNode(std::move(set));
    }
    if (source[at] == '*' || source[at] == '+' || source[at] == '?') {
      fail("quantifier without a target");
      return {Node::Empty};
    }
    if (take("\\")) {
      static constexpr std::pair<char, Instruction::Op> assertions[] = {
          {'A', Instruction::TextStart},
          {'z', Instruction::TextEnd},
          {'Z', Instruction::TextEndOrNewline},
          {'b', Instruction::WordBoundary},
          {'B', Instruction::NotWordBoundary}};
      for (auto [letter, op] : assertions)
        if (more() && source[at] == letter) {
          ++at;
          return assertion(op);
        }
      CharSet set;
      escape(set);
      return setNode(std::move(set));
    }
    Decoded d = decodeUtf8(source, at);
    at += d.length;
    return character(d.cp);
  }

  Node group() {
    bool oldCase = ignoreCase, oldDot = dotAll;
    Node node{Node::Sequence};
    if (take("?#")) {
      while (more() && source[at] != ')')
        ++at;
    } else if (take("?:")) {
      node.children.push_back(choice());
    } else if (take("?=") || take("?!")) {
      node.kind = Node::Look;
      node.negated = source[at - 1] == '!';
      node.children.push_back(choice());
    } else if (take("?<=") || take("?<!")) {
      node.kind = Node::Behind;
      node.negated = source[at - 1] == '!';
      node.children.push_back(choice());
    } else if (take("?>")) {
      node.kind = Node::Atomic;
      node.children.push_back(choice());
    } else if (take("?<")) { // a name: captures are not needed
      while (more() && source[at] != '>')
        ++at;
      if (!take(">"))
        fail("group name without >");
      node.children.push_back(choice());
    } else if (take("?")) {
      bool on = true;
      while (more() && source[at] != ')' && source[at] != ':') {
        if (source[at] == '-')
          on = false;
        else if (source[at] == 'i')
          ignoreCase = on;
        else if (source[at] == 'm')
          dotAll = on;
        else
          fail("unsupported group option");
        ++at;
      }
      bool isolated = more() && source[at] == ')';
      if (more())
        ++at;
      node.children.push_back(choice());
      if (isolated) { // (?i) holds to the end of the group around it
        ignoreCase = oldCase;
        dotAll = oldDot;
        return node;
      }
    } else {
      node.children.push_back(choice());
    }
    if (problem && !take(")"))
      fail("missing )");
    ignoreCase = oldCase;
    dotAll = oldDot;
    return node;
  }

  /// What follows a backslash, into `set`. Returns the character if it is one,
  /// or kUnbounded for a class.
  uint32_t escape(CharSet &set) {
    if (!more()) {
      fail("\\ at the end");
      return 0;
    }
    Decoded d = decodeUtf8(source, at);
    at += d.length;
    auto single = [&](uint32_t cp) {
      set.ranges.push_back({cp, cp});
      return cp;
    };
    auto classOf = [&](CategorySet categories, bool complement) {
      set.categories |= complement ? ~categories : categories;
      return kUnbounded;
    };
    switch (d.cp) {
    case 'd':
    case 'D':
      return classOf(bit(Category::Nd), d.cp == 'D');
    case 's':
    case 'S':
      return classOf(kSpace, d.cp == 'S');
    case 'w':
      set.word = true;
      return kUnbounded;
    case 'W':
      set.notWord = true;
      return kUnbounded;
    case 'h':
    case 'H': {
      CharSet hex;
      hex.ranges = {{'0', '9'}, {'a', 'f'}, {'A', 'F'}};
      hex.negated = d.cp == 'H';
      hex.finish();
      set.parts.push_back(std::move(hex));
      return kUnbounded;
    }
    case 'p':
    case 'P':
      return property(set, d.cp == 'P');
    case 't':
      return single('\t');
    case 'n':
      return single('\n');
    case 'r':
      return single('\r');
    case 'f':
      return single('\f');
    case 'v':
      return single('\v');
    case 'a':
      return single('\a');
    case 'e':
      return single(27);
    case 'x':
    case 'u': {
      size_t most = d.cp == 'u' ? 4 : 2;
      bool braces = d.cp == 'x' && take("{");
      uint32_t value = 0;
      size_t digits = 0;
      for (; more() && digits < (braces ? 8 : most); ++digits, ++at) {
        auto c = static_cast<unsigned char>(source[at]);
        unsigned v = c >= '0' && c <= '9'   ? c - '0'
                     : c >= 'a' && c <= 'f' ? c - 'a' + 10u
                     : c >= 'A' && c <= 'F' ? c - 'A' + 10u
                                            : 16;
        if (v == 16)
          break;
        value = value << 4 | v;
      }
      if (digits == 0 || (braces && !take("}")) || value > 0x10FFFF)
        fail("bad character number");
      return single(value);
    }
    default:
      if (d.cp < 128 && (categoryOf(d.cp) & (kLetter | kNumber))) {
        fail("unsupported escape \\" + utf8(d.cp));
        return 0;
      }
      return single(d.cp);
    }
  }

  uint32_t property(CharSet &set, bool complement) {
    if (!take("{")) {
      fail("\\p without {");
      return 0;
    }
    if (take("^"))
      complement = !complement;
    std::string name;
    while (more() && source[at] != '}') {
      char c = source[at++];
      if (c != ' ' && c != '_' && c != '-')
        name += static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    if (!take("}"))
      fail("\\p{ without }");
    for (const NamedSet &known : kProperties)
      if (name == known.name) {
        set.categories |= complement ? ~known.categories : known.categories;
        return kUnbounded;
      }
    fail("unsupported property " + quote(name, 40));
    return 0;
  }

  /// After "[".
  CharSet charClass() {
    CharSet set;
    set.inClass = true;
    if (++depth > kMaxDepth) {
      fail("classes nested deeper than " + std::to_string(kMaxDepth));
      return set;
    }
    bool negated = take("^"), first = true;
    for (; more(); first = false) {
      if (source[at] == ']' && !first)
        break;
      if (take("[:")) {
        posix(set);
        continue;
      }
      if (take("[")) {
        set.parts.push_back(charClass());
        continue;
      }
      if (take("&&")) {
        // All before the sign, and all after it.
        CharSet rest = restOfClass();
        set.also.push_back(std::move(rest));
        break;
      }
      uint32_t low = classChar(set);
      if (low == kUnbounded || !more() || source[at] != '-')
        continue;
      if (at + 1 < source.size() && source[at + 1] == ']')
        continue; // a - at the end is itself
      ++at;
      CharSet ignored;
      uint32_t high = classChar(ignored);
      if (high == kUnbounded || high < low)
        fail("bad range in a class");
      else
        set.ranges.push_back({low, high});
    }
    if (problem && !take("]"))
      fail("missing ]");
    --depth;
    set.negated = negated;
    set.foldCase = ignoreCase;
    set.finish();
    return set;
  }
  CharSet restOfClass() {
    // As if it were a class of its own up to the same ].
    CharSet rest = charClass();
    if (problem)
      --at; // the ] is the outer one's
    return rest;
  }

  uint32_t classChar(CharSet &set) {
    if (take("\\")) {
      if (take("b")) {
        set.ranges.push_back({8, 8});
        return 8;
      }
      return escape(set);
    }
    Decoded d = decodeUtf8(source, at);
    at += d.length;
    set.ranges.push_back({d.cp, d.cp});
    return d.cp;
  }

  void posix(CharSet &set) {
    bool complement = take("^");
    size_t end = source.find(":]", at);
    std::string_view name = source.substr(at, end - at);
    if (end == std::string_view::npos) {
      fail("[: without :]");
      return;
    }
    at = end + 2;
    CharSet part;
    if (name == "alpha")
      part.alphabetic = true;
    else if (name == "digit")
      part.categories = bit(Category::Nd);
    else if (name == "alnum")
      part.alphabetic = true, part.categories = bit(Category::Nd);
    else if (name == "space")
      part.categories = kSpace;
    else
      fail("unsupported class [:" + std::string(name.substr(0, 20)) + ":]");
    part.negated = complement;
    part.finish();
    set.parts.push_back(std::move(part));
  }

  std::string_view source;
  const std::string &where;
  std::vector<CharSet> &sets;
  size_t at = 0;
  unsigned depth = 0;
  bool ignoreCase = false, dotAll = false;
  Status problem;
};

} // namespace

Result<PatternNode> parsePattern(std::string_view source, const std::string &where,
                                 std::vector<CharSet> &sets) {
  return Parser(source, where, sets).parse();
}

} // namespace fingpt::tokenizer
