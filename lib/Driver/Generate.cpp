#include "fingpt/Driver/Generate.h"

#include "fingpt/Driver/Session.h"

#include <algorithm>
#include <chrono>

namespace fingpt {

using Clock = std::chrono::steady_clock;
static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Tokenizers take text; bytes that are none would be dropped in silence.
static Status checkText(std::string_view text) {
  size_t valid = validUtf8Prefix(text);
  if (valid == text.size())
    return Status::ok();
  return Error::at("--prompt", "invalid UTF-8 at byte " + std::to_string(valid));
}

static Result<std::vector<int32_t>> encodePrompt(const Tokenizer &tokenizer,
                                                 const std::string &prompt,
                                                 const GenerateOptions &options) {
  if (!options.chat)
    return tokenizer.encode(prompt);
  std::vector<ChatMessage> messages;
  if (!options.system.empty())
    messages.push_back({"system", options.system});
  messages.push_back({"user", prompt});
  // The format writes its own special tokens, BOS among them; those that the user
  // spells out stay plain text.
  Result<std::vector<int32_t>> ids = encodeChat(tokenizer, messages);
  const SpecialTokens &special = tokenizer.special();
  if (ids && special.addBos && special.bos && (ids->empty() || ids->front() != *special.bos))
    ids->insert(ids->begin(), *special.bos);
  return ids;
}

namespace {
/// Streams text, but holds back what may be the beginning of a stop text.
class Output {
public:
  Output(const GenerateOptions &options, std::string &text) : options(options), text(text) {}
  /// False once a stop text is complete; it and what follows are dropped.
  bool push(const std::string &piece) {
    text += piece;
    for (const std::string &stop : options.stop)
      if (size_t at = text.find(stop, sent > stop.size() ? sent - stop.size() : 0);
          !stop.empty() && at != std::string::npos) {
        text.resize(at);
        flush(text.size());
        return false;
      }
    flush(text.size() - heldBack());
    return true;
  }
  void finish() { flush(text.size()); }

private:
  size_t heldBack() const {
    size_t most = 0;
    for (const std::string &stop : options.stop)
      for (size_t n = std::min(stop.size(), text.size()); n > most; --n)
        if (text.compare(text.size() - n, n, stop, 0, n) == 0) {
          most = n;
          break;
        }
    return most;
  }
  void flush(size_t end) {
    if (end <= sent)
      return;
    if (options.stream)
      options.stream(text.substr(sent, end - sent));
    sent = end;
  }
  const GenerateOptions &options;
  std::string &text;
  size_t sent = 0;
};
} // namespace

Result<Generation> generate(Model &model, const JITModel &code, const std::string &prompt,
                            const GenerateOptions &options) {
  Result<const Tokenizer *> tokenizer = model.tokenizer();
  if (!tokenizer)
    return tokenizer.takeError();
  if (Status s = checkText(prompt + options.system); !s)
    return s.takeError();
  Result<std::vector<int32_t>> ids = encodePrompt(**tokenizer, prompt, options);
  if (!ids)
    return ids.takeError();
  if (ids->empty()) {
    if (!(*tokenizer)->special().bos)
      return Error::at("--prompt", "the prompt is empty and the model has no BOS token");
    ids->push_back(*(*tokenizer)->special().bos);
  }
  Generation result;
  result.promptTokens = *ids;
  int64_t limit = model.contextLength() > 0 ? model.contextLength() : INT64_MAX;
  if (int64_t(ids->size()) > limit)
    return Error::at("--prompt", "prompt too long", "at most " + std::to_string(limit) + " tokens",
                     std::to_string(ids->size()));
  int64_t capacity = std::min(limit, int64_t(ids->size()) + options.maxTokens);
  Result<std::unique_ptr<Session>> session = Session::create(code, capacity);
  if (!session)
    return session.takeError();

  Sampler sampler(options.sampling);
  sampler.see(result.promptTokens);
  StreamDecoder decoder(**tokenizer);
  Output output(options, result.text);
  const std::vector<int32_t> &stops = (*tokenizer)->special().stop;
  std::vector<float> logits;
  std::vector<int32_t> input = *ids;
  result.finish = "length";
  while (int64_t(result.tokens.size()) < options.maxTokens) {
    auto start = Clock::now();
    if (Status s = (*session)->append(input, logits); !s)
      return s.takeError();
    int32_t token = sampler.sample(logits.data(), logits.size());
    if (token < 0)
      return Error::at(escaped(model.imported().source, 1000),
                       "logits are not finite at position " +
                           std::to_string((*session)->length() - 1));
    if (result.tokens.empty()) {
      result.prefillSeconds = secondsSince(start);
    } else {
      result.decodeSeconds += secondsSince(start);
      ++result.decodeSteps;
    }
    if (!options.ignoreEos && std::find(stops.begin(), stops.end(), token) != stops.end()) {
      result.finish = "stop";
      break;
    }
    result.tokens.push_back(token);
    if (!output.push(decoder.push(token))) {
      result.finish = "stop";
      return result;
    }
    if ((*session)->length() >= limit) {
      result.finish = "context";
      break;
    }
    input.assign(1, token);
  }
  output.push(decoder.finish());
  output.finish();
  return result;
}

} // namespace fingpt
