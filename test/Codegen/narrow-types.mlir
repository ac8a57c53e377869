// Codes of 2 to 7 bits have two memory layouts upstream, one before and one after
// vectorization: they are types of fin alone. None reaches a buffer or the argument of a
// function, whatever their width; no loop divides in a map, which tiling would get wrong.
// RUN: fingpt-opt %s --fin-jit-graph=cache=false --fin-jit-bufferize | FileCheck %s \
// RUN:   --implicit-check-not='{{(x|: )[us]?i[2-7]([ >,)]|$)}}' --implicit-check-not='{{[us]i8}}' --implicit-check-not=floordiv
// RUN: fingpt-opt %s --fin-jit-graph=cache=false --fin-jit-bufferize=reference=true | FileCheck %s \
// RUN:   --implicit-check-not='{{(x|: )[us]?i[2-7]([ >,)]|$)}}' --implicit-check-not='{{[us]i8}}' --implicit-check-not=floordiv

// The order in which forms were found, backwards.
// CHECK: func.func @prepare_5(%{{[^:]+}}: !llvm.ptr, %{{[^:]+}}: memref<8x8xf32>)
// CHECK:   to memref<8x8xi8>
// CHECK: func.func @prepare_4(%{{[^:]+}}: !llvm.ptr, %{{[^:]+}}: memref<8x8xf32>)
// CHECK:   to memref<8x7xi8>
// CHECK: func.func @prepare_3(%{{[^:]+}}: !llvm.ptr, %{{[^:]+}}: memref<8x8xf32>)
// CHECK:   to memref<8x6xi8>
// CHECK: func.func @prepare_2(%{{[^:]+}}: !llvm.ptr, %{{[^:]+}}: memref<8x8xf32>)
// CHECK:   to memref<8x4xi8>
// CHECK: func.func @prepare_1(%{{[^:]+}}: !llvm.ptr, %{{[^:]+}}: memref<8x8xf32>)
// CHECK:   to memref<8x3xi8>
// CHECK: func.func @prepare_0(%{{[^:]+}}: !llvm.ptr, %{{[^:]+}}: memref<8x8xf32>)
// CHECK:   to memref<8x2xi8>
// CHECK: func.func @forward(
#model = #fin.model<arch = "llama", context_length = 64, vocab_size = 8, layers = 1>
module attributes {fin.model = #model} {
func.func @forward(%t: tensor<?x?xi32>) -> tensor<?x?x8xf32> {
  %table = fin.param "table" : tensor<8x8xf32>
  %x0 = fin.embedding %t, %table : tensor<?x?xi32>, tensor<8x8xf32>
  %s = fin.param "s" : tensor<8x2xf16>
  %book = fin.param "book" : tensor<16xf16>
  %q2 = fin.param "q2" : tensor<8x8xui2>
  %w2 = fin.dequantize %q2 scales %s {group_size = 4 : i64} : (tensor<8x8xui2>, tensor<8x2xf16>) -> tensor<8x8xf32>
  %x2 = fin.linear %x0, %w2 : tensor<?x?x8xf32>, tensor<8x8xf32>
  %q3 = fin.param "q3" : tensor<8x8xsi3>
  %w3 = fin.dequantize %q3 scales %s {group_size = 4 : i64} : (tensor<8x8xsi3>, tensor<8x2xf16>) -> tensor<8x8xf32>
  %x3 = fin.linear %x2, %w3 : tensor<?x?x8xf32>, tensor<8x8xf32>
  %q4 = fin.param "q4" : tensor<8x8xui4>
  %w4 = fin.lookup %q4, %book : (tensor<8x8xui4>, tensor<16xf16>) -> tensor<8x8xf32>
  %x4 = fin.linear %x3, %w4 : tensor<?x?x8xf32>, tensor<8x8xf32>
  %q6 = fin.param "q6" : tensor<8x8xui6>
  %z4 = fin.param "z4" : tensor<8x2xui4>
  %w6 = fin.dequantize %q6 scales %s zeros %z4 {group_size = 4 : i64} : (tensor<8x8xui6>, tensor<8x2xf16>, tensor<8x2xui4>) -> tensor<8x8xf32>
  %x6 = fin.linear %x4, %w6 : tensor<?x?x8xf32>, tensor<8x8xf32>
  %q7 = fin.param "q7" : tensor<8x8xsi7>
  %w7 = fin.dequantize %q7 scales %s {group_size = 4 : i64} : (tensor<8x8xsi7>, tensor<8x2xf16>) -> tensor<8x8xf32>
  %x7 = fin.linear %x6, %w7 : tensor<?x?x8xf32>, tensor<8x8xf32>
  %q8 = fin.param "q8" : tensor<8x8xsi8>
  %w8 = fin.dequantize %q8 scales %s {group_size = 4 : i64} : (tensor<8x8xsi8>, tensor<8x2xf16>) -> tensor<8x8xf32>
  %x8 = fin.linear %x7, %w8 : tensor<?x?x8xf32>, tensor<8x8xf32>
  return %x8 : tensor<?x?x8xf32>
}
}
