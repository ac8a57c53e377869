// Tiny models for the tests of lib/Import: a Hugging Face directory of a llama
// of one layer, whose configuration and tensors each test bends.
#ifndef FINGPT_TEST_IMPORT_IMPORTFILES_H
#define FINGPT_TEST_IMPORT_IMPORTFILES_H

#include "../Params/TestFiles.h"

#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Import/Import.h"
#include "fingpt/Params/SafetensorsWriter.h"

#include "mlir/IR/MLIRContext.h"

#include <map>

namespace fingpt::test {

inline mlir::DialectRegistry finRegistry() {
  mlir::DialectRegistry registry;
  registry.insert<fin::FinDialect>();
  return registry;
}

struct TestContext : mlir::MLIRContext {
  TestContext() : mlir::MLIRContext(finRegistry(), Threading::DISABLED) {}
};

/// A llama: vocab 8, width 8, 2 heads over 1 key-value head, MLP 12, one layer.
inline Json llamaConfig() {
  return Json{{"model_type", "llama"},    {"vocab_size", 8},
              {"hidden_size", 8},         {"intermediate_size", 12},
              {"num_hidden_layers", 1},   {"num_attention_heads", 2},
              {"num_key_value_heads", 1}, {"max_position_embeddings", 16},
              {"rms_norm_eps", 1e-5},     {"tie_word_embeddings", true}};
}

struct TensorSpec {
  DType dtype;
  Shape shape;
};
using Tensors = std::map<std::string, TensorSpec>;

inline Tensors llamaTensors() {
  Tensors t;
  auto f32 = [&](const std::string &name, Shape shape) { t[name] = {DType::F32, shape}; };
  f32("model.embed_tokens.weight", {8, 8});
  f32("model.norm.weight", {8});
  std::string p = "model.layers.0.";
  f32(p + "input_layernorm.weight", {8});
  f32(p + "post_attention_layernorm.weight", {8});
  f32(p + "self_attn.q_proj.weight", {8, 8});
  f32(p + "self_attn.k_proj.weight", {4, 8});
  f32(p + "self_attn.v_proj.weight", {4, 8});
  f32(p + "self_attn.o_proj.weight", {8, 8});
  f32(p + "mlp.gate_proj.weight", {12, 8});
  f32(p + "mlp.up_proj.weight", {12, 8});
  f32(p + "mlp.down_proj.weight", {8, 12});
  return t;
}

inline void writeTensors(const TempDir &dir, const Tensors &tensors) {
  ParamStore store;
  std::vector<std::string> names;
  for (const auto &[name, spec] : tensors) {
    names.push_back(name);
    Status s = store.addSplat(name, spec.dtype, spec.shape, 0);
    ASSERT_TRUE(s) << refusal(s);
  }
  auto files = writeParams(store, names, dir.path());
  ASSERT_TRUE(files) << refusal(files);
}

/// What importing `path` says, with the directory's path left out.
inline std::string importMessage(const TempDir &dir, const std::string &path) {
  TestContext context;
  std::string text = refusal(importModel(path, context));
  std::string root = dir.path(); // ends in '/'
  for (size_t at; (at = text.find(root)) != std::string::npos;)
    text.erase(at, root.size());
  return text;
}

} // namespace fingpt::test

#endif // FINGPT_TEST_IMPORT_IMPORTFILES_H
