#ifndef FINGPT_DIALECT_FIN_IR_FININTERFACES_TD
#define FINGPT_DIALECT_FIN_IR_FININTERFACES_TD

include "mlir/IR/OpBase.td"

def DecomposeOpInterface : OpInterface<"DecomposeOpInterface"> {
  let cppNamespace = "::fingpt::fin";
  let description = [{
    Rewrites an op into upstream `linalg`, `tensor`, `arith`, `math` and `scf`
    ops. The result is the op's definition: clear, generic in storage and
    accumulation type, strict about the order of sums; in f64 it is the oracle
    for kernels and rewrites. Faster code is the business of other passes.
  }];
  let methods = [
    InterfaceMethod<[{
      Creates the replacement before the op and returns one value per result,
      of the same types. Must not erase the op. Fails with an error on the op.
    }], "::mlir::FailureOr<::llvm::SmallVector<::mlir::Value>>", "decompose",
      (ins "::mlir::OpBuilder &":$builder)>
  ];
}

#endif // FINGPT_DIALECT_FIN_IR_FININTERFACES_TD
