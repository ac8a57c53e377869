#include "ReportHtml.h"

#include <algorithm>
#include <cmath>

namespace fingpt::report {

#include "ReportPage.inc"

//===----------------------------------------------------------------------===//
// Pieces
//===----------------------------------------------------------------------===//

std::string text(std::string_view foreign, size_t limit) {
  std::string out;
  for (char c : visible(foreign, limit))
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    case '\'':
      out += "&#39;";
      break;
    default:
      out += c;
    }
  return out;
}

std::string nameCell(const std::string &name, const Kind &kind) {
  std::string out = name.size() > 56 ? "<td class=\"name long\"" : "<td class=name";
  out += " data-v=\"" + text(name) + "\">";
  auto dim = [](const std::string &part) {
    return part.empty() ? "" : "<span class=dim>" + text(part) + "</span>";
  };
  size_t at = kind.label.empty() ? std::string::npos : name.rfind(kind.label);
  if (at == std::string::npos)
    return out + text(name) + "</td>";
  return out + dim(name.substr(0, at)) + text(kind.label) +
         dim(name.substr(at + kind.label.size())) + "</td>";
}

std::string page(const std::string &title, const std::string &body) {
  return "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
         "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src "
         "'unsafe-inline'; script-src 'sha256-" +
         std::string(kScriptHash) +
         "'\">\n<meta name=viewport content=\"width=device-width,initial-scale=1\">\n"
         "<meta name=color-scheme content=\"light dark\">\n<title>" +
         text(title, 200) + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n<main>\n" +
         body + "</main>\n<script>" + kScript + "</script>\n</body>\n</html>\n";
}

std::string section(const std::string &id, const std::string &heading, const std::string &body) {
  return "<section id=" + id + ">\n<h2>" + heading + "</h2>\n" + body + "\n</section>\n";
}

std::string card(const std::string &label, const std::string &value, const std::string &note) {
  return "<div class=card><span class=l>" + label + "</span><span class=v>" + value +
         "</span><span class=n>" + note + "</span></div>\n";
}

std::string settingsTable(const std::vector<std::pair<std::string, std::string>> &rows) {
  std::string out = "<table class=set>\n";
  for (const auto &[key, value] : rows)
    out += "<tr><th scope=row>" + text(key, 200) + "</th><td>" +
           (value.empty() ? "–" : text(value)) + "</td></tr>\n";
  return out + "</table>\n";
}

std::string colourOf(const Kind &kind) {
  constexpr int hues[] = {212, 168, 268, 340, 96}; // of groups inside of layers
  int hue = kind.inLayers ? hues[kind.group % std::size(hues)] : 36;
  return "--h:" + std::to_string(hue) + ";--s:" + std::to_string(kind.shade % 5);
}

std::string swatch(const Kind &kind) {
  return "<i class=\"sw k\" style=\"" + colourOf(kind) + "\"></i>";
}

//===----------------------------------------------------------------------===//
// The page of one report
//===----------------------------------------------------------------------===//

static std::string header(const Report &r) {
  std::string facts;
  auto fact = [&](const std::string &markup) { facts += (facts.empty() ? "" : " · ") + markup; };
  if (!r.model.architecture.empty())
    fact("<b>" + text(r.model.architecture, 100) + "</b>");
  if (r.model.layers)
    fact("<b>" + grouped(*r.model.layers) + "</b> layers");
  fact("<b>" + grouped(r.model.parameters) + "</b> parameters");
  if (const auto scheme = r.recipe.find("scheme"); scheme != r.recipe.end() && scheme->is_string())
    fact("scheme <b class=mono>" + text(scheme->get_ref<const std::string &>(), 200) + "</b>");
  return "<p class=over>Compression report</p>\n<h1>" + text(r.model.source, 300) +
         "</h1>\n<p class=facts>" + facts + "</p>\n";
}

