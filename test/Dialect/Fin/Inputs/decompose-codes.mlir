func.func @f(%q: tensor<4x8xui4>, %s: tensor<4x1xf32>) -> tensor<4x8xf32> {
  %0 = fin.dequantize %q scales %s {group_size = 8 : i64}
     : (tensor<4x8xui4>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}
