#include "Commands.h"

#include "fingpt/Driver/Generate.h"
#include "fingpt/Support/Progress.h"

#include <chrono>
#include <memory>

namespace fingpt::cli {

namespace {
struct Options {
  std::string source, tokenizer, prompt, system, precision = "f32", kv = "f32";
  int64_t tokens = 128;
  double temperature = 0, topP = 1, minP = 0, penalty = 1;
  int topK = 0;
  uint64_t seed = 0;
  bool chat = false, ignoreEos = false, reference = false, noCache = false;
  std::vector<std::string> stop;
};
} // namespace

static Result<int> run(const Options &o, const Common &common) {
  auto begin = std::chrono::steady_clock::now();
  auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  Progress progress("fingpt run:", common.quiet);
  Result<std::unique_ptr<Model>> model = Model::load(o.source, o.tokenizer);
  if (!model)
    return model.takeError();
  if (!(*model)->isDecoder())
    return Error::at(escaped(o.source, 1000),
                     "cannot generate text: " + quote((*model)->architecture()) +
                         " is no causal language model");
  if (Result<const Tokenizer *> t = (*model)->tokenizer(); !t)
    return t.takeError();
  progress.update("compiling");
  JITOptions jit;
  jit.forward = false;
  jit.reference = o.reference;
  jit.precision = o.precision;
  jit.kvBits = kvBits(o.kv);
  if (!o.noCache)
    jit.cacheDirectory = defaultCacheDirectory();
  Result<std::unique_ptr<JITModel>> code = (*model)->compile(jit);
  if (!code)
    return code.takeError();
  double ready = elapsed();

  GenerateOptions generation;
  generation.maxTokens = o.tokens;
  generation.sampling = {float(o.temperature), o.topK,           float(o.topP),
                         float(o.minP),        float(o.penalty), o.seed};
  generation.chat = o.chat;
  generation.system = o.system;
  generation.ignoreEos = o.ignoreEos;
  generation.stop = o.stop;
  if (!common.json)
    generation.stream = [](const std::string &text) {
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    };
  Result<Generation> result = generate(**model, **code, o.prompt, generation);
  if (!result)
    return result.takeError();
  double prefillRate = double(result->promptTokens.size()) / std::max(result->prefillSeconds, 1e-9);
  double decodeRate = result->decodeSteps
                          ? double(result->decodeSteps) / std::max(result->decodeSeconds, 1e-9)
                          : 0.0;
  if (common.json) {
    Json out = {{"text", result->text},
                {"tokens", result->tokens},
                {"prompt_tokens", result->promptTokens},
                {"finish", result->finish},
                {"timings",
                 {{"start_seconds", ready},
                  {"compile_seconds", (*code)->statistics().compileSeconds},
                  {"prepare_seconds", (*code)->statistics().prepareSeconds},
                  {"first_token_seconds", ready + result->prefillSeconds},
                  {"prefill_seconds", result->prefillSeconds},
                  {"prefill_tokens_per_second", prefillRate},
                  {"decode_seconds", result->decodeSeconds},
                  {"decode_tokens_per_second", decodeRate}}}};
    std::printf("%s\n", out.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  } else {
    std::printf("\n");
    std::fflush(stdout);
  }
  char line[200];
  std::snprintf(
      line, sizeof line,
      "ready in %.2f s; prompt %zu tokens at %.1f tokens/s; generated %zu at %.1f tokens/s", ready,
      result->promptTokens.size(), prefillRate, result->tokens.size(), decodeRate);
  progress.finish(line);
  return 0;
}

Action addRun(CLI::App &app, const Common &common) {
  auto o = std::make_shared<Options>();
  CLI::App *sub = app.add_subcommand("run", "Generate text from a prompt");
  sub->footer("Text streams to stdout. Greedy by default; --temp 0.8 --top-p 0.95 samples.\n\n"
              "  fingpt run model.gguf --prompt \"The stock market\" -n 64\n"
              "  fingpt run model.gguf --chat --prompt \"What is a bond?\" --temp 0.7 --seed 1");
  sub->add_option("SRC", o->source, "Model: GGUF, Hugging Face directory, model directory, ...")
      ->required();
  sub->add_option("--prompt", o->prompt, "Text to continue")->required();
  sub->add_option("-n,--tokens", o->tokens, "Most tokens to generate")
      ->check(CLI::Range(int64_t(0), int64_t(1) << 30))
      ->capture_default_str();
  sub->add_option("--temp", o->temperature, "Temperature; 0 is greedy")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  sub->add_option("--top-k", o->topK, "Keep the k likeliest tokens; 0: all")
      ->check(CLI::Range(0, 1 << 30))
      ->capture_default_str();
  sub->add_option("--top-p", o->topP, "Keep the smallest set of this probability")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  sub->add_option("--min-p", o->minP, "Drop tokens below this share of the likeliest")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  sub->add_option("--repetition-penalty", o->penalty, "Penalty on tokens seen before; 1: none")
      ->check(CLI::Range(0.01, 100.0))
      ->capture_default_str();
  sub->add_option("--seed", o->seed, "Seed of the sampler")->capture_default_str();
  sub->add_flag("--chat", o->chat, "Wrap the prompt in the model's chat format");
  sub->add_option("--system", o->system, "System message, with --chat");
  sub->add_option("--stop", o->stop, "End at this text (repeatable)");
  sub->add_flag("--ignore-eos", o->ignoreEos, "Do not end at the model's stop tokens");
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
