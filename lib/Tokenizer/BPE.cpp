#include "BPE.h"
#include "Unicode.h"

#include <algorithm>
#include <queue>

namespace fingpt::tokenizer {

namespace {
struct ByteAlphabet {
  std::array<uint32_t, 256> charOf;
  std::array<int, 512> byteOf; // the alphabet ends at U+0143
  ByteAlphabet() {
    byteOf.fill(-1);
    uint32_t next = 0x100;
    for (uint32_t b = 0; b < 256; ++b) {
      bool itself = (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
      charOf[b] = itself ? b : next++;
      byteOf[charOf[b]] = static_cast<int>(b);
    }
  }
};
const ByteAlphabet &alphabet() {
  static const ByteAlphabet a;
  return a;
}
} // namespace

uint32_t byteLevelChar(unsigned char byte) { return alphabet().charOf[byte]; }
int byteLevelByte(uint32_t cp) { return cp < 512 ? alphabet().byteOf[cp] : -1; }
std::string toByteLevel(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (char c : bytes)
    appendUtf8(out, byteLevelChar(static_cast<unsigned char>(c)));
  return out;
}

static constexpr char kHex[] = "0123456789ABCDEF";

std::array<int32_t, 256> byteTokenIds(const Vocabulary &vocabulary) {
  std::array<int32_t, 256> ids;
  for (unsigned b = 0; b < 256; ++b)
    ids[b] = vocabulary.find(std::string("<0x") + kHex[b >> 4] + kHex[b & 15] + ">");
  return ids;
}

int byteOfToken(std::string_view text) {
  if (text.size() != 6 || text.substr(0, 3) != "<0x" || text[5] != '>')
    return -1;
  auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  };
  int high = digit(text[3]), low = digit(text[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

MergeTable::MergeTable(size_t count) {
  size_t capacity = 16;
  while (capacity < count * 2)
    capacity *= 2;
  entries.resize(capacity);
  mask = capacity - 1;
}

void MergeTable::insert(int32_t left, int32_t right, Merge merge) {
  uint64_t key = pack(left, right);
  for (size_t i = hash(key);; ++i) {
    Entry &e = entries[i & mask];
    if (e.key == kEmpty || e.key == key) {
      e = {key, merge};
      return;
    }
  }
}

bool addMerge(MergeTable &table, const Vocabulary &vocabulary, std::string_view left,
              std::string_view right, uint32_t rank, std::string_view prefix) {
  std::string joined(left);
  // HF cuts as many bytes as the prefix has, whether or not they are the
  // prefix.
  joined += right.substr(std::min(prefix.size(), right.size()));
  int32_t l = vocabulary.find(left), r = vocabulary.find(right), j = vocabulary.find(joined);
  if (l < 0 || r < 0 || j < 0)
    return false;
  table.insert(l, r, {rank, j});
  return true;
}

BPE::BPE(const Vocabulary &vocabulary, MergeTable merges, BPEOptions options)
    : vocabulary(vocabulary), merges(std::move(merges)), options(std::move(options)) {
  byteIds.fill(-1);
  if (this->options.byteLevel) {
    for (unsigned b = 0; b < 256; ++b)
      byteIds[b] = vocabulary.find(utf8(byteLevelChar(static_cast<unsigned char>(b))));
  } else if (this->options.byteFallback) {
    byteIds = byteTokenIds(vocabulary);
  }
}

bool BPE::encode(std::string_view piece, std::vector<int32_t> &ids) const {
  if (options.ignoreMerges) {
    int32_t whole =
        options.byteLevel ? vocabulary.find(toByteLevel(piece)) : vocabulary.find(piece);
    if (whole >= 0) {
      ids.push_back(whole);
      return true;
    }
  }
  std::vector<int32_t> symbols;
  firstSymbols(piece, symbols);
  // Scanning all pairs again after each merge beats a heap on ordinary words.
  if (symbols.size() <= 32)
    mergeShort(symbols);
  else
    mergeLong(symbols);
  ids.insert(ids.end(), symbols.begin(), symbols.end());
  return true;
}

void BPE::firstSymbols(std::string_view piece, std::vector<int32_t> &symbols) const {
  bool pendingUnknown = false;
  auto unknown = [&] {
    if (options.unknown < 0)
      return;
    if (pendingUnknown && !options.fuseUnknown)
      symbols.push_back(options.unknown);
    pendingUnknown = true;
  };
  auto known = [&](int32_t id) {
    if (pendingUnknown)
      symbols.push_back(options.unknown);
    pendingUnknown = false;
    symbols.push_back(id);
  };
  if (options.byteLevel) {
    symbols.reserve(piece.size());
    for (char c : piece) {
      int32_t id = byteIds[static_cast<unsigned char>(c)];
      if (id >= 0)
        known(id);
      else
        unknown();
    }
  } else {
    std::string decorated;
    for (size_t at = 0; at < piece.size();) {
      size_t length = decodeUtf8(piece, at).length;
      std::string_view c = piece.substr(at, length), symbol = c;
      bool first = at == 0, last = at + length == piece.size();
      if ((!first && !options.continuingPrefix.empty()) ||
          (last && !options.endOfWordSuffix.empty())) {
        decorated = first ? std::string() : options.continuingPrefix;
        decorated += c;
        if (last)
          decorated += options.endOfWordSuffix;
        symbol = decorated;
      }
      at += length;
      if (int32_t id = vocabulary.find(symbol); id >= 0) {
        known(id);
        continue;
      }
      bool covered = options.byteFallback;
      for (char byte : symbol)
        covered = covered && byteIds[static_cast<unsigned char>(byte)] >= 0;
      if (covered)
        // A pending unknown stays pending, behind the bytes: so does HF.
        for (char byte : symbol)
          symbols.push_back(byteIds[static_cast<unsigned char>(byte)]);
      else
        unknown();
    }
  }
  if (pendingUnknown)
    symbols.push_back(options.unknown);
}

void BPE::mergeShort(std::vector<int32_t> &symbols) const {
  constexpr uint32_t kNone = ~0u;
  MergeTable::Merge pairs[32] = {};
  size_t n = symbols.size();
  auto look = [&](size_t i) {
    const MergeTable::Merge *m = merges.find(symbols[i], symbols[i + 1]);
    pairs[i] = m ? *m : MergeTable::Merge{kNone, -1};
  };
  for (size_t i = 0; i + 1 < n; ++i)
    look(i);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i)
      if (pairs[i].rank < pairs[best].rank)
        best = i;
    if (pairs[best].rank == kNone)
      break;
    symbols[best] = pairs[best].joined;
    for (size_t i = best + 1; i + 1 < n; ++i) {
      symbols[i] = symbols[i + 1];
      pairs[i] = pairs[i + 1];
    }
    --n;
    if (best + 1 < n)
      look(best);
    if (best > 0)
      look(best - 1);
  }
  symbols.resize(n);
}

void BPE::mergeLong(std::vector<int32_t> &symbols) const {
  struct Node {
    int32_t id; // -1 once merged away
    uint32_t previous, next;
  };
  struct Candidate {
    uint32_t rank, at;
    int32_t left, right, joined;
    bool operator>(const Candidate &o) const { return rank != o.rank ? rank > o.rank : at > o.at; }
  };
  constexpr uint32_t kEnd = ~0u;
  std::vector<Node> nodes(symbols.size());
  auto count = static_cast<uint32_t>(symbols.size());
  for (uint32_t i = 0; i < count; ++i)
    nodes[i] = {symbols[i], i == 0 ? kEnd : i - 1, i + 1 == count ? kEnd : i + 1};
  std::vector<Candidate> start;
  auto candidate = [&](uint32_t at, Candidate &c) {
    if (at == kEnd || nodes[at].next == kEnd)
      return false;
    int32_t left = nodes[at].id, right = nodes[nodes[at].next].id;
    const MergeTable::Merge *m = merges.find(left, right);
    if (m)
      c = {m->rank, at, left, right, m->joined};
    return m != nullptr;
  };
  Candidate c;
  for (uint32_t i = 0; i + 1 < count; ++i)
    if (candidate(i, c))
      start.push_back(c);
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue(std::greater<>(),
                                                                               std::move(start));
  while (!queue.empty()) {
    Candidate top = queue.top();
    queue.pop();
    Node &node = nodes[top.at];
    // Either side may have changed since.
    if (node.id != top.left || node.next == kEnd || nodes[node.next].id != top.right)
      continue;
    Node &gone = nodes[node.next];
    node.id = top.joined;
    node.next = gone.next;
    gone.id = -1;
    if (node.next != kEnd)
      nodes[node.next].previous = top.at;
    if (candidate(top.at, c))
      queue.push(c);
    if (candidate(node.previous, c))
      queue.push(c);
  }
  symbols.clear();
  for (uint32_t i = 0; i != kEnd; i = nodes[i].next)
    symbols.push_back(nodes[i].id);
}

} // namespace fingpt::tokenizer
