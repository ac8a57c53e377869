// Every way in which a safetensors file can lie, each with the line it gets.
#include "TestFiles.h"

#include "fingpt/Params/SafetensorsFile.h"

#include <algorithm>

using namespace fingpt;
using namespace fingpt::test;

namespace {

struct Case {
  const char *name;
  std::string image;
  const char *expected; ///< after "m.safetensors:"
};

std::string one(std::string_view dtype, std::string_view shape, std::string_view offsets,
                size_t data) {
  return safetensors("{" + entry("a", dtype, shape, offsets) + "}", zeros(data));
}
std::string repeat(std::string_view s, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; ++i)
    out += s;
  return out;
}

const std::string kA = entry("a", "U8", "[4]", "[0,4]");

const Case kRefused[] = {
    // The length word.
    {"empty", "",
     "0x0: file too short for a safetensors header length, expected at least 8 bytes, got 0"},
    {"seven bytes", zeros(7),
     "0x0: file too short for a safetensors header length, expected at least 8 bytes, got 7"},
    {"length 0", u64(0) + "{}", "0x0: header length, expected at least 2, got 0"},
    {"length 1", u64(1) + "{}", "0x0: header length, expected at least 2, got 1"},
    {"length 2^64-1", u64(UINT64_MAX) + "{}",
     "0x0: header length, expected at most 100000000, got 18446744073709551615"},
    {"length 2^64-8 wraps past the file", u64(UINT64_MAX - 7) + "{}",
     "0x0: header length, expected at most 100000000, got 18446744073709551608"},
    {"length 2^63", u64(1ull << 63) + "{}",
     "0x0: header length, expected at most 100000000, got 9223372036854775808"},
    {"length above 100 MB", u64(100'000'001) + "{}",
     "0x0: header length, expected at most 100000000, got 100000001"},
    {"length 100 MB, file small", u64(100'000'000) + "{}",
     "0x0: header length, expected at most 2 (bytes left in the file), got 100000000"},
    {"length one beyond", u64(3) + "{}",
     "0x0: header length, expected at most 2 (bytes left in the file), got 3"},
    // JSON.
    {"array at the root", safetensors("[]"),
     "0x8: invalid JSON or wrong type, expected a JSON object, got an array"},
    {"word at the root", safetensors("null"),
     "0x8: invalid JSON or wrong type, expected a JSON object, got null"},
    {"spaces only", safetensors("    "),
     "0xc: invalid JSON or wrong type, expected a JSON object, got the end"},
    {"NUL padding", safetensors(std::string("{}\0\0", 4)),
     "0xa: invalid JSON, expected the end, got \"\\x00\""},
    {"garbage behind", safetensors("{} x"), "0xb: invalid JSON, expected the end, got x"},
    {"second object", safetensors("{}{}"), "0xa: invalid JSON, expected the end, got an object"},
    {"cut in a key", safetensors("{\"a"), "0x9: invalid JSON: string without end"},
    {"cut after a key", safetensors("{\"a\""), "0xc: invalid JSON, expected ':', got the end"},
    {"cut after the colon", safetensors("{\"a\":"),
     "0xd: invalid JSON or wrong type, expected an object as tensor entry, got the end"},
    {"cut in an entry", safetensors("{\"a\":{\"dtype\":\"U8\""),
     "0x1a: invalid JSON, expected ',' or '}', got the end"},
    {"trailing comma", safetensors("{" + kA + ",}", zeros(4)),
     "0x3d: invalid JSON or wrong type, expected a key in double quotes, got \"}\""},
    {"missing comma",
     safetensors("{" + kA + " " + entry("b", "U8", "[0]", "[4,4]") + "}", zeros(4)),
     "0x3d: invalid JSON, expected ',' or '}', got \"b\""},
    {"missing colon", safetensors("{\"a\" {}}"), "0xd: invalid JSON, expected ':', got an object"},
    {"key without quotes", safetensors("{a:{}}"),
     "0x9: invalid JSON or wrong type, expected a key in double quotes, got a"},
    {"single quotes", safetensors("{'a':{}}"),
     "0x9: invalid JSON or wrong type, expected a key in double quotes, got \"'\""},
    {"deep array in an extra field",
     safetensors("{\"a\":{\"x\":" + repeat("[", 200) + repeat("]", 200) + "}}"),
     "0x90: nesting deeper than 128"},
    {"a million levels", safetensors("{\"a\":{\"x\":" + repeat("[", 1'000'000)),
     "0x90: nesting deeper than 128"},
    {"a million objects", safetensors("{\"a\":{\"x\":" + repeat("{\"y\":", 1'000'000)),
     "0x288: nesting deeper than 128"},
    {"bad word", safetensors("{\"a\":{\"x\":tru}}"),
     "0x12: invalid JSON, expected a value, got tru"},
    {"bad number", safetensors("{\"a\":{\"x\":01}}"),
     "0x12: invalid JSON, expected a number, got 01"},
    {"number without digits", safetensors("{\"a\":{\"x\":1.}}"),
     "0x12: invalid JSON, expected a number, got 1."},
    {"number without exponent", safetensors("{\"a\":{\"x\":1e}}"),
     "0x12: invalid JSON, expected a number, got 1e"},
    {"minus alone", safetensors("{\"a\":{\"x\":-}}"),
     "0x12: invalid JSON, expected a number, got -"},
    {"no value", safetensors("{\"a\":{\"x\":}}"),
     "0x12: invalid JSON, expected a number, got \"}\""},
    {"array cut", safetensors("{\"a\":{\"x\":[1"),
     "0x14: invalid JSON, expected ',' or ']', got the end"},
    {"array without comma", safetensors("{\"a\":{\"x\":[1 2]}}"),
     "0x15: invalid JSON, expected ',' or ']', got 2"},
    {"control character in a name", safetensors("{\"a\nb\":{}}"),
     "0xb: invalid JSON: control character in a string"},
    {"invalid UTF-8 in a name", safetensors("{\"a\xff\":{}}"), "0xb: invalid UTF-8"},
    {"overlong UTF-8", safetensors("{\"\xc0\x80\":{}}"), "0xa: invalid UTF-8"},
    {"overlong UTF-8 of three", safetensors("{\"\xe0\x80\x80\":{}}"), "0xa: invalid UTF-8"},
    {"UTF-8 surrogate", safetensors("{\"\xed\xa0\x80\":{}}"), "0xa: invalid UTF-8"},
    {"UTF-8 beyond Unicode", safetensors("{\"\xf4\x90\x80\x80\":{}}"), "0xa: invalid UTF-8"},
    {"UTF-8 cut by the quote", safetensors("{\"\xe2\x82\":{}}"), "0xa: invalid UTF-8"},
    {"UTF-8 cut by the end", safetensors("{\"\xf0\x9f\x98"), "0xa: invalid UTF-8"},
    {"lone high surrogate", safetensors("{\"\\ud800\":{}}"), "0xa: invalid JSON: lone surrogate"},
    {"high surrogate, no low one", safetensors("{\"\\ud800\\u0041\":{}}"),
     "0xa: invalid JSON: lone surrogate"},
    {"lone low surrogate", safetensors("{\"\\udc00\":{}}"), "0xa: invalid JSON: lone surrogate"},
    {"bad escape", safetensors("{\"\\x41\":{}}"), "0xa: invalid JSON: bad escape"},
    {"bad hex", safetensors("{\"\\u00g0\":{}}"), "0xe: invalid JSON: bad \\u escape"},
    {"hex of a low surrogate bad", safetensors("{\"\\ud800\\uzzzz\":{}}"),
     "0x12: invalid JSON: bad \\u escape"},
    {"escape cut", safetensors("{\"\\"), "0xa: invalid JSON: bad escape"},
    // Structure.
    {"entry is a number", safetensors("{\"a\":1}"),
     "0xd: invalid JSON or wrong type, expected an object as tensor entry, got 1"},
    {"entry is a string", safetensors("{\"a\":\"U8\"}"),
     "0xd: invalid JSON or wrong type, expected an object as tensor entry, got \"U8\""},
    {"entry is null", safetensors("{\"a\":null}"),
     "0xd: invalid JSON or wrong type, expected an object as tensor entry, got null"},
    {"no dtype", safetensors("{\"a\":{\"shape\":[],\"data_offsets\":[0,0]}}"),
     "0x9: tensor \"a\": \"dtype\" is missing"},
    {"no shape", safetensors("{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,0]}}"),
     "0x9: tensor \"a\": \"shape\" is missing"},
    {"no data_offsets", safetensors("{\"a\":{\"dtype\":\"U8\",\"shape\":[]}}"),
     "0x9: tensor \"a\": \"data_offsets\" is missing"},
    {"duplicate tensor", safetensors("{" + kA + "," + kA + "}", zeros(4)),
     "0x3d: tensor \"a\": duplicate name"},
    {"duplicate tensor after unescaping",
     safetensors("{" + kA + "," + entry("\\u0061", "U8", "[0]", "[4,4]") + "}", zeros(4)),
     "0x3d: tensor \"a\": duplicate name"},
    {"duplicate dtype", safetensors("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"I8\"}}"),
     "0x1b: duplicate key \"dtype\""},
    {"duplicate shape", safetensors("{\"a\":{\"shape\":[],\"shape\":[4]}}"),
     "0x19: duplicate key \"shape\""},
    {"duplicate data_offsets",
     safetensors("{\"a\":{\"data_offsets\":[0,0],\"data_offsets\":[0,4]}}"),
     "0x23: duplicate key \"data_offsets\""},
    {"dtype is a number", safetensors("{\"a\":{\"dtype\":8}}"),
     "0x16: invalid JSON or wrong type, expected a string as \"dtype\", got 8"},
    {"shape is a number", safetensors("{\"a\":{\"shape\":4}}"),
     "0x16: invalid JSON or wrong type, expected an array as \"shape\", got 4"},
    {"shape is null", safetensors("{\"a\":{\"shape\":null}}"),
     "0x16: invalid JSON or wrong type, expected an array as \"shape\", got null"},
    {"data_offsets is an object", safetensors("{\"a\":{\"data_offsets\":{}}}"),
     "0x1d: invalid JSON or wrong type, expected an array as \"data_offsets\", got an object"},
    {"one offset", one("U8", "[4]", "[4]", 4), "0x36: \"data_offsets\", expected 2 numbers, got 1"},
    {"three offsets", one("U8", "[4]", "[0,4,4]", 4),
     "0x36: \"data_offsets\", expected 2 numbers, got 3"},
    {"offset is a string", one("U8", "[4]", "[\"0\",4]", 4),
     "0x37: data offset, expected a non-negative integer, got \"0\""},
    // Metadata.
    {"metadata is an array", safetensors("{\"__metadata__\":[]}"),
     "0x18: invalid JSON or wrong type, expected an object or null as \"__metadata__\", got an "
     "array"},
    {"metadata is a string", safetensors("{\"__metadata__\":\"pt\"}"),
     "0x18: invalid JSON or wrong type, expected an object or null as \"__metadata__\", got "
     "\"pt\""},
    {"metadata value is a number", safetensors("{\"__metadata__\":{\"k\":1}}"),
     "0x1d: invalid JSON or wrong type, expected a string as metadata value, got 1"},
    {"metadata value is null", safetensors("{\"__metadata__\":{\"k\":null}}"),
     "0x1d: invalid JSON or wrong type, expected a string as metadata value, got null"},
    {"metadata value is an object", safetensors("{\"__metadata__\":{\"k\":{}}}"),
     "0x1d: invalid JSON or wrong type, expected a string as metadata value, got an object"},
    {"metadata key twice", safetensors("{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}"),
     "0x21: duplicate key \"k\""},
    {"metadata twice", safetensors("{\"__metadata__\":{},\"__metadata__\":{}}"),
     "0x1b: duplicate key \"__metadata__\""},
    {"metadata null, then again", safetensors("{\"__metadata__\":null,\"__metadata__\":{}}"),
     "0x1d: duplicate key \"__metadata__\""},
    // Numbers in shapes and offsets.
    {"negative dimension", one("U8", "[-1]", "[0,1]", 1),
     "0x24: dimension, expected a non-negative integer, got -1"},
    {"minus zero", one("U8", "[-0]", "[0,0]", 0),
     "0x24: dimension, expected a non-negative integer, got -0"},
    {"float dimension", one("U8", "[1.0]", "[0,1]", 1),
     "0x24: dimension, expected a non-negative integer, got 1.0"},
    {"exponent dimension", one("U8", "[1e2]", "[0,100]", 100),
     "0x24: dimension, expected a non-negative integer, got 1e2"},
    {"1e400 dimension", one("U8", "[1e400]", "[0,1]", 1),
     "0x24: dimension, expected a non-negative integer, got 1e400"},
    {"dimension with a leading zero", one("U8", "[01]", "[0,1]", 1),
     "0x24: invalid JSON, expected a number, got 01"},
    {"string dimension", one("U8", "[\"4\"]", "[0,4]", 4),
     "0x24: dimension, expected a non-negative integer, got \"4\""},
    {"bool dimension", one("U8", "[true]", "[0,1]", 1),
     "0x24: dimension, expected a non-negative integer, got true"},
    {"null dimension", one("U8", "[null]", "[0,1]", 1),
     "0x24: dimension, expected a non-negative integer, got null"},
    {"nested dimension", one("U8", "[[4]]", "[0,4]", 4),
     "0x24: dimension, expected a non-negative integer, got an array"},
    {"dimension 2^63", one("U8", "[9223372036854775808]", "[0,0]", 0),
     "0x24: dimension, expected at most 9223372036854775807, got 9223372036854775808"},
    {"dimension 2^64", one("U8", "[18446744073709551616]", "[0,0]", 0),
     "0x24: dimension, expected a non-negative integer, got 18446744073709551616"},
    {"dimension of 30 digits", one("U8", "[100000000000000000000000000000]", "[0,0]", 0),
     "0x24: dimension, expected a non-negative integer, got 100000000000000000000000000000"},
    {"65 dimensions", one("U8", "[1" + repeat(",1", 64) + "]", "[0,1]", 1),
     "0xa4: tensor \"a\": more than 64 dimensions"},
    {"shape wraps to zero", one("F32", "[4294967296,4294967296]", "[0,0]", 0),
     "0x9: tensor \"a\": shape [4294967296, 4294967296] overflows"},
    {"shape wraps to one", one("U8", "[274177,67280421310721]", "[0,1]", 1),
     "0x9: tensor \"a\": shape [274177, 67280421310721] overflows"},
    {"shape times size wraps", one("F32", "[4611686018427387904]", "[0,0]", 0),
     "0x9: tensor \"a\": shape [4611686018427387904] overflows"},
    {"shape times bits wraps", one("U8", "[2305843009213693952]", "[0,0]", 0),
     "0x9: tensor \"a\": shape [2305843009213693952] overflows"},
    {"shape just below the wrap", one("U8", "[1152921504606846975]", "[0,0]", 0),
     "0x9: tensor \"a\": bytes of data, expected 1152921504606846975 for [1152921504606846975] of "
     "U8, got 0"},
    {"shape below the wrap, its bits beyond", one("F64", "[1152921504606846975]", "[0,0]", 0),
     "0x9: tensor \"a\": shape [1152921504606846975] overflows"},
    {"overflow hidden by a zero", one("U8", "[0,4611686018427387904,4]", "[0,0]", 0),
     "0x9: tensor \"a\": shape [0, 4611686018427387904, 4] overflows"},
    {"negative offset", one("U8", "[1]", "[-1,0]", 1),
     "0x37: data offset, expected a non-negative integer, got -1"},
    {"offset 2^64", one("U8", "[1]", "[0,18446744073709551616]", 1),
     "0x39: data offset, expected a non-negative integer, got 18446744073709551616"},
    {"end 2^64-1", one("U8", "[1]", "[0,18446744073709551615]", 1),
     "0x9: tensor \"a\": data end, expected at most 1, got 18446744073709551615"},
    {"begin and end 2^64-1", one("U8", "[0]", "[18446744073709551615,18446744073709551615]", 0),
     "0x9: tensor \"a\": data end, expected at most 0, got 18446744073709551615"},
    {"float offset", one("U8", "[1]", "[0,1.0]", 1),
     "0x39: data offset, expected a non-negative integer, got 1.0"},
    // Types.
    {"unknown dtype", one("F33", "[1]", "[0,4]", 4), "0x9: tensor \"a\": unknown dtype \"F33\""},
    {"dtype in lower case", one("f32", "[1]", "[0,4]", 4),
     "0x9: tensor \"a\": unknown dtype \"f32\""},
    {"empty dtype", one("", "[1]", "[0,4]", 4), "0x9: tensor \"a\": unknown dtype \"\""},
    {"int4 is no dtype", one("I4", "[2]", "[0,1]", 1), "0x9: tensor \"a\": unknown dtype \"I4\""},
    {"odd count of F4", one("F4", "[3]", "[0,1]", 1),
     "0x9: tensor \"a\": shape [3] of F4, expected whole bytes, got 12 bits"},
    {"F6 that fills no byte", one("F6_E2M3", "[2]", "[0,1]", 1),
     "0x9: tensor \"a\": shape [2] of F6_E2M3, expected whole bytes, got 12 bits"},
    {"F4 unsupported", one("F4", "[2]", "[0,1]", 1),
     "0x9: tensor \"a\": dtype F4 is not supported"},
    {"F6_E3M2 unsupported", one("F6_E3M2", "[4]", "[0,3]", 3),
     "0x9: tensor \"a\": dtype F6_E3M2 is not supported"},
    {"C64 unsupported", one("C64", "[1]", "[0,8]", 8),
     "0x9: tensor \"a\": dtype C64 is not supported"},
    {"FNUZ unsupported", one("F8_E4M3FNUZ", "[1]", "[0,1]", 1),
     "0x9: tensor \"a\": dtype F8_E4M3FNUZ is not supported"},
    // Extents.
    {"one byte short", one("F32", "[2]", "[0,7]", 7),
     "0x9: tensor \"a\": bytes of data, expected 8 for [2] of F32, got 7"},
    {"one byte long", one("F32", "[2]", "[0,9]", 9),
     "0x9: tensor \"a\": bytes of data, expected 8 for [2] of F32, got 9"},
    {"scalar without data", one("F32", "[]", "[0,0]", 0),
     "0x9: tensor \"a\": bytes of data, expected 4 for [] of F32, got 0"},
    {"zero dimension with data", one("F32", "[0]", "[0,4]", 4),
     "0x9: tensor \"a\": bytes of data, expected 0 for [0] of F32, got 4"},
    {"reversed", one("U8", "[4]", "[4,0]", 4),
     "0x9: tensor \"a\": data_offsets are reversed, expected begin <= end, got [4, 0]"},
    {"past the end", one("U8", "[5]", "[0,5]", 4),
     "0x9: tensor \"a\": data end, expected at most 4, got 5"},
    {"no data at all", one("U8", "[4]", "[0,4]", 0),
     "0x9: tensor \"a\": data end, expected at most 0, got 4"},
    {"hole in front", one("U8", "[4]", "[1,5]", 5),
     "0x9: tensor \"a\": hole in the data before it, expected begin 0, got 1"},
    {"hole in the middle",
     safetensors("{" + kA + "," + entry("b", "U8", "[1]", "[5,6]") + "}", zeros(6)),
     "0x3d: tensor \"b\": hole in the data before it, expected begin 4, got 5"},
    {"overlap", safetensors("{" + kA + "," + entry("b", "U8", "[4]", "[3,7]") + "}", zeros(7)),
     "0x3d: tensor \"b\": data overlaps another tensor, expected begin 4, got 3"},
    {"same extent", safetensors("{" + kA + "," + entry("b", "U8", "[4]", "[0,4]") + "}", zeros(4)),
     "0x3d: tensor \"b\": data overlaps another tensor, expected begin 4, got 0"},
    {"nested extent",
     safetensors("{" + kA + "," + entry("b", "U8", "[1]", "[1,2]") + "}", zeros(4)),
     "0x3d: tensor \"b\": data overlaps another tensor, expected begin 4, got 1"},
    {"empty tensor in the middle of another",
     safetensors("{" + kA + "," + entry("b", "U8", "[0]", "[2,2]") + "}", zeros(4)),
     "0x3d: tensor \"b\": data overlaps another tensor, expected begin 4, got 2"},
    {"bytes behind", one("U8", "[4]", "[0,4]", 5),
     "0x41: bytes after the last tensor, expected the end of the file, got 1 bytes"},
    {"data without tensors", safetensors("{}", "x"),
     "0xa: bytes after the last tensor, expected the end of the file, got 1 bytes"},
    // Foreign text.
    {"escape sequences in a name",
     safetensors("{" + entry("\\u001b[2J\\n\\u0000", "X", "[]", "[0,0]") + "}"),
     "0x9: tensor \"\\x1b[2J\\x0a\\x00\": unknown dtype \"X\""},
    {"long name", safetensors("{" + entry(repeat("n", 5000), "X", "[]", "[0,0]") + "}"),
     "0x9: tensor "
     "\"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
     "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
     "nnnnnnnnnnnnnnnn…\": unknown dtype \"X\""},
    {"long dtype", one(repeat("d", 5000), "[]", "[0,0]", 0),
     "0x9: tensor \"a\": unknown dtype \"dddddddddddddddddddddddddddddddddddddddd…\""},
};

} // namespace

