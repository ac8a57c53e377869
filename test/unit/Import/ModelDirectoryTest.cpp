// The model directory: written whole, read back equal, damage told.
#include "../../../lib/Import/FileHash.h"
#include "ImportFiles.h"

#include "fingpt/Import/GraphParams.h"
#include "fingpt/Import/ModelDirectory.h"
#include "fingpt/Params/GGUFFile.h"

using namespace fingpt;
using namespace fingpt::test;
namespace fs = std::filesystem;

namespace {

std::string printed(mlir::ModuleOp module) {
  mlir::OwningOpRef<mlir::ModuleOp> copy(module.clone());
  (*copy)->removeAttr("fin.params");
  std::string text;
  llvm::raw_string_ostream os(text);
  copy->print(os);
  return text;
}

/// A Hugging Face directory with random weights.
void writeModel(const TempDir &dir) {
  dir.write("config.json", llamaConfig().dump());
  dir.write("tokenizer.json", "{}");
  dir.write("README.md", "not ours");
  ParamStore store;
  std::vector<std::string> names;
  for (const auto &[name, spec] : llamaTensors()) {
    names.push_back(name);
    ASSERT_TRUE(store.addRandom(name, spec.dtype, spec.shape, 3));
  }
  ASSERT_TRUE(writeParams(store, names, dir.path()));
}

struct Written {
  TempDir source, target;
  TestContext context;
  std::string out = target.path("out");
  Written(const WriteOptions &options = {}) {
    writeModel(source);
    auto model = importModel(source.path(), context);
    EXPECT_TRUE(model) << refusal(model);
    Status s = writeModelDirectory(*model, out, options);
    EXPECT_TRUE(s) << refusal(s);
  }
  std::string read(const std::string &name) const { return *readText(out + "/" + name); }
  void write(const std::string &name, const std::string &text) const {
    target.write("out/" + name, text);
  }
  std::string message() const { return importMessage(target, out); }
  Json manifest() const { return Json::parse(read("fingpt.json")); }
  static std::optional<std::string> readText(const std::string &path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
};

} // namespace

TEST(ModelDirectory, RoundTrip) {
  Written w;
  auto original = importModel(w.source.path(), w.context);
  auto copy = importModel(w.out, w.context);
  ASSERT_TRUE(copy) << refusal(copy);
  EXPECT_EQ(copy->kind, SourceKind::ModelDirectory);
  EXPECT_EQ(copy->architecture, "llama");
  EXPECT_EQ(copy->config, original->config);
  EXPECT_EQ(printed(*copy->graph), printed(*original->graph));
  for (const auto &[name, spec] : llamaTensors())
    EXPECT_EQ(values<float>(*copy->params, name), values<float>(*original->params, name));
  EXPECT_EQ(w.read("tokenizer.json"), "{}");
  EXPECT_FALSE(fs::exists(w.out + "/README.md"));
  Status s = verifyModelDirectory(w.out);
  EXPECT_TRUE(s) << refusal(s);
  Json manifest = w.manifest();
  EXPECT_EQ(manifest["format_version"], 1);
  EXPECT_EQ(manifest["params"], Json::array({"model.safetensors"}));
  EXPECT_EQ(manifest["source"]["kind"], "huggingface");
  EXPECT_EQ(manifest["files"].size(), 4u);
}

TEST(ModelDirectory, AgainFromItself) {
  Written w;
  auto model = importModel(w.out, w.context);
  ASSERT_TRUE(model) << refusal(model);
  Status s = writeModelDirectory(*model, w.target.path("again"));
  ASSERT_TRUE(s) << refusal(s);
  for (const char *name : {"graph.mlir", "config.json", "model.safetensors", "tokenizer.json"})
    EXPECT_EQ(Written::readText(w.target.path("again/") + name), w.read(name)) << name;
}

TEST(ModelDirectory, Shards) {
  WriteOptions options;
  options.shardBytes = 300;
  Written w(options);
  EXPECT_GT(w.manifest()["params"].size(), 2u);
  EXPECT_TRUE(fs::exists(w.out + "/model.safetensors.index.json"));
  EXPECT_EQ(w.message(), "accepted");
  TestContext context;
  // The graph alone names its files too.
  EXPECT_EQ(importMessage(w.target, w.out + "/graph.mlir"), "accepted");
}

TEST(ModelDirectory, NeverOverAnotherUnasked) {
  Written w;
  auto model = importModel(w.source.path(), w.context);
  Status s = writeModelDirectory(*model, w.out);
  EXPECT_FALSE(s);
  WriteOptions replace;
  replace.replace = true;
  s = writeModelDirectory(*model, w.out, replace);
  EXPECT_TRUE(s) << refusal(s);
  EXPECT_EQ(w.message(), "accepted");
  EXPECT_EQ(std::distance(fs::directory_iterator(w.target.path()), fs::directory_iterator()), 1);
}

TEST(ModelDirectory, TellsDamage) {
  Written w;
  std::string graph = w.read("graph.mlir"), weights = w.read("model.safetensors");

  std::string changed = graph;
  changed[changed.size() / 2] ^= 1;
  w.write("graph.mlir", changed);
  EXPECT_EQ(w.message().substr(0, 66),
            "out/graph.mlir: checksum (the file was changed or damaged), expect");
  w.write("graph.mlir", graph + " ");
  EXPECT_EQ(w.message(), "out/graph.mlir: size, expected " + std::to_string(graph.size()) +
                             " (fingpt.json), got " + std::to_string(graph.size() + 1));
  fs::remove(w.out + "/graph.mlir");
  EXPECT_EQ(w.message(), "out/graph.mlir: missing, expected a file of " +
                             std::to_string(graph.size()) + " bytes (fingpt.json), got none");
  w.write("graph.mlir", graph);
  EXPECT_EQ(w.message(), "accepted");

  changed = weights;
  changed.back() ^= 1; // import does not read weights; verify does
  w.write("model.safetensors", changed);
  EXPECT_EQ(w.message(), "accepted");
  Status s = verifyModelDirectory(w.out);
  EXPECT_NE(refusal(s).find("model.safetensors: checksum"), std::string::npos);
  w.write("model.safetensors", weights.substr(0, weights.size() - 4));
  EXPECT_NE(w.message().find("out/model.safetensors: size, expected"), std::string::npos);
}

TEST(ModelDirectory, AHashIsNoSignature) {
  Written w;
  std::string graph = "module attributes {fin.a = affine_map<(d0) -> (";
  for (int i = 0; i < 1000000; ++i)
    graph += "- "; // the parser calls itself for every sign
  graph += "d0)>} {}";
  w.write("graph.mlir", graph);
  Json manifest = w.manifest();
  manifest["files"]["graph.mlir"] = {{"bytes", graph.size()},
                                     {"xxh3_64", *hashFile(w.out + "/graph.mlir")}};
  w.write("fingpt.json", manifest.dump());
  EXPECT_EQ(w.message(), "out/graph.mlir: the MLIR parser crashed on this file (signal 11)");
}

TEST(ModelDirectory, ManifestsOfStrangers) {
  Written w;
  Json good = w.manifest();
  auto message = [&](const std::vector<std::string> &path, Json value) {
    Json bad = good, *at = &bad;
    for (const std::string &key : path)
      at = at->is_array() ? &(*at)[std::stoul(key)] : &(*at)[key];
    *at = std::move(value);
    w.write("fingpt.json", bad.dump());
    return w.message();
  };
  const std::string at = "out/fingpt.json:";
  EXPECT_EQ(message({"format_version"}, 2),
            at + "/format_version: format version, expected 1 (a newer "
                 "fingpt-opt reads newer "
                 "ones), got 2");
  EXPECT_EQ(message({"graph"}, "../graph.mlir"),
            at + "/graph: file name, expected a plain name in the same directory, got "
                 "\"../graph.mlir\"");
  EXPECT_EQ(message({"params"}, "model.safetensors"),
            at + "/params: wrong type, expected an array of file names, got "
                 "\"model.safetensors\"");
  EXPECT_EQ(message({"params", "0"}, "/etc/passwd"),
            at + "/params: file name, expected a plain name in the same "
                 "directory, got "
                 "\"/etc/passwd\"");
  EXPECT_EQ(message({"params", "0"}, "other.safetensors"),
            at + "/files: missing entry, expected \"other.safetensors\", got none");
  EXPECT_EQ(message({"files"}, Json{{"../x", {{"bytes", 1}, {"xxh3_64", ""}}}}),
            at + "/files: file name, expected a path inside the directory, got "
                 "\"../x\"");
  EXPECT_EQ(message({"files"}, Json{{"a//b", {{"bytes", 1}, {"xxh3_64", ""}}}}),
            at + "/files: file name, expected a path inside the directory, got "
                 "\"a//b\"");
  EXPECT_EQ(message({"files", "graph.mlir", "bytes"}, -1),
            at + "/files/graph.mlir/bytes: out of range, expected an integer in [0, "
                 "9223372036854775807], got -1");
  w.write("fingpt.json", "[]");
  EXPECT_EQ(w.message(), at + "/: wrong type, expected an object, got an array of 0");
}

TEST(ModelDirectory, TokenizerOfAGGUFFile) {
  // The whole head survives: every type of value, read back by the same reader.
  std::string pairs =
      kv("general.architecture", 8, gstr("llama")) + kv("tokenizer.ggml.model", 8, gstr("gpt2")) +
      kv("tokenizer.ggml.tokens", 9, u32(8) + u64(2) + gstr("a") + gstr("bc")) +
      kv("tokenizer.ggml.scores", 9, u32(6) + u64(2) + le(1.5f) + le(-2.f)) +
      kv("tokenizer.ggml.add_bos_token", 7, std::string(1, '\1')) +
      kv("tokenizer.ggml.bos_token_id", 4, u32(1)) + kv("tokenizer.x", 5, u32(uint32_t(-3)));
  TempDir dir;
  Json config = llamaConfig();
  std::string source = dir.write("m.gguf", gguf(0, 7, pairs));
  TestContext context;
  ImportedModel model;
  model.graph = mlir::ModuleOp::create(mlir::UnknownLoc::get(&context));
  model.params = std::make_shared<ParamStore>();
  model.kind = SourceKind::GGUF;
  model.source = source;
  model.config = config;
  Status s = writeModelDirectory(model, dir.path("out"));
  ASSERT_TRUE(s) << refusal(s);
  auto head = GGUFFile::open(dir.path("out/tokenizer.gguf"));
  ASSERT_TRUE(head) << refusal(head);
  EXPECT_EQ((*head)->tensors().size(), 0u);
  EXPECT_EQ((*head)->metadata().size(), 7u);
  EXPECT_EQ(*(*head)->strings("tokenizer.ggml.tokens"), (std::vector<std::string_view>{"a", "bc"}));
  EXPECT_EQ(*(*head)->numbers("tokenizer.ggml.scores"), (std::vector<double>{1.5, -2}));
  EXPECT_EQ(*(*head)->boolean("tokenizer.ggml.add_bos_token", false), true);
  EXPECT_EQ(*(*head)->integer("tokenizer.x"), -3);
}
