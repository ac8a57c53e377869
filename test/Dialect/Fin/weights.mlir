// Every weight op in every form of its operands survives printing and parsing, in the
// custom and in the generic syntax.
// RUN: fingpt-opt %s | fingpt-opt | FileCheck %s
// RUN: fingpt-opt %s --mlir-print-op-generic | fingpt-opt | FileCheck %s

// A parameter is a name and a type; codes are a type of fin and stay sub-byte here.
// CHECK-LABEL: func.func @params
func.func @params() {
  // CHECK: fin.param "model.layers.0.mlp.down_proj.weight" : tensor<64x128xf16>
  %0 = fin.param "model.layers.0.mlp.down_proj.weight" : tensor<64x128xf16>
  // CHECK: fin.param "codes" : tensor<64x128xui4>
  %1 = fin.param "codes" : tensor<64x128xui4>
  // CHECK: fin.param "columns" : tensor<10xi32>
  %2 = fin.param "columns" : tensor<10xi32>
  // A scalar is a tensor of rank 0; keys are any UTF-8.
  // CHECK: fin.param "a\22b\\c" : tensor<f64>
  %3 = fin.param "a\22b\\c" : tensor<f64>
  return
}

// Rows are padded to a byte: 5 codes of 3 bits are 2 bytes.
// CHECK-LABEL: func.func @unpack
func.func @unpack(%bytes: tensor<4x2xi8>, %vector: tensor<7xi8>) {
  // CHECK: fin.unpack %{{.*}} : tensor<4x2xi8> -> tensor<4x5xui3>
  %0 = fin.unpack %bytes : tensor<4x2xi8> -> tensor<4x5xui3>
  // CHECK: fin.unpack %{{.*}} : tensor<7xi8> -> tensor<8xsi7>
  %1 = fin.unpack %vector : tensor<7xi8> -> tensor<8xsi7>
  return
}

// CHECK-LABEL: func.func @dequantize
func.func @dequantize(%s: tensor<4x2xf16>, %z: tensor<4x2xf32>, %m: tensor<4x2xbf16>) {
  %q = fin.param "q" : tensor<4x12xui4>
  %zq = fin.param "z" : tensor<4x2xui4>
  // CHECK: fin.dequantize %[[Q:.*]] scales %[[S:.*]] {group_size = 8 : i64}
  // CHECK-SAME: : (tensor<4x12xui4>, tensor<4x2xf16>) -> tensor<4x12xf32>
  %0 = fin.dequantize %q scales %s {group_size = 8 : i64}
     : (tensor<4x12xui4>, tensor<4x2xf16>) -> tensor<4x12xf32>
  // CHECK: fin.dequantize %[[Q]] scales %[[S]] {group_size = 8 : i64, zero = 15 : i64}
  %1 = fin.dequantize %q scales %s {group_size = 8 : i64, zero = 15 : i64}
     : (tensor<4x12xui4>, tensor<4x2xf16>) -> tensor<4x12xf32>
  // CHECK: fin.dequantize %[[Q]] scales %[[S]] zeros %[[Z:.*]] {group_size = 8 : i64}
  %2 = fin.dequantize %q scales %s zeros %z {group_size = 8 : i64}
     : (tensor<4x12xui4>, tensor<4x2xf16>, tensor<4x2xf32>) -> tensor<4x12xf32>
  // Zero points may be codes themselves.
  // CHECK: fin.dequantize %[[Q]] scales %[[S]] zeros %{{.*}} {group_size = 8 : i64}
  // CHECK-SAME: : (tensor<4x12xui4>, tensor<4x2xf16>, tensor<4x2xui4>) -> tensor<4x12xf64>
  %3 = fin.dequantize %q scales %s zeros %zq {group_size = 8 : i64}
     : (tensor<4x12xui4>, tensor<4x2xf16>, tensor<4x2xui4>) -> tensor<4x12xf64>
  // Offsets in floats, beside a constant zero.
  // CHECK: fin.dequantize %[[Q]] scales %[[S]] mins %[[M:.*]] {group_size = 8 : i64, zero = 2 : i64}
  // CHECK-SAME: : (tensor<4x12xui4>, tensor<4x2xf16>, tensor<4x2xbf16>) -> tensor<4x12xf16>
  %4 = fin.dequantize %q scales %s mins %m {group_size = 8 : i64, zero = 2 : i64}
     : (tensor<4x12xui4>, tensor<4x2xf16>, tensor<4x2xbf16>) -> tensor<4x12xf16>
  return
}

