// What a transformer is, in numbers: filled from config.json (of a Hugging Face
// directory, or made from GGUF metadata), read by the architectures' graphs.
//
//   SmolLM2-135M: layers 30, hidden 576, heads 9, kvHeads 3, headDim 64,
//   intermediate 1536, vocab 49152, rope.base 1e5, tiedHead
#ifndef FINGPT_LIB_IMPORT_CONFIG_MODELCONFIG_H
#define FINGPT_LIB_IMPORT_CONFIG_MODELCONFIG_H

#include "fingpt/Support/Json.h"
#include "fingpt/Support/Result.h"

#include <cstdint>
#include <string>
#include <vector>

namespace fingpt {

/// OPT's table of positions begins with rows that none uses.
constexpr int64_t kOptPositionOffset = 2;

enum class Activation { Silu, Relu, GeluExact, GeluTanh, GeluQuick };

/// The numbers of `#fin.rope_scaling`; only those of `kind` count.
struct RopeScaling {
  std::string kind; ///< empty: none
  double factor = 1, lowFrequencyFactor = 1, highFrequencyFactor = 4;
  double betaFast = 32, betaSlow = 1, attentionFactor = 1;
  bool truncate = true;
  int64_t originalContext = 0;
  std::vector<double> shortFactors, longFactors; ///< one per pair
};

struct RopeConfig {
  double base = 10000;
  int64_t rotaryDim = 0;
  RopeScaling scaling;
};

struct ModelConfig {
  std::string architecture;
  int64_t layers = 0, hidden = 0, heads = 0, kvHeads = 0, headDim = 0;
  int64_t intermediate = 0, vocab = 0, context = 0;
  double normEps = 0;
  Activation activation = Activation::Silu;
  bool tiedHead = false;
  bool attentionBias = false, outputBias = false, mlpBias = false;
  bool queryKeyNorm = false;
  /// q, k and v are rows of one weight; so are gate and up.
  bool fusedProjections = false;
  /// A norm after attention and after the MLP, before the residual sum.
  bool branchNorms = false;
  bool normPlusOne = false; ///< norms multiply by 1 + w
  double embeddingScale = 1;

  RopeConfig rope;
  RopeConfig localRope; ///< of sliding layers, where `hasLocalRope`
  bool hasLocalRope = false;
  std::vector<int64_t> windows; ///< per layer; 0: no window

  double attentionScale = 0;
  double attentionSoftCap = 0, logitSoftCap = 0; ///< 0: none

  // GPT-2: the scale of layer i is divided by i + 1; linears are Conv1D, which
  // are stored as [in, out].
  bool scaleByLayer = false, conv1D = false;
  // OPT.
  bool normBefore = true, finalNorm = true, affineNorm = true;
  int64_t embeddingWidth = 0;
  // BERT.
  int64_t tokenTypes = 0;
  bool maskedHead = false;
};

} // namespace fingpt

#endif // FINGPT_LIB_IMPORT_CONFIG_MODELCONFIG_H
