// config.json of a Hugging Face directory: what is accepted must hold together
// as the graph builders take it for granted.
#include "Fuzz.h"

#include "../../lib/Import/Config/ConfigReader.h"
#include "../../lib/Import/Config/ConfigRules.h"

#include <cmath>

using namespace fingpt;
using namespace fingpt::fuzz;

static void requireIn(int64_t value, int64_t low, int64_t high) {
  require(value >= low && value <= high);
}
static void requirePositive(double value) { require(std::isfinite(value) && value > 0); }

static void checkRope(const RopeConfig &rope, const ModelConfig &c) {
  requirePositive(rope.base);
  require(rope.rotaryDim % 2 == 0);
  requireIn(rope.rotaryDim, 2, c.headDim);
  const RopeScaling &s = rope.scaling;
  if (s.kind.empty())
    return;
  requireIn(s.originalContext, 1, kMaxContext);
  requirePositive(s.factor);
  requirePositive(s.attentionFactor);
  if (s.kind == "llama3") {
    requirePositive(s.lowFrequencyFactor);
    require(s.highFrequencyFactor > s.lowFrequencyFactor);
  } else if (s.kind == "yarn") {
    require(rope.base > 1);
    requirePositive(s.betaFast);
    requirePositive(s.betaSlow);
  } else if (s.kind == "longrope") {
    for (const std::vector<double> *factors : {&s.shortFactors, &s.longFactors}) {
      require(factors->size() == static_cast<size_t>(rope.rotaryDim / 2));
      for (double factor : *factors)
        requirePositive(factor);
    }
  } else {
    require(s.kind == "linear");
  }
}

static void checkConfig(const ModelConfig &c) {
  requireIn(c.layers, 1, kMaxLayers);
  requireIn(c.hidden, 1, kMaxWidth);
  requireIn(c.intermediate, 1, 4 * kMaxWidth);
  requireIn(c.vocab, 1, kMaxVocab);
  requireIn(c.context, 1, kMaxContext);
  requireIn(c.heads, 1, kMaxHeads);
  requireIn(c.kvHeads, 1, c.heads);
  require(c.heads % c.kvHeads == 0);
  requireIn(c.headDim, 1, kMaxWidth);
  requirePositive(c.normEps);
  requirePositive(c.embeddingScale);
  requirePositive(c.attentionScale);
  for (double cap : {c.attentionSoftCap, c.logitSoftCap})
    require(std::isfinite(cap) && cap >= 0);
  require(c.windows.empty() || c.windows.size() == static_cast<size_t>(c.layers));
  for (int64_t window : c.windows)
    requireIn(window, 0, kMaxContext);
  if (c.architecture == "opt")
    requireIn(c.embeddingWidth, 1, kMaxWidth);
  if (c.architecture == "bert")
    requireIn(c.tokenTypes, 1, kMaxWidth);
  if (c.rope.rotaryDim != 0)
    checkRope(c.rope, c);
  if (c.hasLocalRope)
    checkRope(c.localRope, c);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Result<Json> json = parseJson(std::string_view(reinterpret_cast<const char *>(data), size));
  if (!json)
    return 0;
  Result<ModelConfig> config = readHuggingFaceConfig(*json, "c.json");
  if (config)
    checkConfig(*config);
  else
    checkRefusal(config.error(), "c.json:/");
  return 0;
}
