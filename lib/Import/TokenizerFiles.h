#ifndef FINGPT_LIB_IMPORT_TOKENIZERFILES_H
#define FINGPT_LIB_IMPORT_TOKENIZERFILES_H

#include "fingpt/Import/Import.h"
#include "fingpt/Params/GGUFFile.h"

#include <string>
#include <vector>

namespace fingpt {

/// Brings the tokenizer of `model`'s source into `directory`; returns the names
/// of the files written. A source without a tokenizer has none.
Result<std::vector<std::string>> copyTokenizer(const ImportedModel &model,
                                               const std::string &directory);

/// A valid GGUF file of general.architecture and the tokenizer.* keys, without
/// tensors.
std::string tokenizerHead(const GGUFFile &file);

} // namespace fingpt

#endif // FINGPT_LIB_IMPORT_TOKENIZERFILES_H
