// Which layers a model can do without (ShortGPT, arXiv:2403.03853).
//
//   BI_i = 1 − mean over tokens of cos(x_i, x_{i+1})      x_i the stream that enters layer i
//
//   std::vector<BlockInfluence> layers(24);
//   layers[i].add(x, y);                       // x, y: [tokens, D], any number of times
//   auto dropped = layersToDrop(layers, 5);    // the 5 that turn the stream least
//
// A layer that only rescales the stream has influence 0. Generation degrades before
// multiple-choice scores do, so judge by perplexity.
#ifndef FINGPT_COMPRESS_BLOCKINFLUENCE_H
#define FINGPT_COMPRESS_BLOCKINFLUENCE_H

#include "fingpt/Compress/Matrix.h"
#include "fingpt/Support/Result.h"

#include <cstdint>
#include <vector>

namespace fingpt::compress {

struct BlockInfluence {
  double cosines = 0; ///< summed over the tokens
  int64_t tokens = 0;

  /// The streams before and after the layer. A token that is 0 on both sides counts as unturned, on
  /// one side as turned by a right angle. Error: shapes that differ, NaN or Inf; then nothing is
  /// added.
  Status add(ConstMatrixF before, ConstMatrixF after);
  /// 0 to 2; without tokens 1.
  double value() const;
};

/// The `count` layers of least influence, ascending by index; of equal ones the deeper. The first
/// and the last stay unless `ends` allows them. Error: fewer layers than that.
Result<std::vector<int64_t>> layersToDrop(const std::vector<BlockInfluence> &layers, int64_t count,
                                          bool ends = false);

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_BLOCKINFLUENCE_H
