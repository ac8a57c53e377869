#include "ReportFigures.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <unordered_map>

namespace fingpt::report {

constexpr size_t kMaxKinds = 24;

//===----------------------------------------------------------------------===//
// Kinds
//===----------------------------------------------------------------------===//

static std::string kindKey(const ReportWeight &w) {
  std::string_view name = w.name;
  constexpr std::string_view suffix = ".weight";
  if (name.size() > suffix.size() && name.substr(name.size() - suffix.size()) == suffix)
    name.remove_suffix(suffix.size());
  if (w.layer >= 0) {
    std::string number = "." + std::to_string(w.layer) + ".";
    if (size_t at = name.find(number); at != std::string_view::npos)
      name.remove_prefix(at + number.size());
  }
  // Further numbers are experts.
  std::string key;
  for (size_t i = 0; i < name.size();) {
    size_t end = std::min(name.find('.', i), name.size());
    std::string_view part = name.substr(i, end - i);
    bool number = !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
    key += key.empty() ? "" : ".";
    key += number && i > 0 ? "*" : part;
    i = end + 1;
  }
  return key;
}

/// The last `parts` dotted parts; all of it if there are fewer.
static std::string endOf(const std::string &key, int parts) {
  size_t at = key.size();
  while (parts-- > 0) {
    at = at == 0 ? std::string::npos : key.rfind('.', at - 1);
    if (at == std::string::npos)
      return key;
  }
  return key.substr(at + 1);
}

static void labelKinds(std::vector<Kind> &kinds) {
  std::vector<Kind *> open;
  for (Kind &k : kinds)
    open.push_back(&k);
  for (int parts = 1; parts <= 4 && !open.empty(); ++parts) {
    std::unordered_map<std::string, int> uses;
    for (const Kind &k : kinds)
      ++uses[endOf(k.key, parts)];
    std::vector<Kind *> left;
    for (Kind *k : open)
      if (std::string end = endOf(k->key, parts); uses[end] == 1 && end[0] != '*')
        k->label = end;
      else
        left.push_back(k);
    open = std::move(left);
  }
  for (Kind *k : open)
    k->label = k->key;
}

/// Kinds with one parent are one group; those outside of layers are another.
static void colourKinds(std::vector<Kind> &kinds) {
  std::unordered_map<std::string, size_t> groups;
  std::vector<size_t> members;
  for (Kind &k : kinds) {
    std::string parent = endOf(k.key, 1).size() < k.key.size()
                             ? k.key.substr(0, k.key.size() - endOf(k.key, 1).size())
                             : "";
    k.group = groups.try_emplace(k.inLayers ? "." + parent : "", groups.size()).first->second;
    if (k.group == members.size())
      members.push_back(0);
    k.shade = members[k.group]++;
  }
}

/// Keeps the kinds with the most bytes and makes the rest one.
static void foldKinds(std::vector<Kind> &kinds, std::vector<size_t> &kindOf) {
  if (kinds.size() <= kMaxKinds)
    return;
  std::vector<size_t> order(kinds.size());
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return kinds[a].before != kinds[b].before ? kinds[a].before > kinds[b].before : a < b;
  });
  std::vector<bool> stays(kinds.size());
  for (size_t i = 0; i + 1 < kMaxKinds; ++i)
    stays[order[i]] = true;
  std::vector<size_t> moved(kinds.size());
  std::vector<Kind> folded;
  Kind rest;
  rest.key = "(others)";
  rest.inLayers = true;
  for (size_t i = 0; i < kinds.size(); ++i) {
    if (stays[i]) {
      moved[i] = folded.size();
      folded.push_back(kinds[i]);
      continue;
    }
    moved[i] = kMaxKinds - 1;
    rest.weights += kinds[i].weights;
    rest.kept += kinds[i].kept;
    rest.before += kinds[i].before;
    rest.after += kinds[i].after;
    rest.elements += kinds[i].elements;
  }
  folded.push_back(rest);
  kinds = std::move(folded);
  for (size_t &k : kindOf)
    k = moved[k];
}

