// Sums, statistics and angles of 16-bit floats are taken in f32, those of f64 in f64: each
// value below would be another one if its sum ran in the type of its storage.
// RUN: fingpt-opt %s --fin-decompose %{lower} | %{run} | FileCheck %s

func.func @show(%x: f32) {
  vector.print %x : f32
  return
}

func.func @main() {
  %zero = arith.constant 0 : index

  // 4096 · f16(0.1), rounded once. In f16 the sum stops at 256.
  // NumPy: np.float16(4096 * np.float32(np.float16(0.1)))
  // CHECK: 409.5
  %x_f16 = arith.constant dense<0.1> : tensor<4096xf16>
  %ones_f16 = arith.constant dense<1.0> : tensor<1x4096xf16>
  %y_f16 = fin.linear %x_f16, %ones_f16 : tensor<4096xf16>, tensor<1x4096xf16>
  %y_f16_0 = tensor.extract %y_f16[%zero] : tensor<1xf16>
  %y_f16_w = arith.extf %y_f16_0 : f16 to f32
  call @show(%y_f16_w) : (f32) -> ()

  // 4096 · bf16(0.1), rounded once. In bf16 the sum stops at 32.
  // NumPy: bf16(4096 * bf16(0.1)), bf16 rounding to the nearest even
  // CHECK-NEXT: 410
  %x_bf16 = arith.constant dense<0.1> : tensor<4096xbf16>
  %ones_bf16 = arith.constant dense<1.0> : tensor<1x4096xbf16>
  %y_bf16 = fin.linear %x_bf16, %ones_bf16 : tensor<4096xbf16>, tensor<1x4096xbf16>
  %y_bf16_0 = tensor.extract %y_bf16[%zero] : tensor<1xbf16>
  %y_bf16_w = arith.extf %y_bf16_0 : bf16 to f32
  call @show(%y_bf16_w) : (f32) -> ()

  // A rank of 4096, likewise.
  // CHECK-NEXT: 409.5
  %b = arith.constant dense<0.1> : tensor<1x4096xf16>
  %a = arith.constant dense<1.0> : tensor<4096x1xf16>
  %lr = fin.low_rank %b, %a : tensor<1x4096xf16>, tensor<4096x1xf16>
  %lr_0 = tensor.extract %lr[%zero, %zero] : tensor<1x1xf16>
  %lr_w = arith.extf %lr_0 : f16 to f32
  call @show(%lr_w) : (f32) -> ()

  // 300² has no f16; its root mean square is 300, so the norm is 1.
  // CHECK-NEXT: 1{{$}}
  %large = arith.constant dense<300.0> : tensor<8xf16>
  %n = fin.rms_norm %large {eps = 0.0 : f64} : tensor<8xf16>
  %n_0 = tensor.extract %n[%zero] : tensor<8xf16>
  %n_w = arith.extf %n_0 : f16 to f32
  call @show(%n_w) : (f32) -> ()

  // 4096 equal probabilities: in f16 the sum of exponentials would stop at 2048.
  // CHECK-NEXT: 0.000244141{{$}}
  %flat = arith.constant dense<1.0> : tensor<4096xf16>
  %p = fin.softmax %flat : tensor<4096xf16>
  %p_0 = tensor.extract %p[%zero] : tensor<4096xf16>
  %p_w = arith.extf %p_0 : f16 to f32
  call @show(%p_w) : (f32) -> ()

  // Position 4097 has no bf16 (it would be 4096, with cosine 0.804688).
  // NumPy: bf16(np.cos(4097))
  // CHECK-NEXT: 0.933594
  %unit = arith.constant dense<[[[1.0, 0.0]]]> : tensor<1x1x2xbf16>
  %at = arith.constant dense<4097> : tensor<1x1xi32>
  %r = fin.rope half %unit at %at {base = 1.0e4 : f64, head_dim = 2 : i64} : tensor<1x1x2xbf16>, tensor<1x1xi32>
  %r_0 = tensor.extract %r[%zero, %zero, %zero] : tensor<1x1x2xbf16>
  %r_w = arith.extf %r_0 : bf16 to f32
  call @show(%r_w) : (f32) -> ()

  // Terms of a sum of weights are rounded once: 2048 + 1 + 1 stops at 2048 in f16.
  // CHECK-NEXT: 2050
  %w2048 = arith.constant dense<2048.0> : tensor<1x1xf16>
  %w1 = arith.constant dense<1.0> : tensor<1x1xf16>
  %sum = fin.sum %w2048, %w1, %w1 : tensor<1x1xf16>
  %sum_0 = tensor.extract %sum[%zero, %zero] : tensor<1x1xf16>
  %sum_w = arith.extf %sum_0 : f16 to f32
  call @show(%sum_w) : (f32) -> ()

  // Attention over 4096 keys with the values 0.1 in f16.
  // CHECK-NEXT: 0.0999756
  %q = arith.constant dense<0.0> : tensor<1x1x2xf16>
  %k = arith.constant dense<0.0> : tensor<1x4096x2xf16>
  %v = arith.constant dense<0.1> : tensor<1x4096x2xf16>
  %att = fin.attention %q, %k, %v {heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64}
      : (tensor<1x1x2xf16>, tensor<1x4096x2xf16>, tensor<1x4096x2xf16>) -> tensor<1x1x2xf16>
  %att_0 = tensor.extract %att[%zero, %zero, %zero] : tensor<1x1x2xf16>
  %att_w = arith.extf %att_0 : f16 to f32
  call @show(%att_w) : (f32) -> ()

  // In f64 nothing passes through f32: 1e9 + 1 − 1e9 is 1.
  // CHECK-NEXT: 1{{$}}
  %x64 = arith.constant dense<[1.0e9, 1.0, -1.0e9]> : tensor<3xf64>
  %ones64 = arith.constant dense<1.0> : tensor<1x3xf64>
  %y64 = fin.linear %x64, %ones64 : tensor<3xf64>, tensor<1x3xf64>
  %y64_0 = tensor.extract %y64[%zero] : tensor<1xf64>
  vector.print %y64_0 : f64

  // CHECK-NEXT: 1{{$}}
  %b64 = arith.constant dense<[[1.0e9, 1.0, -1.0e9]]> : tensor<1x3xf64>
  %a64 = arith.constant dense<1.0> : tensor<3x1xf64>
  %lr64 = fin.low_rank %b64, %a64 : tensor<1x3xf64>, tensor<3x1xf64>
  %lr64_0 = tensor.extract %lr64[%zero, %zero] : tensor<1x1xf64>
  vector.print %lr64_0 : f64

  // NumPy: np.exp(1e-9) - 1, of two logits 1e-9 apart; f32 would say 0.
  // CHECK-NEXT: 1e-09{{$}}
  %close = arith.constant dense<[1.0e-9, 0.0]> : tensor<2xf64>
  %p64 = fin.softmax %close : tensor<2xf64>
  %one = arith.constant 1 : index
  %p64_a = tensor.extract %p64[%zero] : tensor<2xf64>
  %p64_b = tensor.extract %p64[%one] : tensor<2xf64>
  %ratio = arith.divf %p64_a, %p64_b : f64
  %unit64 = arith.constant 1.0 : f64
  %difference = arith.subf %ratio, %unit64 : f64
  vector.print %difference : f64

  // A mean of 1e9 leaves the deviations ±1.
  // CHECK-NEXT: 1{{$}}
  %far = arith.constant dense<[1000000001.0, 999999999.0]> : tensor<2xf64>
  %n64 = fin.layer_norm %far {eps = 0.0 : f64} : (tensor<2xf64>) -> tensor<2xf64>
  %n64_0 = tensor.extract %n64[%zero] : tensor<2xf64>
  vector.print %n64_0 : f64

  // The frequency 1e4^(−2/4) = 0.01 is f64: at position 2147483647 the f32 frequency gives
  // another angle altogether.
  // NumPy: np.cos(2147483647 * 1e4 ** -0.5)
  // CHECK-NEXT: -0.712817
  %unit4 = arith.constant dense<[[[0.0, 1.0, 0.0, 0.0]]]> : tensor<1x1x4xf64>
  %max = arith.constant dense<2147483647> : tensor<1x1xi32>
  %r64 = fin.rope half %unit4 at %max {base = 1.0e4 : f64, head_dim = 4 : i64} : tensor<1x1x4xf64>, tensor<1x1xi32>
  %r64_0 = tensor.extract %r64[%zero, %zero, %one] : tensor<1x1x4xf64>
  vector.print %r64_0 : f64
  return
}
