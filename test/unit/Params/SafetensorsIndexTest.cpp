#include "TestFiles.h"

#include "fingpt/Params/SafetensorsFile.h"

using namespace fingpt;
using namespace fingpt::test;

namespace {

struct Case {
  const char *name;
  std::string text;
  const char *expected; ///< after "i.json:"
};

std::string map(std::string_view entries) {
  return "{\"weight_map\":{" + std::string(entries) + "}}";
}

const Case kRefused[] = {
    {"empty", "",
     "0x0: invalid JSON: syntax error while parsing value - unexpected end of input; expected '[', "
     "'{', or a literal"},
    {"cut", "{\"weight_map\":{\"a\":\"s",
     "0x15: invalid JSON: syntax error while parsing value - invalid string: missing closing "
     "quote; last read: '\\\"s'"},
    {"array", "[]", "/: wrong type, expected an object, got an array of 0"},
    {"no map", "{}", "/weight_map: missing, expected an object, got nothing"},
    {"map null", "{\"weight_map\":null}", "/weight_map: missing, expected an object, got nothing"},
    {"map is an array", "{\"weight_map\":[]}",
     "/weight_map: wrong type, expected an object, got an array of 0"},
    {"map empty", map(""), "/weight_map: no tensors"},
    {"number as shard", map("\"a\":1"), "/weight_map/a: shard, expected a file name, got 1"},
    {"list as shard", map("\"a\":[\"s\"]"),
     "/weight_map/a: shard, expected a file name, got an array of 1"},
    {"null as shard", map("\"a\":null"), "/weight_map/a: shard, expected a file name, got null"},
    {"parent", map("\"a\":\"../s.safetensors\""),
     "/weight_map/a: shard, expected a plain file name in the same directory, got "
     "\"../s.safetensors\""},
    {"parent in the middle", map("\"a\":\"x/../../s\""),
     "/weight_map/a: shard, expected a plain file name in the same directory, got \"x/../../s\""},
    {"absolute", map("\"a\":\"/etc/passwd\""),
     "/weight_map/a: shard, expected a plain file name in the same directory, got \"/etc/passwd\""},
    {"subdirectory", map("\"a\":\"x/s\""),
     "/weight_map/a: shard, expected a plain file name in the same directory, got \"x/s\""},
    {"backslash", map("\"a\":\"..\\\\s\""),
     "/weight_map/a: shard, expected a plain file name in the same directory, got \"..\\\\s\""},
    {"drive", map("\"a\":\"C:s\""),
     "/weight_map/a: shard, expected a plain file name in the same directory, got \"C:s\""},
    {"NUL", map("\"a\":\"s\\u0000.safetensors\""),
     "/weight_map/a: shard, expected a plain file name in the same directory, got "
     "\"s\\x00.safetensors\""},
    {"no name", map("\"a\":\"\""),
     "/weight_map/a: shard, expected a plain file name in the same directory, got \"\""},
    {"dot", map("\"a\":\".\""),
     "/weight_map/a: shard, expected a plain file name in the same directory, got \".\""},
    {"two dots", map("\"a\":\"..\""),
     "/weight_map/a: shard, expected a plain file name in the same directory, got \"..\""},
    {"long name", map("\"a\":\"" + std::string(300, 's') + "\""),
     "/weight_map/a: shard, expected a plain file name in the same directory, got "
     "\"sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
     "sssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
     "ssssssssssssssss…\""},
    {"tensor twice", map("\"a\":\"s\",\"a\":\"t\""), "0x1a: duplicate key \"a\""},
    {"tensor twice after unescaping", map("\"a\":\"s\",\"\\u0061\":\"t\""),
     "0x1f: duplicate key \"a\""},
    {"map twice", "{\"weight_map\":{\"a\":\"s\"},\"weight_map\":{}}",
     "0x24: duplicate key \"weight_map\""},
    {"deep", "{\"weight_map\":" + std::string(200, '['), "0x8e: nesting deeper than 128"},
    {"escape sequence", map("\"\\u001b[2J\":\"\\n/\""),
     "/weight_map/\\x1b[2J: shard, expected a plain file name in the same directory, got "
     "\"\\x0a/\""},
};

const char *const kIndex = "model.safetensors.index.json";

} // namespace

