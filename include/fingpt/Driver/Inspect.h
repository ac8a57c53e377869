// What a model is made of: read off the graph and the headers of its files.
#ifndef FINGPT_DRIVER_INSPECT_H
#define FINGPT_DRIVER_INSPECT_H

#include "fingpt/Driver/Model.h"

#include <map>
#include <string>
#include <vector>

namespace fingpt {

/// One weight: a maximal expression over parameters.
struct WeightSummary {
  std::string name;      ///< "model.layers.0.self_attn.q_proj.weight"
  Shape shape;           ///< dense
  std::string form;      ///< "f32", "uint4 group 32 + mins", "low_rank 64", …
  uint64_t elements = 0; ///< dense
  uint64_t bytes = 0;    ///< stored: codes, scales, mins, …; 0 if shared with another weight
  int64_t layer = -1;    ///< -1: outside of the blocks
};

struct ModelSummary {
  std::string source, architecture;
  int64_t layers = 0, contextLength = 0, vocabSize = 0;
  uint64_t parameters = 0; ///< tied tensors once
  uint64_t storedBytes = 0;
  double bitsPerWeight = 0;
  std::map<std::string, uint64_t> bytesByKind; ///< by stored element type
  std::vector<WeightSummary> weights;          ///< in program order
};

Result<ModelSummary> inspectModel(const Model &model);

} // namespace fingpt

#endif // FINGPT_DRIVER_INSPECT_H
