#include "fingpt/Driver/Report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <gtest/gtest.h>
#include <limits>

using namespace fingpt;

namespace {

Json weight(const std::string &name, int64_t layer, double error) {
  return {{"name", name},
          {"layer", layer},
          {"shape", {576, 192}},
          {"scheme", "w3g64+lr16"},
          {"form", "3.25 bit + rank 16"},
          {"bytes_before", 221184},
          {"bytes_after", 69504},
          {"bits", 5.03},
          {"error", error},
          {"rounding_error", 2 * error},
          {"rank", 16},
          {"sensitivity", nullptr},
          {"spectrum", {41.5, 20.25, 3.5, 0.5}},
          {"spectrum_ranks", {0, 10, 100, 191}},
          {"note", ""},
          {"kept", false},
          {"kept_reason", ""}};
}

Json sample() {
  return {
      {"format_version", 1},
      {"tool", "fingpt 0.1.0"},
      {"model",
       {{"source", "tiny.gguf"}, {"architecture", "llama"}, {"layers", 2}, {"parameters", 221760}}},
      {"recipe", {{"scheme", "w3g64+lr16"}, {"calibration", {{"tokens", 16384}}}}},
      {"size",
       {{"before_bytes", 443520},
        {"after_bytes", 140160},
        {"bits_per_weight_before", 16.0},
        {"bits_per_weight", 5.06}}},
      {"quality",
       {{"text", "wiki.txt"},
        {"tokens", 5100},
        {"perplexity_before", 14.81},
        {"perplexity", 15.06},
        {"kl_mean", 0.021},
        {"kl_p99", 0.18},
        {"same_top", 0.964}}},
      {"calibration",
       {{"text", "calib.txt"}, {"tokens", 16384}, {"context", 512}, {"sequential", true}}},
      {"rewrites", {{{"pass", "fin-rotate"}, {"detail", "hadamard, seed 0"}}}},
      {"weights",
       {weight("model.layers.0.self_attn.q_proj.weight", 0, 0.041),
        weight("model.layers.1.self_attn.q_proj.weight", 1, 0.052)}},
      {"provenance",
       {{"source_hash", "5d1c"},
        {"calibration_hash", "90b3"},
        {"versions", {{"fingpt", "0.1.0"}, {"llvm", "22.1"}}}}}};
}

Report parsed(const Json &json) {
  Result<Report> r = parseReport(json, "report.json");
  EXPECT_TRUE(bool(r)) << (r ? "" : r.error().message());
  return r ? *r : Report();
}

/// The value at "/a/0/b".
Json &at(Json &json, const std::string &pointer) {
  Json *value = &json;
  for (size_t i = 1; i < pointer.size();) {
    size_t end = std::min(pointer.find('/', i), pointer.size());
    std::string key = pointer.substr(i, end - i);
    value = value->is_array() ? &value->at(std::stoul(key)) : &(*value)[key];
    i = end + 1;
  }
  return *value;
}

/// The error for `sample()` with the value at a JSON pointer replaced.
std::string refusal(const std::string &pointer, const Json &value) {
  Json json = sample();
  at(json, pointer) = value;
  Result<Report> r = parseReport(json, "report.json");
  return r ? "accepted" : r.error().message();
}

size_t occurrences(const std::string &text, const std::string &what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
    ++n;
  return n;
}

bool has(const std::string &text, const std::string &what) { return occurrences(text, what) > 0; }

} // namespace

TEST(Report, ReadsAndWritesTheSame) {
  Json json = sample();
  Report r = parsed(json);
  EXPECT_EQ(reportJson(r), json);
  EXPECT_EQ(r.weights[1].error, 0.052);
  EXPECT_EQ(r.weights[0].rank, 16);
  EXPECT_FALSE(r.weights[0].sensitivity);
  EXPECT_EQ(r.provenance.versions[1].second, "22.1");
}

