#include "TestFiles.h"

#include "fingpt/Params/SafetensorsFile.h"
#include "fingpt/Params/SafetensorsWriter.h"
#include "fingpt/Support/Json.h"

#include <csignal>
#include <sys/resource.h>

using namespace fingpt;
using namespace fingpt::test;

namespace {

std::vector<uint8_t> counting(size_t n) {
  std::vector<uint8_t> out(n);
  for (size_t i = 0; i < n; ++i)
    out[i] = static_cast<uint8_t>(i * 7 + n);
  return out;
}

std::vector<std::string> listDirectory(const std::string &path) {
  std::vector<std::string> out;
  for (const auto &e : std::filesystem::directory_iterator(path))
    out.push_back(e.path().filename());
  std::sort(out.begin(), out.end());
  return out;
}

} // namespace

TEST(SafetensorsWriter, RoundTripsEveryTypeAndShape) {
  TempDir dir;
  ParamStore store;
  std::vector<std::string> names;
  auto add = [&](const std::string &name, DType dtype, Shape shape) {
    uint64_t bytes = dtypeSize(dtype);
    for (int64_t d : shape)
      bytes *= static_cast<uint64_t>(d);
    ASSERT_EQ(refusal(store.put(name, dtype, shape, counting(bytes))), "accepted");
    names.push_back(name);
  };
  for (int i = 0; i < 16; ++i)
    add(dtypeName(static_cast<DType>(i)), static_cast<DType>(i), {3, 5});
  add("scalar", DType::F64, {});
  add("empty", DType::F32, {0, 4});
  add("odd", DType::U8, {101});
  add("large", DType::F32, {16, 16});
  add("größe \"quoted\"\n", DType::BF16, {7});
  auto files = writeParams(store, names, dir.path());
  ASSERT_EQ(refusal(files), "accepted");
  EXPECT_EQ(*files, std::vector<std::string>{"model.safetensors"});
  EXPECT_EQ(listDirectory(dir.path()), std::vector<std::string>{"model.safetensors"});

  ParamStore read;
  ASSERT_EQ(refusal(read.addFile(dir.path("model.safetensors"))), "accepted");
  EXPECT_EQ(read.list().size(), names.size());
  for (const std::string &name : names) {
    const ParamInfo *a = store.find(name), *b = read.find(name);
    ASSERT_TRUE(b) << name;
    EXPECT_EQ(a->dtype, b->dtype);
    EXPECT_EQ(a->shape, b->shape);
    EXPECT_EQ(values<uint8_t>(store, name), values<uint8_t>(read, name)) << name;
  }
  auto f = SafetensorsFile::open(dir.path("model.safetensors"));
  EXPECT_EQ((*f)->metadata().at("format"), "pt");
}

TEST(SafetensorsWriter, AlignsWhatCanBeAligned) {
  TempDir dir;
  SafetensorsWriter w(dir.path("m.safetensors"));
  const int64_t sizes[] = {3, 64, 100, 4096, 7, 192, 24, 640, 65, 96, 2, 0, 32};
  for (int64_t n : sizes)
    ASSERT_EQ(refusal(w.declare("u8." + std::to_string(n), DType::U8, {n})), "accepted");
  for (int64_t n : {1, 3, 16, 17, 80})
    ASSERT_EQ(refusal(w.declare("f64." + std::to_string(n), DType::F64, {n})), "accepted");
  for (int64_t n : {1, 5, 32, 33})
    ASSERT_EQ(refusal(w.declare("bf16." + std::to_string(n), DType::BF16, {n})), "accepted");
  ASSERT_EQ(refusal(w.begin()), "accepted");
  for (const std::string &name : w.order()) {
    std::vector<uint8_t> bytes =
        counting(std::stoul(name.substr(name.find('.') + 1)) * (name[0] == 'u'   ? 1
                                                                : name[0] == 'f' ? 8
                                                                                 : 2));
    ASSERT_EQ(refusal(w.write(name, bytes.data(), bytes.size())), "accepted");
  }
  ASSERT_EQ(refusal(w.finish()), "accepted");

  auto f = SafetensorsFile::open(dir.path("m.safetensors"));
  ASSERT_EQ(refusal(f), "accepted");
  for (const SafetensorsTensor &t : (*f)->tensors()) {
    EXPECT_EQ(t.offset % dtypeSize(t.dtype), 0u) << t.name;
    if (t.bytes % 64 == 0)
      EXPECT_EQ(t.offset % 64, 0u) << t.name;
  }
}

