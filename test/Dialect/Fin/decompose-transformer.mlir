// The definitions of the transformer's ops: loops over projected permutations, sums,
// statistics, exponentials and angles in the accumulation type, no fast-math flag.
// RUN: fingpt-opt %s --fin-decompose --canonicalize --split-input-file | FileCheck %s \
// RUN:   --implicit-check-not=fastmath --implicit-check-not=fin. \
// RUN:   --implicit-check-not='{{affine_map<.*(\+|\*|mod|floordiv|ceildiv).*>}}'

// One sum over the inputs; f32 needs no second loop.
// CHECK-DAG: #[[X:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
// CHECK-DAG: #[[W:.*]] = affine_map<(d0, d1, d2, d3) -> (d2, d3)>
// CHECK-DAG: #[[Y:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
// CHECK-LABEL: func.func @linear_f32
// CHECK:       %[[ZERO:.*]] = linalg.fill
// CHECK:       %[[SUM:.*]] = linalg.generic {indexing_maps = [#[[X]], #[[W]], #[[Y]]], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
// CHECK-SAME:    outs(%[[ZERO]] : tensor<?x?x6xf32>)
// CHECK-NEXT:    ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32, %[[RUNNING:.*]]: f32):
// CHECK-NEXT:      %[[P:.*]] = arith.mulf %[[A]], %[[B]] : f32
// CHECK-NEXT:      %[[NEW:.*]] = arith.addf %[[RUNNING]], %[[P]] : f32
// CHECK-NEXT:      linalg.yield %[[NEW]] : f32
// CHECK:       return %[[SUM]]
func.func @linear_f32(%x: tensor<?x?x4xf32>, %w: tensor<6x4xf32>) -> tensor<?x?x6xf32> {
  %0 = fin.linear %x, %w : tensor<?x?x4xf32>, tensor<6x4xf32>
  return %0 : tensor<?x?x6xf32>
}

// -----

// Rounded to 16 bits once, after the bias.
// CHECK-LABEL: func.func @linear_bf16
// CHECK:       linalg.generic
// CHECK-SAME:    outs(%{{.*}} : tensor<?x?x6xf32>)
// CHECK:         arith.extf %{{.*}} : bf16 to f32
// CHECK:         arith.extf %{{.*}} : bf16 to f32
// CHECK:         arith.addf %{{.*}}, %{{.*}} : f32
// CHECK:       linalg.generic
// CHECK:         %[[BIAS:.*]] = arith.extf %{{.*}} : bf16 to f32
// CHECK:         %[[Y:.*]] = arith.addf %{{.*}}, %[[BIAS]] : f32
// CHECK:         arith.truncf %[[Y]] : f32 to bf16
func.func @linear_bf16(%x: tensor<?x?x4xbf16>, %w: tensor<6x4xbf16>, %b: tensor<6xbf16>)
    -> tensor<?x?x6xbf16> {
  %0 = fin.linear %x, %w bias %b : tensor<?x?x4xbf16>, tensor<6x4xbf16>, tensor<6xbf16>
  return %0 : tensor<?x?x6xbf16>
}

// -----

// CHECK-LABEL: func.func @linear_f64
// CHECK:       outs(%{{.*}} : tensor<6xf64>)
// CHECK:         arith.addf %{{.*}}, %{{.*}} : f64
// CHECK-NOT:   arith.truncf
func.func @linear_f64(%x: tensor<4xf64>, %w: tensor<6x4xf64>) -> tensor<6xf64> {
  %0 = fin.linear %x, %w : tensor<4xf64>, tensor<6x4xf64>
  return %0 : tensor<6xf64>
}

// -----

