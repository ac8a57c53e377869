#include "TestFiles.h"

#include "fingpt/Params/GGUFFile.h"
#include "fingpt/Params/SafetensorsFile.h"

#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

using namespace fingpt;
using namespace fingpt::test;

namespace {

std::vector<std::string> names(const ParamStore &store) {
  std::vector<std::string> out;
  for (const ParamInfo *info : store.list())
    out.push_back(info->name);
  return out;
}

bool alignedTo(const void *p, size_t n) { return reinterpret_cast<uintptr_t>(p) % n == 0; }

} // namespace

TEST(ParamStore, PlainTensorsPointIntoTheMapping) {
  TempDir dir;
  // The header of 72 bytes puts "a" at 80: aligned for F32.
  std::string header = "{" + entry("a", "F32", "[2]", "[0,8]") + "}";
  header.resize(72, ' ');
  std::string path = dir.write("m.safetensors", safetensors(header, le(1.5f) + le(-2.0f)));
  ParamStore store;
  ASSERT_EQ(refusal(store.addFile(path)), "accepted");
  const ParamInfo *info = store.find("a");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->source, path);
  EXPECT_EQ(info->bytes, 8u);
  Result<TensorData> first = store.get("a");
  store.release("a");
  EXPECT_EQ(first->data, store.get("a")->data); // no copy was made or forgotten
  EXPECT_EQ(values<float>(store, "a"), (std::vector<float>{1.5f, -2.0f}));
  EXPECT_EQ(store.find("b"), nullptr);
  EXPECT_EQ(refusal(store.get("b")), "parameter \"b\": is not in the store");
  store.release("b"); // nothing happens
}

TEST(ParamStore, UnalignedTensorsAreCopiedToAnAlignedPlace) {
  TempDir dir;
  for (size_t shift = 0; shift < 8; ++shift) {
    std::string end = std::to_string(shift + 16), begin = std::to_string(shift);
    std::string image =
        safetensors("{" + entry("pad", "U8", "[" + begin + "]", "[0," + begin + "]") + "," +
                        entry("d", "F64", "[2]", "[" + begin + "," + end + "]") + "}",
                    zeros(shift) + le(0.1) + le(1e300));
    ParamStore store;
    ASSERT_EQ(refusal(store.addFile(dir.write("m.safetensors", image))), "accepted");
    Result<TensorData> d = store.get("d");
    ASSERT_TRUE(bool(d));
    EXPECT_TRUE(alignedTo(d->data, 8));
    EXPECT_EQ(d->as<double>()[0], 0.1);
    EXPECT_EQ(d->as<double>()[1], 1e300);
  }
}

TEST(ParamStore, DataOutlivesTheStore) {
  TensorData data;
  {
    TempDir dir;
    ParamStore store;
    ASSERT_EQ(
        refusal(store.addFile(dir.write(
            "m.safetensors", safetensors("{" + entry("a", "U8", "[3]", "[0,3]") + "}", "xyz")))),
        "accepted");
    data = *store.get("a");
  }
  EXPECT_EQ(std::memcmp(data.data, "xyz", 3), 0);
}

TEST(ParamStore, FilesJoinWholeOrNotAtAll) {
  TempDir dir;
  std::string one =
      dir.write("1.safetensors", safetensors("{" + entry("a", "U8", "[1]", "[0,1]") + "}", "1"));
  std::string two =
      dir.write("2.safetensors", safetensors("{" + entry("b", "U8", "[1]", "[0,1]") + "," +
                                                 entry("a", "U8", "[1]", "[1,2]") + "}",
                                             "23"));
  ParamStore store;
  ASSERT_EQ(refusal(store.addFile(one)), "accepted");
  EXPECT_EQ(refusal(store.addFile(two)), two + ": tensor \"a\": exists already, from " + one);
  EXPECT_EQ(names(store), (std::vector<std::string>{"a"}));
}