TEST(SafetensorsWriter, MisuseIsRefused) {
  TempDir dir;
  std::string path = dir.path("m.safetensors");
  SafetensorsWriter w(path);
  EXPECT_EQ(refusal(w.declare("a", DType::U8, {-1})),
            path + ":\"a\": shape [-1] is negative or overflows");
  EXPECT_EQ(refusal(w.declare("__metadata__", DType::U8, {1})),
            path + ":\"__metadata__\": no name for a tensor of a safetensors file");
  EXPECT_EQ(refusal(w.declare("\xff", DType::U8, {1})),
            path + ":\"\\xff\": no name for a tensor of a safetensors file");
  ASSERT_EQ(refusal(w.declare("a", DType::U8, {1})), "accepted");
  ASSERT_EQ(refusal(w.declare("b", DType::U8, {64})), "accepted");
  EXPECT_EQ(refusal(w.declare("a", DType::U8, {1})), path + ":\"a\": declared twice");
  EXPECT_EQ(refusal(w.write("b", "", 0)), path + ":\"b\": write() outside of begin() and finish()");
  EXPECT_EQ(refusal(w.finish()), path + ": finish() without begin()");
  w.metadata("note", "x\ny");
  ASSERT_EQ(refusal(w.begin()), "accepted");
  EXPECT_EQ(refusal(w.begin()), path + ": begin() called twice");
  EXPECT_EQ(refusal(w.declare("c", DType::U8, {1})), path + ":\"c\": declared after begin()");
  EXPECT_EQ(w.order(), (std::vector<std::string>{"b", "a"}));
  EXPECT_EQ(refusal(w.write("c", "x", 1)), path + ":\"c\": was not declared");
  EXPECT_EQ(refusal(w.write("b", "x", 1)), path + ":\"b\": bytes of data, expected 64, got 1");
  std::string data(64, 'b');
  ASSERT_EQ(refusal(w.write("a", "x", 1)), "accepted"); // any order
  EXPECT_EQ(refusal(w.write("a", "x", 1)), path + ":\"a\": written twice");
  EXPECT_EQ(refusal(w.finish()), path + ": tensors written, expected 2, got 1");
  ASSERT_EQ(refusal(w.write("b", data.data(), 64)), "accepted");
  ASSERT_EQ(refusal(w.finish()), "accepted");
  EXPECT_EQ(refusal(w.finish()), path + ": finish() without begin()");
  auto f = SafetensorsFile::open(path);
  ASSERT_EQ(refusal(f), "accepted");
  EXPECT_EQ((*f)->metadata().at("note"), "x\ny");
}

TEST(SafetensorsWriter, AnUnfinishedFileLeavesNothing) {
  TempDir dir;
  dir.write("m.safetensors", "previous");
  {
    SafetensorsWriter w(dir.path("m.safetensors"));
    ASSERT_EQ(refusal(w.declare("a", DType::U8, {1})), "accepted");
    ASSERT_EQ(refusal(w.begin()), "accepted");
    EXPECT_EQ(listDirectory(dir.path()).size(), 2u);
  }
  EXPECT_EQ(listDirectory(dir.path()), std::vector<std::string>{"m.safetensors"});
  EXPECT_EQ(std::filesystem::file_size(dir.path("m.safetensors")), 8u);
}

TEST(SafetensorsWriter, DirectoryThatIsNotThere) {
  TempDir dir;
  SafetensorsWriter w(dir.path("none/m.safetensors"));
  EXPECT_EQ(refusal(w.begin()),
            dir.path("none/m.safetensors") + ": cannot create: No such file or directory");
}

