// What the passes that replace weights one by one share.
#ifndef FINGPT_LIB_DIALECT_FIN_TRANSFORMS_REWRITEWEIGHTS_H
#define FINGPT_LIB_DIALECT_FIN_TRANSFORMS_REWRITEWEIGHTS_H

#include "fingpt/Compress/CompressedWeight.h"
#include "fingpt/Compress/Statistics.h"
#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace fingpt::fin {

struct RewriteOptions {
  std::string stats, only, skip;
  bool embeddings = false;
  bool factors = false; ///< go into low-rank pairs
};

struct RewriteCounts {
  uint64_t weights = 0, bytesBefore = 0, bytesAfter = 0;
};

/// Compresses every weight of every function that the options choose, by the scheme that
/// `schemeOf` gives it.
Result<RewriteCounts>
rewriteWeights(mlir::ModuleOp module, const RewriteOptions &options,
               llvm::function_ref<compress::WeightScheme(const LinearWeight &)> schemeOf);

} // namespace fingpt::fin

#endif // FINGPT_LIB_DIALECT_FIN_TRANSFORMS_REWRITEWEIGHTS_H
