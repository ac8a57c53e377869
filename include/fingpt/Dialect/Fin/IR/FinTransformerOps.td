#ifndef FINGPT_DIALECT_FIN_IR_FINTRANSFORMEROPS_TD
#define FINGPT_DIALECT_FIN_IR_FINTRANSFORMEROPS_TD

include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "fingpt/Dialect/Fin/IR/FinAttrs.td"
include "fingpt/Dialect/Fin/IR/FinInterfaces.td"
include "fingpt/Dialect/Fin/IR/FinTypes.td"

// The transformer itself. Hidden states are [batch, tokens, width]; heads stay
// folded in the last axis (head h is elements h·head_dim …), so that the graph
// needs no reshape between ops.

class Fin_TransformerOp<string mnemonic, list<Trait> traits = []> :
    Fin_Op<mnemonic, !listconcat([Pure,
      DeclareOpInterfaceMethods<DecomposeOpInterface>], traits)>;
class Fin_ElementwiseOp<string mnemonic> :
    Fin_TransformerOp<mnemonic, [SameOperandsAndResultType, Elementwise]> {
  let arguments = (ins Fin_FloatTensor:$input);
  let results = (outs Fin_FloatTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
}

def Fin_LinearOp : Fin_TransformerOp<"linear",
    [InferTypeOpAdaptor]> {
  let summary = "x·wᵀ (+ bias)";
  let description = [{
    `y[…,o] = Σ_i x[…,i]·w[o,i] (+ bias[o])`, summed over i in ascending order.

    ```mlir
    %y = fin.linear %x, %w bias %b
       : tensor<?x?x576xf32>, tensor<192x576xf32>, tensor<192xf32>
    ```

    Refused: a width of x other than the weight's inputs, a bias of another
    length than its outputs, different element types.
  }];
  let arguments = (ins Fin_FloatTensor:$input, Fin_FloatMatrix:$weight,
                       Optional<Fin_FloatVector>:$bias);
  let results = (outs Fin_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? attr-dict `:`
    type($input) `,` type($weight) (`,` type($bias)^)?
  }];
  let hasVerifier = 1;
}

def Fin_EmbeddingOp : Fin_TransformerOp<"embedding",
    [InferTypeOpAdaptor]> {
  let summary = "rows of a table";
  let description = [{
    `y[…,:] = table[ids[…],:]`. Ids must lie in [0, rows): the runtime checks
    tokens before it calls compiled code.

    ```mlir
    %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<49152x576xf32>
    ```
  }];
  let arguments = (ins Fin_IndexTensor:$ids, Fin_FloatMatrix:$table);
  let results = (outs Fin_FloatTensor:$result);
  let assemblyFormat = "$ids `,` $table attr-dict `:` type($ids) `,` type($table)";
}

def Fin_PositionsOp : Fin_TransformerOp<"positions", [AllTypesMatch<["tokens", "result"]>]> {
  let summary = "0, 1, 2, … along every sequence";
  let description = [{
    `p[b,t] = t + offset`. OPT's learned positions begin at `offset = 2`.

    ```mlir
    %p = fin.positions %tokens : tensor<?x?xi32>
    ```
  }];
  let arguments = (ins Fin_IndexMatrix:$tokens,
                       DefaultValuedOptionalAttr<I64Attr, "0">:$offset);
  let results = (outs Fin_IndexMatrix:$result);
  let assemblyFormat = "$tokens attr-dict `:` type($tokens)";
}

