// Two reports side by side.
#include "ReportHtml.h"
#include "ReportText.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace fingpt::report {

namespace {

constexpr double kLeastError = 1e-4; // ratios below it are of no interest

/// A weight of either report; null where it has none of the name.
struct Pair {
  const ReportWeight *a = nullptr, *b = nullptr;
  double change = 0; ///< as Report.h defines it
  const std::string &name() const { return (a ? a : b)->name; }
};

/// "before" and "after" of one line of the summary, and what that means.
struct Line {
  std::string label, a, b, change;
  int verdict = 0; ///< -1: worse, 1: better
};

struct Setting {
  std::string key, a, b;
};

struct Difference {
  std::vector<Pair> pairs;   ///< in the order of `a`, then what only `b` has
  std::vector<size_t> order; ///< of those that differ, largest change first
  std::vector<Line> lines;
  std::vector<Setting> settings; ///< that differ
};

} // namespace

/// Of a weight that stays 0; absent without a weight.
static std::optional<double> errorIn(const ReportWeight *w) {
  if (!w)
    return std::nullopt;
  return w->kept ? std::optional(0.0) : w->error;
}

/// log2 of the ratio of errors from a to b; absent unless both have one.
static std::optional<double> errorChange(const Pair &p) {
  std::optional<double> a = errorIn(p.a), b = errorIn(p.b);
  if (!a || !b)
    return std::nullopt;
  return std::log2(std::max(*b, kLeastError) / std::max(*a, kLeastError));
}

static double changeOf(const Pair &p) {
  if (!p.a || !p.b)
    return HUGE_VAL;
  double bytes =
      std::log2(std::max<double>(1, double(p.b->after)) / std::max<double>(1, double(p.a->after)));
  return std::max(std::fabs(bytes), std::fabs(errorChange(p).value_or(0)));
}

static bool differs(const Pair &p) {
  return !p.a || !p.b || p.a->scheme != p.b->scheme || p.a->form != p.b->form ||
         p.a->after != p.b->after || p.a->error != p.b->error || p.a->kept != p.b->kept;
}

static void pairWeights(const Report &a, const Report &b, Difference &d) {
  // A name that comes twice is paired in order.
  std::unordered_map<std::string_view, std::vector<const ReportWeight *>> inB;
  for (auto w = b.weights.rbegin(); w != b.weights.rend(); ++w)
    inB[w->name].push_back(&*w);
  for (const ReportWeight &w : a.weights) {
    Pair p{&w, nullptr, 0};
    if (auto it = inB.find(w.name); it != inB.end() && !it->second.empty()) {
      p.b = it->second.back();
      it->second.pop_back();
    }
    d.pairs.push_back(p);
  }
  for (const ReportWeight &w : b.weights) {
    auto &left = inB[w.name];
    if (left.empty() || left.back() != &w)
      continue;
    left.pop_back();
    d.pairs.push_back({nullptr, &w, 0});
  }
  for (size_t i = 0; i < d.pairs.size(); ++i) {
    d.pairs[i].change = changeOf(d.pairs[i]);
    if (differs(d.pairs[i]))
      d.order.push_back(i);
  }
  std::sort(d.order.begin(), d.order.end(), [&](size_t x, size_t y) {
    double cx = d.pairs[x].change, cy = d.pairs[y].change;
    return cx != cy ? cx > cy : x < y;
  });
}

static void compareFigures(const Report &a, const Report &b, Difference &d) {
  using Value = std::optional<double>;
  // A rise is bad for all but the share of equal tokens.
  auto line = [&](const char *label, Value x, Value y, std::string (*show)(const Value &),
                  std::string change, int rise) {
    Line l{label, show(x), show(y), std::move(change), 0};
    if (x && y && *x != *y && l.a != l.b)
      l.verdict = *y > *x ? rise : -rise;
    d.lines.push_back(std::move(l));
  };
  auto relative = [](Value x, Value y) { return x && y ? changeText(*x, *y) : std::string(); };
  auto size = [](const Value &v) { return sizeText(*v); };
  auto bits = [](const Value &v) { return fixed(*v, 2); };
  auto share = [](const Value &v) { return v ? fixed(*v * 100, 1) + "%" : std::string("–"); };
  line("size", double(a.size.after), double(b.size.after), size,
       changeText(double(a.size.after), double(b.size.after)), -1);
  line("bits per weight", a.size.bits, b.size.bits, bits, changeText(a.size.bits, b.size.bits), -1);
  if (!a.quality && !b.quality)
    return;
  ReportQuality none, qa = a.quality.value_or(none), qb = b.quality.value_or(none);
  line("perplexity", qa.perplexity, qb.perplexity, perplexityText,
       relative(qa.perplexity, qb.perplexity), -1);
  line("KL divergence, mean", qa.klMean, qb.klMean, briefOrDash, relative(qa.klMean, qb.klMean),
       -1);
  line("KL divergence, 99th percentile", qa.klP99, qb.klP99, briefOrDash,
       relative(qa.klP99, qb.klP99), -1);
  std::string points;
  if (qa.sameTop && qb.sameTop) {
    double change = (*qb.sameTop - *qa.sameTop) * 100;
    points = (change < 0 ? "−" : "+") + fixed(std::fabs(change), 1) + " points";
  }
  line("same top token", qa.sameTop, qb.sameTop, share, points, 1);
}

