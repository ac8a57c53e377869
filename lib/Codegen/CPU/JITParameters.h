// What compiled functions read besides their arguments: parameters as the store has
// them, and weights prepared from those by compiled code.
//
//   fin.prepare = [{function = @prepare_0, key = "prepared/w", params = ["w.codes", "w.scales"]}]
//
//   prepare()      calls prepare_0(table {w.codes, w.scales}, buffer); "prepared/w" is the buffer
//   fillTables()   @forward's keys ["prepared/w", "norm"] become addresses
#ifndef FINGPT_LIB_CODEGEN_CPU_JITPARAMETERS_H
#define FINGPT_LIB_CODEGEN_CPU_JITPARAMETERS_H

#include "JITEntry.h"

#include "fingpt/Params/ParamStore.h"
#include "fingpt/Support/Result.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringMap.h"

#include <memory>

namespace fingpt {

class JITParameters {
public:
  /// `keepStored`: what a prepared weight was made of stays in memory.
  JITParameters(std::shared_ptr<ParamStore> store, bool keepStored)
      : store(std::move(store)), keepStored(keepStored) {}

  /// Every parameter of the graph must be in the store, in the type that the graph says.
  Status check(mlir::ModuleOp graph) const;
  /// Reads the module's fin.prepare.
  void readSteps(mlir::ModuleOp module);
  /// Computes the prepared weights, several at a time.
  Status prepare(llvm::StringMap<JITEntry> &entries);
  /// Gives every entry the addresses of its keys.
  Status fillTables(llvm::StringMap<JITEntry> &entries);
  uint64_t preparedBytes() const;

private:
  /// One call of @prepare.
  struct Step {
    std::string function, key;
    std::vector<std::string> params;
  };
  Result<TensorData> run(const Step &step, const JITEntry &entry) const;

  std::shared_ptr<ParamStore> store;
  bool keepStored;
  std::vector<Step> steps;
  llvm::StringMap<TensorData> prepared;
  std::vector<TensorData> pinned; ///< what tables point to
};

} // namespace fingpt

#endif // FINGPT_LIB_CODEGEN_CPU_JITPARAMETERS_H
