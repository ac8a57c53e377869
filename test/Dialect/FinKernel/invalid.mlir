// Every diagnostic of the verifiers of fin_kernel.
// RUN: fingpt-opt %s --split-input-file --verify-diagnostics

func.func @mixed(%x: tensor<2x4xf32>, %w: memref<6x4xf32>, %y: tensor<2x6xf32>) {
  // expected-error @+1 {{'fin_kernel.linear' op mixes tensors and memrefs}}
  %0 = fin_kernel.linear ins(%x, %w : tensor<2x4xf32>, memref<6x4xf32>)
      outs(%y : tensor<2x6xf32>) -> tensor<2x6xf32>
  return
}

// -----

func.func @no_result(%x: tensor<2x4xf32>, %w: tensor<6x4xf32>, %y: tensor<2x6xf32>) {
  // expected-error @+1 {{'fin_kernel.linear' op needs one result on tensors, got 0}}
  fin_kernel.linear ins(%x, %w : tensor<2x4xf32>, tensor<6x4xf32>)
      outs(%y : tensor<2x6xf32>)
  return
}

// -----

func.func @buffer_result(%x: memref<2x4xf32>, %w: memref<6x4xf32>, %y: memref<2x6xf32>) {
  // expected-error @+1 {{'fin_kernel.linear' op needs no result on memrefs, got 1}}
  %0 = fin_kernel.linear ins(%x, %w : memref<2x4xf32>, memref<6x4xf32>)
      outs(%y : memref<2x6xf32>) -> tensor<2x6xf32>
  return
}

// -----

func.func @other_result(%x: tensor<2x4xf32>, %w: tensor<6x4xf32>, %y: tensor<2x6xf32>) {
  // expected-error @+1 {{'fin_kernel.linear' op result and destination differ in type}}
  %0 = fin_kernel.linear ins(%x, %w : tensor<2x4xf32>, tensor<6x4xf32>)
      outs(%y : tensor<2x6xf32>) -> tensor<?x6xf32>
  return
}

// -----

func.func @f64(%x: tensor<2x4xf64>, %w: tensor<6x4xf64>, %y: tensor<2x6xf64>) {
  // expected-error @+1 {{operand #0 must be ranked tensor of 32-bit float values or memref of 32-bit float values, but got 'tensor<2x4xf64>'}}
  %0 = fin_kernel.linear ins(%x, %w : tensor<2x4xf64>, tensor<6x4xf64>)
      outs(%y : tensor<2x6xf64>) -> tensor<2x6xf64>
  return
}

// -----

func.func @inputs(%x: tensor<2x4xf32>, %w: tensor<6x3xf32>, %y: tensor<2x6xf32>) {
  // expected-error @+1 {{'fin_kernel.linear' op shapes do not fit: 'tensor<2x4xf32>' times 'tensor<6x3xf32>' into 'tensor<2x6xf32>'}}
  %0 = fin_kernel.linear ins(%x, %w : tensor<2x4xf32>, tensor<6x3xf32>)
      outs(%y : tensor<2x6xf32>) -> tensor<2x6xf32>
  return
}

// -----

func.func @ranks(%x: tensor<1x2x4xf32>, %w: tensor<6x4xf32>, %y: tensor<2x6xf32>) {
  // expected-error @+1 {{'fin_kernel.linear' op shapes do not fit: 'tensor<1x2x4xf32>' times 'tensor<6x4xf32>' into 'tensor<2x6xf32>'}}
  %0 = fin_kernel.linear ins(%x, %w : tensor<1x2x4xf32>, tensor<6x4xf32>)
      outs(%y : tensor<2x6xf32>) -> tensor<2x6xf32>
  return
}

// -----

func.func @bias(%x: tensor<2x4xf32>, %w: tensor<6x4xf32>, %b: tensor<4xf32>, %y: tensor<2x6xf32>) {
  // expected-error @+1 {{'fin_kernel.linear' op bias must have 6 elements, got 'tensor<4xf32>'}}
  %0 = fin_kernel.linear ins(%x, %w, %b : tensor<2x4xf32>, tensor<6x4xf32>, tensor<4xf32>)
      outs(%y : tensor<2x6xf32>) -> tensor<2x6xf32>
  return
}

// -----

!q = tensor<1x2x?xf32>
func.func @width(%q: !q) {
  // expected-error @+1 {{'fin_kernel.attention' op needs [batch, tokens, width] of static width, got 'tensor<1x2x?xf32>'}}
  %0 = fin_kernel.attention %q, %q, %q outs(%q) {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !q, !q, !q) -> !q
  return
}

// -----

!q = tensor<2x4xf32>
func.func @rank(%q: !q) {
  // expected-error @+1 {{'fin_kernel.attention' op needs [batch, tokens, width] of static width, got 'tensor<2x4xf32>'}}
  %0 = fin_kernel.attention %q, %q, %q outs(%q) {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !q, !q, !q) -> !q
  return
}

// -----

!q = tensor<1x2x6xf32>
func.func @heads(%q: !q) {
  // expected-error @+1 {{'fin_kernel.attention' op heads (3) must be a positive multiple of kv_heads (2)}}
  %0 = fin_kernel.attention %q, %q, %q outs(%q) {heads = 3 : i64, kv_heads = 2 : i64, scale = 0.5 : f64}
     : (!q, !q, !q, !q) -> !q
  return
}

// -----

// A message, no division by zero.
!q = tensor<1x2x6xf32>
func.func @no_heads(%q: !q) {
  // expected-error @+1 {{'fin_kernel.attention' op heads (0) must be a positive multiple of kv_heads (1)}}
  %0 = fin_kernel.attention %q, %q, %q outs(%q) {heads = 0 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !q, !q, !q) -> !q
  return
}