static void compareSettings(const Report &a, const Report &b, Difference &d) {
  using Settings = std::vector<std::pair<std::string, std::string>>;
  auto all = [](const Report &r) {
    Settings s = {{"source", r.model.source}};
    for (const auto &[key, value] : flatSettings(r.recipe))
      s.emplace_back(key, value);
    for (size_t i = 0; i < r.rewrites.size(); ++i)
      s.emplace_back("rewrite " + std::to_string(i + 1),
                     r.rewrites[i].pass + ", " + r.rewrites[i].detail);
    if (r.quality)
      s.emplace_back("evaluation",
                     r.quality->text + ", " + std::to_string(r.quality->tokens) + " tokens");
    if (r.calibration)
      s.emplace_back("calibration text", r.calibration->text);
    s.emplace_back("hash of the source", r.provenance.sourceHash);
    s.emplace_back("hash of the calibration text", r.provenance.calibrationHash);
    s.emplace_back("tool", r.tool);
    for (const auto &[name, version] : r.provenance.versions)
      s.emplace_back("version of " + name, version);
    return s;
  };
  Settings sa = all(a), sb = all(b);
  std::unordered_map<std::string, std::string> inA(sa.begin(), sa.end()), inB(sb.begin(), sb.end());
  for (const auto &[key, value] : sa) {
    auto it = inB.find(key);
    if (it == inB.end() || it->second != value)
      d.settings.push_back({key, value, it == inB.end() ? "" : it->second});
  }
  for (const auto &[key, value] : sb)
    if (!inA.count(key))
      d.settings.push_back({key, "", value});
}

static Difference compare(const Report &a, const Report &b) {
  Difference d;
  pairWeights(a, b, d);
  compareFigures(a, b, d);
  compareSettings(a, b, d);
  return d;
}

static std::string schemeOf(const ReportWeight *w) {
  return !w ? "" : w->kept ? "left alone" : w->scheme;
}

static std::string errorOf(const ReportWeight *w) {
  return !w ? "–" : w->kept ? "0" : briefOrDash(w->error);
}

/// "2.05×" larger errors; empty if either is missing or below what is of interest.
static std::string errorRatio(const Pair &p) {
  std::optional<double> change = errorChange(p);
  return !change || *change == 0 ? "" : fixed(std::exp2(*change), 2) + "×";
}

static std::string sameText(const Difference &d) {
  size_t same = d.pairs.size() - d.order.size();
  return same == 0 ? ""
                   : grouped(int64_t(same)) + (same == 1 ? " weight is" : " weights are") +
                         " the same in both.";
}

//===----------------------------------------------------------------------===//
// Markdown
//===----------------------------------------------------------------------===//

static std::string diffMarkdown(const Report &a, const Report &b) {
  Difference d = compare(a, b);
  std::string out = "# " + prose(a.model.source) + ": two compressions\n\n";
  MarkdownTable summary({"", "A>", "B>", "A to B"});
  for (const Line &l : d.lines)
    summary.row({l.label, l.a, l.b, l.change});
  out += summary.str();
  if (!d.settings.empty()) {
    MarkdownTable t({"setting", "A", "B"});
    for (const Setting &s : d.settings)
      t.row({prose(s.key), code(s.a), code(s.b)});
    out += "\n## Settings that differ\n\n" + t.str();
  }
  out += "\n## Weights that differ\n\n";
  if (d.order.empty())
    return out + "None.\n";
  MarkdownTable t(
      {"weight", "scheme A", "scheme B", "bytes A>", "bytes B>", "error A>", "error B>", "B / A>"});
  for (size_t i : d.order) {
    const Pair &p = d.pairs[i];
    t.row({code(p.name()), p.a ? code(schemeOf(p.a)) : "–", p.b ? code(schemeOf(p.b)) : "–",
           p.a ? grouped(p.a->after) : "–", p.b ? grouped(p.b->after) : "–", errorOf(p.a),
           errorOf(p.b), errorRatio(p)});
  }
  std::string same = sameText(d);
  return out + "Largest change first.\n\n" + t.str() + (same.empty() ? "" : "\n" + same + "\n");
}

