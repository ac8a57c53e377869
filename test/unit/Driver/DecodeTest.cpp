// Compiled code as the runtime uses it: the cache, batches, steady state, oracle.

#include "TinyModel.h"

#include "fingpt/Driver/Model.h"
#include "fingpt/Driver/Session.h"
#include "fingpt/Runtime/Kernels.h"

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <new>
#include <unistd.h>

using namespace fingpt;

// Every allocation of the process, to prove that a decode step makes none.
static std::atomic<long> allocations{0};
void *operator new(size_t n) {
  ++allocations;
  if (void *p = std::malloc(n ? n : 1))
    return p;
  std::abort();
}
void operator delete(void *p) noexcept { std::free(p); }
void operator delete(void *p, size_t) noexcept { std::free(p); }

namespace {

class Decode : public ::testing::Test {
protected:
  static void SetUpTestSuite() {
    path = std::filesystem::temp_directory_path() /
           ("fingpt-decode-" + std::to_string(::getpid()) + ".mlir");
    std::ofstream(path) << test::tinyModel();
  }
  static void TearDownTestSuite() { std::filesystem::remove(path); }

  void SetUp() override {
    auto loaded = Model::load(path);
    ASSERT_TRUE(bool(loaded)) << loaded.error().message();
    model = std::move(*loaded);
  }
  std::unique_ptr<JITModel> compile(JITOptions options = {}) {
    auto code = model->compile(options);
    EXPECT_TRUE(bool(code)) << (code ? "" : code.error().message());
    return code ? std::move(*code) : nullptr;
  }
  static std::vector<int32_t> someTokens(size_t n) {
    std::vector<int32_t> tokens;
    for (size_t i = 0; i < n; ++i)
      tokens.push_back(int32_t((i * 7 + 3) % 32));
    return tokens;
  }
  /// Logits of all positions of one sequence.
  static std::vector<float> forward(const JITModel &code, std::vector<int32_t> tokens) {
    int64_t n = int64_t(tokens.size());
    std::vector<float> logits(tokens.size() * 32);
    Status s = code.call("forward", {{tokens.data(), {1, n}}, {logits.data(), {1, n, 32}}});
    EXPECT_TRUE(bool(s));
    return logits;
  }
  static std::string path;
  std::unique_ptr<Model> model;
};
std::string Decode::path;

float largestDifference(const float *a, const float *b, size_t n) {
  float worst = 0;
  for (size_t i = 0; i < n; ++i)
    worst = std::max(worst, std::fabs(a[i] - b[i]));
  return worst;
}

} // namespace

TEST_F(Decode, SessionEqualsForwardTokenByToken) {
  auto code = compile();
  ASSERT_TRUE(code);
  std::vector<int32_t> tokens = someTokens(20);
  std::vector<float> whole = forward(*code, tokens);
  auto session = Session::create(*code, 32);
  ASSERT_TRUE(bool(session));
  std::vector<float> logits;
  ASSERT_TRUE(bool((*session)->append({tokens.begin(), tokens.begin() + 9}, logits)));
  EXPECT_LT(largestDifference(logits.data(), &whole[8 * 32], 32), 1e-5f);
  for (size_t i = 9; i < tokens.size(); ++i) {
    ASSERT_TRUE(bool((*session)->append({tokens[i]}, logits)));
    EXPECT_LT(largestDifference(logits.data(), &whole[i * 32], 32), 1e-5f) << i;
  }
}

TEST_F(Decode, RowsDoNotDependOnChunking) {
  auto code = compile();
  ASSERT_TRUE(code);
  std::vector<int32_t> tokens = someTokens(24);
  std::vector<float> reference, logits;
  for (size_t chunk : {24u, 1u, 5u, 12u}) {
    auto session = Session::create(*code, 64);
    ASSERT_TRUE(bool(session));
    for (size_t i = 0; i < tokens.size(); i += chunk)
      ASSERT_TRUE(bool((*session)->append(
          {tokens.begin() + long(i), tokens.begin() + long(std::min(i + chunk, tokens.size()))},
          logits)));
    if (reference.empty())
      reference = logits;
    EXPECT_EQ(std::memcmp(reference.data(), logits.data(), 32 * 4), 0) << "chunk " << chunk;
  }
}

TEST_F(Decode, SteadyStateAllocatesNothing) {
  auto code = compile();
  ASSERT_TRUE(code);
  const int64_t context = 64;
  std::vector<float> cache(size_t(code->cacheLayers() * 2 * context * code->cacheWidth()));
  std::vector<float> logits(32);
  int32_t token = 3, position = 0;
  std::vector<TensorRef> arguments{
      {&token, {1, 1}},
      {&position, {1, 1}},
      {cache.data(), {code->cacheLayers(), 2, 1, context, code->cacheWidth()}},
      {logits.data(), {1, 1, 32}}};
  for (; position < 4; ++position)
    ASSERT_TRUE(bool(code->call("decode", arguments)));
  long growths = fingpt_arena_growths();
  // What the host side of one call allocates (descriptors) does not depend on the model.
  long before = allocations;
  ASSERT_TRUE(bool(code->call("decode", arguments)));
  long perCall = allocations - before;
  EXPECT_LE(perCall, 8);
  before = allocations;
  for (; position < 60; ++position)
    ASSERT_TRUE(bool(code->call("decode", arguments)));
  EXPECT_EQ(allocations - before, perCall * 56);
  EXPECT_EQ(fingpt_arena_growths(), growths);
}