TEST(SafetensorsIndexHostile, EveryLieGetsItsLine) {
  for (const Case &c : kRefused) {
    offerSeed("safetensors-index", c.text);
    EXPECT_EQ(refusal(SafetensorsIndex::parse(c.text, "i.json")),
              std::string("i.json:") + c.expected)
        << c.name;
  }
}

class Shards : public testing::Test {
protected:
  void SetUp() override {
    dir.write("1.safetensors", safetensors("{" + entry("a", "U8", "[2]", "[0,2]") + "}", "ab"));
    dir.write("2.safetensors", safetensors("{" + entry("b", "U8", "[1]", "[0,1]") + "," +
                                               entry("c", "U8", "[1]", "[1,2]") + "}",
                                           "cd"));
  }
  std::string add(std::string_view text) {
    return refusal(store.addSafetensorsIndex(dir.write(kIndex, text)));
  }
  std::string at(std::string_view rest) { return dir.path(rest); }
  TempDir dir;
  ParamStore store;
};

TEST_F(Shards, BecomeOneStore) {
  ASSERT_EQ(add(map("\"b\":\"2.safetensors\",\"a\":\"1.safetensors\",\"c\":\"2.safetensors\"")),
            "accepted");
  EXPECT_EQ(values<char>(store, "a"), (std::vector<char>{'a', 'b'}));
  EXPECT_EQ(values<char>(store, "c"), (std::vector<char>{'d'}));
  EXPECT_EQ(store.find("c")->source, at("2.safetensors"));
}

TEST_F(Shards, AddFileTakesTheIndexToo) {
  std::string path = dir.write(kIndex, map("\"a\":\"1.safetensors\""));
  ASSERT_EQ(refusal(store.addFile(path)), "accepted");
  EXPECT_TRUE(store.find("a"));
}

TEST_F(Shards, MissingShard) {
  EXPECT_EQ(add(map("\"a\":\"1.safetensors\",\"x\":\"3.safetensors\"")),
            at("3.safetensors") + ": cannot open: No such file or directory");
  EXPECT_TRUE(store.list().empty());
}

TEST_F(Shards, ShardIsADirectory) {
  std::filesystem::create_directory(at("d.safetensors"));
  EXPECT_EQ(add(map("\"a\":\"d.safetensors\"")),
            at("d.safetensors") + ": wrong kind of file, expected a regular file, got a directory");
}

TEST_F(Shards, ShardIsBroken) {
  dir.write("3.safetensors", "x");
  EXPECT_EQ(add(map("\"a\":\"1.safetensors\",\"x\":\"3.safetensors\"")),
            at("3.safetensors") + ":0x0: file too short for a safetensors header length, "
                                  "expected at least 8 bytes, got 1");
}

TEST_F(Shards, TensorInAnotherShardThanMapped) {
  EXPECT_EQ(add(map("\"a\":\"2.safetensors\",\"b\":\"2.safetensors\",\"c\":\"1.safetensors\"")),
            at("2.safetensors") + ":0x3d: tensor \"c\": shard, expected \"1.safetensors\" by the "
                                  "index, got \"2.safetensors\"");
}

TEST_F(Shards, TensorNotInTheMap) {
  EXPECT_EQ(add(map("\"a\":\"1.safetensors\",\"b\":\"2.safetensors\"")),
            at("2.safetensors") + ":0x3d: tensor \"c\": shard, expected an entry of the index, got "
                                  "\"2.safetensors\"");
}

TEST_F(Shards, TensorNotInItsShard) {
  EXPECT_EQ(add(map("\"a\":\"1.safetensors\",\"x\":\"1.safetensors\"")),
            at(kIndex) + ":/weight_map/x: not in its shard \"1.safetensors\"");
}

TEST_F(Shards, TensorClaimedByTwoShards) {
  dir.write("3.safetensors", safetensors("{" + entry("a", "U8", "[2]", "[0,2]") + "," +
                                             entry("x", "U8", "[0]", "[2,2]") + "}",
                                         "ab"));
  EXPECT_EQ(add(map("\"a\":\"1.safetensors\",\"x\":\"3.safetensors\"")),
            at("3.safetensors") + ":0x9: tensor \"a\": shard, expected \"1.safetensors\" by the "
                                  "index, got \"3.safetensors\"");
  EXPECT_TRUE(store.list().empty());
}