// CHECK-LABEL: func.func @embedding
// CHECK-SAME:    %[[IDS:[^:]+]]: tensor<?x?xi32>, %[[TABLE:[^:]+]]: tensor<10x4xf16>
// CHECK:       linalg.generic
// CHECK-SAME:    ins(%[[IDS]] : tensor<?x?xi32>) outs(%{{.*}} : tensor<?x?x4xf16>)
// CHECK:         %[[ROW:.*]] = arith.index_cast %{{.*}} : i32 to index
// CHECK:         tensor.extract %[[TABLE]][%[[ROW]], %{{.*}}] : tensor<10x4xf16>
func.func @embedding(%ids: tensor<?x?xi32>, %table: tensor<10x4xf16>) -> tensor<?x?x4xf16> {
  %0 = fin.embedding %ids, %table : tensor<?x?xi32>, tensor<10x4xf16>
  return %0 : tensor<?x?x4xf16>
}

// -----

// Heads are an axis of their own, so that no map divides. Mean and root in f32.
// CHECK-LABEL: func.func @rms_norm
// CHECK-DAG:   %[[EPS:.*]] = arith.constant 9.99999974E-6 : f32
// CHECK-DAG:   %[[N:.*]] = arith.constant 4.000000e+00 : f32
// CHECK:       tensor.expand_shape %{{.*}} {{\[\[}}0], [1], [2, 3]] output_shape [%{{.*}}, %{{.*}}, 2, 4]
// CHECK:       iterator_types = ["parallel", "parallel", "parallel", "reduction"]
// CHECK-SAME:    outs(%{{.*}} : tensor<?x?x2xf32>)
// CHECK:         %[[X:.*]] = arith.extf %{{.*}} : f16 to f32
// CHECK:         arith.mulf %[[X]], %[[X]] : f32
// CHECK:       arith.divf %{{.*}}, %[[N]] : f32
// CHECK:       %[[V:.*]] = arith.addf %{{.*}}, %[[EPS]] : f32
// CHECK:       math.sqrt %[[V]] : f32
// CHECK:       arith.truncf %{{.*}} : f32 to f16
// CHECK:       tensor.collapse_shape
func.func @rms_norm(%x: tensor<?x?x8xf16>, %w: tensor<4xf16>) -> tensor<?x?x8xf16> {
  %0 = fin.rms_norm %x, %w {eps = 1.0e-5 : f64, head_dim = 4 : i64}
     : tensor<?x?x8xf16>, tensor<4xf16>
  return %0 : tensor<?x?x8xf16>
}

// -----

// Two passes: the variance is that of x − mean, not mean(x²) − mean², which cancels.
// CHECK-LABEL: func.func @layer_norm
// CHECK:       "reduction"
// CHECK-NEXT:  ^bb0(%[[X:.*]]: f64, %[[RUNNING:.*]]: f64):
// CHECK-NEXT:    arith.addf %[[RUNNING]], %[[X]] : f64
// CHECK:       "reduction"
// CHECK-NEXT:  ^bb0(%[[X:.*]]: f64, %[[MEAN:.*]]: f64, %{{.*}}: f64):
// CHECK-NEXT:    %[[D:.*]] = arith.subf %[[X]], %[[MEAN]] : f64
// CHECK-NEXT:    arith.mulf %[[D]], %[[D]] : f64
func.func @layer_norm(%x: tensor<?x8xf64>, %w: tensor<8xf64>, %b: tensor<8xf64>) -> tensor<?x8xf64> {
  %0 = fin.layer_norm %x weight %w bias %b {eps = 1.0e-5 : f64}
     : (tensor<?x8xf64>, tensor<8xf64>, tensor<8xf64>) -> tensor<?x8xf64>
  return %0 : tensor<?x8xf64>
}

// -----

