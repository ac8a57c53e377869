#include "fingpt/Driver/Report.h"

#include <cerrno>
#include <cmath>
#include <sys/stat.h>

namespace fingpt {

namespace {

constexpr int64_t kMaxBytes = int64_t(1) << 53; // exact in JSON and in double
constexpr size_t kMaxName = 1024, kMaxWeights = 200000, kMaxSamples = 1024, kMaxVersions = 100;

/// Typed reading that keeps the first problem and goes on with harmless values.
class Reader {
public:
  explicit Reader(std::string file) : file(std::move(file)) {}
  Report report(const Json &json);
  std::optional<Error> problem;

private:
  void fail(Error e) {
    if (!problem)
      problem = std::move(e);
  }
  template <typename T> T take(Result<T> result, T fallback) {
    if (result)
      return std::move(*result);
    fail(result.takeError());
    return fallback;
  }
  JsonObject object(const Json &json, const std::string &pointer) {
    JsonObject o(json, file, pointer);
    if (Status s = o.expectObject(); !s)
      fail(s.takeError());
    return o;
  }
  /// Null if absent, null or no finite number.
  const Json *finite(const JsonObject &o, const char *key) {
    const Json *v = o.find(key);
    return v && v->is_number_float() && !std::isfinite(v->get<double>()) ? nullptr : v;
  }

  std::string text(const JsonObject &o, const char *key, bool required = false,
                   size_t limit = 1u << 16);
  std::optional<double> number(const JsonObject &o, const char *key, double low = 0,
                               double high = HUGE_VAL);
  double needed(const JsonObject &o, const char *key);
  int64_t count(const JsonObject &o, const char *key, int64_t high = kMaxBytes) {
    return take(o.integer(key, 0, high, 0), int64_t(0));
  }
  int64_t bytes(const JsonObject &o, const char *key) {
    return take(o.integer(key, 0, kMaxBytes), int64_t(0));
  }
  /// Members of a list; an empty list if absent, unless it is required.
  const Json &list(const JsonObject &o, const char *key, size_t limit, bool required = false);
  std::vector<int64_t> integers(const JsonObject &o, const char *key, int64_t low, size_t limit);

  ReportQuality quality(const JsonObject &o);
  void spectrum(const JsonObject &o, ReportWeight &w);
  ReportWeight weight(const JsonObject &o);
  ReportProvenance provenance(const JsonObject &o);

