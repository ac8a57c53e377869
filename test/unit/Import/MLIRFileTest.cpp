// Graphs as text: what is refused before the parser, and parameters beside it.
#include "ImportFiles.h"

#include "fingpt/Import/GraphParams.h"

using namespace fingpt;
using namespace fingpt::test;

namespace {

std::string graph(const std::string &params) {
  return "module attributes {fin.params = " + params + R"(} {
  func.func @forward(%t: tensor<?x?xi32>) -> tensor<?x?x4xf32> {
    %w = fin.param "table" : tensor<3x4xf32>
    %h = fin.embedding %t, %w : tensor<?x?xi32>, tensor<3x4xf32>
    %g = fin.param "norm.weight" : tensor<4xf32>
    %n = fin.rms_norm %h, %g {eps = 1.0e-5 : f64} : tensor<?x?x4xf32>, tensor<4xf32>
    %q = fin.param "w.codes" : tensor<4x4xui4>
    %s = fin.param "w.scales" : tensor<4x1xf16>
    %d = fin.dequantize %q scales %s {group_size = 4 : i64}
       : (tensor<4x4xui4>, tensor<4x1xf16>) -> tensor<4x4xf32>
    %y = fin.linear %n, %d : tensor<?x?x4xf32>, tensor<4x4xf32>
    return %y : tensor<?x?x4xf32>
  }
})";
}

std::string messageFor(const std::string &text) {
  TempDir dir;
  return importMessage(dir, dir.write("m.mlir", text));
}

} // namespace

TEST(MLIRFile, RandomParameters) {
  TempDir dir;
  std::string path = dir.write("m.mlir", graph("\"random:7\""));
  TestContext context;
  auto model = importModel(path, context), again = importModel(path, context);
  ASSERT_TRUE(model) << refusal(model);
  EXPECT_EQ(model->params->find("w.codes")->shape, (Shape{4, 2})); // packed
  EXPECT_EQ(values<float>(*model->params, "table"), values<float>(*again->params, "table"));
  EXPECT_EQ(values<uint8_t>(*model->params, "w.codes"), values<uint8_t>(*again->params, "w.codes"));
  for (float v : values<float>(*model->params, "norm.weight"))
    EXPECT_NEAR(v, 1, 0.1001);
  auto other = importModel(dir.write("n.mlir", graph("\"random:8\"")), context);
  ASSERT_TRUE(other) << refusal(other);
  EXPECT_NE(values<float>(*model->params, "table"), values<float>(*other->params, "table"));
}

TEST(MLIRFile, SplatParameters) {
  TempDir dir;
  TestContext context;
  auto model = importModel(dir.write("m.mlir", graph("\"splat:0.5\"")), context);
  ASSERT_TRUE(model) << refusal(model);
  EXPECT_EQ(values<float>(*model->params, "table"), std::vector<float>(12, 0.5f));
}

TEST(MLIRFile, ParametersInAFileBesideIt) {
  TempDir dir;
  Tensors t{{"table", {DType::F32, {3, 4}}},
            {"norm.weight", {DType::F32, {4}}},
            {"w.codes", {DType::U8, {4, 2}}},
            {"w.scales", {DType::F16, {4, 1}}}};
  writeTensors(dir, t);
  EXPECT_EQ(importMessage(dir, dir.write("m.mlir", graph("\"model.safetensors\""))), "accepted");
  EXPECT_EQ(importMessage(dir, dir.write("m.mlir", graph("[\"model.safetensors\"]"))), "accepted");
  t["w.codes"].shape = {4, 4}; // as if not packed
  writeTensors(dir, t);
  EXPECT_EQ(importMessage(dir, dir.write("m.mlir", graph("\"model.safetensors\""))),
            "m.mlir: parameter \"w.codes\": stored in model.safetensors, expected U8 "
            "[4, 2], got "
            "U8 [4, 4]");
  t.erase("norm.weight");
  writeTensors(dir, t);
  EXPECT_EQ(importMessage(dir, dir.write("m.mlir", graph("\"model.safetensors\""))),
            "m.mlir: parameter \"norm.weight\": is in no parameter file, expected "
            "F32 [4], got "
            "nothing");
}

TEST(MLIRFile, NoWayOutOfTheDirectory) {
  for (const char *name :
       {"../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", "", "a\\\\b.safetensors"}) {
    std::string message = messageFor(graph("\"" + std::string(name) + "\""));
    EXPECT_NE(message.find("m.mlir:fin.params: file name, expected a plain name in the same "
                           "directory, got \""),
              std::string::npos)
        << name << ": " << message;
  }
}

