// Codebooks: one for all rows or one per row, with and without scales. All values are exact.
// RUN: fingpt-opt %s --fin-decompose %{lower} | %{run} | FileCheck %s
// RUN: sed s/f32/f64/g %s | fingpt-opt --fin-decompose %{lower} | %{run} | FileCheck %s

func.func @main() {
  %zero = arith.constant 0 : index
  %pad = arith.constant 0.0 : f32

  // q: codes 0 3 1 2 3 and 2 2 0 1 3.
  %b = arith.constant dense<[[-100, 3], [74, 3]]> : tensor<2x2xi8>
  %q = fin.unpack %b : tensor<2x2xi8> -> tensor<2x5xui2>
  %table = arith.constant dense<[-1.5, 0.0, 0.25, 8.0]> : tensor<4xf32>
  %tables = arith.constant dense<[[1.0, 2.0, 3.0, 4.0], [-1.0, -2.0, -3.0, -4.0]]> : tensor<2x4xf16>
  %s = arith.constant dense<[[2.0, 0.5, 1.0], [-1.0, 4.0, 3.0]]> : tensor<2x3xf32>

  // NumPy: table[q]
  // CHECK: ( ( -1.5, 8, 0, 0.25, 8 ), ( 0.25, 0.25, -1.5, 0, 8 ) )
  %plain = fin.lookup %q, %table : (tensor<2x5xui2>, tensor<4xf32>) -> tensor<2x5xf32>
  %v1 = vector.transfer_read %plain[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v1 : vector<2x5xf32>

  // NumPy: tables[[[0], [1]], q]
  // CHECK-NEXT: ( ( 1, 4, 2, 3, 4 ), ( -3, -3, -1, -2, -4 ) )
  %rows = fin.lookup %q, %tables : (tensor<2x5xui2>, tensor<2x4xf16>) -> tensor<2x5xf32>
  %v2 = vector.transfer_read %rows[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v2 : vector<2x5xf32>

  // NumPy: table[q] * np.repeat(s, 2, 1)[:, :5]
  // CHECK-NEXT: ( ( -3, 16, 0, 0.125, 8 ), ( -0.25, -0.25, -6, 0, 24 ) )
  %scaled = fin.lookup %q, %table scales %s {group_size = 2 : i64}
      : (tensor<2x5xui2>, tensor<4xf32>, tensor<2x3xf32>) -> tensor<2x5xf32>
  %v3 = vector.transfer_read %scaled[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v3 : vector<2x5xf32>

  // Five bits: codes 0 15 7 8 and 31 16 1 30 in a table of squares.
  %b5 = arith.constant dense<[[-32, 29, 4], [31, 6, 15]]> : tensor<2x3xi8>
  %q5 = fin.unpack %b5 : tensor<2x3xi8> -> tensor<2x4xui5>
  %squares = arith.constant dense<[0.0, 1.0, 4.0, 9.0, 16.0, 25.0, 36.0, 49.0, 64.0, 81.0, 100.0, 121.0, 144.0, 169.0, 196.0, 225.0, 256.0, 289.0, 324.0, 361.0, 400.0, 441.0, 484.0, 529.0, 576.0, 625.0, 676.0, 729.0, 784.0, 841.0, 900.0, 961.0]> : tensor<32xf32>
  // NumPy: squares[q5]
  // CHECK-NEXT: ( ( 0, 225, 49, 64 ), ( 961, 256, 1, 900 ) )
  %w5 = fin.lookup %q5, %squares : (tensor<2x4xui5>, tensor<32xf32>) -> tensor<2x4xf32>
  %v4 = vector.transfer_read %w5[%zero, %zero], %pad : tensor<2x4xf32>, vector<2x4xf32>
  vector.print %v4 : vector<2x4xf32>
  return
}