TEST(ParamStore, EveryFormatRefusesANameThatIsTaken) {
  TempDir dir;
  std::string st =
      dir.write("m.safetensors", safetensors("{" + entry("t", "U8", "[1]", "[0,1]") + "}", "1"));
  std::string index = dir.write("i.json", "{\"weight_map\":{\"t\":\"m.safetensors\"}}");
  std::string plain = dir.write("m.gguf", gguf(1, 0, tensorInfo("t", {8}, 0, 0), zeros(32)));
  std::string field = dir.write("q.gguf", gguf(1, 0, tensorInfo("q", {32}, 2, 0), zeros(18)));
  std::string llama = dir.write("m.bin", smallLlama());
  ParamStore store;
  for (const char *name : {"t", "q.scales", "output_norm.weight"})
    ASSERT_EQ(refusal(store.addSplat(name, DType::U8, {1}, 0)), "accepted");
  EXPECT_EQ(refusal(store.addFile(st)), st + ": tensor \"t\": exists already, from splat");
  EXPECT_EQ(refusal(store.addFile(index)), st + ": tensor \"t\": exists already, from splat");
  EXPECT_EQ(refusal(store.addFile(plain)), plain + ": tensor \"t\": exists already, from splat");
  EXPECT_EQ(refusal(store.addFile(field)),
            field + ": tensor \"q.scales\": exists already, from splat");
  EXPECT_EQ(refusal(store.addFile(llama)),
            llama + ": tensor \"output_norm.weight\": exists already, from splat");
  EXPECT_EQ(store.list().size(), 3u);
  EXPECT_EQ(refusal(store.addSafetensorsIndex(dir.path("none"))),
            dir.path("none") + ": cannot open: No such file or directory");
}

TEST(ParamStore, ListsFilesFirstThenOverlay) {
  TempDir dir;
  ParamStore store;
  ASSERT_EQ(refusal(store.addSplat("s", DType::U8, {1}, 1)), "accepted");
  ASSERT_EQ(refusal(store.addFile(dir.write(
                "m.safetensors", safetensors("{" + entry("b", "U8", "[1]", "[0,1]") + "," +
                                                 entry("a", "U8", "[1]", "[1,2]") + "}",
                                             "ba")))),
            "accepted");
  ASSERT_EQ(refusal(store.put("z", DType::U8, {1}, {7})), "accepted");
  EXPECT_EQ(names(store), (std::vector<std::string>{"b", "a", "s", "z"}));
  const ParamInfo *b = store.find("b");
  ASSERT_EQ(refusal(store.put("b", DType::I16, {2}, {1, 0, 2, 0})), "accepted");
  EXPECT_EQ(names(store), (std::vector<std::string>{"b", "a", "s", "z"}));
  EXPECT_EQ(store.find("b"), b); // the pointer stays, what it says is new
  EXPECT_EQ(b->shape, (Shape{2}));
  EXPECT_EQ(b->source, "overlay");
  EXPECT_EQ(values<int16_t>(store, "b"), (std::vector<int16_t>{1, 2}));
}

