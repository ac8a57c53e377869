// The definitions of the weight expressions: loops over projected permutations, groups
// and codes by computed index, 16-bit floats accumulated in f32, no fast-math flag.
// RUN: fingpt-opt %s --fin-decompose --canonicalize --split-input-file | FileCheck %s \
// RUN:   --implicit-check-not=fastmath \
// RUN:   --implicit-check-not='{{affine_map<.*(\+|\*|mod|floordiv|ceildiv).*>}}' \
// RUN:   --implicit-check-not='{{x[us]?i[2-7]>}}'

// Codes are read as bytes: two per byte, low nibble first. The parameter itself takes
// the type of its bytes; the group is a division in the body, never one in a map, which
// tiling would get wrong.
// CHECK-LABEL: func.func @dequantize_param
// CHECK-DAG:   %[[MASK:.*]] = arith.constant 15 : i32
// CHECK-DAG:   %[[BITS:.*]] = arith.constant 4 : index
// CHECK-DAG:   %[[PER_BYTE:.*]] = arith.constant 2 : index
// CHECK-DAG:   %[[GROUP_SIZE:.*]] = arith.constant 8 : index
// CHECK-DAG:   %[[SCALES:.*]] = fin.param "s" : tensor<4x2xf16>
// CHECK-DAG:   %[[MINS:.*]] = fin.param "m" : tensor<4x2xf16>
// CHECK-DAG:   %[[BYTES:.*]] = fin.param "q" : tensor<4x6xi8>
// CHECK:       linalg.generic
// CHECK-SAME:    iterator_types = ["parallel", "parallel"]
// CHECK:         %[[ROW:.*]] = linalg.index 0
// CHECK:         %[[COLUMN:.*]] = linalg.index 1
// CHECK:         %[[GROUP:.*]] = arith.divui %[[COLUMN]], %[[GROUP_SIZE]] : index
// CHECK:         %[[BYTE_INDEX:.*]] = arith.divui %[[COLUMN]], %[[PER_BYTE]] : index
// CHECK:         %[[WITHIN:.*]] = arith.remui %[[COLUMN]], %[[PER_BYTE]] : index
// CHECK:         %[[AMOUNT:.*]] = arith.muli %[[WITHIN]], %[[BITS]] : index
// CHECK:         %[[SHIFT:.*]] = arith.index_cast %[[AMOUNT]] : index to i32
// CHECK:         %[[BYTE:.*]] = tensor.extract %[[BYTES]][%[[ROW]], %[[BYTE_INDEX]]] : tensor<4x6xi8>
// CHECK:         %[[WIDE:.*]] = arith.extui %[[BYTE]] : i8 to i32
// CHECK:         %[[SHIFTED:.*]] = arith.shrui %[[WIDE]], %[[SHIFT]] : i32
// CHECK:         %[[CODE:.*]] = arith.andi %[[SHIFTED]], %[[MASK]] : i32
// CHECK:         %[[Q:.*]] = arith.sitofp %[[CODE]] : i32 to f32
// CHECK:         %[[S16:.*]] = tensor.extract %[[SCALES]][%[[ROW]], %[[GROUP]]] : tensor<4x2xf16>
// CHECK:         %[[S:.*]] = arith.extf %[[S16]] : f16 to f32
// CHECK:         %[[PRODUCT:.*]] = arith.mulf %[[Q]], %[[S]] : f32
// CHECK:         %[[M16:.*]] = tensor.extract %[[MINS]][%[[ROW]], %[[GROUP]]] : tensor<4x2xf16>
// CHECK:         %[[M:.*]] = arith.extf %[[M16]] : f16 to f32
// CHECK:         %[[W:.*]] = arith.addf %[[PRODUCT]], %[[M]] : f32
// CHECK:         %[[W16:.*]] = arith.truncf %[[W]] : f32 to f16
// CHECK:         linalg.yield %[[W16]] : f16
func.func @dequantize_param() -> tensor<4x12xf16> {
  %q = fin.param "q" : tensor<4x12xui4>
  %s = fin.param "s" : tensor<4x2xf16>
  %m = fin.param "m" : tensor<4x2xf16>
  %w = fin.dequantize %q scales %s mins %m {group_size = 8 : i64}
     : (tensor<4x12xui4>, tensor<4x2xf16>, tensor<4x2xf16>) -> tensor<4x12xf16>
  return %w : tensor<4x12xf16>
}

