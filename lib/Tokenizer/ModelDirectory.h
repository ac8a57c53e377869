// Tokenizers of model directories.
#ifndef FINGPT_LIB_TOKENIZER_MODELDIRECTORY_H
#define FINGPT_LIB_TOKENIZER_MODELDIRECTORY_H

#include "Pipeline.h"

namespace fingpt::tokenizer {

Result<std::unique_ptr<Tokenizer>> loadModelDirectory(std::string directory);
/// Applies the configuration files beside a vocabulary. `described`: it is a
/// tokenizer.json, which says itself what is added to a text.
Result<std::unique_ptr<Tokenizer>> finishModelDirectory(Result<std::unique_ptr<Tokenizer>> loaded,
                                                        const std::string &directory,
                                                        bool described);

} // namespace fingpt::tokenizer

#endif // FINGPT_LIB_TOKENIZER_MODELDIRECTORY_H