TEST(ParamStore, SplatOfEveryType) {
  ParamStore store;
  auto splat = [&](const char *name, DType dtype, double value) {
    return refusal(store.addSplat(name, dtype, {3, 2}, value));
  };
  EXPECT_EQ(splat("f32", DType::F32, -0.5), "accepted");
  EXPECT_EQ(values<float>(store, "f32"), std::vector<float>(6, -0.5f));
  EXPECT_TRUE(alignedTo(store.get("f32")->data, 64));
  EXPECT_EQ(splat("f64", DType::F64, 1e300), "accepted");
  EXPECT_EQ(values<double>(store, "f64"), std::vector<double>(6, 1e300));
  EXPECT_EQ(splat("f16", DType::F16, 1), "accepted");
  EXPECT_EQ(values<uint16_t>(store, "f16"), std::vector<uint16_t>(6, 0x3c00));
  EXPECT_EQ(splat("bf16", DType::BF16, 1), "accepted");
  EXPECT_EQ(values<uint16_t>(store, "bf16"), std::vector<uint16_t>(6, 0x3f80));
  EXPECT_EQ(splat("i8", DType::I8, -128), "accepted");
  EXPECT_EQ(values<int8_t>(store, "i8"), std::vector<int8_t>(6, -128));
  EXPECT_EQ(splat("i16", DType::I16, -32768), "accepted");
  EXPECT_EQ(splat("u16", DType::U16, 65535), "accepted");
  EXPECT_EQ(values<uint16_t>(store, "u16"), std::vector<uint16_t>(6, 65535));
  EXPECT_EQ(splat("u32", DType::U32, 4294967295.0), "accepted");
  EXPECT_EQ(splat("i32", DType::I32, -2147483648.0), "accepted");
  EXPECT_EQ(values<int32_t>(store, "i32"), std::vector<int32_t>(6, INT32_MIN));
  EXPECT_EQ(splat("u64", DType::U64, 0x1p63), "accepted");
  EXPECT_EQ(values<uint64_t>(store, "u64"), std::vector<uint64_t>(6, 1ull << 63));
  EXPECT_EQ(splat("i64", DType::I64, -0x1p63), "accepted");
  EXPECT_EQ(values<int64_t>(store, "i64"), std::vector<int64_t>(6, INT64_MIN));
  EXPECT_EQ(splat("bool", DType::Bool, 1), "accepted");
  EXPECT_EQ(values<uint8_t>(store, "bool"), std::vector<uint8_t>(6, 1));

  EXPECT_EQ(splat("x", DType::U8, 256), "parameter \"x\": value 256.000000 does not exist in U8");
  EXPECT_EQ(splat("x", DType::U8, -1), "parameter \"x\": value -1.000000 does not exist in U8");
  EXPECT_EQ(splat("x", DType::I8, 0.5), "parameter \"x\": value 0.500000 does not exist in I8");
  EXPECT_EQ(splat("x", DType::I64, 0x1p63),
            "parameter \"x\": value 9223372036854775808.000000 does not exist in I64");
  EXPECT_EQ(splat("x", DType::I32, std::numeric_limits<double>::quiet_NaN()),
            "parameter \"x\": value nan does not exist in I32");
  EXPECT_EQ(splat("x", DType::F8E4M3, 0),
            "parameter \"x\": value 0.000000 does not exist in F8_E4M3");
  EXPECT_EQ(splat("f32", DType::F32, 0), "parameter \"f32\": exists already, from splat");
  EXPECT_EQ(store.find("x"), nullptr);
}

TEST(ParamStore, RefusesShapesThatLie) {
  ParamStore store;
  EXPECT_EQ(refusal(store.addSplat("x", DType::F32, {-1}, 0)),
            "parameter \"x\": shape [-1] is negative or overflows");
  EXPECT_EQ(refusal(store.addRandom("x", DType::F32, {1ll << 32, 1ll << 32}, 0)),
            "parameter \"x\": shape [4294967296, 4294967296] is negative or overflows");
  EXPECT_EQ(refusal(store.put("x", DType::F32, {2}, {1, 2, 3})),
            "parameter \"x\": bytes of data, expected 8, got 3");
  EXPECT_EQ(refusal(store.put("x", DType::F32, {-2}, {})),
            "parameter \"x\": shape [-2] is negative or overflows");
  EXPECT_EQ(refusal(store.putView("x", DType::F32, {-2}, {})),
            "parameter \"x\": shape [-2] is negative or overflows");
  EXPECT_EQ(refusal(store.putView("x", DType::F32, {2}, {})),
            "parameter \"x\": bytes of data, expected 8, got 0");
  EXPECT_EQ(refusal(store.putLazy("x", DType::F32, {0, INT64_MAX, 4}, nullptr)),
            "parameter \"x\": shape [0, 9223372036854775807, 4] is negative or overflows");
  ASSERT_EQ(refusal(store.addSplat("huge", DType::F64, {1ll << 59}, 0)), "accepted");
  EXPECT_EQ(refusal(store.get("huge")),
            "parameter \"huge\": out of memory, expected 4611686018427387904 bytes, got none");
}