static std::string cards(const Report &r) {
  std::string out = "<div class=cards id=summary>\n";
  out += card("Size", sizeText(double(r.size.after)),
              "from " + sizeText(double(r.size.before)) + ", " +
                  ratioText(double(r.size.before), double(r.size.after)));
  out += card("Bits per weight", fixed(r.size.bits, 2), "from " + fixed(r.size.bitsBefore, 2));
  if (!r.quality)
    return out + card("Quality", "not measured", "no text for it") + "</div>\n";
  const ReportQuality &q = *r.quality;
  if (q.cosine) {
    out += card("Cosine of hidden states", fixed(*q.cosine, 5), "mean over tokens");
    out += card("Change of hidden states", briefOrDash(q.relativeChange), "relative, squared");
  } else {
    std::string change =
        q.perplexity && q.perplexityBefore ? changeText(*q.perplexityBefore, *q.perplexity) : "";
    out +=
        card("Perplexity", perplexityText(q.perplexity),
             "from " + perplexityText(q.perplexityBefore) + (change.empty() ? "" : ", " + change));
    out += card("KL divergence, mean", briefOrDash(q.klMean) + " <small>nat</small>",
                "99th percentile " + briefOrDash(q.klP99));
    out += card("Same top token", q.sameTop ? fixed(*q.sameTop * 100, 1) + "%" : "–",
                "as the original, of " + grouped(q.tokens) + " tokens");
  }
  return out + "</div>\n<p class=note style=\"margin-top:.6rem\">Quality measured on " +
         (q.text.empty() ? "a text without a name" : text(q.text, 300)) + ", " + grouped(q.tokens) +
         " tokens, against the uncompressed model. Sizes are stored bytes of all parameters, with "
         "scales, zeros and tables.</p>\n";
}

static std::string errorSection(const Report &r, const Figures &f) {
  std::string out = "<p class=note>Error is the share of a layer's output energy that compression "
                    "changes, tr(ΔHΔᵀ)/tr(WHWᵀ)";
  out += r.calibration ? ", with H the second moments of its inputs on the calibration text."
                       : "; without a calibration text all inputs count alike (H = 1).";
  if (!f.byError.empty()) {
    size_t worst = f.byError[0];
    out += " Median " + briefText(*f.medianError) + ", largest " +
           briefText(*r.weights[worst].error) + " at <a href=\"#w" + std::to_string(worst) + "\">" +
           text(r.weights[worst].name, 200) + "</a>.";
  }
  return out + " A cell leads to its row in the table of weights.</p>\n<div class=two>\n" +
         heatMapHtml(errorMap(r, f), f) + heatMapHtml(bitsMap(r, f), f) + "</div>";
}

static std::string kindTable(const Report &r, const Figures &f) {
  std::string out = "<div class=scroll><table class=grid><thead><tr><th scope=col>Kind</th>";
  for (const char *name : {"Weights", "Before", "After", "Share", "Ratio", "Bits", "Mean error",
                           "Largest error", "Left alone"})
    out += std::string("<th scope=col class=r>") + name + "</th>";
  out += "</tr></thead><tbody>\n";
  auto cell = [&](const std::string &value) { out += "<td class=r>" + value + "</td>"; };
  double total = double(r.size.after);
  auto sizes = [&](double before, double after) {
    cell(sizeText(before));
    cell(sizeText(after));
    cell(total > 0 ? fixed(after / total * 100, 1) + "%" : "–");
    cell(before > 0 && after > 0 ? fixed(before / after, 2) + "×" : "–");
  };
  for (const Kind &k : f.kinds) {
    out += "<tr><td title=\"" + text(k.key) + "\">" + swatch(k) + text(k.label, 60) + "</td>";
    cell(grouped(int64_t(k.weights)));
    sizes(k.before, k.after);
    cell(fixed(k.bits(), 2));
    cell(briefOrDash(k.meanError));
    cell(briefOrDash(k.worstError));
    cell(k.kept ? grouped(int64_t(k.kept)) : "–");
    out += "</tr>\n";
  }
  if (f.otherBefore > 0 || f.otherAfter > 0) {
    out += "<tr><td><i class=\"sw k\" style=\"--h:210;--c:4%;--s:3\"></i>other parameters</td>";
    cell("");
    sizes(f.otherBefore, f.otherAfter);
    out += "<td></td><td></td><td></td><td></td></tr>\n";
  }
  out += "</tbody><tfoot><tr><td>Total</td>";
  cell(grouped(int64_t(r.weights.size())));
  sizes(double(r.size.before), double(r.size.after));
  cell(fixed(r.size.bits, 2));
  return out + "<td></td><td></td><td></td></tr></tfoot></table></div>";
}

