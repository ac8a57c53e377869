// What a run leaves behind: report, page, model directory.
#include "Compression.h"

#include "fingpt/Driver/Report.h"
#include "fingpt/Import/ModelDirectory.h"

#include <cmath>

using namespace mlir;

namespace fingpt {

/// At most 64 singular values of w·R, R·Rᵀ = H, and their ranks: for people to look at.
void addSpectrum(Json &row, compress::ConstMatrixF w, const compress::Gram *gram) {
  using namespace compress;
  Matrix<double> wide(w);
  // The smaller of W·H·Wᵀ and its mirror image has the squares as eigenvalues.
  Matrix<double> square;
  if (gram && w.rows <= w.cols) {
    square = product(timesSymmetric(wide, gram->h), wide, Transpose::No, Transpose::Yes);
  } else if (gram) {
    Result<Whitener> white = Whitener::cholesky(gram->h);
    if (!white)
      return;
    Matrix<double> scaled = white->apply(wide);
    square = product(scaled, scaled, Transpose::Yes, Transpose::No);
  } else if (w.rows <= w.cols) {
    square = product(wide, wide, Transpose::No, Transpose::Yes);
  } else {
    square = product(wide, wide, Transpose::Yes, Transpose::No);
  }
  if (square.rows() > 2048)
    return; // minutes for a picture
  Result<EigenPairs> pairs = eigh(square);
  if (!pairs)
    return;
  Json values = Json::array(), ranks = Json::array();
  auto n = int64_t(pairs->values.size());
  int64_t count = std::min<int64_t>(n, 64), rank = -1;
  for (int64_t k = 0; k < count; ++k) {
    // Evenly on a logarithmic axis, as far as there are that many.
    double even = std::pow(double(n), double(k + 1) / double(count));
    rank = std::max(rank + 1, std::min(int64_t(std::llround(even)) - 1, n - (count - k)));
    double v = std::sqrt(std::max(0.0, pairs->values[size_t(rank)]));
    values.push_back(double(float(v)));
    ranks.push_back(rank);
  }
  row["spectrum"] = std::move(values);
  row["spectrum_ranks"] = std::move(ranks);
}

Json reportRow(const PlannedWeight &plan, const compress::CompressedWeight *c) {
  Json row = {{"name", plan.name},
              {"layer", fin::layerOfName(plan.name)},
              {"shape", {plan.rows, plan.cols}},
              {"scheme", compress::weightSchemeText(plan.scheme)},
              {"form", c ? c->form() : "kept"},
              {"bytes_before", plan.bytesBefore}};
  bool kept = !c || c->kept();
  uint64_t bytes = kept ? plan.bytesBefore : uint64_t(c->storedBytes());
  row["bytes_after"] = bytes;
  row["bits"] = 8.0 * double(bytes) / (double(plan.rows) * double(plan.cols));
  row["error"] = kept ? 0.0 : c->error;
  row["rounding_error"] = kept ? 0.0 : c->roundingError;
  row["rank"] = nullptr;
  if (!kept)
    for (const compress::WeightTerm &term : c->terms) {
      if (const auto *pair = std::get_if<compress::QuantizedLowRank>(&term))
        row["rank"] = pair->a.rows;
      else if (const auto *factors = std::get_if<compress::LowRankTerm>(&term))
        row["rank"] = factors->a.rows();
    }
  row["sensitivity"] = nullptr;
  row["spectrum"] = Json::array();
  row["spectrum_ranks"] = Json::array();
  row["note"] = c ? c->note : "";
  row["kept"] = kept;
  row["kept_reason"] = !kept ? "" : !plan.kept.empty() ? plan.kept : c ? c->note : "";
  return row;
}

Json Compression::report() const {
  const CompressPlan &plan = summary.plan;
  std::string source = model.imported().source;
  while (source.size() > 1 && source.back() == '/')
    source.pop_back();
  Json out = {{"format_version", 1},
              {"tool", "fingpt 0.1.0"},
              {"model",
               {{"source", source.substr(source.find_last_of('/') + 1)},
                {"architecture", model.architecture()},
                {"parameters", plan.parameters}}},
              {"recipe", options.recipe.json()}};
  if (auto facts = model.graph()->getAttrOfType<fin::ModelAttr>("fin.model"))
    out["model"]["layers"] = facts.getLayers();
  out["size"] = {
      {"before_bytes", plan.bytesBefore},
      {"after_bytes", summary.bytesAfter},
      {"bits_per_weight_before", 8.0 * double(plan.bytesBefore) / double(plan.parameters)},
      {"bits_per_weight", summary.bitsPerWeight}};
  out["quality"] = nullptr;
  if (summary.quality) {
    out["quality"] = figuresJson(*summary.quality);
    out["quality"]["text"] = heldOutName;
  }
  out["calibration"] = nullptr;
  if (!samples.empty())
    out["calibration"] = {{"text", calibrationName},
                          {"tokens", int64_t(samples.size()) * context},
                          {"context", context},
                          {"sequential", options.recipe.sequential}};
  out["rewrites"] = rewrites;
  out["weights"] = rows;
  const Json &print = state->get("fingerprint");
  out["provenance"] = {{"source_hash", print["source"]},
                       {"calibration_hash", print["calibration"]},
                       {"versions", {{"fingpt", "0.1.0"}, {"llvm", LLVM_VERSION_STRING}}}};
  return out;
}

Status Compression::publish() {
  Json full = report();
  ImportedModel out;
  out.graph = OwningOpRef<ModuleOp>(result->clone());
  out.params = model.imported().params;
  out.kind = model.imported().kind;
  out.source = model.imported().source;
  out.architecture = model.imported().architecture;
  out.config = model.imported().config;
  out.tokenizer = model.imported().tokenizer;
  WriteOptions write;
  write.replace = options.force;
  write.extra = {{"recipe", options.recipe.json()}, {"size", full["size"]}};
  write.files.emplace_back("report.json", full.dump(1) + "\n");
  if (Result<Report> page = parseReport(full, "report.json"))
    write.unlisted.emplace_back("report.html", reportHtml(*page));
  else // hours of work are not thrown away for a page
    say("note   report.html is not written: " + page.error().message());
  Json lock = {{"format_version", 1},
               {"recipe", options.recipe.json()},
               {"fingerprint", state->get("fingerprint")}};
  write.files.emplace_back("run.lock", lock.dump(1) + "\n");
  update("writing");
  if (Status s = writeModelDirectory(out, options.output, write); !s)
    return s;
  state->remove();
  return Status::ok();
}

} // namespace fingpt