  std::string file;
  const Json none = Json::array(), nothing = Json::object();
};

} // namespace

std::string Reader::text(const JsonObject &o, const char *key, bool required, size_t limit) {
  Result<std::string> value = required ? o.string(key) : o.string(key, "");
  if (value && value->size() > limit)
    fail(Error::at(o.where(key), "too long", "at most " + std::to_string(limit) + " bytes",
                   std::to_string(value->size())));
  return take(std::move(value), std::string());
}

std::optional<double> Reader::number(const JsonObject &o, const char *key, double low,
                                     double high) {
  if (!finite(o, key))
    return std::nullopt;
  double value = take(o.number(key), low);
  if (value < low || value > high) {
    std::string expected = high == HUGE_VAL ? "a number of at least " + describe(Json(low))
                                            : "a number in [" + describe(Json(low)) + ", " +
                                                  describe(Json(high)) + "]";
    fail(Error::at(o.where(key), "out of range", expected, describe(*o.find(key))));
  }
  return value;
}

double Reader::needed(const JsonObject &o, const char *key) {
  std::optional<double> value = number(o, key);
  if (!value)
    fail(Error::at(o.where(key), "missing", "a number", "nothing"));
  return value.value_or(0);
}

const Json &Reader::list(const JsonObject &o, const char *key, size_t limit, bool required) {
  const Json *v = o.find(key);
  if (!v) {
    if (required)
      fail(Error::at(o.where(key), "missing", "an array", "nothing"));
    return none;
  }
  if (!v->is_array()) {
    fail(Error::at(o.where(key), "wrong type", "an array", describe(*v)));
    return none;
  }
  if (v->size() > limit) {
    fail(Error::at(o.where(key), "too long", "at most " + std::to_string(limit) + " entries",
                   std::to_string(v->size())));
    return none;
  }
  return *v;
}

std::vector<int64_t> Reader::integers(const JsonObject &o, const char *key, int64_t low,
                                      size_t limit) {
  std::vector<int64_t> values;
  for (const Json &v : list(o, key, limit)) {
    // Unsigned values beyond int64 become negative here.
    int64_t n = v.is_number_integer() ? v.get<int64_t>() : -1;
    if (n < low || n > INT32_MAX)
      fail(Error::at(o.where(key) + "/" + std::to_string(values.size()), "wrong value",
                     "an integer in [" + std::to_string(low) + ", 2147483647]", describe(v)));
    values.push_back(n);
  }
  return values;
}

ReportQuality Reader::quality(const JsonObject &o) {
  ReportQuality q;
  q.text = text(o, "text");
  q.tokens = count(o, "tokens");
  q.perplexityBefore = number(o, "perplexity_before");
  q.perplexity = number(o, "perplexity");
  q.klMean = number(o, "kl_mean", -HUGE_VAL); // rounding may take it below zero
  q.klP99 = number(o, "kl_p99", -HUGE_VAL);
  q.sameTop = number(o, "same_top", 0, 1);
  q.cosine = number(o, "cosine", -HUGE_VAL);
  q.relativeChange = number(o, "relative_change");
  return q;
}

void Reader::spectrum(const JsonObject &o, ReportWeight &w) {
  for (const Json &v : list(o, "spectrum", kMaxSamples)) {
    double value = v.is_number() ? v.get<double>() : -1;
    if (!(value >= 0) || !std::isfinite(value))
      fail(Error::at(o.where("spectrum") + "/" + std::to_string(w.spectrum.size()), "wrong value",
                     "a number of at least 0", describe(v)));
    w.spectrum.push_back(value);
  }
  w.spectrumRanks = integers(o, "spectrum_ranks", 0, kMaxSamples);
  if (w.spectrumRanks.size() != w.spectrum.size())
    fail(Error::at(o.where("spectrum_ranks"), "wrong length",
                   "as many as in spectrum: " + std::to_string(w.spectrum.size()),
                   std::to_string(w.spectrumRanks.size())));
  for (size_t i = 1; i < w.spectrumRanks.size(); ++i)
    if (w.spectrumRanks[i] <= w.spectrumRanks[i - 1])
      fail(Error::at(o.where("spectrum_ranks") + "/" + std::to_string(i), "not ascending",
                     "more than " + std::to_string(w.spectrumRanks[i - 1]),
                     std::to_string(w.spectrumRanks[i])));
}

ReportWeight Reader::weight(const JsonObject &o) {
  ReportWeight w;
  w.name = text(o, "name", /*required=*/true, kMaxName);
  w.layer = take(o.integer("layer", -1, 1000000, -1), int64_t(-1));
  w.shape = integers(o, "shape", 1, 8);
  w.scheme = text(o, "scheme", false, kMaxName);
  w.form = text(o, "form", false, kMaxName);
  w.before = bytes(o, "bytes_before");
  w.after = bytes(o, "bytes_after");
  w.bits = needed(o, "bits");
  w.error = number(o, "error");
  w.roundingError = number(o, "rounding_error");
  if (o.has("rank"))
    w.rank = take(o.integer("rank", 0, INT32_MAX), int64_t(0));
  w.sensitivity = number(o, "sensitivity", -HUGE_VAL);
  spectrum(o, w);
  w.note = text(o, "note");
  w.kept = take(o.boolean("kept", false), false);
  w.keptReason = text(o, "kept_reason");
  return w;
}

ReportProvenance Reader::provenance(const JsonObject &o) {
  ReportProvenance p;
  p.sourceHash = text(o, "source_hash");
  p.calibrationHash = text(o, "calibration_hash");
  if (!o.has("versions"))
    return p;
  JsonObject versions = take(o.object("versions"), JsonObject(nothing, file));
  if (versions.json().size() > kMaxVersions)
    fail(Error::at(versions.where(), "too long",
                   "at most " + std::to_string(kMaxVersions) + " members",
                   std::to_string(versions.json().size())));
  for (const auto &[key, value] : versions.json().items()) {
    if (!value.is_string())
      fail(Error::at(versions.where(key), "wrong type", "a string", describe(value)));
    p.versions.emplace_back(key, value.is_string() ? value.get<std::string>() : "");
  }
  return p;
}

Report Reader::report(const Json &json) {
  Report r;
  JsonObject root = object(json, "");
  int64_t version = take(root.integer("format_version", 0, INT32_MAX), int64_t(1));
  if (version != 1)
    fail(Error::at(root.where("format_version"), "unknown format, perhaps of a newer fingpt", "1",
                   std::to_string(version)));
  if (problem)
    return r; // what follows would be guesswork
  r.tool = text(root, "tool");
  JsonObject empty(nothing, file);
  JsonObject model = take(root.object("model"), empty);
  r.model.source = text(model, "source", /*required=*/true);
  r.model.architecture = text(model, "architecture");
  if (model.has("layers"))
    r.model.layers = count(model, "layers");
  r.model.parameters = count(model, "parameters");
  if (root.has("recipe"))
    r.recipe = take(root.object("recipe"), empty).json();
  JsonObject size = take(root.object("size"), empty);
  r.size.before = bytes(size, "before_bytes");
  r.size.after = bytes(size, "after_bytes");
  r.size.bitsBefore = needed(size, "bits_per_weight_before");
  r.size.bits = needed(size, "bits_per_weight");
  if (root.has("quality"))
    r.quality = quality(take(root.object("quality"), empty));
  if (root.has("calibration")) {
    JsonObject o = take(root.object("calibration"), empty);
    r.calibration = ReportCalibration{text(o, "text"), count(o, "tokens"), count(o, "context"),
                                      take(o.boolean("sequential", false), false)};
  }
  size_t i = 0;
  for (const Json &v : list(root, "rewrites", 10000)) {
    JsonObject o = object(v, "/rewrites/" + std::to_string(i++));
    r.rewrites.push_back({text(o, "pass", /*required=*/true), text(o, "detail")});
  }
  const Json &weights = list(root, "weights", kMaxWeights, /*required=*/true);
  r.weights.reserve(weights.size());
  i = 0;
  for (const Json &v : weights) {
    r.weights.push_back(weight(object(v, "/weights/" + std::to_string(i++))));
    if (problem)
      return r;
  }
  if (root.has("provenance"))
    r.provenance = provenance(take(root.object("provenance"), empty));
  return r;
}

Result<Report> parseReport(const Json &json, const std::string &file) {
  Reader reader(file);
  Report report = reader.report(json);
  if (reader.problem)
    return std::move(*reader.problem);
  return report;
}

Result<std::string> reportFile(const std::string &path) {
  struct stat info;
  if (::stat(path.c_str(), &info) == 0 && !S_ISDIR(info.st_mode))
    return path;
  std::string file = path;
  while (file.size() > 1 && file.back() == '/')
    file.pop_back();
  file += file == "/" ? "report.json" : "/report.json";
  if (::stat(file.c_str(), &info) != 0 && (errno == ENOENT || errno == ENOTDIR))
    return Error::at(escaped(file, 1000), "no such file; `fingpt compress` writes it into the "
                                          "directory of a compressed model");
  return file;
}

Result<Report> readReport(const std::string &path) {
  Result<std::string> file = reportFile(path);
  if (!file)
    return file.takeError();
  Result<Json> json = readJsonFile(*file);
  if (!json)
    return json.takeError();
  return parseReport(*json, *file);
}

static Json orNull(const std::optional<double> &value) { return value ? Json(*value) : Json(); }

static Json weightJson(const ReportWeight &w) {
  return {{"name", w.name},
          {"layer", w.layer},
          {"shape", w.shape},
          {"scheme", w.scheme},
          {"form", w.form},
          {"bytes_before", w.before},
          {"bytes_after", w.after},
          {"bits", w.bits},
          {"error", orNull(w.error)},
          {"rounding_error", orNull(w.roundingError)},
          {"rank", w.rank ? Json(*w.rank) : Json()},
          {"sensitivity", orNull(w.sensitivity)},
          {"spectrum", w.spectrum},
          {"spectrum_ranks", w.spectrumRanks},
          {"note", w.note},
          {"kept", w.kept},
          {"kept_reason", w.keptReason}};
}

Json reportJson(const Report &r) {
  Json model = {{"source", r.model.source}, {"architecture", r.model.architecture}};
  if (r.model.layers)
    model["layers"] = *r.model.layers;
  model["parameters"] = r.model.parameters;
  Json out = {{"format_version", 1},
              {"tool", r.tool},
              {"model", std::move(model)},
              {"recipe", r.recipe},
              {"size",
               {{"before_bytes", r.size.before},
                {"after_bytes", r.size.after},
                {"bits_per_weight_before", r.size.bitsBefore},
                {"bits_per_weight", r.size.bits}}},
              {"quality", nullptr},
              {"calibration", nullptr}};
  if (const auto &q = r.quality; q && q->cosine)
    out["quality"] = {{"text", q->text},
                      {"tokens", q->tokens},
                      {"cosine", orNull(q->cosine)},
                      {"relative_change", orNull(q->relativeChange)}};
  else if (q)
    out["quality"] = {{"text", q->text},
                      {"tokens", q->tokens},
                      {"perplexity_before", orNull(q->perplexityBefore)},
                      {"perplexity", orNull(q->perplexity)},
                      {"kl_mean", orNull(q->klMean)},
                      {"kl_p99", orNull(q->klP99)},
                      {"same_top", orNull(q->sameTop)}};
  if (const auto &c = r.calibration)
    out["calibration"] = {{"text", c->text},
                          {"tokens", c->tokens},
                          {"context", c->context},
                          {"sequential", c->sequential}};
  out["rewrites"] = Json::array();
  for (const ReportRewrite &rewrite : r.rewrites)
    out["rewrites"].push_back({{"pass", rewrite.pass}, {"detail", rewrite.detail}});
  Json weights = Json::array();
  for (const ReportWeight &w : r.weights)
    weights.push_back(weightJson(w));
  out["weights"] = std::move(weights);
  Json versions = Json::object();
  for (const auto &[name, version] : r.provenance.versions)
    versions[name] = version;
  out["provenance"] = {{"source_hash", r.provenance.sourceHash},
                       {"calibration_hash", r.provenance.calibrationHash},
                       {"versions", std::move(versions)}};
  return out;
}

} // namespace fingpt