TEST(MLIRFile, RulesThatAreNone) {
  for (const char *rule : {"random:", "random:x", "random:-", "splat:", "splat:1x", "zeros:1"})
    EXPECT_EQ(messageFor(graph("\"" + std::string(rule) + "\"")),
              "m.mlir:fin.params: rule, expected random:SEED or splat:VALUE, got \"" +
                  std::string(rule) + "\"");
  EXPECT_EQ(messageFor(graph("3 : i64")),
            "m.mlir:fin.params: wrong type, expected a string or an array of "
            "strings, got "
            "another attribute");
}

TEST(MLIRFile, ErrorsSayWhere) {
  EXPECT_EQ(messageFor("module {\n  func.func @f( {\n}\n"),
            "m.mlir:2:16: expected non-function type");
  EXPECT_EQ(messageFor("module {\n  \"foo.bar\"() : () -> ()\n}\n").substr(0, 20),
            "m.mlir:2:12: operati");
  EXPECT_EQ(messageFor(""), "accepted"); // an empty module
}

TEST(MLIRFile, NestingIsBounded) {
  auto nested = [](size_t depth) {
    return "module attributes {fin.a = " + std::string(depth, '[') + std::string(depth, ']') +
           "} {}";
  };
  EXPECT_EQ(messageFor(nested(200)), "accepted");
  EXPECT_EQ(messageFor(nested(256)), "m.mlir:1:283: nesting, expected at most 256, got more");
  EXPECT_EQ(messageFor(nested(1000000)), "m.mlir:1:283: nesting, expected at most 256, got more");
  // Brackets in strings and comments nest nothing, arrows close nothing.
  std::string quiet = "// " + std::string(300, '(') + "\nmodule attributes {fin.a = \"" +
                      std::string(300, '[') + "\\\"" + std::string(300, '{') + "\"} {}";
  EXPECT_EQ(messageFor(quiet), "accepted");
  EXPECT_EQ(messageFor("->->->->" + std::string(257, '<')).substr(0, 20), "m.mlir:1:265: nestin");
}

TEST(MLIRFile, ACrashOfTheParserIsOneLine) {
  // No brackets, and yet the parser calls itself for every sign.
  std::string signs;
  for (int i = 0; i < 1000000; ++i)
    signs += "- ";
  EXPECT_EQ(messageFor("module attributes {fin.a = affine_map<(d0) -> (" + signs + "d0)>} {}"),
            "m.mlir: the MLIR parser crashed on this file (signal 11)");
}

TEST(MLIRFile, TimeOfTheParserIsBounded) {
  // Every remainder asks all those before it for their common divisor.
  std::string text = "module attributes {fin.a = affine_map<(d0) -> (d0";
  for (int i = 0; i < 20000; ++i)
    text += " mod 3 mod 5";
  text += ")>} {}";
  EXPECT_EQ(messageFor(text),
            "m.mlir: time of the MLIR parser, expected at most 2 s for a file of " +
                std::to_string(text.size()) + " bytes, got more");
}

TEST(MLIRFile, MemoryOfTheParserIsBounded) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
  GTEST_SKIP() << "AddressSanitizer maps the memory of its heap beforehand";
#endif
#endif
  std::string text;
  for (int i = 0; i < 1000000; ++i)
    text += "module{}";
  EXPECT_EQ(messageFor(text),
            "m.mlir: memory of the MLIR parser, expected at most 250 MiB for a file of "
            "8000000 bytes, got more");
}

TEST(MLIRFile, BytecodeAndBinary) {
  EXPECT_EQ(messageFor("ML\xefR\x01"), "m.mlir: format, expected MLIR text, got MLIR bytecode");
  EXPECT_EQ(messageFor(std::string("module {\n\0}", 11)), "m.mlir:2:1: NUL byte in text");
}

TEST(MLIRFile, OneKeyOneKindOfBytes) {
  EXPECT_EQ(messageFor(R"(module attributes {fin.params = "random:1"} {
  func.func @forward(%t: tensor<?x?xi32>) -> (tensor<3x4xf32>, tensor<4x3xf32>) {
    %a = fin.param "w" : tensor<3x4xf32>
    %b = fin.param "w" : tensor<4x3xf32>
    return %a, %b : tensor<3x4xf32>, tensor<4x3xf32>
  }
})"),
            "m.mlir: parameter \"w\": used with two types, expected F32 [3, "
            "4], got F32 [4, 3]");
}