// Frequencies are rounded once to the accumulation type; angles, sines and cosines are
// f32 even for bf16, and are computed once per token, not once per head.
// CHECK-LABEL: func.func @rope
// CHECK-SAME:    %[[X:[^:]+]]: tensor<?x?x8xbf16>, %[[P:[^:]+]]: tensor<?x?xi32>
// CHECK-DAG:   %[[F:.*]] = arith.constant dense<[1.000000e+00, 0.00999999977]> : tensor<2xf32>
// CHECK:       linalg.generic
// CHECK-SAME:    ins(%[[P]], %[[F]] : tensor<?x?xi32>, tensor<2xf32>) outs(%{{.*}} : tensor<?x?x2xf32>)
// CHECK:         arith.sitofp %{{.*}} : i32 to f32
// CHECK:         math.cos %{{.*}} : f32
// CHECK:       outs(%{{.*}} : tensor<?x?x2xf32>)
// CHECK:         math.sin %{{.*}} : f32
// CHECK:       outs(%{{.*}} : tensor<?x?x2x4xbf16>)
// CHECK:         arith.truncf %{{.*}} : f32 to bf16
func.func @rope(%x: tensor<?x?x8xbf16>, %p: tensor<?x?xi32>) -> tensor<?x?x8xbf16> {
  %0 = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64}
     : tensor<?x?x8xbf16>, tensor<?x?xi32>
  return %0 : tensor<?x?x8xbf16>
}

// -----

// One test of all positions decides between the factors.
// CHECK-LABEL: func.func @longrope
// CHECK-DAG:   %[[LIMIT:.*]] = arith.constant 6 : i32
// CHECK:       linalg.generic
// CHECK-SAME:    iterator_types = ["reduction", "reduction"]
// CHECK-SAME:    outs(%{{.*}} : tensor<i1>)
// CHECK:         %[[BEYOND:.*]] = arith.cmpi sge, %{{.*}}, %[[LIMIT]] : i32
// CHECK:         arith.ori %{{.*}}, %[[BEYOND]] : i1
// CHECK:         arith.select
func.func @longrope(%x: tensor<?x?x8xf32>, %p: tensor<?x?xi32>) -> tensor<?x?x8xf32> {
  %0 = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64,
      scaling = #fin.rope_scaling<"longrope", {short_factors = array<f64: 1.0, 1.5>,
        long_factors = array<f64: 2.0, 4.0>, attention_factor = 1.2 : f64, original_context = 6 : i64}>}
     : tensor<?x?x8xf32>, tensor<?x?xi32>
  return %0 : tensor<?x?x8xf32>
}

// -----

// Scores [b, kv head, query head in its group, t, s]; visibility by position; f32
// throughout for f16, rounded once at the end; what is hidden adds nothing.
// CHECK-DAG: #[[Q:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d3, d1, d2, d5)>
// CHECK-DAG: #[[K:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d4, d1, d5)>
// CHECK-DAG: #[[P:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d2, d3, d1, d5)>
// CHECK-DAG: #[[V:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d5, d2, d4)>
// CHECK-DAG: #[[OUT:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d2, d3, d4)>
// CHECK-LABEL: func.func @attention
// CHECK-SAME:    %[[POSITIONS:[^:]+]]: tensor<?x?xi32>
// CHECK-DAG:   %[[HIDDEN:.*]] = arith.constant 0xFF800000 : f32
// CHECK-DAG:   %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
// CHECK:       linalg.generic {indexing_maps = [#[[Q]], #[[K]], #[[OUT]]]
// CHECK-SAME:    outs(%{{.*}} : tensor<?x2x2x?x?xf32>)
// CHECK:         tensor.extract %[[POSITIONS]]
// CHECK:         %[[VISIBLE:.*]] = arith.cmpi sle
// CHECK:         arith.select %[[VISIBLE]], %{{.*}}, %[[HIDDEN]] : f32
// CHECK:         arith.maximumf
// CHECK:         math.exp %{{.*}} : f32
// CHECK:         arith.divf
// CHECK:       linalg.generic {indexing_maps = [#[[P]], #[[V]], #[[OUT]]]
// CHECK:         %[[TERM:.*]] = arith.mulf %[[PROBABILITY:.*]], %{{.*}} : f32
// CHECK:         %[[NONE:.*]] = arith.cmpf oeq, %[[PROBABILITY]], %[[ZERO]] : f32
// CHECK:         %[[ADDED:.*]] = arith.select %[[NONE]], %[[ZERO]], %[[TERM]] : f32
// CHECK:         arith.addf %{{.*}}, %[[ADDED]] : f32
// CHECK:       arith.truncf %{{.*}} : f32 to f16
func.func @attention(%q: tensor<?x?x8xf16>, %k: tensor<?x?x4xf16>, %p: tensor<?x?xi32>)
    -> tensor<?x?x8xf16> {
  %0 = fin.attention %q at %p, %k, %k {heads = 4 : i64, kv_heads = 2 : i64, causal, scale = 0.5 : f64}
     : (tensor<?x?x8xf16>, tensor<?x?xi32>, tensor<?x?x4xf16>, tensor<?x?x4xf16>) -> tensor<?x?x8xf16>
  return %0 : tensor<?x?x8xf16>
}