// -----

// Three bits straddle bytes: two bytes are read, the second clamped to the row, and the
// sign is extended by shifts.
// CHECK-LABEL: func.func @dequantize_straddling
// CHECK-SAME:    %[[BYTES:[^:]+]]: tensor<4x5xi8>
// CHECK-DAG:   %[[UP:.*]] = arith.constant 29 : i32
// CHECK-DAG:   %[[LAST:.*]] = arith.constant 4 : index
// CHECK:         %[[BIT:.*]] = arith.muli
// CHECK-NEXT:    %[[FIRST:.*]] = arith.divui %[[BIT]], %{{.*}} : index
// CHECK-NEXT:    arith.remui
// CHECK-NEXT:    %[[NEXT:.*]] = arith.addi %[[FIRST]], %{{.*}} : index
// CHECK:         %[[CLAMPED:.*]] = arith.minui %[[NEXT]], %[[LAST]] : index
// CHECK:         tensor.extract %[[BYTES]][%[[ROW:.*]], %[[FIRST]]]
// CHECK:         tensor.extract %[[BYTES]][%[[ROW]], %[[CLAMPED]]]
// CHECK:         %[[LEFT:.*]] = arith.shli %{{.*}}, %[[UP]] : i32
// CHECK:         arith.shrsi %[[LEFT]], %[[UP]] : i32
func.func @dequantize_straddling(%b: tensor<4x5xi8>, %s: tensor<4x1xf32>) -> tensor<4x12xf32> {
  %q = fin.unpack %b : tensor<4x5xi8> -> tensor<4x12xsi3>
  %w = fin.dequantize %q scales %s {group_size = 12 : i64}
     : (tensor<4x12xsi3>, tensor<4x1xf32>) -> tensor<4x12xf32>
  return %w : tensor<4x12xf32>
}

// -----

// Zero points that are codes are subtracted as integers; f64 takes everything in f64.
// CHECK-LABEL: func.func @dequantize_zeros
// CHECK-SAME:    %[[BYTES:[^:]+]]: tensor<4x8xi8>, %[[ZEROS:[^:]+]]: tensor<4x1xi8>
// CHECK:         tensor.extract %[[BYTES]]
// CHECK:         tensor.extract %[[ZEROS]]
// CHECK:         %[[D:.*]] = arith.subi %{{.*}}, %{{.*}} : i32
// CHECK:         %[[Q:.*]] = arith.sitofp %[[D]] : i32 to f64
// CHECK:         %[[S:.*]] = arith.extf %{{.*}} : f16 to f64
// CHECK:         arith.mulf %[[Q]], %[[S]] : f64
func.func @dequantize_zeros(%b: tensor<4x8xi8>, %zb: tensor<4x1xi8>, %s: tensor<4x2xf16>)
    -> tensor<4x8xf64> {
  %q = fin.unpack %b : tensor<4x8xi8> -> tensor<4x8xui8>
  %z = fin.unpack %zb : tensor<4x1xi8> -> tensor<4x2xui4>
  %w = fin.dequantize %q scales %s zeros %z {group_size = 4 : i64}
     : (tensor<4x8xui8>, tensor<4x2xf16>, tensor<4x2xui4>) -> tensor<4x8xf64>
  return %w : tensor<4x8xf64>
}

// -----