TEST(Report, LocatesWhatIsWrong) {
  EXPECT_EQ(refusal("/format_version", 2),
            "report.json:/format_version: unknown format, perhaps of a newer fingpt, expected 1, "
            "got 2");
  EXPECT_EQ(refusal("/format_version", nullptr),
            "report.json:/format_version: missing, expected an integer in [0, 2147483647], got "
            "nothing");
  EXPECT_EQ(refusal("", Json::array()), "report.json:/: wrong type, expected an object, got an "
                                        "array of 0");
  EXPECT_EQ(refusal("/model", "x"),
            "report.json:/model: wrong type, expected an object, got \"x\"");
  EXPECT_EQ(refusal("/model/source", 3),
            "report.json:/model/source: wrong type, expected a string, got 3");
  EXPECT_EQ(refusal("/recipe", Json::array({1, 2})),
            "report.json:/recipe: wrong type, expected an object, got an array of 2");
  EXPECT_EQ(refusal("/size/after_bytes", -1),
            "report.json:/size/after_bytes: out of range, expected an integer in [0, "
            "9007199254740992], got -1");
  EXPECT_EQ(refusal("/size/bits_per_weight", nullptr),
            "report.json:/size/bits_per_weight: missing, expected a number, got nothing");
  EXPECT_EQ(refusal("/quality/same_top", 1.5),
            "report.json:/quality/same_top: out of range, expected a number in [0, 1], got 1.5");
  EXPECT_EQ(refusal("/rewrites", 7), "report.json:/rewrites: wrong type, expected an array, got 7");
  EXPECT_EQ(refusal("/rewrites/0", 7),
            "report.json:/rewrites/0: wrong type, expected an object, got 7");
  EXPECT_EQ(refusal("/weights", nullptr),
            "report.json:/weights: missing, expected an array, got nothing");
  EXPECT_EQ(refusal("/weights/1", nullptr),
            "report.json:/weights/1: wrong type, expected an object, got null");
  EXPECT_EQ(refusal("/weights/1/name", nullptr),
            "report.json:/weights/1/name: missing, expected a string, got nothing");
  EXPECT_EQ(refusal("/weights/1/name", std::string(5000, 'x')),
            "report.json:/weights/1/name: too long, expected at most 1024 bytes, got 5000");
  EXPECT_EQ(refusal("/weights/0/bits", -3),
            "report.json:/weights/0/bits: out of range, expected a number of at least 0, got -3");
  EXPECT_EQ(refusal("/weights/0/error", "low"),
            "report.json:/weights/0/error: wrong type, expected a number, got \"low\"");
  EXPECT_EQ(refusal("/weights/0/shape/1", 1e300),
            "report.json:/weights/0/shape/1: wrong value, expected an integer in [1, 2147483647], "
            "got 1e+300");
  EXPECT_EQ(refusal("/weights/0/shape", std::vector<int>(9, 2)),
            "report.json:/weights/0/shape: too long, expected at most 8 entries, got 9");
  EXPECT_EQ(refusal("/weights/0/layer", UINT64_MAX),
            "report.json:/weights/0/layer: out of range, expected an integer in [-1, 1000000], got "
            "18446744073709551615");
  EXPECT_EQ(refusal("/weights/0/kept", "no"),
            "report.json:/weights/0/kept: wrong type, expected true or false, got \"no\"");
  EXPECT_EQ(refusal("/weights/0/spectrum/2", -1),
            "report.json:/weights/0/spectrum/2: wrong value, expected a number of at least 0, got "
            "-1");
  EXPECT_EQ(refusal("/weights/0/spectrum_ranks", {0, 1}),
            "report.json:/weights/0/spectrum_ranks: wrong length, expected as many as in spectrum: "
            "4, got 2");
  EXPECT_EQ(refusal("/weights/0/spectrum_ranks/2", 10),
            "report.json:/weights/0/spectrum_ranks/2: not ascending, expected more than 10, got "
            "10");
  EXPECT_EQ(refusal("/provenance/versions", "x"),
            "report.json:/provenance/versions: wrong type, expected an object, got \"x\"");
  EXPECT_EQ(refusal("/provenance/versions/llvm", 22),
            "report.json:/provenance/versions/llvm: wrong type, expected a string, got 22");
}

