#include "Commands.h"

#include "fingpt/Driver/Compare.h"
#include "fingpt/Support/MappedFile.h"
#include "fingpt/Support/Progress.h"

#include <memory>

namespace fingpt::cli {

namespace {
struct Options {
  std::string source, against, tokenizer, text, precision = "f32", kv = "f32";
  int64_t context = 512, chunks = 0;
  bool reference = false, noCache = false;
};
} // namespace

static Result<std::unique_ptr<JITModel>> compileForward(Model &model, const Options &o,
                                                        int64_t kvBits) {
  JITOptions jit;
  jit.cache = false;
  jit.reference = o.reference;
  jit.precision = o.precision;
  jit.kvBits = kvBits;
  if (!o.noCache)
    jit.cacheDirectory = defaultCacheDirectory();
  return model.compile(jit);
}

/// KL divergence from another model's predictions.
static Result<int> evaluateAgainst(const Options &o, const Common &common, Model &model,
                                   const std::string &text, Progress &progress) {
  Result<std::unique_ptr<Model>> reference = Model::load(o.against);
  if (!reference)
    return reference.takeError();
  bool decoder = model.isDecoder();
  if ((*reference)->isDecoder() != decoder)
    return Error::at("--against", "models differ in kind", quote(model.architecture()),
                     quote((*reference)->architecture()));
  auto tokens = evaluationTokens(model, text, o.context, o.chunks);
  if (!tokens)
    return tokens.takeError();
  auto same = evaluationTokens(**reference, text, o.context, o.chunks);
  if (!same)
    return same.takeError();
  if (*same != *tokens)
    return Error::at("--against", "tokenizers differ: the text has other tokens in the reference");
  // With --reference both are run by the strict definitions of ops; otherwise the reference, whose
  // kernels are f32 anyway, is run piece by piece and takes the memory of one. So is an encoder,
  // whose whole @forward takes more than tokens.
  std::unique_ptr<JITModel> code, strict;
  if (!decoder && o.reference)
    return Error::at("--reference", "compares models that predict tokens", "a decoder",
                     quote(model.architecture()));
  if (decoder) {
    auto made = compileForward(model, o, kvBits(o.kv));
    if (!made)
      return made.takeError();
    code = std::move(*made);
    if (Status s = code->checkTokens(*tokens, "--text"); !s)
      return s.takeError();
  }
  if (o.reference) {
    auto made = compileForward(**reference, o, /*kvBits=*/0);
    if (!made)
      return made.takeError();
    strict = std::move(*made);
  }
  auto pieces = [&](Model &m) {
    return piecewisePredictor(m.graph(), m.imported().params,
                              o.noCache ? "" : defaultCacheDirectory());
  };
  auto expected = strict ? wholePredictor(*strict) : pieces(**reference);
  if (!expected)
    return expected.takeError();
  auto found = code ? wholePredictor(*code) : pieces(model);
  if (!found)
    return found.takeError();
  progress.update("running the reference");
  auto c = (decoder ? compare : compareHidden)(
      **expected, **found, *tokens, o.context, [&](size_t done, size_t all, double so) {
        char line[100];
        std::snprintf(line, sizeof line, "chunk %zu of %zu, %s %.5f", done, all,
                      decoder ? "KL" : "hidden states change by", so);
        progress.update(line);
      });
  if (!c)
    return c.takeError();
  if (c->hidden && common.json) {
    Json out = figuresJson(*c);
    out["context"] = o.context;
    out["seconds"] = c->seconds;
    std::printf("%s\n", out.dump().c_str());
  } else if (c->hidden) {
    std::printf("hidden states: cosine %.5f, changed by %.5f (%lld tokens)\n", c->hidden->cosine,
                c->hidden->relativeChange, static_cast<long long>(c->tokens));
  } else if (common.json) {
    Json out = {{"perplexity", c->perplexity}, {"reference_perplexity", c->referencePerplexity},
                {"kl_mean", c->klMean},        {"kl_p99", c->klP99},
                {"same_top", c->sameTop},      {"tokens", c->tokens},
                {"context", o.context},        {"seconds", c->seconds}};
    std::printf("%s\n", out.dump().c_str());
  } else {
    std::printf("perplexity %.4f (reference %.4f) | KL %.5f (99%%: %.4f) | same top token %.2f%% "
                "(%lld tokens)\n",
                c->perplexity, c->referencePerplexity, c->klMean, c->klP99, 100 * c->sameTop,
                static_cast<long long>(c->tokens));
  }
  progress.finish("");
  return 0;
}

static Result<int> run(const Options &o, const Common &common) {
  Result<std::string> text = readFile(o.text);
  if (!text)
    return text.takeError();
  Progress progress("fingpt eval:", common.quiet);
  Result<std::unique_ptr<Model>> model = Model::load(o.source, o.tokenizer);
  if (!model)
    return model.takeError();
  progress.update("compiling");
  if (!o.against.empty())
    return evaluateAgainst(o, common, **model, *text, progress);
  Result<std::unique_ptr<JITModel>> code = compileForward(**model, o, kvBits(o.kv));
  if (!code)
    return code.takeError();
  EvaluateOptions options;
  options.context = o.context;
  options.chunks = o.chunks;
  options.progress = [&](size_t done, size_t all, double perplexity) {
    char line[100];
    std::snprintf(line, sizeof line, "chunk %zu of %zu, perplexity %.4f", done, all, perplexity);
    progress.update(line);
  };
  Result<Evaluation> e = evaluatePerplexity(**model, **code, *text, options);
  if (!e)
    return e.takeError();
  if (common.json) {
    Json out = {{"perplexity", e->perplexity},
                {"standard_error", e->standardError},
                {"tokens", e->tokens},
                {"context", o.context},
                {"nll_per_chunk", e->nllPerChunk},
                {"seconds", e->seconds}};
    std::printf("%s\n", out.dump().c_str());
  } else {
    std::printf("perplexity %.4f +/- %.4f (%lld tokens scored in %zu chunks of %lld)\n",
                e->perplexity, e->standardError, static_cast<long long>(e->tokens),
                e->nllPerChunk.size(), static_cast<long long>(o.context));
  }
  char line[100];
  std::snprintf(line, sizeof line, "%.1f s, %.1f tokens/s", e->seconds,
                double(e->nllPerChunk.size()) * double(o.context) / std::max(e->seconds, 1e-9));
  progress.finish(line);
  return 0;
}

Action addEval(CLI::App &app, const Common &common) {
  auto o = std::make_shared<Options>();
  CLI::App *sub = app.add_subcommand("eval", "Perplexity of a model on a text");
  sub->footer(
      "The text is cut into chunks of --context tokens; the second half of each is scored,\n"
      "as llama.cpp's perplexity tool does. Lower is better.\n\n"
      "  fingpt eval model.gguf --text wikitext2-valid.txt --chunks 32\n"
      "  fingpt eval small --against model.gguf --text wikitext2-valid.txt");
  sub->add_option("SRC", o->source, "Model")->required();
  sub->add_option("--text", o->text, "Text file to score")->required();
  sub->add_option("--against", o->against,
                  "Reference model: KL divergence and agreement of the predictions, or "
                  "the change of an encoder's hidden states");
  sub->add_option("--context", o->context, "Tokens per chunk")
      ->check(CLI::Range(int64_t(4), int64_t(1) << 24))
      ->capture_default_str();
  sub->add_option("--chunks", o->chunks, "Chunks to score; 0: all of the text")
      ->check(CLI::Range(int64_t(0), int64_t(1) << 30))
      ->capture_default_str();
  sub->add_option("--tokenizer", o->tokenizer, "Tokenizer file, instead of the model's own");
  sub->add_flag("--reference", o->reference, "Run the strict definition of every op (slow)");
  addKvOption(*sub, o->kv);
  sub->add_option("--precision", o->precision, "Activations: f32, or f64 with --reference")
      ->check(CLI::IsMember({"f32", "f64"}))
      ->capture_default_str();
  sub->add_flag("--no-cache", o->noCache, "Neither use nor write the cache of compiled code");
  return [o, &common] { return run(*o, common); };
}

} // namespace fingpt::cli
