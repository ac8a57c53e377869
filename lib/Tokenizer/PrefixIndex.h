// Which texts of a set begin at a place: a sorted list, narrowed byte by byte.
//
//   {"a", "ab", "b"} on "abc": "a", then "ab"
//
// It costs a few words per text, where a trie costs them per byte.
#ifndef FINGPT_LIB_TOKENIZER_PREFIXINDEX_H
#define FINGPT_LIB_TOKENIZER_PREFIXINDEX_H

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

namespace fingpt::tokenizer {

class PrefixIndex {
public:
  /// The texts must outlive the index; empty ones are left out.
  void add(std::string_view text, int32_t id) {
    if (!text.empty())
      entries.push_back({text, id});
  }
  void build() {
    std::sort(entries.begin(), entries.end(),
              [](const Entry &a, const Entry &b) { return a.text < b.text; });
    size_t e = 0;
    for (size_t byte = 0; byte < 256; ++byte) {
      first[byte] = e;
      while (e < entries.size() && at(e, 0) == byte)
        ++e;
    }
    first[256] = e;
  }
  bool empty() const { return entries.empty(); }

  /// Calls `match(length, id)` for every text that `text` has at `from`, the
  /// shortest first.
  template <typename F> void matches(std::string_view text, size_t from, F &&match) const {
    if (from >= text.size())
      return;
    auto byte = static_cast<unsigned char>(text[from]);
    size_t low = first[byte], high = first[size_t(byte) + 1], depth = 1;
    while (low < high) {
      while (low < high && entries[low].text.size() == depth) {
        match(depth, entries[low].id);
        ++low;
      }
      if (low >= high || from + depth >= text.size())
        return;
      byte = static_cast<unsigned char>(text[from + depth]);
      if (at(low, depth) != byte || at(high - 1, depth) != byte) {
        auto less = [&](const Entry &e, unsigned value) {
          return static_cast<unsigned char>(e.text[depth]) < value;
        };
        auto begin = entries.begin();
        auto l = std::lower_bound(begin + static_cast<ptrdiff_t>(low),
                                  begin + static_cast<ptrdiff_t>(high), byte, less);
        auto h = std::lower_bound(l, begin + static_cast<ptrdiff_t>(high), byte + 1u, less);
        low = static_cast<size_t>(l - begin);
        high = static_cast<size_t>(h - begin);
      }
      ++depth;
    }
  }
  /// The longest match at `from`; false if there is none.
  bool longest(std::string_view text, size_t from, size_t &length, int32_t &id) const {
    bool found = false;
    matches(text, from, [&](size_t n, int32_t i) {
      length = n;
      id = i;
      found = true;
    });
    return found;
  }

private:
  struct Entry {
    std::string_view text;
    int32_t id;
  };
  unsigned char at(size_t entry, size_t depth) const {
    return static_cast<unsigned char>(entries[entry].text[depth]);
  }
  std::vector<Entry> entries;
  std::array<size_t, 257> first{};
};

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_PREFIXINDEX_H
