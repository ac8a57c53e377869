// Linear layers, embeddings, positions.
// RUN: fingpt-opt %s --fin-decompose %{lower} | %{run} | FileCheck %s
// RUN: sed s/f32/f64/g %s | fingpt-opt --fin-decompose %{lower} | %{run} | FileCheck %s

func.func @main() {
  %zero = arith.constant 0 : index
  %pad = arith.constant 0.0 : f32
  %pad_i32 = arith.constant 0 : i32

  %x = arith.constant dense<[[[1.0, 2.0, -1.0], [0.5, 0.0, 3.0]]]> : tensor<1x2x3xf32>
  %w = arith.constant dense<[[1.0, 0.0, 2.0], [-1.0, 4.0, 0.5]]> : tensor<2x3xf32>
  %b = arith.constant dense<[10.0, -20.0]> : tensor<2xf32>
  %v = arith.constant dense<[3.0, -2.0, 0.25]> : tensor<3xf32>

  // NumPy: x @ w.T
  // CHECK: ( ( ( -1, 6.5 ), ( 6.5, 1 ) ) )
  %y = fin.linear %x, %w : tensor<1x2x3xf32>, tensor<2x3xf32>
  %v1 = vector.transfer_read %y[%zero, %zero, %zero], %pad : tensor<1x2x2xf32>, vector<1x2x2xf32>
  vector.print %v1 : vector<1x2x2xf32>

  // NumPy: x @ w.T + b
  // CHECK-NEXT: ( ( ( 9, -13.5 ), ( 16.5, -19 ) ) )
  %yb = fin.linear %x, %w bias %b : tensor<1x2x3xf32>, tensor<2x3xf32>, tensor<2xf32>
  %v2 = vector.transfer_read %yb[%zero, %zero, %zero], %pad : tensor<1x2x2xf32>, vector<1x2x2xf32>
  vector.print %v2 : vector<1x2x2xf32>

  // One vector.
  // NumPy: w @ v
  // CHECK-NEXT: ( 3.5, -10.875 )
  %one = fin.linear %v, %w : tensor<3xf32>, tensor<2x3xf32>
  %v3 = vector.transfer_read %one[%zero], %pad : tensor<2xf32>, vector<2xf32>
  vector.print %v3 : vector<2xf32>

  %ids = arith.constant dense<[[1, 0, 1]]> : tensor<1x3xi32>
  // NumPy: w[ids]
  // CHECK-NEXT: ( ( ( -1, 4, 0.5 ), ( 1, 0, 2 ), ( -1, 4, 0.5 ) ) )
  %e = fin.embedding %ids, %w : tensor<1x3xi32>, tensor<2x3xf32>
  %v4 = vector.transfer_read %e[%zero, %zero, %zero], %pad : tensor<1x3x3xf32>, vector<1x3x3xf32>
  vector.print %v4 : vector<1x3x3xf32>

  %id = arith.constant dense<1> : tensor<i32>
  // A scalar id yields one row.
  // NumPy: w[1]
  // CHECK-NEXT: ( -1, 4, 0.5 )
  %row = fin.embedding %id, %w : tensor<i32>, tensor<2x3xf32>
  %v5 = vector.transfer_read %row[%zero], %pad : tensor<3xf32>, vector<3xf32>
  vector.print %v5 : vector<3xf32>

  %tokens = arith.constant dense<[[9, 9, 9], [7, 7, 7]]> : tensor<2x3xi32>
  // Positions are those of the tokens, whatever the tokens are.
  // CHECK-NEXT: ( ( 0, 1, 2 ), ( 0, 1, 2 ) )
  %p = fin.positions %tokens : tensor<2x3xi32>
  %v6 = vector.transfer_read %p[%zero, %zero], %pad_i32 : tensor<2x3xi32>, vector<2x3xi32>
  vector.print %v6 : vector<2x3xi32>

  // CHECK-NEXT: ( ( 2, 3, 4 ), ( 2, 3, 4 ) )
  %p2 = fin.positions %tokens {offset = 2 : i64} : tensor<2x3xi32>
  %v7 = vector.transfer_read %p2[%zero, %zero], %pad_i32 : tensor<2x3xi32>, vector<2x3xi32>
  vector.print %v7 : vector<2x3xi32>
  return
}
