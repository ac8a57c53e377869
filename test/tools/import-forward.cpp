// Runs @forward of any model and writes the result as raw f32, for tests that
// compare it with other implementations:
//
//   import-forward MODEL TOKENS OUT [--reference]
//
// TOKENS: one sequence a line, ids separated by spaces, all of one length. For
// an encoder a line may end in "| LENGTH". Prints the shape of the result.
#include "fingpt/Codegen/CPU/JIT.h"
#include "fingpt/Codegen/CPU/Pipeline.h"
#include "fingpt/Import/Import.h"

#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>

using namespace fingpt;

static int fail(const std::string &message) {
  std::cerr << "error: " << message << "\n";
  return 1;
}

int main(int argc, char **argv) {
  if (argc < 4)
    return fail("usage: import-forward MODEL TOKENS OUT [--reference]");
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
    lengths.push_back(bar == std::string::npos
                          ? int32_t(count)
                          : std::stoi(line.substr(bar + 1)));
  }

  mlir::DialectRegistry registry;
  registerCPUDialects(registry);
  mlir::MLIRContext context(registry);
  Result<ImportedModel> model = importModel(argv[1], context);
  if (!model)
    return fail(model.error().message());
  JITOptions options;
  options.cache = false;
  options.reference = argc > 4 && std::string(argv[4]) == "--reference";
  auto jit = JITModel::compile(*model->graph, model->params, options);
  if (!jit)
    return fail(jit.error().message());

  std::vector<float> out(size_t(batch * length * (*jit)->outputWidth()));
  std::vector<int32_t> types(tokens.size(), 0);
  std::vector<TensorRef> arguments{{tokens.data(), {batch, length}}};
  if ((*jit)->arity("forward") > 2) {
    arguments.push_back({lengths.data(), {batch}});
    arguments.push_back({types.data(), {batch, length}});
  }
  arguments.push_back({out.data(), {batch, length, (*jit)->outputWidth()}});
  if (Status s = (*jit)->call("forward", arguments); !s)
    return fail(s.error().message());
  std::ofstream(argv[3], std::ios::binary)
      .write(reinterpret_cast<const char *>(out.data()),
             std::streamsize(out.size() * 4));
  std::printf("%lld %lld %lld\n", (long long)batch, (long long)length,
              (long long)(*jit)->outputWidth());
  return 0;
}
