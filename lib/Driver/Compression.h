// One run of `fingpt compress`: what its parts share.
#ifndef FINGPT_LIB_DRIVER_COMPRESSION_H
#define FINGPT_LIB_DRIVER_COMPRESSION_H

#include "CompressPlan.h"
#include "CompressState.h"
#include "Measurements.h"

#include "fingpt/Compress/CompressedWeight.h"
#include "fingpt/Driver/Calibrate.h"

#include <chrono>

namespace fingpt {

class Compression {
public:
  Compression(Model &model, const CompressOptions &options) : model(model), options(options) {}
  Result<CompressSummary> run();

private:
  /// Weights that are compressed, made durable and run together.
  struct Unit {
    std::optional<size_t> segment;                ///< of the segmented model
    std::vector<std::vector<std::string>> groups; ///< weights that read one input
  };

  /// How long the rest will take, by the work of what is done.
  struct Clock {
    std::chrono::steady_clock::time_point start;
    double total = 0, done = 0;
    static double work(const PlannedWeight &w);
    double left(const PlannedWeight &finished);
  };

  Result<CompressSummary> runStages();
  Status open();
  Status openFinished(const Json &fingerprint);
  Status planRewritten();

  /// CompressionTexts.cpp
  Status readTexts();
  Status checkTexts();
  Status writeOwnText();

  /// GraphRewrites.cpp
  Status rewriteGraph();
  Status dropLayers();
  Status rotate();
  Status quantizeKeysAndValues();
  Status slice();
  Status writeBases(const std::string &file);

  void makeUnits();
  Status decideForms();
  Status compressUnits();
  Status compressUnit(size_t index, const DriftStatistics &statistics);
  bool isCorrected(const PlannedWeight &w) const;
  Result<compress::Matrix<float>> targetOf(const std::string &name, compress::ConstMatrixF w,
                                           const DriftStatistics &statistics,
                                           const Segment &segment) const;
  Status restore(size_t units);
  Status catchUp(size_t units);
  Status measure();
  Status holdPerplexity();

  /// CompressionReport.cpp
  Json report() const;
  Status publish();

  /// RankChoice.cpp
  Status chooseRanks();
  Result<Json> allotRanks();
  bool useRanks(const Json &chosen);

  /// Budget.cpp
  std::vector<compress::WeightScheme> budgetCandidates() const;
  Result<std::string> measurementsFile(bool probing) const;
  Status
  measureForms(const compress::WeightProblem &problem,
               const std::vector<compress::WeightScheme> &candidates,
               llvm::function_ref<Result<double>(const compress::CompressedWeight &)> divergence);
  Status analyse();
  Status allocate();

  const std::shared_ptr<ParamStore> &params() const { return model.imported().params; }
  const PlannedWeight &planned(const std::string &name) const;
  std::optional<compress::Gram> gramOf(const std::string &name,
                                       const std::vector<compress::Gram> &grams,
                                       const Segment &segment) const;
  Json fingerprint() const;
  void say(const std::string &line) const {
    if (options.say)
      options.say(line);
  }
  void update(const std::string &line) const {
    if (options.update)
      options.update(line);
  }

  Model &model;
  const CompressOptions &options;
  CompressSummary summary;
  std::unique_ptr<CompressState> state;
  std::string source;                          ///< hash of the model
  mlir::OwningOpRef<mlir::ModuleOp> rewritten; ///< after whole-graph rewrites; read only
  mlir::OwningOpRef<mlir::ModuleOp> result;    ///< in which weights are replaced
  std::unique_ptr<SegmentedModel> segments;
  std::vector<SegmentSample> samples;  ///< through what is compressed so far, if sequential
  std::vector<SegmentSample> original; ///< through the original layers, if weights are corrected
  std::vector<int32_t> heldOut;        ///< whole chunks of `context`
  std::string heldOutName, calibrationName;
  int64_t context = 0;
  std::vector<Unit> units;
  size_t correctedUnits = 0;  ///< beyond these no weight makes good what others lost
  std::vector<Json> rewrites; ///< for the report
  std::vector<Json> rows;     ///< of the report, in order of compression
  Measurements measured;
  Json sensitivities = Json::object();
  size_t compressed = 0, total = 0;
  bool finished = false; ///< by an earlier run
  Clock clock;
};

/// CompressionPlan.cpp: bytes of every parameter of a graph, each once.
uint64_t storedParameterBytes(mlir::ModuleOp graph, const ParamStore &params);

/// Of all parameters, if every weight that a budget chooses for takes its smallest candidate, or
/// stays if that is smaller.
uint64_t fewestBytes(const CompressPlan &plan,
                     const std::vector<compress::WeightScheme> &candidates);
/// Error: the budget is below that.
Status checkBudget(const CompressPlan &plan, const std::vector<compress::WeightScheme> &candidates,
                   uint64_t budget);

/// The dense model, which stays in memory for probes, is less than half of it. What is free at the
/// moment has no say: the same command is to choose the same forms.
bool canProbe(const std::vector<PlannedWeight> &weights);

Result<CompressPlan> planGraph(mlir::ModuleOp graph, const ParamStore &params,
                               const CompressOptions &options, bool decoder);

/// CompressionReport.cpp: a row of the report; without `c` of a weight that is kept.
Json reportRow(const PlannedWeight &plan, const compress::CompressedWeight *c);

/// Adds singular values of w, under the statistics if there are any.
void addSpectrum(Json &row, compress::ConstMatrixF w, const compress::Gram *gram);

mlir::func::FuncOp forwardOf(mlir::ModuleOp module);
std::string textOf(mlir::ModuleOp module);

/// SourceHash.cpp: tells models apart, by the graph and every byte of their parameters. Error: a
/// float among those that is not finite, by name and place.
Result<std::string> sourceHash(mlir::ModuleOp graph, const ParamStore &params);

std::string hex(uint64_t hash);

} // namespace fingpt

#endif // FINGPT_LIB_DRIVER_COMPRESSION_H
