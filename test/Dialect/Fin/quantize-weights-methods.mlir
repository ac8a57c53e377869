// What every format and method of fin-quantize-weights makes of a weight [48, 40].
// RUN: %python %S/Inputs/write-stats.py %t.stats layers.0.up_proj.weight:40
// DEFINE: %{scheme} =
// DEFINE: %{stats} = stats=%t.stats
// DEFINE: %{check} =
// DEFINE: %{rewrite} = fingpt-opt %s --fin-quantize-weights="scheme=%{scheme} %{stats}" | FileCheck %s --check-prefix=%{check}

// REDEFINE: %{scheme} = w3g16
// REDEFINE: %{check} = ZEROS
// RUN: %{rewrite}
// REDEFINE: %{scheme} = w3g16:gptq
// RUN: %{rewrite}
// REDEFINE: %{scheme} = w3g16-clip:rtn
// RUN: %{rewrite}
// REDEFINE: %{scheme} = w3g16:awq
// REDEFINE: %{check} = AWQ
// RUN: %{rewrite}
// REDEFINE: %{scheme} = w3g16+lr4:loftq
// REDEFINE: %{check} = LOFTQ
// RUN: %{rewrite}
// REDEFINE: %{scheme} = w3g16+lr4+w8
// REDEFINE: %{check} = CODED
// RUN: %{rewrite}

// Without statistics.
// REDEFINE: %{stats} =
// REDEFINE: %{scheme} = w4g16-sym
// REDEFINE: %{check} = SYM
// RUN: %{rewrite}
// REDEFINE: %{scheme} = w4g16-sym-signed
// REDEFINE: %{check} = SIGNED
// RUN: %{rewrite}
// REDEFINE: %{scheme} = w4g16-min:hqq
// REDEFINE: %{check} = MIN
// RUN: %{rewrite}
// REDEFINE: %{scheme} = w4g16-sym-dq
// REDEFINE: %{check} = DOUBLE
// RUN: %{rewrite}
// REDEFINE: %{scheme} = nf4
// REDEFINE: %{check} = NF4
// RUN: %{rewrite}
// REDEFINE: %{scheme} = fp4
// REDEFINE: %{check} = FP4
// RUN: %{rewrite}
// REDEFINE: %{scheme} = mxfp4
// REDEFINE: %{check} = MXFP4
// RUN: %{rewrite}
// REDEFINE: %{scheme} = nvfp4
// REDEFINE: %{check} = NVFP4
// RUN: %{rewrite}

// RUN: not fingpt-opt %s --fin-quantize-weights="scheme=w3g16:awq+lr4" 2>&1 | FileCheck %s --check-prefix=AWQ-PAIR
// RUN: not fingpt-opt %s --fin-quantize-weights="scheme=w3g16-min:hqq+lr4:loftq" 2>&1 | FileCheck %s --check-prefix=HQQ-LOFTQ
// RUN: not fingpt-opt %s --fin-quantize-weights="scheme=w3g16:hqq" 2>&1 | FileCheck %s --check-prefix=HQQ-ZEROS
// RUN: not fingpt-opt %s --fin-quantize-weights="scheme=w3g16 stats=%t.none" 2>&1 | FileCheck %s --check-prefix=NO-FILE

// ZEROS:         %[[Q:.*]] = fin.param "layers.0.up_proj.weight.q.codes" : tensor<48x40xui3>
// ZEROS:         %[[S:.*]] = fin.param "layers.0.up_proj.weight.q.scales" : tensor<48x3xf16>
// ZEROS:         %[[Z:.*]] = fin.param "layers.0.up_proj.weight.q.zeros" : tensor<48x3xui3>
// ZEROS:         %[[W:.*]] = fin.dequantize %[[Q]] scales %[[S]] zeros %[[Z]] {group_size = 16 : i64}
// ZEROS:         fin.linear %{{.*}}, %[[W]]

// Columns of the rounded weight are scaled back.
// AWQ:           %[[Q:.*]] = fin.dequantize
// AWQ:           %[[S:.*]] = fin.param "layers.0.up_proj.weight.input_scales" : tensor<40xf16>
// AWQ:           %[[S32:.*]] = arith.extf %[[S]]
// AWQ:           %[[W:.*]] = fin.scale %[[Q]] along columns by %[[S32]]
// AWQ:           fin.linear %{{.*}}, %[[W]]

// LOFTQ:         %[[Q:.*]] = fin.dequantize
// LOFTQ:         fin.param "layers.0.up_proj.weight.lr.b" : tensor<48x4xf16>
// LOFTQ:         fin.param "layers.0.up_proj.weight.lr.a" : tensor<4x40xf16>
// LOFTQ:         %[[LR:.*]] = fin.low_rank
// LOFTQ:         fin.sum %[[Q]], %[[LR]]

