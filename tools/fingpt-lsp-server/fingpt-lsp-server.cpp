// Language server for graphs: completion, hover and errors in an editor.
#include "fingpt/Codegen/CPU/Pipeline.h"

#include "mlir/InitAllDialects.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  fingpt::registerCPUDialects(registry);
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
