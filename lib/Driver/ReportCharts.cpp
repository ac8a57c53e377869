#include "ReportHtml.h"

#include <algorithm>
#include <cmath>

namespace fingpt::report {

constexpr size_t kMaxRows = 512;
constexpr int kSteps = 8; // of a ramp in the style sheet

//===----------------------------------------------------------------------===//
// Heat maps
//===----------------------------------------------------------------------===//

static size_t kindsInLayers(const Figures &f) {
  size_t n = 0;
  while (n < f.kinds.size() && f.kinds[n].inLayers)
    ++n;
  return n;
}

static std::string cellHtml(const HeatMap &map, const HeatCell &cell, const char *tag) {
  std::string fill = cell.step == HeatCell::Kept ? "kept" : map.ramp + std::to_string(cell.step);
  if (cell.step == HeatCell::None)
    return std::string("<") + tag + "></" + tag + ">";
  std::string link =
      "<a href=\"#w" + std::to_string(cell.weight) + "\" title=\"" + text(cell.title) + "\"";
  if (std::string_view(tag) == "td")
    return "<td class=" + fill + ">" + link + ">" + text(cell.text) + "</a></td>";
  return link + " class=" + fill + ">" + text(cell.text) + "</a>";
}

static std::string legendHtml(const HeatMap &map) {
  std::string out = "<div class=legend aria-hidden=true>";
  for (size_t i = 0; i < map.legend.size(); ++i)
    out += "<span><i class=" + (map.ramp + std::to_string(i)) + "></i>" + text(map.legend[i]) +
           "</span>";
  for (const HeatCell &cell : map.cells)
    if (cell.step == HeatCell::Kept) {
      out += "<span class=kept><i></i>left alone</span>";
      break;
    }
  return out + "</div>";
}

std::string heatMapHtml(const HeatMap &map, const Figures &f) {
  size_t columns = kindsInLayers(f), shown = std::min(f.layers.size(), kMaxRows);
  std::string out = "<div><h3>" + map.heading + "</h3>";
  if (columns > 0) {
    // Headings stand upright where they would run into each other.
    size_t longest = 0;
    for (size_t k = 0; k < columns; ++k)
      longest = std::max(longest, f.kinds[k].label.size());
    bool upright = longest * 6 > 480 / columns;
    out += std::string("<div class=scroll><table class=\"heat") + (upright ? " upright\"" : "\"");
    if (columns > 8)
      out += " style=\"min-width:" + std::to_string(34 + 46 * columns) + "px\"";
    out += "><colgroup><col><col span=" + std::to_string(columns) +
           "></colgroup><thead><tr>"
           "<th scope=col aria-label=layer></th>";
    for (size_t k = 0; k < columns; ++k)
      out += "<th scope=col title=\"" + text(f.kinds[k].key) + "\"><span>" +
             text(f.kinds[k].label, 24) + "</span></th>";
    out += "</tr></thead><tbody>\n";
    for (size_t row = 0; row < shown; ++row) {
      out += "<tr><th scope=row>" + std::to_string(f.layers[row]) + "</th>";
      for (size_t k = 0; k < columns; ++k)
        out += cellHtml(map, map.cells[row * columns + k], "td");
      out += "</tr>\n";
    }
    out += "</tbody></table></div>";
    if (shown < f.layers.size())
      out += "<p class=note>" + std::to_string(f.layers.size() - shown) +
             " more layers are in the table of weights.</p>";
  }
  // After the cells of the layers: one for each kind outside of them.
  if (map.cells.size() > f.layers.size() * columns) {
    out += "<ul class=strip>";
    for (size_t k = columns; k < f.kinds.size(); ++k) {
      const HeatCell &cell = map.cells[f.layers.size() * columns + k - columns];
      if (cell.step != HeatCell::None)
        out += "<li>" + text(f.kinds[k].label, 40) + " " + cellHtml(map, cell, "a") + "</li>";
    }
    out += "</ul>";
  }
  return out + legendHtml(map) + (map.note.empty() ? "" : "<p class=note>" + map.note + "</p>") +
         "</div>\n";
}

/// Weights of one layer and kind; more than one where a layer has experts.
struct Group {
  size_t weights = 0, kept = 0, worst = 0;
  double after = 0, elements = 0;
  std::optional<double> error;
};

/// [layers, kinds in layers], then the kinds outside of layers.
static std::vector<Group> groupsOf(const Report &report, const Figures &f) {
  size_t columns = kindsInLayers(f);
  std::vector<Group> groups(f.layers.size() * columns + f.kinds.size() - columns);
  for (size_t i = 0; i < report.weights.size(); ++i) {
    const ReportWeight &w = report.weights[i];
    size_t k = f.kindOf[i];
    size_t at = f.layers.size() * columns + k - columns;
    if (k < columns) {
      if (w.layer < 0)
        continue; // folded into "(others)"
      auto row = std::lower_bound(f.layers.begin(), f.layers.end(), w.layer);
      at = size_t(row - f.layers.begin()) * columns + k;
    }
    Group &g = groups[at];
    if (g.weights++ == 0)
      g.worst = i;
    g.kept += w.kept;
    g.after += double(w.after);
    double elements = 1;
    for (int64_t n : w.shape)
      elements *= double(n);
    g.elements += elements;
    if (!w.kept && w.error && (!g.error || *w.error > *g.error)) {
      g.error = w.error;
      g.worst = i;
    }
  }
  return groups;
}

static std::string titleOf(const Report &report, const Group &g) {
  const ReportWeight &w = report.weights[g.worst];
  std::string title = w.name;
  if (g.weights > 1)
    title += " (the largest error of " + std::to_string(g.weights) + ")";
  title += ": ";
  if (w.kept)
    return title + "left alone" + (w.keptReason.empty() ? "" : ", " + w.keptReason);
  title += w.scheme + ", " + fixed(w.bits, 2) + " bit";
  if (w.error)
    title += ", error " + briefText(*w.error);
  if (w.roundingError && *w.roundingError != 1)
    title += ", rounding " + briefText(*w.roundingError);
  return title;
}

/// Of the layers; what is outside of them counts only if there are none.
template <typename F>
static std::pair<double, double> rangeOf(const std::vector<Group> &groups, const Figures &f,
                                         F value) {
  double low = HUGE_VAL, high = -HUGE_VAL;
  size_t inLayers = f.layers.size() * kindsInLayers(f);
  for (size_t i = 0; i < (inLayers ? inLayers : groups.size()); ++i)
    if (std::optional<double> v = value(groups[i])) {
      low = std::min(low, *v);
      high = std::max(high, *v);
    }
  return {low, high};
}

/// Steps of equal width in `value`'s scale.
static int stepOf(double value, double low, double high) {
  if (!(high > low))
    return kSteps / 2;
  return int(std::clamp((value - low) / (high - low) * kSteps, 0.0, kSteps - 1.0));
}

HeatMap errorMap(const Report &report, const Figures &f) {
  std::vector<Group> groups = groupsOf(report, f);
  auto [low, high] = rangeOf(groups, f, [](const Group &g) -> std::optional<double> {
    return g.error && *g.error > 0 ? std::optional(std::log10(*g.error)) : std::nullopt;
  });
  low = std::max(low, high - 6); // six decades are enough to look at
  HeatMap map;
  map.ramp = 'e';
  map.heading = "Error <span class=dim>(log scale)</span>";
  for (const Group &g : groups) {
    HeatCell cell;
    if (g.weights) {
      cell.weight = g.worst;
      cell.title = titleOf(report, g);
      cell.step = g.kept == g.weights ? HeatCell::Kept
                  : !g.error          ? HeatCell::None
                  : *g.error > 0      ? stepOf(std::log10(*g.error), low, high)
                                      : 0;
      cell.text = g.kept == g.weights ? "–" : g.error ? briefText(*g.error) : "";
    }
    map.cells.push_back(std::move(cell));
  }
  for (int i = 0; high > low && i < kSteps; ++i)
    map.legend.push_back(briefText(std::pow(10, low + (high - low) * (i / double(kSteps)))));
  return map;
}

HeatMap bitsMap(const Report &report, const Figures &f) {
  std::vector<Group> groups = groupsOf(report, f);
  auto bitsOf = [](const Group &g) { return g.elements > 0 ? 8 * g.after / g.elements : 0; };
  auto [low, high] = rangeOf(groups, f, [&](const Group &g) {
    return g.weights > g.kept ? std::optional(bitsOf(g)) : std::nullopt;
  });
  // Hundredths of a bit are not to look like a difference.
  if (double narrow = 0.5 - (high - low); high >= low && narrow > 0) {
    low -= narrow / 2;
    high += narrow / 2;
  }
  HeatMap map;
  map.ramp = 'b';
  map.heading = "Bits per weight, as stored";
  for (const Group &g : groups) {
    HeatCell cell;
    if (g.weights) {
      cell.weight = g.worst;
      cell.title = titleOf(report, g);
      cell.step = g.kept == g.weights ? HeatCell::Kept : stepOf(bitsOf(g), low, high);
      cell.text = bitsOf(g) < 100 ? fixed(bitsOf(g), 2) : briefText(bitsOf(g));
    }
    map.cells.push_back(std::move(cell));
  }
  for (int i = 0; high > low && i < kSteps; ++i)
    map.legend.push_back(fixed(low + (high - low) * (i / double(kSteps)), 2));
  return map;
}

//===----------------------------------------------------------------------===//
// Where the bytes are
//===----------------------------------------------------------------------===//

static std::string barHtml(const Report &report, const Figures &f, bool after, double full) {
  auto share = [&](double bytes) { return bytes / full * 100; };
  double total = double(after ? report.size.after : report.size.before);
  std::string out = std::string("<div class=bar><b>") + (after ? "after" : "before") + "</b><em>" +
                    sizeText(total) + "</em><div>";
  auto segment = [&](const std::string &label, const std::string &colour, bool light,
                     double bytes) {
    double percent = share(bytes);
    if (percent < 0.05)
      return;
    bool wide = percent >= 4.5;
    std::string full =
        label + ": " + sizeText(bytes) + ", " + fixed(total > 0 ? bytes / total * 100 : 0, 1) + "%";
    out += std::string("<span class=\"seg k") + (light ? " lt" : "") + (wide ? "" : " thin") +
           "\" style=\"width:" + fixed(percent, 3) + "%;" + colour + "\" title=\"" + text(full) +
           "\">" + (wide ? text(label, 40) : "") + "</span>";
  };
  for (const Kind &k : f.kinds)
    segment(k.label, colourOf(k), k.shade % 5 >= 3, after ? k.after : k.before);
  segment("other parameters", "--h:210;--c:4%;--s:3", true, after ? f.otherAfter : f.otherBefore);
  return out + "</div></div>";
}

std::string bytesBars(const Report &report, const Figures &f) {
  auto listed = [&](bool after) {
    double sum = after ? f.otherAfter : f.otherBefore;
    for (const Kind &k : f.kinds)
      sum += after ? k.after : k.before;
    return sum;
  };
  double full = std::max({listed(false), listed(true), 1.0});
  return "<div class=bars>" + barHtml(report, f, false, full) + barHtml(report, f, true, full) +
         "</div>";
}

//===----------------------------------------------------------------------===//
// Spectra
//===----------------------------------------------------------------------===//

namespace {
/// Axes that all panels of a kind share: log rank, counted from 1, and log singular value.
struct Axes {
  double lastRank = 1, low = 0, high = 0; // log10 but the rank
  double width = 0, height = 0;
  static constexpr double kLeft = 27, kBottom = 12, kTop = 4;

