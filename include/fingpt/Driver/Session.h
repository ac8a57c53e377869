// One growing sequence over compiled @prefill and @decode: owns the cache.
//
//   Session session(code, context);
//   session.append(promptTokens, logits);   // logits of the last token
//   session.append({token}, logits);        // one step; allocates nothing
#ifndef FINGPT_DRIVER_SESSION_H
#define FINGPT_DRIVER_SESSION_H

#include "fingpt/Codegen/CPU/JIT.h"

#include <memory>
#include <vector>

namespace fingpt {

class Session {
public:
  /// Room for `context` tokens.
  static Result<std::unique_ptr<Session>> create(const JITModel &code, int64_t context);
  ~Session();

  int64_t length() const { return position; }
  int64_t capacity() const { return context; }
  /// Appends tokens (ids in [0, vocabulary)) and computes the logits of the last.
  Status append(const std::vector<int32_t> &tokens, std::vector<float> &logits);
  /// Forgets everything after the first `length` tokens.
  void truncate(int64_t length) { position = length < position ? length : position; }

private:
  explicit Session(const JITModel &code) : code(code) {}
  Status step(const int32_t *tokens, int64_t count, float *logits);

  const JITModel &code;
  int64_t context = 0, position = 0;
  std::shared_ptr<void> cache;
  std::vector<int32_t> positions;
  std::vector<double> wide; ///< logits of an f64 model
};

} // namespace fingpt

#endif // FINGPT_DRIVER_SESSION_H
