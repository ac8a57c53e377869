#ifndef FINGPT_DIALECT_FIN_TRANSFORMS_PASSES_TD
#define FINGPT_DIALECT_FIN_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def FinDecompose : Pass<"fin-decompose"> {
  let summary = "rewrite fin ops into the upstream ops that define them";
  let description = [{
    Replaces every op that implements `DecomposeOpInterface` by its definition
    in `linalg`, `tensor`, `arith`, `math` and `scf`. Executed in f64 the result
    is the oracle for every kernel and rewrite; executed after
    `fin-hoist-weights` and `fin-relax-reductions` it is the fallback that runs
    any op on any target.

    ```mlir
    %y = fin.linear %x, %w : tensor<4x576xf32>, tensor<192x576xf32>
    // becomes
    %0 = linalg.fill ins(%zero : f32) outs(%empty : tensor<4x192xf32>)
    %y = linalg.generic { ... ["parallel", "parallel", "reduction"] }
           ins(%x, %w) outs(%0) { mulf, addf }
    ```
  }];
  let options = [
    ListOption<"only", "only", "std::string",
      "Decompose only these ops (`linear`, `rope`, …); default: all">,
    ListOption<"except", "except", "std::string", "Leave these ops alone">
  ];
}

#endif // FINGPT_DIALECT_FIN_TRANSFORMS_PASSES_TD