TEST(Report, NamesTheFileThatIsMissing) {
  std::string directory = testing::TempDir() + "report-missing";
  Result<Report> r = readReport(directory);
  ASSERT_FALSE(bool(r));
  EXPECT_EQ(r.error().message(), directory + "/report.json: no such file; `fingpt compress` writes "
                                             "it into the directory of a compressed model");
  std::string file = testing::TempDir() + "report-broken.json";
  FILE *f = std::fopen(file.c_str(), "w");
  ASSERT_TRUE(f);
  std::fputs("{\"format_version\": 1,", f);
  std::fclose(f);
  r = readReport(file);
  std::remove(file.c_str());
  ASSERT_FALSE(bool(r));
  EXPECT_EQ(r.error().message().rfind(file + ":0x", 0), 0u) << r.error().message();
}

TEST(Report, ANumberThatIsNotFiniteIsAbsent) {
  Json json = sample();
  json["quality"]["perplexity"] = std::numeric_limits<double>::infinity();
  json["weights"][0]["error"] = std::nan("");
  Report r = parsed(json);
  EXPECT_FALSE(r.quality->perplexity);
  EXPECT_FALSE(r.weights[0].error);
  // As the reader of the written file sees it.
  EXPECT_EQ(reportHtml(parsed(*parseJson(json.dump()))), reportHtml(r));
}

TEST(Report, EscapesNames) {
  Json json = sample();
  const std::string evil = "<script>alert('1')</script>\"><img src=x onerror=\"a\">&\x1b[31m";
  for (const char *pointer :
       {"/model/source", "/model/architecture", "/tool", "/quality/text", "/calibration/text",
        "/rewrites/0/pass", "/weights/0/name", "/weights/0/scheme", "/weights/0/form",
        "/weights/0/note", "/provenance/source_hash", "/recipe/scheme"})
    at(json, pointer) = evil;
  json["recipe"][evil] = {evil, {{evil, evil}}};
  json["provenance"]["versions"][evil] = evil;
  json["weights"][1]["kept"] = true;
  json["weights"][1]["kept_reason"] = evil;
  Report r = parsed(json), plain = parsed(sample());
  for (const std::string &html :
       {reportHtml(r), reportDiffHtml(r, plain), reportDiffHtml(plain, r)}) {
    EXPECT_EQ(occurrences(html, "<script"), 1u); // the page's own
    EXPECT_EQ(occurrences(html, "<img"), 0u);
    EXPECT_EQ(occurrences(html, "\"a\""), 0u);
    EXPECT_EQ(occurrences(html, "\x1b"), 0u);
    EXPECT_TRUE(has(html, "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&gt;&lt;img"));
  }
  for (const std::string &markdown : {reportMarkdown(r), reportDiffMarkdown(r, plain)}) {
    EXPECT_EQ(occurrences(markdown, "<script"), 0u);
    EXPECT_EQ(occurrences(markdown, "<img"), 0u);
    EXPECT_EQ(occurrences(markdown, "\x1b"), 0u);
  }
}

TEST(Report, MarkdownTablesHoldAnyName) {
  Json json = sample();
  json["weights"][0]["name"] = "a|b`c\nd\\";
  std::string markdown = reportMarkdown(parsed(json));
  EXPECT_TRUE(has(markdown, "| <code>a&#124;b&#96;c&#92;x0ad&#92;</code> ")) << markdown;
}

TEST(Report, ShowsDeceptiveCharacters) {
  Json json = sample();
  json["weights"][0]["name"] = "a\u202Eb\u200Bc\u009Bd\x7f";
  std::string html = reportHtml(parsed(json));
  EXPECT_TRUE(has(html, "a\\u202eb\\u200bc\\x9bd\\x7f"));
  EXPECT_FALSE(has(html, "\u202E"));
  // Made by hand, not parsed: invalid UTF-8.
  Report r = parsed(sample());
  r.model.source = "x\xff\xc0y";
  EXPECT_TRUE(has(reportHtml(r), "<h1>x\\xff\\xc0y</h1>"));
}

