#include "TestFiles.h"

#include "fingpt/Params/Llama2CFile.h"

using namespace fingpt;
using namespace fingpt::test;

namespace {

struct Case {
  const char *name;
  std::string image;
  const char *expected; ///< after "m.bin:"
};

const Case kRefused[] = {
    {"empty", "", "0x0: file too short for a llama2.c header, expected at least 28 bytes, got 0"},
    {"27 bytes", zeros(27),
     "0x0: file too short for a llama2.c header, expected at least 28 bytes, got 27"},
    {"version 1 or 2", u32(0x616b3432) + u32(1) + zeros(248),
     "0x0: llama2.c version, expected 0 (no magic), got 1 or 2"},
    {"zeros", zeros(28), "0x0: dim, expected a positive number, got 0"},
    {"negative dim", llama2c({-8, 6, 2, 4, 2, 5, 3}, kSmallLlamaFloats),
     "0x0: dim, expected a positive number, got -8"},
    {"hidden 0", llama2c({8, 0, 2, 4, 2, 5, 3}, kSmallLlamaFloats),
     "0x4: hidden, expected a positive number, got 0"},
    {"layers 0", llama2c({8, 6, 0, 4, 2, 5, 3}, kSmallLlamaFloats),
     "0x8: layers, expected a positive number, got 0"},
    {"heads 0", llama2c({8, 6, 2, 0, 2, 5, 3}, kSmallLlamaFloats),
     "0xc: heads, expected a positive number, got 0"},
    {"kv heads 0", llama2c({8, 6, 2, 4, 0, 5, 3}, kSmallLlamaFloats),
     "0x10: kv heads, expected a positive number, got 0"},
    {"vocab 0", llama2c({8, 6, 2, 4, 2, 0, 3}, kSmallLlamaFloats),
     "0x14: vocab, expected a positive number, got 0"},
    {"sequence -2^31", llama2c({8, 6, 2, 4, 2, 5, INT32_MIN}, kSmallLlamaFloats),
     "0x18: sequence, expected a positive number, got -2147483648"},
    {"heads do not divide dim", llama2c({8, 6, 2, 3, 1, 5, 3}, kSmallLlamaFloats),
     "0xc: heads, expected a divisor of dim 8, got 3"},
    {"more heads than dim", llama2c({8, 6, 2, 16, 2, 5, 3}, kSmallLlamaFloats),
     "0xc: heads, expected a divisor of dim 8, got 16"},
    {"odd head", llama2c({12, 6, 2, 4, 2, 5, 3}, kSmallLlamaFloats),
     "0xc: elements per head, expected an even number, got 3"},
    {"kv heads do not divide heads", llama2c({8, 6, 2, 4, 3, 5, 3}, kSmallLlamaFloats),
     "0x10: kv heads, expected a divisor of heads 4, got 3"},
    {"more kv heads than heads", llama2c({8, 6, 2, 4, 8, 5, 3}, kSmallLlamaFloats),
     "0x10: kv heads, expected a divisor of heads 4, got 8"},
    {"one float short", llama2c({8, 6, 2, 4, 2, 5, 3}, kSmallLlamaFloats - 1),
     "0x0: file length, expected 3060 by its header, got 3056"},
    {"one float long", llama2c({8, 6, 2, 4, 2, 5, 3}, kSmallLlamaFloats + 1),
     "0x0: file length, expected 3060 by its header, got 3064"},
    {"one byte long", smallLlama() + "x",
     "0x0: file length, expected 3060 by its header, got 3061"},
    {"separate head, but none there", llama2c({8, 6, 2, 4, 2, -5, 3}, kSmallLlamaFloats),
     "0x0: file length, expected 3220 by its header, got 3060"},
    {"vocab -2^31", llama2c({8, 6, 2, 4, 2, INT32_MIN, 3}, kSmallLlamaFloats),
     "0x0: file length, expected 137438956372 by its header, got 3060"},
    {"a layer more than there is", llama2c({8, 6, 3, 4, 2, 5, 3}, kSmallLlamaFloats),
     "0x0: file length, expected 4468 by its header, got 3060"},
    {"2^31-1 layers", llama2c({8, 6, INT32_MAX, 4, 2, 5, 3}, kSmallLlamaFloats),
     "0x0: file length, expected 3023656975220 by its header, got 3060"},
    {"sizes overflow",
     llama2c({INT32_MAX - 1, INT32_MAX, INT32_MAX, 1, 1, INT32_MAX, INT32_MAX}, 4),
     "0x0: sizes of the header overflow"},
    {"sizes overflow by the last factor", llama2c({1 << 30, 1 << 30, 1, 2, 2, 1 << 30, 1}, 4),
     "0x0: sizes of the header overflow"},
};

} // namespace

