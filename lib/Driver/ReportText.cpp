// Reports as Markdown and as CSV.
#include "ReportText.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace fingpt::report {

//===----------------------------------------------------------------------===//
// Markdown
//===----------------------------------------------------------------------===//

static std::string entity(char c) {
  return "&#" + std::to_string(static_cast<unsigned char>(c)) + ";";
}

static bool isWord(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

std::string prose(std::string_view foreign) {
  std::string shown = visible(foreign), out;
  for (size_t i = 0; i < shown.size(); ++i) {
    char c = shown[i];
    // Inside of a word an underscore is none of Markdown's.
    bool inWord =
        c == '_' && i > 0 && i + 1 < shown.size() && isWord(shown[i - 1]) && isWord(shown[i + 1]);
    bool special = c != 0 && std::strchr("&<>|`*_[]\\#!~$@", c);
    out += special && !inWord ? entity(c) : std::string(1, c);
  }
  return out;
}

std::string code(std::string_view foreign) {
  std::string shown = visible(foreign);
  if (shown.empty())
    return "–";
  if (shown.find_first_of("`|<>&") == std::string::npos)
    return "`" + shown + "`";
  return "<code>" + prose(foreign) + "</code>";
}

MarkdownTable::MarkdownTable(std::vector<std::string> headings) {
  for (std::string &h : headings) {
    numeric.push_back(!h.empty() && h.back() == '>');
    if (numeric.back())
      h.pop_back();
  }
  rows.push_back(std::move(headings));
}

void MarkdownTable::row(std::vector<std::string> cells) { rows.push_back(std::move(cells)); }

/// Code points, which is near enough to columns.
static size_t widthOf(const std::string &text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string MarkdownTable::str() const {
  std::vector<size_t> widths(numeric.size(), 3);
  for (const auto &cells : rows)
    for (size_t i = 0; i < cells.size(); ++i)
      widths[i] = std::max(widths[i], std::min<size_t>(widthOf(cells[i]), 60));
  std::string out;
  for (size_t r = 0; r < rows.size(); ++r) {
    for (size_t i = 0; i < numeric.size(); ++i) {
      const std::string &cell = rows[r][i];
      size_t width = widthOf(cell);
      std::string pad(width < widths[i] ? widths[i] - width : 0, ' ');
      out += "| " + (numeric[i] ? pad + cell : cell + pad) + " ";
    }
    out += "|\n";
    if (r > 0)
      continue;
    for (size_t i = 0; i < numeric.size(); ++i)
      out += "|" + std::string(widths[i] + 1, '-') + (numeric[i] ? ":" : "-");
    out += "|\n";
  }
  return out;
}

static std::string summaryMarkdown(const Report &r) {
  MarkdownTable t({"", "before>", "after>", "change"});
  t.row({"size", sizeText(double(r.size.before)), sizeText(double(r.size.after)),
         ratioText(double(r.size.before), double(r.size.after))});
  t.row({"bits per weight", fixed(r.size.bitsBefore, 2), fixed(r.size.bits, 2), ""});
  if (const auto &q = r.quality; q && q->cosine) {
    t.row({"hidden states, mean cosine", "", fixed(*q->cosine, 5), ""});
    t.row({"hidden states, relative change", "", briefOrDash(q->relativeChange), ""});
  } else if (q) {
    t.row({"perplexity", perplexityText(q->perplexityBefore), perplexityText(q->perplexity),
           q->perplexity && q->perplexityBefore ? changeText(*q->perplexityBefore, *q->perplexity)
                                                : ""});
    t.row({"KL divergence, mean", "", briefOrDash(q->klMean), "nat"});
    t.row({"KL divergence, 99th percentile", "", briefOrDash(q->klP99), "nat"});
    t.row({"same top token", "", q->sameTop ? fixed(*q->sameTop * 100, 1) + "%" : "–", ""});
  }
  std::string out = t.str() + "\n";
  if (const auto &q = r.quality)
    return out + "Quality on " + (q->text.empty() ? "a text without a name" : code(q->text)) +
           ", " + grouped(q->tokens) + " tokens, against the uncompressed model.\n";
  return out + "Quality was not measured: there was no text for it.\n";
}

static std::string kindsMarkdown(const Figures &f) {
  MarkdownTable t({"kind", "weights>", "left alone>", "before>", "after>", "bits>", "mean error>",
                   "largest error>"});
  for (const Kind &k : f.kinds)
    t.row({code(k.label), std::to_string(k.weights), k.kept ? std::to_string(k.kept) : "–",
           sizeText(k.before), sizeText(k.after), fixed(k.bits(), 2), briefOrDash(k.meanError),
           briefOrDash(k.worstError)});
  if (f.otherBefore > 0 || f.otherAfter > 0)
    t.row(
        {"other parameters", "", "", sizeText(f.otherBefore), sizeText(f.otherAfter), "", "", ""});
  return t.str();
}

static std::string worstMarkdown(const Report &r, const Figures &f, size_t most) {
  MarkdownTable t(
      {"weight", "shape>", "scheme", "bytes>", "bits>", "error>", "rounding>", "gain>", "note"});
  for (size_t i = 0; i < std::min(most, f.byError.size()); ++i) {
    const ReportWeight &w = r.weights[f.byError[i]];
    std::optional<double> gain = gainOf(w);
    t.row({code(w.name), shapeText(w.shape), code(w.scheme), grouped(w.after), fixed(w.bits, 2),
           briefText(*w.error, 3),
           w.roundingError && *w.roundingError != 1 ? briefText(*w.roundingError, 3) : "–",
           gain ? fixed(*gain, 2) + "×" : "–", prose(w.note)});
  }
  return t.str();
}

//===----------------------------------------------------------------------===//
// CSV
//===----------------------------------------------------------------------===//

std::string csvField(const std::string &foreign) {
  std::string shown = visible(foreign, std::string::npos); // no line breaks are left
  if (!shown.empty() && std::strchr("=+-@", shown[0]))
    shown.insert(0, "'");
  if (shown.find_first_of("\",") == std::string::npos)
    return shown;
  std::string out = "\"";
  for (char c : shown)
    out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string csvField(const std::optional<double> &value) {
  char text[40];
  return value ? std::string(text, std::to_chars(text, text + sizeof text, *value).ptr) : "";
}

static std::string csvRow(const ReportWeight &w, const Kind &kind) {
  std::vector<std::string> fields = {
      csvField(w.name),
      w.layer < 0 ? "" : std::to_string(w.layer),
      csvField(kind.key),
      shapeText(w.shape, "x"),
      csvField(w.scheme),
      csvField(w.form),
      std::to_string(w.before),
      std::to_string(w.after),
      csvField(std::optional(w.bits)),
      csvField(w.error),
      csvField(w.roundingError),
      csvField(gainOf(w)),
      w.rank ? std::to_string(*w.rank) : "",
      csvField(w.sensitivity),
      w.kept ? "true" : "false",
      csvField(w.keptReason),
      csvField(w.note),
  };
  std::string out;
  for (size_t i = 0; i < fields.size(); ++i)
    out += (i ? "," : "") + fields[i];
  return out + "\r\n";
}

} // namespace fingpt::report

namespace fingpt {

using namespace report;

std::string reportMarkdown(const Report &r) {
  Figures f = figuresOf(r);
  std::string out = "# Compression of " + prose(r.model.source) + "\n\n";
  if (!r.model.architecture.empty())
    out += prose(r.model.architecture) + ", ";
  if (r.model.layers)
    out += grouped(*r.model.layers) + " layers, ";
  out += grouped(r.model.parameters) + " parameters.\n\n" + summaryMarkdown(r);
  if (!r.weights.empty())
    out += "\n## Kinds of weights\n\n" + kindsMarkdown(f);
  if (!f.byError.empty()) {
    size_t most = std::min<size_t>(20, f.byError.size());
    out += "\n## Largest errors\n\nThe " + std::to_string(most) + " largest of " +
           std::to_string(f.byError.size()) + ", as a share of the output's energy.\n\n" +
           worstMarkdown(r, f, most);
  }
  std::vector<KeptGroup> kept = keptGroups(r);
  if (!kept.empty())
    out += "\n## Left alone\n\n";
  for (const KeptGroup &g : kept) {
    out += "- " + prose(g.reason) + ": ";
    for (size_t i = 0; i < std::min<size_t>(g.weights.size(), 8); ++i)
      out += (i ? ", " : "") + code(r.weights[g.weights[i]].name);
    out +=
        g.weights.size() > 8 ? ", and " + std::to_string(g.weights.size() - 8) + " more\n" : "\n";
  }
  MarkdownTable settings({"setting", "value"});
  for (const auto &[key, value] : flatSettings(r.recipe))
    settings.row({prose(key), code(value)});
  for (const ReportRewrite &rewrite : r.rewrites)
    settings.row({"rewrite " + prose(rewrite.pass), prose(rewrite.detail)});
  if (const auto &c = r.calibration)
    settings.row({"calibration text", code(c->text) + ", " + grouped(c->tokens) +
                                          " tokens in sequences of " + grouped(c->context)});
  settings.row({"hash of the source", code(r.provenance.sourceHash)});
  settings.row({"hash of the calibration text", code(r.provenance.calibrationHash)});
  for (const auto &[name, version] : r.provenance.versions)
    settings.row({prose(name), prose(version)});
  return out + "\n## Recipe and provenance\n\n" + settings.str();
}

std::string reportCsv(const Report &r) {
  Figures f = figuresOf(r);
  std::string out = "name,layer,kind,shape,scheme,form,bytes_before,bytes_after,bits,error,"
                    "rounding_error,gain,rank,sensitivity,kept,kept_reason,note\r\n";
  for (size_t i = 0; i < r.weights.size(); ++i)
    out += csvRow(r.weights[i], f.kinds[f.kindOf[i]]);
  return out;
}

} // namespace fingpt
