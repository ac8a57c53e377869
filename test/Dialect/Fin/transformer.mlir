// Every op of the transformer in every form of its operands survives printing and
// parsing, in the custom and in the generic syntax.
// RUN: fingpt-opt %s | fingpt-opt | FileCheck %s
// RUN: fingpt-opt %s --mlir-print-op-generic | fingpt-opt | FileCheck %s

// CHECK: module attributes {fin.model = #fin.model<arch = "llama", context_length = 8192, vocab_size = 49152, layers = 30>}
module attributes {fin.model = #fin.model<arch = "llama", context_length = 8192,
                                          vocab_size = 49152, layers = 30>} {

// CHECK-LABEL: func.func @linear
func.func @linear(%x: tensor<?x?x4xf32>, %v: tensor<4xf64>, %w: tensor<6x4xf32>,
                  %w64: tensor<6x4xf64>, %b: tensor<6xf32>) -> tensor<6xf64> {
  // CHECK: fin.linear %{{.*}}, %{{.*}} : tensor<?x?x4xf32>, tensor<6x4xf32>
  %0 = fin.linear %x, %w : tensor<?x?x4xf32>, tensor<6x4xf32>
  // CHECK: fin.linear %{{.*}}, %{{.*}} bias %{{.*}} : tensor<?x?x4xf32>, tensor<6x4xf32>, tensor<6xf32>
  %1 = fin.linear %x, %w bias %b : tensor<?x?x4xf32>, tensor<6x4xf32>, tensor<6xf32>
  // One vector is an input too; the result's type is inferred.
  // CHECK: %[[Y:.*]] = fin.linear %{{.*}}, %{{.*}} : tensor<4xf64>, tensor<6x4xf64>
  // CHECK: return %[[Y]] : tensor<6xf64>
  %2 = fin.linear %v, %w64 : tensor<4xf64>, tensor<6x4xf64>
  return %2 : tensor<6xf64>
}

// CHECK-LABEL: func.func @tokens
func.func @tokens(%tokens: tensor<?x?xi32>, %id: tensor<i32>, %table: tensor<10x4xf16>)
    -> (tensor<?x?x4xf16>, tensor<4xf16>) {
  // CHECK: %[[E:.*]] = fin.embedding %{{.*}}, %{{.*}} : tensor<?x?xi32>, tensor<10x4xf16>
  %0 = fin.embedding %tokens, %table : tensor<?x?xi32>, tensor<10x4xf16>
  // CHECK: %[[ONE:.*]] = fin.embedding %{{.*}}, %{{.*}} : tensor<i32>, tensor<10x4xf16>
  %1 = fin.embedding %id, %table : tensor<i32>, tensor<10x4xf16>
  // CHECK: fin.positions %{{.*}} : tensor<?x?xi32>
  %2 = fin.positions %tokens : tensor<?x?xi32>
  // CHECK: fin.positions %{{.*}} {offset = 2 : i64} : tensor<?x?xi32>
  %3 = fin.positions %tokens {offset = 2 : i64} : tensor<?x?xi32>
  // CHECK: return %[[E]], %[[ONE]] : tensor<?x?x4xf16>, tensor<4xf16>
  return %0, %1 : tensor<?x?x4xf16>, tensor<4xf16>
}

// CHECK-LABEL: func.func @norms
func.func @norms(%x: tensor<?x?x8xf32>, %w: tensor<8xf32>, %h: tensor<4xf32>) {
  // CHECK: fin.rms_norm %[[X:.*]] {eps = 0.000000e+00 : f64} : tensor<?x?x8xf32>
  %0 = fin.rms_norm %x {eps = 0.0 : f64} : tensor<?x?x8xf32>
  // CHECK: fin.rms_norm %[[X]], %[[W:.*]] {eps = 1.000000e-05 : f64} : tensor<?x?x8xf32>, tensor<8xf32>
  %1 = fin.rms_norm %x, %w {eps = 1.0e-5 : f64} : tensor<?x?x8xf32>, tensor<8xf32>
  // CHECK: fin.rms_norm %[[X]] {eps = 1.000000e-05 : f64, width = 12 : i64} : tensor<?x?x8xf32>
  %sliced = fin.rms_norm %x {eps = 1.0e-5 : f64, width = 12 : i64} : tensor<?x?x8xf32>
  // CHECK: fin.rms_norm %[[X]], %[[H:.*]] {eps = 1.000000e-05 : f64, head_dim = 4 : i64} : tensor<?x?x8xf32>, tensor<4xf32>
  %2 = fin.rms_norm %x, %h {eps = 1.0e-5 : f64, head_dim = 4 : i64}
     : tensor<?x?x8xf32>, tensor<4xf32>
  // CHECK: fin.layer_norm %[[X]] {eps = 1.000000e-05 : f64} : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  %3 = fin.layer_norm %x {eps = 1.0e-5 : f64} : (tensor<?x?x8xf32>) -> tensor<?x?x8xf32>
  // CHECK: fin.layer_norm %[[X]] weight %[[W]] {eps = 1.000000e-05 : f64} : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  %4 = fin.layer_norm %x weight %w {eps = 1.0e-5 : f64}
     : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  // Alone, a bias is no weight.
  // CHECK: fin.layer_norm %[[X]] bias %[[W]] {eps = 1.000000e-05 : f64} : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  %5 = fin.layer_norm %x bias %w {eps = 1.0e-5 : f64}
     : (tensor<?x?x8xf32>, tensor<8xf32>) -> tensor<?x?x8xf32>
  // CHECK: fin.layer_norm %[[X]] weight %[[H]] bias %[[H]] {eps = 1.000000e-05 : f64, head_dim = 4 : i64}
  // CHECK-SAME: : (tensor<?x?x8xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x?x8xf32>
  %6 = fin.layer_norm %x weight %h bias %h {eps = 1.0e-5 : f64, head_dim = 4 : i64}
     : (tensor<?x?x8xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x?x8xf32>
  return
}

// CHECK-LABEL: func.func @rope
func.func @rope(%x: tensor<?x?x16xf32>, %p: tensor<?x?xi32>, %d: tensor<2xf32>) {
  // CHECK: fin.rope half %{{.*}} at %{{.*}} {base = 1.000000e+04 : f64, head_dim = 8 : i64} : tensor<?x?x16xf32>, tensor<?x?xi32>
  %0 = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 8 : i64}
     : tensor<?x?x16xf32>, tensor<?x?xi32>
  // CHECK: fin.rope interleaved %{{.*}} at %{{.*}} {base = 1.000000e+04 : f64, head_dim = 8 : i64, rotary_dim = 4 : i64}
  %1 = fin.rope interleaved %x at %p {base = 1.0e4 : f64, head_dim = 8 : i64, rotary_dim = 4 : i64}
     : tensor<?x?x16xf32>, tensor<?x?xi32>
  // CHECK: fin.rope half %{{.*}} at %{{.*}} divisors %{{.*}} {base = 1.000000e+04 : f64, head_dim = 4 : i64}
  // CHECK-SAME: : tensor<?x?x16xf32>, tensor<?x?xi32>, tensor<2xf32>
  %2 = fin.rope half %x at %p divisors %d {base = 1.0e4 : f64, head_dim = 4 : i64}
     : tensor<?x?x16xf32>, tensor<?x?xi32>, tensor<2xf32>
  return
}

// CHECK-LABEL: func.func @rope_scaling
func.func @rope_scaling(%x: tensor<?x?x16xf32>, %p: tensor<?x?xi32>) {
  // The attribute is printed once, by name.
  // CHECK: fin.rope half %{{.*}} at %{{.*}} {base = 1.000000e+04 : f64, head_dim = 4 : i64, scaling = #[[LINEAR:rope_scaling.*]]}
  %0 = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64,
      scaling = #fin.rope_scaling<"linear", {factor = 8.0 : f64}>}
     : tensor<?x?x16xf32>, tensor<?x?xi32>
  // CHECK: fin.rope half %{{.*}} at %{{.*}} {base = 1.000000e+04 : f64, head_dim = 4 : i64, scaling = #rope_scaling{{[0-9]*}}}
  %1 = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64,
      scaling = #fin.rope_scaling<"llama3", {factor = 8.0 : f64, low_frequency_factor = 1.0 : f64,
        high_frequency_factor = 4.0 : f64, original_context = 8192 : i64}>}
     : tensor<?x?x16xf32>, tensor<?x?xi32>
  %2 = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64,
      scaling = #fin.rope_scaling<"yarn", {factor = 4.0 : f64, beta_fast = 32.0 : f64,
        beta_slow = 1.0 : f64, attention_factor = 1.1 : f64, original_context = 4096 : i64,
        truncate = 1 : i64}>}
     : tensor<?x?x16xf32>, tensor<?x?xi32>
  %3 = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64,
      scaling = #fin.rope_scaling<"longrope", {short_factors = array<f64: 1.0, 1.5>,
        long_factors = array<f64: 2.0, 4.0>, attention_factor = 1.2 : f64,
        original_context = 4096 : i64}>}
     : tensor<?x?x16xf32>, tensor<?x?xi32>
  return
}

