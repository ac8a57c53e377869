// A model cut at its residual points, to be run piece by piece.
//
//   tokens → [0 embeddings] → h0 → [1 attention of layer 0] → h1 → [2 mlp of layer 0] → h2 …
//          → [2L + 1 final norm, head]
//
//   auto model = SegmentedModel::create(imported graph, params, options);
//   for (size_t i = 0; i < model->size(); ++i) {
//     auto weights = model->load(i);                     // dense f32, this segment's only
//     model->run(i, Run::Observe, *weights, sample);     // sample.taps: inputs of linears
//     weights->replace("…q_proj.weight", compressed);    // sequential: what follows sees it
//     model->run(i, Run::Advance, *weights, sample);     // sample.hidden: the next h
//   }
//
// A cut is a point of @forward at which one float tensor is alive; what depends on tokens
// alone (positions) is computed anew in every piece. Where linears lie between two cuts those
// are a segment; norms before them belong to it. Segments that are equal up to their weights
// share code, so that compile time does not grow with depth; memory holds the weights of one
// segment and what the caller keeps of hidden states.
#ifndef FINGPT_DRIVER_SEGMENTS_H
#define FINGPT_DRIVER_SEGMENTS_H

#include "fingpt/Codegen/CPU/JIT.h"
#include "fingpt/Compress/Matrix.h"
#include "fingpt/Dialect/Fin/Utils/Weights.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace fingpt {

/// An input that linears of a segment share.
struct SegmentTap {
  std::string key; ///< name of the first weight that reads it
  int64_t columns = 0;
  std::vector<std::string> weights;
};

struct Segment {
  std::vector<fin::LinearWeight> weights; ///< in program order
  std::vector<SegmentTap> taps;
  int64_t width = 0; ///< of the hidden state (or of logits, for the last)
  bool last = false;
  /// The weight whose products are added to the incoming hidden state to give the next, or empty.
  std::string residualWriter;
};

/// Values of one segment's parameters.
class SegmentWeights {
public:
  bool has(const std::string &name) const { return slots.count(name) > 0; }
  /// [out, in] of a linear's weight or a table.
  compress::ConstMatrixF weight(const std::string &name) const;
  /// From here on runs with other values; of the same shape.
  void replace(const std::string &name, compress::Matrix<float> values);
  /// Undoes replace().
  void restore(const std::string &name);

private:
  friend class SegmentedModel;
  struct Value {
    std::unique_ptr<fin::DenseWeight> dense;
    compress::Matrix<float> replaced;
    TensorData raw; ///< of what is no float
    const void *data = nullptr;
  };
  std::vector<Value> values; ///< by slot
  std::map<std::string, size_t> slots;
};

/// One batch of sequences on its way through the model.
struct SegmentSample {
  std::vector<int32_t> tokens; ///< batch × length
  int64_t batch = 1, length = 0;
  std::vector<float> hidden;            ///< [batch·length, width]
  std::vector<std::vector<float>> taps; ///< after Observe: one per tap, [batch·length, columns]
};

class SegmentedModel {
public:
  enum class Run {
    Observe, ///< taps only; hidden stays
    Advance, ///< hidden becomes the segment's result
    Both,
  };

  /// Compiles the distinct segments of @forward. The graph must outlive the result.
  static Result<std::unique_ptr<SegmentedModel>> create(mlir::ModuleOp graph,
                                                        std::shared_ptr<ParamStore> params,
                                                        const std::string &cacheDirectory);
  ~SegmentedModel();

  size_t size() const;
  const Segment &segment(size_t i) const;
  /// Evaluates the weights of a segment.
  Result<SegmentWeights> load(size_t i) const;
  /// Segment 0 takes the tokens, every other the hidden state of the one before. Error: ids that
  /// the embedding does not have.
  Status run(size_t i, Run what, const SegmentWeights &weights, SegmentSample &sample) const;

private:
  SegmentedModel();
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace fingpt

#endif // FINGPT_DRIVER_SEGMENTS_H
