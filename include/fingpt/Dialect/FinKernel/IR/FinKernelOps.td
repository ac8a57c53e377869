#ifndef FINGPT_DIALECT_FINKERNEL_IR_FINKERNELOPS_TD
#define FINGPT_DIALECT_FINKERNEL_IR_FINKERNELOPS_TD

include "mlir/IR/OpBase.td"
include "mlir/IR/CommonTypeConstraints.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def FinKernel_Dialect : Dialect {
  let name = "fin_kernel";
  let cppNamespace = "::fingpt::fin_kernel";
  let summary = "Fused operations that survive bufferization";
  let description = [{
    Destination-style ops on tensors and on memrefs for which hand-tuned code
    exists. `fin-use-kernels` makes them from `fin` ops; after bufferization
    `fin-kernel-to-runtime` turns them into calls of the runtime's C ABI
    (`fingpt/Runtime/Kernels.h`). A tensor form has one result, the new value of
    `out`; a memref form has none.
  }];
}

class FinKernel_Op<string mnemonic, list<Trait> traits = []> :
    Op<FinKernel_Dialect, mnemonic, !listconcat([DestinationStyleOpInterface,
      DeclareOpInterfaceMethods<MemoryEffectsOpInterface>], traits)> {
  let results = (outs Variadic<AnyRankedTensor>:$results);
  code destination = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
  }];
  let extraClassDeclaration = destination;
}

class FinKernel_Shaped<list<Type> elements> :
    AnyTypeOf<[RankedTensorOf<elements>, MemRefOf<elements>]>;
def FinKernel_F32 : FinKernel_Shaped<[F32]>;
def FinKernel_I8 : FinKernel_Shaped<[I8]>;
def FinKernel_KeyValue : FinKernel_Shaped<[F32, I8]>;
def FinKernel_I32 : FinKernel_Shaped<[I32]>;

def FinKernel_LinearOp : FinKernel_Op<"linear"> {
  let summary = "out = x·wᵀ (+ bias), f32";
  let description = [{
    `x` is [..., in], `w` [out, in], all contiguous; `out` is [..., out].

    ```mlir
    %y = fin_kernel.linear ins(%x, %w : tensor<?x?x576xf32>, tensor<192x576xf32>)
                           outs(%e : tensor<?x?x192xf32>) -> tensor<?x?x192xf32>
    ```
  }];
  let arguments = (ins FinKernel_F32:$input, FinKernel_F32:$weight,
                       Optional<FinKernel_F32>:$bias, FinKernel_F32:$out);
  let assemblyFormat = [{
    `ins` `(` $input `,` $weight (`,` $bias^)? `:` type($input) `,` type($weight)
    (`,` type($bias)^)? `)` `outs` `(` $out `:` type($out) `)` attr-dict
    (`->` type($results)^)?
  }];
  let hasVerifier = 1;
}

def FinKernel_AttentionOp : FinKernel_Op<"attention", [AttrSizedOperandSegments]> {
  let summary = "online-softmax attention of grouped heads, f32";
  let description = [{
    Operands and attributes as `fin.attention`. Keys and values may be strided
    views of a cache as long as the last axis is contiguous. With `kv_bits` they are
    rows of `fin.quantize_rows`, in groups of `kv_group` that divide a head.
  }];
  let arguments = (ins FinKernel_F32:$query, FinKernel_KeyValue:$key, FinKernel_KeyValue:$value,
                       Optional<FinKernel_I32>:$positions, Optional<FinKernel_I32>:$lengths,
                       Optional<FinKernel_F32>:$mask, Optional<FinKernel_F32>:$sinks,
                       FinKernel_F32:$out,
                       I64Attr:$heads, I64Attr:$kv_heads, UnitAttr:$causal,
                       DefaultValuedOptionalAttr<I64Attr, "0">:$window,
                       DefaultValuedOptionalAttr<F64Attr, "0.0">:$soft_cap, F64Attr:$scale,
                       DefaultValuedOptionalAttr<I64Attr, "0">:$kv_bits,
                       DefaultValuedOptionalAttr<I64Attr, "0">:$kv_group);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`at` $positions^)? (`lengths` $lengths^)?
    (`mask` $mask^)? (`sinks` $sinks^)? `outs` `(` $out `)` attr-dict `:`
    functional-type(operands, results)
  }];
  let hasVerifier = 1;
}

def FinKernel_HadamardOp : FinKernel_Op<"hadamard"> {
  let summary = "runs of the last axis times a Hadamard matrix, f32";
  let description = [{
    As `fin.hadamard`, by butterflies: `log2(size)` additions per element. `input`
    and `out` are contiguous.
  }];
  let arguments = (ins FinKernel_F32:$input, Optional<FinKernel_F32>:$signs, FinKernel_F32:$out,
                       I64Attr:$size);
  let assemblyFormat = [{
    `ins` `(` $input (`,` $signs^)? `:` type($input) (`,` type($signs)^)? `)`
    `outs` `(` $out `:` type($out) `)` attr-dict (`->` type($results)^)?
  }];
  let hasVerifier = 1;
}

def FinKernel_QuantizeRowsOp : FinKernel_Op<"quantize_rows"> {
  let summary = "f32 rows to codes";
  let description = "As `fin.quantize_rows`. `input` and `out` are contiguous.";
  let arguments = (ins FinKernel_F32:$input, FinKernel_I8:$out, I64Attr:$bits,
                       I64Attr:$group_size);
  let assemblyFormat = [{
    `ins` `(` $input `:` type($input) `)` `outs` `(` $out `:` type($out) `)` attr-dict
    (`->` type($results)^)?
  }];
  let hasVerifier = 1;
}

#endif // FINGPT_DIALECT_FINKERNEL_IR_FINKERNELOPS_TD
