// Every diagnostic of the verifiers of fin, one case each: what is wrong, what was
// expected, what was found.
// RUN: fingpt-opt %s --split-input-file --verify-diagnostics

//===----------------------------------------------------------------------===//
// attributes
//===----------------------------------------------------------------------===//

// expected-error @+1 {{unknown rope_scaling "dynamic", expected linear, llama3, yarn or longrope}}
module attributes {a = #fin.rope_scaling<"dynamic", {factor = 2.0 : f64}>} {}

// -----

// expected-error @+1 {{rope_scaling "linear" needs a positive f64 'factor'}}
module attributes {a = #fin.rope_scaling<"linear", {}>} {}

// -----

// A factor of another type is none.
// expected-error @+1 {{rope_scaling "linear" needs a positive f64 'factor'}}
module attributes {a = #fin.rope_scaling<"linear", {factor = 2.0 : f32}>} {}

// -----

// expected-error @+1 {{rope_scaling "linear" needs a positive f64 'factor'}}
module attributes {a = #fin.rope_scaling<"linear", {factor = 2 : i64}>} {}

// -----

// NaN is not positive.
// expected-error @+1 {{rope_scaling "linear" needs a positive f64 'factor'}}
module attributes {a = #fin.rope_scaling<"linear", {factor = 0x7FF8000000000000 : f64}>} {}

// -----

// expected-error @+1 {{rope_scaling "llama3" needs a positive f64 'low_frequency_factor'}}
module attributes {a = #fin.rope_scaling<"llama3", {factor = 8.0 : f64, low_frequency_factor = 0.0 : f64,
    high_frequency_factor = 4.0 : f64, original_context = 8192 : i64}>} {}

// -----

// expected-error @+1 {{rope_scaling "llama3" needs a positive f64 'high_frequency_factor'}}
module attributes {a = #fin.rope_scaling<"llama3", {factor = 8.0 : f64, low_frequency_factor = 1.0 : f64,
    original_context = 8192 : i64}>} {}

// -----

// expected-error @+1 {{rope_scaling "llama3" needs a positive i64 'original_context' below 2^31}}
module attributes {a = #fin.rope_scaling<"llama3", {factor = 8.0 : f64, low_frequency_factor = 1.0 : f64,
    high_frequency_factor = 4.0 : f64}>} {}

// -----

// expected-error @+1 {{rope_scaling "yarn" needs a positive f64 'beta_fast'}}
module attributes {a = #fin.rope_scaling<"yarn", {factor = 8.0 : f64, beta_slow = 1.0 : f64,
    attention_factor = 1.0 : f64, original_context = 8192 : i64}>} {}

// -----

// expected-error @+1 {{rope_scaling "yarn" needs a positive f64 'beta_slow'}}
module attributes {a = #fin.rope_scaling<"yarn", {factor = 8.0 : f64, beta_fast = 32.0 : f64,
    attention_factor = 1.0 : f64, original_context = 8192 : i64}>} {}

// -----

// expected-error @+1 {{rope_scaling "yarn" needs a positive f64 'attention_factor'}}
module attributes {a = #fin.rope_scaling<"yarn", {factor = 8.0 : f64, beta_fast = 32.0 : f64,
    beta_slow = 1.0 : f64, original_context = 8192 : i64}>} {}

// -----

// expected-error @+1 {{rope_scaling "yarn" needs a positive i64 'original_context' below 2^31}}
module attributes {a = #fin.rope_scaling<"yarn", {factor = 8.0 : f64, beta_fast = 32.0 : f64,
    beta_slow = 1.0 : f64, attention_factor = 1.0 : f64, original_context = 0 : i64}>} {}

// -----

// expected-error @+1 {{rope_scaling "longrope" needs positive factors 'short_factors' as array<f64: ...>}}
module attributes {a = #fin.rope_scaling<"longrope", {short_factors = [1.0, 1.0],
    long_factors = array<f64: 1.0, 1.0>, attention_factor = 1.0 : f64, original_context = 8 : i64}>} {}

// -----

// expected-error @+1 {{rope_scaling "longrope" needs positive factors 'long_factors' as array<f64: ...>}}
module attributes {a = #fin.rope_scaling<"longrope", {short_factors = array<f64: 1.0, 1.0>,
    long_factors = array<f64: 1.0, -1.0>, attention_factor = 1.0 : f64, original_context = 8 : i64}>} {}

// -----

// Positions are i32: a larger context would wrap to a small one.
// expected-error @+1 {{rope_scaling "longrope" needs a positive i64 'original_context' below 2^31}}
module attributes {a = #fin.rope_scaling<"longrope", {short_factors = array<f64: 1.0, 1.0>,
    long_factors = array<f64: 1.0, 1.0>, attention_factor = 1.0 : f64,
    original_context = 4294967296 : i64}>} {}

// -----