TEST(ParamStore, EmptyTensors) {
  ParamStore store;
  ASSERT_EQ(refusal(store.put("a", DType::F32, {0, 3}, {})), "accepted");
  ASSERT_EQ(refusal(store.addSplat("b", DType::F32, {0}, 1)), "accepted");
  ASSERT_EQ(refusal(store.putView("c", DType::F32, {0}, {})), "accepted");
  ASSERT_EQ(
      refusal(store.putLazy("d", DType::F32, {0},
                            [] { return Result<std::vector<uint8_t>>(std::vector<uint8_t>{}); })),
      "accepted");
  for (const char *name : {"a", "b", "c", "d"})
    EXPECT_EQ(store.get(name)->bytes, 0u);
}

TEST(ParamStore, ViewsAreSharedWhenAligned) {
  auto owner = std::make_shared<std::vector<double>>(std::vector<double>{1, 2, 3});
  std::weak_ptr<std::vector<double>> watch = owner;
  const uint8_t *bytes = reinterpret_cast<const uint8_t *>(owner->data());
  ParamStore store;
  ASSERT_EQ(refusal(store.putView("v", DType::F64, {3}, {bytes, 24, owner})), "accepted");
  ASSERT_EQ(refusal(store.putView("odd", DType::U16, {2}, {bytes + 1, 4, owner})), "accepted");
  owner.reset();
  EXPECT_EQ(store.get("v")->data, bytes);
  EXPECT_TRUE(alignedTo(store.get("odd")->data, 64));
  EXPECT_EQ(std::memcmp(store.get("odd")->data, bytes + 1, 4), 0);
  ASSERT_EQ(refusal(store.put("v", DType::U8, {1}, {0})), "accepted");
  EXPECT_FALSE(watch.expired()); // "odd" still needs it
  ASSERT_EQ(refusal(store.put("odd", DType::U8, {1}, {0})), "accepted");
  EXPECT_TRUE(watch.expired());
}

TEST(ParamStore, LazyIsMadeOnceAndAgainAfterRelease) {
  ParamStore store;
  int made = 0;
  auto make = [&]() -> Result<std::vector<uint8_t>> {
    ++made;
    return std::vector<uint8_t>{1, 0, 0, 0};
  };
  ASSERT_EQ(refusal(store.putLazy("l", DType::I32, {1}, make)), "accepted");
  EXPECT_EQ(made, 0);
  EXPECT_EQ(values<int32_t>(store, "l"), std::vector<int32_t>{1});
  EXPECT_EQ(values<int32_t>(store, "l"), std::vector<int32_t>{1});
  EXPECT_EQ(made, 1);
  std::weak_ptr<const void> bytes;
  {
    TensorData held = *store.get("l");
    bytes = held.owner;
    store.release("l");
    EXPECT_FALSE(bytes.expired()); // still in use
    EXPECT_EQ(*held.as<int32_t>(), 1);
  }
  EXPECT_TRUE(bytes.expired()); // really freed
  EXPECT_EQ(values<int32_t>(store, "l"), std::vector<int32_t>{1});
  EXPECT_EQ(made, 2);
}

TEST(ParamStore, LazyFailuresAreReportedAndRetried) {
  ParamStore store;
  int calls = 0;
  ASSERT_EQ(refusal(store.putLazy("l", DType::U8, {2},
                                  [&]() -> Result<std::vector<uint8_t>> {
                                    if (++calls == 1)
                                      return Error("no luck");
                                    if (calls == 2)
                                      return std::vector<uint8_t>(3);
                                    if (calls == 3)
                                      throw std::bad_alloc();
                                    return std::vector<uint8_t>{8, 9};
                                  })),
            "accepted");
  EXPECT_EQ(refusal(store.get("l")), "no luck");
  EXPECT_EQ(refusal(store.get("l")), "parameter \"l\": bytes of data, expected 2, got 3");
  EXPECT_EQ(refusal(store.get("l")), "parameter \"l\": out of memory");
  EXPECT_EQ(values<uint8_t>(store, "l"), (std::vector<uint8_t>{8, 9}));
}

