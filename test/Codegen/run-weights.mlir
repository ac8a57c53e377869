// Low-rank, sparse, summed, scaled, reordered and rotated weights. All values are exact.
// RUN: fingpt-opt %s --fin-decompose %{lower} | %{run} | FileCheck %s
// RUN: sed s/f32/f64/g %s | fingpt-opt --fin-decompose %{lower} | %{run} | FileCheck %s

func.func @main() {
  %zero = arith.constant 0 : index
  %pad = arith.constant 0.0 : f32

  %b = arith.constant dense<[[1.0, 2.0], [3.0, -4.0], [0.5, 0.0]]> : tensor<3x2xf32>
  %a = arith.constant dense<[[1.0, 0.0, 2.0, -1.0], [0.25, 1.0, 0.0, 3.0]]> : tensor<2x4xf32>

  // NumPy: b @ a
  // CHECK: ( ( 1.5, 2, 2, 5 ), ( 2, -4, 6, -15 ), ( 0.5, 0, 1, -0.5 ) )
  %lr = fin.low_rank %b, %a : tensor<3x2xf32>, tensor<2x4xf32>
  %v1 = vector.transfer_read %lr[%zero, %zero], %pad : tensor<3x4xf32>, vector<3x4xf32>
  vector.print %v1 : vector<3x4xf32>

  // Row 1 has no entry, (2, 3) has two: they add.
  %values = arith.constant dense<[1.5, -2.0, 4.0, 0.5, 0.25]> : tensor<5xf32>
  %columns = arith.constant dense<[0, 2, 3, 1, 3]> : tensor<5xi32>
  %offsets = arith.constant dense<[0, 2, 2, 5]> : tensor<4xi32>
  // CHECK-NEXT: ( ( 1.5, 0, -2, 0 ), ( 0, 0, 0, 0 ), ( 0, 0.5, 0, 4.25 ) )
  %sparse = fin.sparse %values, %columns, %offsets
      : (tensor<5xf32>, tensor<5xi32>, tensor<4xi32>) -> tensor<3x4xf32>
  %v2 = vector.transfer_read %sparse[%zero, %zero], %pad : tensor<3x4xf32>, vector<3x4xf32>
  vector.print %v2 : vector<3x4xf32>

  // NumPy: lr + sparse + lr
  // CHECK-NEXT: ( ( 4.5, 4, 2, 10 ), ( 4, -8, 12, -30 ), ( 1, 0.5, 2, 3.25 ) )
  %sum = fin.sum %lr, %sparse, %lr : tensor<3x4xf32>
  %v3 = vector.transfer_read %sum[%zero, %zero], %pad : tensor<3x4xf32>, vector<3x4xf32>
  vector.print %v3 : vector<3x4xf32>

  // NumPy: lr
  // CHECK-NEXT: ( ( 1.5, 2, 2, 5 ), ( 2, -4, 6, -15 ), ( 0.5, 0, 1, -0.5 ) )
  %one = fin.sum %lr : tensor<3x4xf32>
  %v4 = vector.transfer_read %one[%zero, %zero], %pad : tensor<3x4xf32>, vector<3x4xf32>
  vector.print %v4 : vector<3x4xf32>

  %r = arith.constant dense<[2.0, -1.0, 0.5]> : tensor<3xf32>
  %c = arith.constant dense<[1.0, 10.0, 100.0, 1000.0]> : tensor<4xf32>
  // NumPy: lr * r[:, None]
  // CHECK-NEXT: ( ( 3, 4, 4, 10 ), ( -2, 4, -6, 15 ), ( 0.25, 0, 0.5, -0.25 ) )
  %by_row = fin.scale %lr along rows by %r : tensor<3x4xf32>, tensor<3xf32>
  %v5 = vector.transfer_read %by_row[%zero, %zero], %pad : tensor<3x4xf32>, vector<3x4xf32>
  vector.print %v5 : vector<3x4xf32>

  // NumPy: lr * c[None, :]
  // CHECK-NEXT: ( ( 1.5, 20, 200, 5000 ), ( 2, -40, 600, -15000 ), ( 0.5, 0, 100, -500 ) )
  %by_column = fin.scale %lr along columns by %c : tensor<3x4xf32>, tensor<4xf32>
  %v6 = vector.transfer_read %by_column[%zero, %zero], %pad : tensor<3x4xf32>, vector<3x4xf32>
  vector.print %v6 : vector<3x4xf32>

  %p3 = arith.constant dense<[2, 0, 1]> : tensor<3xi32>
  %p4 = arith.constant dense<[3, 1, 0, 2]> : tensor<4xi32>
  // NumPy: lr[p3]
  // CHECK-NEXT: ( ( 0.5, 0, 1, -0.5 ), ( 1.5, 2, 2, 5 ), ( 2, -4, 6, -15 ) )
  %rows = fin.permute %lr along rows by %p3 : tensor<3x4xf32>, tensor<3xi32>
  %v7 = vector.transfer_read %rows[%zero, %zero], %pad : tensor<3x4xf32>, vector<3x4xf32>
  vector.print %v7 : vector<3x4xf32>

  // NumPy: lr[:, p4]
  // CHECK-NEXT: ( ( 5, 2, 1.5, 2 ), ( -15, -4, 2, 6 ), ( -0.5, 0, 0.5, 1 ) )
  %columns_ = fin.permute %lr along columns by %p4 : tensor<3x4xf32>, tensor<4xi32>
  %v8 = vector.transfer_read %columns_[%zero, %zero], %pad : tensor<3x4xf32>, vector<3x4xf32>
  vector.print %v8 : vector<3x4xf32>

  // NumPy: lr.T
  // CHECK-NEXT: ( ( 1.5, 2, 0.5 ), ( 2, -4, 0 ), ( 2, 6, 1 ), ( 5, -15, -0.5 ) )
  %t = fin.transpose %lr : tensor<3x4xf32>
  %v9 = vector.transfer_read %t[%zero, %zero], %pad : tensor<4x3xf32>, vector<4x3xf32>
  vector.print %v9 : vector<4x3xf32>

  // NumPy: np.concatenate([lr, sparse], 0)
  // CHECK-NEXT: ( ( 1.5, 2, 2, 5 ), ( 2, -4, 6, -15 ), ( 0.5, 0, 1, -0.5 ), ( 1.5, 0, -2, 0 ), ( 0, 0, 0, 0 ), ( 0, 0.5, 0, 4.25 ) )
  %below = fin.concat %lr, %sparse along rows : tensor<3x4xf32>, tensor<3x4xf32>
  %v10 = vector.transfer_read %below[%zero, %zero], %pad : tensor<6x4xf32>, vector<6x4xf32>
  vector.print %v10 : vector<6x4xf32>

  // NumPy: np.concatenate([lr, b], 1)
  // CHECK-NEXT: ( ( 1.5, 2, 2, 5, 1, 2 ), ( 2, -4, 6, -15, 3, -4 ), ( 0.5, 0, 1, -0.5, 0.5, 0 ) )
  %beside = fin.concat %lr, %b along columns : tensor<3x4xf32>, tensor<3x2xf32>
  %v11 = vector.transfer_read %beside[%zero, %zero], %pad : tensor<3x6xf32>, vector<3x6xf32>
  vector.print %v11 : vector<3x6xf32>

  // H: the 4×4 Walsh–Hadamard matrix in natural order; H/2 and, twice, H/√4.
  // NumPy: lr @ H / 2
  // CHECK-NEXT: ( ( 5.25, -1.75, -1.75, 1.25 ), ( -5.5, 13.5, 3.5, -7.5 ), ( 0.5, 1, 0, -0.5 ) )
  %h = fin.hadamard %lr {size = 4 : i64} : tensor<3x4xf32>
  %v12 = vector.transfer_read %h[%zero, %zero], %pad : tensor<3x4xf32>, vector<3x4xf32>
  vector.print %v12 : vector<3x4xf32>

  %signs = arith.constant dense<[1.0, -1.0, -1.0, 1.0]> : tensor<4xf32>
  // NumPy: (lr * signs) @ H / 2
  // CHECK-NEXT: ( ( 1.25, -1.75, -1.75, 5.25 ), ( -7.5, 3.5, 13.5, -5.5 ), ( -0.5, 0, 1, 0.5 ) )
  %hs = fin.hadamard %lr signs %signs {size = 4 : i64} : tensor<3x4xf32>, tensor<4xf32>
  %v13 = vector.transfer_read %hs[%zero, %zero], %pad : tensor<3x4xf32>, vector<3x4xf32>
  vector.print %v13 : vector<3x4xf32>

  // Blocks of two in an activation of rank 3; signs are those of the whole axis.
  %x = arith.constant dense<[[[1.0, 2.0, 3.0, 4.0], [5.0, -6.0, 7.0, 8.0]]]> : tensor<1x2x4xf32>
  // NumPy: ((x * signs).reshape(1, 2, 2, 2) @ H[:2, :2] / 2 ** 0.5).reshape(1, 2, 4)
  // CHECK-NEXT: ( ( ( {{-0.707106|-0.707107}}, 2.12132, {{0.707106|0.707107}}, -4.94975 ), ( {{7.77817|7.77818}}, {{-0.707106|-0.707107}}, {{0.707106|0.707107}}, -10.6066 ) ) )
  %h2 = fin.hadamard %x signs %signs {size = 2 : i64} : tensor<1x2x4xf32>, tensor<4xf32>
  %v14 = vector.transfer_read %h2[%zero, %zero, %zero], %pad : tensor<1x2x4xf32>, vector<1x2x4xf32>
  vector.print %v14 : vector<1x2x4xf32>
  return
}
