// The texts of a run: what it calibrates on, and what it is measured on.
#include "Compression.h"

#include "fingpt/Driver/SelfText.h"

using namespace mlir;

namespace fingpt {

/// Shorter sequences cost less to write one by one.
constexpr int64_t kOwnContext = 256, kOwnTokens = 8192, kOwnHeldOut = 4;

/// The model samples its calibration text, and more of it to be measured on. The tokens are kept:
/// a run that goes on does not write them again.
Status Compression::writeOwnText() {
  context = std::min(context, kOwnContext);
  int64_t sequences = std::max<int64_t>(1, std::min(options.recipe.tokens, kOwnTokens) / context);
  int64_t measured = options.evaluationChunks > 0 && !options.evaluation
                         ? std::min(options.evaluationChunks, kOwnHeldOut)
                         : 0;
  if (state->get("own_text").is_null()) {
    update("compiling");
    JITOptions jit;
    jit.forward = false;
    jit.keepStored = true;
    jit.cacheDirectory = options.cacheDirectory;
    auto code = model.compile(jit);
    if (!code)
      return code.takeError();
    auto sampled = sampleSequences(model, **code, sequences + measured, context,
                                   options.recipe.seed, [&](int64_t done, int64_t all) {
                                     update("writing calibration text: " + std::to_string(done) +
                                            " of " + std::to_string(all) + " tokens");
                                   });
    if (!sampled)
      return sampled.takeError();
    if (Status s = state->put("own_text", Json(*sampled)); !s)
      return s;
  }
  calibrationName = "sampled from the model";
  for (const Json &row : state->get("own_text")) {
    auto tokens = row.get<std::vector<int32_t>>();
    if (int64_t(samples.size()) < sequences) {
      SegmentSample sample;
      sample.length = context;
      sample.tokens = std::move(tokens);
      samples.push_back(std::move(sample));
    } else {
      heldOut.insert(heldOut.end(), tokens.begin(), tokens.end());
      heldOutName = calibrationName;
    }
  }
  return Status::ok();
}

/// What the recipe needs of texts is there, before anything is computed.
Status Compression::checkTexts() {
  if (heldOut.empty() && options.evaluationChunks > 0)
    say("note   no figures at the end: --eval-text FILE gives a text to measure on");
  if (options.recipe.maxPerplexity && !model.isDecoder())
    return Error::at("--max-ppl", "is a limit of models that predict tokens", "--size or --bpw",
                     quote(model.architecture()));
  if (options.recipe.maxPerplexity && heldOut.empty())
    return Error::at("--max-ppl", "needs held-out text to measure",
                     "--eval-text FILE, or more text than --tokens uses, and --eval-chunks above 0",
                     "none");
  if (!samples.empty())
    return Status::ok();
  for (const PlannedWeight &w : summary.plan.weights)
    if (compress::needsStatistics(w.scheme))
      return Error::at(w.name, "scheme " + compress::weightSchemeText(w.scheme),
                       "calibration statistics (--calib FILE)", "none");
  return Status::ok();
}

Status Compression::readTexts() {
  const Recipe &recipe = options.recipe;
  size_t used = 0;
  if (!options.calibration && options.selfText && model.isDecoder() && recipe.wantsCalibration())
    if (Status s = writeOwnText(); !s)
      return s;
  if (options.calibration) {
    CalibrationOptions calibration;
    calibration.tokens = recipe.tokens;
    calibration.context = context;
    auto made = calibrationSamples(model, options.calibration->text, calibration);
    if (!made)
      return made.error().in(options.calibration->name);
    samples = std::move(*made);
    used = samples.size() * size_t(context);
    calibrationName = options.calibration->name;
  }
  if (options.evaluationChunks <= 0)
    return Status::ok();
  const std::optional<NamedText> &text =
      options.evaluation ? options.evaluation : options.calibration;
  if (!text)
    return Status::ok();
  // Enough bytes for the tokens that are wanted.
  size_t wanted = (options.evaluation ? 0 : used) + size_t(options.evaluationChunks * context);
  size_t limit = std::min(text->text.size(), wanted * 16 + 4096);
  while (limit < text->text.size() && (static_cast<uint8_t>(text->text[limit]) & 0xc0) == 0x80)
    ++limit;
  auto tokens = evaluationTokens(model, std::string_view(text->text).substr(0, limit), context, 0);
  if (!tokens)
    return tokens.error().in(text->name);
  size_t begin = options.evaluation ? 0 : used;
  size_t held = std::min(std::max<size_t>(1, samples.size() / 8), size_t(options.evaluationChunks));
  if (!options.evaluation && samples.size() > held && tokens->size() < begin + size_t(context) &&
      tokens->size() >= begin - (held - 1) * size_t(context)) {
    // All of a short text would go into calibration: an eighth of it is held back.
    samples.resize(samples.size() - held);
    begin -= held * size_t(context);
    say("note   the last " + std::to_string(held * size_t(context)) + " of " +
        std::to_string(tokens->size()) + " tokens of " + text->name +
        " are held back for the figures at the end");
  }
  if (tokens->size() >= begin + size_t(context)) {
    size_t end = std::min(tokens->size(), begin + size_t(options.evaluationChunks * context));
    heldOut.assign(tokens->begin() + long(begin), tokens->begin() + long(end));
    heldOutName = text->name;
  }
  return Status::ok();
}

} // namespace fingpt
