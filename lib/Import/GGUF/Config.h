// GGUF metadata as a Hugging Face configuration, so that both are read by one
// set of rules:
//
//   llama.embedding_length 576          → "hidden_size": 576
//   llama.attention.head_count_kv 3     → "num_key_value_heads": 3
//   llama.rope.freq_base 100000.0       → "rope_theta": 100000.0
#ifndef FINGPT_LIB_IMPORT_GGUF_CONFIG_H
#define FINGPT_LIB_IMPORT_GGUF_CONFIG_H

#include "fingpt/Params/GGUFFile.h"
#include "fingpt/Support/Json.h"

namespace fingpt {

/// The architectures whose tensors we know: "gemma, …", for messages.
std::string knownGGUFArchitectures();

/// Errors name the file and the metadata key. `store` holds the file: factors
/// of longrope are tensors there.
Result<Json> configFromGGUF(const GGUFFile &file, const ParamStore &store);

} // namespace fingpt

#endif // FINGPT_LIB_IMPORT_GGUF_CONFIG_H
