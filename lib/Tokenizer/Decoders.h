// From token texts back to text, one token at a time.
//
// Decoders are a chain of steps. Every step takes the parts of a token, then
// the token's end, and hands on what can no longer change:
//
//   Ġna ïve (bytes C3 | AF split over two tokens)
//     ByteLevel: " na"; holds C3; AF arrives: "ï"
//
// Decoding a list and streaming it are the same code, so both give the same
// text. A Fuse step makes one long token of all: it swallows the ends.
#ifndef FINGPT_LIB_TOKENIZER_DECODERS_H
#define FINGPT_LIB_TOKENIZER_DECODERS_H

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fingpt::tokenizer {

class DecodeStep {
public:
  virtual ~DecodeStep() = default;
  virtual void part(std::string_view text) = 0;
  virtual void endToken() { next->endToken(); }
  virtual void finish() { next->finish(); }
  DecodeStep *next = nullptr;
};
using DecodeStepFactory = std::function<std::unique_ptr<DecodeStep>()>;

/// Byte alphabet to bytes; U+FFFD for what is not UTF-8.
std::unique_ptr<DecodeStep> byteLevelDecoder();
/// Joins all tokens into one.
std::unique_ptr<DecodeStep> fuseDecoder();
/// Runs of <0xXX> tokens to text; U+FFFD per token if a run is not UTF-8.
std::unique_ptr<DecodeStep> byteFallbackDecoder();
/// <0xXX> to the byte itself (an Utf8 step must follow).
std::unique_ptr<DecodeStep> rawByteDecoder();
/// Fuses, and replaces every byte that is not UTF-8 by U+FFFD.
std::unique_ptr<DecodeStep> utf8Decoder();
/// Takes the one space that SentencePiece puts before a text away again: from
/// the first token, or from every token until one is not empty.
std::unique_ptr<DecodeStep> leadingSpaceDecoder(std::string space, bool untilText);
/// Spaces for `replacement`; in the first token nothing if `dropFirst`.
std::unique_ptr<DecodeStep> metaspaceDecoder(std::string replacement, bool dropFirst);
std::unique_ptr<DecodeStep> wordPieceDecoder(std::string prefix, bool cleanup);
/// Removes up to `start` leading and `stop` trailing `content` of every token.
std::unique_ptr<DecodeStep> stripDecoder(std::string content, size_t start, size_t stop);
std::unique_ptr<DecodeStep> replaceDecoder(std::string pattern, std::string content);
/// Spaces for the end-of-word suffix, none after the last token.
std::unique_ptr<DecodeStep> suffixDecoder(std::string suffix);
/// A space between tokens, for tokenizers without a decoder.
std::unique_ptr<DecodeStep> joinDecoder();
/// Any rewriting of whole tokens.
std::unique_ptr<DecodeStep> rewriteDecoder(std::function<std::string(const std::string &)> rewrite);

/// A running chain.
class DecodeChain {
public:
  explicit DecodeChain(const std::vector<DecodeStepFactory> &factories);
  void push(std::string_view token) {
    first->part(token);
    first->endToken();
  }
  void finish() { first->finish(); }
  /// What has come out since the last call.
  std::string take() { return std::exchange(collected(), {}); }

private:
  std::string &collected();
  std::vector<std::unique_ptr<DecodeStep>> steps;
  DecodeStep *first;
};

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_DECODERS_H
