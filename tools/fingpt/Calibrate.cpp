#include "Commands.h"

#include "fingpt/Compress/Statistics.h"
#include "fingpt/Driver/Calibrate.h"
#include "fingpt/Support/MappedFile.h"
#include "fingpt/Support/Progress.h"

#include <memory>
#include <unistd.h>

namespace fingpt::cli {

namespace {
struct Options {
  std::string source, tokenizer, text, output;
  int64_t tokens = 16384, context = 512;
  bool noResidual = false, noCache = false, force = false;
};
} // namespace

static Result<int> run(const Options &o, const Common &common) {
  if (::access(o.output.c_str(), F_OK) == 0) {
    if (!o.force)
      return Error::at(escaped(o.output, 1000), "exists already (--force replaces it)");
    if (!compress::Statistics::open(o.output))
      return Error::at(escaped(o.output, 1000), "is not replaced", "a file of statistics",
                       "something else");
  }
  Result<std::string> text = readFile(o.text);
  if (!text)
    return text.takeError();
  Progress progress("fingpt calibrate:", common.quiet);
  Result<std::unique_ptr<Model>> model = Model::load(o.source, o.tokenizer);
  if (!model)
    return model.takeError();
  progress.update("compiling");
  CalibrationOptions options;
  options.tokens = o.tokens;
  options.context = o.context;
  options.residual = !o.noResidual;
  if (!o.noCache)
    options.cacheDirectory = defaultCacheDirectory();
  options.progress = [&](size_t done, size_t all, const std::string &name) {
    progress.update(std::to_string(done) + " of " + std::to_string(all) + ", " + name);
  };
  Result<CalibrationSummary> summary = calibrate(**model, *text, o.output, options);
  if (!summary)
    return summary.takeError();
  char line[200];
  std::snprintf(line, sizeof line, "%lld tokens, %lld inputs of %lld weights in %.1f s",
                static_cast<long long>(summary->tokens), static_cast<long long>(summary->inputs),
                static_cast<long long>(summary->weights), summary->seconds);
  if (common.json) {
    Json out = {{"file", o.output},
                {"tokens", summary->tokens},
                {"inputs", summary->inputs},
                {"weights", summary->weights},
                {"seconds", summary->seconds}};
    std::printf("%s\n", out.dump().c_str());
  }
  progress.finish(line);
  return 0;
}

Action addCalibrate(CLI::App &app, const Common &common) {
  auto o = std::make_shared<Options>();
  CLI::App *sub = app.add_subcommand("calibrate", "Statistics of a model's inputs on a text");
  sub->footer("Runs the model over the text, layer by layer, and writes second moments of the\n"
              "inputs of every linear layer: what compression passes read.\n\n"
              "  fingpt calibrate model.gguf --text notes.txt -o stats.safetensors\n"
              "  fingpt-opt model.gguf --fin-quantize-weights=\"scheme=w3g64 "
              "stats=stats.safetensors\"");
  sub->add_option("SRC", o->source, "Model")->required();
  sub->add_option("--text", o->text, "Text file")->required();
  sub->add_option("-o,--output", o->output, "Statistics file to write")->required();
  sub->add_option("--tokens", o->tokens, "Tokens to use, at most")
      ->check(CLI::Range(int64_t(4), int64_t(1) << 30))
      ->capture_default_str();
  sub->add_option("--context", o->context, "Tokens per sequence")
      ->check(CLI::Range(int64_t(4), int64_t(1) << 24))
      ->capture_default_str();
  sub->add_option("--tokenizer", o->tokenizer, "Tokenizer file, instead of the model's own");
  sub->add_flag("--no-residual", o->noResidual, "Leave out the residual stream (slicing needs it)");
  sub->add_flag("--force", o->force, "Replace an existing file");
  sub->add_flag("--no-cache", o->noCache, "Neither use nor write the cache of compiled code");
  return [o, &common] { return run(*o, common); };
}

} // namespace fingpt::cli
