#ifndef FINGPT_DIALECT_FIN_IR_FINWEIGHTOPS_TD
#define FINGPT_DIALECT_FIN_IR_FINWEIGHTOPS_TD

include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "fingpt/Dialect/Fin/IR/FinAttrs.td"
include "fingpt/Dialect/Fin/IR/FinInterfaces.td"
include "fingpt/Dialect/Fin/IR/FinTypes.td"

// Weight expressions. A weight is [out, in]; codes, scales and factors are
// parameters or expressions themselves.

class Fin_WeightOp<string mnemonic, list<Trait> traits = []> :
    Fin_Op<mnemonic, !listconcat([Pure], traits)>;
class Fin_DecomposableWeightOp<string mnemonic, list<Trait> traits = []> :
    Fin_WeightOp<mnemonic, !listconcat(
      [DeclareOpInterfaceMethods<DecomposeOpInterface>], traits)>;

def Fin_ParamOp : Fin_WeightOp<"param"> {
  let summary = "a parameter, by name";
  let description = [{
    The tensor that the model's parameter store holds under `key`. Carries name
    and type, never bytes: a 28 GB model is a few kilobytes of IR. A code type
    (`ui4`) stands for packed bytes in the store: row `r` of `tensor<RxCxui4>`
    is ⌈C·4/8⌉ bytes, low bits first.

    ```mlir
    %w = fin.param "model.layers.0.mlp.down_proj.weight" : tensor<576x1536xf32>
    ```

    Refused: an empty key, dynamic dimensions, an element type that no file
    stores (index, i1).
  }];
  let arguments = (ins StrAttr:$key);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$key attr-dict `:` type($result)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getType() {
      return ::llvm::cast<::mlir::RankedTensorType>(getResult().getType());
    }
  }];
}

def Fin_UnpackOp : Fin_WeightOp<"unpack"> {
  let summary = "packed bytes as codes";
  let description = [{
    Reads codes of `b` bits from rows of bytes: code `j` of a row is bits
    `j·b … j·b+b−1` of that row, low bits first; a row has ⌈n·b/8⌉ bytes.
    Signed codes are two's complement in `b` bits.

    ```mlir
    %codes = fin.unpack %bytes : tensor<576x288xi8> -> tensor<576x576xui4>
    ```

    Code types cannot leave a function, so this op has no decomposition of its
    own: the ops that consume codes read the bytes through it. Refused: a byte width other
    than ⌈n·b/8⌉, other leading dimensions, dynamic dimensions.
  }];
  let arguments = (ins Fin_ByteTensor:$bytes);
  let results = (outs Fin_CodeTensor:$codes);
  let assemblyFormat = "$bytes attr-dict `:` type($bytes) `->` type($codes)";
  let hasVerifier = 1;
}

