// The rewrites of the whole graph that come before the weights: fewer layers, another basis, a
// narrower residual stream. Passes do them; here they get what they need to know.
#include "Compression.h"

#include "fingpt/Compress/BlockInfluence.h"
#include "fingpt/Compress/Slicing.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Params/SafetensorsWriter.h"

#include "mlir/Pass/PassManager.h"

using namespace mlir;

namespace fingpt {

using compress::ConstMatrixF;

/// Runs passes; their diagnostics are the error.
static Status runPasses(ModuleOp module, llvm::function_ref<void(PassManager &)> add) {
  std::string text;
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &d) {
    if (text.empty() && d.getSeverity() == DiagnosticSeverity::Error)
      text = d.str();
    return success();
  });
  PassManager pm(module.getContext(), ModuleOp::getOperationName());
  add(pm);
  if (failed(pm.run(module)))
    return Error(text.empty() ? "a pass failed without a message" : text);
  return Status::ok();
}

/// The layers that turn the stream least on the calibration text.
Status Compression::dropLayers() {
  if (samples.empty())
    return Error::at("scheme", "drop needs a calibration text", "--calib FILE", "none");
  auto model = SegmentedModel::create(*rewritten, params(), options.cacheDirectory);
  if (!model)
    return model.takeError();
  std::vector<compress::BlockInfluence> layers;
  std::vector<int64_t> numbers; ///< of them: some may have been dropped before
  std::vector<std::vector<float>> before;
  std::vector<SegmentSample> stream = samples;
  int64_t current = -1;
  auto layerOf = [&](size_t i) {
    const Segment &s = (*model)->segment(i);
    return s.weights.empty() ? int64_t(-1) : fin::layerOfName(s.weights.front().name);
  };
  for (size_t i = 0; i + 1 < (*model)->size(); ++i) {
    if (int64_t layer = layerOf(i); layer >= 0 && layer != current) {
      if (!numbers.empty() && layer <= numbers.back())
        return Error::at("scheme", "drop: numbers of layers", "ascending in the graph",
                         std::to_string(layer) + " after " + std::to_string(numbers.back()));
      layers.emplace_back();
      numbers.push_back(layer);
      before.clear();
      for (const SegmentSample &s : stream)
        before.push_back(s.hidden);
      current = layer;
    }
    update("influence of layers: segment " + std::to_string(i + 1) + " of " +
           std::to_string((*model)->size()));
    Result<SegmentWeights> weights = (*model)->load(i);
    if (!weights)
      return weights.takeError();
    if (Status s = advance(**model, i, *weights, stream); !s)
      return s;
    if (current < 0 || layerOf(i + 1) == current)
      continue;
    int64_t width = (*model)->segment(i).width;
    for (size_t n = 0; n < stream.size(); ++n) {
      int64_t rows = stream[n].batch * stream[n].length;
      if (Status s = layers.back().add(ConstMatrixF(before[n].data(), rows, width),
                                       ConstMatrixF(stream[n].hidden.data(), rows, width));
          !s)
        return s;
    }
  }
  auto dropped = compress::layersToDrop(layers, options.recipe.dropLayers);
  if (!dropped)
    return dropped.takeError();
  std::string names;
  fin::FinDropLayersOptions pass;
  for (int64_t index : *dropped) {
    int64_t layer = numbers[size_t(index)];
    pass.layers.push_back(layer);
    names += (names.empty() ? "" : ", ") + std::to_string(layer);
  }
  if (Status s = runPasses(*rewritten,
                           [&](PassManager &pm) { pm.addPass(fin::createFinDropLayers(pass)); });
      !s)
    return s;
  say("drop   layers " + names);
  rewrites.push_back({{"pass", "fin-drop-layers"}, {"detail", "layers " + names}});
  return Status::ok();
}

Status Compression::rotate() {
  fin::FinRotateOptions pass;
  pass.seed = options.recipe.seed;
  if (Status s = runPasses(*rewritten,
                           [&](PassManager &pm) {
                             fin::FinFoldNormsOptions fold;
                             fold.center = true;
                             pm.addPass(fin::createFinFoldNorms(fold));
                             pm.addPass(fin::createFinRotate(pass));
                           });
      !s)
    return s;
  say("rotate the residual stream by a Hadamard matrix");
  rewrites.push_back({{"pass", "fin-rotate"},
                      {"detail", "hadamard, seed " + std::to_string(options.recipe.seed)}});
  return Status::ok();
}

/// x ← x·Q_k·Q_kᵀ for every sample: what the stream is once it has passed a sliced point. The
/// sliced model computes just this, in the basis Q.
static void project(std::vector<SegmentSample> &stream, const compress::PcaBasis &basis,
                    int64_t k) {
  using namespace compress;
  int64_t width = basis.width();
  Matrix<float> kept(width, k);
  for (int64_t i = 0; i < width; ++i)
    for (int64_t j = 0; j < k; ++j)
      kept(i, j) = float(basis.q(i, j));
  for (SegmentSample &s : stream) {
    int64_t rows = s.batch * s.length;
    Matrix<float> narrow(rows, k);
    gemm(1.0f, ConstMatrixF(s.hidden.data(), rows, width), Transpose::No, kept, Transpose::No, 0.0f,
         narrow.view());
    gemm(1.0f, narrow, Transpose::No, kept, Transpose::Yes, 0.0f,
         MatrixView<float>(s.hidden.data(), rows, width));
  }
}

