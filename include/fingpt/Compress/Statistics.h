// The file that calibration writes and every method reads.
//
//   StatisticsWriter writer("stats.safetensors");
//   writer.declare("model.layers.0.self_attn.q_proj.weight", 576, {q, k, v});   // names
//   writer.begin();
//   writer.write("model.layers.0.self_attn.q_proj.weight", gram);   // one input at a time
//   writer.finish();
//
//   auto stats = Statistics::open("stats.safetensors");
//   auto gram = stats->gram("model.layers.0.self_attn.k_proj.weight");   // that of the input
//
// An input that several linears read is stored once, under the name of the first:
//
//   KEY.gram     F64 [in·(in + 1)/2]   Σ xᵀx, rows of the upper triangle
//   KEY.sum_abs  F64 [in]              Σ|x|
//   KEY.max_abs  F32 [in]              max|x|
//   KEY.samples  I64 [1]               tokens
//
// Residual points are inputs too, under "residual.0", "residual.1", … The metadata entry
// "fingpt.inputs" is a JSON object from weight to KEY; "fingpt.provenance" says of what.
#ifndef FINGPT_COMPRESS_STATISTICS_H
#define FINGPT_COMPRESS_STATISTICS_H

#include "fingpt/Compress/Gram.h"
#include "fingpt/Params/SafetensorsWriter.h"
#include "fingpt/Support/Json.h"

#include <map>
#include <string>
#include <vector>

namespace fingpt::compress {

class Statistics {
public:
  /// Error: no safetensors file, or one without these statistics.
  static Result<Statistics> open(const std::string &file);

  /// KEY of the input that a weight reads; null if it was not calibrated.
  const std::string *inputOf(const std::string &weight) const;
  /// Reads one input's statistics. Error: names the weight if there are none of it.
  Result<Gram> gram(const std::string &weight) const;
  const Json &provenance() const { return origin; }

private:
  std::string file;
  std::shared_ptr<ParamStore> params;
  std::map<std::string, std::string> inputs;
  Json origin;
};

class StatisticsWriter {
public:
  explicit StatisticsWriter(const std::string &file) : writer(file) {}
  /// An input of `columns` elements under `key`, read by `weights` (key among them or not).
  Status declare(const std::string &key, int64_t columns, const std::vector<std::string> &weights);
  Status begin(const Json &provenance);
  /// In any order, each once.
  Status write(const std::string &key, const Gram &gram);
  Status finish() { return writer.finish(); }

private:
  SafetensorsWriter writer;
  Json inputs = Json::object();
};

} // namespace fingpt::compress

#endif // FINGPT_COMPRESS_STATISTICS_H