static void findKinds(const Report &report, Figures &f) {
  std::unordered_map<std::string, size_t> index;
  for (const ReportWeight &w : report.weights) {
    std::string key = kindKey(w);
    auto [it, isNew] = index.try_emplace((w.layer >= 0 ? "." : " ") + key, f.kinds.size());
    if (isNew) {
      f.kinds.emplace_back();
      f.kinds.back().key = key;
      f.kinds.back().inLayers = w.layer >= 0;
    }
    Kind &k = f.kinds[it->second];
    f.kindOf.push_back(it->second);
    ++k.weights;
    k.kept += w.kept;
    k.before += double(w.before);
    k.after += double(w.after);
    double elements = 1;
    for (int64_t n : w.shape)
      elements *= double(n);
    k.elements += elements;
  }
  foldKinds(f.kinds, f.kindOf);
  // Those of layers first.
  std::vector<Kind> ordered;
  std::vector<size_t> moved(f.kinds.size());
  for (bool inLayers : {true, false})
    for (size_t i = 0; i < f.kinds.size(); ++i)
      if (f.kinds[i].inLayers == inLayers) {
        moved[i] = ordered.size();
        ordered.push_back(f.kinds[i]);
      }
  f.kinds = std::move(ordered);
  for (size_t &k : f.kindOf)
    k = moved[k];
  labelKinds(f.kinds);
  colourKinds(f.kinds);
}

Figures figuresOf(const Report &report) {
  Figures f;
  findKinds(report, f);
  double before = 0, after = 0;
  std::vector<double> sums(f.kinds.size());
  std::vector<size_t> counts(f.kinds.size());
  for (size_t i = 0; i < report.weights.size(); ++i) {
    const ReportWeight &w = report.weights[i];
    before += double(w.before);
    after += double(w.after);
    if (w.layer >= 0)
      f.layers.push_back(w.layer);
    if (w.kept || !w.error)
      continue;
    f.byError.push_back(i);
    Kind &k = f.kinds[f.kindOf[i]];
    sums[f.kindOf[i]] += *w.error;
    ++counts[f.kindOf[i]];
    k.worstError = std::max(k.worstError.value_or(0), *w.error);
  }
  for (size_t k = 0; k < f.kinds.size(); ++k)
    if (counts[k])
      f.kinds[k].meanError = sums[k] / double(counts[k]);
  std::sort(f.layers.begin(), f.layers.end());
  f.layers.erase(std::unique(f.layers.begin(), f.layers.end()), f.layers.end());
  std::sort(f.byError.begin(), f.byError.end(), [&](size_t a, size_t b) {
    double x = *report.weights[a].error, y = *report.weights[b].error;
    return x != y ? x > y : a < b;
  });
  if (!f.byError.empty())
    f.medianError = report.weights[f.byError[f.byError.size() / 2]].error;
  f.otherBefore = std::max(0.0, double(report.size.before) - before);
  f.otherAfter = std::max(0.0, double(report.size.after) - after);
  return f;
}

std::vector<KeptGroup> keptGroups(const Report &report) {
  std::vector<KeptGroup> groups;
  std::unordered_map<std::string, size_t> index;
  for (size_t i = 0; i < report.weights.size(); ++i) {
    const ReportWeight &w = report.weights[i];
    if (!w.kept)
      continue;
    std::string reason = !w.keptReason.empty() ? w.keptReason
                         : !w.note.empty()     ? w.note
                                               : "no reason recorded";
    auto [it, isNew] = index.try_emplace(reason, groups.size());
    if (isNew)
      groups.push_back({reason, {}, 0});
    groups[it->second].weights.push_back(i);
    groups[it->second].bytes += double(w.after);
  }
  return groups;
}

std::optional<double> gainOf(const ReportWeight &w) {
  if (w.kept || !w.error || !w.roundingError || !(*w.error > 0) || !(*w.roundingError > 0) ||
      *w.roundingError == 1)
    return std::nullopt;
  return *w.roundingError / *w.error;
}

