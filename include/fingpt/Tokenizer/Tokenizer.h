// Text to token ids and back, bit-exact with the reference implementations.
//
//   auto tok = Tokenizer::load("model-dir");      // or a .gguf,
//   tokenizer.json, .model file std::vector<int32_t> ids = *tok->encode("Hello
//   world"); std::string text = tok->decode(ids);
//
// Three families: byte-level BPE, SentencePiece (BPE and unigram, with byte
// fallback) and WordPiece; built from tokenizer.json, GGUF metadata, a
// SentencePiece .model, or llama2.c's tokenizer.bin. Encoding is linear-time
// (up to a logarithm) in the text for any input.
#ifndef FINGPT_TOKENIZER_TOKENIZER_H
#define FINGPT_TOKENIZER_TOKENIZER_H

#include "fingpt/Support/Json.h"
#include "fingpt/Support/Result.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fingpt {

struct EncodeOptions {
  /// Add the tokens that the model's post-processor adds (BOS, [CLS] …).
  bool addSpecial = true;
  /// Recognise special tokens written out in the text ("<|im_end|>"). Off for
  /// text of strangers inside a chat template.
  bool parseSpecial = true;
  /// With parseSpecial: byte ranges [begin, end) of the text, in order, in
  /// which special tokens are not recognised all the same.
  std::vector<std::pair<size_t, size_t>> literal = {};
};

struct SpecialTokens {
  std::optional<int32_t> bos, eos, unk, pad, sep, cls, mask;
  bool addBos = false, addEos = false;
  std::vector<int32_t> stop; ///< every token that ends generation (EOS, end of turn)
};

/// A decoding under way: text comes out as soon as no later id can change it,
/// so no character is ever split.
class DecodeSession {
public:
  virtual ~DecodeSession();
  virtual std::string push(int32_t id) = 0;
  /// What was held back. Nothing may be pushed afterwards.
  virtual std::string finish() = 0;
};

class GGUFFile;

class Tokenizer {
public:
  virtual ~Tokenizer();

  /// From a model directory (tokenizer.json preferred, then tokenizer.model,
  /// with tokenizer_config.json and generation_config.json), or a file:
  /// tokenizer.json, *.gguf, *.model, tokenizer.bin.
  static Result<std::unique_ptr<Tokenizer>> load(const std::string &path);
  /// From the metadata of a GGUF file that is open already.
  static Result<std::unique_ptr<Tokenizer>> fromGGUF(const GGUFFile &file);
  /// From the text of a tokenizer.json; `name` is for messages.
  static Result<std::unique_ptr<Tokenizer>> fromJson(const Json &json, const std::string &name);
  /// From the bytes of a SentencePiece .model.
  static Result<std::unique_ptr<Tokenizer>> fromSentencePiece(std::string_view bytes,
                                                              const std::string &name);
  /// From the bytes of llama2.c's tokenizer.bin.
  static Result<std::unique_ptr<Tokenizer>> fromLlama2C(std::string_view bytes,
                                                        const std::string &name);

  virtual Result<std::vector<int32_t>> encode(std::string_view text,
                                              EncodeOptions options = {}) const = 0;
  /// Text of `ids`; special tokens are left out if `skipSpecial`.
  std::string decode(const std::vector<int32_t> &ids, bool skipSpecial = true) const;
  virtual std::unique_ptr<DecodeSession> startDecoding(bool skipSpecial = true) const = 0;
  /// One more than the largest id.
  virtual size_t vocabSize() const = 0;
  /// The token's spelling in the vocabulary file; empty if out of range.
  virtual std::string tokenText(int32_t id) const = 0;
  virtual std::optional<int32_t> tokenId(std::string_view text) const = 0;

  const SpecialTokens &special() const { return specialTokens; }
  /// Jinja source of the chat template, if the model carries one.
  const std::optional<std::string> &chatTemplate() const { return chat; }

protected:
  SpecialTokens specialTokens;
  std::optional<std::string> chat;
};

/// Turns ids into text as they come, holding back bytes of an unfinished UTF-8
/// character. Concatenated output (with finish()) equals decode() of all ids.
class StreamDecoder {
public:
  explicit StreamDecoder(const Tokenizer &tokenizer, bool skipSpecial = true)
      : session(tokenizer.startDecoding(skipSpecial)) {}
  std::string push(int32_t id) { return session->push(id); }
  std::string finish() { return session->finish(); }

private:
  std::unique_ptr<DecodeSession> session;
};

struct ChatMessage {
  std::string role, content;
};
/// Renders messages in the model's own format. Templates of known families
/// (ChatML, Llama 2/3, Mistral, Gemma, Phi-3, Qwen, Zephyr …) are recognised
/// by their text and rendered natively; no template code is ever executed. The
/// text holds BOS where the format has it: encode it with addSpecial off.
Result<std::string> renderChat(const Tokenizer &tokenizer, const std::vector<ChatMessage> &messages,
                               bool addGenerationPrompt = true);
/// Ids of the rendered messages; special tokens that a message spells out are
/// plain text.
Result<std::vector<int32_t>> encodeChat(const Tokenizer &tokenizer,
                                        const std::vector<ChatMessage> &messages,
                                        bool addGenerationPrompt = true);

} // namespace fingpt

#endif // FINGPT_TOKENIZER_TOKENIZER_H
