// fin-use-kernels: f32 linear layers and attention become fin_kernel ops; what the
// kernels do not take stays for the decomposition.
// RUN: fingpt-opt %s --fin-use-kernels --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @linear(
// CHECK-SAME:    %[[X:[^:]+]]: tensor<?x?x4xf32>, %[[W:[^:]+]]: tensor<6x4xf32>, %[[B:[^:]+]]: tensor<6xf32>)
// CHECK:         %[[OUT:.*]] = tensor.empty(%{{.*}}, %{{.*}}) : tensor<?x?x6xf32>
// CHECK-NEXT:    fin_kernel.linear ins(%[[X]], %[[W]], %[[B]] : tensor<?x?x4xf32>, tensor<6x4xf32>, tensor<6xf32>) outs(%[[OUT]] : tensor<?x?x6xf32>) -> tensor<?x?x6xf32>
// CHECK:         fin_kernel.linear ins(%[[X]], %[[W]] : tensor<?x?x4xf32>, tensor<6x4xf32>)
func.func @linear(%x: tensor<?x?x4xf32>, %w: tensor<6x4xf32>, %b: tensor<6xf32>)
    -> (tensor<?x?x6xf32>, tensor<?x?x6xf32>) {
  %0 = fin.linear %x, %w bias %b : tensor<?x?x4xf32>, tensor<6x4xf32>, tensor<6xf32>
  %1 = fin.linear %x, %w : tensor<?x?x4xf32>, tensor<6x4xf32>
  return %0, %1 : tensor<?x?x6xf32>, tensor<?x?x6xf32>
}

// -----

// CHECK-LABEL: func.func @left_alone
// CHECK-NOT:     fin_kernel
// CHECK-COUNT-3: fin.linear
func.func @left_alone(%x64: tensor<?x4xf64>, %w64: tensor<6x4xf64>, %x: tensor<?x4xf32>,
                      %w: tensor<?x4xf32>, %xd: tensor<2x?xf32>, %ws: tensor<6x4xf32>)
    -> (tensor<?x6xf64>, tensor<?x?xf32>, tensor<2x6xf32>) {
  // The oracle's type; rows, inputs that only run time knows.
  %0 = fin.linear %x64, %w64 : tensor<?x4xf64>, tensor<6x4xf64>
  %1 = fin.linear %x, %w : tensor<?x4xf32>, tensor<?x4xf32>
  %2 = fin.linear %xd, %ws : tensor<2x?xf32>, tensor<6x4xf32>
  return %0, %1, %2 : tensor<?x6xf64>, tensor<?x?xf32>, tensor<2x6xf32>
}

// -----

// Absent attributes are zeros; the destination has the width of the values.
// CHECK-LABEL: func.func @attention(
// CHECK-SAME:    %[[Q:[^:]+]]: tensor<?x?x8xf32>, %[[K:[^:]+]]: tensor<?x?x4xf32>, %[[V:[^:]+]]: tensor<?x?x2xf32>, %[[P:[^:]+]]: tensor<?x?xi32>, %[[L:[^:]+]]: tensor<?xi32>, %[[M:[^:]+]]: tensor<1x1x?x?xf32>, %[[S:[^:]+]]: tensor<2xf32>)
// CHECK:         %[[OUT:.*]] = tensor.empty(%{{.*}}, %{{.*}}) : tensor<?x?x4xf32>
// CHECK:         fin_kernel.attention %[[Q]], %[[K]], %[[V]] at %[[P]] outs(%[[OUT]]) {causal, heads = 2 : i64, kv_heads = 1 : i64, scale = 5.000000e-01 : f64{{.*}}}
// CHECK:         fin_kernel.attention %[[Q]], %[[K]], %[[V]] at %[[P]] lengths %[[L]] mask %[[M]] sinks %[[S]] outs(%{{.*}}) {heads = 2 : i64, kv_heads = 1 : i64, scale = 5.000000e-01 : f64, soft_cap = 3.000000e+01 : f64, window = 3 : i64}
func.func @attention(%q: tensor<?x?x8xf32>, %k: tensor<?x?x4xf32>, %v: tensor<?x?x2xf32>,
                     %p: tensor<?x?xi32>, %l: tensor<?xi32>, %m: tensor<1x1x?x?xf32>, %s: tensor<2xf32>)
    -> (tensor<?x?x4xf32>, tensor<?x?x4xf32>) {
  %0 = fin.attention %q at %p, %k, %v {heads = 2 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
     : (tensor<?x?x8xf32>, tensor<?x?xi32>, tensor<?x?x4xf32>, tensor<?x?x2xf32>) -> tensor<?x?x4xf32>
  %1 = fin.attention %q at %p, %k, %v lengths %l mask %m sinks %s
       {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.5 : f64, window = 3 : i64, soft_cap = 30.0 : f64}
     : (tensor<?x?x8xf32>, tensor<?x?xi32>, tensor<?x?x4xf32>, tensor<?x?x2xf32>, tensor<?xi32>,
        tensor<1x1x?x?xf32>, tensor<2xf32>) -> tensor<?x?x4xf32>
  return %0, %1 : tensor<?x?x4xf32>, tensor<?x?x4xf32>
}

// -----

// Masks and sinks may be stored in another type than the query's.
// CHECK-LABEL: func.func @other_types
// CHECK-NOT:     fin_kernel
// CHECK-COUNT-3: fin.attention
func.func @other_types(%q: tensor<1x2x4xf32>, %m: tensor<1x1x2x2xf16>, %s: tensor<1xbf16>, %q64: tensor<1x2x4xf64>)
    -> (tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf64>) {
  %0 = fin.attention %q, %q, %q mask %m {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x1x2x2xf16>) -> tensor<1x2x4xf32>
  %1 = fin.attention %q, %q, %q sinks %s {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1xbf16>) -> tensor<1x2x4xf32>
  %2 = fin.attention %q64, %q64, %q64 {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (tensor<1x2x4xf64>, tensor<1x2x4xf64>, tensor<1x2x4xf64>) -> tensor<1x2x4xf64>
  return %0, %1, %2 : tensor<1x2x4xf32>, tensor<1x2x4xf32>, tensor<1x2x4xf64>
}