TEST(SafetensorsWriter, AFullDiskIsOneLineAndLeavesNothing) {
  // A limit on file size stands in for the disk; it needs no privileges.
  TempDir dir;
  std::string path = dir.path("m.safetensors");
  struct rlimit old;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  std::string data(64 << 10, 'x');
  for (rlim_t limit : {4, 100, 50'000}) { // in the length, the header, the data
    struct rlimit small = {limit, old.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
    std::string message;
    {
      SafetensorsWriter w(path);
      EXPECT_EQ(refusal(w.declare("a", DType::U8, {64 << 10})), "accepted");
      message = refusal(w.begin());
      if (message == "accepted")
        message = refusal(w.write("a", data.data(), data.size()));
    }
    ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old), 0);
    EXPECT_EQ(message, path + ": cannot write: File too large") << limit;
    EXPECT_TRUE(listDirectory(dir.path()).empty()) << limit;
  }
  std::signal(SIGXFSZ, handler);
}

TEST(WriteParams, SplitsIntoShardsWithAnIndex) {
  TempDir dir;
  ParamStore store;
  for (const char *name : {"a", "b", "c", "d"})
    ASSERT_EQ(refusal(store.put(name, DType::U8, {100}, counting(100))), "accepted");
  ASSERT_EQ(refusal(store.put("huge", DType::U8, {1000}, counting(1000))), "accepted");
  auto files = writeParams(store, {"a", "b", "huge", "c", "d"}, dir.path(), 200);
  ASSERT_EQ(refusal(files), "accepted");
  EXPECT_EQ(*files, (std::vector<std::string>{
                        "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors",
                        "model-00003-of-00003.safetensors", "model.safetensors.index.json"}));
  auto index = readJsonFile(dir.path("model.safetensors.index.json"));
  ASSERT_EQ(refusal(index), "accepted");
  EXPECT_EQ((*index)["metadata"]["total_size"], 1400);
  EXPECT_EQ((*index)["weight_map"]["huge"], "model-00002-of-00003.safetensors");
  ParamStore read;
  ASSERT_EQ(refusal(read.addSafetensorsIndex(dir.path("model.safetensors.index.json"))),
            "accepted");
  EXPECT_EQ(read.list().size(), 5u);
  for (const char *name : {"a", "b", "c", "d", "huge"})
    EXPECT_EQ(values<uint8_t>(read, name), values<uint8_t>(store, name));
}

TEST(WriteParams, GathersFieldsAndForgetsThem) {
  TempDir dir;
  ParamStore store, read;
  ASSERT_EQ(refusal(store.addFile(dataFile("blocks.gguf"))), "accepted");
  std::vector<std::string> names;
  for (const ParamInfo *info : store.list())
    names.push_back(info->name);
  ASSERT_EQ(refusal(writeParams(store, names, dir.path())), "accepted");
  ASSERT_EQ(refusal(read.addFile(dir.path("model.safetensors"))), "accepted");
  for (const std::string &name : names)
    EXPECT_EQ(values<uint8_t>(read, name), values<uint8_t>(store, name)) << name;
}

TEST(WriteParams, Refuses) {
  TempDir dir;
  ParamStore store;
  ASSERT_EQ(refusal(store.addSplat("a", DType::U8, {1}, 0)), "accepted");
  ASSERT_EQ(
      refusal(store.putLazy("bad", DType::U8, {1},
                            []() -> Result<std::vector<uint8_t>> { return Error("no luck"); })),
      "accepted");
  EXPECT_EQ(refusal(writeParams(store, {"a", "x"}, dir.path())),
            "parameter \"x\": is not in the store");
  EXPECT_EQ(refusal(writeParams(store, {"a", "a"}, dir.path())),
            "parameter \"a\": asked for twice");
  EXPECT_EQ(refusal(writeParams(store, {"a", "bad"}, dir.path())), "no luck");
  EXPECT_TRUE(listDirectory(dir.path()).empty());
}
