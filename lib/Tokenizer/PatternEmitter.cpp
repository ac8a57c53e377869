#include "PatternNode.h"

#include <algorithm>

namespace fingpt::tokenizer {

namespace {

using Node = PatternNode;

constexpr size_t kMaxCode = 20000;

/// Characters that a node can match, least and most.
struct Width {
  uint64_t min, max;
};
Width width(const Node &node) {
  auto cap = [](uint64_t v) { return std::min<uint64_t>(v, kUnbounded); };
  Width w{0, 0};
  switch (node.kind) {
  case Node::Set:
    return {1, 1};
  case Node::Sequence:
  case Node::Atomic:
    for (const Node &child : node.children) {
      Width c = width(child);
      w = {cap(w.min + c.min), cap(w.max + c.max)};
    }
    return w;
  case Node::Choice:
    w = width(node.children[0]);
    for (const Node &child : node.children) {
      Width c = width(child);
      w = {std::min(w.min, c.min), std::max(w.max, c.max)};
    }
    return w;
  case Node::Repeat: {
    Width c = width(node.children[0]);
    uint64_t most = c.max == 0 ? 0 : node.max == kUnbounded ? kUnbounded : cap(c.max * node.max);
    return {cap(c.min * node.min), most};
  }
  default:
    return w;
  }
}

class Emitter {
public:
  explicit Emitter(std::vector<CharSet> sets) { program.sets = std::move(sets); }

  /// Fills `program`; false with `problem` set if that cannot be.
  bool run(const Node &root) {
    emit(root);
    add(Instruction::Match);
    return problem.empty();
  }

  PatternProgram program;
  std::string problem;

private:
  void fail(const char *what) {
    if (problem.empty())
      problem = what;
  }
  uint32_t here() const { return static_cast<uint32_t>(program.code.size()); }
  uint32_t add(Instruction::Op op, uint32_t a = 0, uint32_t b = 0) {
    if (program.code.size() >= kMaxCode)
      fail("pattern too large once repetitions are written out");
    Instruction i{op};
    i.a = a;
    i.b = b;
    program.code.push_back(i);
    return here() - 1;
  }

  void emit(const Node &node) {
    if (!problem.empty())
      return;
    switch (node.kind) {
    case Node::Empty:
      return;
    case Node::Set:
      add(Instruction::Set, node.set);
      return;
    case Node::Sequence:
      for (const Node &child : node.children)
        emit(child);
      return;
    case Node::Choice: {
      std::vector<uint32_t> jumps;
      for (size_t i = 0; i + 1 < node.children.size(); ++i) {
        uint32_t split = add(Instruction::Split);
        program.code[split].a = here();
        emit(node.children[i]);
        jumps.push_back(add(Instruction::Jump));
        program.code[split].b = here();
      }
      emit(node.children.back());
      for (uint32_t jump : jumps)
        program.code[jump].a = here();
      return;
    }
    case Node::Repeat:
      return repeat(node);
    case Node::Look:
      return sub(node.negated ? Instruction::NotLook : Instruction::Look, node.children[0]);
    case Node::Behind: {
      Width w = width(node.children[0]);
      if (w.max > 100) {
        fail("look-behind of more than 100 characters");
        return;
      }
      uint32_t i = here();
      sub(node.negated ? Instruction::NotLookBehind : Instruction::LookBehind, node.children[0]);
      program.code[i].min = static_cast<uint32_t>(w.min);
      program.code[i].max = static_cast<uint32_t>(w.max);
      return;
    }
    case Node::Atomic:
      return sub(Instruction::Atomic, node.children[0]);
    case Node::Assert:
      add(node.assertion);
      return;
    }
  }

  /// A program of its own behind its instruction.
  void sub(Instruction::Op op, const Node &body) {
    uint32_t i = add(op);
    program.code[i].a = here();
    emit(body);
    add(Instruction::Match);
    program.code[i].b = here();
  }

  void repeat(const Node &node) {
    const Node &body = node.children[0];
    if (body.kind == Node::Set) {
      uint32_t i = add(Instruction::Loop, body.set);
      program.code[i].min = node.min;
      program.code[i].max = node.max;
      program.code[i].mode = node.mode;
      return;
    }
    if (node.mode == Instruction::Possessive) {
      Node greedy = node;
      greedy.mode = Instruction::Greedy;
      return sub(Instruction::Atomic, greedy);
    }
    bool lazy = node.mode == Instruction::Lazy;
    auto split = [&] { return add(Instruction::Split); };
    auto target = [&](uint32_t s, uint32_t inside, uint32_t outside) {
      program.code[s].a = lazy ? outside : inside;
      program.code[s].b = lazy ? inside : outside;
    };
    for (uint32_t i = 0; i < node.min && problem.empty(); ++i)
      emit(body);
    if (node.max == kUnbounded) {
      uint32_t loop = split();
      bool mayBeEmpty = width(body).min == 0;
      uint32_t reg = program.registers;
      if (mayBeEmpty) {
        ++program.registers;
        add(Instruction::Mark, reg);
      }
      emit(body);
      if (mayBeEmpty)
        add(Instruction::BackIfMoved, reg, loop);
      else
        add(Instruction::Jump, loop);
      target(loop, loop + 1, here());
      return;
    }
    std::vector<uint32_t> splits;
    for (uint32_t i = node.min; i < node.max && problem.empty(); ++i) {
      splits.push_back(split());
      emit(body);
    }
    for (uint32_t s : splits)
      target(s, s + 1, here());
  }
};

} // namespace

Result<PatternProgram> compilePattern(std::string_view source, const std::string &where) {
  std::vector<CharSet> sets;
  auto root = parsePattern(source, where, sets);
  if (!root)
    return root.takeError();
  Emitter emitter(std::move(sets));
  if (!emitter.run(*root))
    return Error::at(where, "pattern " + quote(source, 100) + ": " + emitter.problem);
  return std::move(emitter.program);
}

} // namespace fingpt::tokenizer
