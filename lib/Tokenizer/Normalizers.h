// The normalizers of tokenizer.json.
#ifndef FINGPT_LIB_TOKENIZER_NORMALIZERS_H
#define FINGPT_LIB_TOKENIZER_NORMALIZERS_H

#include "Pattern.h"
#include "Properties.h"
#include "Stages.h"

#include <optional>

namespace fingpt::tokenizer {

struct BertNormalizerOptions {
  bool cleanText = true, spaceCjk = true, lowercase = true;
  std::optional<bool> stripAccents; ///< unset: follows `lowercase`
};

std::unique_ptr<Normalizer> formNormalizer(NormalForm form);
std::unique_ptr<Normalizer> lowercaseNormalizer();
std::unique_ptr<Normalizer> stripNormalizer(bool left, bool right);
std::unique_ptr<Normalizer> stripAccentsNormalizer();
std::unique_ptr<Normalizer> replaceNormalizer(Pattern pattern, std::string content);
std::unique_ptr<Normalizer> prependNormalizer(std::string prefix);
std::unique_ptr<Normalizer> bertNormalizer(BertNormalizerOptions options);
std::unique_ptr<Normalizer> byteLevelNormalizer();
std::unique_ptr<Normalizer> nmtNormalizer();

/// What replaceNormalizer does, for decoders; fails beyond the growth limit.
Status replaceMatches(const Pattern &pattern, std::string_view content, std::string &text);

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_NORMALIZERS_H
