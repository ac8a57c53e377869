// Relaxed sums and polynomials agree with the strict definition to the digits below, at
// the width of a vector and beyond it.
// RUN: fingpt-opt %s --fin-decompose %{lower} | %{run} -O3 | FileCheck %s
// RUN: fingpt-opt %s --fin-decompose --fin-relax-reductions --fin-approximate-math %{lower} | %{run} -O3 | FileCheck %s
// RUN: sed s/f32/f64/g %s | fingpt-opt --fin-decompose %{lower} | %{run} | FileCheck %s
//
// The second run is relaxed indeed:
// RUN: fingpt-opt %s --fin-decompose --fin-relax-reductions --fin-approximate-math | FileCheck %s --check-prefix=RELAXED
// RELAXED: fastmath<reassoc,contract>
// RELAXED-NOT: math.exp

func.func @show(%x: f32) {
  vector.print %x : f32
  return
}

func.func @main() {
  %zero = arith.constant 0 : index
  %four = arith.constant 4 : index

  // x[i] = i/64 − 1, w[0, i] = (i mod 7) − 3: sums in eight lanes and a tail of three.
  %x = tensor.generate {
  ^bb0(%i: index):
    %n = arith.index_cast %i : index to i32
    %f = arith.sitofp %n : i32 to f32
    %c = arith.constant 64.0 : f32
    %d = arith.divf %f, %c : f32
    %one = arith.constant 1.0 : f32
    %r = arith.subf %d, %one : f32
    tensor.yield %r : f32
  } : tensor<131xf32>
  %w = tensor.generate {
  ^bb0(%o: index, %i: index):
    %n = arith.index_cast %i : index to i32
    %seven = arith.constant 7 : i32
    %m = arith.remui %n, %seven : i32
    %f = arith.sitofp %m : i32 to f32
    %three = arith.constant 3.0 : f32
    %r = arith.subf %f, %three : f32
    tensor.yield %r : f32
  } : tensor<1x131xf32>

  // NumPy: x = np.arange(131) / 64 - 1; w = np.arange(131) % 7 - 3
  // x @ w
  // CHECK: 3.03125{{$}}
  %y = fin.linear %x, %w : tensor<131xf32>, tensor<1x131xf32>
  %y0 = tensor.extract %y[%zero] : tensor<1xf32>
  call @show(%y0) : (f32) -> ()

  // (x / np.sqrt((x * x).mean() + 1e-5))[4]
  // CHECK-NEXT: -1.5860{{[0-9]*$}}
  %n = fin.rms_norm %x {eps = 1.0e-5 : f64} : tensor<131xf32>
  %n4 = tensor.extract %n[%four] : tensor<131xf32>
  call @show(%n4) : (f32) -> ()

  // ((x - x.mean()) / np.sqrt(x.var() + 1e-5))[4]
  // CHECK-NEXT: -1.6130{{[0-9]*$}}
  %l = fin.layer_norm %x {eps = 1.0e-5 : f64} : (tensor<131xf32>) -> tensor<131xf32>
  %l4 = tensor.extract %l[%four] : tensor<131xf32>
  call @show(%l4) : (f32) -> ()

  // (np.exp(x) / np.exp(x).sum())[4]
  // CHECK-NEXT: 0.0024857{{[0-9]*$}}
  %s = fin.softmax %x : tensor<131xf32>
  %s4 = tensor.extract %s[%four] : tensor<131xf32>
  call @show(%s4) : (f32) -> ()

  // gelu(silu(x))[4] of x / (1 + np.exp(-x)) and x * (1 + erf(x / 2 ** 0.5)) / 2
  // CHECK-NEXT: -0.10446{{[0-9]*$}}
  %u = fin.silu %x : tensor<131xf32>
  %g = fin.gelu exact %u : tensor<131xf32>
  %g4 = tensor.extract %g[%four] : tensor<131xf32>
  call @show(%g4) : (f32) -> ()

  // Attention of one query over 131 keys: NumPy: v = x + 0; p = np.exp(x) / np.exp(x).sum(); p @ v
  // CHECK-NEXT: 0.34256{{[0-9]*$}}
  %k = tensor.expand_shape %x [[0, 1, 2]] output_shape [1, 131, 1] : tensor<131xf32> into tensor<1x131x1xf32>
  %q = arith.constant dense<1.0> : tensor<1x1x1xf32>
  %a = fin.attention %q, %k, %k {heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64}
     : (tensor<1x1x1xf32>, tensor<1x131x1xf32>, tensor<1x131x1xf32>) -> tensor<1x1x1xf32>
  %a0 = tensor.extract %a[%zero, %zero, %zero] : tensor<1x1x1xf32>
  call @show(%a0) : (f32) -> ()
  return
}
