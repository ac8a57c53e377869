#ifndef FINGPT_DIALECT_FIN_IR_FINSTATEOPS_TD
#define FINGPT_DIALECT_FIN_IR_FINSTATEOPS_TD

include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "fingpt/Dialect/Fin/IR/FinAttrs.td"
include "fingpt/Dialect/Fin/IR/FinInterfaces.td"
include "fingpt/Dialect/Fin/IR/FinTypes.td"

// State as values. The cache of a model is one stacked tensor
// [layers, 2, batch, context, kv_heads·head_dim], donated by the caller: an append
// returns the new value, which bufferization updates in place.

def Fin_CacheAppendOp : Fin_Op<"cache_append", [Pure,
    AllTypesMatch<["cache", "result"]>, DeclareOpInterfaceMethods<DecomposeOpInterface>]> {
  let summary = "writes new keys and values at their positions";
  let description = [{
    `result[layer, 0, b, positions[b,t], :] = key[b,t,:]`, slot 1 takes `value`;
    everything else is the old cache. Positions must lie in [0, context): the
    runtime checks them before it calls compiled code. If two tokens of one
    sequence share a position, the later one wins.

    ```mlir
    %c1 = fin.cache_append %c[%layer], %k, %v at %pos
        : tensor<30x2x?x?x192xf32>, tensor<?x?x192xf32>, tensor<?x?x192xf32>, tensor<?x?xi32>
    ```

    Refused: widths or element types that differ, a second axis other than 2, a
    batch or token count other than that of the positions.
  }];
  let arguments = (ins Fin_FloatTensorOfRank<[5]>:$cache, Index:$layer,
                       Fin_FloatTensorOfRank<[3]>:$key, Fin_FloatTensorOfRank<[3]>:$value,
                       Fin_IndexMatrix:$positions);
  let results = (outs Fin_FloatTensorOfRank<[5]>:$result);
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
  let arguments = (ins Fin_FloatTensorOfRank<[5]>:$cache, Index:$layer);
  let results = (outs Fin_FloatTensorOfRank<[3]>:$key, Fin_FloatTensorOfRank<[3]>:$value);
  let assemblyFormat = "$cache `[` $layer `]` attr-dict `:` type($cache)";
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
