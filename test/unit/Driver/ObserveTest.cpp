// fin-observe and the pieces that calibration runs: two ways to the same activations.

#include "TinyModel.h"

#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Driver/Calibrate.h"
#include "fingpt/Driver/Model.h"
#include "fingpt/Driver/Segments.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <unistd.h>

using namespace fingpt;

namespace {

constexpr int64_t kTokens = 12, kVocabulary = 32;

/// A model of text, through a file of its own.
std::unique_ptr<Model> loadText(const std::string &text) {
  std::string path = (std::filesystem::temp_directory_path() /
                      ("fingpt-observe-" + std::to_string(::getpid()) + ".mlir"))
                         .string();
  std::ofstream(path) << text;
  auto model = Model::load(path);
  std::filesystem::remove(path);
  EXPECT_TRUE(bool(model)) << (model ? "" : model.error().message());
  return model ? std::move(*model) : nullptr;
}

/// One block of width 8: norm, up, silu, down, sum.
std::string blockModel() {
  const std::string h = "tensor<?x?x8xf32>", wide = "tensor<?x?x16xf32>", ids = "tensor<?x?xi32>";
  return "module attributes {fin.model = #fin.model<arch = \"llama\", context_length = 128, "
         "vocab_size = 32, layers = 1>, fin.params = \"random:7\"} {\n"
         "func.func @forward(%tokens: " +
         ids +
         ") -> tensor<?x?x32xf32> {\n"
         "%table = fin.param \"embed.weight\" : tensor<32x8xf32>\n"
         "%h0 = fin.embedding %tokens, %table : " +
         ids +
         ", tensor<32x8xf32>\n"
         "%g = fin.param \"model.layers.0.norm.weight\" : tensor<8xf32>\n"
         "%n = fin.rms_norm %h0, %g {eps = 1.0e-5 : f64} : " +
         h +
         ", tensor<8xf32>\n"
         "%wu = fin.param \"model.layers.0.up.weight\" : tensor<16x8xf32>\n"
         "%wd = fin.param \"model.layers.0.down.weight\" : tensor<8x16xf32>\n"
         "%u = fin.linear %n, %wu : " +
         h +
         ", tensor<16x8xf32>\n"
         "%a = fin.silu %u : " +
         wide +
         "\n"
         "%d = fin.linear %a, %wd : " +
         wide +
         ", tensor<8x16xf32>\n"
         "%h1 = arith.addf %h0, %d : " +
         h +
         "\n"
         "%y = fin.linear %h1, %table : " +
         h + ", tensor<32x8xf32>\nreturn %y : tensor<?x?x32xf32>\n}}\n";
}

std::vector<int32_t> someTokens() {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < kTokens; ++i)
    tokens.push_back(int32_t((i * 7 + 3) % kVocabulary));
  return tokens;
}

using Activations = std::map<std::string, std::vector<float>>;

/// What @forward computes, by the names of its taps; the logits under "".
Activations runForward(mlir::ModuleOp graph, const std::shared_ptr<ParamStore> &params) {
  JITOptions options;
  options.cache = false;
  options.keepStored = true;
  auto code = JITModel::compile(graph, params, options);
  EXPECT_TRUE(bool(code)) << (code ? "" : code.error().message());
  if (!code)
    return {};
  EXPECT_EQ((*code)->outputWidth(), kVocabulary);
  auto forward = graph.lookupSymbol<mlir::func::FuncOp>("forward");
  std::vector<int32_t> tokens = someTokens();
  std::vector<std::vector<float>> results;
  std::vector<TensorRef> arguments{{tokens.data(), {1, kTokens}}};
  for (mlir::Type type : forward.getResultTypes()) {
    int64_t width = mlir::cast<mlir::RankedTensorType>(type).getDimSize(2);
    results.emplace_back(size_t(kTokens * width));
    arguments.push_back({results.back().data(), {1, kTokens, width}});
  }
  Status s = (*code)->call("forward", arguments);
  EXPECT_TRUE(bool(s)) << (s ? "" : s.error().message());
  Activations out;
  for (size_t i = 0; i < results.size(); ++i) {
    auto names = forward.getResultAttrOfType<mlir::ArrayAttr>(unsigned(i), "fin.tap");
    if (!names)
      out[""] = results[i];
    else
      for (auto name : names.getAsRange<mlir::StringAttr>())
        out[name.str()] = results[i];
  }
  return out;
}

