#include "Pattern.h"
#include "PatternProgram.h"
#include "Properties.h"

#include <algorithm>
#include <utf8proc.h>

namespace fingpt::tokenizer {

bool CharSet::exact(uint32_t cp) const {
  if (categoryOf(cp) & categories)
    return true;
  for (auto [low, high] : ranges)
    if (cp >= low && cp <= high)
      return true;
  if (word || notWord) {
    bool isWordChar =
        isRegexWord(cp) &&
        !(inClass && (cp == 0xB2 || cp == 0xB3 || cp == 0xB9 || (cp >= 0xBC && cp <= 0xBE)));
    if (isWordChar ? word : notWord)
      return true;
  }
  if (alphabetic && isAlphabetic(cp))
    return true;
  for (const CharSet &part : parts)
    if (part.contains(cp))
      return true;
  return false;
}

bool CharSet::slow(uint32_t cp) const {
  bool found = exact(cp);
  if (!found && foldCase) {
    auto c = static_cast<utf8proc_int32_t>(cp);
    utf8proc_int32_t lower = utf8proc_tolower(c), upper = utf8proc_toupper(c);
    for (utf8proc_int32_t other : {lower, upper, utf8proc_tolower(upper), utf8proc_toupper(lower)})
      found = found || exact(static_cast<uint32_t>(other));
  }
  for (const CharSet &other : also)
    found = found && other.contains(cp);
  return found != negated;
}

void CharSet::finish() {
  for (uint32_t c = 0; c < 128; ++c)
    ascii[c] = slow(c);
}

namespace {

/// One text and the work done on it so far.
class Machine {
public:
  Machine(const PatternProgram &program, std::string_view text, uint64_t limit)
      : program(program), text(text), limit(limit), registers(program.registers, ~size_t(0)) {}

  bool exhausted() const { return steps > limit; }

  /// Matches the program at `pc` from `at`; the end of the match in `end`.
  bool match(uint32_t pc, size_t at, size_t &end) {
    size_t base = stack.size();
    for (;;) {
      if (stack.size() > kMaxStack)
        steps = limit;
      if (++steps > limit) {
        stack.resize(base);
        return false;
      }
      if (step(pc, at)) {
        if (!done)
          continue;
        done = false;
        stack.resize(base);
        end = at;
        return true;
      }
      if (!backtrack(pc, at, base))
        return false;
    }
  }

private:
  /// 64 MiB of places to go back to.
  static constexpr size_t kMaxStack = size_t(1) << 21;
  struct Saved {
    enum Kind : uint8_t { Resume, Shrink, Grow, Register } kind;
    uint32_t pc; // Shrink, Grow: of the Loop; Register: its number
    size_t at;   // Register: the old value
    size_t low;  // Shrink: the least end; Grow: characters still allowed
  };

  bool inSet(uint32_t set, size_t at, size_t &after) const {
    if (at >= text.size())
      return false;
    Decoded d = decodeUtf8(text, at);
    after = at + d.length;
    return program.sets[set].contains(d.cp);
  }
  bool wordAt(size_t at) const { return at < text.size() && isRegexWord(decodeUtf8(text, at).cp); }
  bool boundary(size_t at) const {
    bool before = at > 0 && wordAt(previousChar(text, at));
    return before != wordAt(at);
  }

  /// One instruction; false asks for backtracking.
  bool step(uint32_t &pc, size_t &at) {
    const Instruction &i = program.code[pc];
    size_t after;
    switch (i.op) {
    case Instruction::Set:
      if (!inSet(i.a, at, after))
        return false;
      at = after;
      break;
    case Instruction::Loop:
      return loop(i, pc, at);
    case Instruction::Split:
      stack.push_back({Saved::Resume, i.b, at, 0});
      pc = i.a;
      return true;
    case Instruction::Jump:
      pc = i.a;
      return true;
    case Instruction::LineStart:
      if (at > 0 && (text[at - 1] != '\n' || at == text.size()))
        return false;
      break;
    case Instruction::LineEnd:
      if (at < text.size() && text[at] != '\n')
        return false;
      break;
    case Instruction::TextStart:
      if (at != 0)
        return false;
      break;
    case Instruction::TextEnd:
      if (at != text.size())
        return false;
      break;
    case Instruction::TextEndOrNewline:
      if (at != text.size() && !(at + 1 == text.size() && text[at] == '\n'))
        return false;
      break;
    case Instruction::WordBoundary:
    case Instruction::NotWordBoundary:
      if (boundary(at) != (i.op == Instruction::WordBoundary))
        return false;
      break;
    case Instruction::Look:
    case Instruction::NotLook:
      if (match(i.a, at, after) != (i.op == Instruction::Look) || exhausted())
        return false;
      pc = i.b;
      return true;
    case Instruction::LookBehind:
    case Instruction::NotLookBehind:
      if (behind(i, at) != (i.op == Instruction::LookBehind) || exhausted())
        return false;
      pc = i.b;
      return true;
    case Instruction::Atomic:
      if (!match(i.a, at, after))
        return false;
      at = after;
      pc = i.b;
      return true;
    case Instruction::Mark:
      stack.push_back({Saved::Register, i.a, registers[i.a], 0});
      registers[i.a] = at;
      break;
    case Instruction::BackIfMoved:
      if (registers[i.a] != at) {
        pc = i.b;
        return true;
      }
      break;
    case Instruction::Match:
      done = true;
      return true;
    }
    ++pc;
    return true;
  }

