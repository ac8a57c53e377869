// mlir-opt for transformers: the input may be MLIR text or any model that
// fingpt imports (a GGUF file, a Hugging Face directory, …).
#include "fingpt/Codegen/CPU/Pipeline.h"
#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Dialect/Fin/Utils/ModelParams.h"
#include "fingpt/Dialect/FinKernel/IR/FinKernel.h"
#include "fingpt/Dialect/FinKernel/Transforms/Passes.h"
#include "fingpt/Import/GraphParams.h"
#include "fingpt/Import/Import.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"

/// True for what is no text: a directory, or a file of weights.
static bool isModel(llvm::StringRef path) {
  return llvm::sys::fs::is_directory(path) || path.ends_with(".gguf") || path.ends_with(".bin");
}

/// The graph of a model as text; its parameters go to `params`.
static fingpt::Result<std::string> importedText(const std::string &path,
                                                const mlir::DialectRegistry &registry,
                                                std::shared_ptr<fingpt::ParamStore> &params) {
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  fingpt::Result<fingpt::ImportedModel> model = fingpt::importModel(path, context);
  if (!model)
    return model.takeError();
  params = model->params;
  std::string text;
  llvm::raw_string_ostream os(text);
  model->graph->print(os, mlir::OpPrintingFlags().enableDebugInfo());
  return text;
}

static mlir::LogicalResult run(int argc, char **argv, mlir::DialectRegistry &registry) {
  auto [input, output] = mlir::registerAndParseCLIOptions(
      argc, argv, "fingpt-opt: transforms transformer graphs\n", registry);
  if (!isModel(input)) {
    std::string file = input == "-" ? "" : input;
    fingpt::fin::registerParamLoader(
        registry, [file](mlir::ModuleOp module) { return fingpt::loadGraphParams(module, file); });
    return mlir::MlirOptMain(argc, argv, input, output, registry);
  }

  std::shared_ptr<fingpt::ParamStore> params;
  fingpt::Result<std::string> text = importedText(input, registry, params);
  if (!text) {
    llvm::errs() << "error: " << text.error().message() << "\n";
    return mlir::failure();
  }
  fingpt::fin::registerParamLoader(
      registry, [&](mlir::ModuleOp) -> fingpt::Result<std::shared_ptr<fingpt::ParamStore>> {
        return params;
      });
  std::string error;
  std::unique_ptr<llvm::ToolOutputFile> file = mlir::openOutputFile(output, &error);
  if (!file) {
    llvm::errs() << "error: " << error << "\n";
    return mlir::failure();
  }
  if (mlir::failed(mlir::MlirOptMain(file->os(), llvm::MemoryBuffer::getMemBufferCopy(*text, input),
                                     registry, mlir::MlirOptMainConfig::createFromCLOptions())))
    return mlir::failure();
  file->keep();
  return mlir::success();
}

int main(int argc, char **argv) try {
  llvm::InitLLVM init(argc, argv);
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  mlir::registerAllPasses();
  registry.insert<fingpt::fin::FinDialect, fingpt::fin_kernel::FinKernelDialect>();
  fingpt::fin_kernel::registerBufferizationModels(registry);
  fingpt::fin::registerFinPasses();
  fingpt::fin_kernel::registerFinKernelPasses();
  fingpt::registerCPUPipelines();
  return mlir::asMainReturnCode(run(argc, argv, registry));
} catch (const std::exception &e) { // out of memory
  std::fprintf(stderr, "error: %s\n", e.what());
  return 1;
}