// expected-error @+1 {{expected ','}}
module attributes {fin.model = #fin.model<arch = "llama", context_length = 8, vocab_size = 10>} {}

// -----

//===----------------------------------------------------------------------===//
// param, unpack
//===----------------------------------------------------------------------===//

// expected-error @+1 {{'fin.param' op needs a key}}
%0 = fin.param "" : tensor<4xf32>

// -----

// expected-error @+1 {{'fin.param' op needs a ranked tensor of static shape, got 'tensor<?x4xf32>'}}
%0 = fin.param "w" : tensor<?x4xf32>

// -----

// expected-error @+1 {{'fin.param' op element type 'index' is not one that a file stores}}
%0 = fin.param "w" : tensor<4xindex>

// -----

// expected-error @+1 {{'fin.param' op element type 'i1' is not one that a file stores}}
%0 = fin.param "w" : tensor<4xi1>

// -----

// expected-error @+1 {{'fin.param' op element type 'i65' is not one that a file stores}}
%0 = fin.param "w" : tensor<4xi65>

// -----

// A parameter is a tensor, whatever the store calls it.
// expected-error @+1 {{invalid kind of type specified: expected builtin.tensor, but found 'f32'}}
%0 = fin.param "w" : f32

// -----

func.func @unpack(%bytes: tensor<?x2xi8>) {
  // expected-error @+1 {{'fin.unpack' op needs static shapes of rank at least 1}}
  %0 = fin.unpack %bytes : tensor<?x2xi8> -> tensor<?x4xui4>
  return
}

// -----

func.func @unpack(%bytes: tensor<i8>) {
  // expected-error @+1 {{'fin.unpack' op needs static shapes of rank at least 1}}
  %0 = fin.unpack %bytes : tensor<i8> -> tensor<ui4>
  return
}

// -----

// 5 codes of 3 bits take 2 bytes, not 3.
func.func @unpack(%bytes: tensor<4x3xi8>) {
  // expected-error @+1 {{'fin.unpack' op codes 'tensor<4x5xui3>' are stored as 'tensor<4x2xi8>', got 'tensor<4x3xi8>'}}
  %0 = fin.unpack %bytes : tensor<4x3xi8> -> tensor<4x5xui3>
  return
}

// -----

func.func @unpack(%bytes: tensor<3x2xi8>) {
  // expected-error @+1 {{'fin.unpack' op codes 'tensor<4x4xui4>' are stored as 'tensor<4x2xi8>', got 'tensor<3x2xi8>'}}
  %0 = fin.unpack %bytes : tensor<3x2xi8> -> tensor<4x4xui4>
  return
}

// -----

func.func @unpack(%bytes: tensor<4x2xi8>) {
  // expected-error @+1 {{result #0 must be ranked tensor of signed or unsigned integer of 2 to 8 bits values, but got 'tensor<4x4xi4>'}}
  %0 = fin.unpack %bytes : tensor<4x2xi8> -> tensor<4x4xi4>
  return
}

// -----

func.func @unpack(%bytes: tensor<4x2xi8>) {
  // expected-error @+1 {{result #0 must be ranked tensor of signed or unsigned integer of 2 to 8 bits values, but got 'tensor<4x16xui1>'}}
  %0 = fin.unpack %bytes : tensor<4x2xi8> -> tensor<4x16xui1>
  return
}

// -----

//===----------------------------------------------------------------------===//
// dequantize, lookup
//===----------------------------------------------------------------------===//

func.func @dequantize(%q: tensor<4x?xui4>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{'fin.dequantize' op codes and result must have static shapes}}
  %0 = fin.dequantize %q scales %s {group_size = 8 : i64}
     : (tensor<4x?xui4>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize(%q: tensor<4x8xui4>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{'fin.dequantize' op codes and result must have one shape, got [4, 8] and [8, 4]}}
  %0 = fin.dequantize %q scales %s {group_size = 8 : i64}
     : (tensor<4x8xui4>, tensor<4x1xf32>) -> tensor<8x4xf32>
  return
}

// -----

func.func @dequantize(%q: tensor<4x8xui4>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{'fin.dequantize' op group_size must be at least 1, got 0}}
  %0 = fin.dequantize %q scales %s {group_size = 0 : i64}
     : (tensor<4x8xui4>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

// The ragged last group has a scale too: 12 = 8 + 4.
func.func @dequantize(%q: tensor<4x12xui4>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{'fin.dequantize' op scales must be [4, 2] for a weight [4, 12] in groups of 8, got [4, 1]}}
  %0 = fin.dequantize %q scales %s {group_size = 8 : i64}
     : (tensor<4x12xui4>, tensor<4x1xf32>) -> tensor<4x12xf32>
  return
}

// -----

func.func @dequantize(%q: tensor<4x8xui4>, %s: tensor<4x1xf32>, %z: tensor<4x1xf32>) {
  // expected-error @+1 {{'fin.dequantize' op has zeros and mins: one of them describes the offset}}
  %0 = fin.dequantize %q scales %s zeros %z mins %z {group_size = 8 : i64}
     : (tensor<4x8xui4>, tensor<4x1xf32>, tensor<4x1xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize(%q: tensor<4x8xui4>, %s: tensor<4x1xf32>, %z: tensor<4x1xf32>) {
  // expected-error @+1 {{'fin.dequantize' op has a constant zero and zeros}}
  %0 = fin.dequantize %q scales %s zeros %z {group_size = 8 : i64, zero = 8 : i64}
     : (tensor<4x8xui4>, tensor<4x1xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize(%q: tensor<4x8xui4>, %s: tensor<4x1xf32>, %z: tensor<1x4xf32>) {
  // expected-error @+1 {{'fin.dequantize' op zeros must be [4, 1] for a weight [4, 8] in groups of 8, got [1, 4]}}
  %0 = fin.dequantize %q scales %s zeros %z {group_size = 8 : i64}
     : (tensor<4x8xui4>, tensor<4x1xf32>, tensor<1x4xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize(%q: tensor<4x8xui4>, %s: tensor<4x1xf32>, %m: tensor<4x2xf32>) {
  // expected-error @+1 {{'fin.dequantize' op mins must be [4, 1] for a weight [4, 8] in groups of 8, got [4, 2]}}
  %0 = fin.dequantize %q scales %s mins %m {group_size = 8 : i64}
     : (tensor<4x8xui4>, tensor<4x1xf32>, tensor<4x2xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize(%q: tensor<4x8xui4>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{'fin.dequantize' op zero 16 is outside the codes' range [0, 15]}}
  %0 = fin.dequantize %q scales %s {group_size = 8 : i64, zero = 16 : i64}
     : (tensor<4x8xui4>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize(%q: tensor<4x8xsi3>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{'fin.dequantize' op zero -5 is outside the codes' range [-4, 3]}}
  %0 = fin.dequantize %q scales %s {group_size = 8 : i64, zero = -5 : i64}
     : (tensor<4x8xsi3>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

// Signless integers have no range.
func.func @dequantize(%q: tensor<4x8xi8>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{operand #0 must be 2D tensor of signed or unsigned integer of 2 to 8 bits values, but got 'tensor<4x8xi8>'}}
  %0 = fin.dequantize %q scales %s {group_size = 8 : i64}
     : (tensor<4x8xi8>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize(%q: tensor<4x8xui4>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{requires attribute 'group_size'}}
  %0 = fin.dequantize %q scales %s : (tensor<4x8xui4>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @dequantize(%q: tensor<4x8xui4>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{attribute 'group_size' failed to satisfy constraint: 64-bit signless integer attribute}}
  %0 = fin.dequantize %q scales %s {group_size = 8 : i32}
     : (tensor<4x8xui4>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @lookup(%q: tensor<?x8xui2>, %t: tensor<4xf32>) {
  // expected-error @+1 {{'fin.lookup' op codes and result must have static shapes}}
  %0 = fin.lookup %q, %t : (tensor<?x8xui2>, tensor<4xf32>) -> tensor<?x8xf32>
  return
}

// -----

func.func @lookup(%q: tensor<4x8xsi2>, %t: tensor<4xf32>) {
  // expected-error @+1 {{'fin.lookup' op codes index a table and must be unsigned, got 'si2'}}
  %0 = fin.lookup %q, %t : (tensor<4x8xsi2>, tensor<4xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @lookup(%q: tensor<4x8xui2>, %t: tensor<3xf32>) {
  // expected-error @+1 {{'fin.lookup' op codebook must be [4] or [4, 4], got 'tensor<3xf32>'}}
  %0 = fin.lookup %q, %t : (tensor<4x8xui2>, tensor<3xf32>) -> tensor<4x8xf32>
  return
}

// -----

// A codebook per row, of another number of rows.
func.func @lookup(%q: tensor<4x8xui2>, %t: tensor<3x4xf32>) {
  // expected-error @+1 {{'fin.lookup' op codebook must be [4] or [4, 4], got 'tensor<3x4xf32>'}}
  %0 = fin.lookup %q, %t : (tensor<4x8xui2>, tensor<3x4xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @lookup(%q: tensor<4x8xui2>, %t: tensor<4xf32>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{'fin.lookup' op scales need a group_size of at least 1}}
  %0 = fin.lookup %q, %t scales %s
     : (tensor<4x8xui2>, tensor<4xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @lookup(%q: tensor<4x8xui2>, %t: tensor<4xf32>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{'fin.lookup' op scales need a group_size of at least 1}}
  %0 = fin.lookup %q, %t scales %s {group_size = -1 : i64}
     : (tensor<4x8xui2>, tensor<4xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

func.func @lookup(%q: tensor<4x8xui2>, %t: tensor<4xf32>, %s: tensor<4x1xf32>) {
  // expected-error @+1 {{'fin.lookup' op scales must be [4, 2] for a weight [4, 8] in groups of 4, got [4, 1]}}
  %0 = fin.lookup %q, %t scales %s {group_size = 4 : i64}
     : (tensor<4x8xui2>, tensor<4xf32>, tensor<4x1xf32>) -> tensor<4x8xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// low_rank, sparse, sum, scale, permute, transpose, concat, hadamard
//===----------------------------------------------------------------------===//

func.func @low_rank(%b: tensor<8x2xf32>, %a: tensor<3x4xf32>) {
  // expected-error @+1 {{'fin.low_rank' op ranks of the factors differ: 'tensor<8x2xf32>' and 'tensor<3x4xf32>'}}
  %0 = fin.low_rank %b, %a : tensor<8x2xf32>, tensor<3x4xf32>
  return
}

// -----

func.func @low_rank(%b: tensor<8x2xf32>, %a: tensor<2x4xf16>) {
  // expected-error @+1 {{'fin.low_rank' op element types of the factors differ: 'tensor<8x2xf32>' and 'tensor<2x4xf16>'}}
  %0 = fin.low_rank %b, %a : tensor<8x2xf32>, tensor<2x4xf16>
  return
}

// -----

// The shape of the result is inferred from operands that nothing has checked yet.
func.func @low_rank(%b: tensor<8x2xf32>, %a: tensor<f32>) {
  // expected-error @+1 {{'fin.low_rank' op needs a tensor of rank 2, got 'tensor<f32>'}}
  %0 = fin.low_rank %b, %a : tensor<8x2xf32>, tensor<f32>
  return
}

// -----

func.func @sparse(%v: tensor<3xf32>, %c: tensor<3xi32>, %o: tensor<?xi32>) {
  // expected-error @+1 {{'fin.sparse' op needs a result of static shape}}
  %0 = fin.sparse %v, %c, %o : (tensor<3xf32>, tensor<3xi32>, tensor<?xi32>) -> tensor<?x4xf32>
  return
}

// -----

func.func @sparse(%v: tensor<3xf32>, %c: tensor<4xi32>, %o: tensor<5xi32>) {
  // expected-error @+1 {{'fin.sparse' op values and columns differ in length: 'tensor<3xf32>' and 'tensor<4xi32>'}}
  %0 = fin.sparse %v, %c, %o : (tensor<3xf32>, tensor<4xi32>, tensor<5xi32>) -> tensor<4x4xf32>
  return
}

// -----

func.func @sparse(%v: tensor<3xf32>, %c: tensor<3xi32>, %o: tensor<4xi32>) {
  // expected-error @+1 {{'fin.sparse' op offsets must be [5] for 4 rows, got 'tensor<4xi32>'}}
  %0 = fin.sparse %v, %c, %o : (tensor<3xf32>, tensor<3xi32>, tensor<4xi32>) -> tensor<4x4xf32>
  return
}

// -----

// expected-error @+1 {{'fin.sum' op expected 1 or more operands, but found 0}}
%0 = "fin.sum"() : () -> tensor<4x4xf32>

// -----

func.func @sum(%a: tensor<4x4xf32>, %b: tensor<4x4xf16>) {
  // expected-error @+1 {{'fin.sum' op requires the same type for all operands and results}}
  %0 = "fin.sum"(%a, %b) : (tensor<4x4xf32>, tensor<4x4xf16>) -> tensor<4x4xf32>
  return
}

// -----

func.func @scale(%w: tensor<8x4xf32>, %f: tensor<4xf32>) {
  // expected-error @+1 {{'fin.scale' op factors must have 8 elements for the rows of 'tensor<8x4xf32>', got 4}}
  %0 = fin.scale %w along rows by %f : tensor<8x4xf32>, tensor<4xf32>
  return
}

// -----

func.func @scale(%w: tensor<8x4xf32>, %f: tensor<8xf32>) {
  // expected-error @+1 {{'fin.scale' op factors must have 4 elements for the columns of 'tensor<8x4xf32>', got 8}}
  %0 = fin.scale %w along columns by %f : tensor<8x4xf32>, tensor<8xf32>
  return
}

// -----

func.func @scale(%w: tensor<8x4xf32>, %f: tensor<8xf32>) {
  // expected-error @+1 {{expected string or keyword containing one of the following enum values for attribute 'axis' [rows, columns]}}
  %0 = fin.scale %w along diagonals by %f : tensor<8x4xf32>, tensor<8xf32>
  return
}

// -----

func.func @permute(%w: tensor<8x4xf32>, %p: tensor<8xi32>) {
  // expected-error @+1 {{'fin.permute' op indices must have 4 elements for the columns of 'tensor<8x4xf32>', got 8}}
  %0 = fin.permute %w along columns by %p : tensor<8x4xf32>, tensor<8xi32>
  return
}

// -----

func.func @permute(%w: tensor<8x4xf32>, %p: tensor<8xi64>) {
  // expected-error @+1 {{operand #1 must be 1D tensor of 32-bit signless integer values, but got 'tensor<8xi64>'}}
  %0 = fin.permute %w along rows by %p : tensor<8x4xf32>, tensor<8xi64>
  return
}

// -----

func.func @transpose(%w: tensor<3xf32>) {
  // expected-error @+1 {{'fin.transpose' op needs a tensor of rank 2, got 'tensor<3xf32>'}}
  %0 = fin.transpose %w : tensor<3xf32>
  return
}

// -----

func.func @concat(%a: tensor<4x4xf32>, %b: tensor<4x3xf32>) {
  // expected-error @+1 {{'fin.concat' op parts do not fit along rows: 'tensor<4x4xf32>' and 'tensor<4x3xf32>'}}
  %0 = fin.concat %a, %b along rows : tensor<4x4xf32>, tensor<4x3xf32>
  return
}

// -----

func.func @concat(%a: tensor<4x4xf32>, %b: tensor<4x4xf64>) {
  // expected-error @+1 {{'fin.concat' op parts do not fit along columns: 'tensor<4x4xf32>' and 'tensor<4x4xf64>'}}
  %0 = fin.concat %a, %b along columns : tensor<4x4xf32>, tensor<4x4xf64>
  return
}

// -----

// expected-error @+1 {{'fin.concat' op needs at least one part}}
%0 = "fin.concat"() {axis = 0 : i32} : () -> tensor<4x4xf32>

// -----

func.func @concat(%a: index) {
  // expected-error @+1 {{'fin.concat' op needs a tensor of rank 2, got 'index'}}
  %0 = fin.concat %a along rows : index
  return
}

// -----

func.func @hadamard(%x: tensor<4x?xf32>) {
  // expected-error @+1 {{'fin.hadamard' op needs a last axis of static size}}
  %0 = fin.hadamard %x {size = 4 : i64} : tensor<4x?xf32>
  return
}

// -----

func.func @hadamard(%x: tensor<f32>) {
  // expected-error @+1 {{'fin.hadamard' op needs a last axis of static size}}
  %0 = fin.hadamard %x {size = 1 : i64} : tensor<f32>
  return
}

// -----

func.func @hadamard(%x: tensor<4x6xf32>) {
  // expected-error @+1 {{'fin.hadamard' op size must be a power of two that divides 6, got 3}}
  %0 = fin.hadamard %x {size = 3 : i64} : tensor<4x6xf32>
  return
}

// -----

func.func @hadamard(%x: tensor<4x6xf32>) {
  // expected-error @+1 {{'fin.hadamard' op size must be a power of two that divides 6, got 4}}
  %0 = fin.hadamard %x {size = 4 : i64} : tensor<4x6xf32>
  return
}

// -----

func.func @hadamard(%x: tensor<4x8xf32>, %s: tensor<4xf32>) {
  // Signs are those of the whole axis, not of one block.
  // expected-error @+1 {{'fin.hadamard' op signs must have 8 elements, got 4}}
  %0 = fin.hadamard %x signs %s {size = 4 : i64} : tensor<4x8xf32>, tensor<4xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// linear, embedding, positions
//===----------------------------------------------------------------------===//

func.func @linear(%x: tensor<f32>, %w: tensor<4x4xf32>) {
  // expected-error @+1 {{'fin.linear' op needs an input of rank at least 1}}
  %0 = fin.linear %x, %w : tensor<f32>, tensor<4x4xf32>
  return
}

// -----

// The generic form reaches the verifier without inference.
func.func @linear(%x: tensor<f32>, %w: tensor<4x4xf32>) {
  // expected-error @+1 {{'fin.linear' op needs an input of rank at least 1}}
  %0 = "fin.linear"(%x, %w) : (tensor<f32>, tensor<4x4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @linear(%x: tensor<4xf32>, %w: tensor<4xf32>) {
  // expected-error @+1 {{'fin.linear' op needs a tensor of rank 2, got 'tensor<4xf32>'}}
  %0 = fin.linear %x, %w : tensor<4xf32>, tensor<4xf32>
  return
}

// -----

func.func @linear(%x: tensor<2x6xf32>, %w: tensor<6x4xf32>) {
  // expected-error @+1 {{'fin.linear' op input width 6 is not the weight's number of inputs 4}}
  %0 = fin.linear %x, %w : tensor<2x6xf32>, tensor<6x4xf32>
  return
}

// -----

func.func @linear(%x: tensor<2x4xf32>, %w: tensor<6x4xf16>) {
  // expected-error @+1 {{'fin.linear' op element types differ: input 'f32', weight 'f16'}}
  %0 = fin.linear %x, %w : tensor<2x4xf32>, tensor<6x4xf16>
  return
}

// -----

func.func @linear(%x: tensor<2x4xf32>, %w: tensor<6x4xf32>, %b: tensor<4xf32>) {
  // expected-error @+1 {{'fin.linear' op bias must have 6 elements, got 4}}
  %0 = fin.linear %x, %w bias %b : tensor<2x4xf32>, tensor<6x4xf32>, tensor<4xf32>
  return
}

// -----

func.func @linear(%x: tensor<2x4xf32>, %w: tensor<6x4xf32>, %b: tensor<6xf64>) {
  // expected-error @+1 {{'fin.linear' op element types differ: input 'f32', bias 'f64'}}
  %0 = fin.linear %x, %w bias %b : tensor<2x4xf32>, tensor<6x4xf32>, tensor<6xf64>
  return
}

// -----

func.func @linear(%x: tensor<2x4xf32>, %w: tensor<6x4xf32>) {
  // expected-error @+2 {{'fin.linear' op failed to infer returned types}}
  // expected-error @+1 {{inferred type(s) 'tensor<2x6xf32>' are incompatible with return type(s) of operation 'tensor<2x4xf32>'}}
  %0 = "fin.linear"(%x, %w) : (tensor<2x4xf32>, tensor<6x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @linear(%x: tensor<2x4xi32>, %w: tensor<6x4xi32>) {
  // expected-error @+1 {{operand #0 must be ranked tensor of 16-bit float or bfloat16 type or 32-bit float or 64-bit float values, but got 'tensor<2x4xi32>'}}
  %0 = fin.linear %x, %w : tensor<2x4xi32>, tensor<6x4xi32>
  return
}

// -----

func.func @embedding(%ids: tensor<2x3xi64>, %t: tensor<8x4xf32>) {
  // expected-error @+1 {{operand #0 must be ranked tensor of 32-bit signless integer values, but got 'tensor<2x3xi64>'}}
  %0 = fin.embedding %ids, %t : tensor<2x3xi64>, tensor<8x4xf32>
  return
}

// -----

func.func @embedding(%ids: tensor<2x3xi32>, %t: tensor<4xf32>) {
  // expected-error @+1 {{'fin.embedding' op needs a tensor of rank 2, got 'tensor<4xf32>'}}
  %0 = fin.embedding %ids, %t : tensor<2x3xi32>, tensor<4xf32>
  return
}

// -----

func.func @positions(%ids: tensor<3xi32>) {
  // expected-error @+1 {{operand #0 must be 2D tensor of 32-bit signless integer values, but got 'tensor<3xi32>'}}
  %0 = fin.positions %ids : tensor<3xi32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// norms
//===----------------------------------------------------------------------===//

func.func @rms_norm(%x: tensor<2x?xf32>) {
  // expected-error @+1 {{'fin.rms_norm' op needs a last axis of static size}}
  %0 = fin.rms_norm %x {eps = 1.0e-5 : f64} : tensor<2x?xf32>
  return
}

// -----

func.func @rms_norm(%x: tensor<f32>) {
  // expected-error @+1 {{'fin.rms_norm' op needs a last axis of static size}}
  %0 = fin.rms_norm %x {eps = 1.0e-5 : f64} : tensor<f32>
  return
}

// -----

func.func @rms_norm(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{'fin.rms_norm' op eps must be finite and not negative}}
  %0 = fin.rms_norm %x {eps = -1.0e-5 : f64} : tensor<2x4xf32>
  return
}

// -----

func.func @rms_norm(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{'fin.rms_norm' op eps must be finite and not negative}}
  %0 = fin.rms_norm %x {eps = 0x7FF0000000000000 : f64} : tensor<2x4xf32>
  return
}

// -----

func.func @rms_norm(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{'fin.rms_norm' op head_dim 3 does not divide the last axis 4}}
  %0 = fin.rms_norm %x {eps = 1.0e-5 : f64, head_dim = 3 : i64} : tensor<2x4xf32>
  return
}

// -----

func.func @rms_norm(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{'fin.rms_norm' op head_dim 0 does not divide the last axis 4}}
  %0 = fin.rms_norm %x {eps = 1.0e-5 : f64, head_dim = 0 : i64} : tensor<2x4xf32>
  return
}

// -----

func.func @rms_norm(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{'fin.rms_norm' op width 3 is less than the 4 elements of a run}}
  %0 = fin.rms_norm %x {eps = 1.0e-5 : f64, width = 3 : i64} : tensor<2x4xf32>
  return
}

// -----

// With head_dim the weight is that of one head.
func.func @rms_norm(%x: tensor<2x4xf32>, %w: tensor<4xf32>) {
  // expected-error @+1 {{'fin.rms_norm' op weight must have 2 elements, got 4}}
  %0 = fin.rms_norm %x, %w {eps = 1.0e-5 : f64, head_dim = 2 : i64} : tensor<2x4xf32>, tensor<4xf32>
  return
}

// -----

func.func @rms_norm(%x: tensor<2x4xf32>, %w: tensor<4xf16>) {
  // expected-error @+1 {{'fin.rms_norm' op element types differ: input 'f32', weight 'f16'}}
  %0 = fin.rms_norm %x, %w {eps = 1.0e-5 : f64} : tensor<2x4xf32>, tensor<4xf16>
  return
}

// -----

func.func @rms_norm(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{requires attribute 'eps'}}
  %0 = fin.rms_norm %x : tensor<2x4xf32>
  return
}

// -----

func.func @layer_norm(%x: tensor<2x4xf32>, %b: tensor<3xf32>) {
  // expected-error @+1 {{'fin.layer_norm' op bias must have 4 elements, got 3}}
  %0 = fin.layer_norm %x bias %b {eps = 1.0e-5 : f64}
     : (tensor<2x4xf32>, tensor<3xf32>) -> tensor<2x4xf32>
  return
}

// -----

func.func @layer_norm(%x: tensor<2x4xf32>, %b: tensor<4xf64>) {
  // expected-error @+1 {{'fin.layer_norm' op element types differ: input 'f32', bias 'f64'}}
  %0 = fin.layer_norm %x bias %b {eps = 1.0e-5 : f64}
     : (tensor<2x4xf32>, tensor<4xf64>) -> tensor<2x4xf32>
  return
}

// -----

func.func @layer_norm(%x: tensor<2x4xf32>) {
  // expected-error @+1 {{failed to verify that all of {input, result} have same type}}
  %0 = fin.layer_norm %x {eps = 1.0e-5 : f64} : (tensor<2x4xf32>) -> tensor<2x4xf64>
  return
}

// -----

//===----------------------------------------------------------------------===//
// rope
//===----------------------------------------------------------------------===//

func.func @rope(%x: tensor<1x2x8xf32>, %p: tensor<1x2xi32>) {
  // expected-error @+1 {{'fin.rope' op base must be positive and finite}}
  %0 = fin.rope half %x at %p {base = 0.0 : f64, head_dim = 4 : i64}
     : tensor<1x2x8xf32>, tensor<1x2xi32>
  return
}

// -----

func.func @rope(%x: tensor<1x2x8xf32>, %p: tensor<1x2xi32>) {
  // expected-error @+1 {{'fin.rope' op base must be positive and finite}}
  %0 = fin.rope half %x at %p {base = 0x7FF0000000000000 : f64, head_dim = 4 : i64}
     : tensor<1x2x8xf32>, tensor<1x2xi32>
  return
}

// -----

func.func @rope(%x: tensor<1x2x8xf32>, %p: tensor<1x2xi32>) {
  // expected-error @+1 {{'fin.rope' op base must be above 1 for rope_scaling "yarn", got 1.000000e+00}}
  %0 = fin.rope half %x at %p {base = 1.0 : f64, head_dim = 4 : i64,
      scaling = #fin.rope_scaling<"yarn", {factor = 8.0 : f64, beta_fast = 32.0 : f64,
          beta_slow = 1.0 : f64, attention_factor = 1.0 : f64, original_context = 8 : i64}>}
     : tensor<1x2x8xf32>, tensor<1x2xi32>
  return
}

// -----

func.func @rope(%x: tensor<1x2x8xf32>, %p: tensor<1x2xi32>) {
  // expected-error @+1 {{'fin.rope' op base must be above 1 for rope_scaling "yarn", got 5.000000e-01}}
  %0 = fin.rope half %x at %p {base = 0.5 : f64, head_dim = 4 : i64,
      scaling = #fin.rope_scaling<"yarn", {factor = 8.0 : f64, beta_fast = 32.0 : f64,
          beta_slow = 1.0 : f64, attention_factor = 1.0 : f64, original_context = 8 : i64}>}
     : tensor<1x2x8xf32>, tensor<1x2xi32>
  return
}

// -----

func.func @rope(%x: tensor<1x2x?xf32>, %p: tensor<1x2xi32>) {
  // expected-error @+1 {{'fin.rope' op needs a last axis of static size}}
  %0 = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64}
     : tensor<1x2x?xf32>, tensor<1x2xi32>
  return
}

// -----

func.func @rope(%x: tensor<1x2x8xf32>, %p: tensor<1x2xi32>) {
  // expected-error @+1 {{'fin.rope' op head_dim 3 does not divide the last axis 8}}
  %0 = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 3 : i64}
     : tensor<1x2x8xf32>, tensor<1x2xi32>
  return
}

// -----

func.func @rope(%x: tensor<1x2x8xf32>, %p: tensor<1x2xi32>) {
  // expected-error @+1 {{'fin.rope' op rotary_dim must be even and in [2, 8], got 3}}
  %0 = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 8 : i64, rotary_dim = 3 : i64}
     : tensor<1x2x8xf32>, tensor<1x2xi32>
  return
}

// -----

func.func @rope(%x: tensor<1x2x8xf32>, %p: tensor<1x2xi32>) {
  // expected-error @+1 {{'fin.rope' op rotary_dim must be even and in [2, 4], got 8}}
  %0 = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64, rotary_dim = 8 : i64}
     : tensor<1x2x8xf32>, tensor<1x2xi32>
  return
}

// -----

func.func @rope(%x: tensor<1x2x8xf32>, %p: tensor<1x2xi32>, %d: tensor<4xf32>) {
  // expected-error @+1 {{'fin.rope' op divisors must have 2 elements, got 4}}
  %0 = fin.rope half %x at %p divisors %d {base = 1.0e4 : f64, head_dim = 4 : i64}
     : tensor<1x2x8xf32>, tensor<1x2xi32>, tensor<4xf32>
  return
}

// -----

func.func @rope(%x: tensor<1x2x8xf32>, %p: tensor<1x2xi32>) {
  // expected-error @+1 {{'fin.rope' op short_factors must have 2 elements, got 1}}
  %0 = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64,
      scaling = #fin.rope_scaling<"longrope", {short_factors = array<f64: 1.0>,
        long_factors = array<f64: 1.0, 1.0>, attention_factor = 1.0 : f64, original_context = 8 : i64}>}
     : tensor<1x2x8xf32>, tensor<1x2xi32>
  return
}

// -----

func.func @rope(%x: tensor<1x2x8xf32>, %p: tensor<1x2xi32>) {
  // expected-error @+1 {{'fin.rope' op long_factors must have 2 elements, got 3}}
  %0 = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64,
      scaling = #fin.rope_scaling<"longrope", {short_factors = array<f64: 1.0, 1.0>,
        long_factors = array<f64: 1.0, 1.0, 1.0>, attention_factor = 1.0 : f64,
        original_context = 8 : i64}>}
     : tensor<1x2x8xf32>, tensor<1x2xi32>
  return
}

// -----

func.func @rope(%x: tensor<1x2x8xf32>, %p: tensor<1x3xi32>) {
  // expected-error @+1 {{'fin.rope' op positions 'tensor<1x3xi32>' do not fit input 'tensor<1x2x8xf32>'}}
  %0 = fin.rope half %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64}
     : tensor<1x2x8xf32>, tensor<1x3xi32>
  return
}

// -----

func.func @rope(%x: tensor<1x2x8xf32>, %p: tensor<1x2xi32>) {
  // expected-error @+1 {{expected string or keyword containing one of the following enum values for attribute 'style' [half, interleaved]}}
  %0 = fin.rope neox %x at %p {base = 1.0e4 : f64, head_dim = 4 : i64}
     : tensor<1x2x8xf32>, tensor<1x2xi32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// attention, softmax, soft_cap
//===----------------------------------------------------------------------===//

!q = tensor<1x2x8xf32>
!k = tensor<1x3x4xf32>
func.func @attention(%q: !q, %k: !k) {
  // expected-error @+1 {{'fin.attention' op heads (3) must be a positive multiple of kv_heads (2)}}
  %0 = fin.attention %q, %k, %k {heads = 3 : i64, kv_heads = 2 : i64, scale = 0.5 : f64}
     : (!q, !k, !k) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x3x4xf32>
func.func @attention(%q: !q, %k: !k) {
  // expected-error @+1 {{'fin.attention' op heads (0) must be a positive multiple of kv_heads (1)}}
  %0 = fin.attention %q, %k, %k {heads = 0 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !k, !k) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x3x?xf32>
func.func @attention(%q: !q, %k: !k) {
  // expected-error @+1 {{'fin.attention' op needs a key of static width, got 'tensor<1x3x?xf32>'}}
  %0 = fin.attention %q, %k, %k {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !k, !k) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x3x8xf32>
func.func @attention(%q: !q, %k: !k) {
  // expected-error @+1 {{'fin.attention' op query width 8 is no multiple of 3 heads}}
  %0 = fin.attention %q, %k, %k {heads = 3 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !k, !k) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x3x4xf32>
!v = tensor<1x3x5xf32>
func.func @attention(%q: !q, %k: !k, %v: !v) {
  // expected-error @+1 {{'fin.attention' op value width 5 is no multiple of 2 heads}}
  %0 = fin.attention %q, %k, %v {heads = 4 : i64, kv_heads = 2 : i64, scale = 0.5 : f64}
     : (!q, !k, !v) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x3x8xf32>
func.func @attention(%q: !q, %k: !k) {
  // expected-error @+1 {{'fin.attention' op head sizes of query (4) and key (8) differ}}
  %0 = fin.attention %q, %k, %k {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !k, !k) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x3x4xf16>
func.func @attention(%q: !q, %k: !k) {
  // expected-error @+1 {{'fin.attention' op element types differ: 'tensor<1x2x8xf32>', 'tensor<1x3x4xf16>', 'tensor<1x3x4xf16>'}}
  %0 = fin.attention %q, %k, %k {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !k, !k) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<2x3x4xf32>
func.func @attention(%q: !q, %k: !k) {
  // expected-error @+1 {{'fin.attention' op query 'tensor<1x2x8xf32>', key 'tensor<2x3x4xf32>' and value 'tensor<2x3x4xf32>' differ in batch or keys}}
  %0 = fin.attention %q, %k, %k {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !k, !k) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x3x4xf32>
!v = tensor<1x4x4xf32>
func.func @attention(%q: !q, %k: !k, %v: !v) {
  // expected-error @+1 {{differ in batch or keys}}
  %0 = fin.attention %q, %k, %v {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !k, !v) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x3x4xf32>
!v = tensor<1x3x2xf32>
func.func @attention(%q: !q, %k: !k, %v: !v) {
  // expected-error @+1 {{'fin.attention' op result must be 'tensor<1x2x4xf32>', got 'tensor<1x2x8xf32>'}}
  %0 = fin.attention %q, %k, %v {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !k, !v) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x3x4xf32>
func.func @attention(%q: !q, %k: !k) {
  // expected-error @+1 {{'fin.attention' op causal or windowed attention needs positions}}
  %0 = fin.attention %q, %k, %k {heads = 2 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
     : (!q, !k, !k) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x3x4xf32>
func.func @attention(%q: !q, %k: !k) {
  // expected-error @+1 {{'fin.attention' op causal or windowed attention needs positions}}
  %0 = fin.attention %q, %k, %k {heads = 2 : i64, kv_heads = 1 : i64, window = 2 : i64, scale = 0.5 : f64}
     : (!q, !k, !k) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x3x4xf32>
func.func @attention(%q: !q, %k: !k, %p: tensor<1x3xi32>) {
  // expected-error @+1 {{'fin.attention' op positions 'tensor<1x3xi32>' do not fit query 'tensor<1x2x8xf32>'}}
  %0 = fin.attention %q at %p, %k, %k {heads = 2 : i64, kv_heads = 1 : i64, causal, scale = 0.5 : f64}
     : (!q, tensor<1x3xi32>, !k, !k) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x3x4xf32>
func.func @attention(%q: !q, %k: !k, %l: tensor<2xi32>) {
  // expected-error @+1 {{'fin.attention' op lengths 'tensor<2xi32>' do not fit query 'tensor<1x2x8xf32>'}}
  %0 = fin.attention %q, %k, %k lengths %l {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !k, !k, tensor<2xi32>) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x3x4xf32>
!p = tensor<1x2xi32>
func.func @attention(%q: !q, %k: !k, %p: !p) {
  // expected-error @+1 {{'fin.attention' op window must be at least 1, got 0}}
  %0 = fin.attention %q at %p, %k, %k {heads = 2 : i64, kv_heads = 1 : i64, window = 0 : i64, scale = 0.5 : f64}
     : (!q, !p, !k, !k) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x3x4xf32>
func.func @attention(%q: !q, %k: !k) {
  // expected-error @+1 {{'fin.attention' op soft_cap must be positive}}
  %0 = fin.attention %q, %k, %k {heads = 2 : i64, kv_heads = 1 : i64, soft_cap = 0.0 : f64, scale = 0.5 : f64}
     : (!q, !k, !k) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x3x4xf32>
func.func @attention(%q: !q, %k: !k, %s: tensor<1xf32>) {
  // expected-error @+1 {{'fin.attention' op sinks must have 2 elements, got 1}}
  %0 = fin.attention %q, %k, %k sinks %s {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !k, !k, tensor<1xf32>) -> !q
  return
}

// -----

!q = tensor<1x2x8xf32>
!k = tensor<1x3x4xf32>
func.func @attention(%q: !q, %k: !k, %m: tensor<1x2x3x2xf32>) {
  // expected-error @+1 {{'fin.attention' op mask 'tensor<1x2x3x2xf32>' is not [batch or 1, heads or 1, tokens, keys]}}
  %0 = fin.attention %q, %k, %k mask %m {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.5 : f64}
     : (!q, !k, !k, tensor<1x2x3x2xf32>) -> !q
  return
}

// -----

func.func @softmax(%x: tensor<f32>) {
  // expected-error @+1 {{'fin.softmax' op needs an input of rank at least 1}}
  %0 = fin.softmax %x : tensor<f32>
  return
}

// -----

func.func @soft_cap(%x: tensor<4xf32>) {
  // expected-error @+1 {{'fin.soft_cap' op cap must be positive and finite}}
  %0 = fin.soft_cap %x at -1.0 : tensor<4xf32>
  return
}

// -----

func.func @soft_cap(%x: tensor<4xf32>) {
  // expected-error @+1 {{'fin.soft_cap' op cap must be positive and finite}}
  %0 = fin.soft_cap %x at 0x7FF0000000000000 : tensor<4xf32>
  return
}

// -----

func.func @gelu(%x: tensor<4xf32>) {
  // expected-error @+1 {{expected string or keyword containing one of the following enum values for attribute 'kind' [exact, tanh, quick]}}
  %0 = fin.gelu erf %x : tensor<4xf32>
  return
}

// -----

//===----------------------------------------------------------------------===//
// state
//===----------------------------------------------------------------------===//

!c = tensor<3x3x?x?x8xf32>
!k = tensor<?x?x8xf32>
func.func @cache_append(%c: !c, %l: index, %k: !k, %p: tensor<?x?xi32>) {
  // expected-error @+1 {{'fin.cache_append' op cache must be [layers, 2, batch, context, width], got 'tensor<3x3x?x?x8xf32>'}}
  %0 = fin.cache_append %c[%l], %k, %k at %p : !c, !k, !k, tensor<?x?xi32>
  return
}

// -----

!c = tensor<3x2x?x?x8xf32>
!k = tensor<?x?x4xf32>
func.func @cache_append(%c: !c, %l: index, %k: !k, %p: tensor<?x?xi32>) {
  // expected-error @+1 {{'fin.cache_append' op key width 4 is not the cache's width 8}}
  %0 = fin.cache_append %c[%l], %k, %k at %p : !c, !k, !k, tensor<?x?xi32>
  return
}

// -----

!c = tensor<3x2x?x?x8xf16>
!k = tensor<?x?x8xf16>
!v = tensor<?x?x8xf32>
func.func @cache_append(%c: !c, %l: index, %k: !k, %v: !v, %p: tensor<?x?xi32>) {
  // expected-error @+1 {{'fin.cache_append' op element types differ: cache 'f16', value 'f32'}}
  %0 = fin.cache_append %c[%l], %k, %v at %p : !c, !k, !v, tensor<?x?xi32>
  return
}

// -----

!c = tensor<3x2x1x9x8xf32>
!k = tensor<1x2x8xf32>
func.func @cache_append(%c: !c, %l: index, %k: !k, %p: tensor<1x3xi32>) {
  // expected-error @+1 {{'fin.cache_append' op key 'tensor<1x2x8xf32>' does not fit positions 'tensor<1x3xi32>' and cache 'tensor<3x2x1x9x8xf32>'}}
  %0 = fin.cache_append %c[%l], %k, %k at %p : !c, !k, !k, tensor<1x3xi32>
  return
}

// -----

!c = tensor<3x2x2x9x8xf32>
!k = tensor<1x3x8xf32>
func.func @cache_append(%c: !c, %l: index, %k: !k, %p: tensor<1x3xi32>) {
  // expected-error @+1 {{'fin.cache_append' op key 'tensor<1x3x8xf32>' does not fit positions 'tensor<1x3xi32>' and cache 'tensor<3x2x2x9x8xf32>'}}
  %0 = fin.cache_append %c[%l], %k, %k at %p : !c, !k, !k, tensor<1x3xi32>
  return
}

// -----

func.func @cache_read(%c: tensor<3x1x?x?x8xf32>, %l: index) {
  // expected-error @+1 {{'fin.cache_read' op cache must be [layers, 2, batch, context, width], got 'tensor<3x1x?x?x8xf32>'}}
  %0, %1 = fin.cache_read %c[%l] : tensor<3x1x?x?x8xf32>
  return
}

// -----

func.func @cache_read(%c: tensor<4xf32>, %l: index) {
  // expected-error @+1 {{'fin.cache_read' op needs a tensor of rank 5, got 'tensor<4xf32>'}}
  %0, %1 = fin.cache_read %c[%l] : tensor<4xf32>
  return
}

// -----

func.func @select_last(%x: tensor<4xf32>) {
  // expected-error @+1 {{'fin.select_last' op needs a tensor of rank 3, got 'tensor<4xf32>'}}
  %0 = fin.select_last %x : tensor<4xf32>
  return
}

// -----

func.func @select_last(%x: tensor<2x3x4xf32>, %l: tensor<3xi32>) {
  // expected-error @+1 {{'fin.select_last' op lengths 'tensor<3xi32>' do not fit input 'tensor<2x3x4xf32>'}}
  %0 = fin.select_last %x lengths %l : tensor<2x3x4xf32>, tensor<3xi32>
  return
}

// -----

func.func @store(%w: tensor<4xf32>) {
  // expected-error @+1 {{'fin.store' op needs a key}}
  fin.store %w, "" : tensor<4xf32>
  return
}

// -----

func.func @quantize_rows(%x: tensor<?x?x8xf32>) {
  // expected-error @+2 {{'fin.quantize_rows' op bits must be 4 or 8, got 3}}
  // expected-error @+1 {{'fin.quantize_rows' op failed to infer returned types}}
  %0 = fin.quantize_rows %x {bits = 3 : i64, group_size = 8 : i64} : tensor<?x?x8xf32> -> tensor<?x?x8xi8>
  return
}

// -----

func.func @quantize_rows(%x: tensor<?x?x8xf32>) {
  // expected-error @+2 {{'fin.quantize_rows' op group_size 3 does not divide 8}}
  // expected-error @+1 {{'fin.quantize_rows' op failed to infer returned types}}
  %0 = fin.quantize_rows %x {bits = 8 : i64, group_size = 3 : i64} : tensor<?x?x8xf32> -> tensor<?x?x8xi8>
  return
}

// -----

func.func @quantize_rows(%x: tensor<?x?x9xf32>) {
  // expected-error @+2 {{'fin.quantize_rows' op group_size must be even with 4 bits, got 3}}
  // expected-error @+1 {{'fin.quantize_rows' op failed to infer returned types}}
  %0 = fin.quantize_rows %x {bits = 4 : i64, group_size = 3 : i64} : tensor<?x?x9xf32> -> tensor<?x?x8xi8>
  return
}

// -----

func.func @quantize_rows(%x: tensor<?x?x?xf32>) {
  // expected-error @+2 {{'fin.quantize_rows' op needs a static last axis}}
  // expected-error @+1 {{'fin.quantize_rows' op failed to infer returned types}}
  %0 = fin.quantize_rows %x {bits = 8 : i64, group_size = 4 : i64} : tensor<?x?x?xf32> -> tensor<?x?x8xi8>
  return
}

// -----

func.func @quantize_rows(%x: tensor<?x?x8xf32>) {
  // expected-error @+2 {{'fin.quantize_rows' op failed to infer returned types}}
  // expected-error @+1 {{'fin.quantize_rows' op inferred type(s) 'tensor<?x?x12xi8>' are incompatible with return type(s) of operation 'tensor<?x?x8xi8>'}}
  %0 = fin.quantize_rows %x {bits = 8 : i64, group_size = 8 : i64} : tensor<?x?x8xf32> -> tensor<?x?x8xi8>
  return
}

// -----

func.func @dequantize_rows(%x: tensor<?x?x8xi8>) {
  // expected-error @+1 {{'fin.dequantize_rows' op rows of 8 elements take 12 bytes, got 8}}
  %0 = fin.dequantize_rows %x {bits = 8 : i64, group_size = 8 : i64} : tensor<?x?x8xi8> -> tensor<?x?x8xf32>
  return
}

// -----

func.func @dequantize_rows(%x: tensor<2x?x12xi8>) {
  // expected-error @+1 {{'fin.dequantize_rows' op input 'tensor<2x?x12xi8>' does not fit result 'tensor<3x?x8xf32>'}}
  %0 = fin.dequantize_rows %x {bits = 8 : i64, group_size = 8 : i64} : tensor<2x?x12xi8> -> tensor<3x?x8xf32>
  return
}