/// The same from the pieces of the graph, one after another.
Activations runSegments(mlir::ModuleOp graph, const std::shared_ptr<ParamStore> &params) {
  auto model = SegmentedModel::create(graph, params, "");
  EXPECT_TRUE(bool(model)) << (model ? "" : model.error().message());
  if (!model)
    return {};
  Activations out;
  SegmentSample sample;
  sample.tokens = someTokens();
  sample.length = kTokens;
  for (size_t i = 0; i < (*model)->size(); ++i) {
    auto weights = (*model)->load(i);
    EXPECT_TRUE(bool(weights));
    Status s = (*model)->run(i, SegmentedModel::Run::Both, *weights, sample);
    EXPECT_TRUE(bool(s)) << (s ? "" : s.error().message());
    const Segment &segment = (*model)->segment(i);
    for (size_t t = 0; t < segment.taps.size(); ++t)
      for (const std::string &name : segment.taps[t].weights)
        out[name] = sample.taps[t];
    out[segment.last ? "" : "residual." + std::to_string(i)] = sample.hidden;
  }
  return out;
}

TEST(Observe, TapsAreWhatCalibrationSees) {
  std::unique_ptr<Model> model = loadText(test::tinyModel());
  ASSERT_TRUE(model);
  const std::shared_ptr<ParamStore> &params = model->imported().params;
  mlir::ModuleOp graph = model->graph();

  mlir::OwningOpRef<mlir::ModuleOp> observed(graph.clone());
  fin::FinObserveOptions options;
  options.residual = true;
  mlir::PassManager pm(graph.getContext());
  pm.addPass(fin::createFinObserve(options));
  ASSERT_TRUE(mlir::succeeded(pm.run(*observed)));

  Activations whole = runForward(*observed, params), pieces = runSegments(graph, params);
  std::vector<std::string> names;
  for (const auto &[name, values] : whole)
    names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"", "embed.weight", "model.layers.0.k.weight",
                                             "model.layers.0.q.weight", "model.layers.0.v.weight",
                                             "model.layers.1.k.weight", "model.layers.1.q.weight",
                                             "model.layers.1.v.weight", "residual.0", "residual.1",
                                             "residual.2"}));
  ASSERT_EQ(pieces.size(), whole.size());
  for (const auto &[name, values] : whole) {
    const std::vector<float> &piece = pieces.at(name);
    ASSERT_EQ(values.size(), piece.size()) << name;
    float largest = 0, difference = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      largest = std::max(largest, std::abs(values[i]));
      difference = std::max(difference, std::abs(values[i] - piece[i]));
    }
    EXPECT_GT(largest, 0) << name;
    EXPECT_LE(difference, 1e-6f * largest) << name;
  }
  // Looking on changes nothing.
  std::vector<float> plain = runForward(graph, params).at("");
  EXPECT_EQ(std::memcmp(plain.data(), whole.at("").data(), plain.size() * sizeof(float)), 0);
}