// CODED:         fin.param "layers.0.up_proj.weight.lr.b.codes" : tensor<48x4xui8>
// CODED:         %[[B:.*]] = fin.dequantize
// CODED:         fin.param "layers.0.up_proj.weight.lr.a.codes" : tensor<4x40xui8>
// CODED:         %[[A:.*]] = fin.dequantize
// CODED:         fin.low_rank %[[B]], %[[A]]

// SYM:           %[[Q:.*]] = fin.param "layers.0.up_proj.weight.q.codes" : tensor<48x40xui4>
// SYM:           %[[S:.*]] = fin.param "layers.0.up_proj.weight.q.scales" : tensor<48x3xf16>
// SYM-NOT:       fin.param "layers.0.up_proj.weight.q
// SYM:           fin.dequantize %[[Q]] scales %[[S]] {group_size = 16 : i64, zero = 8 : i64}

// SIGNED:        %[[Q:.*]] = fin.param "layers.0.up_proj.weight.q.codes" : tensor<48x40xsi4>
// SIGNED:        fin.dequantize %[[Q]] scales %{{.*}} {group_size = 16 : i64}

// MIN:           %[[M:.*]] = fin.param "layers.0.up_proj.weight.q.mins" : tensor<48x3xf16>
// MIN:           fin.dequantize %{{.*}} scales %{{.*}} mins %[[M]] {group_size = 16 : i64}

// Scales are codes themselves, a column of groups at a time.
// DOUBLE:        %[[C:.*]] = fin.param "layers.0.up_proj.weight.q.scale_codes" : tensor<3x48xui8>
// DOUBLE:        %[[SS:.*]] = fin.param "layers.0.up_proj.weight.q.scale_scales" : tensor<3x1xf32>
// DOUBLE:        %[[SM:.*]] = fin.param "layers.0.up_proj.weight.q.scale_mins" : tensor<3x1xf32>
// DOUBLE:        %[[T:.*]] = fin.dequantize %[[C]] scales %[[SS]] mins %[[SM]] {group_size = 256 : i64}
// DOUBLE:        %[[S:.*]] = fin.transpose %[[T]]
// DOUBLE:        fin.dequantize %{{.*}} scales %[[S]] {group_size = 16 : i64, zero = 8 : i64}

// NF4:           arith.constant dense<[-1.000000e+00, -0.69{{[0-9]*}}, {{.*}}, 1.000000e+00]> : tensor<16xf32>
// NF4:           fin.lookup %{{.*}}, %{{.*}} scales %{{.*}} {group_size = 40 : i64}

// FP4:           arith.constant dense<[{{.*}}1.000000e+00{{.*}}]> : tensor<16xf32>
// FP4:           fin.lookup %{{.*}}, %{{.*}} scales %{{.*}} {group_size = 40 : i64}

// Scales are powers of two, read through a table.
// MXFP4:         %[[E:.*]] = fin.param "layers.0.up_proj.weight.q.scales" : tensor<48x2xui8>
// MXFP4:         %[[T:.*]] = fin.param "tables.F8_E8M0" : tensor<256xf32>
// MXFP4:         %[[S:.*]] = fin.lookup %[[E]], %[[T]]
// MXFP4:         fin.lookup %{{.*}}, %{{.*}} scales %[[S]] {group_size = 32 : i64}

// NVFP4:         %[[E:.*]] = fin.param "layers.0.up_proj.weight.q.scales" : tensor<48x3xui8>
// NVFP4:         %[[T:.*]] = fin.param "tables.F8_E4M3" : tensor<256xf32>
// NVFP4:         %[[S:.*]] = fin.lookup %[[E]], %[[T]]
// NVFP4:         fin.param "layers.0.up_proj.weight.q.codebook" : tensor<16xf32>
// NVFP4:         fin.lookup %{{.*}}, %{{.*}} scales %[[S]] {group_size = 16 : i64}

// AWQ-PAIR:      error: {{.*}}w3g16:awq+lr4{{.*}}no pair beside inputs that awq scales
// HQQ-LOFTQ:     error: {{.*}}rtn or gptq codes to alternate with
// HQQ-ZEROS:     error: {{.*}}HQQ: scheme, expected integers with mins
// NO-FILE:       error: {{.*}}none
module attributes {fin.params = "random:7"} {
  func.func @forward(%x: tensor<?x?x40xf32>) -> tensor<?x?x48xf32> {
    %up = fin.param "layers.0.up_proj.weight" : tensor<48x40xf32>
    %u = fin.linear %x, %up : tensor<?x?x40xf32>, tensor<48x40xf32>
    return %u : tensor<?x?x48xf32>
  }
}
