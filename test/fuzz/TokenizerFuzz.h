// What every tokenizer must bear once it is read.
#ifndef FINGPT_TEST_TOKENIZERFUZZ_H
#define FINGPT_TEST_TOKENIZERFUZZ_H

#include "Fuzz.h"
#include "fingpt/Tokenizer/Tokenizer.h"

namespace fingpt::fuzz {

inline void useTokenizer(const Tokenizer &tokenizer) {
  static const std::string texts[] = {"",
                                      "Hello  world's 1234!\r\n\n",
                                      "  na\xC3\xAFve \xE2\x96\x81"
                                      "e\xCC\x81 \xF0\x9F\x98\x80",
                                      "<s>[MASK]<|im_end|></s> a b ab aab",
                                      "\xFF\xC3 \xED\xA0\x80",
                                      std::string(300, 'a'),
                                      std::string(100, ' ')};
  for (const std::string &text : texts)
    for (bool special : {true, false}) {
      EncodeOptions options;
      options.addSpecial = options.parseSpecial = special;
      if (special)
        options.literal = {{1, 3}};
      auto ids = tokenizer.encode(text, options);
      if (!ids) {
        checkRefusal(ids.error(), "text:");
        continue;
      }
      for (int32_t id : *ids) {
        require(id >= 0 && static_cast<size_t>(id) < tokenizer.vocabSize());
        (void)tokenizer.tokenText(id);
      }
      std::string streamed;
      StreamDecoder decoder(tokenizer, special);
      for (int32_t id : *ids)
        streamed += decoder.push(id);
      streamed += decoder.finish();
      require(streamed == tokenizer.decode(*ids, special));
    }
  if (tokenizer.chatTemplate()) {
    auto ids = encodeChat(tokenizer, {{"user", "hi <s>"}, {"assistant", "yo"}});
    (void)ids;
  }
}

/// Reads and uses, or checks the refusal.
inline void checkTokenizer(const Result<std::unique_ptr<Tokenizer>> &tokenizer,
                           std::string_view file) {
  if (tokenizer)
    useTokenizer(**tokenizer);
  else
    checkRefusal(tokenizer.error(), file);
}

} // namespace fingpt::fuzz

#endif // FINGPT_TEST_TOKENIZERFUZZ_H
