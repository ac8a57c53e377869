// Zero points, minima, ragged groups and scales that are codes themselves. All values are exact.
// RUN: fingpt-opt %s --fin-decompose %{lower} | %{run} | FileCheck %s
// RUN: sed s/f32/f64/g %s | fingpt-opt --fin-decompose %{lower} | %{run} | FileCheck %s

func.func @main() {
  %zero = arith.constant 0 : index
  %pad = arith.constant 0.0 : f32

  // codes 0 15 8 3 7 and 12 1 9 15 2; NumPy below: q, and `wide` repeats a group's value.
  %b = arith.constant dense<[[-16, 56, 7], [28, -7, 2]]> : tensor<2x3xi8>
  %q = fin.unpack %b : tensor<2x3xi8> -> tensor<2x5xui4>
  %s = arith.constant dense<[[0.5, 2.0, -1.0], [0.25, 1.0, 4.0]]> : tensor<2x3xf32>
  %z = arith.constant dense<[[8.0, 7.5, 0.0], [1.0, -2.0, 3.0]]> : tensor<2x3xf32>
  %m = arith.constant dense<[[-4.0, 0.125, 1.0], [0.0, 16.0, -0.5]]> : tensor<2x3xf32>

  // NumPy: (q - 8) * wide(s)
  // CHECK: ( ( -4, 3.5, 0, -10, 1 ), ( 1, -1.75, 1, 7, -24 ) )
  %constant = fin.dequantize %q scales %s {group_size = 2 : i64, zero = 8 : i64}
      : (tensor<2x5xui4>, tensor<2x3xf32>) -> tensor<2x5xf32>
  %v1 = vector.transfer_read %constant[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v1 : vector<2x5xf32>

  // Zero points in floats need not be whole.
  // NumPy: (q - wide(z)) * wide(s)
  // CHECK-NEXT: ( ( -4, 3.5, 1, -9, -7 ), ( 2.75, 0, 11, 17, -4 ) )
  %zeros = fin.dequantize %q scales %s zeros %z {group_size = 2 : i64}
      : (tensor<2x5xui4>, tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x5xf32>
  %v2 = vector.transfer_read %zeros[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v2 : vector<2x5xf32>

  // Zero points as codes of three bits, two bytes a row: 3 0 7 and 1 5 2 (zq).
  %zb = arith.constant dense<[[-61, 1], [-87, 0]]> : tensor<2x2xi8>
  %zq = fin.unpack %zb : tensor<2x2xi8> -> tensor<2x3xui3>
  // NumPy: (q - wide(zq)) * wide(s)
  // CHECK-NEXT: ( ( -1.5, 6, 16, 6, -0 ), ( 2.75, 0, 4, 10, 0 ) )
  %coded = fin.dequantize %q scales %s zeros %zq {group_size = 2 : i64}
      : (tensor<2x5xui4>, tensor<2x3xf32>, tensor<2x3xui3>) -> tensor<2x5xf32>
  %v3 = vector.transfer_read %coded[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v3 : vector<2x5xf32>

  // NumPy: q * wide(s) + wide(m)
  // CHECK-NEXT: ( ( -4, 3.5, 16.125, 6.125, -6 ), ( 3, 0.25, 25, 31, 7.5 ) )
  %mins = fin.dequantize %q scales %s mins %m {group_size = 2 : i64}
      : (tensor<2x5xui4>, tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x5xf32>
  %v4 = vector.transfer_read %mins[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v4 : vector<2x5xf32>

  // A constant zero and minima.
  // NumPy: (q - 15) * wide(s) + wide(m)
  // CHECK-NEXT: ( ( -11.5, -4, -13.875, -23.875, 9 ), ( -0.75, -3.5, 10, 16, -52.5 ) )
  %both = fin.dequantize %q scales %s mins %m {group_size = 2 : i64, zero = 15 : i64}
      : (tensor<2x5xui4>, tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x5xf32>
  %v5 = vector.transfer_read %both[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v5 : vector<2x5xf32>

  // 16-bit scales and minima are widened before they multiply: 2049·3 has no f16.
  %s16 = arith.constant dense<[[2048.0, 2.0, 2.0], [1.0, 1.0, 1.0]]> : tensor<2x3xf16>
  %m16 = arith.constant dense<[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]> : tensor<2x3xbf16>
  // NumPy: q * wide(s16) + wide(m16)
  // CHECK-NEXT: ( ( 1, 30721, 16, 6, 14 ), ( 12, 1, 9, 15, 2 ) )
  %mixed = fin.dequantize %q scales %s16 mins %m16 {group_size = 2 : i64}
      : (tensor<2x5xui4>, tensor<2x3xf16>, tensor<2x3xbf16>) -> tensor<2x5xf32>
  %v6 = vector.transfer_read %mixed[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v6 : vector<2x5xf32>

  // A group larger than the row is the row.
  %s1 = arith.constant dense<[[0.5], [2.0]]> : tensor<2x1xf32>
  // NumPy: q * s1
  // CHECK-NEXT: ( ( 0, 7.5, 4, 1.5, 3.5 ), ( 24, 2, 18, 30, 4 ) )
  %row = fin.dequantize %q scales %s1 {group_size = 128 : i64}
      : (tensor<2x5xui4>, tensor<2x1xf32>) -> tensor<2x5xf32>
  %v7 = vector.transfer_read %row[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v7 : vector<2x5xf32>

  // Two levels, as in k-quants: scales and minima are codes of six bits (sc, mc) under
  // one scale per row.
  %sb = arith.constant dense<[[-127, 48, 0], [63, 0, 2]]> : tensor<2x3xi8>
  %mb = arith.constant dense<[[64, 32, 0], [4, 2, 1]]> : tensor<2x3xi8>
  %sq = fin.unpack %sb : tensor<2x3xi8> -> tensor<2x3xui6>
  %mq = fin.unpack %mb : tensor<2x3xi8> -> tensor<2x3xui6>
  %d = arith.constant dense<[[0.5], [0.25]]> : tensor<2x1xf16>
  %dmin = arith.constant dense<[[-1.0], [-0.5]]> : tensor<2x1xf16>
  %s2 = fin.dequantize %sq scales %d {group_size = 3 : i64}
      : (tensor<2x3xui6>, tensor<2x1xf16>) -> tensor<2x3xf32>
  %m2 = fin.dequantize %mq scales %dmin {group_size = 3 : i64}
      : (tensor<2x3xui6>, tensor<2x1xf16>) -> tensor<2x3xf32>
  // NumPy: q * wide(d * sc) + wide(dmin * mc)
  // CHECK-NEXT: ( ( 0, 7.5, 7, 2, 8.5 ), ( 187, 13.75, -4, -4, 8 ) )
  %k = fin.dequantize %q scales %s2 mins %m2 {group_size = 2 : i64}
      : (tensor<2x5xui4>, tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<2x5xf32>
  %v8 = vector.transfer_read %k[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v8 : vector<2x5xf32>

  // 576 = 4·128 + 64: codes 1, scales 1 … 5; the elements on both sides of every border
  // of groups.
  %ones = arith.constant dense<0x11> : tensor<1x288xi8>
  %q576 = fin.unpack %ones : tensor<1x288xi8> -> tensor<1x576xui4>
  %s576 = arith.constant dense<[[1.0, 2.0, 3.0, 4.0, 5.0]]> : tensor<1x5xf32>
  %w576 = fin.dequantize %q576 scales %s576 {group_size = 128 : i64}
      : (tensor<1x576xui4>, tensor<1x5xf32>) -> tensor<1x576xf32>
  // CHECK-NEXT: ( ( 1, 1 ) )
  %border0 = tensor.extract_slice %w576[0, 0] [1, 2] [1, 1] : tensor<1x576xf32> to tensor<1x2xf32>
  %v9 = vector.transfer_read %border0[%zero, %zero], %pad : tensor<1x2xf32>, vector<1x2xf32>
  vector.print %v9 : vector<1x2xf32>

  // CHECK-NEXT: ( ( 1, 2 ) )
  %border1 = tensor.extract_slice %w576[0, 127] [1, 2] [1, 1] : tensor<1x576xf32> to tensor<1x2xf32>
  %v10 = vector.transfer_read %border1[%zero, %zero], %pad : tensor<1x2xf32>, vector<1x2xf32>
  vector.print %v10 : vector<1x2xf32>

  // CHECK-NEXT: ( ( 2, 3 ) )
  %border2 = tensor.extract_slice %w576[0, 255] [1, 2] [1, 1] : tensor<1x576xf32> to tensor<1x2xf32>
  %v11 = vector.transfer_read %border2[%zero, %zero], %pad : tensor<1x2xf32>, vector<1x2xf32>
  vector.print %v11 : vector<1x2xf32>

  // CHECK-NEXT: ( ( 3, 4 ) )
  %border3 = tensor.extract_slice %w576[0, 383] [1, 2] [1, 1] : tensor<1x576xf32> to tensor<1x2xf32>
  %v12 = vector.transfer_read %border3[%zero, %zero], %pad : tensor<1x2xf32>, vector<1x2xf32>
  vector.print %v12 : vector<1x2xf32>

  // CHECK-NEXT: ( ( 4, 5 ) )
  %border4 = tensor.extract_slice %w576[0, 511] [1, 2] [1, 1] : tensor<1x576xf32> to tensor<1x2xf32>
  %v13 = vector.transfer_read %border4[%zero, %zero], %pad : tensor<1x2xf32>, vector<1x2xf32>
  vector.print %v13 : vector<1x2xf32>

  // CHECK-NEXT: ( ( 5, 5 ) )
  %end = tensor.extract_slice %w576[0, 574] [1, 2] [1, 1] : tensor<1x576xf32> to tensor<1x2xf32>
  %v14 = vector.transfer_read %end[%zero, %zero], %pad : tensor<1x2xf32>, vector<1x2xf32>
  vector.print %v14 : vector<1x2xf32>
  return
}
