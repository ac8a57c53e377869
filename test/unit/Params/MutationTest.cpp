// Every prefix and every flipped bit of a small valid file of each format: the
// answer is a file or one line, never a crash. What is accepted is touched at
// both ends of every extent (the sanitizers watch), and the truncations that the
// format can notice are refused.
#include "TestFiles.h"

#include "fingpt/Params/GGUFFile.h"
#include "fingpt/Params/Llama2CFile.h"
#include "fingpt/Params/SafetensorsFile.h"

#include <functional>

using namespace fingpt;
using namespace fingpt::test;

namespace {

volatile unsigned char sink;

template <typename File> std::string tryParse(const std::string &bytes) {
  // Exactly as long as the image: reading one byte more is caught.
  std::vector<char> image(bytes.begin(), bytes.end());
  auto f = File::parse(std::string_view(image.data(), image.size()), "m");
  if (!f) {
    const std::string &message = f.error().message();
    EXPECT_EQ(message.rfind("m:", 0), 0u) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return message;
  }
  for (const auto &t : (*f)->tensors()) {
    EXPECT_LE(t.offset, image.size());
    EXPECT_LE(t.bytes, image.size() - t.offset);
    if (t.bytes != 0) {
      sink = static_cast<unsigned char>(image[t.offset]);
      sink = static_cast<unsigned char>(image[t.offset + t.bytes - 1]);
    }
  }
  return "";
}

struct Counts {
  size_t accepted = 0, refused = 0;
};

template <typename File> Counts prefixes(const std::string &bytes) {
  Counts n;
  for (size_t length = 0; length < bytes.size(); ++length)
    ++(tryParse<File>(bytes.substr(0, length)).empty() ? n.accepted : n.refused);
  EXPECT_EQ(tryParse<File>(bytes), "");
  return n;
}
template <typename File> Counts flips(std::string bytes) {
  Counts n;
  for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    ++(tryParse<File>(bytes).empty() ? n.accepted : n.refused);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
  }
  return n;
}

std::string smallSafetensors() {
  return safetensors("{\"__metadata__\":{\"format\":\"pt\"}," +
                         entry("a.weight", "F32", "[2,3]", "[0,24]") + "," +
                         entry("b", "U8", "[5]", "[24,29]") + "," +
                         entry("c\\u00e9", "BF16", "[]", "[29,31]") + "}   ",
                     std::string(31, 'd'));
}
std::string smallGGUF() {
  return gguf(2, 4,
              kv("general.architecture", 8, gstr("llama")) + kv("general.alignment", 4, u32(32)) +
                  kv("s", 9, u32(8) + u64(2) + gstr("a") + gstr("bc")) +
                  kv("f", 9, u32(6) + u64(2) + u64(0)) + tensorInfo("w", {32, 2}, 3, 0) +
                  tensorInfo("n", {3}, 0, 64),
              std::string(76, 'd'));
}

} // namespace

TEST(Mutation, Safetensors) {
  std::string file = smallSafetensors();
  offerSeed("safetensors", file);
  EXPECT_EQ(prefixes<SafetensorsFile>(file).accepted, 0u); // tiling notices any cut
  Counts n = flips<SafetensorsFile>(file);
  EXPECT_GE(n.accepted, 8u * 31); // every flip within the data
  EXPECT_GT(n.refused, n.accepted);
}

TEST(Mutation, GGUF) {
  std::string file = smallGGUF();
  offerSeed("gguf", file);
  EXPECT_EQ(prefixes<GGUFFile>(file).accepted, 0u);
  Counts n = flips<GGUFFile>(file);
  EXPECT_GE(n.accepted, 8u * 76);
  EXPECT_GT(n.refused, 500u);
}

TEST(Mutation, Llama2C) {
  std::string file = smallLlama();
  offerSeed("llama2c", file);
  EXPECT_EQ(prefixes<Llama2CFile>(file).accepted, 0u);
  Counts n = flips<Llama2CFile>(file);
  EXPECT_EQ(n.accepted, 8u * (file.size() - 28)); // no header word may change
}

TEST(Mutation, SafetensorsIndex) {
  std::string text =
      R"({"metadata":{"total_size":9},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}})";
  offerSeed("safetensors-index", text);
  for (size_t length = 0; length < text.size(); ++length)
    EXPECT_NE(refusal(SafetensorsIndex::parse(text.substr(0, length), "m")), "accepted");
  for (size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string changed = text;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ 1 << bit % 8);
    auto r = SafetensorsIndex::parse(changed, "m");
    if (!r) {
      EXPECT_EQ(r.error().message().rfind("m:", 0), 0u) << r.error().message();
      continue;
    }
    for (const std::string &shard : r->shards)
      EXPECT_EQ(shard.find_first_of("/\\"), std::string::npos);
  }
}
