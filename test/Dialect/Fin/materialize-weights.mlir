// fin-materialize-weights and fin-write-params: a model of dense parameters, with its file.
// RUN: rm -rf %t && mkdir %t
// RUN: fingpt-opt %s --fin-materialize-weights --fin-write-params=file=%t/dense.safetensors -o %t/dense.mlir
// RUN: FileCheck %s < %t/dense.mlir
// RUN: fingpt-opt %t/dense.mlir --fin-quantize-weights=scheme=w8 | FileCheck %s --check-prefix=AGAIN
// RUN: not fingpt-opt %s --fin-write-params 2>&1 | FileCheck %s --check-prefix=FILE

// CHECK:       fin.params = "dense.safetensors"
// CHECK:       %[[W:.*]] = fin.param "w.dense" : tensor<8x16xf32>
// CHECK-NEXT:  fin.linear %{{.*}}, %[[W]]
// Parts of one tensor are weights of their own.
// CHECK:       fin.param "fused.part0.dense" : tensor<8x16xf32>
// CHECK:       fin.param "fused.part8.dense" : tensor<8x16xf32>
// CHECK-NOT:   fin.dequantize
// The file beside the graph is found, and names stay.
// AGAIN:       fin.param "w.q.codes" : tensor<8x16xui8>
// FILE:        error: {{.*}}file: missing, expected a path, got none
module attributes {fin.params = "random:7"} {
  func.func @forward(%x: tensor<?x?x16xf32>) -> tensor<?x?x8xf32> {
    %q = fin.param "w.codes" : tensor<8x16xui4>
    %s = fin.param "w.scales" : tensor<8x1xf16>
    %w = fin.dequantize %q scales %s {group_size = 16 : i64}
       : (tensor<8x16xui4>, tensor<8x1xf16>) -> tensor<8x16xf32>
    %y0 = fin.linear %x, %w : tensor<?x?x16xf32>, tensor<8x16xf32>
    %f = fin.param "fused" : tensor<16x16xf32>
    %f0 = tensor.extract_slice %f[0, 0] [8, 16] [1, 1] : tensor<16x16xf32> to tensor<8x16xf32>
    %y1 = fin.linear %x, %f0 : tensor<?x?x16xf32>, tensor<8x16xf32>
    %f1 = tensor.extract_slice %f[8, 0] [8, 16] [1, 1] : tensor<16x16xf32> to tensor<8x16xf32>
    %y2 = fin.linear %x, %f1 : tensor<?x?x16xf32>, tensor<8x16xf32>
    %y3 = arith.addf %y0, %y1 : tensor<?x?x8xf32>
    %y = arith.addf %y3, %y2 : tensor<?x?x8xf32>
    return %y : tensor<?x?x8xf32>
  }
}
