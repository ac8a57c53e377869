#include "Commands.h"

#include "fingpt/Driver/Inspect.h"

#include <map>
#include <memory>

namespace fingpt::cli {

static std::string megabytes(uint64_t bytes) {
  char text[40];
  if (bytes >= 10'000'000)
    std::snprintf(text, sizeof text, "%.1f MB", double(bytes) / 1e6);
  else if (bytes >= 10'000)
    std::snprintf(text, sizeof text, "%.1f kB", double(bytes) / 1e3);
  else
    std::snprintf(text, sizeof text, "%llu B", static_cast<unsigned long long>(bytes));
  return text;
}

/// "0-29", "0-2,5".
static std::string ranges(const std::vector<int64_t> &layers) {
  std::string text;
  for (size_t i = 0; i < layers.size();) {
    size_t j = i;
    while (j + 1 < layers.size() && layers[j + 1] == layers[j] + 1)
      ++j;
    text += (text.empty() ? "" : ",") + std::to_string(layers[i]) +
            (j > i ? "-" + std::to_string(layers[j]) : "");
    i = j + 1;
  }
  return text;
}

/// Weights that differ in their layer only are one row.
struct Row {
  std::string name, shape, form;
  std::vector<int64_t> layers;
  uint64_t bytes = 0;
};

static std::vector<Row> foldLayers(const ModelSummary &s) {
  std::vector<Row> rows;
  std::map<std::string, size_t> index;
  for (const WeightSummary &w : s.weights) {
    std::string name = w.name;
    if (w.layer >= 0) {
      std::string number = "." + std::to_string(w.layer) + ".";
      if (size_t at = name.find(number); at != std::string::npos)
        name.replace(at, number.size(), ".N.");
    }
    auto [it, isNew] = index.try_emplace(name + shapeText(w.shape) + w.form, rows.size());
    if (isNew)
      rows.push_back({name, shapeText(w.shape), w.form, {}, 0});
    Row &row = rows[it->second];
    row.bytes += w.bytes;
    if (w.layer >= 0)
      row.layers.push_back(w.layer);
  }
  return rows;
}

static void printText(const ModelSummary &s) {
  std::printf("%s\n", escaped(s.source, 1000).c_str());
  std::printf("  architecture   %s, %lld layers, context %lld", s.architecture.c_str(),
              static_cast<long long>(s.layers), static_cast<long long>(s.contextLength));
  if (s.vocabSize)
    std::printf(", vocabulary %lld", static_cast<long long>(s.vocabSize));
  std::printf("\n  parameters     %llu\n", static_cast<unsigned long long>(s.parameters));
  std::printf("  stored         %s, %.2f bits per parameter\n", megabytes(s.storedBytes).c_str(),
              s.bitsPerWeight);
  for (const auto &[kind, bytes] : s.bytesByKind)
    std::printf("    %-12s %s\n", kind.c_str(), megabytes(bytes).c_str());
  std::vector<Row> rows = foldLayers(s);
  size_t nameWidth = 6, shapeWidth = 5, layerWidth = 6;
  for (const Row &r : rows) {
    nameWidth = std::max(nameWidth, r.name.size());
    shapeWidth = std::max(shapeWidth, r.shape.size());
    layerWidth = std::max(layerWidth, ranges(r.layers).size());
  }
  std::printf("\n%-*s  %-*s  %-*s  %10s  form\n", int(nameWidth), "weight", int(layerWidth),
              "layers", int(shapeWidth), "shape", "stored");
  for (const Row &r : rows)
    std::printf("%-*s  %-*s  %-*s  %10s  %s\n", int(nameWidth), r.name.c_str(), int(layerWidth),
                ranges(r.layers).c_str(), int(shapeWidth), r.shape.c_str(),
                r.bytes ? megabytes(r.bytes).c_str() : "shared", r.form.c_str());
}

static void printJson(const ModelSummary &s) {
  Json weights = Json::array();
  for (const WeightSummary &w : s.weights)
    weights.push_back({{"name", w.name},
                       {"layer", w.layer},
                       {"shape", w.shape},
                       {"form", w.form},
                       {"parameters", w.elements},
                       {"bytes", w.bytes}});
  Json out = {{"source", s.source},
              {"architecture", s.architecture},
              {"layers", s.layers},
              {"context_length", s.contextLength},
              {"vocab_size", s.vocabSize},
              {"parameters", s.parameters},
              {"stored_bytes", s.storedBytes},
              {"bits_per_parameter", s.bitsPerWeight},
              {"bytes_by_kind", s.bytesByKind},
              {"weights", std::move(weights)}};
  std::printf("%s\n", out.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
}

Action addInspect(CLI::App &app, const Common &common) {
  auto source = std::make_shared<std::string>();
  CLI::App *sub = app.add_subcommand("inspect", "Architecture, size and weight forms of a model");
  sub->footer("Reads headers only; a 28 GB model takes under a second.\n\n"
              "  fingpt inspect model.gguf\n  fingpt inspect hf-directory --json");
  sub->add_option("SRC", *source, "Model")->required();
  return [source, &common]() -> Result<int> {
    Result<std::unique_ptr<Model>> model = Model::load(*source);
    if (!model)
      return model.takeError();
    Result<ModelSummary> summary = inspectModel(**model);
    if (!summary)
      return summary.takeError();
    common.json ? printJson(*summary) : printText(*summary);
    return 0;
  };
}

} // namespace fingpt::cli
