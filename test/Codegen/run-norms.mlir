// RMS and layer norms, of whole axes and of heads.
// RUN: fingpt-opt %s --fin-decompose %{lower} | %{run} | FileCheck %s
// RUN: sed s/f32/f64/g %s | fingpt-opt --fin-decompose %{lower} | %{run} | FileCheck %s

func.func @main() {
  %zero = arith.constant 0 : index
  %pad = arith.constant 0.0 : f32

  %x = arith.constant dense<[[1.0, 2.0, -3.0, 4.0], [0.5, 0.25, -0.125, 8.0]]> : tensor<2x4xf32>
  %w = arith.constant dense<[1.0, -2.0, 0.5, 3.0]> : tensor<4xf32>
  %b = arith.constant dense<[0.1, 0.2, 0.3, 0.4]> : tensor<4xf32>
  %h = arith.constant dense<[2.0, -1.0]> : tensor<2xf32>
  %hb = arith.constant dense<[0.5, 0.75]> : tensor<2xf32>
  // NumPy below:
  //   rms = lambda x, eps: x / np.sqrt((x * x).mean(-1, keepdims=True) + eps)
  //   ln = lambda x, eps: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps)

  // NumPy: rms(x, 0)
  // CHECK: ( ( {{0.365148|0.365149}}, {{0.730296|0.730297}}, {{-1.09544|-1.09545}}, 1.46059 ), ( 0.124681, 0.0623404, -0.0311702, 1.99489 ) )
  %r0 = fin.rms_norm %x {eps = 0.0 : f64} : tensor<2x4xf32>
  %v1 = vector.transfer_read %r0[%zero, %zero], %pad : tensor<2x4xf32>, vector<2x4xf32>
  vector.print %v1 : vector<2x4xf32>

  // eps stands under the root.
  // NumPy: rms(x, 0.5)
  // CHECK-NEXT: ( ( {{0.353553|0.353554}}, {{0.707106|0.707107}}, -1.06066, 1.41421 ), ( 0.122787, 0.0613933, {{-0.0306966|-0.0306967}}, 1.96459 ) )
  %r1 = fin.rms_norm %x {eps = 0.5 : f64} : tensor<2x4xf32>
  %v2 = vector.transfer_read %r1[%zero, %zero], %pad : tensor<2x4xf32>, vector<2x4xf32>
  vector.print %v2 : vector<2x4xf32>

  // NumPy: rms(x, 1e-5) * w
  // CHECK-NEXT: ( ( 0.365148, -1.46059, -0.547722, 4.38178 ), ( 0.124681, -0.124681, -0.0155851, {{5.98467|5.98468}} ) )
  %r2 = fin.rms_norm %x, %w {eps = 1.0e-5 : f64} : tensor<2x4xf32>, tensor<4xf32>
  %v3 = vector.transfer_read %r2[%zero, %zero], %pad : tensor<2x4xf32>, vector<2x4xf32>
  vector.print %v3 : vector<2x4xf32>

  // Heads of two elements share a weight.
  // NumPy: (rms(x.reshape(2, 2, 2), 1e-5) * h).reshape(2, 4)
  // CHECK-NEXT: ( ( 1.26491, -1.26491, {{-1.69705|-1.69706}}, -1.13137 ), ( 2.52974, {{-0.632435|-0.632436}}, -0.0441888, -1.41404 ) )
  %r3 = fin.rms_norm %x, %h {eps = 1.0e-5 : f64, head_dim = 2 : i64} : tensor<2x4xf32>, tensor<2xf32>
  %v4 = vector.transfer_read %r3[%zero, %zero], %pad : tensor<2x4xf32>, vector<2x4xf32>
  vector.print %v4 : vector<2x4xf32>

  // Four of eight coordinates; the others are zero.
  // NumPy: x / np.sqrt((x * x).sum(-1, keepdims=True) / 8 + 1e-5)
  // CHECK-NEXT: ( ( 0.516397, 1.03279, -1.54919, 2.06559 ), ( 0.176325, {{0.0881626|0.0881627}}, {{-0.0440813|-0.0440814}}, 2.8212 ) )
  %r4 = fin.rms_norm %x {eps = 1.0e-5 : f64, width = 8 : i64} : tensor<2x4xf32>
  %v0 = vector.transfer_read %r4[%zero, %zero], %pad : tensor<2x4xf32>, vector<2x4xf32>
  vector.print %v0 : vector<2x4xf32>

  // NumPy: ln(x, 1e-5)
  // CHECK-NEXT: ( ( {{-?0}}, 0.392232, -1.56893, 1.1767 ), ( {{-0.489838|-0.489839}}, {{-0.563776|-0.563777}}, -0.674683, 1.7283 ) )
  %l0 = fin.layer_norm %x {eps = 1.0e-5 : f64} : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %v5 = vector.transfer_read %l0[%zero, %zero], %pad : tensor<2x4xf32>, vector<2x4xf32>
  vector.print %v5 : vector<2x4xf32>

  // NumPy: ln(x, 0.5) * w
  // CHECK-NEXT: ( ( {{-?0}}, -0.755929, -0.755929, 3.40168 ), ( -0.479466, 1.10368, {{-0.330198|-0.330199}}, {{5.0751|5.07511}} ) )
  %l1 = fin.layer_norm %x weight %w {eps = 0.5 : f64} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %v6 = vector.transfer_read %l1[%zero, %zero], %pad : tensor<2x4xf32>, vector<2x4xf32>
  vector.print %v6 : vector<2x4xf32>

  // NumPy: ln(x, 1e-5) + b
  // CHECK-NEXT: ( ( 0.1, 0.592232, -1.26893, 1.5767 ), ( {{-0.389838|-0.389839}}, -0.363776, -0.374683, 2.1283 ) )
  %l2 = fin.layer_norm %x bias %b {eps = 1.0e-5 : f64} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %v7 = vector.transfer_read %l2[%zero, %zero], %pad : tensor<2x4xf32>, vector<2x4xf32>
  vector.print %v7 : vector<2x4xf32>

  // NumPy: ln(x, 1e-5) * w + b
  // CHECK-NEXT: ( ( 0.1, -0.584464, -0.484464, 3.93009 ), ( {{-0.389838|-0.389839}}, 1.32755, -0.0373416, {{5.58489|5.5849}} ) )
  %l3 = fin.layer_norm %x weight %w bias %b {eps = 1.0e-5 : f64} : (tensor<2x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
  %v8 = vector.transfer_read %l3[%zero, %zero], %pad : tensor<2x4xf32>, vector<2x4xf32>
  vector.print %v8 : vector<2x4xf32>

  // NumPy: (ln(x.reshape(2, 2, 2), 1e-5) * h + hb).reshape(2, 4)
  // CHECK-NEXT: ( ( -1.49996, -0.24998, -1.5, {{-0.249999|-0.25}} ), ( 2.49936, 1.74968, -1.5, -0.25 ) )
  %l4 = fin.layer_norm %x weight %h bias %hb {eps = 1.0e-5 : f64, head_dim = 2 : i64} : (tensor<2x4xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<2x4xf32>
  %v9 = vector.transfer_read %l4[%zero, %zero], %pad : tensor<2x4xf32>, vector<2x4xf32>
  vector.print %v9 : vector<2x4xf32>

  %big = arith.constant dense<[[4096.0, 4097.0, 4098.0, 4099.0]]> : tensor<1x4xf32>
  // A large mean does not cancel the variance.
  // NumPy: ln(big, 0)
  // CHECK-NEXT: ( ( -1.34164, {{-0.447213|-0.447214}}, {{0.447213|0.447214}}, 1.34164 ) )
  %l5 = fin.layer_norm %big {eps = 0.0 : f64} : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %v10 = vector.transfer_read %l5[%zero, %zero], %pad : tensor<1x4xf32>, vector<1x4xf32>
  vector.print %v10 : vector<1x4xf32>
  return
}