// CHECK-LABEL: func.func @attention
func.func @attention(%q: tensor<?x?x16xf32>, %k: tensor<?x?x8xf32>, %v: tensor<?x?x6xf32>,
                     %p: tensor<?x?xi32>, %lengths: tensor<?xi32>,
                     %mask: tensor<1x4x?x?xf32>, %sinks: tensor<4xf32>) {
  // Values may have a head size of their own.
  // CHECK: fin.attention %[[Q:[^ ]*]], %[[K:.*]], %[[V:.*]] {heads = 4 : i64, kv_heads = 2 : i64, scale = 5.000000e-01 : f64}
  // CHECK-SAME: : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x6xf32>) -> tensor<?x?x12xf32>
  %0 = fin.attention %q, %k, %v {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.5 : f64}
     : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x6xf32>) -> tensor<?x?x12xf32>
  // CHECK: fin.attention %[[Q]] at %[[P:.*]], %[[K]], %[[V]] {causal, heads = 4 : i64, kv_heads = 2 : i64, scale = 5.000000e-01 : f64}
  // CHECK-SAME: : (tensor<?x?x16xf32>, tensor<?x?xi32>, tensor<?x?x8xf32>, tensor<?x?x6xf32>) -> tensor<?x?x12xf32>
  %1 = fin.attention %q at %p, %k, %v {heads = 4 : i64, kv_heads = 2 : i64, causal, scale = 0.5 : f64}
     : (tensor<?x?x16xf32>, tensor<?x?xi32>, tensor<?x?x8xf32>, tensor<?x?x6xf32>)
       -> tensor<?x?x12xf32>
  // CHECK: fin.attention %[[Q]] at %[[P]], %[[K]], %[[V]] lengths %[[LENGTHS:.*]] mask %[[MASK:.*]] sinks %[[SINKS:.*]] {
  // CHECK-SAME: causal, heads = 4 : i64, kv_heads = 2 : i64, scale = 5.000000e-01 : f64, soft_cap = 3.000000e+01 : f64, window = 3 : i64}
  %2 = fin.attention %q at %p, %k, %v lengths %lengths mask %mask sinks %sinks
       {heads = 4 : i64, kv_heads = 2 : i64, causal, scale = 0.5 : f64, window = 3 : i64,
        soft_cap = 30.0 : f64}
     : (tensor<?x?x16xf32>, tensor<?x?xi32>, tensor<?x?x8xf32>, tensor<?x?x6xf32>, tensor<?xi32>,
        tensor<1x4x?x?xf32>, tensor<4xf32>) -> tensor<?x?x12xf32>
  // CHECK: fin.attention %[[Q]], %[[K]], %[[V]] lengths %[[LENGTHS]] {heads
  %3 = fin.attention %q, %k, %v lengths %lengths {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.5 : f64}
     : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x6xf32>, tensor<?xi32>) -> tensor<?x?x12xf32>
  // CHECK: fin.attention %[[Q]], %[[K]], %[[V]] mask %[[MASK]] {heads
  %4 = fin.attention %q, %k, %v mask %mask {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.5 : f64}
     : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x6xf32>, tensor<1x4x?x?xf32>)
       -> tensor<?x?x12xf32>
  // CHECK: fin.attention %[[Q]], %[[K]], %[[V]] sinks %[[SINKS]] {heads
  %5 = fin.attention %q, %k, %v sinks %sinks {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.5 : f64}
     : (tensor<?x?x16xf32>, tensor<?x?x8xf32>, tensor<?x?x6xf32>, tensor<4xf32>) -> tensor<?x?x12xf32>
  return
}

