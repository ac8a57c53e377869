// What forms do to single weights: the measurements behind a budget.
//
//   Measurements m(cacheFile);            // of earlier runs on the same statistics, if any
//   m.setForm("…q_proj.weight", "w3g64", {55296, 3.1e-2});
//   m.setProbe("…q_proj.weight", "w3g64", {2.2e-2, 4.1e-4});
//   if (const auto *form = m.form("…q_proj.weight", "w3g64")) …
//   state.put("measured", m.json());      // an interrupted run goes on from there
//   m.store();                            // for the next size that is tried
#ifndef FINGPT_LIB_DRIVER_MEASUREMENTS_H
#define FINGPT_LIB_DRIVER_MEASUREMENTS_H

#include "fingpt/Support/Json.h"

#include <map>
#include <optional>
#include <string>

namespace fingpt {

struct MeasuredForm {
  int64_t bytes = 0;
  double error = 0; ///< relative, of outputs; rounded to nearest
};

struct MeasuredProbe {
  double error = 0;                 ///< with the method of the recipe
  std::optional<double> divergence; ///< KL of the model with this weight alone in that form
};

class Measurements {
public:
  /// With what is in `file`; starts empty if that is absent or damaged. An empty name: no file.
  explicit Measurements(std::string file = {});
  /// Adds what json() gave.
  void add(const Json &json);
  Json json() const;
  bool empty() const { return weights.empty(); }

  const MeasuredForm *form(const std::string &weight, const std::string &scheme) const;
  const MeasuredProbe *probe(const std::string &weight, const std::string &scheme) const;
  void setForm(const std::string &weight, const std::string &scheme, MeasuredForm form);
  void setProbe(const std::string &weight, const std::string &scheme, MeasuredProbe probe);

  /// Writes the file, as far as that is possible: a cache that cannot be written is a slow one.
  void store() const;

private:
  struct Weight {
    std::map<std::string, MeasuredForm> forms;
    std::map<std::string, MeasuredProbe> probes;
  };
  std::string file;
  std::map<std::string, Weight> weights;
};

} // namespace fingpt

#endif // FINGPT_LIB_DRIVER_MEASUREMENTS_H
