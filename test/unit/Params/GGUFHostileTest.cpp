// Every way in which a GGUF file can lie, each with the line it gets.
#include "TestFiles.h"

#include "fingpt/Params/GGUFFile.h"

#include <algorithm>

using namespace fingpt;
using namespace fingpt::test;

namespace {

enum : uint32_t { kF32 = 0, kQ40 = 2, kQ4K = 12 };
enum : uint32_t { kU8 = 0, kU32 = 4, kF32Value = 6, kBool = 7, kString = 8, kArray = 9, kU64 = 10 };

struct Case {
  const char *name;
  std::string image;
  const char *expected; ///< after "m.gguf:"
};

/// One tensor, with `data` bytes of it.
std::string one(std::initializer_list<uint64_t> ne, uint32_t type, uint64_t offset, size_t data) {
  return gguf(1, 0, tensorInfo("t", ne, type, offset), zeros(data));
}
/// Two F32 tensors of 8 elements, the second at `offset`.
std::string two(uint64_t offset, size_t data = 64) {
  return gguf(2, 0, tensorInfo("t", {8}, kF32, 0) + tensorInfo("u", {8}, kF32, offset),
              zeros(data));
}
std::string aligned(uint32_t type, std::string_view value) {
  return gguf(1, 1, kv("general.alignment", type, value) + tensorInfo("t", {8}, kF32, 0),
              zeros(32));
}
std::string array(uint32_t elementType, uint64_t count, std::string_view items) {
  return gguf(0, 1, kv("k", kArray, u32(elementType) + u64(count) + std::string(items)));
}

const Case kRefused[] = {
    // Header.
    {"empty", "", "0x0: magic, expected \"GGUF\", got \"\""},
    {"three bytes", "GGU", "0x0: magic, expected \"GGUF\", got \"GGU\""},
    {"magic", "GGML" + zeros(20), "0x0: magic, expected \"GGUF\", got \"GGML\""},
    {"magic of the other byte order", "FUGG" + zeros(20),
     "0x0: magic, expected \"GGUF\", got \"FUGG\""},
    {"magic alone", "GGUF", "0x4: version, expected 4 bytes, got 0 (the file ends)"},
    {"version 0", gguf(0, 0, "", "", 0), "0x4: version, expected 2 or 3, got 0"},
    {"version 1", gguf(0, 0, "", "", 1), "0x4: version, expected 2 or 3, got 1"},
    {"version 4", gguf(0, 0, "", "", 4), "0x4: version, expected 2 or 3, got 4"},
    {"other endian", gguf(0, 0, "", "", 0x03000000),
     "0x4: version (byte order?), expected 2 or 3, got 50331648"},
    {"no counts", "GGUF" + u32(3), "0x8: tensor count, expected 8 bytes, got 0 (the file ends)"},
    {"one count", "GGUF" + u32(3) + u64(0),
     "0x10: metadata count, expected 8 bytes, got 0 (the file ends)"},
    {"tensors 2^64-1", gguf(UINT64_MAX, 0, ""),
     "0x8: tensor count, expected at most 0 (bytes left in the file), got 18446744073709551615"},
    {"tensors whose entries wrap", gguf(UINT64_MAX / 24 + 1, 0, zeros(48)),
     "0x8: tensor count, expected at most 2 (bytes left in the file), got 768614336404564651"},
    {"pairs 2^64-1", gguf(0, UINT64_MAX, ""),
     "0x10: metadata count, expected at most 0 (bytes left in the file), got 18446744073709551615"},
    {"pairs whose entries wrap", gguf(0, UINT64_MAX / 13 + 1, zeros(48)),
     "0x10: metadata count, expected at most 3 (bytes left in the file), got 1418980313362273202"},
    {"one tensor more than can be", gguf(2, 0, tensorInfo("t", {}, kF32, 0)),
     "0x8: tensor count, expected at most 1 (bytes left in the file), got 2"},
    {"one pair more than there is", gguf(0, 2, kv("key", kU64, u64(1)) + zeros(3)),
     "0x2f: string length, expected 8 bytes, got 3 (the file ends)"},
    // Keys and values.
    {"key beyond the file", gguf(0, 1, u64(100) + "key" + zeros(10)),
     "0x18: length of the key, expected at most 13 (bytes left in the file), got 100"},
    {"key of 2^64-1", gguf(0, 1, u64(UINT64_MAX) + "key" + zeros(10)),
     "0x18: length of the key, expected at most 13 (bytes left in the file), got "
     "18446744073709551615"},
    {"key, then the end", gguf(0, 1, u64(5) + "hello"),
     "0x25: key \"hello\": value type, expected 4 bytes, got 0 (the file ends)"},
    {"type of value 13", gguf(0, 1, kv("k", 13, u64(0))),
     "0x21: key \"k\": value type, expected 0 to 12, got 13"},
    {"type of value 2^32-1", gguf(0, 1, kv("k", UINT32_MAX, u64(0))),
     "0x21: key \"k\": value type, expected 0 to 12, got 4294967295"},
    {"u64 cut", gguf(0, 1, kv("k", kU64, zeros(7))),
     "0x25: key \"k\": value, expected 8 bytes, got 7 (the file ends)"},
    {"string beyond the file", gguf(0, 1, kv("k", kString, u64(4) + "abc")),
     "0x25: key \"k\": length of the string, expected at most 3 (bytes left in the file), got 4"},
    {"string of 2^64-1", gguf(0, 1, kv("k", kString, u64(UINT64_MAX) + "abc")),
     "0x25: key \"k\": length of the string, expected at most 3 (bytes left in the file), got "
     "18446744073709551615"},
    {"string length cut", gguf(0, 1, kv("k", kString, zeros(4))),
     "0x25: key \"k\": string length, expected 8 bytes, got 4 (the file ends)"},
    {"bool 2", gguf(0, 1, kv("k", kBool, "\x02")), "0x25: key \"k\": bool, expected 0 or 1, got 2"},
    {"bool 255", gguf(0, 1, kv("k", kBool, "\xff")),
     "0x25: key \"k\": bool, expected 0 or 1, got 255"},
    {"key twice", gguf(0, 2, kv("k", kU8, "\x01") + kv("k", kU8, "\x02")),
     "0x26: key \"k\": appears twice"},
    // Arrays.
    {"nested array", array(kArray, 1, u32(kU8) + u64(0)),
     "0x25: key \"k\": type of array elements, expected a scalar or a string, got array"},
    {"type of elements 13", array(13, 0, ""),
     "0x25: key \"k\": value type, expected 0 to 12, got 13"},
    {"array type cut", gguf(0, 1, kv("key", kArray, "\x01\x02")),
     "0x27: key \"key\": value type, expected 4 bytes, got 2 (the file ends)"},
    {"array count cut", gguf(0, 1, kv("k", kArray, u32(kU8) + zeros(7))),
     "0x29: key \"k\": array length, expected 8 bytes, got 7 (the file ends)"},
    {"array of 2^64-1 bytes", array(kU8, UINT64_MAX, "abc"),
     "0x29: key \"k\": array length, expected at most 3 (bytes left in the file), got "
     "18446744073709551615"},
    {"array whose bytes wrap", array(kU64, (1ull << 61) + 1, u64(1)),
     "0x29: key \"k\": array length, expected at most 1 (bytes left in the file), got "
     "2305843009213693953"},
    {"array of strings that wraps", array(kString, (1ull << 61) + 1, u64(0)),
     "0x29: key \"k\": array length, expected at most 1 (bytes left in the file), got "
     "2305843009213693953"},
    {"one element more than there is", array(kU64, 2, u64(1)),
     "0x29: key \"k\": array length, expected at most 1 (bytes left in the file), got 2"},
    {"one string more than there is", array(kString, 2, gstr("12345678")),
     "0x41: key \"k\": string length, expected 8 bytes, got 0 (the file ends)"},
    {"string of the array beyond the file", array(kString, 2, gstr("") + u64(9) + "x"),
     "0x39: key \"k\": length of the string, expected at most 1 (bytes left in the file), got 9"},
    {"elements are strings, not bytes",
     gguf(0, 2, kv("k", kArray, u32(kU8) + u64(2) + gstr("ab") + gstr("c")) + kv("l", kU8, "x")),
     "0x33: length of the key, expected at most 23 (bytes left in the file), got "
     "7088947288457871360"},
    // Alignment.
    {"alignment 0", aligned(kU32, u32(0)),
     "general.alignment: alignment, expected a power of two, got 0"},
    {"alignment 3", aligned(kU32, u32(3)),
     "general.alignment: alignment, expected a power of two, got 3"},
    {"alignment 48", aligned(kU32, u32(48)),
     "general.alignment: alignment, expected a power of two, got 48"},
    {"alignment 2^32-1", aligned(kU32, u32(UINT32_MAX)),
     "general.alignment: alignment, expected a power of two, got 4294967295"},
    {"alignment 2^31", aligned(kU32, u32(1u << 31)),
     "0x39: tensor \"t\": bytes of data, expected 32, got 0 left in the file"},
    {"alignment as u64", aligned(kU64, u64(32)), "general.alignment: type, expected u32, got u64"},
    {"alignment as string", aligned(kString, gstr("32")),
     "general.alignment: type, expected u32, got string"},
    {"alignment as array", aligned(kArray, u32(kU32) + u64(1) + u32(32)),
     "general.alignment: type, expected u32, got array"},
    // Tensors.
    {"name of 64 bytes", gguf(1, 0, tensorInfo(std::string(64, 'n'), {8}, kF32, 0), zeros(32)),
     "0x18: tensor \"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn\": length of "
     "the name, expected at most 63, got 64"},
    {"name beyond the file", gguf(1, 0, u64(1000) + zeros(24)),
     "0x18: length of the tensor name, expected at most 24 (bytes left in the file), got 1000"},
    {"dimension count cut", gguf(1, 0, gstr(std::string(16, 'n')) + "\x01\x02"),
     "0x30: tensor \"nnnnnnnnnnnnnnnn\": number of dimensions, expected 4 bytes, got 2 (the file "
     "ends)"},
    {"5 dimensions", one({1, 1, 1, 1, 1}, kF32, 0, 4),
     "0x21: tensor \"t\": number of dimensions, expected at most 4, got 5"},
    {"2^32-1 dimensions", gguf(1, 0, gstr("t") + u32(UINT32_MAX) + zeros(64)),
     "0x21: tensor \"t\": number of dimensions, expected at most 4, got 4294967295"},
    {"dimensions cut", gguf(1, 0, gstr("t") + u32(2) + u64(1) + zeros(7)),
     "0x2d: tensor \"t\": dimension, expected 8 bytes, got 7 (the file ends)"},
    {"type cut", gguf(1, 0, gstr("t") + u32(1) + u64(8) + zeros(3)),
     "0x2d: tensor \"t\": type, expected 4 bytes, got 3 (the file ends)"},
    {"offset cut", gguf(1, 0, gstr("t") + u32(1) + u64(8) + u32(kF32) + zeros(7)),
     "0x31: tensor \"t\": offset, expected 8 bytes, got 7 (the file ends)"},
    {"dimension 0", one({8, 0}, kF32, 0, 32),
     "0x2d: tensor \"t\": dimension, expected 1 to 2^63-1, got 0"},
    {"dimension 2^63", one({1ull << 63}, kF32, 0, 32),
     "0x25: tensor \"t\": dimension, expected 1 to 2^63-1, got 9223372036854775808"},
    {"dimension 2^64-1", one({UINT64_MAX}, kF32, 0, 32),
     "0x25: tensor \"t\": dimension, expected 1 to 2^63-1, got 18446744073709551615"},
    {"product wraps to 0", one({1ull << 32, 1ull << 32}, kF32, 0, 32),
     "0x25: tensor \"t\": shape [4294967296, 4294967296] overflows"},
    {"rows wrap", one({1, 1ull << 32, 1ull << 32, 2}, kF32, 0, 32),
     "0x25: tensor \"t\": shape [2, 4294967296, 4294967296, 1] overflows"},
    {"product wraps to 1", one({274177, 67280421310721}, kF32, 0, 32),
     "0x25: tensor \"t\": shape [67280421310721, 274177] overflows"},
    {"bytes wrap", one({1ull << 60, 4}, kF32, 0, 32),
     "0x25: tensor \"t\": shape [4, 1152921504606846976] overflows"},
    {"bytes wrap by one dimension", one({1ull << 62}, kF32, 0, 32),
     "0x25: tensor \"t\": shape [4611686018427387904] overflows"},
    {"an exabyte that a buffer of 4 MB held", one({1ull << 59, 1}, kF32, 0, 32),
     "0x18: tensor \"t\": bytes of data, expected 2305843009213693952, got 32 left in the file"},
    {"padding of the size wraps", one({(1ull << 60) - 1}, kF32, 0, 32),
     "0x18: tensor \"t\": bytes of data, expected 4611686018427387900, got 32 left in the file"},
    {"row of 33 in Q4_0", one({33}, kQ40, 0, 64),
     "0x25: tensor \"t\": row width, expected a multiple of 32 for Q4_0, got 33"},
    {"row of 16 in Q4_0, two rows", one({16, 2}, kQ40, 0, 64),
     "0x25: tensor \"t\": row width, expected a multiple of 32 for Q4_0, got 16"},
    {"row of 128 in Q4_K", one({128, 2}, kQ4K, 0, 144),
     "0x25: tensor \"t\": row width, expected a multiple of 256 for Q4_K, got 128"},
    {"retired type 4", one({32}, 4, 0, 64),
     "0x2d: tensor \"t\": type, expected a ggml type in use, got 4"},
    {"retired type 5", one({32}, 5, 0, 64),
     "0x2d: tensor \"t\": type, expected a ggml type in use, got 5"},
    {"retired type 31", one({32}, 31, 0, 64),
     "0x2d: tensor \"t\": type, expected a ggml type in use, got 31"},
    {"retired type 33", one({32}, 33, 0, 64),
     "0x2d: tensor \"t\": type, expected a ggml type in use, got 33"},
    {"retired type 36", one({32}, 36, 0, 64),
     "0x2d: tensor \"t\": type, expected a ggml type in use, got 36"},
    {"type beyond the last", one({32}, 1000, 0, 64),
     "0x2d: tensor \"t\": type, expected a ggml type in use, got 1000"},
    {"type 2^32-1", one({32}, UINT32_MAX, 0, 64),
     "0x2d: tensor \"t\": type, expected a ggml type in use, got 4294967295"},
    {"tensor twice",
     gguf(2, 0, tensorInfo("t", {8}, kF32, 0) + tensorInfo("t", {8}, kF32, 32), zeros(64)),
     "0x39: tensor \"t\": appears twice"},
    // Data.
    {"first offset not 0", one({8}, kF32, 32, 64),
     "0x18: tensor \"t\": offset, expected 0 (padded sizes before it), got 32"},
    {"offset 2^64-1", one({8}, kF32, UINT64_MAX, 64),
     "0x18: tensor \"t\": offset, expected 0 (padded sizes before it), got 18446744073709551615"},
    {"offset 2^64-32", one({8}, kF32, UINT64_MAX - 31, 64),
     "0x18: tensor \"t\": offset, expected 0 (padded sizes before it), got 18446744073709551584"},
    {"gap", two(64, 96),
     "0x39: tensor \"u\": offset, expected 32 (padded sizes before it), got 64"},
    {"overlap", two(0), "0x39: tensor \"u\": offset, expected 32 (padded sizes before it), got 0"},
    {"overlap by padding",
     gguf(2, 0, tensorInfo("t", {9}, kF32, 0) + tensorInfo("u", {8}, kF32, 36), zeros(128)),
     "0x39: tensor \"u\": offset, expected 64 (padded sizes before it), got 36"},
    {"order reversed",
     gguf(2, 0, tensorInfo("t", {8}, kF32, 32) + tensorInfo("u", {8}, kF32, 0), zeros(64)),
     "0x18: tensor \"t\": offset, expected 0 (padded sizes before it), got 32"},
    {"no data", gguf(1, 0, tensorInfo("t", {8}, kF32, 0)),
     "0x18: tensor \"t\": bytes of data, expected 32, got 0 left in the file"},
    {"one byte short", one({8}, kF32, 0, 31),
     "0x18: tensor \"t\": bytes of data, expected 32, got 31 left in the file"},
    {"second tensor short", two(32, 63),
     "0x39: tensor \"u\": bytes of data, expected 32, got 31 left in the file"},
    {"second tensor absent", two(32, 32),
     "0x39: tensor \"u\": bytes of data, expected 32, got 0 left in the file"},
    {"blocks short", one({256}, kQ4K, 0, 143),
     "0x18: tensor \"t\": bytes of data, expected 144, got 143 left in the file"},
    // Foreign text.
    {"escape sequences in a key", gguf(0, 1, kv("\x1b[2J\n", 13, u64(0))),
     "0x25: key \"\\x1b[2J\\x0a\": value type, expected 0 to 12, got 13"},
    {"escape sequences in a name", gguf(1, 0, tensorInfo("\x1b[2J\n", {8}, 99, 0), zeros(32)),
     "0x31: tensor \"\\x1b[2J\\x0a\": type, expected a ggml type in use, got 99"},
    {"long key", gguf(0, 1, kv(std::string(5000, 'k'), 13, u64(0))),
     "0x13a8: key "
     "\"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
     "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
     "kkkkkkkkkkkkkkkk…\": value type, expected 0 to 12, got 13"},
    {"long name", gguf(1, 0, tensorInfo(std::string(5000, 'n'), {8}, kF32, 0), zeros(32)),
     "0x18: tensor "
     "\"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
     "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
     "nnnnnnnnnnnnnnnn…\": length of the name, expected at most 63, got 5000"},
};

} // namespace

