// What dequantize computes, for every width of code. All values are exact.
// RUN: fingpt-opt %s --fin-decompose %{lower} | %{run} | FileCheck %s
// RUN: sed s/f32/f64/g %s | fingpt-opt --fin-decompose %{lower} | %{run} | FileCheck %s

func.func @main() {
  %zero = arith.constant 0 : index
  %pad = arith.constant 0.0 : f32

  // Rows of five codes end inside a byte; the last of three groups has one code.
  %s = arith.constant dense<[[0.5, 2.0, -1.0], [0.25, 1.0, 4.0]]> : tensor<2x3xf32>

  // ui2: codes [0, 2, 3, 3, 3], [0, 3, 3, 0, 0]
  %b_ui2 = arith.constant dense<[[-8, 3], [60, 0]]> : tensor<2x2xi8>
  %q_ui2 = fin.unpack %b_ui2 : tensor<2x2xi8> -> tensor<2x5xui2>
  %w_ui2 = fin.dequantize %q_ui2 scales %s {group_size = 2 : i64}
      : (tensor<2x5xui2>, tensor<2x3xf32>) -> tensor<2x5xf32>
  // CHECK: ( ( 0, 1, 6, 6, -3 ), ( 0, 0.75, 3, 0, 0 ) )
  %v1 = vector.transfer_read %w_ui2[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v1 : vector<2x5xf32>

  // si2: codes [-2, -1, -1, 1, 1], [-1, 1, 0, -2, -2]
  %b_si2 = arith.constant dense<[[126, 1], [-121, 2]]> : tensor<2x2xi8>
  %q_si2 = fin.unpack %b_si2 : tensor<2x2xi8> -> tensor<2x5xsi2>
  %w_si2 = fin.dequantize %q_si2 scales %s {group_size = 2 : i64}
      : (tensor<2x5xsi2>, tensor<2x3xf32>) -> tensor<2x5xf32>
  // CHECK-NEXT: ( ( -1, -0.5, -2, 2, -1 ), ( -0.25, 0.25, 0, -2, -8 ) )
  %v2 = vector.transfer_read %w_si2[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v2 : vector<2x5xf32>

  // ui3: codes [0, 6, 6, 4, 7], [2, 7, 6, 0, 0]
  %b_ui3 = arith.constant dense<[[-80, 121], [-70, 1]]> : tensor<2x2xi8>
  %q_ui3 = fin.unpack %b_ui3 : tensor<2x2xi8> -> tensor<2x5xui3>
  %w_ui3 = fin.dequantize %q_ui3 scales %s {group_size = 2 : i64}
      : (tensor<2x5xui3>, tensor<2x3xf32>) -> tensor<2x5xf32>
  // CHECK-NEXT: ( ( 0, 3, 12, 8, -7 ), ( 0.5, 1.75, 6, 0, 0 ) )
  %v3 = vector.transfer_read %w_ui3[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v3 : vector<2x5xf32>

  // si3: codes [-4, -1, 3, -3, 3], [-1, 3, -3, 0, -4]
  %b_si3 = arith.constant dense<[[-4, 58], [95, 65]]> : tensor<2x2xi8>
  %q_si3 = fin.unpack %b_si3 : tensor<2x2xi8> -> tensor<2x5xsi3>
  %w_si3 = fin.dequantize %q_si3 scales %s {group_size = 2 : i64}
      : (tensor<2x5xsi3>, tensor<2x3xf32>) -> tensor<2x5xf32>
  // CHECK-NEXT: ( ( -2, -0.5, 6, -6, -3 ), ( -0.25, 0.75, -3, 0, -16 ) )
  %v4 = vector.transfer_read %w_si3[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v4 : vector<2x5xf32>

  // ui4: codes [0, 12, 0, 4, 15], [7, 15, 15, 11, 0]
  %b_ui4 = arith.constant dense<[[-64, 64, 15], [-9, -65, 0]]> : tensor<2x3xi8>
  %q_ui4 = fin.unpack %b_ui4 : tensor<2x3xi8> -> tensor<2x5xui4>
  %w_ui4 = fin.dequantize %q_ui4 scales %s {group_size = 2 : i64}
      : (tensor<2x5xui4>, tensor<2x3xf32>) -> tensor<2x5xf32>
  // CHECK-NEXT: ( ( 0, 6, 0, 8, -15 ), ( 1.75, 3.75, 15, 11, 0 ) )
  %v5 = vector.transfer_read %w_ui4[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v5 : vector<2x5xf32>

  // si4: codes [-8, 3, -4, 0, 7], [-4, 7, -6, -3, -8]
  %b_si4 = arith.constant dense<[[56, 12, 7], [124, -38, 8]]> : tensor<2x3xi8>
  %q_si4 = fin.unpack %b_si4 : tensor<2x3xi8> -> tensor<2x5xsi4>
  %w_si4 = fin.dequantize %q_si4 scales %s {group_size = 2 : i64}
      : (tensor<2x5xsi4>, tensor<2x3xf32>) -> tensor<2x5xf32>
  // CHECK-NEXT: ( ( -4, 1.5, -8, 0, -7 ), ( -1, 1.75, -6, -3, -32 ) )
  %v6 = vector.transfer_read %w_si4[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v6 : vector<2x5xf32>

  // ui5: codes [0, 16, 9, 3, 31], [19, 31, 24, 11, 0]
  %b_ui5 = arith.constant dense<[[0, -90, -15, 1], [-13, -29, 5, 0]]> : tensor<2x4xi8>
  %q_ui5 = fin.unpack %b_ui5 : tensor<2x4xi8> -> tensor<2x5xui5>
  %w_ui5 = fin.dequantize %q_ui5 scales %s {group_size = 2 : i64}
      : (tensor<2x5xui5>, tensor<2x3xf32>) -> tensor<2x5xf32>
  // CHECK-NEXT: ( ( 0, 8, 18, 6, -31 ), ( 4.75, 7.75, 24, 11, 0 ) )
  %v7 = vector.transfer_read %w_ui5[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v7 : vector<2x5xf32>

  // si5: codes [-16, 13, -3, -15, 15], [0, 15, -2, -5, -16]
  %b_si5 = arith.constant dense<[[-80, -11, -8, 0], [-32, -7, 13, 1]]> : tensor<2x4xi8>
  %q_si5 = fin.unpack %b_si5 : tensor<2x4xi8> -> tensor<2x5xsi5>
  %w_si5 = fin.dequantize %q_si5 scales %s {group_size = 2 : i64}
      : (tensor<2x5xsi5>, tensor<2x3xf32>) -> tensor<2x5xf32>
  // CHECK-NEXT: ( ( -8, 6.5, -6, -30, -15 ), ( 0, 3.75, -2, -5, -64 ) )
  %v8 = vector.transfer_read %w_si5[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v8 : vector<2x5xf32>

  // ui6: codes [0, 41, 49, 54, 63], [37, 63, 16, 22, 0]
  %b_ui6 = arith.constant dense<[[64, 26, -37, 63], [-27, 15, 89, 0]]> : tensor<2x4xi8>
  %q_ui6 = fin.unpack %b_ui6 : tensor<2x4xi8> -> tensor<2x5xui6>
  %w_ui6 = fin.dequantize %q_ui6 scales %s {group_size = 2 : i64}
      : (tensor<2x5xui6>, tensor<2x3xf32>) -> tensor<2x5xf32>
  // CHECK-NEXT: ( ( 0, 20.5, 98, 108, -63 ), ( 9.25, 15.75, 16, 22, 0 ) )
  %v9 = vector.transfer_read %w_ui6[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v9 : vector<2x5xf32>

  // si6: codes [-32, 0, 11, 0, 31], [16, 31, -23, 2, -32]
  %b_si6 = arith.constant dense<[[32, -80, 0, 31], [-48, -105, 10, 32]]> : tensor<2x4xi8>
  %q_si6 = fin.unpack %b_si6 : tensor<2x4xi8> -> tensor<2x5xsi6>
  %w_si6 = fin.dequantize %q_si6 scales %s {group_size = 2 : i64}
      : (tensor<2x5xsi6>, tensor<2x3xf32>) -> tensor<2x5xf32>
  // CHECK-NEXT: ( ( -16, 0, 22, 0, -31 ), ( 4, 7.75, -23, 2, -128 ) )
  %v10 = vector.transfer_read %w_si6[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v10 : vector<2x5xf32>

  // ui7: codes [0, 87, 97, 100, 127], [24, 127, 102, 45, 0]
  %b_ui7 = arith.constant dense<[[-128, 107, -104, -4, 7], [-104, -65, -71, 5, 0]]> : tensor<2x5xi8>
  %q_ui7 = fin.unpack %b_ui7 : tensor<2x5xi8> -> tensor<2x5xui7>
  %w_ui7 = fin.dequantize %q_ui7 scales %s {group_size = 2 : i64}
      : (tensor<2x5xui7>, tensor<2x3xf32>) -> tensor<2x5xf32>
  // CHECK-NEXT: ( ( 0, 43.5, 194, 200, -127 ), ( 6, 31.75, 102, 45, 0 ) )
  %v11 = vector.transfer_read %w_ui7[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v11 : vector<2x5xf32>

  // si7: codes [-64, -54, -36, 45, 63], [46, 63, 48, -25, -64]
  %b_si7 = arith.constant dense<[[64, 37, -73, -11, 3], [-82, 31, -20, 12, 4]]> : tensor<2x5xi8>
  %q_si7 = fin.unpack %b_si7 : tensor<2x5xi8> -> tensor<2x5xsi7>
  %w_si7 = fin.dequantize %q_si7 scales %s {group_size = 2 : i64}
      : (tensor<2x5xsi7>, tensor<2x3xf32>) -> tensor<2x5xf32>
  // CHECK-NEXT: ( ( -32, -27, -72, 90, -63 ), ( 11.5, 15.75, 48, -25, -256 ) )
  %v12 = vector.transfer_read %w_si7[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v12 : vector<2x5xf32>

  // ui8: codes [0, 70, 235, 1, 255], [165, 255, 184, 105, 0]
  %b_ui8 = arith.constant dense<[[0, 70, -21, 1, -1], [-91, -1, -72, 105, 0]]> : tensor<2x5xi8>
  %q_ui8 = fin.unpack %b_ui8 : tensor<2x5xi8> -> tensor<2x5xui8>
  %w_ui8 = fin.dequantize %q_ui8 scales %s {group_size = 2 : i64}
      : (tensor<2x5xui8>, tensor<2x3xf32>) -> tensor<2x5xf32>
  // CHECK-NEXT: ( ( 0, 35, 470, 2, -255 ), ( 41.25, 63.75, 184, 105, 0 ) )
  %v13 = vector.transfer_read %w_ui8[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v13 : vector<2x5xf32>

  // si8: codes [-128, -56, -8, -73, 127], [35, 127, 78, 122, -128]
  %b_si8 = arith.constant dense<[[-128, -56, -8, -73, 127], [35, 127, 78, 122, -128]]> : tensor<2x5xi8>
  %q_si8 = fin.unpack %b_si8 : tensor<2x5xi8> -> tensor<2x5xsi8>
  %w_si8 = fin.dequantize %q_si8 scales %s {group_size = 2 : i64}
      : (tensor<2x5xsi8>, tensor<2x3xf32>) -> tensor<2x5xf32>
  // CHECK-NEXT: ( ( -64, -28, -16, -146, -127 ), ( 8.75, 31.75, 78, 122, -512 ) )
  %v14 = vector.transfer_read %w_si8[%zero, %zero], %pad : tensor<2x5xf32>, vector<2x5xf32>
  vector.print %v14 : vector<2x5xf32>
  return
}
