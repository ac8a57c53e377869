#include "fingpt/Driver/Session.h"

#include <algorithm>
#include <numeric>
#include <sys/mman.h>

namespace fingpt {

/// Tokens per call of @prefill: bounds scratch memory, keeps products large.
static constexpr int64_t kPrefillChunk = 512;

Session::~Session() = default;

Result<std::unique_ptr<Session>> Session::create(const JITModel &code, int64_t context) {
  if (!code.has("decode") || !code.has("prefill"))
    return Error::at("session", "the model was compiled without @prefill and @decode");
  std::unique_ptr<Session> session(new Session(code));
  session->context = std::max<int64_t>(context, 1);
  uint64_t bytes = code.cacheBytes(1, session->context);
  // Fresh anonymous pages: zero, and real only once a token is written there.
  void *p = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED)
    return Error::at("session", "out of memory for the cache", std::to_string(bytes) + " bytes",
                     "none");
  session->cache = std::shared_ptr<void>(p, [bytes](void *q) { ::munmap(q, bytes); });
  session->positions.resize(std::min(session->context, kPrefillChunk));
  if (code.elementBytes() == 8)
    session->wide.resize(code.outputWidth());
  return session;
}

Status Session::step(const int32_t *tokens, int64_t count, float *logits) {
  std::iota(positions.begin(), positions.begin() + count, int32_t(position));
  int32_t length = int32_t(count);
  void *out = wide.empty() ? static_cast<void *>(logits) : wide.data();
  TensorRef ids{const_cast<int32_t *>(tokens), {1, count}};
  TensorRef at{positions.data(), {1, count}};
  TensorRef kv{cache.get(), {code.cacheLayers(), 2, 1, context, code.cacheWidth()}};
  TensorRef result{out, {1, 1, code.outputWidth()}};
  Status s = count == 1 ? code.call("decode", {ids, at, kv, result})
                        : code.call("prefill", {ids, at, TensorRef{&length, {1}}, kv, result});
  if (!s)
    return s;
  if (!wide.empty())
    std::copy(wide.begin(), wide.end(), logits);
  position += count;
  return Status::ok();
}

Status Session::append(const std::vector<int32_t> &tokens, std::vector<float> &logits) {
  if (tokens.empty())
    return Error::at("session", "no tokens to append");
  if (position + int64_t(tokens.size()) > context)
    return Error::at("session", "sequence too long",
                     "at most " + std::to_string(context) + " tokens",
                     std::to_string(position + int64_t(tokens.size())));
  if (Status s = code.checkTokens(tokens, "session"); !s)
    return s;
  logits.resize(code.outputWidth());
  for (size_t begin = 0; begin < tokens.size(); begin += kPrefillChunk) {
    int64_t count = std::min<int64_t>(kPrefillChunk, int64_t(tokens.size() - begin));
    if (Status s = step(tokens.data() + begin, count, logits.data()); !s)
      return s;
  }
  return Status::ok();
}

} // namespace fingpt
