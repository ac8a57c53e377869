// The options of the named pipelines.

// @prefill and @decode on request; layers outlined, weights hoisted.
// RUN: fingpt-opt %S/Inputs/two-layers.mlir --fin-jit-graph | FileCheck %s --check-prefix=CACHE
// RUN: fingpt-opt %S/Inputs/two-layers.mlir --fin-jit-graph=cache=false | FileCheck %s --check-prefix=PLAIN
// CACHE-DAG: func.func @forward(
// CACHE-DAG: func.func @prefill(
// CACHE-DAG: func.func @decode(
// CACHE-DAG: func.func @prepare(
// CACHE-DAG: func.func private @prefill_layer(
// PLAIN-NOT: @prefill
// PLAIN-NOT: @decode
// PLAIN:     func.func private @forward_layer(
// PLAIN-NOT: @prefill
// PLAIN-NOT: @decode
// PLAIN:     func.func @forward(
// PLAIN-NOT: @prefill
// PLAIN-NOT: @decode

// Input that breaks the importers' promises goes no further.
// RUN: not fingpt-opt %s --fin-jit-graph 2>&1 | FileCheck %s --check-prefix=BROKEN
// BROKEN: error: an imported module needs the attribute fin.model
func.func @forward() { return }

// Kernels and relaxed sums, or neither: the reference is the strict definition.
// RUN: fingpt-opt %S/Inputs/two-layers.mlir --fin-jit-graph --fin-jit-bufferize | FileCheck %s --check-prefix=FAST
// RUN: fingpt-opt %S/Inputs/two-layers.mlir --fin-jit-graph --fin-jit-bufferize=reference=true | FileCheck %s \
// RUN:   --check-prefix=STRICT --implicit-check-not=fastmath --implicit-check-not=@fingpt_linear --implicit-check-not=@fingpt_attention
// FAST-DAG: call @fingpt_linear_f32
// FAST-DAG: call @fingpt_attention_f32
// FAST-DAG: fastmath<reassoc,contract>
// STRICT: func.func @forward(

// In f64 the definitions serve, also without the word: the kernels are f32. Parameters
// keep the type of the file.
// RUN: fingpt-opt %S/Inputs/two-layers.mlir --fin-jit-graph=precision=f64 --fin-jit-bufferize \
// RUN:   | FileCheck %s --check-prefix=F64 --implicit-check-not=@fingpt_linear --implicit-check-not=@fingpt_attention
// F64: to memref<8x8xi8>
// F64: func.func @decode({{.*}}: memref<2x2x?x?x4xf64>, {{.*}}: memref<?x?x10xf64>)

// What is lowered is of the LLVM dialect alone, and calls the runtime and nothing else
// but functions of the C library's mathematics.
// RUN: fingpt-opt %S/Inputs/two-layers.mlir --fin-jit-graph --fin-jit-bufferize --fin-jit-lower | FileCheck %s --check-prefix=LOWERED \
// RUN:   --implicit-check-not='{{^ +(%[^ ]+ = )?"?(arith|cf|func|memref|linalg|scf|tensor|builtin|bufferization|fin|fin_kernel|affine|index)\.}}' \
// RUN:   --implicit-check-not=@malloc --implicit-check-not=@free --implicit-check-not=@memrefCopy
// LOWERED-DAG: llvm.func @_mlir_memref_to_llvm_alloc(i64) -> !llvm.ptr
// LOWERED-DAG: llvm.func @fingpt_arena_mark() -> i64
// LOWERED-DAG: llvm.func @fingpt_arena_release(i64)
// LOWERED-DAG: llvm.func @decode(
