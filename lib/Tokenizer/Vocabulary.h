// Token texts and ids, both ways. Ids may be sparse, up to `kMaxTokenId`; the
// bound keeps a tiny file with one huge id from costing gigabytes.
#ifndef FINGPT_LIB_TOKENIZER_VOCABULARY_H
#define FINGPT_LIB_TOKENIZER_VOCABULARY_H

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace fingpt::tokenizer {

constexpr int32_t kMaxTokenId = (1 << 24) - 1;

class Vocabulary {
public:
  enum class Added { Ok, DuplicateText, DuplicateId };
  /// `id` must be in [0, kMaxTokenId].
  Added add(std::string_view text, int32_t id) {
    auto index = static_cast<size_t>(id);
    if (index < slots.size() && slots[index] >= 0)
      return Added::DuplicateId;
    if (ids.count(text))
      return Added::DuplicateText;
    addAllowingTwins(text, id);
    return Added::Ok;
  }
  /// `id` must be new; of several ids with one text `find` gives the first.
  void addAllowingTwins(std::string_view text, int32_t id) {
    auto index = static_cast<size_t>(id);
    if (index >= slots.size())
      slots.resize(index + 1, -1);
    slots[index] = static_cast<int32_t>(texts.size());
    texts.emplace_back(text);
    ids.emplace(texts.back(), id);
    if (text.size() > longestText)
      longestText = text.size();
  }
  int32_t find(std::string_view text) const {
    auto it = ids.find(text);
    return it == ids.end() ? -1 : it->second;
  }
  std::optional<int32_t> idOf(std::string_view text) const {
    int32_t id = find(text);
    return id < 0 ? std::nullopt : std::optional<int32_t>(id);
  }
  bool has(int32_t id) const {
    return id >= 0 && static_cast<size_t>(id) < slots.size() && slots[static_cast<size_t>(id)] >= 0;
  }
  /// Empty if there is no such id.
  std::string_view text(int32_t id) const {
    return has(id) ? std::string_view(texts[static_cast<size_t>(slots[static_cast<size_t>(id)])])
                   : std::string_view();
  }
  /// One more than the largest id.
  size_t size() const { return slots.size(); }
  size_t longest() const { return longestText; }

private:
  std::deque<std::string> texts; // a deque, for `ids` points into the strings
  std::unordered_map<std::string_view, int32_t> ids;
  std::vector<int32_t> slots;
  size_t longestText = 0;
};

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_VOCABULARY_H
