#ifndef FINGPT_DIALECT_FIN_IR_FINDIALECT_TD
#define FINGPT_DIALECT_FIN_IR_FINDIALECT_TD

include "mlir/IR/OpBase.td"

def Fin_Dialect : Dialect {
  let name = "fin";
  let cppNamespace = "::fingpt::fin";
  let summary = "A transformer as a value-semantic graph over named parameters";
  let description = [{
    A model is a graph and its parameters. The graph is this dialect plus
    upstream elementwise and shape ops; the parameters live in files and enter
    by name (`fin.param`). A weight is an *expression*: the value that
    `fin.linear` multiplies by is semantically the dense matrix, whatever ops
    build it. Every op rewrites itself into upstream ops on request
    (`DecomposeOpInterface`); that decomposition is the op's definition.

    Element types: f16, bf16, f32, f64 for activations and weights, `ui2`…`ui8`
    and `si2`…`si8` for codes, i32 for tokens, positions and indices. Sums,
    norms, softmax and angles accumulate in f32 for 16- and 32-bit floats and
    in f64 for f64.

    Codes are stored as packed bytes: low bits first, every row padded to a
    byte. Sub-byte types exist inside functions only; `fin.unpack` joins them
    to the stored bytes.
  }];
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
    "::mlir::scf::SCFDialect", "::mlir::func::FuncDialect"
  ];
}

class Fin_Op<string mnemonic, list<Trait> traits = []> :
    Op<Fin_Dialect, mnemonic, traits>;

#endif // FINGPT_DIALECT_FIN_IR_FINDIALECT_TD