// -----

// CHECK-LABEL: func.func @softmax
// CHECK:       arith.maximumf %{{.*}}, %{{.*}} : f32
// CHECK:       math.exp %{{.*}} : f32
// CHECK:       arith.addf %{{.*}}, %{{.*}} : f32
// CHECK:       arith.divf %{{.*}}, %{{.*}} : f32
// CHECK:       arith.truncf %{{.*}} : f32 to f16
func.func @softmax(%x: tensor<?x4xf16>) -> tensor<?x4xf16> {
  %0 = fin.softmax %x : tensor<?x4xf16>
  return %0 : tensor<?x4xf16>
}

// -----

// Constants are those of the accumulation type: √½ in f64 has all its digits.
// CHECK-LABEL: func.func @elementwise
// CHECK-DAG:   arith.constant 0.70710678118654757 : f64
// CHECK-DAG:   arith.constant 4.471500e-02 : f64
// CHECK-DAG:   arith.constant 1.702000e+00 : f64
// CHECK:       math.erf %{{.*}} : f64
// CHECK:       math.tanh %{{.*}} : f64
// CHECK:       math.exp %{{.*}} : f64
// CHECK:       math.exp %{{.*}} : f64
// CHECK:       arith.maximumf %{{.*}}, %{{.*}} : f64
// CHECK:       math.exp %{{.*}} : f64
// CHECK:       arith.mulf %{{.*}}, %{{.*}} : f64
// CHECK:       math.tanh %{{.*}} : f64
func.func @elementwise(%x: tensor<?xf64>) -> tensor<?xf64> {
  %0 = fin.gelu exact %x : tensor<?xf64>
  %1 = fin.gelu tanh %0 : tensor<?xf64>
  %2 = fin.gelu quick %1 : tensor<?xf64>
  %3 = fin.silu %2 : tensor<?xf64>
  %4 = fin.relu %3 : tensor<?xf64>
  %5 = fin.sigmoid %4 : tensor<?xf64>
  %6 = fin.multiply %5 by 24.0 : tensor<?xf64>
  %7 = fin.soft_cap %6 at 30.0 : tensor<?xf64>
  return %7 : tensor<?xf64>
}

// -----

// CHECK-LABEL: func.func @elementwise_f16
// CHECK:       arith.extf %{{.*}} : f16 to f32
// CHECK:       math.exp %{{.*}} : f32
// CHECK:       arith.truncf %{{.*}} : f32 to f16
func.func @elementwise_f16(%x: tensor<?xf16>) -> tensor<?xf16> {
  %0 = fin.silu %x : tensor<?xf16>
  return %0 : tensor<?xf16>
}

// -----

// CHECK-LABEL: func.func @positions
// CHECK-DAG:   %[[OFFSET:.*]] = arith.constant 2 : index
// CHECK:         %[[T:.*]] = linalg.index 1
// CHECK:         %[[P:.*]] = arith.addi %[[T]], %[[OFFSET]] : index
// CHECK:         arith.index_cast %[[P]] : index to i32
func.func @positions(%tokens: tensor<?x?xi32>) -> tensor<?x?xi32> {
  %0 = fin.positions %tokens {offset = 2 : i64} : tensor<?x?xi32>
  return %0 : tensor<?x?xi32>
}