TEST(Report, QuotesCsv) {
  Json json = sample();
  json["weights"][0]["name"] = "say \"w\", twice";
  json["weights"][1]["name"] = "=HYPERLINK(1)";
  json["weights"][1]["note"] = "two\r\nlines";
  std::string csv = reportCsv(parsed(json));
  EXPECT_EQ(csv, "name,layer,kind,shape,scheme,form,bytes_before,bytes_after,bits,error,"
                 "rounding_error,gain,rank,sensitivity,kept,kept_reason,note\r\n"
                 "\"say \"\"w\"\", twice\",0,\"say \"\"w\"\", twice\",576x192,w3g64+lr16,3.25 bit "
                 "+ rank 16,221184,69504,5.03,0.041,0.082,2,16,,false,,\r\n"
                 "'=HYPERLINK(1),1,'=HYPERLINK(1),576x192,w3g64+lr16,3.25 bit + rank "
                 "16,221184,69504,5.03,0.052,0.104,2,16,,false,,two\\x0d\\x0alines\r\n");
}

TEST(Report, DependsOnTheReportAlone) {
  Report a = parsed(sample()), b = parsed(sample());
  b.weights[0].scheme = "w4g64";
  EXPECT_EQ(reportHtml(a), reportHtml(parsed(sample())));
  EXPECT_EQ(reportMarkdown(a), reportMarkdown(parsed(sample())));
  EXPECT_EQ(reportDiffHtml(a, b), reportDiffHtml(a, b));
  EXPECT_NE(reportHtml(a), reportHtml(b));
}

TEST(Report, LoadsNothing) {
  std::string html = reportHtml(parsed(sample()));
  for (const char *what : {"http:", "https:", "//", "src=", "@import", "url(", "<link"})
    EXPECT_FALSE(has(html, what)) << what;
}

TEST(Report, NoWeights) {
  Json json = sample();
  json["weights"] = Json::array();
  Report r = parsed(json);
  std::string html = reportHtml(r);
  EXPECT_TRUE(has(html, "No weights are listed."));
  EXPECT_FALSE(has(html, "class=heat"));
  EXPECT_EQ(occurrences(reportCsv(r), "\r\n"), 1u);
  EXPECT_FALSE(has(reportMarkdown(r), "Largest errors"));
  EXPECT_TRUE(has(reportDiffMarkdown(r, r), "None."));
  EXPECT_TRUE(has(reportDiffHtml(r, parsed(sample())), "q_proj"));
}

TEST(Report, NoQualityAndNoCalibration) {
  Json json = sample();
  json["quality"] = nullptr;
  json["calibration"] = nullptr;
  Report r = parsed(json);
  EXPECT_TRUE(has(reportHtml(r), "not measured"));
  EXPECT_TRUE(has(reportHtml(r), "all inputs count alike"));
  EXPECT_TRUE(has(reportMarkdown(r), "Quality was not measured"));
  EXPECT_TRUE(has(reportDiffMarkdown(r, parsed(sample())), "| perplexity "));
}

TEST(Report, SaysWhatWasLeftAlone) {
  Json json = sample();
  json["weights"][0]["kept"] = true;
  json["weights"][0]["kept_reason"] = "recipe keeps layers.0";
  json["weights"][0]["error"] = 0;
  Report r = parsed(json);
  EXPECT_TRUE(has(reportHtml(r), "<b>recipe keeps layers.0</b> <span class=dim>1 weight, "));
  EXPECT_TRUE(has(reportMarkdown(r), "- recipe keeps layers.0: "
                                     "`model.layers.0.self_attn.q_proj.weight`\n"));
}

TEST(Report, KindsOfDifferentParentsAreToldApart) {
  Json json = sample();
  json["weights"] = {weight("h.0.attn.c_proj.weight", 0, 0.1),
                     weight("h.0.mlp.c_proj.weight", 0, 0.2),
                     weight("h.0.mlp.experts.0.up.weight", 0, 0.3),
                     weight("h.0.mlp.experts.1.up.weight", 0, 0.4), weight("lm_head", -1, 0.5)};
  std::string markdown = reportMarkdown(parsed(json));
  EXPECT_TRUE(has(markdown, "| `attn.c_proj` "));
  EXPECT_TRUE(has(markdown, "| `mlp.c_proj` "));
  EXPECT_TRUE(has(markdown, "| `up`          |       2 |")) << markdown;
  EXPECT_TRUE(has(markdown, "| `lm_head` "));
}

TEST(Report, ManyKindsAndLayersStaySmall) {
  Json json = sample();
  Json weights = Json::array();
  for (int i = 0; i < 2000; ++i)
    weights.push_back(weight("m." + std::to_string(i) + ".kind" + std::to_string(i), i, 0.01));
  json["weights"] = std::move(weights);
  // 24 columns at most, 512 rows at most: no map of 2000 × 2000 cells.
  EXPECT_LT(reportHtml(parsed(json)).size(), 10u << 20);
}