TEST(Llama2CHostile, EveryLieGetsItsLine) {
  for (const Case &c : kRefused) {
    offerSeed("llama2c", c.image);
    EXPECT_EQ(refusal(Llama2CFile::parse(c.image, "m.bin")), std::string("m.bin:") + c.expected)
        << c.name;
  }
}

TEST(Llama2C, NamesEveryArrayInItsPlace) {
  std::string image = smallLlama();
  auto f = Llama2CFile::parse(image, "m.bin");
  ASSERT_EQ(refusal(f), "accepted");
  const Llama2CDims &d = (*f)->dims();
  EXPECT_EQ(d.headDim(), 2);
  EXPECT_EQ(d.kvDim(), 4);
  EXPECT_FALSE(d.separateHead);
  ASSERT_EQ((*f)->tensors().size(), 1u + 2 * 9 + 1);
  // Each float is its own position, so the first one tells where a tensor lies.
  auto first = [&](std::string_view name) {
    for (const Llama2CTensor &t : (*f)->tensors())
      if (t.name == name) {
        float v;
        std::memcpy(&v, image.data() + t.offset, 4);
        return static_cast<long>(v);
      }
    return -1L;
  };
  long at = 0;
  EXPECT_EQ(first("token_embd.weight"), at);
  at += 40;
  const std::pair<const char *, long> perLayer[] = {
      {"attn_norm", 8}, {"attn_q", 64},   {"attn_k", 32},   {"attn_v", 32}, {"attn_output", 64},
      {"ffn_norm", 8},  {"ffn_gate", 48}, {"ffn_down", 48}, {"ffn_up", 48}};
  for (auto [name, size] : perLayer) {
    EXPECT_EQ(first("blk.0." + std::string(name) + ".weight"), at) << name;
    EXPECT_EQ(first("blk.1." + std::string(name) + ".weight"), at + size) << name;
    at += 2 * size;
  }
  EXPECT_EQ(first("output_norm.weight"), at);
  EXPECT_EQ(first("output.weight"), -1);
}

TEST(Llama2C, FileThatIsNotThere) {
  TempDir dir;
  EXPECT_EQ(refusal(Llama2CFile::open(dir.path("none"))),
            dir.path("none") + ": cannot open: No such file or directory");
}

TEST(Llama2C, ShapesAndSeparateHead) {
  std::string image = llama2c({8, 6, 2, 4, 2, -5, 3}, kSmallLlamaFloats + 40);
  TempDir dir;
  ParamStore store;
  ASSERT_EQ(refusal(store.addFile(dir.write("m.bin", image))), "accepted");
  EXPECT_EQ(store.find("blk.1.attn_k.weight")->shape, (Shape{4, 8}));
  EXPECT_EQ(store.find("blk.1.ffn_down.weight")->shape, (Shape{8, 6}));
  EXPECT_EQ(store.find("blk.1.ffn_up.weight")->shape, (Shape{6, 8}));
  EXPECT_EQ(store.find("blk.1.attn_norm.weight")->shape, (Shape{8}));
  ASSERT_TRUE(store.find("output.weight"));
  EXPECT_EQ(store.find("output.weight")->shape, (Shape{5, 8}));
  EXPECT_EQ(values<float>(store, "output.weight")[0], static_cast<float>(kSmallLlamaFloats));
}