std::vector<std::pair<std::string, std::string>> flatSettings(const Json &object) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto &[key, value] : object.items())
    out.emplace_back(key, value.is_string() ? value.get_ref<const std::string &>()
                          : value.empty()
                              ? "" // null, {} and []
                              : value.dump(-1, ' ', false, Json::error_handler_t::replace));
  return out;
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

static std::string print(const char *format, int decimals, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, decimals, value);
  return text;
}

std::string fixed(double value, int decimals) {
  return std::fabs(value) < 1e12 ? print("%.*f", decimals, value) : print("%.*e", 1, value);
}

std::string grouped(int64_t value) {
  std::string text = std::to_string(value);
  for (size_t i = text.size(); i > 3 && text[i - 4] != '-';)
    text.insert(i -= 3, ",");
  return text;
}

std::string sizeText(double bytes) {
  const char *units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  for (; bytes >= 1024 && unit < 4; ++unit)
    bytes /= 1024;
  return fixed(bytes, unit == 0 ? 0 : 1) + " " + units[unit];
}

std::string briefText(double value, int digits) {
  if (value == 0)
    return "0";
  double size = std::fabs(value);
  if (size < 1e-4 || size >= 1e5)
    return print("%.*e", digits - 1, value);
  int power = int(std::floor(std::log10(size))); // of the first significant digit
  return print("%.*f", std::clamp(digits - 1 - power, 0, 6), value);
}

std::string changeText(double a, double b) {
  if (!(a > 0))
    return "";
  double percent = (b / a - 1) * 100;
  if (std::fabs(percent) >= 1000)
    return "×" + fixed(b / a, 1);
  std::string text = fixed(percent, 1) + "%";
  return percent < 0 ? "−" + text.substr(text[0] == '-') : "+" + text;
}

std::string ratioText(double before, double after) {
  if (!(before > 0) || !(after > 0))
    return "";
  return before >= after ? fixed(before / after, 2) + "× smaller"
                         : fixed(after / before, 2) + "× larger";
}

std::string shapeText(const std::vector<int64_t> &shape, const char *times) {
  std::string text;
  for (int64_t n : shape)
    text += (text.empty() ? "" : times) + std::to_string(n);
  return text;
}

std::string briefOrDash(const std::optional<double> &value) {
  return value ? briefText(*value) : "–";
}

std::string perplexityText(const std::optional<double> &value) {
  return !value          ? "–"
         : *value < 1000 ? fixed(*value, 2)
         : *value < 1e6  ? fixed(*value, 0)
                         : briefText(*value);
}

/// Characters that change the order or the looks of what stands around them.
static bool isDeceptive(uint32_t c) {
  return (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x206F) || c == 0x061C || c == 0xFEFF;
}

std::string visible(std::string_view text, size_t limit) {
  std::string out;
  char buffer[16];
  while (!text.empty()) {
    if (out.size() >= limit)
      return out + "…";
    auto lead = static_cast<unsigned char>(text[0]);
    size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    std::string_view character = text.substr(0, length);
    if (validUtf8Prefix(character) != length) {
      std::snprintf(buffer, sizeof buffer, "\\x%02x", lead);
      out += buffer;
      text.remove_prefix(1);
      continue;
    }
    uint32_t code = length == 1 ? lead : lead & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; ++i)
      code = code << 6 | (static_cast<unsigned char>(character[i]) & 0x3F);
    if (code < 0x20 || (code >= 0x7F && code < 0xA0)) {
      std::snprintf(buffer, sizeof buffer, "\\x%02x", code);
      out += buffer;
    } else if (isDeceptive(code)) {
      std::snprintf(buffer, sizeof buffer, "\\u%04x", code);
      out += buffer;
    } else {
      out += character;
    }
    text.remove_prefix(length);
  }
  return out;
}

} // namespace fingpt::report
