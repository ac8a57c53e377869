// Every state op in every form of its operands survives printing and parsing, in the
// custom and in the generic syntax.
// RUN: fingpt-opt %s | fingpt-opt | FileCheck %s
// RUN: fingpt-opt %s --mlir-print-op-generic | fingpt-opt | FileCheck %s

// CHECK-LABEL: func.func @cache
func.func @cache(%cache: tensor<3x2x?x?x8xf16>, %layer: index, %k: tensor<?x?x8xf16>,
                 %v: tensor<?x?x8xf16>, %p: tensor<?x?xi32>)
    -> (tensor<?x?x8xf16>, tensor<?x?x8xf16>) {
  // CHECK: %[[NEW:.*]] = fin.cache_append %{{.*}}[%[[LAYER:.*]]], %{{.*}}, %{{.*}} at %{{[^ ]+}}
  // CHECK-SAME: : tensor<3x2x?x?x8xf16>, tensor<?x?x8xf16>, tensor<?x?x8xf16>, tensor<?x?xi32>
  %0 = fin.cache_append %cache[%layer], %k, %v at %p
     : tensor<3x2x?x?x8xf16>, tensor<?x?x8xf16>, tensor<?x?x8xf16>, tensor<?x?xi32>
  // CHECK: %[[KEY:.*]], %[[VALUE:.*]] = fin.cache_read %[[NEW]][%[[LAYER]]] : tensor<3x2x?x?x8xf16>
  %key, %value = fin.cache_read %0[%layer] : tensor<3x2x?x?x8xf16>
  // CHECK: return %[[KEY]], %[[VALUE]] : tensor<?x?x8xf16>, tensor<?x?x8xf16>
  return %key, %value : tensor<?x?x8xf16>, tensor<?x?x8xf16>
}

// CHECK-LABEL: func.func @last
func.func @last(%x: tensor<?x?x8xf32>, %lengths: tensor<?xi32>, %y: tensor<2x5x8xf64>)
    -> (tensor<?x1x8xf32>, tensor<?x1x8xf32>, tensor<2x1x8xf64>) {
  // CHECK: %[[A:.*]] = fin.select_last %{{.*}} : tensor<?x?x8xf32>
  %0 = fin.select_last %x : tensor<?x?x8xf32>
  // CHECK: %[[B:.*]] = fin.select_last %{{.*}} lengths %{{.*}} : tensor<?x?x8xf32>, tensor<?xi32>
  %1 = fin.select_last %x lengths %lengths : tensor<?x?x8xf32>, tensor<?xi32>
  // CHECK: %[[C:.*]] = fin.select_last %{{.*}} : tensor<2x5x8xf64>
  %2 = fin.select_last %y : tensor<2x5x8xf64>
  // CHECK: return %[[A]], %[[B]], %[[C]]
  return %0, %1, %2 : tensor<?x1x8xf32>, tensor<?x1x8xf32>, tensor<2x1x8xf64>
}

// CHECK-LABEL: func.func @store
func.func @store(%w: tensor<4x4xf32>) {
  // CHECK: fin.store %{{.*}}, "prepared/w" : tensor<4x4xf32>
  fin.store %w, "prepared/w" : tensor<4x4xf32>
  return
}

// CHECK-LABEL: func.func @quantized
func.func @quantized(%cache: tensor<3x2x?x?x12xi8>, %layer: index, %x: tensor<?x?x8xf16>,
                     %p: tensor<?x?xi32>) -> tensor<?x?x8xf16> {
  // CHECK: %[[Q:.*]] = fin.quantize_rows %{{.*}} {bits = 4 : i64, group_size = 4 : i64} : tensor<?x?x8xf16> -> tensor<?x?x12xi8>
  %q = fin.quantize_rows %x {bits = 4 : i64, group_size = 4 : i64} : tensor<?x?x8xf16> -> tensor<?x?x12xi8>
  // CHECK: fin.cache_append %{{.*}}[%{{.*}}], %[[Q]], %[[Q]] at %{{.*}} : tensor<3x2x?x?x12xi8>, tensor<?x?x12xi8>, tensor<?x?x12xi8>, tensor<?x?xi32>
  %0 = fin.cache_append %cache[%layer], %q, %q at %p
     : tensor<3x2x?x?x12xi8>, tensor<?x?x12xi8>, tensor<?x?x12xi8>, tensor<?x?xi32>
  // CHECK: %[[KEY:.*]], %{{.*}} = fin.cache_read %{{.*}} : tensor<3x2x?x?x12xi8>
  %key, %value = fin.cache_read %0[%layer] : tensor<3x2x?x?x12xi8>
  // CHECK: fin.dequantize_rows %[[KEY]] {bits = 4 : i64, group_size = 4 : i64} : tensor<?x?x12xi8> -> tensor<?x?x8xf16>
  %y = fin.dequantize_rows %key {bits = 4 : i64, group_size = 4 : i64} : tensor<?x?x12xi8> -> tensor<?x?x8xf16>
  return %y : tensor<?x?x8xf16>
}
