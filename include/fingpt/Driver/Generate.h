// Text generation: prompt in, tokens out, streamed.
#ifndef FINGPT_DRIVER_GENERATE_H
#define FINGPT_DRIVER_GENERATE_H

#include "fingpt/Driver/Model.h"
#include "fingpt/Runtime/Sampler.h"

#include <functional>
#include <string>
#include <vector>

namespace fingpt {

struct GenerateOptions {
  int64_t maxTokens = 128;
  SamplingOptions sampling;
  bool chat = false;  ///< wrap the prompt in the model's chat format
  std::string system; ///< system message, with chat
  bool ignoreEos = false;
  std::vector<std::string> stop; ///< texts that end generation
  /// Text as it becomes available, whole UTF-8 characters only.
  std::function<void(const std::string &)> stream;
};

struct Generation {
  std::string text;
  std::vector<int32_t> promptTokens, tokens;
  std::string finish; ///< "stop", "length" or "context"
  double prefillSeconds = 0, decodeSeconds = 0;
  int64_t decodeSteps = 0;
};

/// `code` must have @prefill and @decode.
Result<Generation> generate(Model &model, const JITModel &code, const std::string &prompt,
                            const GenerateOptions &options);

} // namespace fingpt

#endif // FINGPT_DRIVER_GENERATE_H