TEST_F(Decode, DecodeTouchesOnlyItsRowOfTheCache) {
  auto code = compile();
  ASSERT_TRUE(code);
  const int64_t context = 16, width = code->cacheWidth(), layers = code->cacheLayers();
  std::vector<float> cache(size_t(layers * 2 * context * width), 77.0f);
  std::vector<float> logits(32);
  int32_t token = 3, position = 5;
  ASSERT_TRUE(bool(code->call("decode", {{&token, {1, 1}},
                                         {&position, {1, 1}},
                                         {cache.data(), {layers, 2, 1, context, width}},
                                         {logits.data(), {1, 1, 32}}})));
  for (int64_t slot = 0; slot < layers * 2; ++slot)
    for (int64_t p = 0; p < context; ++p)
      for (int64_t i = 0; i < width; ++i) {
        float v = cache[size_t((slot * context + p) * width + i)];
        ASSERT_EQ(v != 77.0f, p == position) << slot << " " << p << " " << i;
      }
}

TEST_F(Decode, RaggedBatchEqualsSingles) {
  auto code = compile();
  ASSERT_TRUE(code);
  const int64_t context = 32, width = code->cacheWidth(), layers = code->cacheLayers();
  std::vector<int32_t> tokens = someTokens(14); // rows of 7; the second has 4 valid
  std::vector<int32_t> positions, lengths{7, 4};
  for (int b = 0; b < 2; ++b)
    for (int t = 0; t < 7; ++t)
      positions.push_back(t);
  std::vector<float> cache(size_t(layers * 2 * 2 * context * width)), logits(64);
  ASSERT_TRUE(bool(code->call("prefill", {{tokens.data(), {2, 7}},
                                          {positions.data(), {2, 7}},
                                          {lengths.data(), {2}},
                                          {cache.data(), {layers, 2, 2, context, width}},
                                          {logits.data(), {2, 1, 32}}})));
  std::vector<float> first = forward(*code, {tokens.begin(), tokens.begin() + 7});
  std::vector<float> second = forward(*code, {tokens.begin() + 7, tokens.begin() + 11});
  EXPECT_LT(largestDifference(&logits[0], &first[6 * 32], 32), 1e-5f);
  EXPECT_LT(largestDifference(&logits[32], &second[3 * 32], 32), 1e-5f);
  // The rows go on from different positions.
  std::vector<int32_t> next{9, 11}, at{7, 4};
  ASSERT_TRUE(bool(code->call("decode", {{next.data(), {2, 1}},
                                         {at.data(), {2, 1}},
                                         {cache.data(), {layers, 2, 2, context, width}},
                                         {logits.data(), {2, 1, 32}}})));
  std::vector<int32_t> longer(tokens.begin() + 7, tokens.begin() + 11);
  longer.push_back(11);
  second = forward(*code, longer);
  EXPECT_LT(largestDifference(&logits[32], &second[4 * 32], 32), 1e-5f);
}

TEST_F(Decode, KernelsAgreeWithTheDefinitionInF64) {
  auto fast = compile();
  JITOptions exact;
  exact.reference = true;
  exact.precision = "f64";
  exact.cache = false;
  auto oracle = compile(exact);
  ASSERT_TRUE(fast && oracle);
  std::vector<int32_t> tokens = someTokens(17);
  std::vector<float> a = forward(*fast, tokens);
  std::vector<double> b(tokens.size() * 32);
  ASSERT_TRUE(bool(oracle->call("forward", {{tokens.data(), {1, 17}}, {b.data(), {1, 17, 32}}})));
  for (size_t i = 0; i < a.size(); ++i)
    ASSERT_NEAR(a[i], b[i], 1e-5 * (1 + std::fabs(b[i])));
}

TEST_F(Decode, CompiledObjectsAreCachedAndDamageIsNoticed) {
  namespace fs = std::filesystem;
  JITOptions options;
  options.cacheDirectory =
      (fs::temp_directory_path() / ("fingpt-cache-" + std::to_string(::getpid()))).string();
  auto first = compile(options);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->statistics().compiled, first->statistics().functions);
  auto second = compile(options);
  EXPECT_EQ(second->statistics().compiled, 0u);
  for (const auto &entry : fs::directory_iterator(options.cacheDirectory + "/objects")) {
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('\x5a');
    file.put('\xa5');
  }
  auto third = compile(options);
  ASSERT_TRUE(third);
  EXPECT_EQ(third->statistics().compiled, third->statistics().functions);
  EXPECT_EQ(forward(*third, someTokens(5)), forward(*first, someTokens(5)));
  fs::remove_all(options.cacheDirectory);
}

TEST_F(Decode, RefusesWhatCompiledCodeCouldNotTake) {
  auto code = compile();
  ASSERT_TRUE(code);
  auto session = Session::create(*code, 4);
  ASSERT_TRUE(bool(session));
  std::vector<float> logits;
  for (int32_t outside : {32, -1})
    EXPECT_EQ((*session)->append({1, outside}, logits).error().message(),
              "session: token without a row in the embedding, expected 0 to 31, got " +
                  std::to_string(outside));
  EXPECT_EQ((*session)->append({1, 2, 3, 4, 5}, logits).error().message(),
            "session: sequence too long, expected at most 4 tokens, got 5");
  std::vector<int32_t> ids{1, 2};
  EXPECT_EQ(
      code->call("forward", {{ids.data(), {1, 2}}, {logits.data(), {1, 2, 31}}}).error().message(),
      "@forward: argument 1 does not fit, expected memref<?x?x32xf32>, got [1, 2, 31]");
  EXPECT_EQ(code->call("nothing", {}).error().message(),
            "@nothing: is not a function of this model");
}
