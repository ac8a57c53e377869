// fin-convert-precision: the graph in another float type, parameters as they are
// stored.
// RUN: fingpt-opt %s --fin-convert-precision=to=f64 | FileCheck %s --check-prefix=F64
// RUN: fingpt-opt %s --fin-convert-precision=to=bf16 | FileCheck %s --check-prefix=BF16
// RUN: fingpt-opt %s --fin-convert-precision=to=f32 | FileCheck %s --check-prefix=F32
// RUN: fingpt-opt %s --fin-convert-precision | FileCheck %s --check-prefix=F32
// RUN: not fingpt-opt %s --fin-convert-precision=to=f8 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: error: 'fin-convert-precision': unknown type 'f8', expected f16, bf16, f32 or f64

// Tokens and codes are no floats; scales are read as they are stored, since the
// expression widens them itself.
// F64-LABEL: func.func @forward(
// F64-SAME:    %[[TOKENS:[^:]+]]: tensor<?xi32>, %[[X:[^:]+]]: tensor<?x4xf64>) -> tensor<?x6xf64>
// F64:         %[[W:.*]] = fin.param "w" : tensor<6x4xf16>
// F64-NEXT:    %[[WIDE:.*]] = arith.extf %[[W]] : tensor<6x4xf16> to tensor<6x4xf64>
// F64:         fin.linear %[[X]], %[[WIDE]] : tensor<?x4xf64>, tensor<6x4xf64>
// F64:         %[[Q:.*]] = fin.param "q" : tensor<6x6xui4>
// F64-NEXT:    %[[S:.*]] = fin.param "s" : tensor<6x1xf16>
// F64-NEXT:    fin.dequantize %[[Q]] scales %[[S]] {{.*}} : (tensor<6x6xui4>, tensor<6x1xf16>) -> tensor<6x6xf64>
// A tenth is converted, not computed again: what the graph says is f32.
// F64:         arith.constant dense<0.1000000014901161{{[0-9]*}}> : tensor<6xf64>
// F64:         %[[B:.*]] = fin.param "b" : tensor<6xf64>
// F64-NEXT:    fin.rms_norm %{{.*}}, %[[B]]
// F64-NOT:     arith.truncf
// F64:         linalg.generic
// F64:         ^bb0(%{{.*}}: f64, %{{.*}}: f64):
// F64:         return %{{.*}} : tensor<?x6xf64>

// From f16 to bf16 there is no direct way.
// BF16-LABEL: func.func @forward(
// BF16:         %[[W:.*]] = fin.param "w" : tensor<6x4xf16>
// BF16-NEXT:    %[[WIDE:.*]] = arith.extf %[[W]] : tensor<6x4xf16> to tensor<6x4xf32>
// BF16-NEXT:    %[[W16:.*]] = arith.truncf %[[WIDE]] : tensor<6x4xf32> to tensor<6x4xbf16>
// BF16:         fin.linear %{{.*}}, %[[W16]] : tensor<?x4xbf16>, tensor<6x4xbf16>
// BF16:         %[[B:.*]] = fin.param "b" : tensor<6xf64>
// BF16-NEXT:    arith.truncf %[[B]] : tensor<6xf64> to tensor<6xbf16>

// A cast of the graph that has become the identity goes.
// F32-LABEL: func.func @forward(
// F32-SAME:    %{{[^:]+}}: tensor<?xi32>, %[[X:[^:]+]]: tensor<?x4xf32>) -> tensor<?x6xf32>
// F32:         %[[W:.*]] = fin.param "w" : tensor<6x4xf16>
// F32-NEXT:    %[[WIDE:.*]] = arith.extf %[[W]] : tensor<6x4xf16> to tensor<6x4xf32>
// F32-NEXT:    fin.linear %[[X]], %[[WIDE]]
// F32:         arith.truncf %{{.*}} : tensor<6xf64> to tensor<6xf32>
func.func @forward(%t: tensor<?xi32>, %x: tensor<?x4xf32>) -> tensor<?x6xf32> {
  %w = fin.param "w" : tensor<6x4xf16>
  %wide = arith.extf %w : tensor<6x4xf16> to tensor<6x4xf32>
  %y = fin.linear %x, %wide : tensor<?x4xf32>, tensor<6x4xf32>
  %q = fin.param "q" : tensor<6x6xui4>
  %s = fin.param "s" : tensor<6x1xf16>
  %d = fin.dequantize %q scales %s {group_size = 6 : i64}
     : (tensor<6x6xui4>, tensor<6x1xf16>) -> tensor<6x6xf32>
  %c = arith.constant dense<0.1> : tensor<6xf32>
  %z = fin.linear %y, %d bias %c : tensor<?x6xf32>, tensor<6x6xf32>, tensor<6xf32>
  %b = fin.param "b" : tensor<6xf64>
  %b32 = arith.truncf %b : tensor<6xf64> to tensor<6xf32>
  %n = fin.rms_norm %z, %b32 {eps = 1.0e-5 : f64} : tensor<?x6xf32>, tensor<6xf32>
  %r = linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>, affine_map<(i, j) -> (i, j)>],
                       iterator_types = ["parallel", "parallel"]}
       ins(%n : tensor<?x6xf32>) outs(%z : tensor<?x6xf32>) {
  ^bb0(%in: f32, %out: f32):
    %two = arith.constant 2.0 : f32
    %p = arith.mulf %in, %two : f32
    linalg.yield %p : f32
  } -> tensor<?x6xf32>
  return %r : tensor<?x6xf32>
}
