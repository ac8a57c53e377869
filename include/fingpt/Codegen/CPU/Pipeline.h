// From a graph to LLVM, as named stages. Each is a sub-pipeline that fingpt-opt
// offers too, so that what the JIT runs can be looked at:
//
//   fingpt-opt model.gguf --fin-jit-graph       // graph passes up to outlined layers
//   fingpt-opt x.mlir --fin-jit-bufferize       // tensors to buffers, kernels to calls
//   fingpt-opt x.mlir --fin-jit-lower           // one function to the LLVM dialect
#ifndef FINGPT_CODEGEN_CPU_PIPELINE_H
#define FINGPT_CODEGEN_CPU_PIPELINE_H

#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"

#include <string>

namespace fingpt {

struct PipelineOptions {
  /// Make @prefill and @decode (decoders only).
  bool cache = true;
  /// Strict definition only: no kernels, no relaxed sums, no approximations.
  bool reference = false;
  /// Element type of activations: f32, or f64 for the oracle.
  std::string precision = "f32";
  /// 8 or 4: round keys and values (fin-quantize-kv), so that the cache holds codes. 0: as the
  /// graph has them.
  int64_t kvBits = 0;
};

void buildGraphPipeline(mlir::OpPassManager &pm, const PipelineOptions &options);
void buildBufferizePipeline(mlir::OpPassManager &pm, const PipelineOptions &options);
void buildLowerPipeline(mlir::OpPassManager &pm, const PipelineOptions &options);

/// Registers the three as `fin-jit-graph`, `fin-jit-bufferize`, `fin-jit-lower`.
void registerCPUPipelines();

/// Every dialect and interface model that the pipelines need.
void registerCPUDialects(mlir::DialectRegistry &registry);

} // namespace fingpt

#endif // FINGPT_CODEGEN_CPU_PIPELINE_H