/// SliceGPT: the basis of each point from what the sliced points before it leave.
Status Compression::writeBases(const std::string &file) {
  using namespace compress;
  auto model = SegmentedModel::create(*rewritten, params(), options.cacheDirectory);
  if (!model)
    return model.takeError();
  std::vector<SegmentSample> stream = samples;
  int64_t width = (*model)->segment(0).width;
  int64_t k = slicedWidth(width, options.recipe.slice);
  SafetensorsWriter writer(file);
  size_t points = (*model)->size() - 1;
  for (size_t i = 0; i < points; ++i) {
    if ((*model)->segment(i).width != width)
      return Error::at("scheme", "slice: the residual stream changes its width",
                       "a model that is not sliced yet", "one that is");
    // The last point is as wide as the model: the head is not sliced.
    if (Status s = writer.declare("residual." + std::to_string(i), DType::F64,
                                  {width, i + 1 < points ? k : width});
        !s)
      return s;
  }
  if (Status s = writer.begin(); !s)
    return s;
  for (size_t i = 0; i < points; ++i) {
    update("bases: point " + std::to_string(i + 1) + " of " + std::to_string(points));
    Result<SegmentWeights> weights = (*model)->load(i);
    if (!weights)
      return weights.takeError();
    if (Status s = advance(**model, i, *weights, stream); !s)
      return s;
    Matrix<double> basis(width, width);
    int64_t columns = width;
    if (i + 1 < points) {
      GramAccumulator sums(width);
      for (const SegmentSample &s : stream)
        if (Status added = sums.add(ConstMatrixF(s.hidden.data(), s.batch * s.length, width));
            !added)
          return added;
      Result<PcaBasis> pca = pcaBasis(sums.finish().h);
      if (!pca)
        return pca.takeError();
      project(stream, *pca, k);
      if (Status s = orient(*pca, k, options.recipe.seed * 4096 + i); !s)
        return s;
      basis = std::move(pca->q);
      columns = k;
    } else {
      for (int64_t j = 0; j < width; ++j)
        basis(j, j) = 1;
    }
    Matrix<double> kept(basis.block(0, 0, width, columns));
    if (Status s = writer.write("residual." + std::to_string(i), kept.data(),
                                uint64_t(width * columns) * sizeof(double));
        !s)
      return s;
  }
  return writer.finish();
}

Status Compression::slice() {
  if (samples.empty())
    return Error::at("scheme", "slice needs a calibration text", "--calib FILE", "none");
  if (Status s = runPasses(*rewritten,
                           [&](PassManager &pm) {
                             fin::FinFoldNormsOptions fold;
                             fold.center = true;
                             pm.addPass(fin::createFinFoldNorms(fold));
                           });
      !s)
    return s;
  const std::string name = "bases.safetensors";
  if (!state->hasFile(name)) {
    state->restart(); // other machines may find slightly other bases
    if (Status s = writeBases(state->file(name)); !s)
      return s;
    if (Status s = state->keepFile(name); !s)
      return s;
  }
  fin::FinSliceOptions pass;
  pass.bases = state->file(name);
  if (Status s =
          runPasses(*rewritten, [&](PassManager &pm) { pm.addPass(fin::createFinSlice(pass)); });
      !s)
    return s;
  char detail[100];
  std::snprintf(detail, sizeof detail, "%.4g%% of the width", 100 * options.recipe.slice);
  say(std::string("slice  ") + detail);
  rewrites.push_back({{"pass", "fin-slice"}, {"detail", detail}});
  return Status::ok();
}

Status Compression::quantizeKeysAndValues() {
  fin::FinQuantizeKVOptions pass;
  pass.bits = options.recipe.kvBits;
  if (Status s = runPasses(*rewritten,
                           [&](PassManager &pm) { pm.addPass(fin::createFinQuantizeKV(pass)); });
      !s)
    return s;
  std::string detail = std::to_string(options.recipe.kvBits) + " bits";
  say("keys and values of " + detail);
  rewrites.push_back({{"pass", "fin-quantize-kv"}, {"detail", detail}});
  return Status::ok();
}

Status Compression::rewriteGraph() {
  const Recipe &recipe = options.recipe;
  rewritten = OwningOpRef<ModuleOp>(model.graph().clone());
  if (recipe.dropLayers > 0)
    if (Status s = dropLayers(); !s)
      return s;
  if (recipe.rotate)
    if (Status s = rotate(); !s)
      return s;
  if (recipe.slice > 0)
    if (Status s = slice(); !s)
      return s;
  if (recipe.kvBits > 0)
    if (Status s = quantizeKeysAndValues(); !s)
      return s;
  return Status::ok();
}

} // namespace fingpt