TEST(GGUFHostile, EveryLieGetsItsLine) {
  for (const Case &c : kRefused) {
    offerSeed("gguf", c.image);
    std::string message = refusal(GGUFFile::parse(c.image, "m.gguf"));
    EXPECT_EQ(message, std::string("m.gguf:") + c.expected) << c.name;
    EXPECT_LT(message.size(), 1000u) << c.name;
    EXPECT_EQ(std::count_if(message.begin(), message.end(),
                            [](char ch) { return static_cast<unsigned char>(ch) < 0x20; }),
              0)
        << c.name;
  }
}

TEST(GGUF, AcceptsWhatLlamaCppAccepts) {
  const Case accepted[] = {
      {"nothing in it", gguf(0, 0, ""), ""},
      {"version 2", gguf(1, 0, tensorInfo("t", {8}, kF32, 0), zeros(32), 2), ""},
      {"no dimensions", one({}, kF32, 0, 4), ""},
      {"four dimensions", one({1, 2, 3, 4}, kF32, 0, 96), ""},
      {"last tensor without padding",
       gguf(2, 0, tensorInfo("t", {8}, kF32, 0) + tensorInfo("u", {1}, kF32, 32), zeros(36)), ""},
      {"trailing bytes", one({8}, kF32, 0, 100), ""},
      {"empty array", array(kU64, 0, ""), ""},
      {"empty array of strings", array(kString, 0, ""), ""},
      {"empty key", gguf(0, 1, kv("", kU8, "x")), ""},
      {"name of 63 bytes", gguf(1, 0, tensorInfo(std::string(63, 'n'), {8}, kF32, 0), zeros(32)),
       ""},
      {"alignment 64",
       gguf(1, 1, kv("general.alignment", kU32, u32(64)) + tensorInfo("t", {8}, kF32, 0), zeros(32),
            3, 64),
       ""},
      {"alignment 1",
       gguf(2, 1,
            kv("general.alignment", kU32, u32(1)) + tensorInfo("t", {1}, 24, 0) +
                tensorInfo("u", {8}, kF32, 1),
            zeros(33), 3, 1),
       ""},
      {"huge alignment, no tensors", gguf(0, 1, kv("general.alignment", kU32, u32(1u << 31))), ""},
  };
  for (const Case &c : accepted) {
    offerSeed("gguf", c.image);
    EXPECT_EQ(refusal(GGUFFile::parse(c.image, "m")), "accepted") << c.name;
  }
}

