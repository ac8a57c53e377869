#include "fingpt/Dialect/Fin/IR/Fin.h"
#include "fingpt/Dialect/Fin/Transforms/Passes.h"
#include "fingpt/Dialect/FinKernel/IR/FinKernel.h"
#include "fingpt/Dialect/FinKernel/Transforms/Passes.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  mlir::registerAllPasses();
  registry.insert<fingpt::fin::FinDialect, fingpt::fin_kernel::FinKernelDialect>();
  fingpt::fin_kernel::registerBufferizationModels(registry);
  fingpt::fin::registerFinPasses();
  fingpt::fin_kernel::registerFinKernelPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "fingpt-opt: transforms transformer graphs\n", registry));
}
