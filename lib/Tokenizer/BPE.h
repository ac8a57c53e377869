// Byte pair encoding with a list of merges.
//
// With merges  h e / l l / he ll  the word "hello" goes
//   h e l l o → he l l o → he ll o → hell o
// Always the merge of lowest rank (earliest in the list), leftmost among
// equals. Merges are looked up by the ids of their two sides; a long word keeps
// its candidates in a heap over a linked list, so n symbols cost O(n log n).
//
// The symbols to begin with are bytes (byte level: byte 0x20 is the token "Ġ")
// or characters (with <0xXX> fallback or an unknown token for those outside the
// vocabulary).
#ifndef FINGPT_LIB_TOKENIZER_BPE_H
#define FINGPT_LIB_TOKENIZER_BPE_H

#include "Model.h"
#include "Vocabulary.h"

#include <array>
#include <memory>
#include <string>

namespace fingpt::tokenizer {

/// The printable character that stands for a byte in byte-level vocabularies:
/// 33–126, 161–172 and 174–255 are themselves, the others U+0100… in order.
uint32_t byteLevelChar(unsigned char byte);
/// The inverse; -1 for a character outside the alphabet.
int byteLevelByte(uint32_t cp);
std::string toByteLevel(std::string_view bytes);

/// Ids of "<0x00>" … "<0xFF>", -1 where the vocabulary has none.
std::array<int32_t, 256> byteTokenIds(const Vocabulary &vocabulary);
/// The byte that "<0xXX>" names, or -1.
int byteOfToken(std::string_view text);

struct BPEOptions {
  bool byteLevel = false;    ///< pieces are raw bytes, symbols their alphabet
  bool ignoreMerges = false; ///< a piece found in the vocabulary is taken whole
  bool byteFallback = false;
  bool fuseUnknown = false;
  int32_t unknown = -1; ///< -1: characters outside the vocabulary are dropped
  std::string continuingPrefix, endOfWordSuffix;
};

/// (left, right) → rank and joined id; open addressing, filled once.
class MergeTable {
public:
  struct Merge {
    uint32_t rank;
    int32_t joined;
  };
  explicit MergeTable(size_t count);
  /// A pair given twice keeps its last rank, as the reference does.
  void insert(int32_t left, int32_t right, Merge merge);
  const Merge *find(int32_t left, int32_t right) const {
    uint64_t key = pack(left, right);
    for (size_t i = hash(key);; ++i) {
      const Entry &e = entries[i & mask];
      if (e.key == key)
        return &e.merge;
      if (e.key == kEmpty)
        return nullptr;
    }
  }

private:
  static constexpr uint64_t kEmpty = ~uint64_t(0);
  struct Entry {
    uint64_t key = kEmpty;
    Merge merge{};
  };
  static uint64_t pack(int32_t left, int32_t right) {
    return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
  }
  size_t hash(uint64_t key) const {
    return static_cast<size_t>(
        static_cast<uint64_t>(static_cast<unsigned __int128>(key) * 0x9E3779B97F4A7C15u >> 32));
  }
  std::vector<Entry> entries;
  size_t mask;
};

class BPE : public Model {
public:
  /// Both must outlive the model.
  BPE(const Vocabulary &vocabulary, MergeTable merges, BPEOptions options);
  bool encode(std::string_view piece, std::vector<int32_t> &ids) const override;

private:
  void firstSymbols(std::string_view piece, std::vector<int32_t> &symbols) const;
  void mergeShort(std::vector<int32_t> &symbols) const;
  void mergeLong(std::vector<int32_t> &symbols) const;

  const Vocabulary &vocabulary;
  MergeTable merges;
  BPEOptions options;
  std::array<int32_t, 256> byteIds;
};

/// Resolves one merge against the vocabulary and adds it; false if a side or
/// the joined token is absent.
bool addMerge(MergeTable &table, const Vocabulary &vocabulary, std::string_view left,
              std::string_view right, uint32_t rank, std::string_view prefix = {});

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_BPE_H