// CHECK-LABEL: func.func @lookup
// CHECK-SAME:    %{{.*}}: tensor<4x2xi8>, %[[TABLES:[^:]+]]: tensor<4x4xbf16>
// CHECK:         %[[ENTRY:.*]] = arith.index_cast %{{.*}} : i32 to index
// CHECK:         %[[VALUE:.*]] = tensor.extract %[[TABLES]][%{{.*}}, %[[ENTRY]]] : tensor<4x4xbf16>
// CHECK:         arith.extf %[[VALUE]] : bf16 to f32
func.func @lookup(%b: tensor<4x2xi8>, %t: tensor<4x4xbf16>) -> tensor<4x8xf32> {
  %q = fin.unpack %b : tensor<4x2xi8> -> tensor<4x8xui2>
  %w = fin.lookup %q, %t : (tensor<4x8xui2>, tensor<4x4xbf16>) -> tensor<4x8xf32>
  return %w : tensor<4x8xf32>
}

// -----

// The sum over the rank runs in f32 and is rounded once.
// CHECK-DAG: #[[B:.*]] = affine_map<(d0, d1, d2) -> (d0, d2)>
// CHECK-DAG: #[[A:.*]] = affine_map<(d0, d1, d2) -> (d2, d1)>
// CHECK-DAG: #[[W:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-LABEL: func.func @low_rank
// CHECK:       linalg.generic {indexing_maps = [#[[B]], #[[A]], #[[W]]], iterator_types = ["parallel", "parallel", "reduction"]}
// CHECK-SAME:    outs(%{{.*}} : tensor<8x4xf32>)
// CHECK:         arith.mulf %{{.*}}, %{{.*}} : f32
// CHECK:         arith.addf %{{.*}}, %{{.*}} : f32
// CHECK:       arith.truncf %{{.*}} : f32 to f16
func.func @low_rank(%b: tensor<8x2xf16>, %a: tensor<2x4xf16>) -> tensor<8x4xf16> {
  %0 = fin.low_rank %b, %a : tensor<8x2xf16>, tensor<2x4xf16>
  return %0 : tensor<8x4xf16>
}

// -----

// Rows of entries, in order; duplicates add.
// CHECK-LABEL: func.func @sparse
// CHECK:       %[[ZERO:.*]] = linalg.fill
// CHECK:       scf.for %[[ROW:.*]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args(%[[OUTER:.*]] = %[[ZERO]])
// CHECK:         %[[BEGIN:.*]] = arith.index_cast %{{.*}} : i32 to index
// CHECK:         %[[END:.*]] = arith.index_cast %{{.*}} : i32 to index
// CHECK:         scf.for %{{.*}} = %[[BEGIN]] to %[[END]] step %{{.*}} iter_args(%[[INNER:.*]] = %[[OUTER]])
// CHECK:           %[[OLD:.*]] = tensor.extract %[[INNER]][%[[ROW]], %[[COLUMN:.*]]]
// CHECK:           arith.addf %{{.*}}, %{{.*}} : f32
// CHECK:           tensor.insert %{{.*}} into %[[INNER]][%[[ROW]], %[[COLUMN]]]
func.func @sparse(%v: tensor<3xf16>, %c: tensor<3xi32>, %o: tensor<5xi32>) -> tensor<4x4xf16> {
  %0 = fin.sparse %v, %c, %o : (tensor<3xf16>, tensor<3xi32>, tensor<5xi32>) -> tensor<4x4xf16>
  return %0 : tensor<4x4xf16>
}

// -----

// One loop, from left to right.
// CHECK-LABEL: func.func @sum
// CHECK:       ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32, %[[C:.*]]: f32, %{{.*}}: f32):
// CHECK-NEXT:    %[[AB:.*]] = arith.addf %[[A]], %[[B]] : f32
// CHECK-NEXT:    %[[ABC:.*]] = arith.addf %[[AB]], %[[C]] : f32
// CHECK-NEXT:    linalg.yield %[[ABC]]
func.func @sum(%a: tensor<4x4xf32>, %b: tensor<4x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = fin.sum %a, %b, %c : tensor<4x4xf32>
  return %0 : tensor<4x4xf32>
}

// -----

