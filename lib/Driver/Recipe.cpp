#include "fingpt/Driver/Recipe.h"

#include "fingpt/Compress/CompressedWeight.h"
#include "fingpt/Support/MappedFile.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/Regex.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLParser.h"
#include "llvm/Support/thread.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <cstring>

namespace fingpt {

using compress::parseWeightScheme;
using compress::WeightScheme;
using compress::weightSchemeText;

static WeightScheme schemeOf(const char *text) { return *parseWeightScheme(text); }

static std::vector<WeightScheme> defaultCandidates() {
  std::vector<WeightScheme> schemes;
  for (const char *text : {"w2g32", "w2g64", "w3g64", "w3g32", "w4g128", "nf4", "w4g64", "w4g32",
                           "w5g64", "w6g64", "w8g64"})
    schemes.push_back(schemeOf(text));
  return schemes;
}

static bool usesStatistics(const WeightScheme &s) {
  return !s.keep() && s.rounding != compress::Rounding::Nearest &&
         s.rounding != compress::Rounding::Hqq;
}

bool Recipe::wantsCalibration() const {
  bool any = slice > 0 || dropLayers > 0 || hasBudget() || usesStatistics(weights);
  for (const auto &[pattern, scheme] : layers)
    any |= usesStatistics(scheme);
  return any;
}

Json Recipe::json() const {
  Json out = Json::object();
  std::string scheme;
  auto part = [&](const std::string &text) { scheme += (scheme.empty() ? "" : "+") + text; };
  if (dropLayers > 0)
    part("drop" + std::to_string(dropLayers));
  if (rotate)
    part("rot");
  if (slice > 0)
    part("slice" + compress::percentText(slice));
  if (kvBits > 0)
    part("kv" + std::to_string(kvBits));
  if (!hasBudget() && (!weights.keep() || scheme.empty()))
    part(weightSchemeText(weights));
  if (!scheme.empty())
    out["scheme"] = scheme;
  if (!hasBudget() || embeddingsGiven)
    out["embeddings"] = weightSchemeText(embeddings);
  out["layers"] = Json::object();
  for (const auto &[pattern, weightScheme] : layers)
    out["layers"][pattern] = weightSchemeText(weightScheme);
  out["keep"] = keep;
  if (hasBudget()) {
    out["budget"] = Json::object();
    if (size)
      out["budget"]["size"] = *size;
    if (bitsPerWeight)
      out["budget"]["bpw"] = *bitsPerWeight;
    if (maxPerplexity)
      out["budget"]["max_ppl"] = compress::percentText(*maxPerplexity) + "%";
    out["candidates"] = Json::array();
    for (const WeightScheme &s : candidates)
      out["candidates"].push_back(weightSchemeText(s));
  }
  out["calibration"] = {{"tokens", tokens}, {"context", context}, {"sequential", sequential}};
  out["seed"] = seed;
  return out;
}

template <typename T> static bool number(std::string_view text, T &value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

Status applyScheme(std::string_view text, Recipe &recipe) {
  auto wrong = [&](std::string_view part, const char *expected) {
    return Error::at("scheme " + quote(text), "not understood", expected, quote(part));
  };
  recipe.rotate = false;
  recipe.slice = 0;
  recipe.dropLayers = 0;
  recipe.kvBits = 0;
  recipe.weights = {};
  // Rewrites, wherever they stand; the rest is of weights.
  auto isRewrite = [](std::string_view part, std::string_view name) {
    return part.substr(0, name.size()) == name &&
           (part.size() == name.size() || std::strchr("0123456789.-", part[name.size()]));
  };
  std::string weights;
  for (size_t begin = 0; begin <= text.size();) {
    size_t end = std::min(text.find('+', begin), text.size());
    std::string_view part = text.substr(begin, end - begin);
    bool slice = isRewrite(part, "slice"), drop = isRewrite(part, "drop"),
         kv = isRewrite(part, "kv"), rotate = part == "rot";
    if ((rotate && recipe.rotate) || (slice && recipe.slice > 0) ||
        (drop && recipe.dropLayers > 0) || (kv && recipe.kvBits > 0))
      return wrong(part, "each rewrite once");
    if (rotate) {
      recipe.rotate = true;
    } else if (slice) {
      double percent = 0;
      if (!number(part.substr(5), percent) || !(percent > 0 && percent < 90))
        return wrong(part, "slicePERCENT with 0 < PERCENT < 90");
      recipe.slice = percent / 100;
    } else if (drop) {
      if (!number(part.substr(4), recipe.dropLayers) || recipe.dropLayers < 1)
        return wrong(part, "dropLAYERS with LAYERS >= 1");
    } else if (kv) {
      if (!number(part.substr(2), recipe.kvBits) || (recipe.kvBits != 4 && recipe.kvBits != 8))
        return wrong(part, "kv8 or kv4");
    } else {
      if (part.empty())
        return wrong(text, "parts joined by single +");
      weights += (weights.empty() ? "" : "+") + std::string(part);
    }
    begin = end + 1;
  }
  if (!weights.empty()) {
    Result<WeightScheme> parsed = parseWeightScheme(weights);
    if (!parsed)
      return parsed.takeError();
    recipe.weights = *parsed;
  }
  // Who names a rewrite alone, or says that weights stay, means the tables as well.
  if (!recipe.embeddingsGiven && !recipe.hasBudget())
    recipe.embeddings = recipe.weights.keep() ? WeightScheme() : schemeOf("w6g64");
  if (recipe.hasBudget() && !recipe.weights.keep())
    return Error::at("scheme " + quote(text), "contradiction",
                     "rewrites alone (rot, slice25, …): the budget chooses the forms of weights",
                     quote(weightSchemeText(recipe.weights)));
  return Status::ok();
}

Status applyTier(std::string_view tier, Recipe &recipe) {
  if (tier == "fast") {
    recipe.weights = schemeOf("w4g64:rtn");
    recipe.embeddings = schemeOf("w8g64:rtn");
    recipe.sequential = false;
  } else if (tier == "balanced") {
    recipe.weights = schemeOf("w4g64");
    recipe.embeddings = schemeOf("w6g64");
  } else if (tier == "best") {
    recipe.candidates = defaultCandidates();
    if (!recipe.hasBudget())
      recipe.bitsPerWeight = 4.5;
  } else {
    return Error::at("tier", "unknown", "fast, balanced or best", quote(tier));
  }
  return Status::ok();
}

Status checkRecipe(const Recipe &recipe) {
  std::string budgets;
  auto add = [&](bool given, const char *name) {
    if (given)
      budgets += (budgets.empty() ? "" : " and ") + std::string(name);
  };
  add(recipe.size.has_value(), "size");
  add(recipe.bitsPerWeight.has_value(), "bpw");
  add(recipe.maxPerplexity.has_value(), "max_ppl");
  if (budgets.find(' ') != std::string::npos)
    return Error::at("/budget", "contradiction", "one of size, bpw and max_ppl", budgets);
  if (recipe.hasBudget() && recipe.candidates.empty())
    return Error::at("/candidates", "a budget chooses from them", "at least one scheme", "none");
  for (const WeightScheme &s : recipe.candidates)
    if (recipe.hasBudget() && compress::allotsRanks(s))
      return Error::at("/candidates", "the budget allots",
                       "schemes of one weight, such as svd25:svd-llm", quote(weightSchemeText(s)));
  return Status::ok();
}

/// The bounds of all x{M,N} multiplied: how often x is copied if one contains the other. Ends
/// beyond `limit`.
static size_t copiesOf(std::string_view pattern, size_t limit) {
  size_t copies = 1;
  for (size_t at = pattern.find('{'); at < pattern.size() && copies <= limit;
       at = pattern.find('{', at)) {
    size_t bound = 1, number = 0;
    for (++at; at < pattern.size() && (std::isdigit(uint8_t(pattern[at])) || pattern[at] == ',');
         ++at) {
      number =
          pattern[at] == ',' ? 0 : std::min(number * 10 + size_t(pattern[at] - '0'), limit + 1);
      bound = std::max(bound, number);
    }
    copies *= bound;
  }
  return copies;
}

Status checkPattern(std::string_view pattern) {
  constexpr size_t MaxBytes = 1000, MaxCopies = 65536;
  std::string where = "pattern " + quote(pattern, 60);
  if (pattern.size() > MaxBytes)
    return Error::at(where, "too long", std::to_string(MaxBytes) + " bytes at most",
                     std::to_string(pattern.size()));
  if (validUtf8Prefix(pattern) < pattern.size())
    return Error::at(where, "is not UTF-8");
  if (copiesOf(pattern, MaxCopies) > MaxCopies)
    return Error::at(where, "repeats too much", "bounds {M,N} that multiply to at most 65536",
                     "more");
  if (std::string problem;
      !llvm::Regex(llvm::StringRef(pattern.data(), pattern.size())).isValid(problem))
    return Error::at(where, "is no regular expression: " + problem);
  return Status::ok();
}

//===----------------------------------------------------------------------===//
// Numbers as people write them
//===----------------------------------------------------------------------===//

Result<uint64_t> parseBytes(std::string_view text) {
  struct Unit {
    std::string_view name;
    double bytes;
  };
  constexpr Unit units[] = {
      {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {"KB", 1e3},         {"MB", 1e6},
      {"GB", 1e9},     {"K", 1024.0},      {"M", 1048576.0},      {"G", 1073741824.0}, {"B", 1},
      {"", 1}};
  for (const Unit &unit : units) {
    if (text.size() < unit.name.size() || text.substr(text.size() - unit.name.size()) != unit.name)
      continue;
    std::string_view digits = text.substr(0, text.size() - unit.name.size());
    while (!digits.empty() && digits.back() == ' ')
      digits.remove_suffix(1);
    double value = 0;
    if (number(digits, value) && value * unit.bytes >= 1 && value * unit.bytes < 1e18)
      return static_cast<uint64_t>(value * unit.bytes);
  }
  return Error::at("size", "not understood", "such as 70MiB, 1.5GB or bytes", quote(text));
}

Result<double> parseShare(std::string_view text) {
  std::string_view digits = text;
  if (!digits.empty() && digits.front() == '+')
    digits.remove_prefix(1);
  double scale = 1;
  if (!digits.empty() && digits.back() == '%') {
    digits.remove_suffix(1);
    scale = 0.01;
  }
  double value = 0;
  // 2 without % would be a rise to three times as much.
  if (!number(digits, value) || !(value > 0 && value * scale < 100) || (scale == 1 && value > 1))
    return Error::at("share", "not understood", "such as 2% or 0.02", quote(text));
  return value * scale;
}

std::string bytesText(uint64_t bytes) {
  const char *units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = double(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit < 4; ++unit)
    value /= 1024;
  char text[64];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
  return text;
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

/// More than any recipe has; a member is looked up by comparing.
constexpr size_t kMaxMembers = 4096;

/// YAML into JSON values: mappings, sequences, and scalars as text.
static Result<Json> toJson(llvm::yaml::Node *node, const std::string &file, unsigned depth) {
  using namespace llvm::yaml;
  if (depth > 16)
    return Error::at(file, "nesting", "at most 16 levels", "more");
  auto tooMany = [&](const Json &out) { return out.size() >= kMaxMembers; };
  Error members = Error::at(file, "size", "at most 4096 members of a list or mapping", "more");
  if (!node || llvm::isa<NullNode>(node))
    return Json();
  llvm::SmallString<64> storage;
  if (auto *scalar = llvm::dyn_cast<ScalarNode>(node)) {
    if (llvm::StringRef raw = scalar->getRawValue(); raw == "~" || raw == "null")
      return Json();
    return Json(scalar->getValue(storage).str());
  }
  if (auto *block = llvm::dyn_cast<BlockScalarNode>(node))
    return Json(block->getValue().str());
  if (auto *sequence = llvm::dyn_cast<SequenceNode>(node)) {
    Json out = Json::array();
    for (Node &item : *sequence) {
      if (tooMany(out))
        return members;
      Result<Json> value = toJson(&item, file, depth + 1);
      if (!value)
        return value;
      out.push_back(std::move(*value));
    }
    return out;
  }
  if (auto *mapping = llvm::dyn_cast<MappingNode>(node)) {
    Json out = Json::object();
    for (KeyValueNode &entry : *mapping) {
      if (tooMany(out))
        return members;
      auto *key = llvm::dyn_cast_or_null<ScalarNode>(entry.getKey());
      if (!key)
        return Error::at(file, "a key that is no text");
      std::string name = key->getValue(storage).str();
      if (out.contains(name))
        return Error::at(file + ":/" + escaped(name), "appears twice");
      Result<Json> value = toJson(entry.getValue(), file, depth + 1);
      if (!value)
        return value;
      out[name] = std::move(*value);
    }
    return out;
  }
  return Error::at(file, "a construct that recipes do not have", "mappings, lists and text",
                   "an alias or tag");
}

/// Nothing but blank lines, comments and the marks of a document.
static bool saysNothing(llvm::StringRef text) {
  while (!text.empty()) {
    auto [line, rest] = text.split('\n');
    text = rest;
    if (line = line.trim(); !line.empty() && line[0] != '#' && line != "---" && line != "...")
      return false;
  }
  return true;
}

/// Error: begins with the line, or a blank.
static Result<Json> parseYaml(const std::string &text, const std::string &where) {
  llvm::SourceMgr sources;
  std::string problem;
  sources.setDiagHandler(
      [](const llvm::SMDiagnostic &d, void *context) {
        auto &out = *static_cast<std::string *>(context);
        if (out.empty())
          out = std::to_string(d.getLineNo()) + ":" + std::to_string(d.getColumnNo() + 1) + ": " +
                d.getMessage().str();
      },
      &problem);
  llvm::yaml::Stream stream(text, sources);
  auto document = stream.begin();
  Result<Json> json = toJson(document->getRoot(), where, 0);
  if (problem.empty() && json && ++document != stream.end())
    json = Error::at(where, "documents", "one", "more");
  if (!problem.empty())
    return Error(where + ":" + problem);
  if (stream.failed() || (json && json->is_null()))
    return Error::at(where, "not understood", "a mapping in YAML or JSON", quote(text, 40));
  return json;
}

static Result<Json> readYaml(const std::string &file) {
  // LLVM's parser recurses at every comma and bracket: there is room for a file of nothing else.
  constexpr size_t MaxBytes = 128 << 10;
  constexpr unsigned StackBytes = MaxBytes << 10;
  Result<std::string> text = readFile(file, MaxBytes);
  if (!text)
    return text.takeError();
  std::string where = escaped(file, 1000);
  if (size_t valid = validUtf8Prefix(*text); valid < text->size())
    return Error::at(where, "is not UTF-8: byte " + std::to_string(valid));
  if (saysNothing(*text))
    return Json::object();
  Result<Json> json = Json();
  llvm::thread parser(std::optional<unsigned>(StackBytes), [&] { json = parseYaml(*text, where); });
  parser.join();
  return json;
}

namespace {

/// Typed access to a recipe's members; the first problem is kept.
class Reader {
public:
  /// `where`: FILE:/ or FILE:/member/.
  Reader(const Json &json, std::string where) : json(json), where(std::move(where)) {}
  std::optional<Error> problem;

  void fail(const std::string &pointer, const Error &e) {
    if (!problem)
      problem = Error(where + pointer + ": " + e.message());
  }
  const Json *find(const char *key) {
    used.push_back(key);
    auto it = json.find(key);
    return it == json.end() || it->is_null() ? nullptr : &*it;
  }
  bool has(const char *key) const {
    auto it = json.find(key);
    return it != json.end() && !it->is_null();
  }
  std::optional<std::string> text(const char *key) {
    const Json *value = find(key);
    if (!value)
      return std::nullopt;
    if (value->is_string())
      return value->get<std::string>();
    fail(key, Error("expected text, got " + describe(*value)));
    return std::nullopt;
  }
  void integer(const char *key, int64_t low, int64_t high, int64_t &out) {
    std::optional<std::string> value = text(key);
    if (!value)
      return;
    int64_t parsed = 0;
    if (!number(*value, parsed) || parsed < low || parsed > high)
      fail(key, Error("expected an integer in " + std::to_string(low) + ".." +
                      std::to_string(high) + ", got " + quote(*value)));
    else
      out = parsed;
  }
  void scheme(const char *key, WeightScheme &out) {
    std::optional<std::string> value = text(key);
    if (!value)
      return;
    Result<WeightScheme> parsed = parseWeightScheme(*value);
    if (parsed)
      out = *parsed;
    else
      fail(key, parsed.takeError());
  }
  /// Members that nothing asked for are mistakes.
  void finish() {
    for (const auto &[key, value] : json.items())
      if (std::find(used.begin(), used.end(), key) == used.end()) {
        std::string known;
        for (const std::string &name : used)
          known += (known.empty() ? "" : ", ") + name;
        fail(escaped(key), Error("unknown member, expected one of " + known));
      }
  }

private:
  const Json &json;
  std::string where;
  std::vector<std::string> used;
};

} // namespace

static void readBudget(Reader &top, const std::string &where, Recipe &recipe) {
  const Json *budget = top.find("budget");
  if (!budget)
    return;
  if (!budget->is_object())
    return top.fail("budget", Error("expected a mapping, got " + describe(*budget)));
  Reader r(*budget, where + "budget/");
  if (auto size = r.text("size")) {
    Result<uint64_t> bytes = parseBytes(*size);
    if (bytes)
      recipe.size = *bytes;
    else
      r.fail("size", bytes.takeError());
  }
  if (auto bpw = r.text("bpw")) {
    double value = 0;
    if (number(*bpw, value) && value > 0 && value <= 64)
      recipe.bitsPerWeight = value;
    else
      r.fail("bpw", Error("expected bits per weight such as 3.2, 64 at most, got " + quote(*bpw)));
  }
  if (auto rise = r.text("max_ppl")) {
    Result<double> share = parseShare(*rise);
    if (share)
      recipe.maxPerplexity = *share;
    else
      r.fail("max_ppl", share.takeError());
  }
  r.finish();
  if (r.problem && !top.problem)
    top.problem = r.problem;
  if (!recipe.hasBudget())
    top.fail("budget", Error("expected one of size, bpw and max_ppl, got none"));
}

static Result<WeightScheme> schemeIn(const Json &value) {
  if (!value.is_string())
    return Error("expected a scheme, got " + describe(value));
  return parseWeightScheme(value.get<std::string>());
}

static void readLists(Reader &r, Recipe &recipe) {
  if (const Json *layers = r.find("layers")) {
    if (!layers->is_object())
      return r.fail("layers", Error("expected a mapping, got " + describe(*layers)));
    for (const auto &[pattern, value] : layers->items()) {
      Status valid = checkPattern(pattern);
      Result<WeightScheme> scheme = valid ? schemeIn(value) : valid.takeError();
      if (scheme)
        recipe.layers.emplace_back(pattern, *scheme);
      else
        r.fail("layers/" + escaped(pattern, 60), scheme.takeError());
    }
  }
  // True if there is one.
  auto list = [&](const char *key, auto item) {
    const Json *values = r.find(key);
    if (values && !values->is_array())
      r.fail(key, Error("expected a list, got " + describe(*values)));
    if (!values || !values->is_array())
      return false;
    for (size_t i = 0; i < values->size(); ++i)
      if (Status s = item((*values)[i]); !s)
        r.fail(key + ("/" + std::to_string(i)), s.takeError());
    return true;
  };
  list("keep", [&](const Json &pattern) -> Status {
    if (!pattern.is_string())
      return Error("expected text, got " + describe(pattern));
    recipe.keep.push_back(pattern.get<std::string>());
    return checkPattern(recipe.keep.back());
  });
  std::vector<WeightScheme> candidates;
  if (list("candidates", [&](const Json &value) -> Status {
        Result<WeightScheme> scheme = schemeIn(value);
        if (!scheme)
          return scheme.takeError();
        candidates.push_back(*scheme);
        return Status::ok();
      }))
    recipe.candidates = std::move(candidates);
}

Result<Recipe> readRecipe(const std::string &file) {
  Result<Json> json = readYaml(file);
  if (!json)
    return json.takeError();
  std::string where = escaped(file, 1000);
  if (!json->is_object())
    return Error::at(where, "recipe", "a mapping", describe(*json));
  Recipe recipe;
  if (Status s = applyTier("balanced", recipe); !s)
    return s.takeError();
  recipe.candidates = defaultCandidates();
  where += ":/";
  Reader r(*json, where);
  readBudget(r, where, recipe);
  if (auto tier = r.text("tier"))
    if (Status s = applyTier(*tier, recipe); !s)
      r.fail("tier", s.takeError());
  if (r.has("tier") && r.has("scheme"))
    r.fail("scheme", Error("contradiction, expected one of tier and scheme, got both"));
  if (auto scheme = r.text("scheme"))
    if (Status s = applyScheme(*scheme, recipe); !s)
      r.fail("scheme", s.takeError());
  r.scheme("embeddings", recipe.embeddings);
  recipe.embeddingsGiven = r.has("embeddings");
  readLists(r, recipe);
  if (const Json *calibration = r.find("calibration")) {
    if (!calibration->is_object()) {
      r.fail("calibration", Error("expected a mapping, got " + describe(*calibration)));
    } else {
      Reader c(*calibration, where + "calibration/");
      c.integer("tokens", 4, int64_t(1) << 30, recipe.tokens);
      c.integer("context", 4, int64_t(1) << 24, recipe.context);
      if (auto sequential = c.text("sequential")) {
        if (*sequential != "true" && *sequential != "false")
          c.fail("sequential", Error("expected true or false, got " + quote(*sequential)));
        recipe.sequential = *sequential == "true";
      }
      c.finish();
      if (c.problem && !r.problem)
        r.problem = c.problem;
    }
  }
  int64_t seed = 0;
  r.integer("seed", 0, INT64_MAX, seed);
  recipe.seed = uint64_t(seed);
  r.finish();
  if (r.problem)
    return *r.problem;
  if (Status s = checkRecipe(recipe); !s)
    return s.error().in(escaped(file, 1000));
  return recipe;
}

} // namespace fingpt
