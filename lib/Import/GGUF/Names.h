// Tensor names of GGUF files as names of Hugging Face models.
//
//   huggingFaceName("llama", "blk.3.attn_q.weight")
//     = "model.layers.3.self_attn.q_proj.weight"
#ifndef FINGPT_LIB_IMPORT_GGUF_NAMES_H
#define FINGPT_LIB_IMPORT_GGUF_NAMES_H

#include "fingpt/Params/ParamStore.h"

#include <string>
#include <string_view>
#include <vector>

namespace fingpt {

/// Empty if `arch` has no such tensor. `arch` is GGUF's.
std::string huggingFaceName(std::string_view arch, std::string_view name);

/// Gives every tensor of `names` its Hugging Face name in `store`; returns
/// those. An unknown name is an error.
Result<std::vector<std::string>> aliasNames(ParamStore &store, std::string_view arch,
                                            const std::vector<std::string> &names,
                                            const std::string &file);

} // namespace fingpt

#endif // FINGPT_LIB_IMPORT_GGUF_NAMES_H
