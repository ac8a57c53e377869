// The fields of a block format and their formula give, bit for bit, what the
// format decodes to.
#include "Params/BlockFormats.h"
#include "TestFiles.h"

#include "fingpt/Params/GGUFFile.h"
#include "fingpt/Support/Float.h"

#include <cmath>

using namespace fingpt;
using namespace fingpt::test;

namespace {

const uint32_t kTypes[] = {2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 20, 39};

/// Element `i` of a little-endian bit stream.
int codeAt(const uint8_t *stream, unsigned bits, size_t i) {
  int code = 0;
  for (unsigned b = 0; b < bits; ++b) {
    size_t at = i * bits + b;
    code |= (stream[at / 8] >> at % 8 & 1) << b;
  }
  return code;
}

/// A product that no compiler fuses with the addition around it.
float times(float a, float b) {
  volatile float product = a * b;
  return product;
}

/// The dense tensor by the formula that BlockForm's comments give.
std::vector<float> evaluate(const ParamStore &store, const BlockForm &form) {
  auto bytes = [&](const std::string &name) { return values<uint8_t>(store, name); };
  auto halves = [&](const std::string &name) {
    std::vector<float> out;
    for (uint16_t h : values<uint16_t>(store, name))
      out.push_back(f16ToFloat(h));
    return out;
  };
  const int64_t out = form.shape[0], in = form.shape[1];
  const int64_t groups = in / form.group;
  std::vector<uint8_t> codes = bytes(form.codes);
  std::vector<float> scales, mins, superScales, superMins;
  if (form.twoLevel) {
    for (uint8_t s : bytes(form.scales))
      scales.push_back(form.scalesSigned ? static_cast<float>(static_cast<int8_t>(s))
                                         : static_cast<float>(s - form.scaleZero));
    if (!form.mins.empty())
      for (uint8_t m : bytes(form.mins))
        mins.push_back(static_cast<float>(m));
    superScales = halves(form.superScales);
    if (!form.superMins.empty())
      superMins = halves(form.superMins);
  } else {
    scales = store.find(form.scales)->dtype == DType::F32 ? values<float>(store, form.scales)
                                                          : halves(form.scales);
    if (!form.mins.empty())
      mins = halves(form.mins);
  }

  std::vector<float> result;
  const size_t rowBytes = codes.size() / static_cast<size_t>(out);
  for (int64_t o = 0; o < out; ++o)
    for (int64_t i = 0; i < in; ++i) {
      const uint8_t *row = codes.data() + static_cast<size_t>(o) * rowBytes;
      int code = codeAt(row, form.bits, static_cast<size_t>(i));
      if (form.codesSigned)
        code = static_cast<int8_t>(code);
      float q = form.codebook.empty() ? static_cast<float>(code - form.zero)
                                      : form.codebook[static_cast<size_t>(code)];
      auto group = static_cast<size_t>(o * groups + i / form.group);
      if (!form.twoLevel) {
        result.push_back(mins.empty() ? times(q, scales[group])
                                      : times(q, scales[group]) + mins[group]);
        continue;
      }
      auto super =
          static_cast<size_t>(o * (groups / form.superGroup) + i / form.group / form.superGroup);
      float value = times(q, times(superScales[super], scales[group]));
      result.push_back(mins.empty() ? value : value - times(superMins[super], mins[group]));
    }
  return result;
}

void expectSameBits(const std::vector<float> &a, const std::vector<float> &b,
                    const std::string &what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i]))
      continue; // which NaN is not promised
    ASSERT_EQ(floatToBits(a[i]), floatToBits(b[i])) << what << " element " << i;
  }
}

/// A GGUF with one tensor of random blocks, `rows` × `width`.
std::string randomBlocks(uint32_t type, uint64_t rows, uint64_t width, uint32_t seed,
                         std::string &blocks) {
  GGMLTypeInfo info = ggmlTypeInfo(type);
  blocks.clear();
  uint32_t state = seed * 2654435761u + type;
  for (uint64_t n = rows * width / info.blockElements * info.blockBytes; n > 0; --n) {
    state = state * 1664525u + 1013904223u;
    blocks.push_back(static_cast<char>(state >> 24));
  }
  return gguf(1, 0, tensorInfo("w", {width, rows}, type, 0), blocks);
}

} // namespace

TEST(BlockFormats, ReferenceAgreesWithGGUFPackage) {
  auto gguf = GGUFFile::open(dataFile("blocks.gguf"));
  ASSERT_EQ(refusal(gguf), "accepted");
  ParamStore expected;
  ASSERT_EQ(refusal(expected.addFile(dataFile("blocks.safetensors"))), "accepted");
  size_t compared = 0;
  for (const GGUFTensor &t : (*gguf)->tensors()) {
    if (t.name == "plain")
      continue;
    const auto *data = reinterpret_cast<const uint8_t *>((*gguf)->image().data()) + t.offset;
    expectSameBits(dequantizeBlocks(t.type, data, 1024), values<float>(expected, t.name), t.name);
    ++compared;
  }
  EXPECT_EQ(compared, std::size(kTypes));
}

