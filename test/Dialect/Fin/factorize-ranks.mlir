// fin-factorize: with svd-llm-v2 the share removed is that of all weights, and those that lose more
// keep more. What lies in codes takes fewer bytes than a pair would and has no part in it.
// RUN: %python %S/Inputs/write-stats.py %t.stats layers.0.up.weight:64 layers.1.up.weight:64:0.1 layers.2.up.weight:64
// RUN: fingpt-opt %s --fin-factorize="scheme=svd40:svd-llm stats=%t.stats" | FileCheck %s --check-prefix=ALIKE
// RUN: fingpt-opt %s --fin-factorize="scheme=svd40:svd-llm-v2 stats=%t.stats" | FileCheck %s

// 60% of 96·64 parameters are rank 23: two multiples of 8 come to 46 at most.
// ALIKE: "layers.0.up.weight.lr.a" : tensor<16x64xf16>
// ALIKE: "layers.1.up.weight.lr.a" : tensor<16x64xf16>
// CHECK: "layers.0.up.weight.lr.a" : tensor<32x64xf16>
// CHECK: "layers.1.up.weight.lr.a" : tensor<8x64xf16>
// CHECK: "layers.2.up.weight.codes"
module attributes {fin.params = "random:7"} {
  func.func @forward(%x: tensor<?x?x64xf32>) -> (tensor<?x?x96xf32>, tensor<?x?x96xf32>, tensor<?x?x96xf32>) {
    %w0 = fin.param "layers.0.up.weight" : tensor<96x64xf32>
    %w1 = fin.param "layers.1.up.weight" : tensor<96x64xf32>
    %codes = fin.param "layers.2.up.weight.codes" : tensor<96x64xui4>
    %scales = fin.param "layers.2.up.weight.scales" : tensor<96x1xf16>
    %w2 = fin.dequantize %codes scales %scales {group_size = 64 : i64}
        : (tensor<96x64xui4>, tensor<96x1xf16>) -> tensor<96x64xf32>
    %y0 = fin.linear %x, %w0 : tensor<?x?x64xf32>, tensor<96x64xf32>
    %y1 = fin.linear %x, %w1 : tensor<?x?x64xf32>, tensor<96x64xf32>
    %y2 = fin.linear %x, %w2 : tensor<?x?x64xf32>, tensor<96x64xf32>
    return %y0, %y1, %y2 : tensor<?x?x96xf32>, tensor<?x?x96xf32>, tensor<?x?x96xf32>
  }
}
