// Tensors that do not fit the configuration, and the files that hold them.
#include "ImportFiles.h"

using namespace fingpt;
using namespace fingpt::test;

namespace {
std::string messageFor(const Tensors &tensors, Json config = llamaConfig()) {
  TempDir dir;
  dir.write("config.json", config.dump());
  writeTensors(dir, tensors);
  return importMessage(dir, dir.path());
}
} // namespace

TEST(Tensors, Missing) {
  Tensors t = llamaTensors();
  t.erase("model.layers.0.mlp.up_proj.weight");
  EXPECT_EQ(messageFor(t), "model.safetensors: tensor \"model.layers.0.mlp.up_proj.weight\": "
                           "missing, expected F32, F16 or BF16 [12, 8], got nothing");
}

TEST(Tensors, OfAnotherShape) {
  Tensors t = llamaTensors();
  t["model.layers.0.self_attn.k_proj.weight"].shape = {8, 4};
  EXPECT_EQ(messageFor(t), "model.safetensors: tensor "
                           "\"model.layers.0.self_attn.k_proj.weight\": shape, "
                           "expected [4, 8], got [8, 4]");
}

TEST(Tensors, OfAnotherType) {
  Tensors t = llamaTensors();
  t["model.norm.weight"].dtype = DType::I64;
  EXPECT_EQ(messageFor(t), "model.safetensors: tensor \"model.norm.weight\": type, expected "
                           "F32, F16 or BF16, got I64");
}

TEST(Tensors, OneTooMany) {
  Tensors t = llamaTensors();
  t["model.layers.0.self_attn.q_norm.weight"] = {DType::F32, {4}};
  EXPECT_EQ(messageFor(t), "model.safetensors: tensor "
                           "\"model.layers.0.self_attn.q_norm.weight\": unexpected, "
                           "expected no such tensor in a llama model of 1 layer, got [4]");
}

TEST(Tensors, ALayerTooMany) {
  Tensors t = llamaTensors();
  t["model.layers.1.input_layernorm.weight"] = {DType::F32, {8}};
  EXPECT_EQ(messageFor(t), "model.safetensors: tensor "
                           "\"model.layers.1.input_layernorm.weight\": unexpected, "
                           "expected no such tensor in a llama model of 1 layer, got [8]");
}

TEST(Tensors, KnownBuffersMayBeThere) {
  Tensors t = llamaTensors();
  t["model.layers.0.self_attn.rotary_emb.inv_freq"] = {DType::F32, {2}};
  EXPECT_EQ(messageFor(t), "accepted");
}

TEST(Tensors, HalfPrecision) {
  Tensors t = llamaTensors();
  for (auto &[name, spec] : t)
    spec.dtype = name.find("norm") == std::string::npos ? DType::BF16 : DType::F16;
  EXPECT_EQ(messageFor(t), "accepted");
}

TEST(Tensors, NoWeights) {
  TempDir dir;
  dir.write("config.json", llamaConfig().dump());
  EXPECT_EQ(importMessage(dir, dir.path("x")),
            "x: model, expected a GGUF file, a Hugging Face directory "
            "(config.json), a llama2.c "
            ".bin file, a model directory (fingpt.json) or an .mlir file, got "
            "nothing there");
  std::string message = importMessage(dir, dir.path());
  EXPECT_NE(message.find("weights, expected model.safetensors or "
                         "model.safetensors.index.json, "
                         "got neither"),
            std::string::npos);
  dir.write("pytorch_model.bin", "\x80\x02");
  message = importMessage(dir, dir.path());
  EXPECT_NE(message.find("got pytorch_model.bin, a pickle that can run code"), std::string::npos);
}

TEST(Tensors, TheGraphHasThem) {
  TempDir dir;
  dir.write("config.json", llamaConfig().dump());
  writeTensors(dir, llamaTensors());
  TestContext context;
  auto model = importModel(dir.path(), context);
  ASSERT_TRUE(model) << refusal(model);
  EXPECT_EQ(model->kind, SourceKind::HuggingFace);
  EXPECT_EQ(model->architecture, "llama");
  EXPECT_EQ(model->config["hidden_size"], 8);
  unsigned params = 0;
  model->graph->walk([&](fin::ParamOp op) {
    ++params;
    EXPECT_NE(model->params->find(op.getKey()), nullptr) << op.getKey().str();
  });
  EXPECT_EQ(params, llamaTensors().size());
}