TEST(ParamStore, LazyMayUseTheStore) {
  ParamStore store;
  ASSERT_EQ(refusal(store.addSplat("base", DType::U8, {2}, 5)), "accepted");
  ASSERT_EQ(refusal(store.putLazy("twice", DType::U8, {2},
                                  [&]() -> Result<std::vector<uint8_t>> {
                                    std::vector<uint8_t> v = values<uint8_t>(store, "base");
                                    for (uint8_t &x : v)
                                      x = static_cast<uint8_t>(2 * x);
                                    return v;
                                  })),
            "accepted");
  EXPECT_EQ(values<uint8_t>(store, "twice"), (std::vector<uint8_t>{10, 10}));
}

TEST(ParamStore, ReleaseKeepsWhatIsOwned) {
  ParamStore store;
  ASSERT_EQ(refusal(store.put("p", DType::U8, {2}, {3, 4})), "accepted");
  store.release("p");
  EXPECT_EQ(values<uint8_t>(store, "p"), (std::vector<uint8_t>{3, 4}));
  EXPECT_TRUE(alignedTo(store.get("p")->data, 64));
}

TEST(ParamStore, AliasesShareBytesUntilReplaced) {
  ParamStore store;
  ASSERT_EQ(refusal(store.addRandom("a", DType::F32, {64}, 1)), "accepted");
  ASSERT_EQ(refusal(store.alias("b", "a")), "accepted");
  EXPECT_EQ(store.get("a")->data, store.get("b")->data);
  EXPECT_EQ(refusal(store.alias("b", "a")), "parameter \"b\": exists already, from random");
  EXPECT_EQ(refusal(store.alias("c", "none")), "parameter \"none\": is not in the store");
  std::vector<float> before = values<float>(store, "b");
  ASSERT_EQ(refusal(store.put("a", DType::U8, {1}, {0})), "accepted");
  EXPECT_EQ(values<float>(store, "b"), before);
  EXPECT_EQ(store.find("b")->shape, (Shape{64}));
}

TEST(ParamStore, BlockTensorsCanBeAliased) {
  ParamStore store;
  ASSERT_EQ(refusal(store.addFile(dataFile("blocks.gguf"))), "accepted");
  ASSERT_EQ(refusal(store.alias("output.weight", "Q6_K")), "accepted");
  const BlockForm *form = store.findBlockForm("output.weight");
  ASSERT_TRUE(form);
  EXPECT_EQ(form->codes, "output.weight.codes");
  EXPECT_EQ(form->superScales, "output.weight.super_scales");
  EXPECT_EQ(form->mins, "");
  EXPECT_EQ(store.get(form->codes)->data, store.get("Q6_K.codes")->data);
  // A block tensor's name is taken, though it is no parameter.
  EXPECT_EQ(refusal(store.alias("Q4_0", "plain")),
            "parameter \"Q4_0\": exists already, as a block-quantized tensor");
  EXPECT_EQ(refusal(store.put("Q4_0", DType::U8, {1}, {0})),
            "parameter \"Q4_0\": is the name of a block-quantized tensor");
  EXPECT_EQ(refusal(store.putView("Q4_0", DType::U8, {0}, {})),
            "parameter \"Q4_0\": is the name of a block-quantized tensor");
  EXPECT_EQ(refusal(store.putLazy("Q4_0", DType::U8, {0}, nullptr)),
            "parameter \"Q4_0\": is the name of a block-quantized tensor");
  ASSERT_EQ(refusal(store.put("tied.scales", DType::U8, {1}, {0})), "accepted");
  EXPECT_EQ(refusal(store.alias("tied", "Q4_0")),
            "parameter \"tied.scales\": exists already, from overlay");
  EXPECT_EQ(store.find("tied.codes"), nullptr);
}

