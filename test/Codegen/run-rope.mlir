// Rotary embedding: both styles, partial, with divisors, every scaling.
// RUN: fingpt-opt %s --fin-decompose %{lower} | %{run} | FileCheck %s
// RUN: sed s/f32/f64/g %s | fingpt-opt --fin-decompose %{lower} | %{run} | FileCheck %s

func.func @main() {
  %zero = arith.constant 0 : index
  %pad = arith.constant 0.0 : f32

  // NumPy below:
  //   inv = lambda base, rotary: base ** (-2 * np.arange(rotary // 2) / rotary)
  //   def rope(x, pos, frequencies, head, rotary=None, style="half", m=1.0):
  //     rotary = rotary or head; P = rotary // 2
  //     y = x.reshape(*x.shape[:2], -1, head).copy()
  //     angle = pos[:, :, None, None] * frequencies
  //     c, s = m * np.cos(angle), m * np.sin(angle)
  //     pairs = (slice(0, P), slice(P, rotary)) if style == "half" else (slice(0, rotary, 2), slice(1, rotary, 2))
  //     a, b = y[..., pairs[0]].copy(), y[..., pairs[1]].copy()
  //     y[..., pairs[0]], y[..., pairs[1]] = a * c - b * s, b * c + a * s
  //     return y.reshape(x.shape)
  %x = arith.constant dense<[[[1.0, 2.0, 3.0, 4.0, -1.0, 0.5, 2.0, -3.0], [0.5, -1.0, 2.0, 1.0, 3.0, 1.0, -2.0, 4.0]]]> : tensor<1x2x8xf32>
  %p = arith.constant dense<[[1, 5]]> : tensor<1x2xi32>
  %p0 = arith.constant dense<[[0, 3]]> : tensor<1x2xi32>

  // Two heads of four elements turn alike.
  // NumPy: rope(x, p, inv(1e4, 4), 4)
  // CHECK: ( ( ( -1.98411, 1.9599, 2.46238, 4.0198, {{-2.22324|-2.22325}}, {{0.529974|0.529975}}, {{0.239133|0.239134}}, -2.99485 ), ( 2.05968, -1.04873, 0.08786{{[0-9]*}}, 0.94877{{[0-9]*}}, -1.06686, {{0.798833|0.798834}}, -3.4441, 4.04498 ) ) )
  %half = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64}
      : tensor<1x2x8xf32>, tensor<1x2xi32>
  %v1 = vector.transfer_read %half[%zero, %zero, %zero], %pad : tensor<1x2x8xf32>, vector<1x2x8xf32>
  vector.print %v1 : vector<1x2x8xf32>

  // NumPy: rope(x, p, inv(1e4, 4), 4, style="interleaved")
  // CHECK-NEXT: ( ( ( -1.14264, {{1.92207|1.92208}}, 2.95985, 4.0298, {{-0.961037|-0.961038}}, {{-0.571319|-0.57132}}, 2.0299, -2.97985 ), ( {{-0.817093|-0.817094}}, {{-0.763124|-0.763125}}, 1.94752, 1.09871, 1.80991, -2.59311, -2.19742, 3.89504 ) ) )
  %inter = fin.rope interleaved %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64}
      : tensor<1x2x8xf32>, tensor<1x2xi32>
  %v2 = vector.transfer_read %inter[%zero, %zero, %zero], %pad : tensor<1x2x8xf32>, vector<1x2x8xf32>
  vector.print %v2 : vector<1x2x8xf32>

  // NumPy: rope(x, p, inv(100.0, 8), 8)
  // CHECK-NEXT: ( ( ( 1.38177, 1.74534, {{2.78534|2.78535}}, 4.09285, {{0.301168|0.301169}}, {{1.09717|1.09718}}, 2.28951, -2.87203 ), ( {{3.0186|3.01861}}, {{-0.989604|-0.989605}}, {{2.71401|2.71402}}, {{0.357702|0.357703}}, {{0.371524|0.371525}}, -1.01029, -0.79631{{[0-9]*}}, 4.10756 ) ) )
  %base = fin.rope half %x at %p {base = 100.0 : f64, head_dim = 8 : i64}
      : tensor<1x2x8xf32>, tensor<1x2xi32>
  %v3 = vector.transfer_read %base[%zero, %zero, %zero], %pad : tensor<1x2x8xf32>, vector<1x2x8xf32>
  vector.print %v3 : vector<1x2x8xf32>

  // Position 0 turns nothing.
  // NumPy: rope(x, p0, inv(1e4, 4), 4)
  // CHECK-NEXT: ( ( ( {{0.999999|1}}, 2, 3, 4, {{-0.999999|-1}}, {{0.499999|0.5}}, 2, -3 ), ( {{-0.777236|-0.777237}}, {{-1.02954|-1.02955}}, {{-1.90942|-1.90943}}, {{0.969554|0.969555}}, -2.68774, 0.87956{{[0-9]*}}, {{2.40334|2.40335}}, {{4.02819|4.0282}} ) ) )
  %zero_ = fin.rope half %x at %p0 {base = 1.0e4 : f64, head_dim = 4 : i64}
      : tensor<1x2x8xf32>, tensor<1x2xi32>
  %v4 = vector.transfer_read %zero_[%zero, %zero, %zero], %pad : tensor<1x2x8xf32>, vector<1x2x8xf32>
  vector.print %v4 : vector<1x2x8xf32>

  // The second half of the head passes; frequencies are those of the rotated part.
  // NumPy: rope(x, p, inv(1e4, 4), 8, 4)
  // CHECK-NEXT: ( ( ( -1.98411, 1.9599, 2.46238, 4.0198, {{-0.999999|-1}}, {{0.499999|0.5}}, 2, -3 ), ( 2.05968, -1.04873, 0.08786{{[0-9]*}}, 0.94877{{[0-9]*}}, 3, {{0.999999|1}}, -2, 4 ) ) )
  %partial = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 8 : i64, rotary_dim = 4 : i64}
      : tensor<1x2x8xf32>, tensor<1x2xi32>
  %v5 = vector.transfer_read %partial[%zero, %zero, %zero], %pad : tensor<1x2x8xf32>, vector<1x2x8xf32>
  vector.print %v5 : vector<1x2x8xf32>

  // NumPy: rope(x, p, inv(1e4, 4), 8, 4, style="interleaved")
  // CHECK-NEXT: ( ( ( -1.14264, {{1.92207|1.92208}}, 2.95985, 4.0298, {{-0.999999|-1}}, {{0.499999|0.5}}, 2, -3 ), ( {{-0.817093|-0.817094}}, {{-0.763124|-0.763125}}, 1.94752, 1.09871, 3, {{0.999999|1}}, -2, 4 ) ) )
  %partial_i = fin.rope interleaved %x at %p {base = 1.0e4 : f64, head_dim = 8 : i64, rotary_dim = 4 : i64}
      : tensor<1x2x8xf32>, tensor<1x2xi32>
  %v6 = vector.transfer_read %partial_i[%zero, %zero, %zero], %pad : tensor<1x2x8xf32>, vector<1x2x8xf32>
  vector.print %v6 : vector<1x2x8xf32>

  %d = arith.constant dense<[2.0, 8.0]> : tensor<2xf32>
  // NumPy: rope(x, p, inv(1e4, 4) / d, 4)
  // CHECK-NEXT: ( ( ( {{-0.560694|-0.560695}}, 1.995, 3.11217, {{4.00249|4.0025}}, -1.83643, {{0.503749|0.50375}}, 1.27574, -2.99937 ), ( -1.59752, -1.00623, -1.30305, {{0.99373|0.993731}}, -1.20649, {{0.97498|0.974981}}, {{3.3977|3.39771}}, 4.00617 ) ) )
  %divided = fin.rope half %x at %p divisors %d {base = 1.0e4 : f64, head_dim = 4 : i64}
      : tensor<1x2x8xf32>, tensor<1x2xi32>, tensor<2xf32>
  %v7 = vector.transfer_read %divided[%zero, %zero, %zero], %pad : tensor<1x2x8xf32>, vector<1x2x8xf32>
  vector.print %v7 : vector<1x2x8xf32>

  // NumPy: rope(x, p, inv(1e4, 4) / 4, 4)
  // CHECK-NEXT: ( ( ( {{0.2267|0.226701}}, 1.98999, 3.15414, 4.00499, -1.46372, {{0.507498|0.507499}}, 1.69042, -2.99874 ), ( -1.74031, -1.01242, 1.10514, {{0.987422|0.987423}}, {{2.84393|2.84394}}, 0.94992{{[0-9]*}}, 2.21631, 4.01219 ) ) )
  %linear = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64,
      scaling = #fin.rope_scaling<"linear", {factor = 4.0 : f64}>}
      : tensor<1x2x8xf32>, tensor<1x2xi32>
  %v8 = vector.transfer_read %linear[%zero, %zero, %zero], %pad : tensor<1x2x8xf32>, vector<1x2x8xf32>
  vector.print %v8 : vector<1x2x8xf32>

  // llama3: pairs of long wavelength are divided, of short ones kept, those between blended.
  // Of inv(1e4, 8) pair 0 is kept, pair 1 blended, pairs 2 and 3 divided.
  //   def llama3(f, factor, low, high, original):
  //     w = 2 * np.pi / f; s = (original / w - low) / (high - low)
  //     return np.where(w > original / low, f / factor,
  //            np.where(w < original / high, f, (1 - s) * f / factor + s * f))
  // NumPy: rope(x, p, llama3(inv(1e4, 8), 8, 1, 4, 128), 8)
  // CHECK-NEXT: ( ( ( 1.38177, 1.9768, 2.9975, {{4.00037|4.00038}}, {{0.301168|0.301169}}, {{0.585019|0.58502}}, 2.00375, -2.9995 ), ( {{3.0186|3.01861}}, -1.18937, 2.01246, 0.997{{[0-9]*}}, {{0.371524|0.371525}}, {{0.765109|0.76511}}, -1.98746, {{4.00062|4.00063}} ) ) )
  %llama3_ = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 8 : i64,
      scaling = #fin.rope_scaling<"llama3", {factor = 8.0 : f64, low_frequency_factor = 1.0 : f64,
        high_frequency_factor = 4.0 : f64, original_context = 128 : i64}>}
      : tensor<1x2x8xf32>, tensor<1x2xi32>
  %v9 = vector.transfer_read %llama3_[%zero, %zero, %zero], %pad : tensor<1x2x8xf32>, vector<1x2x8xf32>
  vector.print %v9 : vector<1x2x8xf32>

  // yarn: a ramp between the pairs that turn beta_fast and beta_slow times in the original
  // context; cosine and sine are multiplied by attention_factor.
  //   def yarn(base, rotary, factor, fast, slow, original, truncate):
  //     f = inv(base, rotary)
  //     pair = lambda turns: rotary * np.log(original / (turns * 2 * np.pi)) / (2 * np.log(base))
  //     lo, hi = pair(fast), pair(slow)
  //     if truncate: lo, hi = np.floor(lo), np.ceil(hi)
  //     lo, hi = max(lo, 0), min(hi, rotary - 1)
  //     ramp = np.clip((np.arange(rotary // 2) - lo) / (hi - lo), 0, 1)
  //     return f / factor * ramp + f * (1 - ramp)
  // NumPy: rope(x, p, yarn(1e4, 8, 4, 32, 1, 2048, True), 8, m=1.25)
  // CHECK-NEXT: ( ( ( 1.72722, {{2.42511|2.42512}}, 3.7343, 5.00094, {{0.37646|0.376461}}, 0.87146{{[0-9]*}}, 2.52339, -3.74875 ), ( {{3.77325|3.77326}}, -1.69626, 2.57689, 1.24375, {{0.464405|0.464406}}, {{0.497696|0.497697}}, -2.42067, 5.00156 ) ) )
  %yarn_ = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 8 : i64,
      scaling = #fin.rope_scaling<"yarn", {factor = 4.0 : f64, beta_fast = 32.0 : f64,
        beta_slow = 1.0 : f64, attention_factor = 1.25 : f64, original_context = 2048 : i64, truncate = 1 : i64}>}
      : tensor<1x2x8xf32>, tensor<1x2xi32>
  %v10 = vector.transfer_read %yarn_[%zero, %zero, %zero], %pad : tensor<1x2x8xf32>, vector<1x2x8xf32>
  vector.print %v10 : vector<1x2x8xf32>

  // Bounds that are not truncated to whole pairs.
  // NumPy: rope(x, p, yarn(1e4, 8, 4, 32, 1, 2048, False), 8, m=1.25)
  // CHECK-NEXT: ( ( ( 1.72722, {{2.42511|2.42512}}, 3.73731, 5.00094, {{0.37646|0.376461}}, 0.87146{{[0-9]*}}, 2.51893, -3.74875 ), ( {{3.77325|3.77326}}, -1.69626, {{2.5624|2.56241}}, 1.24375, {{0.464405|0.464406}}, {{0.497696|0.497697}}, {{-2.43599|-2.436}}, 5.00156 ) ) )
  %yarn_t = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 8 : i64,
      scaling = #fin.rope_scaling<"yarn", {factor = 4.0 : f64, beta_fast = 32.0 : f64,
        beta_slow = 1.0 : f64, attention_factor = 1.25 : f64, original_context = 2048 : i64}>}
      : tensor<1x2x8xf32>, tensor<1x2xi32>
  %v11 = vector.transfer_read %yarn_t[%zero, %zero, %zero], %pad : tensor<1x2x8xf32>, vector<1x2x8xf32>
  vector.print %v11 : vector<1x2x8xf32>

  %short = arith.constant dense<[1.0, 1.5]> : tensor<2xf32>
  %long = arith.constant dense<[2.0, 4.0]> : tensor<2xf32>
  // longrope: positions 1 and 5 lie within the original context of 6: short factors.
  // NumPy: rope(x, p, inv(1e4, 4) / short, 4, m=1.25)
  // CHECK-NEXT: ( ( ( -2.48014, 2.46661, 3.07797, {{5.01655|5.01656}}, {{-2.77905|-2.77906}}, {{0.649985|0.649986}}, 0.298917, -3.74575 ), ( 2.5746, {{-1.29096|-1.29097}}, {{0.109827|0.109828}}, 1.20765, -1.33358, 1.08267, -4.30512, 5.03888 ) ) )
  %short_ = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64,
      scaling = #fin.rope_scaling<"longrope", {short_factors = array<f64: 1.0, 1.5>,
        long_factors = array<f64: 2.0, 4.0>, attention_factor = 1.25 : f64, original_context = 6 : i64}>}
      : tensor<1x2x8xf32>, tensor<1x2xi32>
  %v12 = vector.transfer_read %short_[%zero, %zero, %zero], %pad : tensor<1x2x8xf32>, vector<1x2x8xf32>
  vector.print %v12 : vector<1x2x8xf32>

  // Position 5 reaches a context of 5: the long factors serve position 1 as well.
  // NumPy: rope(x, p, inv(1e4, 4) / long, 4, m=1.25)
  // CHECK-NEXT: ( ( ( {{-0.700867|-0.700868}}, 2.48749, {{3.89021|3.89022}}, {{5.00623|5.00624}}, -2.29554, 0.63437{{[0-9]*}}, {{1.59467|1.59468}}, {{-3.74842|-3.74843}} ), ( {{-1.99689|-1.9969}}, -1.26553, -1.62881, 1.23428, -1.50811, 1.1874, 4.24713, {{5.01523|5.01524}} ) ) )
  %long_ = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64,
      scaling = #fin.rope_scaling<"longrope", {short_factors = array<f64: 1.0, 1.5>,
        long_factors = array<f64: 2.0, 4.0>, attention_factor = 1.25 : f64, original_context = 5 : i64}>}
      : tensor<1x2x8xf32>, tensor<1x2xi32>
  %v13 = vector.transfer_read %long_[%zero, %zero, %zero], %pad : tensor<1x2x8xf32>, vector<1x2x8xf32>
  vector.print %v13 : vector<1x2x8xf32>
  return
}