/// The unit in which a column of sizes is written, for the middle weight.
static std::pair<const char *, double> unitOf(const Report &r) {
  std::vector<int64_t> sizes;
  for (const ReportWeight &w : r.weights)
    sizes.push_back(w.before);
  std::sort(sizes.begin(), sizes.end());
  bool large = !sizes.empty() && sizes[sizes.size() / 2] >= 1 << 23;
  return large ? std::pair("MiB", 1048576.0) : std::pair("KiB", 1024.0);
}

static std::string groupedFixed(double value) {
  if (value >= 1e12)
    return briefText(value);
  auto tenths = int64_t(std::llround(value * 10));
  return grouped(tenths / 10) + "." + std::to_string(tenths % 10);
}

static std::string weightsSection(const Report &r, const Figures &f) {
  auto [unit, bytes] = unitOf(r);
  bool sensitivities = std::any_of(r.weights.begin(), r.weights.end(),
                                   [](const ReportWeight &w) { return w.sensitivity; });
  bool notes = std::any_of(r.weights.begin(), r.weights.end(), [](const ReportWeight &w) {
    return !w.note.empty() || (w.kept && !w.keptReason.empty());
  });
  // Decimals that leave two digits of the smallest error.
  int decimals = 4;
  if (!f.byError.empty())
    if (double least = *r.weights[f.byError.back()].error; least > 0)
      decimals = std::clamp(1 - int(std::floor(std::log10(least))), 3, 5);
  std::string out = "<div class=filter id=filter hidden><input id=query type=search "
                    "placeholder=\"name, scheme or note\" aria-label=\"Filter\">"
                    "<select id=kind aria-label=Kind><option value=\"\">all kinds</option>";
  for (size_t k = 0; k < f.kinds.size(); ++k)
    out += "<option value=" + std::to_string(k) + ">" + text(f.kinds[k].label, 60) + "</option>";
  out += "</select><output id=count></output></div>\n<div class=box><table class=rows id=weights>"
         "<thead><tr>";
  auto head = [&](const std::string &name, bool number) {
    out += std::string("<th scope=col") + (number ? " class=r>" : ">") + name + "</th>";
  };
  head("Name", false);
  head("Shape", true);
  head("Scheme", false);
  head("Form", false);
  head(std::string("Before, ") + unit, true);
  head(std::string("After, ") + unit, true);
  for (const char *name : {"Bits", "Error", "Rounding", "Gain"})
    head(name, true);
  if (sensitivities)
    head("Sensitivity", true);
  if (notes)
    head("Note", false);
  out += "</tr></thead><tbody>\n";
  auto number = [&](const std::optional<double> &value, const std::string &shown) {
    out += value ? "<td class=r data-v=" + describe(Json(*value)) + ">" + shown + "</td>"
                 : std::string("<td class=r>–</td>");
  };
  auto error = [&](const std::optional<double> &value) {
    number(value, !value                        ? ""
                  : *value > 0 && *value < 1e-5 ? briefText(*value)
                                                : fixed(*value, decimals));
  };
  for (size_t i = 0; i < r.weights.size(); ++i) {
    const ReportWeight &w = r.weights[i];
    double elements = 1;
    for (int64_t n : w.shape)
      elements *= double(n);
    out += "<tr id=w" + std::to_string(i) + " data-k=" + std::to_string(f.kindOf[i]) +
           (w.kept ? " class=same>" : ">") + nameCell(w.name, f.kinds[f.kindOf[i]]);
    number(elements, shapeText(w.shape));
    out += "<td>" + text(w.scheme, 200) + "</td><td>" + text(w.form, 200) + "</td>";
    number(double(w.before), groupedFixed(double(w.before) / bytes));
    number(double(w.after), groupedFixed(double(w.after) / bytes));
    number(w.bits, fixed(w.bits, 2));
    error(w.kept ? std::nullopt : w.error);
    error(w.kept || w.roundingError == 1 ? std::nullopt : w.roundingError);
    std::optional<double> gain = gainOf(w);
    number(gain, gain ? fixed(*gain, 2) + "×" : "");
    if (sensitivities)
      number(w.sensitivity, briefOrDash(w.sensitivity));
    std::string note = w.kept && !w.keptReason.empty() ? "left alone: " + w.keptReason : w.note;
    out += (notes ? "<td class=wrap>" + text(note) + "</td>" : "") + "</tr>\n";
  }
  return out + "</tbody></table></div>\n<p class=note style=\"margin-top:.7rem\">Rounding is the "
               "error of plain rounding to the same codes; gain is rounding over error. Bits and "
               "sizes are as stored.</p>";
}