// -----

!q = tensor<1x2x6xf32>
func.func @widths(%q: !q) {
  // expected-error @+1 {{'fin_kernel.attention' op widths do not fit the heads}}
  %0 = fin_kernel.attention %q, %q, %q outs(%q) {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !q, !q, !q) -> !q
  return
}

// -----

!q = tensor<1x2x6xf32>
func.func @positions(%q: !q, %e: tensor<2xi32>) {
  // expected-error @+1 {{'fin_kernel.attention' op positions must have rank 2, got 'tensor<2xi32>'}}
  %0 = fin_kernel.attention %q, %q, %q at %e outs(%q) {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !q, !q, tensor<2xi32>, !q) -> !q
  return
}

// -----

!q = tensor<1x2x6xf32>
func.func @lengths(%q: !q, %e: tensor<1x1xi32>) {
  // expected-error @+1 {{'fin_kernel.attention' op lengths must have rank 1, got 'tensor<1x1xi32>'}}
  %0 = fin_kernel.attention %q, %q, %q lengths %e outs(%q) {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !q, !q, tensor<1x1xi32>, !q) -> !q
  return
}

// -----

!q = tensor<1x2x6xf32>
func.func @mask(%q: !q, %e: tensor<2x2xf32>) {
  // expected-error @+1 {{'fin_kernel.attention' op mask must have rank 4, got 'tensor<2x2xf32>'}}
  %0 = fin_kernel.attention %q, %q, %q mask %e outs(%q) {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !q, !q, tensor<2x2xf32>, !q) -> !q
  return
}

// -----

!q = tensor<1x2x6xf32>
func.func @sinks(%q: !q, %e: tensor<1x1xf32>) {
  // expected-error @+1 {{'fin_kernel.attention' op sinks must have rank 1, got 'tensor<1x1xf32>'}}
  %0 = fin_kernel.attention %q, %q, %q sinks %e outs(%q) {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !q, !q, tensor<1x1xf32>, !q) -> !q
  return
}

// -----

// The kernel would read positions at address 0.
!q = tensor<1x2x6xf32>
func.func @causal(%q: !q) {
  // expected-error @+1 {{'fin_kernel.attention' op causal or windowed attention needs positions}}
  %0 = fin_kernel.attention %q, %q, %q outs(%q) {heads = 1 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
     : (!q, !q, !q, !q) -> !q
  return
}

// -----

!q = tensor<1x2x6xf32>
func.func @window(%q: !q) {
  // expected-error @+1 {{'fin_kernel.attention' op causal or windowed attention needs positions}}
  %0 = fin_kernel.attention %q, %q, %q outs(%q) {heads = 1 : i64, kv_heads = 1 : i64, window = 2 : i64, scale = 0.5 : f64}
     : (!q, !q, !q, !q) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x2x12xi8>
func.func @bytes(%q: !q, %k: !k) {
  // expected-error @+1 {{'fin_kernel.attention' op bytes need kv_bits, got 'tensor<1x2x12xi8>'}}
  %0 = fin_kernel.attention %q, %k, %k outs(%q) {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !k, !k, !q) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
func.func @no_bytes(%q: !q) {
  // expected-error @+1 {{'fin_kernel.attention' op kv_bits needs rows of bytes, got 'tensor<1x2x8xf32>'}}
  %0 = fin_kernel.attention %q, %q, %q outs(%q) {heads = 1 : i64, kv_heads = 1 : i64, kv_bits = 8 : i64, kv_group = 8 : i64, scale = 0.5 : f64}
     : (!q, !q, !q, !q) -> !q
  return
}

// -----

// A group must not straddle heads.
!q = tensor<1x2x8xf32>
!k = tensor<1x2x12xi8>
func.func @straddles(%q: !q, %k: !k) {
  // expected-error @+1 {{'fin_kernel.attention' op kv_bits 8 and kv_group 8 do not fit heads of 4 and 4 elements}}
  %0 = fin_kernel.attention %q, %k, %k outs(%q) {heads = 2 : i64, kv_heads = 2 : i64, kv_bits = 8 : i64, kv_group = 8 : i64, scale = 0.5 : f64}
     : (!q, !k, !k, !q) -> !q
  return
}

// -----

func.func @hadamard(%x: tensor<2x12xf32>) {
  // expected-error @+1 {{'fin_kernel.hadamard' op runs of 8 do not fit 'tensor<2x12xf32>' and 'tensor<2x12xf32>'}}
  %0 = fin_kernel.hadamard ins(%x : tensor<2x12xf32>) outs(%x : tensor<2x12xf32>) {size = 8 : i64} -> tensor<2x12xf32>
  return
}

// -----

func.func @signs(%x: tensor<2x8xf32>, %s: tensor<4xf32>) {
  // expected-error @+1 {{'fin_kernel.hadamard' op signs must have 8 elements, got 'tensor<4xf32>'}}
  %0 = fin_kernel.hadamard ins(%x, %s : tensor<2x8xf32>, tensor<4xf32>) outs(%x : tensor<2x8xf32>) {size = 8 : i64} -> tensor<2x8xf32>
  return
}

// -----

func.func @rows(%x: tensor<1x2x8xf32>, %y: tensor<1x2x8xi8>) {
  // expected-error @+1 {{'fin_kernel.quantize_rows' op does not fit 'tensor<1x2x8xf32>' and 'tensor<1x2x8xi8>'}}
  %0 = fin_kernel.quantize_rows ins(%x : tensor<1x2x8xf32>) outs(%y : tensor<1x2x8xi8>) {bits = 8 : i64, group_size = 8 : i64} -> tensor<1x2x8xi8>
  return
}
