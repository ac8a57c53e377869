#include "Commands.h"

#include "fingpt/Driver/Compress.h"
#include "fingpt/Support/MappedFile.h"
#include "fingpt/Support/Progress.h"

#include <memory>

namespace fingpt::cli {

namespace {
struct Options {
  std::string source, output, tokenizer, scheme, tier, recipe, embeddings, calibration, evaluation,
      size, bpw, maxPerplexity;
  std::vector<std::string> layers, keep, candidates;
  int64_t tokens = 0, context = 0, chunks = 10, seed = -1;
  bool dense = false, noCalibration = false, dryRun = false, force = false, noCache = false;
};
} // namespace

/// The recipe file if there is one.
static Result<Recipe> startRecipe(const Options &o) {
  if (!o.recipe.empty())
    return readRecipe(o.recipe);
  Recipe recipe;
  if (Status s = applyTier("best", recipe); !s) // its candidates serve every budget
    return s.takeError();
  recipe.bitsPerWeight.reset();
  if (Status s = applyTier("balanced", recipe); !s)
    return s.takeError();
  return recipe;
}

/// Then what the command line says.
static Status applyOptions(const Options &o, Recipe &recipe) {
  bool budgetGiven = !o.size.empty() || !o.bpw.empty() || !o.maxPerplexity.empty();
  if (budgetGiven)
    recipe.clearBudget();
  if (!o.size.empty()) {
    Result<uint64_t> bytes = parseBytes(o.size);
    if (!bytes)
      return bytes.error().in("--size");
    recipe.size = *bytes;
  }
  if (!o.bpw.empty()) {
    char *end = nullptr;
    double bits = std::strtod(o.bpw.c_str(), &end);
    if (*end != '\0' || !(bits > 0 && bits <= 64))
      return Error::at("--bpw", "not understood", "bits per weight such as 3.2", quote(o.bpw));
    recipe.bitsPerWeight = bits;
  }
  if (!o.maxPerplexity.empty()) {
    Result<double> share = parseShare(o.maxPerplexity);
    if (!share)
      return share.error().in("--max-ppl");
    recipe.maxPerplexity = *share;
  }
  if (!o.tier.empty()) {
    if (!o.scheme.empty())
      return Error::at("--tier", "contradiction", "one of --scheme and --tier", "both");
    if (!budgetGiven)
      recipe.clearBudget(); // that of a recipe file gives way
    else if (o.tier != "best")
      return Error::at("--tier", "contradiction", "best, the tier of budgets", quote(o.tier));
    if (Status s = applyTier(o.tier, recipe); !s)
      return s;
  }
  if (!o.scheme.empty())
    if (Status s = applyScheme(o.scheme, recipe); !s)
      return s;
  auto scheme = [](const std::string &text, const char *option,
                   compress::WeightScheme &to) -> Status {
    Result<compress::WeightScheme> parsed = compress::parseWeightScheme(text);
    if (!parsed)
      return parsed.error().in(option);
    to = *parsed;
    return Status::ok();
  };
  if (!o.embeddings.empty()) {
    if (Status s = scheme(o.embeddings, "--embeddings", recipe.embeddings); !s)
      return s;
    recipe.embeddingsGiven = true;
  }
  if (!o.candidates.empty())
    recipe.candidates.clear();
  for (const std::string &text : o.candidates) {
    recipe.candidates.emplace_back();
    if (Status s = scheme(text, "--candidates", recipe.candidates.back()); !s)
      return s;
  }
  std::vector<std::pair<std::string, compress::WeightScheme>> layers;
  for (const std::string &text : o.layers) {
    size_t equals = text.rfind('=');
    if (equals == std::string::npos || equals == 0)
      return Error::at("--layer", "not understood", "REGEX=SCHEME", quote(text));
    layers.emplace_back(text.substr(0, equals), compress::WeightScheme());
    if (Status s = scheme(text.substr(equals + 1), "--layer", layers.back().second); !s)
      return s;
  }
  recipe.layers.insert(recipe.layers.begin(), layers.begin(), layers.end());
  recipe.keep.insert(recipe.keep.end(), o.keep.begin(), o.keep.end());
  if (o.tokens > 0)
    recipe.tokens = o.tokens;
  if (o.context > 0)
    recipe.context = o.context;
  if (o.dense)
    recipe.sequential = false;
  if (o.seed >= 0)
    recipe.seed = uint64_t(o.seed);
  if (Status s = checkRecipe(recipe); !s)
    return s.error().in("recipe");
  if (o.output.empty() && !o.dryRun)
    return Error::at("-o", "missing", "a directory to write (or --dry-run)", "none");
  return Status::ok();
}

static std::string planLine(const CompressPlan &plan, const Recipe &recipe) {
  size_t changed = 0;
  for (const PlannedWeight &w : plan.weights)
    changed += w.kept.empty();
  char line[300];
  std::snprintf(
      line, sizeof line,
      "plan   %.1fM parameters, %zu of %zu weights change | %s -> %s (%.2f bit) | peak %s "
      "| about %.0f min%s",
      double(plan.parameters) / 1e6, changed, plan.weights.size(),
      bytesText(plan.bytesBefore).c_str(), bytesText(plan.bytesAfter).c_str(),
      8.0 * double(plan.bytesAfter) / double(plan.parameters), bytesText(plan.peakBytes).c_str(),
      std::max(1.0, plan.seconds / 60),
      recipe.dropLayers > 0 || recipe.slice > 0 ? " | before what drop and slice leave out" : "");
  return line;
}

static int printPlan(const CompressPlan &plan, const Recipe &recipe, const Common &common) {
  if (common.json) {
    Json weights = Json::array();
    for (const PlannedWeight &w : plan.weights)
      weights.push_back({{"name", w.name},
                         {"shape", {w.rows, w.cols}},
                         {"scheme", compress::weightSchemeText(w.scheme)},
                         {"bytes_before", w.bytesBefore},
                         {"bytes_after", w.bytesAfter},
                         {"kept_reason", w.kept}});
    Json out = {{"recipe", recipe.json()},
                {"parameters", plan.parameters},
                {"bytes_before", plan.bytesBefore},
                {"bytes_after", plan.bytesAfter},
                {"peak_bytes", plan.peakBytes},
                {"seconds", plan.seconds},
                {"weights", weights}};
    std::printf("%s\n", out.dump().c_str());
    return 0;
  }
  std::printf("%s\n", planLine(plan, recipe).c_str());
  for (const PlannedWeight &w : plan.weights)
    std::printf(
        "  %-50s %7lld x %-7lld %10s -> %-10s %s\n", w.name.c_str(), static_cast<long long>(w.rows),
        static_cast<long long>(w.cols), bytesText(w.bytesBefore).c_str(),
        recipe.hasBudget() && w.chosenByBudget() ? "by budget" : bytesText(w.bytesAfter).c_str(),
        !w.kept.empty()                            ? ("kept: " + w.kept).c_str()
        : recipe.hasBudget() && w.chosenByBudget() ? "one of the candidates"
                                                   : compress::weightSchemeText(w.scheme).c_str());
  return 0;
}

static void printSummary(const CompressSummary &s, const std::string &output,
                         const Common &common) {
  if (common.json) {
    Json out = {{"output", output},
                {"bytes_before", s.plan.bytesBefore},
                {"bytes_after", s.bytesAfter},
                {"bits_per_weight", s.bitsPerWeight},
                {"quality", nullptr}};
    if (s.quality)
      out["quality"] = figuresJson(*s.quality);
    std::printf("%s\n", out.dump().c_str());
    return;
  }
  std::printf("done   %s -> %s (%.2f bit)", bytesText(s.plan.bytesBefore).c_str(),
              bytesText(s.bytesAfter).c_str(), s.bitsPerWeight);
  if (const auto &q = s.quality; q && q->hidden)
    std::printf(" | hidden states: cosine %.5f, changed by %.4f", q->hidden->cosine,
                q->hidden->relativeChange);
  else if (q)
    std::printf(" | perplexity %.2f -> %.2f | KL %.4f (99%%: %.3f) | same top token %.1f%%",
                q->referencePerplexity, q->perplexity, q->klMean, q->klP99, 100 * q->sameTop);
  std::printf("\n");
}

static Result<int> run(const Options &o, const Common &common) {
  Result<Recipe> recipe = startRecipe(o);
  if (!recipe)
    return recipe.takeError();
  if (Status s = applyOptions(o, *recipe); !s) {
    std::fprintf(stderr, "error: %s\n", s.error().message().c_str());
    return 2; // usage
  }
  CompressOptions options;
  options.recipe = std::move(*recipe);
  options.output = o.output;
  options.force = o.force;
  options.evaluationChunks = o.chunks;
  options.selfText = !o.noCalibration;
  auto readText = [](const std::string &path, std::optional<NamedText> &to) -> Status {
    if (path.empty())
      return Status::ok();
    Result<std::string> text = readFile(path);
    if (!text)
      return text.takeError();
    to = NamedText{path.substr(path.find_last_of('/') + 1), std::move(*text)};
    return Status::ok();
  };
  if (Status s = readText(o.calibration, options.calibration); !s)
    return s.takeError();
  if (Status s = readText(o.evaluation, options.evaluation); !s)
    return s.takeError();
  Progress progress("fingpt compress:", common.quiet);
  options.update = [&](const std::string &text) { progress.update(text); };
  options.say = [&](const std::string &text) { progress.print(text); };
  Result<std::unique_ptr<Model>> model = Model::load(o.source, o.tokenizer);
  if (!model)
    return model.takeError();
  if (!o.noCache)
    options.cacheDirectory = defaultCacheDirectory();
  Result<CompressPlan> plan = planCompression(**model, options);
  if (!plan)
    return plan.takeError();
  if (o.dryRun)
    return printPlan(*plan, options.recipe, common);
  progress.print(planLine(*plan, options.recipe));
  if (plan->bytesAfter > plan->bytesBefore)
    progress.print("note   this is more than the source takes");
  if (!options.calibration && options.recipe.wantsCalibration())
    progress.print(options.selfText && (*model)->isDecoder()
                       ? "note   without --calib the model writes its own calibration text"
                       : "note   without --calib weights are rounded to nearest");
  Result<CompressSummary> summary = compressModel(**model, options);
  // A tightened limit starts from the model as it is stored.
  while (summary && summary->tightened) {
    model = Model::load(o.source, o.tokenizer);
    if (!model)
      return model.takeError();
    summary = compressModel(**model, options);
  }
  if (!summary)
    return summary.takeError();
  progress.finish("");
  printSummary(*summary, o.output, common);
  return 0;
}

Action addCompress(CLI::App &app, const Common &common) {
  auto o = std::make_shared<Options>();
  CLI::App *sub = app.add_subcommand("compress", "Make a model smaller");
  sub->footer(
      "One of a scheme, a tier or a budget says how small; a text (--calib) says for what.\n\n"
      "  fingpt compress model.gguf -o small --calib notes.txt --size 70MiB\n"
      "  fingpt compress model/ -o small --calib notes.txt --scheme w4g64+lr16 --keep lm_head\n"
      "  fingpt compress model/ -o small --tier fast\n\n"
      "Schemes: w2..w8 with gGROUP, nf4, fp4, mxfp4, nvfp4; :gptq :awq :hqq :rtn; +lrRANK adds a\n"
      "residual pair; svdPERCENT; before them rot, slicePERCENT, dropLAYERS, kv8 or kv4.\n"
      "A run that was interrupted goes on where it was when the same command runs again.");
  sub->add_option("SRC", o->source, "Model")->required();
  sub->add_option("-o,--output", o->output, "Model directory to write");
  sub->add_option("--scheme", o->scheme, "Form of the weights, such as w4g64 or w3g64+lr16");
  sub->add_option("--tier", o->tier, "fast, balanced or best")
      ->check(CLI::IsMember({"fast", "balanced", "best"}));
  sub->add_option("--size", o->size, "Budget: bytes of all parameters, such as 70MiB");
  sub->add_option("--bpw", o->bpw, "Budget: stored bits per weight");
  sub->add_option("--max-ppl", o->maxPerplexity, "Budget: rise of perplexity, such as +2%");
  sub->add_option("--recipe", o->recipe, "File that says all of this (YAML)");
  sub->add_option("--embeddings", o->embeddings, "Form of the token table and the output head");
  sub->add_option("--layer", o->layers, "REGEX=SCHEME: another form for weights by name")
      ->allow_extra_args(false);
  sub->add_option("--keep", o->keep, "REGEX: leave weights as they are; lm_head is the head")
      ->allow_extra_args(false);
  sub->add_option("--candidates", o->candidates, "Forms that a budget may choose from")
      ->delimiter(',')
      ->allow_extra_args(false);
  sub->add_option("--calib,--text", o->calibration, "Text that stands for what the model reads");
  sub->add_flag("--no-calib", o->noCalibration,
                "Without --calib: no statistics, instead of text that the model writes itself");
  sub->add_option("--eval-text", o->evaluation,
                  "Text for the figures at the end; default: the rest of --calib");
  sub->add_option("--eval-chunks", o->chunks, "Chunks of it, at most; 0: no figures")
      ->check(CLI::Range(int64_t(0), int64_t(1) << 30))
      ->capture_default_str();
  sub->add_option("--tokens", o->tokens, "Tokens to calibrate on (16384)")
      ->check(CLI::Range(int64_t(4), int64_t(1) << 30));
  sub->add_option("--context", o->context, "Tokens per sequence (512)")
      ->check(CLI::Range(int64_t(4), int64_t(1) << 24));
  sub->add_flag("--dense-statistics", o->dense,
                "Inputs as the original model makes them, not the compressed layers before");
  sub->add_option("--seed", o->seed, "Of rotations (0)")->check(CLI::Range(int64_t(0), INT64_MAX));
  sub->add_option("--tokenizer", o->tokenizer, "Tokenizer file, instead of the model's own");
  sub->add_flag("--dry-run", o->dryRun, "Print the plan only");
  sub->add_flag("--force", o->force, "Replace a model directory; drop an unfinished other run");
  sub->add_flag("--no-cache", o->noCache, "Neither use nor write the cache of compiled code");
  return [o, &common] { return run(*o, common); };
}

} // namespace fingpt::cli
