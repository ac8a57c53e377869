#include "Pipeline.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace fingpt::tokenizer {

/// Ids of short words met before in the same text. Direct-mapped and of fixed
/// size, so hostile text costs no memory; one per call, so no lock is needed.
class WordCache {
public:
  template <typename Encode>
  void encode(std::string_view word, std::vector<int32_t> &ids, Encode &&compute) {
    if (word.size() > kMaxBytes)
      return compute();
    Entry key;
    std::memcpy(key.bytes.data(), word.data(), word.size());
    key.length = static_cast<uint8_t>(word.size());
    std::array<uint64_t, 3> w;
    std::memcpy(w.data(), &key, 24);
    uint64_t h =
        (w[0] * 0x9E3779B97F4A7C15u) ^ (w[1] * 0xC2B2AE3D27D4EB4Fu) ^ (w[2] * 0x165667B19E3779F9u);
    h ^= h >> 32;
    h *= 0x9E3779B97F4A7C15u;
    Entry &entry = entries[h >> (64 - kBits)];
    if (entry.count > 0 && std::memcmp(&entry, &key, 23) == 0) {
      ids.insert(ids.end(), entry.ids.begin(), entry.ids.begin() + entry.count);
      return;
    }
    size_t start = ids.size();
    compute();
    size_t count = ids.size() - start;
    if (count == 0 || count > key.ids.size())
      return;
    key.count = static_cast<uint8_t>(count);
    std::copy(ids.begin() + static_cast<ptrdiff_t>(start), ids.end(), key.ids.begin());
    entry = key;
  }

private:
  static constexpr size_t kMaxBytes = 22;
  static constexpr unsigned kBits = 13;
  struct Entry {
    std::array<char, kMaxBytes> bytes{};
    uint8_t length = 0, count = 0;
    std::array<int32_t, 6> ids{};
  };
  std::vector<Entry> entries{size_t(1) << kBits};
};

Status normalize(const NormalizerList &steps, std::string &text) {
  for (const auto &step : steps)
    if (Status s = step->apply(text); !s)
      return s;
  return Status::ok();
}

Status Pipeline::addToken(const AddedToken &token) {
  if (token.special)
    specialIds.insert(token.id);
  if (!token.normalized) {
    rawTokens.add(token, token.content);
    return Status::ok();
  }
  std::string spelling = token.content;
  if (Status s = normalize(normalizers, spelling); !s)
    return s;
  normalizedTokens.add(token, spelling);
  return Status::ok();
}

void Pipeline::preTokenize(Piece piece, size_t step, FunctionRef<void(std::string_view)> word,
                           Status &problem) const {
  if (step == preTokenizers.size())
    return word(piece.text);
  Status s = preTokenizers[step]->split(
      piece, [&](Piece part) { preTokenize(part, step + 1, word, problem); });
  if (!s && problem)
    problem = std::move(s);
}

Status Pipeline::encodeText(std::string_view text, bool first, bool parseSpecial, WordCache *cache,
                            std::vector<int32_t> &ids) const {
  std::string normalized;
  if (!normalizers.empty()) {
    normalized = text;
    if (Status s = normalize(normalizers, normalized); !s)
      return s;
    text = normalized;
  }
  bool known = true;
  auto word = [&](std::string_view w) {
    auto compute = [&] { known = model->encode(w, ids) && known; };
    if (cache)
      cache->encode(w, ids, compute);
    else
      compute();
  };
  Status problem;
  const char *begin = text.data();
  normalizedTokens.split(text, parseSpecial, {}, [&](int32_t id, std::string_view part) {
    if (id >= 0)
      ids.push_back(id);
    else
      preTokenize({part, first && part.data() == begin}, 0, word, problem);
  });
  if (problem && !known)
    return Error::at("text", "character outside the vocabulary",
                     "known characters, as the model has no unknown token", "another");
  return problem;
}

Result<std::vector<int32_t>> Pipeline::encode(std::string_view text, EncodeOptions options) const {
  if (text.size() > static_cast<size_t>(INT32_MAX))
    return Error::at("text", "too long", "at most 2147483647 bytes", std::to_string(text.size()));
  std::vector<int32_t> ids;
  if (options.addSpecial)
    ids = before;
  std::optional<WordCache> cache;
  if (text.size() >= 512 && model->cacheable())
    cache.emplace();
  Status problem;
  const char *begin = text.data();
  rawTokens.split(text, options.parseSpecial, options.literal,
                  [&](int32_t id, std::string_view part) {
                    if (!problem)
                      return;
                    if (id >= 0) {
                      ids.push_back(id);
                      return;
                    }
                    auto from = static_cast<size_t>(part.data() - begin), to = from + part.size();
                    bool parse = options.parseSpecial;
                    for (auto [low, high] : options.literal)
                      parse = parse && (high <= from || low >= to);
                    problem = encodeText(part, from == 0, parse, cache ? &*cache : nullptr, ids);
                  });
  if (!problem)
    return problem.takeError();
  if (options.addSpecial)
    ids.insert(ids.end(), after.begin(), after.end());
  return ids;
}

std::string_view Pipeline::textOf(int32_t id) const {
  return extra.has(id) ? extra.text(id) : vocabulary.text(id);
}
size_t Pipeline::vocabSize() const { return std::max(vocabulary.size(), extra.size()); }
std::string Pipeline::tokenText(int32_t id) const { return std::string(textOf(id)); }
std::optional<int32_t> Pipeline::tokenId(std::string_view text) const {
  if (auto id = extra.idOf(text))
    return id;
  return vocabulary.idOf(text);
}

void finishSpecial(Pipeline &pipeline) {
  SpecialTokens &special = pipeline.specialForUpdate();
  special.addBos =
      special.bos && !pipeline.before.empty() && pipeline.before.front() == *special.bos;
  special.addEos = special.eos && !pipeline.after.empty() && pipeline.after.back() == *special.eos;
  auto stop = [&](std::optional<int32_t> token) {
    if (token && std::find(special.stop.begin(), special.stop.end(), *token) == special.stop.end())
      special.stop.push_back(*token);
  };
  stop(special.eos);
  // Files often leave the end of a turn out of their metadata.
  for (const char *text :
       {"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>", "<|end|>", "<|endoftext|>"})
    stop(pipeline.tokenId(text));
}

namespace {
class Session : public DecodeSession {
public:
  Session(const Pipeline &pipeline, bool skipSpecial)
      : pipeline(pipeline), chain(pipeline.decoders), skipSpecial(skipSpecial) {}
  std::string push(int32_t id) override {
    if (!(pipeline.vocabulary.has(id) || pipeline.extra.has(id)) ||
        (skipSpecial && pipeline.isSkipped(id)))
      return {};
    chain.push(pipeline.textOf(id));
    return chain.take();
  }
  std::string finish() override {
    chain.finish();
    return chain.take();
  }

private:
  const Pipeline &pipeline;
  DecodeChain chain;
  bool skipSpecial;
};
} // namespace

std::unique_ptr<DecodeSession> Pipeline::startDecoding(bool skipSpecial) const {
  return std::make_unique<Session>(*this, skipSpecial);
}

} // namespace fingpt::tokenizer