static std::string keptSection(const Report &r) {
  std::vector<KeptGroup> groups = keptGroups(r);
  if (groups.empty())
    return "<p>Nothing: every weight that is listed has a new form.</p>";
  std::string out;
  for (const KeptGroup &g : groups) {
    out += std::string("<details") + (g.weights.size() <= 12 ? " open" : "") + "><summary><b>" +
           text(g.reason) + "</b> <span class=dim>" + grouped(int64_t(g.weights.size())) +
           (g.weights.size() == 1 ? " weight, " : " weights, ") + sizeText(g.bytes) +
           "</span></summary><ul class=\"plain mono\">\n";
    for (size_t i : g.weights)
      out +=
          "<li><a href=\"#w" + std::to_string(i) + "\">" + text(r.weights[i].name) + "</a></li>\n";
    out += "</ul></details>\n";
  }
  return out;
}

static std::string makingSection(const Report &r) {
  std::string out = "<div class=two>\n<div><h3>Recipe</h3>" + settingsTable(flatSettings(r.recipe));
  out += "</div>\n<div><h3>Rewrites of the graph</h3>";
  std::vector<std::pair<std::string, std::string>> rows;
  for (const ReportRewrite &rewrite : r.rewrites)
    rows.emplace_back(rewrite.pass, rewrite.detail);
  out += rows.empty() ? "<p class=note>None.</p>" : settingsTable(rows);
  out += "<h3 style=\"margin-top:1.2rem\">Calibration</h3>";
  if (const auto &c = r.calibration)
    out += settingsTable({{"text", c->text},
                          {"tokens", grouped(c->tokens)},
                          {"context", grouped(c->context)},
                          {"layer by layer", c->sequential ? "yes, on compressed inputs" : "no"}});
  else
    out += "<p class=note>None: weights were compressed by themselves.</p>";
  return out + "</div></div>";
}

static std::string provenanceSection(const Report &r) {
  std::string out = "<table class=set>\n";
  auto row = [&](const std::string &key, const std::string &value, bool hash) {
    out += "<tr><th scope=row>" + text(key, 200) + "</th><td" + (hash ? " class=hash>" : ">") +
           (value.empty() ? "–" : text(value)) + "</td></tr>\n";
  };
  row("source", r.model.source, false);
  row("hash of the source", r.provenance.sourceHash, true);
  row("hash of the calibration text", r.provenance.calibrationHash, true);
  for (const auto &[name, version] : r.provenance.versions)
    row(name, version, false);
  return out + "</table>";
}

} // namespace fingpt::report

namespace fingpt {

std::string reportHtml(const Report &r) {
  using namespace report;
  Figures f = figuresOf(r);
  std::string spectra = spectraHtml(r, f);
  std::string body = header(r) + "<nav class=toc><a href=\"#summary\">Summary</a>";
  std::string sections;
  auto add = [&](const char *id, const char *heading, const std::string &markup) {
    body += std::string("<a href=\"#") + id + "\">" + heading + "</a>";
    sections += section(id, heading, markup);
  };
  if (!r.weights.empty()) {
    add("errors", "Error and bits by layer", errorSection(r, f));
    add("bytes", "Where the bytes are", bytesBars(r, f) + kindTable(r, f));
    if (!spectra.empty())
      add("spectra", "Spectra", spectra);
    add("table", "Weights", weightsSection(r, f));
    add("kept", "Left alone", keptSection(r));
  } else {
    add("table", "Weights", "<p>No weights are listed.</p>");
  }
  add("making", "How it was made", makingSection(r));
  add("provenance", "Provenance", provenanceSection(r));
  body += "</nav>\n" + cards(r) + sections + "<footer>Written by " +
          (r.tool.empty() ? "fingpt" : text(r.tool, 100)) +
          " from report.json. This page is one file and loads nothing.</footer>\n";
  return page(r.model.source + ": compression report", body);
}

} // namespace fingpt