def Fin_RmsNormOp : Fin_TransformerOp<"rms_norm", [AllTypesMatch<["input", "result"]>]> {
  let summary = "x / √(mean(x²) + eps) · weight";
  let description = [{
    Over every run of `head_dim` elements of the last axis, or over the whole
    axis without it. `weight` has the length of a run and may be absent.

    The mean divides by `width`, by default the length of a run. A sliced model
    keeps the leading 448 of 576 coordinates of its residual stream; what it
    dropped counts as zeros, so the mean still divides by 576.

    ```mlir
    %n = fin.rms_norm %x, %g {eps = 1.0e-5 : f64} : tensor<?x?x576xf32>, tensor<576xf32>
    %q1 = fin.rms_norm %q, %gq {eps = 1.0e-6 : f64, head_dim = 64 : i64}
        : tensor<?x?x576xf32>, tensor<64xf32>
    %s = fin.rms_norm %y {eps = 1.0e-5 : f64, width = 576 : i64} : tensor<?x?x448xf32>
    ```

    Refused: a weight of another length, a head_dim that does not divide the
    axis, a width below the length of a run, a negative eps, a dynamic last axis.
  }];
  let arguments = (ins Fin_FloatTensor:$input, Optional<Fin_FloatVector>:$weight,
                       F64Attr:$eps, OptionalAttr<I64Attr>:$head_dim,
                       OptionalAttr<I64Attr>:$width);
  let results = (outs Fin_FloatTensor:$result);
  let assemblyFormat = [{
    $input (`,` $weight^)? attr-dict `:` type($input) (`,` type($weight)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Elements that the statistics are over.
    int64_t getRun() {
      return getHeadDim().value_or(
          ::llvm::cast<::mlir::RankedTensorType>(getType()).getShape().back());
    }
  }];
}

def Fin_LayerNormOp : Fin_TransformerOp<"layer_norm",
    [AllTypesMatch<["input", "result"]>, AttrSizedOperandSegments]> {
  let summary = "(x − mean) / √(var + eps) · weight + bias";
  let description = [{
    Mean and biased variance over the last axis, or over runs of `head_dim`.
    `weight` and `bias` may be absent.

    ```mlir
    %n = fin.layer_norm %x weight %g bias %b {eps = 1.0e-5 : f64}
       : (tensor<?x?x768xf32>, tensor<768xf32>, tensor<768xf32>) -> tensor<?x?x768xf32>
    ```

    Refused: a weight or bias of another length, a head_dim that does not divide
    the axis, a negative eps, a dynamic last axis.
  }];
  let arguments = (ins Fin_FloatTensor:$input, Optional<Fin_FloatVector>:$weight,
                       Optional<Fin_FloatVector>:$bias, F64Attr:$eps,
                       OptionalAttr<I64Attr>:$head_dim);
  let results = (outs Fin_FloatTensor:$result);
  let assemblyFormat = [{
    $input (`weight` $weight^)? (`bias` $bias^)? attr-dict `:`
    functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Fin_RopeOp : Fin_TransformerOp<"rope", [AllTypesMatch<["input", "result"]>]> {
  let summary = "rotary position embedding";
  let description = [{
    In every head of `head_dim` elements the first `rotary_dim` (default: all)
    are rotated in pairs, the rest pass. Pair i turns by

    ```
    angle = position · frequency[i],   frequency[i] = base^(−2i / rotary_dim)
    ```

    Style `half` pairs element i with i + rotary_dim/2, `interleaved` 2i with
    2i + 1. `scaling` changes the frequencies, and for yarn and longrope also
    multiplies cosine and sine (`#fin.rope_scaling`). `divisors`, one per pair,
    divide the frequencies (the `rope_freqs` tensor of a GGUF file). Frequencies
    are computed in f64 and rounded once to the accumulation type.

    ```mlir
    %qr = fin.rope half %q at %pos {base = 1.0e5 : f64, head_dim = 64 : i64}
        : tensor<?x?x576xf32>, tensor<?x?xi32>
    ```

    Refused: base ≤ 0 or infinite, base ≤ 1 with yarn, a head_dim that does not
    divide the last axis, an odd rotary_dim or one beyond head_dim, divisors or
    longrope factors of another length than rotary_dim / 2.
  }];
  let arguments = (ins Fin_FloatTensorOfRank<[3]>:$input, Fin_IndexMatrix:$positions,
                       Optional<Fin_FloatVector>:$divisors,
                       F64Attr:$base, I64Attr:$head_dim, OptionalAttr<I64Attr>:$rotary_dim,
                       Fin_RopeStyle:$style, OptionalAttr<Fin_RopeScalingAttr>:$scaling);
  let results = (outs Fin_FloatTensorOfRank<[3]>:$result);
  let assemblyFormat = [{
    $style $input `at` $positions (`divisors` $divisors^)? attr-dict `:`
    type($input) `,` type($positions) (`,` type($divisors)^)?
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    int64_t getRotaryWidth() { return getRotaryDim().value_or(getHeadDim()); }
  }];
}

def Fin_AttentionOp : Fin_TransformerOp<"attention", [AttrSizedOperandSegments]> {
  let summary = "scaled dot-product attention of grouped heads";
  let description = [{
    q is [B, T, heads·d], k [B, S, kv_heads·d], v [B, S, kv_heads·e]; the result
    is [B, T, heads·e]. Query head h uses key/value head ⌊h·kv_heads/heads⌋:

    ```
    s[j] = scale·(q·k[j]);  s = soft_cap·tanh(s/soft_cap)  (if soft_cap);  s += mask
    p = softmax over the visible j (and the head's sink);  y = Σ_j p[j]·v[j]
    ```

    Key j has position j. It is visible to the query at `positions[b,t] = p` iff
    j < lengths[b] (if given), j ≤ p (if `causal`) and p − window < j (if
    `window`); so one op serves the whole sequence, cached decoding and ragged
    batches. `mask` is added: [B or 1, heads or 1, T, S]. `sinks` [heads] are
    logits that take probability and carry no value. A query that sees nothing
    yields zeros.

    ```mlir
    %a = fin.attention %q at %pos, %k, %v {heads = 9 : i64, kv_heads = 3 : i64,
                                           causal, scale = 0.125 : f64}
       : (tensor<?x?x576xf32>, tensor<?x?xi32>, tensor<?x?x192xf32>, tensor<?x?x192xf32>)
         -> tensor<?x?x576xf32>
    ```

    Refused: heads that are no multiple of kv_heads, widths that are no multiple
    of the heads, query and key head sizes that differ, window < 1, soft_cap ≤ 0,
    causal or window without positions, positions or lengths of another shape
    than the query's, different element types of query, key and value.
  }];
  let arguments = (ins Fin_FloatTensorOfRank<[3]>:$query,
                       Optional<Fin_IndexMatrix>:$positions,
                       Fin_FloatTensorOfRank<[3]>:$key, Fin_FloatTensorOfRank<[3]>:$value,
                       Optional<Fin_IndexVector>:$lengths,
                       Optional<Fin_FloatTensorOfRank<[4]>>:$mask,
                       Optional<Fin_FloatVector>:$sinks,
                       I64Attr:$heads, I64Attr:$kv_heads, UnitAttr:$causal,
                       OptionalAttr<I64Attr>:$window, OptionalAttr<F64Attr>:$soft_cap,
                       F64Attr:$scale);
  let results = (outs Fin_FloatTensorOfRank<[3]>:$result);
  let assemblyFormat = [{
    $query (`at` $positions^)? `,` $key `,` $value (`lengths` $lengths^)?
    (`mask` $mask^)? (`sinks` $sinks^)? attr-dict `:`
    functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def Fin_SoftmaxOp : Fin_TransformerOp<"softmax", [SameOperandsAndResultType]> {
  let summary = "softmax over the last axis";
  let description = [{
    `exp(x − max) / Σ exp(x − max)` along the last axis.

    ```mlir
    %p = fin.softmax %x : tensor<?x?x49152xf32>
    ```
  }];
  let arguments = (ins Fin_FloatTensor:$input);
  let results = (outs Fin_FloatTensor:$result);
  let assemblyFormat = "$input attr-dict `:` type($input)";
  let hasVerifier = 1;
}

def Fin_GeluOp : Fin_ElementwiseOp<"gelu"> {
  let summary = "Gaussian error linear unit";
  let description = [{
    `exact`: x·½(1 + erf(x/√2)); `tanh`: x·½(1 + tanh(√(2/π)(x + 0.044715x³)));
    `quick`: x·σ(1.702x).

    ```mlir
    %y = fin.gelu tanh %x : tensor<?x?x3072xf32>
    ```
  }];
  let arguments = (ins Fin_FloatTensor:$input, Fin_Gelu:$kind);
  let assemblyFormat = "$kind $input attr-dict `:` type($input)";
}

def Fin_SiluOp : Fin_ElementwiseOp<"silu"> {
  let summary = "x·σ(x)";
  let description = [{
    ```mlir
    %y = fin.silu %x : tensor<?x?x1536xf32>
    ```
  }];
}

def Fin_ReluOp : Fin_ElementwiseOp<"relu"> {
  let summary = "max(x, 0)";
  let description = [{
    NaN stays NaN.

    ```mlir
    %y = fin.relu %x : tensor<?x?x3072xf32>
    ```
  }];
}

def Fin_SigmoidOp : Fin_ElementwiseOp<"sigmoid"> {
  let summary = "1 / (1 + e^−x)";
  let description = [{
    ```mlir
    %y = fin.sigmoid %x : tensor<?x?x1536xf32>
    ```
  }];
}

class Fin_ConstantOp<string mnemonic, string preposition> :
    Fin_TransformerOp<mnemonic, [AllTypesMatch<["input", "result"]>, Elementwise]> {
  let results = (outs Fin_FloatTensor:$result);
  let assemblyFormat = "$input `" # preposition # "` $value attr-dict `:` type($input)";
}

def Fin_MultiplyOp : Fin_ConstantOp<"multiply", "by"> {
  let summary = "x times a constant";
  let description = [{
    The constant is rounded once to the accumulation type. Gemma multiplies its
    embeddings by √width.

    ```mlir
    %h = fin.multiply %e by 24.0 : tensor<?x?x576xf32>
    ```
  }];
  let arguments = (ins Fin_FloatTensor:$input, F64Attr:$value);
}

def Fin_SoftCapOp : Fin_ConstantOp<"soft_cap", "at"> {
  let summary = "cap·tanh(x / cap)";
  let description = [{
    Gemma 2 bounds its logits so.

    ```mlir
    %y = fin.soft_cap %logits at 30.0 : tensor<?x?x256000xf32>
    ```

    Refused: a cap that is not positive and finite.
  }];
  let arguments = (ins Fin_FloatTensor:$input, F64Attr:$value);
  let hasVerifier = 1;
}

#endif // FINGPT_DIALECT_FIN_IR_FINTRANSFORMEROPS_TD