// CHECK-DAG: #[[ID:.*]] = affine_map<(d0, d1) -> (d0, d1)>
// CHECK-DAG: #[[COLUMN:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-DAG: #[[SWAP:.*]] = affine_map<(d0, d1) -> (d1, d0)>
// CHECK-LABEL: func.func @reordered
// CHECK:       linalg.generic {indexing_maps = [#[[ID]], #[[COLUMN]], #[[ID]]]
// CHECK:         arith.mulf
// CHECK:       linalg.generic {indexing_maps = [#[[COLUMN]], #[[ID]]]
// CHECK:         %[[FROM:.*]] = arith.index_cast %{{.*}} : i32 to index
// CHECK:         tensor.extract %{{.*}}[%{{.*}}, %[[FROM]]]
// CHECK:       linalg.generic {indexing_maps = [#[[SWAP]], #[[ID]]]
func.func @reordered(%w: tensor<4x8xf32>, %f: tensor<8xf32>, %p: tensor<8xi32>) -> tensor<8x4xf32> {
  %0 = fin.scale %w along columns by %f : tensor<4x8xf32>, tensor<8xf32>
  %1 = fin.permute %0 along columns by %p : tensor<4x8xf32>, tensor<8xi32>
  %2 = fin.transpose %1 : tensor<4x8xf32>
  return %2 : tensor<8x4xf32>
}

// -----

// Parts are written where they belong: no arithmetic, no select.
// CHECK-LABEL: func.func @concat
// CHECK-SAME:    (%[[A:[^:]+]]: tensor<4x4xf32>, %[[B:[^:]+]]: tensor<3x4xf32>)
// CHECK-NEXT:  %[[EMPTY:.*]] = tensor.empty() : tensor<7x4xf32>
// CHECK-NEXT:  %[[FIRST:.*]] = tensor.insert_slice %[[A]] into %[[EMPTY]][0, 0] [4, 4] [1, 1]
// CHECK-NEXT:  %[[BOTH:.*]] = tensor.insert_slice %[[B]] into %[[FIRST]][4, 0] [3, 4] [1, 1]
// CHECK-NEXT:  return %[[BOTH]]
func.func @concat(%a: tensor<4x4xf32>, %b: tensor<3x4xf32>) -> tensor<7x4xf32> {
  %0 = fin.concat %a, %b along rows : tensor<4x4xf32>, tensor<3x4xf32>
  return %0 : tensor<7x4xf32>
}

// -----

// Signs by parity of common bits, one sum per element, scaled once by 1/√4.
// CHECK-DAG: #[[X:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
// CHECK-DAG: #[[S:.*]] = affine_map<(d0, d1, d2, d3) -> (d1, d3)>
// CHECK-DAG: #[[Y:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
// CHECK-LABEL: func.func @hadamard
// CHECK-DAG:   %[[FACTOR:.*]] = arith.constant 5.000000e-01 : f32
// CHECK:       tensor.expand_shape %{{.*}} {{\[\[}}0], [1, 2]] output_shape [%{{.*}}, 2, 4]
// CHECK:       linalg.generic {indexing_maps = [#[[X]], #[[S]], #[[Y]]]
// CHECK-SAME:    iterator_types = ["parallel", "parallel", "parallel", "reduction"]
// CHECK-SAME:    outs(%{{.*}} : tensor<?x2x4xf32>)
// CHECK:         %[[COMMON:.*]] = arith.andi %{{.*}}, %{{.*}} : i64
// CHECK:         math.ctpop %[[COMMON]]
// CHECK:       arith.mulf %{{.*}}, %[[FACTOR]] : f32
// CHECK:       arith.truncf %{{.*}} : f32 to f16
func.func @hadamard(%x: tensor<?x8xf16>, %s: tensor<8xf16>) -> tensor<?x8xf16> {
  %0 = fin.hadamard %x signs %s {size = 4 : i64} : tensor<?x8xf16>, tensor<8xf16>
  return %0 : tensor<?x8xf16>
}