TEST(Report, ExtremeNumbersAreDrawn) {
  Json json = sample();
  json["weights"][0]["error"] = 1e-300;
  json["weights"][1]["error"] = 1e300;
  json["weights"][0]["spectrum"] = {1e308, 1.0, 1e-308, 0.0};
  json["weights"][1]["spectrum"] = {0, 0, 0, 0};
  json["weights"][0]["bits"] = 1e308;
  json["size"]["before_bytes"] = int64_t(1) << 53;
  json["quality"]["perplexity"] = 1e308;
  std::string html = reportHtml(parsed(json));
  for (const std::string &text : {html, reportMarkdown(parsed(json)), reportCsv(parsed(json))})
    for (const char *what : {"nan\"", "nan,", ",nan", "nan<", ">nan", "nan ", " nan", "inf"})
      EXPECT_FALSE(has(text, what)) << what;
}

TEST(ReportDiff, LargestChangeFirst) {
  Json json = sample();
  json["weights"] = {weight("a", -1, 0.1), weight("b", -1, 0.1), weight("c", -1, 0.1),
                     weight("only A", -1, 0.1)};
  Report a = parsed(json);
  json["weights"] = {weight("only B", -1, 0.1), weight("c", -1, 0.1), weight("b", -1, 0.4),
                     weight("a", -1, 0.11)};
  json["recipe"]["scheme"] = "w4g64";
  Report b = parsed(json);
  std::string markdown = reportDiffMarkdown(a, b);
  size_t onlyA = markdown.find("`only A`"), onlyB = markdown.find("`only B`");
  size_t atA = markdown.find("`a`"), atB = markdown.find("`b`");
  EXPECT_LT(onlyA, onlyB);
  EXPECT_LT(onlyB, atB);
  EXPECT_LT(atB, atA);
  EXPECT_EQ(markdown.find("`c`"), std::string::npos);
  EXPECT_TRUE(has(markdown, "1 weight is the same in both."));
  EXPECT_TRUE(has(markdown, "| scheme  | `w3g64+lr16` | `w4g64` |"));
  EXPECT_TRUE(has(markdown, "4.00× |"));
  std::string html = reportDiffHtml(a, b);
  EXPECT_LT(html.find("data-v=\"only A\""), html.find("data-v=\"b\""));
  EXPECT_TRUE(has(html, ">4.00×</td>"));
  std::string csv = reportDiffCsv(a, b);
  EXPECT_LT(csv.find("\r\nonly A,"), csv.find("\r\nonly B,"));
  EXPECT_TRUE(has(csv, ",0.1,0.4,2\r\n")); // errors, and log2 of their ratio
  EXPECT_EQ(csv.find("\r\nc,"), std::string::npos);
  Json difference = reportDiffJson(a, b);
  ASSERT_EQ(difference["weights"].size(), 4u);
  EXPECT_EQ(difference["weights"][0]["name"], "only A");
  EXPECT_TRUE(difference["weights"][0]["b"].is_null());
  EXPECT_TRUE(difference["weights"][0]["change"].is_null());
  EXPECT_EQ(difference["weights"][2]["name"], "b");
  EXPECT_EQ(difference["weights"][2]["b"]["error"], 0.4);
  EXPECT_EQ(difference["weights"][2]["change"], 2.0);
  EXPECT_EQ(difference["settings"][0]["b"], "w4g64");
}

TEST(ReportDiff, OfOneReportIsEmpty) {
  Report r = parsed(sample());
  EXPECT_TRUE(has(reportDiffMarkdown(r, r), "## Weights that differ\n\nNone.\n"));
  EXPECT_FALSE(has(reportDiffMarkdown(r, r), "Settings that differ"));
  EXPECT_TRUE(has(reportDiffHtml(r, r), "<p>None.</p>"));
  EXPECT_EQ(reportDiffCsv(r, r).find("\r\n") + 2, reportDiffCsv(r, r).size());
  EXPECT_TRUE(reportDiffJson(r, r)["weights"].empty());
}