TEST(GGUF, TellsTensors) {
  std::string image =
      gguf(2, 0, tensorInfo("w", {64, 3}, kQ40, 0) + tensorInfo("n", {2, 3, 4}, kF32, 128),
           zeros(128 + 96));
  auto f = GGUFFile::parse(image, "m");
  ASSERT_EQ(refusal(f), "accepted");
  EXPECT_EQ((*f)->version(), 3u);
  const GGUFTensor &w = (*f)->tensors()[0], &n = (*f)->tensors()[1];
  EXPECT_EQ(w.shape, (Shape{3, 64}));
  EXPECT_EQ(w.bytes, 6u * 18);
  EXPECT_EQ(n.shape, (Shape{4, 3, 2}));
  EXPECT_EQ(w.offset % 32, 0u);
  EXPECT_EQ(n.offset, w.offset + 128);
  EXPECT_EQ(n.offset + n.bytes, image.size());
}

TEST(GGUF, TypedAccessReadsTheReferenceWriter) {
  auto opened = GGUFFile::open(dataFile("blocks.gguf"));
  ASSERT_EQ(refusal(opened), "accepted");
  const GGUFFile &f = **opened;
  EXPECT_EQ(*f.integer("test.u8"), 255);
  EXPECT_EQ(*f.integer("test.i8"), -128);
  EXPECT_EQ(*f.integer("test.u16"), 65535);
  EXPECT_EQ(*f.integer("test.i16"), -32768);
  EXPECT_EQ(*f.integer("test.u32"), 4294967295);
  EXPECT_EQ(*f.integer("test.i32"), INT32_MIN);
  EXPECT_EQ(*f.integer("test.i64"), INT64_MIN);
  EXPECT_EQ(*f.integer("absent", 7), 7);
  EXPECT_EQ(*f.integer("test.u8", 7), 255);
  EXPECT_EQ(*f.number("test.f32", 0), 0.5);
  EXPECT_EQ(*f.number("test.f64", 0), -0.25);
  EXPECT_EQ(*f.number("test.u8", 0), 255);
  EXPECT_EQ(*f.number("test.i8", 0), -128);
  EXPECT_EQ(*f.number("absent", 2.5), 2.5);
  EXPECT_EQ(*f.boolean("test.bool", false), true);
  EXPECT_EQ(*f.boolean("absent", true), true);
  EXPECT_EQ(*f.string("test.string"), "grüße");
  EXPECT_EQ(*f.string("absent", "x"), "x");
  EXPECT_EQ(*f.string("general.architecture", "x"), "test");
  EXPECT_EQ(*f.strings("test.strings"), (std::vector<std::string_view>{"a", "", "βγ"}));
  EXPECT_EQ(*f.integers("test.integers"), (std::vector<int64_t>{1, -2, 3}));
  EXPECT_EQ(*f.numbers("test.integers"), (std::vector<double>{1, -2, 3}));
  EXPECT_EQ(*f.numbers("test.floats"), (std::vector<double>{0.5, 1.5}));

  std::string where = dataFile("blocks.gguf") + ":";
  EXPECT_EQ(refusal(f.integer("test.u64")),
            where + "test.u64: wrong type, expected an integer below 2^63, got u64");
  EXPECT_EQ(refusal(f.integer("absent")),
            where + "absent: missing, expected an integer below 2^63, got nothing");
  EXPECT_EQ(refusal(f.integer("test.f32")),
            where + "test.f32: wrong type, expected an integer below 2^63, got f32");
  EXPECT_EQ(refusal(f.integer("test.bool")),
            where + "test.bool: wrong type, expected an integer below 2^63, got bool");
  EXPECT_EQ(refusal(f.integer("test.integers")),
            where +
                "test.integers: wrong type, expected an integer below 2^63, got an array of i32");
  EXPECT_EQ(refusal(f.number("test.string", 0)),
            where + "test.string: wrong type, expected a number, got string");
  EXPECT_EQ(refusal(f.boolean("test.u8", false)),
            where + "test.u8: wrong type, expected a bool, got u8");
  EXPECT_EQ(refusal(f.string("test.strings")),
            where + "test.strings: wrong type, expected a string, got an array of string");
  EXPECT_EQ(refusal(f.strings("test.string")),
            where + "test.string: wrong type, expected an array of strings, got string");
  EXPECT_EQ(refusal(f.strings("test.integers")),
            where + "test.integers: wrong type, expected an array of strings, got an array of i32");
  EXPECT_EQ(refusal(f.integers("test.strings")),
            where + "test.strings: wrong type, expected an array of integers below 2^63, got an "
                    "array of string");
  EXPECT_EQ(
      refusal(f.integers("test.floats")),
      where +
          "test.floats: wrong type, expected an array of integers below 2^63, got an array of f32");
  EXPECT_EQ(refusal(f.numbers("absent")),
            where + "absent: missing, expected an array of numbers, got nothing");
}

