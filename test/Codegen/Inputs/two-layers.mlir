// A Llama of two layers: grouped heads, rope, gated feed-forward; 4-bit weights.
#model = #fin.model<arch = "llama", context_length = 64, vocab_size = 10, layers = 2>
!h = tensor<?x?x8xf32>
!k = tensor<?x?x4xf32>
!p = tensor<?x?xi32>
module attributes {fin.model = #model} {
func.func @forward(%tokens: !p) -> tensor<?x?x10xf32> {
  %table = fin.param "embed.weight" : tensor<10x8xf32>
  %h0 = fin.embedding %tokens, %table : !p, tensor<10x8xf32>
  %p = fin.positions %tokens : !p

  %g0 = fin.param "layers.0.norm.weight" : tensor<8xf32>
  %n0 = fin.rms_norm %h0, %g0 {eps = 1.0e-5 : f64} : !h, tensor<8xf32>
  %q0_q = fin.param "layers.0.q.weight.codes" : tensor<8x8xui4>
  %q0_s = fin.param "layers.0.q.weight.scales" : tensor<8x1xf16>
  %q0 = fin.dequantize %q0_q scales %q0_s {group_size = 32 : i64, zero = 8 : i64}
      : (tensor<8x8xui4>, tensor<8x1xf16>) -> tensor<8x8xf32>
  %xq0 = fin.linear %n0, %q0 : !h, tensor<8x8xf32>
  %k0_q = fin.param "layers.0.k.weight.codes" : tensor<4x8xui4>
  %k0_s = fin.param "layers.0.k.weight.scales" : tensor<4x1xf16>
  %k0 = fin.dequantize %k0_q scales %k0_s {group_size = 32 : i64, zero = 8 : i64}
      : (tensor<4x8xui4>, tensor<4x1xf16>) -> tensor<4x8xf32>
  %xk0 = fin.linear %n0, %k0 : !h, tensor<4x8xf32>
  %v0_q = fin.param "layers.0.v.weight.codes" : tensor<4x8xui4>
  %v0_s = fin.param "layers.0.v.weight.scales" : tensor<4x1xf16>
  %v0 = fin.dequantize %v0_q scales %v0_s {group_size = 32 : i64, zero = 8 : i64}
      : (tensor<4x8xui4>, tensor<4x1xf16>) -> tensor<4x8xf32>
  %xv0 = fin.linear %n0, %v0 : !h, tensor<4x8xf32>
  %rq0 = fin.rope half %xq0 at %p {base = 1.0e4 : f64, head_dim = 4 : i64} : !h, !p
  %rk0 = fin.rope half %xk0 at %p {base = 1.0e4 : f64, head_dim = 4 : i64} : !k, !p
  %a0 = fin.attention %rq0 at %p, %rk0, %xv0 {heads = 2 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
      : (!h, !p, !k, !k) -> !h
  %o0_q = fin.param "layers.0.o.weight.codes" : tensor<8x8xui4>
  %o0_s = fin.param "layers.0.o.weight.scales" : tensor<8x1xf16>
  %o0 = fin.dequantize %o0_q scales %o0_s {group_size = 32 : i64, zero = 8 : i64}
      : (tensor<8x8xui4>, tensor<8x1xf16>) -> tensor<8x8xf32>
  %xo0 = fin.linear %a0, %o0 : !h, tensor<8x8xf32>
  %r0 = arith.addf %h0, %xo0 : !h
  %up0_q = fin.param "layers.0.up.weight.codes" : tensor<16x8xui4>
  %up0_s = fin.param "layers.0.up.weight.scales" : tensor<16x1xf16>
  %up0 = fin.dequantize %up0_q scales %up0_s {group_size = 32 : i64, zero = 8 : i64}
      : (tensor<16x8xui4>, tensor<16x1xf16>) -> tensor<16x8xf32>
  %xu0 = fin.linear %r0, %up0 : !h, tensor<16x8xf32>
  %act0 = fin.silu %xu0 : tensor<?x?x16xf32>
  %down0_q = fin.param "layers.0.down.weight.codes" : tensor<8x16xui4>
  %down0_s = fin.param "layers.0.down.weight.scales" : tensor<8x1xf16>
  %down0 = fin.dequantize %down0_q scales %down0_s {group_size = 32 : i64, zero = 8 : i64}
      : (tensor<8x16xui4>, tensor<8x1xf16>) -> tensor<8x16xf32>
  %xd0 = fin.linear %act0, %down0 : tensor<?x?x16xf32>, tensor<8x16xf32>
  %h1 = arith.addf %r0, %xd0 : !h

  %g1 = fin.param "layers.1.norm.weight" : tensor<8xf32>
  %n1 = fin.rms_norm %h1, %g1 {eps = 1.0e-5 : f64} : !h, tensor<8xf32>
  %q1_q = fin.param "layers.1.q.weight.codes" : tensor<8x8xui4>
  %q1_s = fin.param "layers.1.q.weight.scales" : tensor<8x1xf16>
  %q1 = fin.dequantize %q1_q scales %q1_s {group_size = 32 : i64, zero = 8 : i64}
      : (tensor<8x8xui4>, tensor<8x1xf16>) -> tensor<8x8xf32>
  %xq1 = fin.linear %n1, %q1 : !h, tensor<8x8xf32>
  %k1_q = fin.param "layers.1.k.weight.codes" : tensor<4x8xui4>
  %k1_s = fin.param "layers.1.k.weight.scales" : tensor<4x1xf16>
  %k1 = fin.dequantize %k1_q scales %k1_s {group_size = 32 : i64, zero = 8 : i64}
      : (tensor<4x8xui4>, tensor<4x1xf16>) -> tensor<4x8xf32>
  %xk1 = fin.linear %n1, %k1 : !h, tensor<4x8xf32>
  %v1_q = fin.param "layers.1.v.weight.codes" : tensor<4x8xui4>
  %v1_s = fin.param "layers.1.v.weight.scales" : tensor<4x1xf16>
  %v1 = fin.dequantize %v1_q scales %v1_s {group_size = 32 : i64, zero = 8 : i64}
      : (tensor<4x8xui4>, tensor<4x1xf16>) -> tensor<4x8xf32>
  %xv1 = fin.linear %n1, %v1 : !h, tensor<4x8xf32>
  %rq1 = fin.rope half %xq1 at %p {base = 1.0e4 : f64, head_dim = 4 : i64} : !h, !p
  %rk1 = fin.rope half %xk1 at %p {base = 1.0e4 : f64, head_dim = 4 : i64} : !k, !p
  %a1 = fin.attention %rq1 at %p, %rk1, %xv1 {heads = 2 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
      : (!h, !p, !k, !k) -> !h
  %o1_q = fin.param "layers.1.o.weight.codes" : tensor<8x8xui4>
  %o1_s = fin.param "layers.1.o.weight.scales" : tensor<8x1xf16>
  %o1 = fin.dequantize %o1_q scales %o1_s {group_size = 32 : i64, zero = 8 : i64}
      : (tensor<8x8xui4>, tensor<8x1xf16>) -> tensor<8x8xf32>
  %xo1 = fin.linear %a1, %o1 : !h, tensor<8x8xf32>
  %r1 = arith.addf %h1, %xo1 : !h
  %up1_q = fin.param "layers.1.up.weight.codes" : tensor<16x8xui4>
  %up1_s = fin.param "layers.1.up.weight.scales" : tensor<16x1xf16>
  %up1 = fin.dequantize %up1_q scales %up1_s {group_size = 32 : i64, zero = 8 : i64}
      : (tensor<16x8xui4>, tensor<16x1xf16>) -> tensor<16x8xf32>
  %xu1 = fin.linear %r1, %up1 : !h, tensor<16x8xf32>
  %act1 = fin.silu %xu1 : tensor<?x?x16xf32>
  %down1_q = fin.param "layers.1.down.weight.codes" : tensor<8x16xui4>
  %down1_s = fin.param "layers.1.down.weight.scales" : tensor<8x1xf16>
  %down1 = fin.dequantize %down1_q scales %down1_s {group_size = 32 : i64, zero = 8 : i64}
      : (tensor<8x16xui4>, tensor<8x1xf16>) -> tensor<8x16xf32>
  %xd1 = fin.linear %act1, %down1 : tensor<?x?x16xf32>, tensor<8x16xf32>
  %h2 = arith.addf %r1, %xd1 : !h

  %g = fin.param "norm.weight" : tensor<8xf32>
  %n = fin.rms_norm %h2, %g {eps = 1.0e-5 : f64} : !h, tensor<8xf32>
  %logits = fin.linear %n, %table : !h, tensor<10x8xf32>
  return %logits : tensor<?x?x10xf32>
}
}
