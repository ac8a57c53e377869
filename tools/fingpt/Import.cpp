#include "Commands.h"

#include "fingpt/Driver/Inspect.h"
#include "fingpt/Import/ModelDirectory.h"
#include "fingpt/Support/Progress.h"

#include <memory>

namespace fingpt::cli {

namespace {
struct Options {
  std::string source, output, tokenizer;
  bool force = false;
};
} // namespace

static Result<int> run(const Options &o, const Common &common) {
  Progress progress("fingpt import:", common.quiet);
  Result<std::unique_ptr<Model>> model = Model::load(o.source, o.tokenizer);
  if (!model)
    return model.takeError();
  Result<ModelSummary> summary = inspectModel(**model);
  if (!summary)
    return summary.takeError();
  progress.update("writing " + o.output);
  WriteOptions write;
  write.replace = o.force;
  if (Status s = writeModelDirectory((*model)->imported(), o.output, write); !s)
    return s.takeError();
  if (common.json) {
    Json out = {{"output", o.output},
                {"architecture", summary->architecture},
                {"layers", summary->layers},
                {"parameters", summary->parameters},
                {"stored_bytes", summary->storedBytes}};
    std::printf("%s\n", out.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  } else {
    std::printf(
        "%s: %s, %lld layers, %llu parameters, %.1f MB stored\n", escaped(o.output, 1000).c_str(),
        summary->architecture.c_str(), static_cast<long long>(summary->layers),
        static_cast<unsigned long long>(summary->parameters), double(summary->storedBytes) / 1e6);
  }
  return 0;
}

Action addImport(CLI::App &app, const Common &common) {
  auto o = std::make_shared<Options>();
  CLI::App *sub = app.add_subcommand("import", "Write a model as a model directory");
  sub->footer("The directory holds graph.mlir, model.safetensors, config.json, the tokenizer and\n"
              "fingpt.json (hashes, provenance). It appears whole or not at all.\n\n"
              "  fingpt import model.gguf -o model/");
  sub->add_option("SRC", o->source, "Model")->required();
  sub->add_option("-o,--output", o->output, "Directory to write")->required();
  sub->add_option("--tokenizer", o->tokenizer, "Tokenizer file, instead of the model's own");
  sub->add_flag("--force", o->force, "Replace an existing model directory");
  return [o, &common] { return run(*o, common); };
}

} // namespace fingpt::cli
