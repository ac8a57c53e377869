// fin-add-kv-cache: @prefill and @decode from @forward, over one donated cache.
// RUN: fingpt-opt %s --fin-add-kv-cache | FileCheck %s

// @forward stays as it is.
// CHECK-LABEL: func.func @forward(
// CHECK-SAME:    %{{.*}}: tensor<?x?xi32>) -> tensor<?x?x10xf32>
// CHECK:         fin.positions
// CHECK-NOT:     fin.cache
// CHECK:         return

// One layer of the cache per attention, of the width of a key. Only the cache may be
// written. Logits of the last valid token only: what treats tokens alone (head, final
// norm, cap) sees one token per sequence.
// CHECK-LABEL: func.func @prefill(
// CHECK-SAME:    %[[TOKENS:[^:]+]]: tensor<?x?xi32> {bufferization.writable = false},
// CHECK-SAME:    %[[P:[^:]+]]: tensor<?x?xi32> {bufferization.writable = false},
// CHECK-SAME:    %[[LENGTHS:[^:]+]]: tensor<?xi32> {bufferization.writable = false},
// CHECK-SAME:    %[[CACHE:[^:]+]]: tensor<2x2x?x?x4xf32> {bufferization.writable = true}) -> (tensor<?x1x10xf32>, tensor<2x2x?x?x4xf32>)
// CHECK-NOT:     fin.positions
// CHECK:         %[[C0:.*]] = fin.cache_append %[[CACHE]]
// CHECK:         %[[C1:.*]] = fin.cache_append %[[C0]]
// CHECK:         %[[LAST:.*]] = fin.select_last %{{.*}} lengths %[[LENGTHS]] : tensor<?x?x8xf32>, tensor<?xi32>
// CHECK-NEXT:    %[[N:.*]] = fin.rms_norm %[[LAST]] {{.*}} : tensor<?x1x8xf32>
// CHECK-NEXT:    %[[Y:.*]] = fin.linear %[[N]], %{{.*}} : tensor<?x1x8xf32>, tensor<10x8xf32>
// CHECK-NEXT:    %[[CAPPED:.*]] = fin.soft_cap %[[Y]] at {{.*}} : tensor<?x1x10xf32>
// CHECK-NEXT:    return %[[CAPPED]], %[[C1]]

// Positions come from outside: rope and attention take them as they are, learned
// positions with their offset; each attention reads the value that was just appended.
// CHECK-LABEL: func.func @decode(
// CHECK-SAME:    %[[TOKENS:[^:]+]]: tensor<?x?xi32> {bufferization.writable = false},
// CHECK-SAME:    %[[P:[^:]+]]: tensor<?x?xi32> {bufferization.writable = false},
// CHECK-SAME:    %[[CACHE:[^:]+]]: tensor<2x2x?x?x4xf32> {bufferization.writable = true}) -> (tensor<?x?x10xf32>, tensor<2x2x?x?x4xf32>)
// CHECK-NOT:     fin.positions
// CHECK:         %[[TWO:.*]] = arith.constant 2 : i32
// CHECK:         %[[OFFSET:.*]] = tensor.splat %[[TWO]]
// CHECK:         %[[SHIFTED:.*]] = arith.addi %[[P]], %[[OFFSET]] : tensor<?x?xi32>
// CHECK:         fin.embedding %[[SHIFTED]], %{{.*}} : tensor<?x?xi32>, tensor<32x8xf32>
// CHECK:         %[[V:.*]] = fin.linear
// CHECK:         %[[K:.*]] = fin.rope half %[[V]] at %[[P]]
// CHECK:         %[[ZERO:.*]] = arith.constant 0 : index
// CHECK-NEXT:    %[[C0:.*]] = fin.cache_append %[[CACHE]][%[[ZERO]]], %[[K]], %[[V]] at %[[P]]
// CHECK-NEXT:    %[[K0:.*]], %[[V0:.*]] = fin.cache_read %[[C0]][%[[ZERO]]]
// CHECK-NEXT:    fin.attention %{{.*}} at %[[P]], %[[K0]], %[[V0]] {causal, heads = 2 : i64, kv_heads = 1 : i64, scale = 5.000000e-01 : f64}
// CHECK:         %[[ONE:.*]] = arith.constant 1 : index
// CHECK-NEXT:    %[[C1:.*]] = fin.cache_append %[[C0]][%[[ONE]]]
// CHECK-NEXT:    %[[K1:.*]], %[[V1:.*]] = fin.cache_read %[[C1]][%[[ONE]]]
// CHECK-NEXT:    fin.attention %{{.*}} at %[[P]], %[[K1]], %[[V1]] {{.*}} window = 3
// CHECK-NOT:     fin.select_last
// CHECK:         return %{{.*}}, %[[C1]]
func.func @forward(%tokens: tensor<?x?xi32>) -> tensor<?x?x10xf32> {
  %table = fin.param "embed" : tensor<10x8xf32>
  %h = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x8xf32>
  %pos = fin.positions %tokens : tensor<?x?xi32>
  %shifted = fin.positions %tokens {offset = 2 : i64} : tensor<?x?xi32>
  %learned = fin.param "positions" : tensor<32x8xf32>
  %e = fin.embedding %shifted, %learned : tensor<?x?xi32>, tensor<32x8xf32>
  %h0 = arith.addf %h, %e : tensor<?x?x8xf32>
  %wk = fin.param "k" : tensor<4x8xf32>
  %k = fin.linear %h0, %wk : tensor<?x?x8xf32>, tensor<4x8xf32>
  %kr = fin.rope half %k at %pos {base = 1.0e4 : f64, head_dim = 4 : i64} : tensor<?x?x4xf32>, tensor<?x?xi32>
  %a0 = fin.attention %h0 at %pos, %kr, %k {heads = 2 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
     : (tensor<?x?x8xf32>, tensor<?x?xi32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x8xf32>
  %h1 = arith.addf %h0, %a0 : tensor<?x?x8xf32>
  %a1 = fin.attention %h1 at %pos, %kr, %k {heads = 2 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64, window = 3 : i64}
     : (tensor<?x?x8xf32>, tensor<?x?xi32>, tensor<?x?x4xf32>, tensor<?x?x4xf32>) -> tensor<?x?x8xf32>
  %h2 = arith.addf %h1, %a1 : tensor<?x?x8xf32>
  %n = fin.rms_norm %h2 {eps = 1.0e-5 : f64} : tensor<?x?x8xf32>
  %y = fin.linear %n, %table : tensor<?x?x8xf32>, tensor<10x8xf32>
  %c = fin.soft_cap %y at 30.0 : tensor<?x?x10xf32>
  return %c : tensor<?x?x10xf32>
}