  double x(double rank) const {
    return kLeft + (width - kLeft) * std::log(rank) / std::log(std::max(lastRank, 2.0));
  }
  double y(double value) const {
    double at = std::clamp((std::log10(value) - low) / (high - low), 0.0, 1.0);
    return height - kBottom - (height - kBottom - kTop) * at;
  }
};
} // namespace

static bool hasSpectrum(const ReportWeight &w) {
  return std::any_of(w.spectrum.begin(), w.spectrum.end(), [](double v) { return v > 0; });
}

static Axes axesOf(const Report &report, const std::vector<size_t> &weights, double width,
                   double height) {
  Axes a;
  a.width = width;
  a.height = height;
  double low = HUGE_VAL, high = -HUGE_VAL;
  for (size_t i : weights) {
    const ReportWeight &w = report.weights[i];
    for (size_t k = 0; k < w.spectrum.size(); ++k)
      if (w.spectrum[k] > 0) {
        low = std::min(low, std::log10(w.spectrum[k]));
        high = std::max(high, std::log10(w.spectrum[k]));
        a.lastRank = std::max(a.lastRank, double(w.spectrumRanks[k]) + 1);
      }
  }
  a.high = high + 0.05;
  a.low = std::max(low, high - 5) - 0.05; // what is smaller is rounding of the decomposition
  return a;
}

static std::string point(double x, double y) { return fixed(x, 1) + "," + fixed(y, 1); }

static std::string line(const char *classes, double x1, double y1, double x2, double y2) {
  return std::string("<path class=") + classes + " d=\"M" + point(x1, y1) + "L" + point(x2, y2) +
         "\"/>";
}

static std::string decadeText(int power) {
  const char *texts[] = {"0.001", "0.01", "0.1", "1", "10", "100", "1000", "10⁴", "10⁵"};
  return power >= -3 && power <= 5 ? texts[power + 3] : "1e" + std::to_string(power);
}

static std::string frameHtml(const Axes &a) {
  std::string out;
  double bottom = a.height - Axes::kBottom;
  int first = int(std::ceil(a.low)), last = int(std::floor(a.high));
  // Less than two decades: halves and fifths of one as well.
  for (int power = first - 1; power <= last; ++power)
    for (double step : {1.0, 2.0, 5.0}) {
      double at = power + std::log10(step);
      if (at < a.low || at > a.high || (step != 1 && last - first >= 2))
        continue;
      double y = a.y(std::pow(10, at));
      out += line("g", Axes::kLeft, y, a.width, y);
      if (step == 1 || last <= first)
        out += "<text text-anchor=end x=" + fixed(Axes::kLeft - 4, 0) + " y=" + fixed(y + 3, 1) +
               ">" + (step == 1 ? decadeText(power) : briefText(std::pow(10, at))) + "</text>";
    }
  for (int64_t rank = 1; double(rank) <= a.lastRank; rank *= 10) {
    double x = a.x(double(rank));
    out += line("g", x, Axes::kTop, x, bottom) + "<text text-anchor=middle x=" + fixed(x, 1) +
           " y=" + fixed(a.height - 2, 0) + ">" + std::to_string(rank) + "</text>";
  }
  return out + line("x", Axes::kLeft, bottom, a.width, bottom);
}

static std::string curveHtml(const Axes &a, const ReportWeight &w, const std::string &attributes) {
  std::string points;
  for (size_t k = 0; k < w.spectrum.size(); ++k)
    if (w.spectrum[k] > 0)
      points += (points.empty() ? "" : " ") +
                point(a.x(double(w.spectrumRanks[k]) + 1), a.y(w.spectrum[k]));
  return "<polyline" + attributes + " points=\"" + points + "\"/>";
}

/// Height of the curve where the pair's rank ends; absent if there is no pair.
static std::optional<std::pair<double, double>> cutOf(const Axes &a, const ReportWeight &w) {
  if (!w.rank || *w.rank < 1 || double(*w.rank) >= a.lastRank)
    return std::nullopt;
  double cut = double(*w.rank), previous = 0, value = 0;
  for (size_t k = 0; k < w.spectrum.size() && w.spectrum[k] > 0; ++k) {
    double rank = double(w.spectrumRanks[k]) + 1;
    if (rank >= cut) {
      double t = k == 0 ? 1 : (cut - previous) / (rank - previous);
      value = k == 0 ? w.spectrum[k]
                     : std::exp(std::log(value) * (1 - t) + std::log(w.spectrum[k]) * t);
      return std::pair(a.x(cut), a.y(value));
    }
    previous = rank;
    value = w.spectrum[k];
  }
  return std::nullopt;
}

static std::string svg(const Axes &a, const std::string &title, const std::string &body) {
  return "<svg viewBox=\"0 0 " + fixed(a.width, 0) + " " + fixed(a.height, 0) +
         "\" role=img aria-label=\"" + text(title) + "\">" + body + "</svg>";
}

/// All weights of a kind in one picture, coloured by depth.
static std::string kindPanel(const Report &report, const Figures &f, const Kind &kind,
                             const std::vector<size_t> &weights) {
  Axes a = axesOf(report, weights, 260, 150);
  std::string body = frameHtml(a), marks;
  std::optional<int64_t> rank; // that all pairs have
  bool oneRank = true;
  double last = f.layers.empty() ? 1 : std::max<double>(1, double(f.layers.back()));
  for (size_t i : weights) {
    const ReportWeight &w = report.weights[i];
    double depth = w.layer < 0 ? 0 : double(w.layer) / last;
    body += curveHtml(a, w, " class=d style=\"--t:" + fixed(depth, 3) + "\"");
    if (auto cut = cutOf(a, w)) {
      marks += "<circle class=dot r=1.6 cx=" + fixed(cut->first, 1) +
               " cy=" + fixed(cut->second, 1) + " />";
      oneRank &= !rank || rank == w.rank;
      rank = w.rank;
    }
  }
  if (rank && oneRank) {
    double x = a.x(double(*rank));
    marks = line("cut", x, Axes::kTop, x, a.height - Axes::kBottom);
  }
  return "<figure><figcaption><b>" + text(kind.label, 60) + "</b><span>" +
         std::to_string(weights.size()) + (weights.size() == 1 ? " weight" : " weights") +
         "</span></figcaption>" + svg(a, "spectra of " + kind.label, body + marks) + "</figure>\n";
}

static std::string weightPanel(const Report &report, size_t i, const Axes &a, bool inLayers) {
  const ReportWeight &w = report.weights[i];
  std::string body = frameHtml(a);
  if (auto cut = cutOf(a, w)) {
    double bottom = a.height - Axes::kBottom;
    body += "<rect class=area x=" + fixed(Axes::kLeft, 0) + " y=" + fixed(Axes::kTop, 0) +
            " width=" + fixed(cut->first - Axes::kLeft, 1) +
            " height=" + fixed(bottom - Axes::kTop, 1) + " />" +
            line("cut", cut->first, Axes::kTop, cut->first, bottom);
  }
  body += curveHtml(a, w, "");
  std::string label = inLayers ? "layer " + std::to_string(w.layer) : w.name;
  return "<figure><figcaption><a href=\"#w" + std::to_string(i) + "\" title=\"" + text(w.name) +
         "\">" + text(label, 60) + "</a>" +
         (w.rank ? "<span>rank " + std::to_string(*w.rank) + "</span>" : "") + "</figcaption>" +
         svg(a, "spectrum of " + w.name, body) + "</figure>\n";
}

std::string spectraHtml(const Report &report, const Figures &f) {
  std::vector<std::vector<size_t>> byKind(f.kinds.size());
  bool any = false, pairs = false;
  for (size_t i = 0; i < report.weights.size(); ++i)
    if (hasSpectrum(report.weights[i])) {
      byKind[f.kindOf[i]].push_back(i);
      any = true;
      pairs |= report.weights[i].rank.has_value();
    }
  if (!any)
    return "";
  std::string style, picks, tabs, panels = "<div class=\"wide s0\">\n";
  auto choice = [&](size_t n, const std::string &label) {
    std::string id = std::to_string(n);
    style += "#s" + id + ":checked~.multi>.s" + id + "{display:grid}#s" + id +
             ":checked~.tabs [for=s" + id +
             "]{background:var(--ink);color:var(--paper);border-color:var(--ink)}#s" + id +
             ":focus-visible~.tabs [for=s" + id + "]{outline:2px solid var(--accent)}\n";
    picks +=
        "<input class=pick type=radio name=spectra id=s" + id + (n == 0 ? " checked" : "") + ">";
    tabs += "<label for=s" + id + ">" + text(label, 30) + "</label>";
  };
  choice(0, "all kinds");
  for (size_t k = 0; k < f.kinds.size(); ++k)
    if (!byKind[k].empty())
      panels += kindPanel(report, f, f.kinds[k], byKind[k]);
  panels += "</div>\n";
  for (size_t k = 0; k < f.kinds.size(); ++k) {
    if (byKind[k].empty())
      continue;
    choice(k + 1, f.kinds[k].label);
    Axes a = axesOf(report, byKind[k], 180, 112);
    panels += "<div class=s" + std::to_string(k + 1) + ">\n";
    for (size_t i : byKind[k])
      panels += weightPanel(report, i, a, f.kinds[k].inLayers && report.weights[i].layer >= 0);
    panels += "</div>\n";
  }
  std::string note = "<p class=note>Singular values of each weight under the calibration norm, "
                     "against rank; both axes are logarithmic. ";
  if (pairs)
    note += "Dots and dashed lines are where a low-rank pair ends. ";
  if (f.layers.size() > 1)
    note += "First layer<span class=depth></span>last layer.";
  return "<style>\n" + style + "</style>" + note + "</p>" + picks + "<div class=tabs>" + tabs +
         "</div><div class=multi>\n" + panels + "</div>";
}

} // namespace fingpt::report
