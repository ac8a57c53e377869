#include "Measurements.h"

#include "fingpt/Support/AtomicDirectory.h"

#include <cmath>
#include <filesystem>

namespace fingpt {

Measurements::Measurements(std::string file) : file(std::move(file)) {
  if (this->file.empty())
    return;
  if (Result<Json> json = readJsonFile(this->file); json)
    add(*json);
}

static bool positive(const Json &v) {
  return v.is_number() && std::isfinite(v.get<double>()) && v.get<double>() >= 0;
}

// {"NAME": {"forms": {"w3g64": [bytes, error]}, "probes": {"w3g64": [error, divergence or null]}}}
void Measurements::add(const Json &json) {
  if (!json.is_object())
    return;
  auto pairs = [](const Json &weight, const char *key, auto &&use) {
    if (auto it = weight.find(key); it != weight.end() && it->is_object())
      for (const auto &[scheme, v] : it->items())
        if (v.is_array() && v.size() == 2 && positive(v[0]) && (positive(v[1]) || v[1].is_null()))
          use(scheme, v[0], v[1]);
  };
  for (const auto &[name, weight] : json.items()) {
    if (!weight.is_object())
      continue;
    Weight &w = weights[name];
    pairs(weight, "forms", [&](const std::string &scheme, const Json &bytes, const Json &error) {
      if (bytes.is_number_integer() && !error.is_null())
        w.forms[scheme] = {bytes.get<int64_t>(), error.get<double>()};
    });
    pairs(weight, "probes", [&](const std::string &scheme, const Json &error, const Json &kl) {
      w.probes[scheme] = {error.get<double>(),
                          kl.is_null() ? std::nullopt : std::optional<double>(kl.get<double>())};
    });
  }
}

Json Measurements::json() const {
  Json out = Json::object();
  for (const auto &[name, weight] : weights) {
    Json forms = Json::object(), probes = Json::object();
    for (const auto &[scheme, f] : weight.forms)
      forms[scheme] = {f.bytes, f.error};
    for (const auto &[scheme, p] : weight.probes)
      probes[scheme] = {p.error, p.divergence ? Json(*p.divergence) : Json()};
    out[name] = {{"forms", std::move(forms)}, {"probes", std::move(probes)}};
  }
  return out;
}

template <typename T>
static const T *lookup(const std::map<std::string, T> &map, const std::string &key) {
  auto it = map.find(key);
  return it == map.end() ? nullptr : &it->second;
}

const MeasuredForm *Measurements::form(const std::string &weight, const std::string &scheme) const {
  const Weight *w = lookup(weights, weight);
  return w ? lookup(w->forms, scheme) : nullptr;
}

const MeasuredProbe *Measurements::probe(const std::string &weight,
                                         const std::string &scheme) const {
  const Weight *w = lookup(weights, weight);
  return w ? lookup(w->probes, scheme) : nullptr;
}

void Measurements::setForm(const std::string &weight, const std::string &scheme,
                           MeasuredForm form) {
  weights[weight].forms[scheme] = form;
}

void Measurements::setProbe(const std::string &weight, const std::string &scheme,
                            MeasuredProbe probe) {
  weights[weight].probes[scheme] = probe;
}

void Measurements::store() const {
  if (file.empty())
    return;
  std::error_code ec;
  std::filesystem::create_directories(std::filesystem::path(file).parent_path(), ec);
  (void)bool(writeFileAtomically(file, json().dump()));
}

} // namespace fingpt