//===----------------------------------------------------------------------===//
// HTML
//===----------------------------------------------------------------------===//

/// A report with the weights of both: gives kinds and layers of their union.
static Report unionOf(const Report &a, const Difference &d) {
  Report r = a;
  r.weights.clear();
  for (const Pair &p : d.pairs) {
    ReportWeight w;
    w.name = p.name();
    w.layer = (p.a ? p.a : p.b)->layer;
    w.shape = (p.a ? p.a : p.b)->shape;
    w.before = p.a ? p.a->after : 0;
    w.after = p.b ? p.b->after : 0;
    r.weights.push_back(std::move(w));
  }
  return r;
}

static HeatMap changeMap(const Difference &d, const Figures &f) {
  constexpr int kMiddle = 3;
  size_t columns = 0;
  while (columns < f.kinds.size() && f.kinds[columns].inLayers)
    ++columns;
  HeatMap map;
  map.ramp = 'd';
  map.heading = "Error of B over error of A";
  map.legend = {"< ¼", "½", "0.8", "same", "1.25", "2", "> 4"};
  map.cells.resize(f.layers.size() * columns + f.kinds.size() - columns);
  for (size_t i = 0; i < d.pairs.size(); ++i) {
    const Pair &p = d.pairs[i];
    std::optional<double> change = errorChange(p);
    if (!change)
      continue;
    int64_t layer = (p.a ? p.a : p.b)->layer;
    size_t k = f.kindOf[i], at = f.layers.size() * columns + k - columns;
    if (k < columns) {
      if (layer < 0)
        continue;
      auto row = std::lower_bound(f.layers.begin(), f.layers.end(), layer);
      at = size_t(row - f.layers.begin()) * columns + k;
    }
    double size = std::fabs(*change);
    int steps = size < 0.1 ? 0 : size < 0.66 ? 1 : size < 2 ? 2 : 3;
    HeatCell cell;
    cell.step = *change < 0 ? kMiddle - steps : kMiddle + steps;
    cell.text = size < 0.005 ? "=" : briefText(std::exp2(*change));
    cell.title = p.name() + ": " + schemeOf(p.a) + ", error " + errorOf(p.a) + "; " +
                 schemeOf(p.b) + ", error " + errorOf(p.b);
    cell.weight = i;
    // Of several experts the largest change is shown.
    HeatCell &place = map.cells[at];
    if (place.step == HeatCell::None ||
        std::abs(cell.step - kMiddle) > std::abs(place.step - kMiddle))
      place = std::move(cell);
  }
  return map;
}

