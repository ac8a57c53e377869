// What a method made of a weight, built into the graph, evaluates to the same bits.
#include "fingpt/Dialect/Fin/Utils/BuildWeight.h"

#include "fingpt/Codegen/CPU/JIT.h"
#include "fingpt/Codegen/CPU/Pipeline.h"
#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>
#include <random>

using namespace mlir;
using namespace fingpt;
using namespace fingpt::compress;

namespace {

constexpr int64_t kRows = 300, kCols = 152; // ragged for every group size

Matrix<float> randomWeight() {
  Matrix<float> w(kRows, kCols);
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0, 0.05f);
  for (int64_t i = 0; i < kRows * kCols; ++i)
    w.data()[i] = normal(random);
  w(3, 5) = 1.5f;
  return w;
}

Gram randomGram() {
  GramAccumulator sums(kCols);
  Matrix<float> x(400, kCols);
  std::mt19937 random(8);
  std::normal_distribution<float> normal(0, 1);
  for (int64_t i = 0; i < 400; ++i) {
    float common = normal(random);
    for (int64_t j = 0; j < kCols; ++j)
      x(i, j) = (normal(random) + common) * (j % 19 == 0 ? 8.0f : 1.0f);
  }
  EXPECT_TRUE(bool(sums.add(x)));
  return sums.finish();
}

class BuildWeight : public ::testing::TestWithParam<const char *> {};

/// @forward(tokens) looks rows of the weight up: what compiled code makes of it.
struct Graph {
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  Value weight;

  Graph() : context(registry(), MLIRContext::Threading::DISABLED) {}
  static DialectRegistry registry() {
    DialectRegistry r;
    registerCPUDialects(r);
    return r;
  }
};

TEST_P(BuildWeight, EvaluatesAndRunsToTheSameBits) {
  Result<WeightScheme> scheme = parseWeightScheme(GetParam());
  ASSERT_TRUE(bool(scheme)) << scheme.error().message();
  EXPECT_EQ(weightSchemeText(*scheme), GetParam());
  Matrix<float> w = randomWeight();
  Gram gram = randomGram();
  auto compressed = compressWeight({"layers.0.w", w, &gram, kRows * kCols * 4}, *scheme);
  ASSERT_TRUE(bool(compressed)) << compressed.error().message();
  EXPECT_LT(compressed->error, 0.3);

  Graph g;
  g.context.loadDialect<fin::FinDialect, func::FuncDialect>();
  OpBuilder b(&g.context);
  Location loc = b.getUnknownLoc();
  g.module = ModuleOp::create(b, loc);
  b.setInsertionPointToEnd(g.module->getBody());
  auto tokens = RankedTensorType::get({ShapedType::kDynamic, ShapedType::kDynamic}, b.getI32Type());
  auto hidden =
      RankedTensorType::get({ShapedType::kDynamic, ShapedType::kDynamic, kCols}, b.getF32Type());
  auto function = func::FuncOp::create(b, loc, "forward", b.getFunctionType({tokens}, {hidden}));
  b.setInsertionPointToStart(function.addEntryBlock());
  auto params = std::make_shared<ParamStore>();
  auto type = RankedTensorType::get({kRows, kCols}, b.getF32Type());
  Result<Value> built = fin::buildWeight(b, loc, type, "layers.0.w", *compressed, *params);
  ASSERT_TRUE(bool(built)) << built.error().message();
  Value rows = fin::EmbeddingOp::create(b, loc, function.getArgument(0), *built);
  func::ReturnOp::create(b, loc, rows);
  (*g.module)->setAttr("fin.model", fin::ModelAttr::get(&g.context, "test", 16, 0, 1));
  ASSERT_TRUE(succeeded(verify(*g.module)));

  EXPECT_EQ(fin::weightName(*built), "layers.0.w");
  Result<uint64_t> bytes = fin::storedBytes(*built, *params);
  ASSERT_TRUE(bool(bytes));
  // Codebooks are constants of the graph and the table of an 8-bit float type is shared.
  EXPECT_LE(std::abs(int64_t(*bytes) - compressed->storedBytes()), 1024);

  Matrix<float> expected = compressed->dense();
  Result<fin::DenseWeight> dense = fin::denseWeight(*built, *params);
  ASSERT_TRUE(bool(dense)) << dense.error().message();
  ConstMatrixF values = dense->view();
  // Products of factors may be summed in another order.
  float tolerance = compressed->terms.size() > 1 || !scheme->codes ? 1e-6f : 0;
  for (int64_t i = 0; i < kRows; ++i)
    for (int64_t j = 0; j < kCols; ++j)
      ASSERT_NEAR(values(i, j), expected(i, j), tolerance) << i << ", " << j;

  JITOptions options;
  options.cache = false;
  auto code = JITModel::compile(*g.module, params, options);
  ASSERT_TRUE(bool(code)) << code.error().message();
  std::vector<int32_t> ids(kRows);
  for (int64_t i = 0; i < kRows; ++i)
    ids[size_t(i)] = int32_t(i);
  std::vector<float> out(size_t(kRows * kCols));
  Status called = (*code)->call(
      "forward", {TensorRef{ids.data(), {1, kRows}}, TensorRef{out.data(), {1, kRows, kCols}}});
  ASSERT_TRUE(bool(called)) << called.error().message();
  for (int64_t i = 0; i < kRows * kCols; ++i)
    ASSERT_NEAR(out[size_t(i)], expected.data()[i], tolerance) << i;
}

INSTANTIATE_TEST_SUITE_P(Schemes, BuildWeight,
                         ::testing::Values("w4g64", "w4g128-sym", "w3g16-min", "w2g32", "w5g32",
                                           "w8", "w4g64-sym-signed", "w4g64-sym-dq", "nf4",
                                           "nf4-dq", "fp4", "mxfp4", "nvfp4", "w4g64:rtn",
                                           "w4g64:awq", "w4g64-min:hqq", "svd25", "svd25+w8",
                                           "w3g64+lr8", "w3g64+lr16:loftq+w8"));

} // namespace
