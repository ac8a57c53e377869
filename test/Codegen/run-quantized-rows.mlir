// Quantized rows by their definition: NumPy says what they are.
// RUN: fingpt-opt %s --fin-decompose %{lower} | %{run} | FileCheck %s
// RUN: sed s/f32/f64/g %s | fingpt-opt --fin-decompose %{lower} | %{run} | FileCheck %s

func.func @main() {
  %zero = arith.constant 0 : index
  %pad = arith.constant 0.0 : f32
  %byte = arith.constant 0 : i8

  // Runs of four: a range of 15 steps of one, and one value.
  %x = arith.constant dense<[[[-4.0, 0.0, 3.0, 11.0, 2.5, 2.5, 2.5, 2.5]]]> : tensor<1x1x8xf32>
  %q = fin.quantize_rows %x {bits = 4 : i64, group_size = 4 : i64} : tensor<1x1x8xf32> -> tensor<1x1x12xi8>
  // Codes 0 4 7 15 0 0 0 0; then 1.0 = 0x3c00, -4.0 = 0xc400, 0.0, 2.5 = 0x4100.
  // CHECK: ( ( ( 64, -9, 0, 0, 0, 60, 0, -60, 0, 0, 0, 65 ) ) )
  %v1 = vector.transfer_read %q[%zero, %zero, %zero], %byte : tensor<1x1x12xi8>, vector<1x1x12xi8>
  vector.print %v1 : vector<1x1x12xi8>

  // CHECK-NEXT: ( ( ( -4, 0, 3, 11, 2.5, 2.5, 2.5, 2.5 ) ) )
  %y = fin.dequantize_rows %q {bits = 4 : i64, group_size = 4 : i64} : tensor<1x1x12xi8> -> tensor<1x1x8xf32>
  %v2 = vector.transfer_read %y[%zero, %zero, %zero], %pad : tensor<1x1x8xf32>, vector<1x1x8xf32>
  vector.print %v2 : vector<1x1x8xf32>

  // A half goes to the even code: -0.5 and 0.5 steps of one beside the ends.
  %h = arith.constant dense<[[[0.0, 0.5, 1.5, 255.0]]]> : tensor<1x1x4xf32>
  %r = fin.quantize_rows %h {bits = 8 : i64, group_size = 4 : i64} : tensor<1x1x4xf32> -> tensor<1x1x8xi8>
  // CHECK-NEXT: ( ( ( 0, 0, 2, -1, 0, 60, 0, 0 ) ) )
  %v3 = vector.transfer_read %r[%zero, %zero, %zero], %byte : tensor<1x1x8xi8>, vector<1x1x8xi8>
  vector.print %v3 : vector<1x1x8xi8>

  // A NaN takes its run along, whose codes are 0.
  %nan = arith.divf %pad, %pad : f32
  %one = arith.constant 1.0 : f32
  %four = arith.constant 4.0 : f32
  %n = tensor.from_elements %nan, %one, %one, %four : tensor<1x1x4xf32>
  %s = fin.quantize_rows %n {bits = 8 : i64, group_size = 2 : i64} : tensor<1x1x4xf32> -> tensor<1x1x12xi8>
  %z = fin.dequantize_rows %s {bits = 8 : i64, group_size = 2 : i64} : tensor<1x1x12xi8> -> tensor<1x1x4xf32>
  // CHECK-NEXT: ( ( ( nan, nan, 1, {{4|3.99}}
  %v4 = vector.transfer_read %z[%zero, %zero, %zero], %pad : tensor<1x1x4xf32>, vector<1x1x4xf32>
  vector.print %v4 : vector<1x1x4xf32>
  return
}