static std::string diffTable(const Difference &d, const Figures &f) {
  std::string out = "<div class=filter id=filter hidden><input id=query type=search "
                    "placeholder=\"name or scheme\" aria-label=\"Filter\">"
                    "<select id=kind aria-label=Kind><option value=\"\">all kinds</option>";
  for (size_t k = 0; k < f.kinds.size(); ++k)
    out += "<option value=" + std::to_string(k) + ">" + text(f.kinds[k].label, 60) + "</option>";
  out += "</select><output id=count></output></div>\n<div class=box><table class=rows id=weights>"
         "<thead><tr><th scope=col>Name</th><th scope=col>Scheme A</th><th scope=col>Scheme B</th>";
  for (const char *name : {"Bytes A", "Bytes B", "Change", "Error A", "Error B", "B / A"})
    out += std::string("<th scope=col class=r>") + name + "</th>";
  out += "</tr></thead><tbody>\n";
  auto number = [&](std::optional<double> value, const std::string &shown, const char *colour) {
    out += "<td class=\"r" + std::string(colour) + "\"" +
           (value ? " data-v=" + describe(Json(*value)) : "") + ">" + (value ? shown : "–") +
           "</td>";
  };
  auto errorCell = [&](const ReportWeight *w) {
    number(!w ? std::nullopt : w->kept ? std::optional(0.0) : w->error, errorOf(w), "");
  };
  for (size_t i : d.order) {
    const Pair &p = d.pairs[i];
    out += "<tr id=w" + std::to_string(i) + " data-k=" + std::to_string(f.kindOf[i]) + ">" +
           nameCell(p.name(), f.kinds[f.kindOf[i]]) + "<td>" + text(schemeOf(p.a), 200) +
           "</td><td>" + text(schemeOf(p.b), 200) + "</td>";
    number(p.a ? std::optional(double(p.a->after)) : std::nullopt, p.a ? grouped(p.a->after) : "",
           "");
    number(p.b ? std::optional(double(p.b->after)) : std::nullopt, p.b ? grouped(p.b->after) : "",
           "");
    std::optional<double> bytes;
    if (p.a && p.b)
      bytes = double(p.b->after) - double(p.a->after);
    number(bytes, !bytes || *bytes == 0 ? "0" : changeText(double(p.a->after), double(p.b->after)),
           !bytes || *bytes == 0 ? ""
           : *bytes < 0          ? " good"
                                 : " bad");
    errorCell(p.a);
    errorCell(p.b);
    std::optional<double> change = errorChange(p);
    number(change, !change || *change == 0 ? "1.00×" : errorRatio(p),
           !change || std::fabs(*change) < 0.02 ? ""
           : *change < 0                        ? " good"
                                                : " bad");
    out += "</tr>\n";
  }
  std::string same = sameText(d);
  return out + "</tbody></table></div>" +
         (same.empty() ? "" : "<p class=note style=\"margin-top:.7rem\">" + same + "</p>");
}

