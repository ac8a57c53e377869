// What a compression did, for the people who have to answer for it: report.json of a compressed
// model directory, and the pages and tables made from it.
//
//   Result<Report> report = readReport("small");             // small/report.json
//   report->size.after, report->weights[3].error
//   writeFileAtomically("small/report.html", reportHtml(*report));
//
// The file (format_version 1), one weight shown:
//
//   {"format_version": 1, "tool": "fingpt 0.1.0",
//    "model": {"source": "SmolLM2.gguf", "architecture": "llama", "layers": 30,
//              "parameters": 134515008},
//    "recipe": {"scheme": "w3g64+lr16", …},                  free-form, echoed
//    "size": {"before_bytes": 269060256, "after_bytes": 87031808,
//             "bits_per_weight_before": 16, "bits_per_weight": 5.2},
//    "quality": null or {"text": "wiki.txt", "tokens": 5100, "perplexity_before": 14.81,
//                        "perplexity": 15.06, "kl_mean": 0.021, "kl_p99": 0.18, "same_top": 0.96},
//    "calibration": null or {"text": "calib.txt", "tokens": 16384, "context": 512,
//                            "sequential": true},
//    "rewrites": [{"pass": "fin-rotate", "detail": "hadamard, seed 0"}],
//    "weights": [{"name": "model.layers.0.self_attn.q_proj.weight", "layer": 0,
//                 "shape": [576, 576], "scheme": "w3g64+lr16", "form": "3.31 bit + rank 16",
//                 "bytes_before": 663552, "bytes_after": 161856, "bits": 3.9,
//                 "error": 0.041, "rounding_error": 0.097, "rank": 16, "sensitivity": null,
//                 "spectrum": [41.2, …], "spectrum_ranks": [0, …], "note": "",
//                 "kept": false, "kept_reason": ""}],
//    "provenance": {"source_hash": "…", "calibration_hash": "…",
//                   "versions": {"fingpt": "0.1.0", "llvm": "22.1"}}}
//
// Every string of it may come from a stranger's model file. What is made from a report depends on
// the report alone: no time, no random name.
#ifndef FINGPT_DRIVER_REPORT_H
#define FINGPT_DRIVER_REPORT_H

#include "fingpt/Support/Json.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace fingpt {

struct ReportModel {
  std::string source, architecture;
  std::optional<int64_t> layers;
  int64_t parameters = 0;
};

/// Bytes as stored, of all parameters.
struct ReportSize {
  int64_t before = 0, after = 0;
  double bitsBefore = 0, bits = 0; ///< per parameter
};

/// A figure is absent where it was not finite.
struct ReportQuality {
  std::string text; ///< name of what it was measured on
  int64_t tokens = 0;
  std::optional<double> perplexityBefore, perplexity;
  std::optional<double> klMean, klP99; ///< nats
  std::optional<double> sameTop;       ///< share in [0, 1]
  /// Of an encoder in place of those: its last hidden states.
  std::optional<double> cosine, relativeChange;
};

struct ReportCalibration {
  std::string text;
  int64_t tokens = 0, context = 0;
  bool sequential = false;
};

struct ReportRewrite {
  std::string pass, detail;
};

struct ReportWeight {
  std::string name;
  int64_t layer = -1; ///< -1: outside of the layers
  std::vector<int64_t> shape;
  std::string scheme, form;
  int64_t before = 0, after = 0; ///< bytes
  double bits = 0;               ///< per element, as stored
  /// tr(ΔHΔᵀ)/tr(WHWᵀ): share of the output's energy that is lost; H = 1 without calibration.
  std::optional<double> error;
  std::optional<double> roundingError; ///< the same, of plain rounding; 1: not rounded at all
  std::optional<int64_t> rank;
  std::optional<double> sensitivity;
  std::vector<double> spectrum;       ///< singular values of the whitened weight, samples
  std::vector<int64_t> spectrumRanks; ///< index of each, from 0, ascending
  std::string note;
  bool kept = false;
  std::string keptReason;
};

struct ReportProvenance {
  std::string sourceHash, calibrationHash;
  std::vector<std::pair<std::string, std::string>> versions;
};

struct Report {
  std::string tool;
  ReportModel model;
  Json recipe = Json::object();
  ReportSize size;
  std::optional<ReportQuality> quality;
  std::optional<ReportCalibration> calibration;
  std::vector<ReportRewrite> rewrites;
  std::vector<ReportWeight> weights;
  ReportProvenance provenance;
};

/// DIR/report.json for a directory, else `path` itself. Error: there is none.
Result<std::string> reportFile(const std::string &path);
/// Reads the report of a compressed model directory, or a report.json.
/// Error: FILE:/pointer: what, expected, got.
Result<Report> readReport(const std::string &path);
/// Checks a document that is in memory; `file` is for messages. A number that is not finite
/// counts as absent, as it would be in the file.
Result<Report> parseReport(const Json &json, const std::string &file);
/// The document of format_version 1; parseReport() reads it back.
Json reportJson(const Report &report);

/// One self-contained page. It loads nothing, and needs its script for sorting and filtering only.
std::string reportHtml(const Report &report);
/// Summary, kinds of weights, and the 20 weights with the largest error.
std::string reportMarkdown(const Report &report);
/// A row per weight, RFC 4180. A text that a spreadsheet would run as a formula gets a leading '.
std::string reportCsv(const Report &report);

/// From `a` to `b`: figures, settings, and the weights that differ, largest change first. The
/// change of a weight is |log2| of the ratio of its bytes or of its errors (taken as 1e-4 at
/// least), whichever is larger; weights that only one of them has come first.
std::string reportDiffHtml(const Report &a, const Report &b);
std::string reportDiffMarkdown(const Report &a, const Report &b);
/// A row per weight that differs; `change` is empty where only one of them has it.
std::string reportDiffCsv(const Report &a, const Report &b);
/// {"format_version": 1, "a": {"source", "size", "quality"}, "b": {…},
///  "settings": [{"name", "a", "b"}], "weights": [{"name", "a": null or {"scheme", "form", "bytes",
///  "error"}, "b": …, "change": null or 0.58}]}: of settings and weights those that differ.
Json reportDiffJson(const Report &a, const Report &b);

} // namespace fingpt

#endif // FINGPT_DRIVER_REPORT_H
