// The cache: appended at positions per sequence, read by layer; the last token. All values
// are exact.
// RUN: fingpt-opt %s --fin-decompose %{lower} | %{run} | FileCheck %s
// RUN: sed s/f32/f64/g %s | fingpt-opt --fin-decompose %{lower} | %{run} | FileCheck %s

func.func @main() {
  %zero = arith.constant 0 : index
  %pad = arith.constant 0.0 : f32

  // Two layers, two sequences, three places, one element; all places hold −1.
  %cache = arith.constant dense<-1.0> : tensor<2x2x2x3x1xf32>
  %one = arith.constant 1 : index
  %k = arith.constant dense<[[[10.0], [11.0]], [[20.0], [21.0]]]> : tensor<2x2x1xf32>
  %v = arith.constant dense<[[[50.0], [51.0]], [[60.0], [61.0]]]> : tensor<2x2x1xf32>
  // Sequence 0 writes places 0 and 1, sequence 1 places 2 and 0.
  %p = arith.constant dense<[[0, 1], [2, 0]]> : tensor<2x2xi32>
  %full = fin.cache_append %cache[%one], %k, %v at %p
      : tensor<2x2x2x3x1xf32>, tensor<2x2x1xf32>, tensor<2x2x1xf32>, tensor<2x2xi32>
  %keys, %values = fin.cache_read %full[%one] : tensor<2x2x2x3x1xf32>
  // CHECK: ( ( ( 10 ), ( 11 ), ( -1 ) ), ( ( 21 ), ( -1 ), ( 20 ) ) )
  %v1 = vector.transfer_read %keys[%zero, %zero, %zero], %pad : tensor<2x3x1xf32>, vector<2x3x1xf32>
  vector.print %v1 : vector<2x3x1xf32>

  // CHECK-NEXT: ( ( ( 50 ), ( 51 ), ( -1 ) ), ( ( 61 ), ( -1 ), ( 60 ) ) )
  %v2 = vector.transfer_read %values[%zero, %zero, %zero], %pad : tensor<2x3x1xf32>, vector<2x3x1xf32>
  vector.print %v2 : vector<2x3x1xf32>

  // The other layer is as it was.
  %keys0, %values0 = fin.cache_read %full[%zero] : tensor<2x2x2x3x1xf32>
  // CHECK-NEXT: ( ( ( -1 ), ( -1 ), ( -1 ) ), ( ( -1 ), ( -1 ), ( -1 ) ) )
  %v3 = vector.transfer_read %keys0[%zero, %zero, %zero], %pad : tensor<2x3x1xf32>, vector<2x3x1xf32>
  vector.print %v3 : vector<2x3x1xf32>

  // CHECK-NEXT: ( ( ( -1 ), ( -1 ), ( -1 ) ), ( ( -1 ), ( -1 ), ( -1 ) ) )
  %v4 = vector.transfer_read %values0[%zero, %zero, %zero], %pad : tensor<2x3x1xf32>, vector<2x3x1xf32>
  vector.print %v4 : vector<2x3x1xf32>

  // Of two tokens at one position the later one wins; the old value is still a value.
  %same = arith.constant dense<[[1, 1], [2, 2]]> : tensor<2x2xi32>
  %again = fin.cache_append %full[%one], %k, %v at %same
      : tensor<2x2x2x3x1xf32>, tensor<2x2x1xf32>, tensor<2x2x1xf32>, tensor<2x2xi32>
  %keys2, %values2 = fin.cache_read %again[%one] : tensor<2x2x2x3x1xf32>
  // CHECK-NEXT: ( ( ( 10 ), ( 11 ), ( -1 ) ), ( ( 21 ), ( -1 ), ( 21 ) ) )
  %v5 = vector.transfer_read %keys2[%zero, %zero, %zero], %pad : tensor<2x3x1xf32>, vector<2x3x1xf32>
  vector.print %v5 : vector<2x3x1xf32>

  %keys3, %values3 = fin.cache_read %full[%one] : tensor<2x2x2x3x1xf32>
  // CHECK-NEXT: ( ( ( 10 ), ( 11 ), ( -1 ) ), ( ( 21 ), ( -1 ), ( 20 ) ) )
  %v6 = vector.transfer_read %keys3[%zero, %zero, %zero], %pad : tensor<2x3x1xf32>, vector<2x3x1xf32>
  vector.print %v6 : vector<2x3x1xf32>

  %x = arith.constant dense<[[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [[7.0, 8.0], [9.0, 10.0], [11.0, 12.0]]]> : tensor<2x3x2xf32>
  %l = arith.constant dense<[1, 3]> : tensor<2xi32>
  // NumPy: x[:, -1:]
  // CHECK-NEXT: ( ( ( 5, 6 ) ), ( ( 11, 12 ) ) )
  %last = fin.select_last %x : tensor<2x3x2xf32>
  %v7 = vector.transfer_read %last[%zero, %zero, %zero], %pad : tensor<2x1x2xf32>, vector<2x1x2xf32>
  vector.print %v7 : vector<2x1x2xf32>

  // With lengths: the last valid token of each.
  // NumPy: np.stack([x[0, :1], x[1, 2:]])
  // CHECK-NEXT: ( ( ( 1, 2 ) ), ( ( 11, 12 ) ) )
  %ragged = fin.select_last %x lengths %l : tensor<2x3x2xf32>, tensor<2xi32>
  %v8 = vector.transfer_read %ragged[%zero, %zero, %zero], %pad : tensor<2x1x2xf32>, vector<2x1x2xf32>
  vector.print %v8 : vector<2x1x2xf32>
  return
}