static std::string kindDiffTable(const Figures &f, const Figures &fa, const Figures &fb) {
  auto meanOf = [](const Figures &g, const Kind &kind) -> std::optional<double> {
    for (const Kind &k : g.kinds)
      if (k.key == kind.key && k.inLayers == kind.inLayers)
        return k.meanError;
    return std::nullopt;
  };
  std::string out = "<div class=scroll><table class=grid><thead><tr><th scope=col>Kind</th>";
  for (const char *name : {"Weights", "Size A", "Size B", "Change", "Mean error A", "Mean error B"})
    out += std::string("<th scope=col class=r>") + name + "</th>";
  out += "</tr></thead><tbody>\n";
  auto cell = [&](const std::string &value) { out += "<td class=r>" + value + "</td>"; };
  for (const Kind &k : f.kinds) {
    out += "<tr><td title=\"" + text(k.key) + "\">" + swatch(k) + text(k.label, 60) + "</td>";
    cell(grouped(int64_t(k.weights)));
    cell(sizeText(k.before));
    cell(sizeText(k.after));
    cell(k.before == k.after ? "same" : changeText(k.before, k.after));
    cell(briefOrDash(meanOf(fa, k)));
    cell(briefOrDash(meanOf(fb, k)));
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>";
}

static std::string settingsDiff(const Difference &d) {
  if (d.settings.empty())
    return "<p>None: model, recipe and texts are the same.</p>";
  std::string out = "<div class=scroll><table class=set><thead><tr><th></th><th scope=col>A</th>"
                    "<th scope=col>B</th></tr></thead><tbody>\n";
  for (const Setting &s : d.settings)
    out += "<tr><th scope=row>" + text(s.key, 200) + "</th><td>" + (s.a.empty() ? "–" : text(s.a)) +
           "</td><td>" + (s.b.empty() ? "–" : text(s.b)) + "</td></tr>\n";
  return out + "</tbody></table></div>";
}

static std::string diffHtml(const Report &a, const Report &b) {
  Difference d = compare(a, b);
  Figures f = figuresOf(unionOf(a, d));
  auto schemeText = [](const Report &r) {
    auto scheme = r.recipe.find("scheme");
    return scheme != r.recipe.end() && scheme->is_string()
               ? ", <span class=mono>" + text(scheme->get_ref<const std::string &>(), 200) +
                     "</span>"
               : std::string();
  };
  std::string body = "<p class=over>Two compressions</p>\n<h1>" + text(a.model.source, 300) +
                     "</h1>\n<p class=facts><b>A</b> " + sizeText(double(a.size.after)) +
                     schemeText(a) + " · <b>B</b> " + sizeText(double(b.size.after)) +
                     schemeText(b) + "</p>\n";
  std::string cards = "<div class=cards id=summary>\n";
  for (const Line &l : d.lines) {
    std::string label = l.label;
    if (label[0] >= 'a')
      label[0] = char(label[0] - 'a' + 'A');
    const char *colour = l.verdict > 0 ? " class=good" : l.verdict < 0 ? " class=bad" : "";
    cards += card(
        label, l.b,
        "from " + l.a +
            (l.change.empty() ? "" : std::string(", <span") + colour + ">" + l.change + "</span>"));
  }
  cards += "</div>\n<p class=note style=\"margin-top:.6rem\">Large figures are of B, after "
           "compression; “from” is A.</p>\n";
  std::string toc = "<nav class=toc><a href=\"#summary\">Summary</a>", sections;
  auto add = [&](const char *id, const char *heading, const std::string &markup) {
    toc += std::string("<a href=\"#") + id + "\">" + heading + "</a>";
    sections += section(id, heading, markup);
  };
  add("settings", "Settings that differ", settingsDiff(d));
  if (!d.pairs.empty())
    add("kinds", "Kinds of weights", kindDiffTable(f, figuresOf(a), figuresOf(b)));
  if (!d.order.empty()) {
    add("errors", "Errors by layer", heatMapHtml(changeMap(d, f), f));
    add("table", "Weights that differ",
        "<p class=note>Largest change first: of bytes or of error, whichever changed by the "
        "larger factor. Errors below 0.0001 count as that.</p>" +
            diffTable(d, f));
  } else {
    add("table", "Weights that differ", "<p>None.</p>");
  }
  return page(a.model.source + ": two compressions",
              body + toc + "</nav>\n" + cards + sections +
                  "<footer>Written by fingpt from two files report.json. This page is one file and "
                  "loads nothing.</footer>\n");
}

//===----------------------------------------------------------------------===//
// CSV and JSON
//===----------------------------------------------------------------------===//

static std::string diffCsv(const Report &a, const Report &b) {
  Difference d = compare(a, b);
  std::string out =
      "name,scheme_a,scheme_b,form_a,form_b,bytes_a,bytes_b,error_a,error_b,change\r\n";
  for (size_t i : d.order) {
    const Pair &p = d.pairs[i];
    auto both = [&](auto value) {
      return (p.a ? value(*p.a) : "") + "," + (p.b ? value(*p.b) : "") + ",";
    };
    out += csvField(p.name()) + ",";
    out += both([](const ReportWeight &w) { return csvField(w.kept ? "keep" : w.scheme); });
    out += both([](const ReportWeight &w) { return csvField(w.form); });
    out += both([](const ReportWeight &w) { return std::to_string(w.after); });
    out += both([](const ReportWeight &w) { return csvField(errorIn(&w)); });
    out += (p.a && p.b ? csvField(std::optional(p.change)) : "") + "\r\n";
  }
  return out;
}

static Json diffJson(const Report &a, const Report &b) {
  Difference d = compare(a, b);
  auto side = [](const Report &r) {
    Report figures;
    figures.size = r.size;
    figures.quality = r.quality;
    Json json = reportJson(figures);
    return Json{{"source", r.model.source}, {"size", json["size"]}, {"quality", json["quality"]}};
  };
  auto weight = [](const ReportWeight *w) {
    if (!w)
      return Json();
    std::optional<double> error = errorIn(w);
    return Json{{"scheme", w->kept ? "keep" : w->scheme},
                {"form", w->form},
                {"bytes", w->after},
                {"error", error ? Json(*error) : Json()}};
  };
  Json settings = Json::array(), weights = Json::array();
  for (const Setting &s : d.settings)
    settings.push_back({{"name", s.key}, {"a", s.a}, {"b", s.b}});
  for (size_t i : d.order) {
    const Pair &p = d.pairs[i];
    weights.push_back({{"name", p.name()},
                       {"a", weight(p.a)},
                       {"b", weight(p.b)},
                       {"change", p.a && p.b ? Json(p.change) : Json()}});
  }
  return {{"format_version", 1},
          {"a", side(a)},
          {"b", side(b)},
          {"settings", std::move(settings)},
          {"weights", std::move(weights)}};
}

} // namespace fingpt::report

namespace fingpt {

std::string reportDiffHtml(const Report &a, const Report &b) { return report::diffHtml(a, b); }
std::string reportDiffMarkdown(const Report &a, const Report &b) {
  return report::diffMarkdown(a, b);
}
std::string reportDiffCsv(const Report &a, const Report &b) { return report::diffCsv(a, b); }
Json reportDiffJson(const Report &a, const Report &b) { return report::diffJson(a, b); }

} // namespace fingpt