def Fin_DequantizeOp : Fin_DecomposableWeightOp<"dequantize", [AttrSizedOperandSegments]> {
  let summary = "(q − z)·s, or (q − z)·s + m, per group along the inputs";
  let description = [{
    Element (o, i) of group g = ⌊i / group_size⌋:

    ```
    w[o,i] = (q[o,i] − z) · s[o,g] + m[o,g]
    ```

    `z` is `zeros[o,g]` if the operand is there, else the constant `zero`
    (default 0); `m` is `mins[o,g]`, or absent. `scales`, `zeros` and `mins` are
    [out, ⌈in / group_size⌉]: the last group may be ragged (576 = 4·128 + 64).
    They are floats, or expressions (double quantization: a `dequantize` as
    `scales`); `zeros` may also be codes. Difference, product and sum are taken
    in the accumulation type of the result.

    ```mlir
    %w = fin.dequantize %q scales %s mins %m {group_size = 32 : i64}
       : (tensor<576x576xui4>, tensor<576x18xf16>, tensor<576x18xf16>) -> tensor<576x576xf32>
    ```

    Refused: group_size < 1, scales/zeros/mins of another shape, `zero` beside
    `zeros`, `zero` outside the code type, `zeros` with `mins`.
  }];
  let arguments = (ins Fin_CodeMatrix:$codes, Fin_FloatMatrix:$scales,
                       Optional<TensorRankOf<[Fin_Float, Fin_Code], [2]>>:$zeros,
                       Optional<Fin_FloatMatrix>:$mins,
                       I64Attr:$group_size,
                       DefaultValuedOptionalAttr<I64Attr, "0">:$zero);
  let results = (outs Fin_FloatMatrix:$result);
  let assemblyFormat = [{
    $codes `scales` $scales (`zeros` $zeros^)? (`mins` $mins^)? attr-dict `:`
    functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Fin_LookupOp : Fin_DecomposableWeightOp<"lookup"> {
  let summary = "codebook[q], times a scale per group";
  let description = [{
    `w[o,i] = codebook[q[o,i]] · s[o, ⌊i / group_size⌋]`, or
    `codebook[o, q[o,i]] · …` with a codebook per row. Without `scales` the
    factor is 1. NF4, FP4, MXFP4, NVFP4, k-means codebooks, ternary and binary
    weights are tables of 2^bits values.

    ```mlir
    %w = fin.lookup %q, %nf4 scales %absmax {group_size = 64 : i64}
       : (tensor<576x576xui4>, tensor<16xf32>, tensor<576x9xf32>) -> tensor<576x576xf32>
    ```

    Refused: signed codes, a codebook that is not [2^bits] or [out, 2^bits],
    scales of another shape than [out, ⌈in / group_size⌉], scales without
    group_size.
  }];
  let arguments = (ins Fin_CodeMatrix:$codes, Fin_FloatTensorOfRank<[1, 2]>:$codebook,
                       Optional<Fin_FloatMatrix>:$scales,
                       OptionalAttr<I64Attr>:$group_size);
  let results = (outs Fin_FloatMatrix:$result);
  let assemblyFormat = [{
    $codes `,` $codebook (`scales` $scales^)? attr-dict `:`
    functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Fin_LowRankOp : Fin_DecomposableWeightOp<"low_rank",
    [InferTypeOpAdaptor]> {
  let summary = "b·a";
  let description = [{
    The product of `b` [out, rank] and `a` [rank, in].

    ```mlir
    %w = fin.low_rank %b, %a : tensor<1536x256xf32>, tensor<256x576xf32>
    ```

    Refused: factors whose ranks differ, different element types.
  }];
  let arguments = (ins Fin_FloatMatrix:$b, Fin_FloatMatrix:$a);
  let results = (outs Fin_FloatMatrix:$result);
  let assemblyFormat = "$b `,` $a attr-dict `:` type($b) `,` type($a)";
  let hasVerifier = 1;
}

def Fin_SparseOp : Fin_DecomposableWeightOp<"sparse"> {
  let summary = "a matrix in compressed sparse rows";
  let description = [{
    `w[o, columns[e]] += values[e]` for `offsets[o] ≤ e < offsets[o+1]`; zero
    elsewhere. `offsets` is [out + 1], ascending from 0 to the entry count; the
    store's loader checks the data, the verifier the shapes.

    ```mlir
    %s = fin.sparse %values, %columns, %offsets
       : (tensor<1000xf16>, tensor<1000xi32>, tensor<577xi32>) -> tensor<576x1536xf32>
    ```

    Refused: value and column counts that differ, offsets of another size than
    out + 1.
  }];
  let arguments = (ins Fin_FloatVector:$values, Fin_IndexVector:$columns,
                       Fin_IndexVector:$offsets);
  let results = (outs Fin_FloatMatrix:$result);
  let assemblyFormat = [{
    $values `,` $columns `,` $offsets attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Fin_SumOp : Fin_DecomposableWeightOp<"sum", [SameOperandsAndResultType]> {
  let summary = "the sum of weights of one shape";
  let description = [{
    Added from left to right. Quantization with a low-rank residual, LoRA,
    sparse outliers: `sum(dequantize, low_rank, sparse)`.

    ```mlir
    %w = fin.sum %q, %lr, %s : tensor<576x1536xf32>
    ```

    Refused: no operand.
  }];
  let arguments = (ins Variadic<Fin_FloatTensor>:$terms);
  let results = (outs Fin_FloatTensor:$result);
  let assemblyFormat = "$terms attr-dict `:` type($result)";
  let hasFolder = 1;
  let hasCanonicalizer = 1;
}

def Fin_ScaleOp : Fin_DecomposableWeightOp<"scale", [AllTypesMatch<["weight", "result"]>]> {
  let summary = "rows or columns of a weight times a vector";
  let description = [{
    `along rows`: `w[o,i]·s[o]`; `along columns`: `w[o,i]·s[i]`.

    ```mlir
    %w1 = fin.scale %w along columns by %s : tensor<576x1536xf32>, tensor<1536xf32>
    ```

    Refused: a vector of another length than the axis.
  }];
  let arguments = (ins Fin_FloatMatrix:$weight, Fin_FloatVector:$factors, Fin_Axis:$axis);
  let results = (outs Fin_FloatMatrix:$result);
  let assemblyFormat = [{
    $weight `along` $axis `by` $factors attr-dict `:` type($weight) `,` type($factors)
  }];
  let hasVerifier = 1;
}

def Fin_PermuteOp : Fin_DecomposableWeightOp<"permute", [AllTypesMatch<["weight", "result"]>]> {
  let summary = "rows or columns of a weight in another order";
  let description = [{
    `along rows`: `result[o,i] = w[p[o], i]`; `along columns`: `w[o, p[i]]`. `p`
    is a permutation; the store's loader checks the data.

    ```mlir
    %w1 = fin.permute %w along rows by %p : tensor<576x576xf32>, tensor<576xi32>
    ```

    Refused: an index vector of another length than the axis.
  }];
  let arguments = (ins Fin_FloatMatrix:$weight, Fin_IndexVector:$indices, Fin_Axis:$axis);
  let results = (outs Fin_FloatMatrix:$result);
  let assemblyFormat = [{
    $weight `along` $axis `by` $indices attr-dict `:` type($weight) `,` type($indices)
  }];
  let hasVerifier = 1;
}

def Fin_TransposeOp : Fin_DecomposableWeightOp<"transpose", [InferTypeOpAdaptor]> {
  let summary = "rows and columns exchanged";
  let description = [{
    `result[o,i] = w[i,o]`: a weight that its file stores as [in, out], as
    GPT-2's Conv1D does. Twice is the identity.

    ```mlir
    %w = fin.transpose %conv : tensor<768x3072xf32>
    ```
  }];
  let arguments = (ins Fin_FloatMatrix:$weight);
  let results = (outs Fin_FloatMatrix:$result);
  let assemblyFormat = "$weight attr-dict `:` type($weight)";
  let hasFolder = 1;
}

def Fin_ConcatOp : Fin_DecomposableWeightOp<"concat",
    [InferTypeOpAdaptor]> {
  let summary = "weights stacked along rows or columns";
  let description = [{
    ```mlir
    %qkv = fin.concat %q, %k, %v along rows
         : tensor<576x576xf32>, tensor<192x576xf32>, tensor<192x576xf32>
    ```

    Refused: no operand, other sizes that differ, different element types.
  }];
  let arguments = (ins Variadic<Fin_FloatMatrix>:$parts, Fin_Axis:$axis);
  let results = (outs Fin_FloatMatrix:$result);
  let assemblyFormat = "$parts `along` $axis attr-dict `:` type($parts)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Fin_HadamardOp : Fin_DecomposableWeightOp<"hadamard", [AllTypesMatch<["input", "result"]>]> {
  let summary = "blocks of the last axis times a Hadamard matrix";
  let description = [{
    Every run of `size` elements of the last axis is multiplied by
    `diag(signs)·H/√size`, H the Walsh–Hadamard matrix in natural order
    (`H[i,j] = (−1)^popcount(i & j)`); without `signs` they are all 1. Works on
    weights and, where a rotation cannot be folded, on activations. Applying it
    twice without signs is the identity.

    ```mlir
    %r = fin.hadamard %x signs %s {size = 64 : i64} : tensor<?x?x576xf32>, tensor<576xf32>
    ```

    Refused: a size that is no power of two or does not divide the last axis,
    signs of another length than the last axis.
  }];
  let arguments = (ins Fin_FloatTensor:$input, Optional<Fin_FloatVector>:$signs, I64Attr:$size);
  let results = (outs Fin_FloatTensor:$result);
  let assemblyFormat = [{
    $input (`signs` $signs^)? attr-dict `:` type($input) (`,` type($signs)^)?
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

#endif // FINGPT_DIALECT_FIN_IR_FINWEIGHTOPS_TD
