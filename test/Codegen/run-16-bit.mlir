// What the ops compute in f16 and bf16: the f64 result on the rounded inputs, rounded once.
// RUN: fingpt-opt %s --fin-decompose %{lower} | %{run} | FileCheck %s --check-prefixes=F16
// RUN: sed "s/xf16/xbf16/g" %s | fingpt-opt --fin-decompose %{lower} | %{run} | FileCheck %s --check-prefixes=BF16

func.func @main() {
  %zero = arith.constant 0 : index
  %pad = arith.constant 0.0 : f32

  %x = arith.constant dense<[[[1.22, 1.23, 0.06, -0.86], [-1.78, -0.47, -0.37, -1.82]]]> : tensor<1x2x4xf16>
  %w = arith.constant dense<[[-1.8, 2.0, 0.61, -1.06], [-0.26, 1.9, 1.59, 1.38], [-0.43, -0.03, 0.71, -1.76]]> : tensor<3x4xf16>
  %b = arith.constant dense<[0.22, -0.91, 1.52]> : tensor<3xf16>
  %g = arith.constant dense<[-1.74, 0.72, 1.48, -1.09]> : tensor<4xf16>
  %q = arith.constant dense<[[[1.58, 1.49, -1.93, 0.83], [-2.0, 0.01, -0.25, -1.19]]]> : tensor<1x2x4xf16>
  %k = arith.constant dense<[[[-0.7, 1.22], [-0.73, -1.4], [0.79, -0.21]]]> : tensor<1x3x2xf16>
  %v = arith.constant dense<[[[1.2, -1.06], [-0.72, 1.2], [0.03, 0.03]]]> : tensor<1x3x2xf16>
  %p = arith.constant dense<[[1, 2]]> : tensor<1x2xi32>

  // NumPy: x @ w.T + b
  // F16: ( ( ( 1.43359, 0.0199432, 2.51367 ), ( 4.1875, -4.44141, 5.23828 ) ) )
  // BF16: ( ( ( 1.42969, 0.00915527, 2.51562 ), ( 4.1875, -4.4375, 5.25 ) ) )
  %y = fin.linear %x, %w bias %b : tensor<1x2x4xf16>, tensor<3x4xf16>, tensor<3xf16>
  %y_32 = arith.extf %y : tensor<1x2x3xf16> to tensor<1x2x3xf32>
  %y_v = vector.transfer_read %y_32[%zero, %zero, %zero], %pad : tensor<1x2x3xf32>, vector<1x2x3xf32>
  vector.print %y_v : vector<1x2x3xf32>

  // NumPy: x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * g
  // F16-NEXT: ( ( ( -2.19336, 0.916016, 0.0917969, 0.96875 ), ( 2.36914, -0.258789, -0.418945, 1.5166 ) ) )
  // BF16-NEXT: ( ( ( -2.20312, 0.914062, 0.0917969, 0.972656 ), ( 2.375, -0.257812, -0.416016, 1.52344 ) ) )
  %n = fin.rms_norm %x, %g {eps = 1.0e-5 : f64} : tensor<1x2x4xf16>, tensor<4xf16>
  %n_32 = arith.extf %n : tensor<1x2x4xf16> to tensor<1x2x4xf32>
  %n_v = vector.transfer_read %n_32[%zero, %zero, %zero], %pad : tensor<1x2x4xf32>, vector<1x2x4xf32>
  vector.print %n_v : vector<1x2x4xf32>

  // NumPy: (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * g
  // F16-NEXT: ( ( ( -1.60449, 0.672852, -0.596191, 1.58496 ), ( 1.6875, 0.666992, 1.58496, 1.12012 ) ) )
  // BF16-NEXT: ( ( ( -1.60938, 0.671875, -0.59375, 1.59375 ), ( 1.6875, 0.664062, 1.58594, 1.125 ) ) )
  %l = fin.layer_norm %x weight %g {eps = 1.0e-5 : f64} : (tensor<1x2x4xf16>, tensor<4xf16>) -> tensor<1x2x4xf16>
  %l_32 = arith.extf %l : tensor<1x2x4xf16> to tensor<1x2x4xf32>
  %l_v = vector.transfer_read %l_32[%zero, %zero, %zero], %pad : tensor<1x2x4xf32>, vector<1x2x4xf32>
  vector.print %l_v : vector<1x2x4xf32>

  // rope, inv and attention as in run-rope.mlir and run-attention.mlir.
  // NumPy: rope(x, p, inv(1e4, 4), 4)
  // F16-NEXT: ( ( ( 0.608398, 1.23926, 1.05859, -0.847656 ), ( 1.07715, -0.433594, -1.46484, -1.8291 ) ) )
  // BF16-NEXT: ( ( ( 0.609375, 1.23438, 1.05469, -0.847656 ), ( 1.07812, -0.433594, -1.46875, -1.82812 ) ) )
  %r = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64} : tensor<1x2x4xf16>, tensor<1x2xi32>
  %r_32 = arith.extf %r : tensor<1x2x4xf16> to tensor<1x2x4xf32>
  %r_v = vector.transfer_read %r_32[%zero, %zero, %zero], %pad : tensor<1x2x4xf32>, vector<1x2x4xf32>
  vector.print %r_v : vector<1x2x4xf32>

  // NumPy: attention(q, k, v, 2, 1, 0.75, np.arange(3) <= p[:, :, None])
  // F16-NEXT: ( ( ( 1.10547, -0.94873, 0.874512, -0.67627 ), ( 0.21814, 0.0817261, -0.440674, 0.815918 ) ) )
  // BF16-NEXT: ( ( ( 1.10938, -0.953125, 0.875, -0.675781 ), ( 0.21875, 0.0830078, -0.4375, 0.816406 ) ) )
  %a = fin.attention %q at %p, %k, %v {heads = 2 : i64, kv_heads = 1 : i64, causal, scale = 0.75 : f64}
      : (tensor<1x2x4xf16>, tensor<1x2xi32>, tensor<1x3x2xf16>, tensor<1x3x2xf16>) -> tensor<1x2x4xf16>
  %a_32 = arith.extf %a : tensor<1x2x4xf16> to tensor<1x2x4xf32>
  %a_v = vector.transfer_read %a_32[%zero, %zero, %zero], %pad : tensor<1x2x4xf32>, vector<1x2x4xf32>
  vector.print %a_v : vector<1x2x4xf32>

  // NumPy: np.exp(x) / np.exp(x).sum(-1, keepdims=True)
  // F16-NEXT: ( ( ( 0.408203, 0.412598, 0.128052, 0.0510254 ), ( 0.102417, 0.379639, 0.419434, 0.0983887 ) ) )
  // BF16-NEXT: ( ( ( 0.408203, 0.412109, 0.12793, 0.0512695 ), ( 0.102539, 0.378906, 0.419922, 0.0981445 ) ) )
  %s = fin.softmax %x : tensor<1x2x4xf16>
  %s_32 = arith.extf %s : tensor<1x2x4xf16> to tensor<1x2x4xf32>
  %s_v = vector.transfer_read %s_32[%zero, %zero, %zero], %pad : tensor<1x2x4xf32>, vector<1x2x4xf32>
  vector.print %s_v : vector<1x2x4xf32>

  // NumPy: x / (1 + np.exp(-x))
  // F16-NEXT: ( ( ( 0.941406, 0.952148, 0.030899, -0.255615 ), ( -0.256836, -0.180786, -0.151245, -0.253662 ) ) )
  // BF16-NEXT: ( ( ( 0.941406, 0.949219, 0.0308838, -0.255859 ), ( -0.255859, -0.180664, -0.151367, -0.253906 ) ) )
  %u = fin.silu %x : tensor<1x2x4xf16>
  %u_32 = arith.extf %u : tensor<1x2x4xf16> to tensor<1x2x4xf32>
  %u_v = vector.transfer_read %u_32[%zero, %zero, %zero], %pad : tensor<1x2x4xf32>, vector<1x2x4xf32>
  vector.print %u_v : vector<1x2x4xf32>

  // NumPy: x * (1 + erf(x / 2 ** 0.5)) / 2
  // F16-NEXT: ( ( ( 1.08398, 1.0957, 0.0314331, -0.167603 ), ( -0.0667725, -0.150024, -0.131592, -0.062561 ) ) )
  // BF16-NEXT: ( ( ( 1.08594, 1.09375, 0.0314941, -0.167969 ), ( -0.0668945, -0.150391, -0.131836, -0.0625 ) ) )
  %e = fin.gelu exact %x : tensor<1x2x4xf16>
  %e_32 = arith.extf %e : tensor<1x2x4xf16> to tensor<1x2x4xf32>
  %e_v = vector.transfer_read %e_32[%zero, %zero, %zero], %pad : tensor<1x2x4xf32>, vector<1x2x4xf32>
  vector.print %e_v : vector<1x2x4xf32>

  // NumPy: x * 24
  // F16-NEXT: ( ( ( 29.2812, 29.5312, 1.43945, -20.6406 ), ( -42.7188, -11.2812, -8.88281, -43.6875 ) ) )
  // BF16-NEXT: ( ( ( 29.25, 29.5, 1.4375, -20.625 ), ( -42.75, -11.3125, -8.875, -43.75 ) ) )
  %m = fin.multiply %x by 24.0 : tensor<1x2x4xf16>
  %m_32 = arith.extf %m : tensor<1x2x4xf16> to tensor<1x2x4xf32>
  %m_v = vector.transfer_read %m_32[%zero, %zero, %zero], %pad : tensor<1x2x4xf32>, vector<1x2x4xf32>
  vector.print %m_v : vector<1x2x4xf32>

  // NumPy: w * g
  // F16-NEXT: ( ( 3.13281, 1.44043, 0.902832, 1.1543 ), ( 0.452393, 1.36914, 2.35352, -1.50391 ), ( 0.748047, -0.0216064, 1.05078, 1.91797 ) )
  // BF16-NEXT: ( ( 3.125, 1.4375, 0.898438, 1.16406 ), ( 0.453125, 1.36719, 2.35938, -1.51562 ), ( 0.75, -0.0216064, 1.04688, 1.92188 ) )
  %c = fin.scale %w along columns by %g : tensor<3x4xf16>, tensor<4xf16>
  %c_32 = arith.extf %c : tensor<3x4xf16> to tensor<3x4xf32>
  %c_v = vector.transfer_read %c_32[%zero, %zero], %pad : tensor<3x4xf32>, vector<3x4xf32>
  vector.print %c_v : vector<3x4xf32>
  return
}