  bool loop(const Instruction &i, uint32_t &pc, size_t &at) {
    uint32_t count = 0;
    size_t after;
    while (count < i.min) {
      if (!inSet(i.a, at, after))
        return false;
      at = after;
      ++count;
      ++steps;
    }
    if (i.mode == Instruction::Lazy) {
      stack.push_back({Saved::Grow, pc, at, i.max == kUnbounded ? ~size_t(0) : i.max - count});
    } else {
      size_t low = at;
      for (; count < i.max && inSet(i.a, at, after); ++count) {
        at = after;
        ++steps;
      }
      if (i.mode == Instruction::Greedy && at > low)
        stack.push_back({Saved::Shrink, pc, at, low});
    }
    ++pc;
    return true;
  }

  bool backtrack(uint32_t &pc, size_t &at, size_t base) {
    while (stack.size() > base) {
      Saved &top = stack.back();
      switch (top.kind) {
      case Saved::Register:
        registers[top.pc] = top.at;
        stack.pop_back();
        continue;
      case Saved::Resume:
        pc = top.pc;
        at = top.at;
        stack.pop_back();
        return true;
      case Saved::Shrink:
        at = top.at = previousChar(text, top.at);
        pc = top.pc + 1;
        if (at <= top.low)
          stack.pop_back();
        return true;
      case Saved::Grow: {
        size_t after;
        if (top.low == 0 || !inSet(program.code[top.pc].a, top.at, after)) {
          stack.pop_back();
          continue;
        }
        if (top.low != ~size_t(0))
          --top.low;
        at = top.at = after;
        pc = top.pc + 1;
        return true;
      }
      }
    }
    return false;
  }

  bool behind(const Instruction &i, size_t at) {
    size_t start = at;
    for (uint32_t n = 0; n <= i.max; ++n) {
      size_t end;
      if (n >= i.min && match(i.a, start, end) && end == at)
        return true;
      if (start == 0 || exhausted())
        return false;
      start = previousChar(text, start);
    }
    return false;
  }

  const PatternProgram &program;
  std::string_view text;
  uint64_t steps = 0, limit;
  std::vector<size_t> registers;
  std::vector<Saved> stack;
  bool done = false;
};

} // namespace

Result<Pattern> Pattern::compile(std::string_view source, const std::string &where) {
  auto program = compilePattern(source, where);
  if (!program)
    return program.takeError();
  Pattern pattern;
  pattern.source = source;
  pattern.program = std::make_shared<const PatternProgram>(std::move(*program));
  return pattern;
}

Pattern Pattern::literal(std::string text) {
  Pattern pattern;
  pattern.text = std::move(text);
  return pattern;
}

Status Pattern::forEach(std::string_view text,
                        FunctionRef<void(size_t, size_t, bool)> section) const {
  size_t done = 0;
  auto found = [&](size_t begin, size_t end) {
    if (begin > done)
      section(done, begin, false);
    section(begin, end, true);
    done = end;
  };
  if (!program) {
    for (size_t at = 0;
         !this->text.empty() && (at = text.find(this->text, at)) != std::string_view::npos;
         at = done)
      found(at, at + this->text.size());
  } else {
    // Short texts may be quadratic; many of them must not add up to much.
    uint64_t n = text.size(), square = n < 1000 ? 4 * n * n : 1000000;
    uint64_t limit = std::max<uint64_t>(2000 + 400 * n, std::min<uint64_t>(square, 1000000));
    Machine machine(*program, text, limit);
    size_t from = 0, lastEnd = ~size_t(0);
    while (from <= text.size()) {
      size_t at = from, end = 0;
      bool matched = false;
      while (!(matched = machine.match(0, at, end)) && at < text.size() && !machine.exhausted())
        at += decodeUtf8(text, at).length;
      if (machine.exhausted())
        return Error::at("text", "too much work for the pattern " + quote(source, 100),
                         "at most " + std::to_string(limit) + " steps", "more");
      if (!matched)
        break;
      // An empty match right behind the last one is none.
      if (at == end && end == lastEnd) {
        from += from < text.size() ? decodeUtf8(text, from).length : 1;
        continue;
      }
      found(at, end);
      from = lastEnd = end;
    }
  }
  if (done < text.size())
    section(done, text.size(), false);
  return Status::ok();
}

} // namespace fingpt::tokenizer