// CHECK-LABEL: func.func @elementwise
func.func @elementwise(%x: tensor<?x4xf32>, %scalar: tensor<f64>) {
  // CHECK: fin.softmax %[[X:.*]] : tensor<?x4xf32>
  %0 = fin.softmax %x : tensor<?x4xf32>
  // CHECK: fin.gelu exact %[[X]] : tensor<?x4xf32>
  %1 = fin.gelu exact %x : tensor<?x4xf32>
  // CHECK: fin.gelu tanh %[[X]] : tensor<?x4xf32>
  %2 = fin.gelu tanh %x : tensor<?x4xf32>
  // CHECK: fin.gelu quick %[[X]] : tensor<?x4xf32>
  %3 = fin.gelu quick %x : tensor<?x4xf32>
  // CHECK: fin.silu %[[X]] : tensor<?x4xf32>
  %4 = fin.silu %x : tensor<?x4xf32>
  // CHECK: fin.relu %[[X]] : tensor<?x4xf32>
  %5 = fin.relu %x : tensor<?x4xf32>
  // CHECK: fin.sigmoid %{{.*}} : tensor<f64>
  %6 = fin.sigmoid %scalar : tensor<f64>
  // CHECK: fin.multiply %[[X]] by 2.400000e+01 : tensor<?x4xf32>
  %7 = fin.multiply %x by 24.0 : tensor<?x4xf32>
  // CHECK: fin.multiply %[[X]] by -5.000000e-01 : tensor<?x4xf32>
  %8 = fin.multiply %x by -0.5 : tensor<?x4xf32>
  // CHECK: fin.soft_cap %[[X]] at 3.000000e+01 : tensor<?x4xf32>
  %9 = fin.soft_cap %x at 30.0 : tensor<?x4xf32>
  return
}

}
