// fin-quantize-kv: keys and values are rounded where they are made, and the cache holds the codes.
// RUN: fingpt-opt %s --fin-quantize-kv=bits=4 | FileCheck %s
// RUN: fingpt-opt %s --fin-quantize-kv="bits=8 rotate=false group-size=4" | FileCheck %s --check-prefix=PLAIN
// RUN: fingpt-opt %s --fin-quantize-kv=bits=4 --fin-add-kv-cache --canonicalize | FileCheck %s --check-prefix=CACHE
// RUN: fingpt-opt %s --fin-quantize-kv=bits=4 --fin-use-kernels | FileCheck %s --check-prefix=KERNEL
// RUN: not fingpt-opt %s --fin-quantize-kv=bits=3 2>&1 | FileCheck %s --check-prefix=BITS
// RUN: not fingpt-opt %s --fin-quantize-kv=group-size=1 2>&1 | FileCheck %s --check-prefix=GROUP
// RUN: not fingpt-opt %s --fin-quantize-kv --fin-quantize-kv 2>&1 | FileCheck %s --check-prefix=TWICE

// Heads of 8: queries, keys and values are turned by H of that size, and the result is turned back.
// CHECK-LABEL: func.func @forward
// CHECK:       %[[Q:.*]] = fin.rope
// CHECK:       %[[K:.*]] = fin.rope
// CHECK:       %[[HQ:.*]] = fin.hadamard %[[Q]] {size = 8 : i64} : tensor<?x?x16xf32>
// CHECK:       %[[HK:.*]] = fin.hadamard %[[K]] {size = 8 : i64} : tensor<?x?x8xf32>
// CHECK:       %[[HV:.*]] = fin.hadamard %{{.*}} {size = 8 : i64} : tensor<?x?x8xf32>
// CHECK:       %[[QK:.*]] = fin.quantize_rows %[[HK]] {bits = 4 : i64, group_size = 8 : i64} : tensor<?x?x8xf32> -> tensor<?x?x8xi8>
// CHECK:       %[[DK:.*]] = fin.dequantize_rows %[[QK]]
// CHECK:       %[[QV:.*]] = fin.quantize_rows %[[HV]]
// CHECK:       %[[DV:.*]] = fin.dequantize_rows %[[QV]]
// CHECK:       %[[A:.*]] = fin.attention %[[HQ]] at %{{.*}}, %[[DK]], %[[DV]]
// CHECK:       %[[BACK:.*]] = fin.hadamard %[[A]] {size = 8 : i64}
// CHECK:       fin.linear %[[BACK]]

// PLAIN-NOT:   fin.hadamard
// PLAIN:       fin.quantize_rows %{{.*}} {bits = 8 : i64, group_size = 4 : i64} : tensor<?x?x8xf32> -> tensor<?x?x16xi8>

// CACHE-LABEL: func.func @decode
// CACHE-SAME:    %[[C:[^:]+]]: tensor<1x2x?x?x8xi8> {bufferization.writable = true}
// CACHE:       %[[K:.*]] = fin.quantize_rows
// CACHE-NOT:   fin.dequantize_rows
// CACHE:       %[[V:.*]] = fin.quantize_rows
// CACHE:       %[[NEW:.*]] = fin.cache_append %[[C]][%{{.*}}], %[[K]], %[[V]]
// CACHE:       %[[RK:.*]], %[[RV:.*]] = fin.cache_read %[[NEW]]
// CACHE:       %[[DK:.*]] = fin.dequantize_rows %[[RK]] {bits = 4 : i64, group_size = 8 : i64} : tensor<?x?x8xi8> -> tensor<?x?x8xf32>
// CACHE:       %[[DV:.*]] = fin.dequantize_rows %[[RV]]
// CACHE:       fin.attention %{{.*}} at %{{.*}}, %[[DK]], %[[DV]]

// The native attention reads the codes.
// KERNEL:      %[[K:.*]] = fin_kernel.quantize_rows
// KERNEL:      %[[V:.*]] = fin_kernel.quantize_rows
// KERNEL-NOT:  dequantize_rows
// KERNEL:      fin_kernel.attention %{{.*}}, %[[K]], %[[V]] at %{{.*}} kv_bits = 4 : i64, kv_group = 8 : i64

// BITS:  error: 'fin-quantize-kv': bits: expected 4 or 8, got 3
// GROUP: error: 'fin-quantize-kv': group-size: expected at least 2, got 1
// TWICE: error: 'fin.attention' op has quantized keys or values already
func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x16xf32> {
  %table = fin.param "embed" : tensor<10x16xf32>
  %x = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x16xf32>
  %pos = fin.positions %tokens : tensor<?x?xi32>
  %wq = fin.param "q" : tensor<16x16xf32>
  %wk = fin.param "k" : tensor<8x16xf32>
  %wv = fin.param "v" : tensor<8x16xf32>
  %wo = fin.param "o" : tensor<16x16xf32>
  %q0 = fin.linear %x, %wq : tensor<?x?x16xf32>, tensor<16x16xf32>
  %k0 = fin.linear %x, %wk : tensor<?x?x16xf32>, tensor<8x16xf32>
  %v = fin.linear %x, %wv : tensor<?x?x16xf32>, tensor<8x16xf32>
  %q = fin.rope half %q0 at %pos {head_dim = 8 : i64, base = 10000.0 : f64} : tensor<?x?x16xf32>, tensor<?x?xi32>
  %k = fin.rope half %k0 at %pos {head_dim = 8 : i64, base = 10000.0 : f64} : tensor<?x?x8xf32>, tensor<?x?xi32>
  %a = fin.attention %q at %pos, %k, %v {causal, heads = 2 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (tensor<?x?x16xf32>, tensor<?x?xi32>, tensor<?x?x8xf32>, tensor<?x?x8xf32>) -> tensor<?x?x16xf32>
  %o = fin.linear %a, %wo : tensor<?x?x16xf32>, tensor<16x16xf32>
  return %o : tensor<?x?x16xf32>
}
