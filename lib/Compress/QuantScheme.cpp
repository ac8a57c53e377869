#include "fingpt/Compress/QuantScheme.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

using namespace fingpt;
using namespace fingpt::compress;

namespace {

struct NamedFormat {
  const char *name;
  CodeFormat format;
  int64_t group;
  bool fixedGroup;
};
constexpr std::array<NamedFormat, 4> Codebooks = {{{"nf4", CodeFormat::NF4, 64, false},
                                                   {"fp4", CodeFormat::FP4, 64, false},
                                                   {"mxfp4", CodeFormat::MXFP4, 32, true},
                                                   {"nvfp4", CodeFormat::NVFP4, 16, true}}};

const NamedFormat *findFormat(CodeFormat format) {
  for (const NamedFormat &f : Codebooks)
    if (f.format == format)
      return &f;
  return nullptr;
}

Offset defaultOffset(int bits) { return bits == 8 ? Offset::Symmetric : Offset::ZeroCodes; }

Error badSpelling(std::string_view text, std::string_view got) {
  return Error::at("quantization scheme " + quote(text), "spelling",
                   "wBITS[gGROUP], nf4, fp4, mxfp4 or nvfp4, then -sym, -asym, -min, -signed, "
                   "-clip, -dq",
                   quote(got));
}

/// Reads digits at the front of `text`; false if there are none.
bool takeNumber(std::string_view &text, int64_t &value) {
  auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || value < 0)
    return false;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

/// The part before the options.
bool parseHead(std::string_view head, QuantScheme &scheme) {
  int64_t number = 0;
  const NamedFormat *named = nullptr;
  for (const NamedFormat &f : Codebooks)
    if (head.substr(0, std::string_view(f.name).size()) == f.name)
      named = &f;
  if (named) {
    head.remove_prefix(std::string_view(named->name).size());
    scheme.format = named->format;
    scheme.offset = Offset::Symmetric;
    scheme.group = named->group;
  } else {
    if (head.empty() || head[0] != 'w')
      return false;
    head.remove_prefix(1);
    if (!takeNumber(head, number) || number > 64)
      return false;
    scheme.bits = static_cast<int>(number);
    scheme.offset = defaultOffset(scheme.bits);
    scheme.group = 0;
  }
  if (!head.empty() && head[0] == 'g') {
    head.remove_prefix(1);
    if (!takeNumber(head, scheme.group))
      return false;
  }
  return head.empty();
}

/// The name of what an option decides; empty if there is no such option.
std::string_view parseOption(std::string_view option, QuantScheme &scheme) {
  if (option == "sym")
    scheme.offset = Offset::Symmetric;
  else if (option == "asym")
    scheme.offset = Offset::ZeroCodes;
  else if (option == "min")
    scheme.offset = Offset::Mins;
  else if (option == "signed")
    scheme.signedCodes = true;
  else if (option == "clip")
    scheme.searchClip = true;
  else if (option == "dq")
    scheme.doubleQuant = true;
  else
    return {};
  return option == "asym" || option == "min" ? "sym" : option;
}

} // namespace

Status compress::validate(const QuantScheme &s) {
  std::string where = "quantization scheme " + schemeText(s);
  if (s.bits < 2 || s.bits > 8)
    return Error::at(where, "bits", "2 to 8", std::to_string(s.bits));
  if (s.group != 0 && (s.group < 16 || s.group > 1024))
    return Error::at(where, "group", "16 to 1024, or 0 for a whole row", std::to_string(s.group));
  if (s.signedCodes && (s.offset != Offset::Symmetric || s.isLookup()))
    return Error::at(where, "signed codes go with symmetric integers only");
  if (s.doubleQuant && (s.offset != Offset::Symmetric || s.format == CodeFormat::MXFP4 ||
                        s.format == CodeFormat::NVFP4))
    return Error::at(where, "double quantization goes with symmetric integers, nf4 and fp4 only");
  if (const NamedFormat *named = findFormat(s.format)) {
    if (s.bits != 4 || s.offset != Offset::Symmetric)
      return Error::at(where, "a codebook format has 4 bits and no zeros");
    if (named->fixedGroup && s.group != named->group)
      return Error::at(where, "group", std::to_string(named->group), std::to_string(s.group));
  }
  return Status::ok();
}

Result<QuantScheme> compress::parseScheme(std::string_view text) {
  QuantScheme scheme;
  std::string_view rest = text.substr(0, text.find('-'));
  if (!parseHead(rest, scheme))
    return badSpelling(text, rest);
  std::vector<std::string_view> decided;
  for (size_t at = rest.size(); at < text.size();) {
    std::string_view option = text.substr(at + 1);
    option = option.substr(0, option.find('-'));
    std::string_view what = parseOption(option, scheme);
    if (what.empty())
      return badSpelling(text, option);
    if (std::find(decided.begin(), decided.end(), what) != decided.end())
      return Error::at("quantization scheme " + quote(text), "contradiction or repetition",
                       "one of -sym, -asym and -min, and each other option once", quote(option));
    decided.push_back(what);
    at += 1 + option.size();
  }
  if (Status s = validate(scheme); !s)
    return s.takeError();
  return scheme;
}

std::string compress::schemeText(const QuantScheme &s) {
  std::string text;
  if (const NamedFormat *named = findFormat(s.format)) {
    text = named->name;
    if (s.group != named->group)
      text += "g" + std::to_string(s.group);
  } else {
    text = "w" + std::to_string(s.bits);
    if (s.group != 0)
      text += "g" + std::to_string(s.group);
    if (s.offset != defaultOffset(s.bits))
      text += s.offset == Offset::Symmetric ? "-sym" : s.offset == Offset::Mins ? "-min" : "-asym";
  }
  text += s.signedCodes ? "-signed" : "";
  text += s.searchClip ? "-clip" : "";
  text += s.doubleQuant ? "-dq" : "";
  return text;
}

int64_t compress::storedBytes(const QuantScheme &s, int64_t rows, int64_t cols) {
  int64_t groups = s.groups(cols), perGroup = 2, extra = s.isLookup() ? 16 * 4 : 0;
  if (s.format == CodeFormat::MXFP4 || s.format == CodeFormat::NVFP4)
    perGroup = 1;
  if (s.offset == Offset::Mins)
    perGroup = 4;
  if (s.doubleQuant) {
    perGroup = 1;
    extra += groups * ((rows + 255) / 256) * 8;
  }
  int64_t zeros = s.offset == Offset::ZeroCodes ? (groups * s.bits + 7) / 8 : 0;
  return rows * ((cols * s.bits + 7) / 8 + groups * perGroup + zeros) + extra;
}