TEST(ParamStore, ThreadsMakeEachFieldOnce) {
  ParamStore store;
  std::atomic<int> made{0};
  constexpr int kCount = 16;
  for (int i = 0; i < kCount; ++i)
    ASSERT_EQ(refusal(store.putLazy("p" + std::to_string(i), DType::U8, {1},
                                    [&made, i]() -> Result<std::vector<uint8_t>> {
                                      std::this_thread::sleep_for(std::chrono::milliseconds(2));
                                      ++made;
                                      return std::vector<uint8_t>{static_cast<uint8_t>(i)};
                                    })),
              "accepted");
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int k = 0; k < kCount; ++k) {
        int i = (k * 5 + t) % kCount;
        Result<TensorData> d = store.get("p" + std::to_string(i));
        if (!d || *d->as<uint8_t>() != i)
          ++wrong;
      }
    });
  for (std::thread &t : threads)
    t.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(made, kCount);
}

TEST(ParamStore, DifferentTensorsAreMadeInParallel) {
  // Each waits for the other to have begun: a lock over both would never end.
  ParamStore store;
  std::atomic<int> begun{0};
  auto make = [&]() -> Result<std::vector<uint8_t>> {
    ++begun;
    for (int i = 0; i < 5000 && begun < 2; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return std::vector<uint8_t>{static_cast<uint8_t>(begun.load())};
  };
  ASSERT_EQ(refusal(store.putLazy("a", DType::U8, {1}, make)), "accepted");
  ASSERT_EQ(refusal(store.putLazy("b", DType::U8, {1}, make)), "accepted");
  std::thread other([&] { (void)store.get("a"); });
  EXPECT_EQ(values<uint8_t>(store, "b")[0], 2);
  other.join();
}

TEST(ParamStore, AddFileKnowsFormatsByContent) {
  TempDir dir;
  auto added = [&](const char *name, std::string_view bytes) {
    ParamStore store;
    return refusal(store.addFile(dir.write(name, bytes)));
  };
  std::string st = safetensors("{" + entry("a", "U8", "[1]", "[0,1]") + "}", "1");
  EXPECT_EQ(added("any", st), "accepted");
  EXPECT_EQ(added("any", gguf(1, 0, tensorInfo("t", {8}, 0, 0), zeros(32))), "accepted");
  EXPECT_EQ(added("any", smallLlama()), "accepted");
  EXPECT_EQ(added("x.bin", smallLlama() + "x"),
            dir.path("x.bin") + ":0x0: file length, expected 3060 by its header, got 3061");
  EXPECT_EQ(added("x.gguf", "what"),
            dir.path("x.gguf") + ":0x0: magic, expected \"GGUF\", got \"what\"");
  EXPECT_EQ(added("x.safetensors", "what"),
            dir.path("x.safetensors") + ":0x0: file too short for a safetensors header length, "
                                        "expected at least 8 bytes, got 4");
  EXPECT_EQ(added("any", "what"),
            dir.path("any") +
                ":0x0: format, expected safetensors, GGUF or llama2.c, got bytes \"what\"");
  EXPECT_EQ(added("pytorch_model.bin", "PK\x03\x04 and so on, long enough for a header"),
            dir.path("pytorch_model.bin") +
                ":0x0: format, expected safetensors, GGUF or llama2.c (convert it first), got a "
                "PyTorch pickle, which can run code");
  EXPECT_EQ(added("any", ""),
            dir.path("any") +
                ":0x0: format, expected safetensors, GGUF or llama2.c, got bytes \"\"");
  EXPECT_EQ(added("empty.json", ""),
            dir.path("empty.json") + ":0x0: invalid JSON: syntax error while parsing value - "
                                     "unexpected end of input; expected '[', '{', or a literal");
  ParamStore store;
  EXPECT_EQ(refusal(store.addFile(dir.path())),
            dir.path() + ": wrong kind of file, expected a regular file, got a directory");
  EXPECT_EQ(refusal(store.addFile(dir.path("none"))),
            dir.path("none") + ": cannot open: No such file or directory");
}

class SplitGGUF : public testing::Test {
protected:
  /// One split with one tensor of its own.
  std::string split(uint32_t no, uint32_t count, uint32_t tensors, const std::string &name) {
    return gguf(1, 3,
                kv("split.no", 2, le(static_cast<uint16_t>(no))) +
                    kv("split.count", 2, le(static_cast<uint16_t>(count))) +
                    kv("split.tensors.count", 5, u32(tensors)) + tensorInfo(name, {1}, 0, 0),
                le(static_cast<float>(no)));
  }
  std::string add(const std::string &name = "m-00001-of-00002.gguf") {
    return refusal(store.addFile(dir.path(name)));
  }
  TempDir dir;
  ParamStore store;
};

TEST_F(SplitGGUF, TheFirstBringsTheOthers) {
  dir.write("m-00001-of-00002.gguf", split(0, 2, 2, "a"));
  dir.write("m-00002-of-00002.gguf", split(1, 2, 2, "b"));
  ASSERT_EQ(add(), "accepted");
  EXPECT_EQ(values<float>(store, "b"), std::vector<float>{1});
  EXPECT_EQ(names(store), (std::vector<std::string>{"a", "b"}));
}

TEST_F(SplitGGUF, WhatIsMissingOrLiesIsRefused) {
  std::string one = dir.write("m-00001-of-00002.gguf", split(0, 2, 2, "a"));
  std::string two = dir.path("m-00002-of-00002.gguf");
  EXPECT_EQ(add(), two + ": cannot open: No such file or directory");
  dir.write("m-00002-of-00002.gguf", split(0, 2, 2, "b"));
  EXPECT_EQ(add(), two + ":split.no: wrong split, expected 1, got 0");
  dir.write("m-00002-of-00002.gguf", split(1, 3, 2, "b"));
  EXPECT_EQ(add(), two + ":split.count: wrong split, expected 2, got 3");
  dir.write("m-00002-of-00002.gguf", split(1, 2, 2, "a"));
  EXPECT_EQ(add(), two + ": tensor \"a\": exists already");
  dir.write("m-00002-of-00002.gguf", gguf(0, 0, ""));
  EXPECT_EQ(add(), two + ":split.no: missing, expected an integer below 2^63, got nothing");
  dir.write("m-00002-of-00002.gguf", split(1, 2, 2, "b"));
  dir.write("m-00001-of-00002.gguf", split(0, 2, 3, "a"));
  EXPECT_EQ(add(), one + ":split.tensors.count: tensors in all splits, expected 3, got 2");
  EXPECT_EQ(add("m-00002-of-00002.gguf"),
            two +
                ":split.count: name of the first split, expected an end of "
                "\"-00001-of-00002.gguf\", got \"" +
                two + "\"");
  dir.write("m-00001-of-00002.gguf", gguf(0, 1, kv("split.count", 4, u32(1u << 31))));
  EXPECT_EQ(add(), one + ":split.count: splits, expected at most 99999, got 2147483648");
  dir.write("m-00001-of-00002.gguf", gguf(0, 1, kv("split.count", 8, gstr("2"))));
  EXPECT_EQ(add(), one + ":split.count: wrong type, expected an integer below 2^63, got string");
  dir.write("m-00001-of-00002.gguf",
            gguf(0, 2, kv("split.count", 4, u32(2)) + kv("split.no", 4, u32(0))));
  EXPECT_EQ(add(),
            one + ":split.tensors.count: missing, expected an integer below 2^63, got nothing");
  EXPECT_TRUE(store.list().empty());
}

TEST(ParamStore, FileOfTheReferenceWriter) {
  ParamStore store;
  ASSERT_EQ(refusal(store.addFile(dataFile("blocks.safetensors"))), "accepted");
  EXPECT_EQ(store.find("Q8_0")->shape, (Shape{2, 2, 256}));
  EXPECT_EQ(values<float>(store, "plain"), (std::vector<float>{0, 1, 2, 3, 4, 5}));
}
