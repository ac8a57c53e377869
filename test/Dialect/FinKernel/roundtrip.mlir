// The kernels' ops, on tensors with a result and on memrefs without, survive printing
// and parsing in the custom and in the generic syntax.
// RUN: fingpt-opt %s | fingpt-opt | FileCheck %s
// RUN: fingpt-opt %s --mlir-print-op-generic | fingpt-opt | FileCheck %s

// CHECK-LABEL: func.func @linear
func.func @linear(%x: tensor<?x?x4xf32>, %w: tensor<6x4xf32>, %b: tensor<6xf32>, %y: tensor<?x?x6xf32>,
                  %mx: memref<2x4xf32, strided<[8, 1], offset: ?>>, %mw: memref<6x4xf32>,
                  %mb: memref<6xf32>, %my: memref<2x6xf32>) {
  // CHECK: fin_kernel.linear ins(%{{.*}}, %{{.*}} : tensor<?x?x4xf32>, tensor<6x4xf32>) outs(%{{.*}} : tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %0 = fin_kernel.linear ins(%x, %w : tensor<?x?x4xf32>, tensor<6x4xf32>)
                         outs(%y : tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  // CHECK: fin_kernel.linear ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<?x?x4xf32>, tensor<6x4xf32>, tensor<6xf32>) outs(%{{.*}} : tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  %1 = fin_kernel.linear ins(%x, %w, %b : tensor<?x?x4xf32>, tensor<6x4xf32>, tensor<6xf32>)
                         outs(%y : tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
  // CHECK: fin_kernel.linear ins(%{{.*}}, %{{.*}} : memref<2x4xf32, strided<[8, 1], offset: ?>>, memref<6x4xf32>) outs(%{{.*}} : memref<2x6xf32>){{$}}
  fin_kernel.linear ins(%mx, %mw : memref<2x4xf32, strided<[8, 1], offset: ?>>, memref<6x4xf32>)
                    outs(%my : memref<2x6xf32>)
  // CHECK: fin_kernel.linear ins(%{{.*}}, %{{.*}}, %{{.*}} : memref<2x4xf32, strided<[8, 1], offset: ?>>, memref<6x4xf32>, memref<6xf32>)
  fin_kernel.linear ins(%mx, %mw, %mb : memref<2x4xf32, strided<[8, 1], offset: ?>>, memref<6x4xf32>, memref<6xf32>)
                    outs(%my : memref<2x6xf32>)
  return
}

!q = tensor<?x?x8xf32>
!k = tensor<?x?x4xf32>
!mq = memref<?x?x8xf32>
!mk = memref<?x?x4xf32>
// CHECK-LABEL: func.func @attention
func.func @attention(%q: !q, %k: !k, %p: tensor<?x?xi32>, %l: tensor<?xi32>, %m: tensor<1x1x?x?xf32>,
                     %s: tensor<2xf32>, %mq: !mq, %mk: !mk) {
  // CHECK: fin_kernel.attention %[[Q:[^ ]*]], %[[K:.*]], %[[K]] outs(%[[Q]]) {heads = 2 : i64, kv_heads = 1 : i64, scale = 5.000000e-01 : f64}
  %0 = fin_kernel.attention %q, %k, %k outs(%q) {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !k, !k, !q) -> !q
  // CHECK: fin_kernel.attention %[[Q]], %[[K]], %[[K]] at %{{.*}} lengths %{{.*}} mask %{{.*}} sinks %{{.*}} outs(%[[Q]]) {causal, heads = 2 : i64, kv_heads = 1 : i64, scale = 5.000000e-01 : f64, soft_cap = 3.000000e+01 : f64, window = 3 : i64}
  %1 = fin_kernel.attention %q, %k, %k at %p lengths %l mask %m sinks %s outs(%q)
       {heads = 2 : i64, kv_heads = 1 : i64, causal, window = 3 : i64, soft_cap = 30.0 : f64, scale = 0.5 : f64}
     : (!q, !k, !k, tensor<?x?xi32>, tensor<?xi32>, tensor<1x1x?x?xf32>, tensor<2xf32>, !q) -> !q
  // CHECK: fin_kernel.attention %{{.*}}, %{{.*}}, %{{.*}} outs(%{{.*}}) {heads = 2 : i64, kv_heads = 1 : i64, scale = 5.000000e-01 : f64} : (memref<?x?x8xf32>, memref<?x?x4xf32>, memref<?x?x4xf32>, memref<?x?x8xf32>) -> ()
  fin_kernel.attention %mq, %mk, %mk outs(%mq) {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!mq, !mk, !mk, !mq) -> ()
  return
}

// CHECK-LABEL: func.func @rows
func.func @rows(%x: tensor<?x?x8xf32>, %y: tensor<?x?x16xi8>, %s: tensor<8xf32>, %mx: memref<1x2x8xf32>,
                %my: memref<1x2x16xi8>) {
  // CHECK: fin_kernel.quantize_rows ins(%{{.*}} : tensor<?x?x8xf32>) outs(%{{.*}} : tensor<?x?x16xi8>) {bits = 8 : i64, group_size = 4 : i64} -> tensor<?x?x16xi8>
  %0 = fin_kernel.quantize_rows ins(%x : tensor<?x?x8xf32>) outs(%y : tensor<?x?x16xi8>) {bits = 8 : i64, group_size = 4 : i64} -> tensor<?x?x16xi8>
  // CHECK: fin_kernel.quantize_rows ins(%{{.*}} : memref<1x2x8xf32>) outs(%{{.*}} : memref<1x2x16xi8>) {bits = 8 : i64, group_size = 4 : i64}{{$}}
  fin_kernel.quantize_rows ins(%mx : memref<1x2x8xf32>) outs(%my : memref<1x2x16xi8>) {bits = 8 : i64, group_size = 4 : i64}
  // CHECK: fin_kernel.hadamard ins(%{{.*}}, %{{.*}} : tensor<?x?x8xf32>, tensor<8xf32>) outs(%{{.*}} : tensor<?x?x8xf32>) {size = 4 : i64} -> tensor<?x?x8xf32>
  %1 = fin_kernel.hadamard ins(%x, %s : tensor<?x?x8xf32>, tensor<8xf32>) outs(%x : tensor<?x?x8xf32>) {size = 4 : i64} -> tensor<?x?x8xf32>
  // CHECK: fin_kernel.hadamard ins(%{{.*}} : memref<1x2x8xf32>) outs(%{{.*}} : memref<1x2x8xf32>) {size = 8 : i64}{{$}}
  fin_kernel.hadamard ins(%mx : memref<1x2x8xf32>) outs(%mx : memref<1x2x8xf32>) {size = 8 : i64}
  // CHECK: fin_kernel.attention %{{.*}}, %{{.*}}, %{{.*}} outs(%{{.*}}) {heads = 2 : i64, kv_bits = 8 : i64, kv_group = 4 : i64, kv_heads = 2 : i64, scale = 5.000000e-01 : f64}
  %2 = fin_kernel.attention %x, %y, %y outs(%x) {heads = 2 : i64, kv_heads = 2 : i64, kv_bits = 8 : i64, kv_group = 4 : i64, scale = 0.5 : f64}
     : (tensor<?x?x8xf32>, tensor<?x?x16xi8>, tensor<?x?x16xi8>, tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  return
}