TEST(SafetensorsHostile, EveryLieGetsItsLine) {
  for (const Case &c : kRefused) {
    offerSeed("safetensors", c.image);
    std::string message = refusal(SafetensorsFile::parse(c.image, "m.safetensors"));
    EXPECT_EQ(message, std::string("m.safetensors:") + c.expected) << c.name;
    EXPECT_LT(message.size(), 1000u) << c.name;
    EXPECT_EQ(std::count_if(message.begin(), message.end(),
                            [](char ch) { return static_cast<unsigned char>(ch) < 0x20; }),
              0)
        << c.name;
  }
}

TEST(Safetensors, AcceptsWhatTheReferenceAccepts) {
  const Case accepted[] = {
      {"no tensors", safetensors("{}"), ""},
      {"spaces around", safetensors("  \n\t\r{ } "), ""},
      {"metadata", safetensors("{\"__metadata__\":{\"format\":\"pt\"}}"), ""},
      {"metadata null", safetensors("{\"__metadata__\":null}"), ""},
      {"scalar", one("F32", "[]", "[0,4]", 4), ""},
      {"zero dimension", one("F32", "[0,7]", "[0,0]", 0), ""},
      {"order of offsets",
       safetensors("{" + entry("b", "U8", "[1]", "[4,5]") + "," + kA + "}", zeros(5)), ""},
      {"extra fields",
       safetensors("{\"a\":{\"x\":[1,-2.5e-3,1E+4,0.5,{\"y\":null}],\"dtype\":\"U8\",\"shape\":[4],"
                   "\"data_offsets\":[0,4],\"z\":[true,false,\"\\u00e9\\ud83d\\ude00\"],"
                   "\"e\":[],\"o\":{}}}",
                   zeros(4)),
       ""},
      {"depth 127",
       safetensors("{\"a\":{\"x\":" + repeat("[", 126) + repeat("]", 126) +
                       ",\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
                   zeros(4)),
       ""},
      {"64 dimensions", one("U8", "[1" + repeat(",1", 63) + "]", "[0,1]", 1), ""},
      {"empty tensors between",
       safetensors("{" + kA + "," + entry("e", "U8", "[0]", "[4,4]") + "," +
                       entry("f", "U8", "[0]", "[0,0]") + "}",
                   zeros(4)),
       ""},
      {"empty name", safetensors("{" + entry("", "U8", "[4]", "[0,4]") + "}", zeros(4)), ""},
  };
  for (const Case &c : accepted) {
    offerSeed("safetensors", c.image);
    EXPECT_EQ(refusal(SafetensorsFile::parse(c.image, "m")), "accepted") << c.name;
  }
}

