// Runs @forward of any model and writes the result as raw f32, for tests that
// compare it with other implementations:
//
//   import-forward MODEL TOKENS OUT [--reference | --f64 | --cached N]
//
// --reference runs the strict definitions, --f64 runs them in f64; --cached N runs
// @decode instead: the first N tokens at once, then one at a time.
//
// TOKENS: one sequence a line, ids separated by spaces, all of one length. For
// an encoder a line may end in "| LENGTH". Prints the shape of the result.
#include "fingpt/Codegen/CPU/JIT.h"
#include "fingpt/Codegen/CPU/Pipeline.h"
#include "fingpt/Import/Import.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>

using namespace fingpt;

static int fail(const std::string &message) {
  std::cerr << "error: " << message << "\n";
  return 1;
}

static Status runForward(const JITModel &jit, std::vector<int32_t> &tokens,
                         std::vector<int32_t> &lengths, int64_t batch, int64_t length, void *out) {
  std::vector<int32_t> types(tokens.size(), 0);
  std::vector<TensorRef> arguments{{tokens.data(), {batch, length}}};
  if (jit.arity("forward") > 2) {
    arguments.push_back({lengths.data(), {batch}});
    arguments.push_back({types.data(), {batch, length}});
  }
  arguments.push_back({out, {batch, length, jit.outputWidth()}});
  return jit.call("forward", arguments);
}

static Status runCached(const JITModel &jit, const std::vector<int32_t> &tokens, int64_t batch,
                        int64_t length, int64_t first, float *out) {
  int64_t width = jit.outputWidth(), context = length + 3; // the cache may be longer
  std::vector<float> cache(size_t(jit.cacheLayers() * 2 * batch * context * jit.cacheWidth()),
                           std::nanf("")); // what was never written must not be read
  for (int64_t begin = 0; begin < length;) {
    int64_t count = begin == 0 ? std::min(first, length) : 1;
    std::vector<int32_t> ids, positions;
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t t = begin; t < begin + count; ++t) {
        ids.push_back(tokens[size_t(b * length + t)]);
        positions.push_back(int32_t(t));
      }
    std::vector<float> logits(size_t(batch * count * width));
    Status s = jit.call("decode",
                        {{ids.data(), {batch, count}},
                         {positions.data(), {batch, count}},
                         {cache.data(), {jit.cacheLayers(), 2, batch, context, jit.cacheWidth()}},
                         {logits.data(), {batch, count, width}}});
    if (!s)
      return s;
    for (int64_t b = 0; b < batch; ++b)
      std::copy_n(logits.begin() + b * count * width, count * width,
                  out + (b * length + begin) * width);
    begin += count;
  }
  return Status::ok();
}

int main(int argc, char **argv) {
  if (argc < 4)
    return fail("usage: import-forward MODEL TOKENS OUT [--reference | --f64 | --cached N]");
  std::vector<int32_t> tokens, lengths;
  int64_t batch = 0, length = 0;
  std::ifstream in(argv[2]);
  for (std::string line; std::getline(in, line); ++batch) {
    size_t bar = line.find('|');
    std::istringstream words(line.substr(0, bar));
    int64_t count = 0;
    for (int32_t id; words >> id; ++count)
      tokens.push_back(id);
    length = count;
    lengths.push_back(bar == std::string::npos ? int32_t(count) : std::stoi(line.substr(bar + 1)));
  }

  mlir::DialectRegistry registry;
  registerCPUDialects(registry);
  mlir::MLIRContext context(registry);
  Result<ImportedModel> model = importModel(argv[1], context);
  if (!model)
    return fail(model.error().message());
  std::string mode = argc > 4 ? argv[4] : "";
  JITOptions options;
  options.cache = mode == "--cached";
  options.forward = !options.cache;
  options.reference = mode == "--reference" || mode == "--f64";
  options.precision = mode == "--f64" ? "f64" : "f32";
  auto jit = JITModel::compile(*model->graph, model->params, options);
  if (!jit)
    return fail(jit.error().message());

  int64_t width = (*jit)->outputWidth();
  size_t bytes = (*jit)->elementBytes();
  std::vector<char> out(size_t(batch * length * width) * bytes);
  Status s = options.cache
                 ? runCached(**jit, tokens, batch, length, argc > 5 ? std::stoll(argv[5]) : 1,
                             reinterpret_cast<float *>(out.data()))
                 : runForward(**jit, tokens, lengths, batch, length, out.data());
  if (!s)
    return fail(s.error().message());
  if (bytes == 8) { // the tests read f32
    auto *wide = reinterpret_cast<const double *>(out.data());
    std::vector<float> narrow(wide, wide + batch * length * width);
    out.assign(reinterpret_cast<const char *>(narrow.data()),
               reinterpret_cast<const char *>(narrow.data() + narrow.size()));
  }
  std::ofstream(argv[3], std::ios::binary).write(out.data(), std::streamsize(out.size()));
  std::printf("%lld %lld %lld\n", (long long)batch, (long long)length, (long long)width);
  return 0;
}
