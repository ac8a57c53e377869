#ifndef FINGPT_DIALECT_FIN_IR_FINSTATEOPS_TD
#define FINGPT_DIALECT_FIN_IR_FINSTATEOPS_TD

include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "fingpt/Dialect/Fin/IR/FinAttrs.td"
include "fingpt/Dialect/Fin/IR/FinInterfaces.td"
include "fingpt/Dialect/Fin/IR/FinTypes.td"

// State as values. The cache of a model is one stacked tensor
// [layers, 2, batch, context, kv_heads·head_dim], donated by the caller: an append
// returns the new value, which bufferization updates in place. Of quantized keys and
// values it holds the bytes: [layers, 2, batch, context, bytes of a row].

def Fin_CacheAppendOp : Fin_Op<"cache_append", [Pure,
    AllTypesMatch<["cache", "result"]>, DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "writes new keys and values at their positions";
  let description = [{
    `result[layer, 0, b, positions[b,t], :] = key[b,t,:]`, slot 1 takes `value`;
    everything else is the old cache. Elements are floats, or the bytes of
    `fin.quantize_rows`. Positions must lie in [0, context): the
    runtime checks them before it calls compiled code. If two tokens of one
    sequence share a position, the later one wins.

    ```mlir
    %c1 = fin.cache_append %c[%layer], %k, %v at %pos
        : tensor<30x2x?x?x192xf32>, tensor<?x?x192xf32>, tensor<?x?x192xf32>, tensor<?x?xi32>
    ```

    Refused: widths or element types that differ, a second axis other than 2, a
    batch or token count other than that of the positions.
  }];
  let arguments = (ins Fin_CacheTensor:$cache, Index:$layer,
                       Fin_CacheRows:$key, Fin_CacheRows:$value,
                       Fin_IndexMatrix:$positions);
  let results = (outs Fin_CacheTensor:$result);
  let assemblyFormat = [{
    $cache `[` $layer `]` `,` $key `,` $value `at` $positions attr-dict `:`
    type($cache) `,` type($key) `,` type($value) `,` type($positions)
  }];
  let hasVerifier = 1;
}

def Fin_CacheReadOp : Fin_Op<"cache_read", [Pure,
    InferTypeOpAdaptor,
    DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "keys and values of one layer";
  let description = [{
    `key = cache[layer, 0]`, `value = cache[layer, 1]`, each
    [batch, context, kv_heads·head_dim]: views, not copies.

    ```mlir
    %k, %v = fin.cache_read %c[%layer] : tensor<30x2x?x?x192xf32>
    ```

    Refused: a second axis other than 2.
  }];
  let arguments = (ins Fin_CacheTensor:$cache, Index:$layer);
  let results = (outs Fin_CacheRows:$key, Fin_CacheRows:$value);
  let assemblyFormat = "$cache `[` $layer `]` attr-dict `:` type($cache)";
  let hasVerifier = 1;
}

def Fin_QuantizeRowsOp : Fin_Op<"quantize_rows", [Pure,
    InferTypeOpAdaptor,
    DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "rounds every run of a row to codes, while the model runs";
  let description = [{
    Every run of `group_size` elements x of the last axis gets a scale and a
    minimum of its own, both f16, and codes of `bits` bits:

        min   = f16(clamp(min x, ±65504))
        scale = f16(min((max x − min x) / (2^bits − 1), 65504))
        code  = clamp(round_to_even((x − min) / scale), 0, 2^bits − 1), 0 if scale = 0

    A row of W elements becomes W·bits/8 bytes of codes (4 bits: the lower half of a
    byte comes first), then per run two bytes of scale and two of minimum, both
    little-endian. Keys and values in this form are what a quantized cache holds.
    A NaN makes the values of its run NaN.

    ```mlir
    %q = fin.quantize_rows %k {bits = 4 : i64, group_size = 64 : i64}
       : tensor<?x?x192xf32> -> tensor<?x?x108xi8>
    ```

    Refused: bits other than 4 and 8, a group that does not divide the last axis, or
    is odd with 4 bits.
  }];
  let arguments = (ins Fin_FloatTensorOfRank<[3]>:$input, I64Attr:$bits, I64Attr:$group_size);
  let results = (outs TensorRankOf<[I8], [3]>:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
}

def Fin_DequantizeRowsOp : Fin_Op<"dequantize_rows", [Pure,
    DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "the values of quantized rows";
  let description = [{
    `x = scale·code + min`, run by run, from the bytes of `fin.quantize_rows`. The
    native attention reads the bytes themselves, a block of keys at a time; the
    values never exist as a whole.

    ```mlir
    %k = fin.dequantize_rows %q {bits = 4 : i64, group_size = 64 : i64}
       : tensor<?x?x108xi8> -> tensor<?x?x192xf32>
    ```

    Refused: what `fin.quantize_rows` refuses, another number of bytes.
  }];
  let arguments = (ins TensorRankOf<[I8], [3]>:$input, I64Attr:$bits, I64Attr:$group_size);
  let results = (outs Fin_FloatTensorOfRank<[3]>:$result);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($result)";
  let hasVerifier = 1;
}

def Fin_SelectLastOp : Fin_Op<"select_last", [Pure,
    InferTypeOpAdaptor,
    DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "the last token of every sequence";
  let description = [{
    `y[b,0,:] = x[b, lengths[b] − 1, :]`, or `x[b, T − 1, :]` without lengths.
    `@prefill` needs logits of the last position only.

    ```mlir
    %last = fin.select_last %h : tensor<?x?x576xf32>
    ```

    Refused: lengths of another count than the batch.
  }];
  let arguments = (ins Fin_FloatTensorOfRank<[3]>:$input, Optional<Fin_IndexVector>:$lengths);
  let results = (outs Fin_FloatTensorOfRank<[3]>:$result);
  let assemblyFormat = [{
    $input (`lengths` $lengths^)? attr-dict `:` type($input) (`,` type($lengths)^)?
  }];
  let hasVerifier = 1;
}

def Fin_StoreOp : Fin_Op<"store", [MemoryEffects<[MemWrite]>]> {
  let summary = "makes a value a parameter of the store's overlay";
  let description = [{
    `@prepare` runs once per load and stores what depends on parameters alone;
    other functions read it as `fin.param` of the same key.

    ```mlir
    fin.store %w, "prepared/model.layers.0.mlp.up_proj.weight" : tensor<1536x576xf32>
    ```

    Refused: an empty key.
  }];
  let arguments = (ins AnyRankedTensor:$value, StrAttr:$key);
  let assemblyFormat = "$value `,` $key attr-dict `:` type($value)";
  let hasVerifier = 1;
}

#endif // FINGPT_DIALECT_FIN_IR_FINSTATEOPS_TD