TEST(Safetensors, EveryDTypeHasItsSize) {
  const std::pair<const char *, unsigned> types[] = {
      {"BOOL", 1},    {"U8", 1},   {"I8", 1},  {"U16", 2},     {"I16", 2},     {"U32", 4},
      {"I32", 4},     {"U64", 8},  {"I64", 8}, {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F16", 2},
      {"F8_E8M0", 1}, {"BF16", 2}, {"F32", 4}, {"F64", 8}};
  for (auto [name, size] : types) {
    std::string end = std::to_string(3 * size);
    auto f = SafetensorsFile::parse(one(name, "[3]", "[0," + end + "]", 3 * size), "m");
    ASSERT_EQ(refusal(f), "accepted") << name;
    EXPECT_STREQ(dtypeName((*f)->tensors()[0].dtype), name);
    EXPECT_EQ(dtypeSize((*f)->tensors()[0].dtype), size);
  }
}

TEST(Safetensors, TellsWhatTheHeaderSays) {
  std::string image =
      safetensors("{\"__metadata__\":{\"k\\\"\\\\\\/\\b\\f\\n\\r\\t\":\"v\"}," +
                      entry("\\u00fc\\u20ac\\ud83d\\ude00", "F32", "[2,1]", "[3,11]") + "," +
                      entry("head", "U8", "[3]", "[0,3]") + "}",
                  zeros(11));
  auto f = SafetensorsFile::parse(image, "m");
  ASSERT_EQ(refusal(f), "accepted");
  EXPECT_EQ((*f)->metadata().at("k\"\\/\b\f\n\r\t"), "v");
  ASSERT_EQ((*f)->tensors().size(), 2u);
  const SafetensorsTensor &head = (*f)->tensors()[0], &t = (*f)->tensors()[1];
  EXPECT_EQ(head.name, "head");
  EXPECT_EQ(t.name, "ü€😀");
  EXPECT_EQ(t.shape, (Shape{2, 1}));
  EXPECT_EQ(t.offset, image.size() - 8);
  EXPECT_EQ(t.bytes, 8u);
}
