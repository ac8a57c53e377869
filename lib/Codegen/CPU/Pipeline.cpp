#include "fingpt/Codegen/CPU/Pipeline.h"

#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Dialect/FinKernel/Transforms/Passes.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Bufferization/Transforms/FuncBufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/Extensions/AllExtensions.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/Linalg/Transforms/AllInterfaces.h"
#include "mlir/Dialect/Linalg/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Linalg/Transforms/SubsetInsertionOpInterfaceImpl.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/IR/TensorInferTypeOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/BufferizableOpInterfaceImpl.h"
#include "mlir/Dialect/Tensor/Transforms/SubsetInsertionOpInterfaceImpl.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace fingpt {

void buildGraphPipeline(OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(fin::createFinVerifyImported());
  if (options.precision != "f32") {
    fin::FinConvertPrecisionOptions precision;
    precision.to = options.precision;
    pm.addPass(fin::createFinConvertPrecision(precision));
  }
  if (options.kvBits != 0) {
    fin::FinQuantizeKVOptions kv;
    kv.bits = options.kvBits;
    pm.addPass(fin::createFinQuantizeKV(kv));
  }
  if (options.cache)
    pm.addPass(fin::createFinAddKVCache());
  pm.addPass(fin::createFinHoistWeights());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(fin::createFinOutlineLayers());
}

void buildBufferizePipeline(OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(fin::createFinBindParams());
  if (!options.reference)
    pm.addPass(fin::createFinUseKernels());
  pm.addPass(fin::createFinDecompose());
  if (!options.reference)
    pm.addPass(fin::createFinRelaxReductions());
  pm.addPass(createConvertElementwiseToLinalgPass());
  // CSE before bufferization would merge destinations; canonicalization does not.
  pm.addPass(createCanonicalizerPass());
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  bufferization::OneShotBufferizePassOptions bufferize;
  bufferize.bufferizeFunctionBoundaries = true;
  bufferize.functionBoundaryTypeConversion = bufferization::LayoutMapOption::IdentityLayoutMap;
  pm.addPass(bufferization::createOneShotBufferizePass(bufferize));
  pm.addPass(createCanonicalizerPass());
  pm.addPass(fin_kernel::createFinDropReturnedArguments());
  pm.addPass(createCSEPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createConvertBufferizationToMemRefPass());
  pm.addPass(fin_kernel::createFinKernelToRuntime());
  pm.addPass(fin_kernel::createFinExpandCopies());
  pm.addNestedPass<func::FuncOp>(bufferization::createBufferLoopHoistingPass());
  pm.addPass(fin_kernel::createFinScopeScratch());
  pm.addPass(fin::createFinVerifyLowered());
}

void buildLowerPipeline(OpPassManager &pm, const PipelineOptions &options) {
  if (!options.reference)
    pm.addPass(fin_kernel::createFinApproximateMath());
  pm.addPass(createConvertLinalgToLoopsPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createConvertMathToLibmPass());
  FinalizeMemRefToLLVMConversionPassOptions memrefs;
  memrefs.useGenericFunctions = true;
  pm.addPass(createFinalizeMemRefToLLVMConversionPass(memrefs));
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

namespace {
struct CommandLineOptions : public PassPipelineOptions<CommandLineOptions> {
  Option<bool> cache{*this, "cache", llvm::cl::desc("Make @prefill and @decode"),
                     llvm::cl::init(true)};
  Option<bool> reference{*this, "reference",
                         llvm::cl::desc("Strict definition: no kernels, no relaxed sums"),
                         llvm::cl::init(false)};
  Option<std::string> precision{*this, "precision", llvm::cl::desc("f32 or f64"),
                                llvm::cl::init("f32")};
  Option<int64_t> kvBits{*this, "kv-bits", llvm::cl::desc("Quantize keys and values: 8 or 4"),
                         llvm::cl::init(0)};
  PipelineOptions get() const { return {cache, reference, precision, kvBits}; }
};
} // namespace

void registerCPUPipelines() {
  PassPipelineRegistration<CommandLineOptions>(
      "fin-jit-graph", "Graph passes of the JIT: cache, hoisting, outlining",
      [](OpPassManager &pm, const CommandLineOptions &o) { buildGraphPipeline(pm, o.get()); });
  PassPipelineRegistration<CommandLineOptions>(
      "fin-jit-bufferize", "Bind parameters, decompose, bufferize, call kernels",
      [](OpPassManager &pm, const CommandLineOptions &o) { buildBufferizePipeline(pm, o.get()); });
  PassPipelineRegistration<CommandLineOptions>(
      "fin-jit-lower", "Buffers and loops to the LLVM dialect",
      [](OpPassManager &pm, const CommandLineOptions &o) { buildLowerPipeline(pm, o.get()); });
}

void registerCPUDialects(DialectRegistry &registry) {
  registry
      .insert<fin::FinDialect, fin_kernel::FinKernelDialect, arith::ArithDialect, func::FuncDialect,
              tensor::TensorDialect, linalg::LinalgDialect, math::MathDialect, scf::SCFDialect,
              memref::MemRefDialect, bufferization::BufferizationDialect, cf::ControlFlowDialect,
              LLVM::LLVMDialect, vector::VectorDialect>();
  arith::registerBufferizableOpInterfaceExternalModels(registry);
  bufferization::func_ext::registerBufferizableOpInterfaceExternalModels(registry);
  linalg::registerAllDialectInterfaceImplementations(registry);
  scf::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerBufferizableOpInterfaceExternalModels(registry);
  tensor::registerInferTypeOpInterfaceExternalModels(registry);
  tensor::registerSubsetOpInterfaceExternalModels(registry);
  fin_kernel::registerBufferizationModels(registry);
}

} // namespace fingpt