TEST(GGUF, TypedAccessOfOddArrays) {
  std::string image = gguf(0, 2,
                           kv("bools", kArray, u32(kBool) + u64(2) + "\x01\x02") +
                               kv("big", kArray, u32(kU64) + u64(1) + u64(UINT64_MAX)));
  auto f = GGUFFile::parse(image, "m");
  ASSERT_EQ(refusal(f), "accepted");
  EXPECT_EQ(refusal((*f)->integers("bools")),
            "m:bools: wrong type, expected an array of integers below 2^63, got an array of bool");
  EXPECT_EQ(refusal((*f)->integers("big")),
            "m:big: wrong type, expected an array of integers below 2^63, got an array of u64");
  EXPECT_EQ((*f)->numbers("big")->at(0), 0x1p64);
}

TEST(GGUF, FileThatIsNotThere) {
  TempDir dir;
  EXPECT_EQ(refusal(GGUFFile::open(dir.path("none"))),
            dir.path("none") + ": cannot open: No such file or directory");
}

TEST(GGUF, TypeTableKnowsItsHoles) {
  EXPECT_STREQ(ggmlTypeInfo(14).name, "Q6_K");
  EXPECT_EQ(ggmlTypeInfo(14).blockBytes, 210u);
  for (uint32_t retired : {4u, 5u, 31u, 32u, 33u, 36u, 37u, 38u, 41u, 1u << 31})
    EXPECT_EQ(ggmlTypeInfo(retired).name, nullptr) << retired;
}
