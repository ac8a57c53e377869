// Softmax, activations, constants.
// RUN: fingpt-opt %s --fin-decompose %{lower} | %{run} | FileCheck %s
// RUN: sed s/f32/f64/g %s | fingpt-opt --fin-decompose %{lower} | %{run} | FileCheck %s

func.func @main() {
  %zero = arith.constant 0 : index
  %pad = arith.constant 0.0 : f32

  %x = arith.constant dense<[[-3.0, -1.0, -0.25, 0.0, 0.5, 1.0, 4.0, 10.0]]> : tensor<1x8xf32>
  %r = arith.constant dense<[[1.0, 2.0, 3.0, 4.0], [-1.0, 0.0, 1000.0, 998.0]]> : tensor<2x4xf32>

  // softmax = lambda x: e / e.sum(-1, keepdims=True), e = np.exp(x - x.max(-1, keepdims=True))
  // NumPy: softmax(r)
  // CHECK: ( ( 0.032058{{[0-9]*}}, 0.087144{{[0-9]*}}, {{0.236882|0.236883}}, 0.64391{{[0-9]*}} ), ( {{-?0}}, {{-?0}}, 0.88079{{[0-9]*}}, 0.119203 ) )
  %softmax_ = fin.softmax %r : tensor<2x4xf32>
  %v1 = vector.transfer_read %softmax_[%zero, %zero], %pad : tensor<2x4xf32>, vector<2x4xf32>
  vector.print %v1 : vector<2x4xf32>

  // erf = np.vectorize(math.erf)
  // NumPy: x * (1 + erf(x / 2 ** 0.5)) / 2
  // CHECK-NEXT: ( ( -0.004049{{[0-9]*}}, -0.158655, {{-0.100323|-0.100324}}, {{-?0}}, {{0.345731|0.345732}}, {{0.841344|0.841345}}, {{3.99987|3.99988}}, {{10|9.99999}} ) )
  %gelu_e = fin.gelu exact %x : tensor<1x8xf32>
  %v2 = vector.transfer_read %gelu_e[%zero, %zero], %pad : tensor<1x8xf32>, vector<1x8xf32>
  vector.print %v2 : vector<1x8xf32>

  // NumPy: x * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x ** 3))) / 2
  // CHECK-NEXT: ( ( -0.003637{{[0-9]*}}, -0.158808, {{-0.100324|-0.100325}}, {{-?0}}, 0.345714, 0.84119{{[0-9]*}}, 3.99993, {{10|9.99999}} ) )
  %gelu_t = fin.gelu tanh %x : tensor<1x8xf32>
  %v3 = vector.transfer_read %gelu_t[%zero, %zero], %pad : tensor<1x8xf32>, vector<1x8xf32>
  vector.print %v3 : vector<1x8xf32>

  // NumPy: x / (1 + np.exp(-1.702 * x))
  // CHECK-NEXT: ( ( -0.018071{{[0-9]*}}, -0.154204, -0.098800{{[0-9]*}}, {{-?0}}, {{0.350388|0.350389}}, {{0.845795|0.845796}}, {{3.99558|3.99559}}, {{10|9.99999}} ) )
  %gelu_q = fin.gelu quick %x : tensor<1x8xf32>
  %v4 = vector.transfer_read %gelu_q[%zero, %zero], %pad : tensor<1x8xf32>, vector<1x8xf32>
  vector.print %v4 : vector<1x8xf32>

  // NumPy: x / (1 + np.exp(-x))
  // CHECK-NEXT: ( ( {{-0.142277|-0.142278}}, {{-0.268941|-0.268942}}, -0.109456, {{-?0}}, {{0.311229|0.31123}}, {{0.731058|0.731059}}, {{3.92805|3.92806}}, {{9.99954|9.99955}} ) )
  %silu = fin.silu %x : tensor<1x8xf32>
  %v5 = vector.transfer_read %silu[%zero, %zero], %pad : tensor<1x8xf32>, vector<1x8xf32>
  vector.print %v5 : vector<1x8xf32>

  // NumPy: np.maximum(x, 0)
  // CHECK-NEXT: ( ( {{-?0}}, {{-?0}}, {{-?0}}, {{-?0}}, 0.5, {{0.999999|1}}, 4, {{10|9.99999}} ) )
  %relu = fin.relu %x : tensor<1x8xf32>
  %v6 = vector.transfer_read %relu[%zero, %zero], %pad : tensor<1x8xf32>, vector<1x8xf32>
  vector.print %v6 : vector<1x8xf32>

  // NumPy: 1 / (1 + np.exp(-x))
  // CHECK-NEXT: ( ( 0.04742{{[0-9]*}}, {{0.268941|0.268942}}, {{0.437823|0.437824}}, 0.5, {{0.622459|0.62246}}, {{0.731058|0.731059}}, {{0.982013|0.982014}}, {{0.999954|0.999955}} ) )
  %sigmoid = fin.sigmoid %x : tensor<1x8xf32>
  %v7 = vector.transfer_read %sigmoid[%zero, %zero], %pad : tensor<1x8xf32>, vector<1x8xf32>
  vector.print %v7 : vector<1x8xf32>

  // NumPy: x * -0.5
  // CHECK-NEXT: ( ( 1.5, 0.5, 0.125, {{-?0}}, -0.25, -0.5, -2, -5 ) )
  %times = fin.multiply %x by -0.5 : tensor<1x8xf32>
  %v8 = vector.transfer_read %times[%zero, %zero], %pad : tensor<1x8xf32>, vector<1x8xf32>
  vector.print %v8 : vector<1x8xf32>

  // NumPy: 2.5 * np.tanh(x / 2.5)
  // CHECK-NEXT: ( ( -2.08414, {{-0.949872|-0.949873}}, -0.24917, {{-?0}}, {{0.493438|0.493439}}, {{0.949872|0.949873}}, 2.30417, 2.49832 ) )
  %capped = fin.soft_cap %x at 2.5 : tensor<1x8xf32>
  %v9 = vector.transfer_read %capped[%zero, %zero], %pad : tensor<1x8xf32>, vector<1x8xf32>
  vector.print %v9 : vector<1x8xf32>

  // Large arguments saturate; they do not overflow to NaN. NaN stays NaN.
  %big = arith.constant dense<[-1000.0, 1000.0]> : tensor<2xf32>
  // CHECK-NEXT: ( -0, 1000 )
  %bg = fin.gelu tanh %big : tensor<2xf32>
  %v10 = vector.transfer_read %bg[%zero], %pad : tensor<2xf32>, vector<2xf32>
  vector.print %v10 : vector<2xf32>

  // CHECK-NEXT: ( -0, 1000 )
  %bs = fin.silu %big : tensor<2xf32>
  %v11 = vector.transfer_read %bs[%zero], %pad : tensor<2xf32>, vector<2xf32>
  vector.print %v11 : vector<2xf32>

  // CHECK-NEXT: ( -0, 1000 )
  %bq = fin.gelu quick %big : tensor<2xf32>
  %v12 = vector.transfer_read %bq[%zero], %pad : tensor<2xf32>, vector<2xf32>
  vector.print %v12 : vector<2xf32>

  // CHECK-NEXT: ( 0, 1 )
  %bi = fin.sigmoid %big : tensor<2xf32>
  %v13 = vector.transfer_read %bi[%zero], %pad : tensor<2xf32>, vector<2xf32>
  vector.print %v13 : vector<2xf32>

  // CHECK-NEXT: ( -30, 30 )
  %bc = fin.soft_cap %big at 30.0 : tensor<2xf32>
  %v14 = vector.transfer_read %bc[%zero], %pad : tensor<2xf32>, vector<2xf32>
  vector.print %v14 : vector<2xf32>

  %nan = math.sqrt %big : tensor<2xf32>
  %n = fin.relu %nan : tensor<2xf32>
  // CHECK-NEXT: ( {{-?}}nan, 31.6228 )
  %v15 = vector.transfer_read %n[%zero], %pad : tensor<2xf32>, vector<2xf32>
  vector.print %v15 : vector<2xf32>
  return
}