// CHECK-LABEL: func.func @lookup
func.func @lookup(%s: tensor<4x2xf32>, %table: tensor<4xf32>, %tables: tensor<4x4xf16>) {
  %q = fin.param "q" : tensor<4x12xui2>
  // CHECK: fin.lookup %[[Q:.*]], %[[TABLE:.*]] : (tensor<4x12xui2>, tensor<4xf32>) -> tensor<4x12xf32>
  %0 = fin.lookup %q, %table : (tensor<4x12xui2>, tensor<4xf32>) -> tensor<4x12xf32>
  // CHECK: fin.lookup %[[Q]], %[[TABLES:.*]] : (tensor<4x12xui2>, tensor<4x4xf16>) -> tensor<4x12xf32>
  %1 = fin.lookup %q, %tables : (tensor<4x12xui2>, tensor<4x4xf16>) -> tensor<4x12xf32>
  // CHECK: fin.lookup %[[Q]], %[[TABLE]] scales %{{.*}} {group_size = 6 : i64}
  %2 = fin.lookup %q, %table scales %s {group_size = 6 : i64}
     : (tensor<4x12xui2>, tensor<4xf32>, tensor<4x2xf32>) -> tensor<4x12xf32>
  return
}

// CHECK-LABEL: func.func @structured
func.func @structured(%b: tensor<8x2xf32>, %a: tensor<2x4xf32>, %values: tensor<3xf16>,
                      %columns: tensor<3xi32>, %offsets: tensor<9xi32>,
                      %f: tensor<4xf32>, %p: tensor<8xi32>, %w64: tensor<?x?xf64>) {
  // The result's shape is inferred, so it is not written.
  // CHECK: %[[LR:.*]] = fin.low_rank %{{.*}}, %{{.*}} : tensor<8x2xf32>, tensor<2x4xf32>
  %lr = fin.low_rank %b, %a : tensor<8x2xf32>, tensor<2x4xf32>
  // CHECK: %[[SPARSE:.*]] = fin.sparse %{{.*}}, %{{.*}}, %{{.*}} : (tensor<3xf16>, tensor<3xi32>, tensor<9xi32>) -> tensor<8x4xf32>
  %s = fin.sparse %values, %columns, %offsets
     : (tensor<3xf16>, tensor<3xi32>, tensor<9xi32>) -> tensor<8x4xf32>
  // CHECK: %[[SUM:.*]] = fin.sum %[[LR]], %[[SPARSE]], %[[LR]] : tensor<8x4xf32>
  %sum = fin.sum %lr, %s, %lr : tensor<8x4xf32>
  // CHECK: fin.scale %[[SUM]] along columns by %{{.*}} : tensor<8x4xf32>, tensor<4xf32>
  %scaled = fin.scale %sum along columns by %f : tensor<8x4xf32>, tensor<4xf32>
  // CHECK: fin.permute %{{.*}} along rows by %{{.*}} : tensor<8x4xf32>, tensor<8xi32>
  %permuted = fin.permute %scaled along rows by %p : tensor<8x4xf32>, tensor<8xi32>
  // CHECK: %[[T:.*]] = fin.transpose %{{.*}} : tensor<8x4xf32>
  %t = fin.transpose %permuted : tensor<8x4xf32>
  // CHECK: fin.transpose %{{.*}} : tensor<?x?xf64>
  %t64 = fin.transpose %w64 : tensor<?x?xf64>
  // CHECK: %[[ROWS:.*]] = fin.concat %[[LR]], %[[SUM]] along rows : tensor<8x4xf32>, tensor<8x4xf32>
  %rows = fin.concat %lr, %sum along rows : tensor<8x4xf32>, tensor<8x4xf32>
  // CHECK: fin.sum %[[ROWS]] : tensor<16x4xf32>
  %one = fin.sum %rows : tensor<16x4xf32>
  // CHECK: fin.concat %[[LR]] along columns : tensor<8x4xf32>
  %column = fin.concat %lr along columns : tensor<8x4xf32>
  return
}

// CHECK-LABEL: func.func @hadamard
func.func @hadamard(%x: tensor<?x?x8xbf16>, %s: tensor<8xbf16>) {
  // CHECK: fin.hadamard %[[X:.*]] {size = 4 : i64} : tensor<?x?x8xbf16>
  %0 = fin.hadamard %x {size = 4 : i64} : tensor<?x?x8xbf16>
  // CHECK: fin.hadamard %[[X]] signs %{{.*}} {size = 8 : i64} : tensor<?x?x8xbf16>, tensor<8xbf16>
  %1 = fin.hadamard %x signs %s {size = 8 : i64} : tensor<?x?x8xbf16>, tensor<8xbf16>
  return
}
