// Text that a model writes itself, for calibration where there is no other.
//
// Sequences begin with the token that begins texts (or ends them, if there is none) and are
// sampled at temperature 1, nucleus .95: what the model expects to read. Statistics of such
// text serve quantization nearly as well as real text does (arXiv:2305.17888, arXiv:2410.17170).
#ifndef FINGPT_DRIVER_SELFTEXT_H
#define FINGPT_DRIVER_SELFTEXT_H

#include "fingpt/Driver/Model.h"

#include <functional>
#include <vector>

namespace fingpt {

/// `sequences` of `length` tokens, the same for the same seed. `code` must have @decode.
/// `progress`: tokens done, of how many.
Result<std::vector<std::vector<int32_t>>>
sampleSequences(Model &model, const JITModel &code, int64_t sequences, int64_t length,
                uint64_t seed, const std::function<void(int64_t, int64_t)> &progress);

} // namespace fingpt

#endif // FINGPT_DRIVER_SELFTEXT_H