/// The sums of observeDrift, term by term: those of the linear that writes into the stream count a
/// token by 1/mean(h²), those of the others do not.
TEST(Observe, DriftCountsTokensByTheStreamTheyWriteInto) {
  std::unique_ptr<Model> loaded = loadText(blockModel());
  ASSERT_TRUE(loaded);
  auto model = SegmentedModel::create(loaded->graph(), loaded->imported().params, "");
  ASSERT_TRUE(bool(model)) << model.error().message();
  ASSERT_EQ((*model)->size(), 3u);
  const Segment &block = (*model)->segment(1);
  ASSERT_EQ(block.residualWriter, "model.layers.0.down.weight");
  auto embeddings = (*model)->load(0), weights = (*model)->load(1);
  ASSERT_TRUE(embeddings && weights);

  std::vector<SegmentSample> original(1), drifted;
  original[0].tokens = someTokens();
  original[0].length = kTokens;
  ASSERT_TRUE(advance(**model, 0, *embeddings, original));
  std::vector<float> &h = original[0].hidden;
  for (int64_t j = 0; j < 8; ++j) {
    h[size_t(j)] *= 1000;  // a token of giant magnitude
    h[size_t(24 + j)] = 0; // and one of none
  }
  drifted = original;
  for (size_t i = 0; i < h.size(); ++i)
    drifted[0].hidden[i] += 0.1f * float(i % 5) - 0.2f;

  // What each stream makes the linears see.
  std::vector<SegmentSample> seen = original, seenDrifted = drifted;
  ASSERT_TRUE((*model)->run(1, SegmentedModel::Run::Observe, *weights, seen[0]));
  ASSERT_TRUE((*model)->run(1, SegmentedModel::Run::Observe, *weights, seenDrifted[0]));
  std::vector<double> size(kTokens), count(kTokens);
  for (int64_t t = 0; t < kTokens; ++t) {
    for (int64_t j = 0; j < 8; ++j)
      size[size_t(t)] += double(h[size_t(8 * t + j)]) * double(h[size_t(8 * t + j)]) / 8;
    size[size_t(t)] = std::sqrt(size[size_t(t)]);
  }
  std::vector<double> sorted = size;
  std::nth_element(sorted.begin(), sorted.begin() + kTokens / 2, sorted.end());
  for (int64_t t = 0; t < kTokens; ++t) {
    double least = std::max(size[size_t(t)], 0.1 * sorted[kTokens / 2]);
    count[size_t(t)] = 1 / (least * least);
  }
  EXPECT_LT(count[0], 1e-4 * count[1]);
  EXPECT_LT(count[3], 1e3 * count[1]);

  std::vector<float> before = h, beforeDrifted = drifted[0].hidden;
  auto statistics = observeDrift(**model, 1, *weights, /*byStream=*/true, original, drifted);
  ASSERT_TRUE(bool(statistics)) << statistics.error().message();
  auto expectSum = [&](compress::ConstMatrixD sum, const std::vector<float> &x,
                       const std::vector<float> &y, const std::vector<float> *z, bool counted) {
    double largest = 0, difference = 0;
    for (int64_t i = 0; i < sum.rows; ++i)
      for (int64_t j = z ? 0 : i; j < sum.cols; ++j) { // of a Gram matrix the upper triangle
        double expected = 0;
        for (int64_t t = 0; t < kTokens; ++t) {
          auto at = size_t(t * sum.cols + j);
          expected += (counted ? count[size_t(t)] : 1) * double(x[size_t(t * sum.rows + i)]) *
                      (double(y[at]) - (z ? double((*z)[at]) : 0));
        }
        largest = std::max(largest, std::abs(expected));
        difference = std::max(difference, std::abs(expected - sum(i, j)));
      }
    EXPECT_GT(largest, 0);
    EXPECT_LE(difference, 1e-5 * largest);
  };
  for (size_t t = 0; t < 2; ++t) {
    const std::vector<float> &x = seenDrifted[0].taps[t];
    bool writer = block.taps[t].key == block.residualWriter;
    EXPECT_EQ(writer, t == 1);
    expectSum(statistics->grams[t].h, x, x, nullptr, writer);
    expectSum(statistics->drifts[t], x, seen[0].taps[t], &x, writer);
  }
  expectSum(statistics->residual, seenDrifted[0].taps[1], before, &beforeDrifted, true);
  // The original stream has moved on, the other waits for the compressed weights.
  EXPECT_NE(original[0].hidden, before);
  EXPECT_EQ(drifted[0].hidden, beforeDrifted);
}

} // namespace