TEST(BlockFormats, FieldsAgreeWithGGUFPackage) {
  ParamStore store, expected;
  ASSERT_EQ(refusal(store.addFile(dataFile("blocks.gguf"))), "accepted");
  ASSERT_EQ(refusal(expected.addFile(dataFile("blocks.safetensors"))), "accepted");
  ASSERT_EQ(store.blockForms().size(), std::size(kTypes));
  for (const BlockForm &form : store.blockForms()) {
    EXPECT_EQ(store.find(form.name), nullptr);
    EXPECT_EQ(store.findBlockForm(form.name), &form);
    expectSameBits(evaluate(store, form), values<float>(expected, form.name), form.name);
  }
  EXPECT_EQ(values<float>(store, "plain"), values<float>(expected, "plain"));
}

TEST(BlockFormats, FieldsReproduceRandomBlocks) {
  TempDir dir;
  for (uint32_t type : kTypes)
    for (uint32_t seed = 0; seed < 8; ++seed) {
      std::string blocks;
      if (seed == 0)
        offerSeed("gguf", randomBlocks(type, 1, 256, 0, blocks));
      // Includes scales that are NaN and infinite.
      std::string path = dir.write("m.gguf", randomBlocks(type, 3, 512, seed, blocks));
      ParamStore store;
      ASSERT_EQ(refusal(store.addFile(path)), "accepted");
      expectSameBits(
          evaluate(store, store.blockForms()[0]),
          dequantizeBlocks(type, reinterpret_cast<const uint8_t *>(blocks.data()), 3 * 512),
          ggmlTypeInfo(type).name);
    }
}

TEST(BlockFormats, FieldsHaveTheirShapes) {
  ParamStore store;
  ASSERT_EQ(refusal(store.addFile(dataFile("blocks.gguf"))), "accepted");
  auto check = [&](const char *name, DType dtype, Shape shape) {
    const ParamInfo *info = store.find(name);
    ASSERT_TRUE(info) << name;
    EXPECT_EQ(info->dtype, dtype) << name;
    EXPECT_EQ(info->shape, shape) << name;
  };
  check("Q4_1.codes", DType::U8, {4, 128});
  check("Q4_1.scales", DType::F16, {4, 8});
  check("Q4_1.mins", DType::F16, {4, 8});
  check("Q5_0.codes", DType::U8, {4, 160});
  check("Q5_1.codes", DType::U8, {1, 640}); // 1-D
  check("Q8_0.codes", DType::I8, {4, 256}); // [2, 2, 256]
  check("Q2_K.codes", DType::U8, {4, 64});
  check("Q2_K.mins", DType::U8, {4, 16});
  check("Q3_K.codes", DType::U8, {4, 96});
  check("Q6_K.codes", DType::U8, {4, 192});
  check("Q6_K.scales", DType::I8, {4, 16});
  check("Q4_K.super_scales", DType::F16, {4, 1});
  check("Q4_K.super_mins", DType::F16, {4, 1});
  check("MXFP4.scales", DType::F32, {4, 8});
  EXPECT_EQ(store.find("Q3_K.mins"), nullptr);
  EXPECT_EQ(store.findBlockForm("Q8_0")->shape, (Shape{4, 256}));
  for (const ParamInfo *info : store.list()) {
    Result<TensorData> data = store.get(info->name);
    ASSERT_TRUE(bool(data)) << info->name;
    EXPECT_EQ(data->bytes, info->bytes);
    uint64_t elements = 1;
    for (int64_t d : info->shape)
      elements *= static_cast<uint64_t>(d);
    EXPECT_EQ(info->bytes, elements * dtypeSize(info->dtype)) << info->name;
  }
}

TEST(BlockFormats, CodesArePackedLowBitsFirst) {
  // Q4_0: byte j of the block has element j low and j+16 high.
  std::string block = le<uint16_t>(0x3c00);
  for (int j = 0; j < 16; ++j)
    block.push_back(static_cast<char>(j | (15 - j) << 4));
  TempDir dir;
  ParamStore store;
  ASSERT_EQ(
      refusal(store.addFile(dir.write("m.gguf", gguf(1, 0, tensorInfo("w", {32}, 2, 0), block)))),
      "accepted");
  std::vector<uint8_t> expected;
  for (int j = 0; j < 16; j += 2)
    expected.push_back(static_cast<uint8_t>(j | (j + 1) << 4));
  for (int j = 15; j > 0; j -= 2)
    expected.push_back(static_cast<uint8_t>(j | (j - 1) << 4));
  EXPECT_EQ(values<uint8_t>(store, "w.codes"), expected);
}

TEST(BlockFormats, UndecodableFormatsAreNamed) {
  TempDir dir;
  std::string path =
      dir.write("m.gguf", gguf(2, 0, tensorInfo("ok", {8}, 0, 0) + tensorInfo("w", {256}, 16, 32),
                               zeros(32 + 66)));
  ParamStore store;
  EXPECT_EQ(refusal(store.addFile(path)),
            path + ": tensor \"w\": block format, expected one that can be decoded, got IQ2_XXS");
  EXPECT_TRUE(store.list().empty());
  EXPECT_TRUE(dequantizeBlocks(16, nullptr, 0).empty());
}

TEST(BlockFormats, FieldNamesThatCollideAreRefused) {
  TempDir dir;
  std::string path = dir.write(
      "m.gguf",
      gguf(2, 0, tensorInfo("w.codes", {8}, 0, 0) + tensorInfo("w", {32}, 2, 32), zeros(32 + 18)));
  ParamStore store;
  EXPECT_EQ(refusal(store.addFile(path)), path + ": tensor \"w.codes\": exists already");
}
