#include "fingpt/Compress/WeightScheme.h"

#include "fingpt/Compress/LowRank.h"

#include <charconv>
#include <cmath>

namespace fingpt::compress {

namespace {

template <typename T> struct Named {
  std::string_view name;
  T value;
};
constexpr Named<Rounding> kRoundings[] = {{"rtn", Rounding::Nearest},
                                          {"gptq", Rounding::Gptq},
                                          {"awq", Rounding::Awq},
                                          {"hqq", Rounding::Hqq}};
constexpr Named<Truncation> kTruncations[] = {{"svd", Truncation::Svd},
                                              {"asvd", Truncation::Asvd},
                                              {"svd-llm", Truncation::SvdLlm},
                                              {"svd-llm-v2", Truncation::SvdLlmV2}};

template <typename T, size_t N>
bool find(const Named<T> (&table)[N], std::string_view name, T &value) {
  for (const Named<T> &entry : table)
    if (entry.name == name) {
      value = entry.value;
      return true;
    }
  return false;
}

template <typename T, size_t N> std::string nameOf(const Named<T> (&table)[N], T value) {
  for (const Named<T> &entry : table)
    if (entry.value == value)
      return ":" + std::string(entry.name);
  return {};
}

template <typename T> bool number(std::string_view text, T &value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

} // namespace

static Error wrong(std::string_view text, std::string_view part, const std::string &expected) {
  return Error::at("scheme " + quote(text), "not understood", expected, quote(part));
}

Result<WeightScheme> parseWeightScheme(std::string_view text) {
  WeightScheme scheme;
  if (text == "keep")
    return scheme;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find('+', begin), text.size());
    std::string_view part = text.substr(begin, end - begin);
    begin = end + 1;
    size_t colon = std::min(part.find(':'), part.size());
    std::string_view head = part.substr(0, colon);
    std::string_view how = colon < part.size() ? part.substr(colon + 1) : std::string_view();
    if (colon + 1 == part.size())
      return wrong(text, part, "a method behind the colon");
    bool pair = scheme.removed > 0 || scheme.residualRank > 0;
    if (head.substr(0, 3) == "svd") {
      double percent = 0;
      if (!number(head.substr(3), percent) || !(percent > 0 && percent < 100))
        return wrong(text, part, "svdPERCENT with 0 < PERCENT < 100");
      if (scheme.codes || pair)
        return wrong(text, part, "svd first, and once");
      scheme.removed = percent / 100;
      if (!how.empty() && !find(kTruncations, how, scheme.truncation))
        return wrong(text, how, "svd, asvd, svd-llm or svd-llm-v2");
    } else if (head.substr(0, 2) == "lr") {
      if (!number(head.substr(2), scheme.residualRank) || scheme.residualRank < 1 ||
          scheme.residualRank > 65536)
        return wrong(text, part, "lrRANK with 1 <= RANK <= 65536");
      if (!scheme.codes || pair)
        return wrong(text, part, "a residual pair after the codes it corrects, once");
      if (!how.empty() && how != "loftq")
        return wrong(text, how, "loftq");
      scheme.alternate = how == "loftq";
      if (scheme.rounding == Rounding::Awq)
        return wrong(text, part, "no pair beside inputs that awq scales");
      if (scheme.alternate && scheme.rounding == Rounding::Hqq)
        return wrong(text, how, "rtn or gptq codes to alternate with");
    } else {
      Result<QuantScheme> codes = parseScheme(head);
      if (!codes)
        return codes.takeError();
      if (pair && !scheme.factors) {
        if (!how.empty())
          return wrong(text, how, "nothing: factors are rounded to nearest");
        scheme.factors = *codes;
        continue;
      }
      if (scheme.codes || scheme.factors)
        return wrong(text, part, "one format for the weight");
      scheme.codes = *codes;
      if (!how.empty() && !find(kRoundings, how, scheme.rounding))
        return wrong(text, how, "rtn, gptq, awq or hqq");
    }
  }
  if (scheme.keep())
    return wrong(text, text, "such as w4g64, nf4, svd25, w3g64+lr16 or keep");
  return scheme;
}

std::string percentText(double share) {
  char digits[64];
  double percent = share * 100; // rounded: what was written may be a neighbour
  auto readsBack = [&](const char *end) {
    double read = 0;
    return number(std::string_view(digits, size_t(end - digits)), read) && read / 100 == share;
  };
  for (int decimals = 0; decimals <= 20; ++decimals)
    for (double p : {percent, std::nextafter(percent, 0.0), std::nextafter(percent, INFINITY)}) {
      auto [end, error] =
          std::to_chars(digits, digits + sizeof digits, p, std::chars_format::fixed, decimals);
      if (error == std::errc() && readsBack(end))
        return {digits, end};
    }
  auto [end, error] = std::to_chars(digits, digits + sizeof digits, percent);
  return {digits, error == std::errc() ? end : digits};
}

std::string weightSchemeText(const WeightScheme &scheme) {
  if (scheme.keep())
    return "keep";
  std::string text;
  if (scheme.codes)
    text = schemeText(*scheme.codes) + nameOf(kRoundings, scheme.rounding);
  else
    text = "svd" + percentText(scheme.removed) + nameOf(kTruncations, scheme.truncation);
  if (scheme.residualRank > 0)
    text += "+lr" + std::to_string(scheme.residualRank) + (scheme.alternate ? ":loftq" : "");
  if (scheme.factors)
    text += "+" + schemeText(*scheme.factors);
  return text;
}

static int64_t pairBytes(const std::optional<QuantScheme> &factors, int64_t rows, int64_t cols,
                         int64_t rank) {
  return factors ? storedBytes(*factors, rows, rank) + storedBytes(*factors, rank, cols)
                 : 2 * rank * (rows + cols);
}

int64_t storedBytes(const WeightScheme &scheme, int64_t rows, int64_t cols, int64_t storedNow) {
  if (scheme.keep())
    return storedNow;
  if (!scheme.codes) {
    int64_t rank = rankForRatio(rows, cols, 1 - scheme.removed);
    int64_t bytes = pairBytes(scheme.factors, rows, cols, rank);
    return rank > 0 && bytes < storedNow ? bytes : storedNow;
  }
  int64_t rank = std::min({scheme.residualRank, rows, cols});
  int64_t bytes = storedBytes(*scheme.codes, rows, cols);
  if (scheme.rounding == Rounding::Awq)
    bytes += 2 * cols; // 1/s
  return rank > 0 ? bytes + pairBytes(scheme.factors, rows, cols, rank) : bytes;
}

} // namespace fingpt::compress
