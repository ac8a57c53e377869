// fin-observe and the pieces that calibration runs: two ways to the same activations.

#include "TinyModel.h"

#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Driver/Model.h"
#include "fingpt/Driver/Segments.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <unistd.h>

using namespace fingpt;

namespace {

constexpr int64_t kTokens = 12, kVocabulary = 32;

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
  std::string path = (std::filesystem::temp_directory_path() /
                      ("fingpt-observe-" + std::to_string(::getpid()) + ".mlir"))
                         .string();
  std::ofstream(path) << test::tinyModel();
  auto model = Model::load(path);
  std::filesystem::remove(path);
  ASSERT_TRUE(bool(model)) << model.error().message();
  const std::shared_ptr<ParamStore> &params = (*model)->imported().params;
  mlir::ModuleOp graph = (*model)->graph();

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

} // namespace
