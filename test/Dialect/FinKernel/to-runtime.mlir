// fin-kernel-to-runtime: kernels on memrefs become calls of the C ABI.
// RUN: fingpt-opt %s --fin-kernel-to-runtime --split-input-file --verify-diagnostics | FileCheck %s

// x, w, bias, y, then rows (the product of the leading axes), outputs, inputs.
// CHECK:       llvm.func @fingpt_linear_f32(!llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, i64, i64, i64)
// CHECK-LABEL: func.func @linear(
// CHECK-SAME:    %[[X:[^:]+]]: memref<?x?x4xf32>, %[[W:[^:]+]]: memref<6x4xf32>, %[[B:[^:]+]]: memref<6xf32>, %[[Y:[^:]+]]: memref<?x?x6xf32>)
// CHECK-NOT:     memref.alloc
// CHECK:         %[[N:.*]] = memref.dim %[[X]], %{{.*}}
// CHECK:         %[[N64:.*]] = arith.index_cast %[[N]]
// CHECK:         %[[PARTIAL:.*]] = arith.muli %{{.*}}, %[[N64]]
// CHECK:         %[[T:.*]] = memref.dim %[[X]], %{{.*}}
// CHECK:         %[[T64:.*]] = arith.index_cast %[[T]]
// CHECK:         %[[ROWS:.*]] = arith.muli %[[PARTIAL]], %[[T64]]
// CHECK:         memref.extract_aligned_pointer_as_index %[[X]]
// CHECK:         %[[XP:.*]] = llvm.inttoptr
// CHECK:         memref.extract_aligned_pointer_as_index %[[W]]
// CHECK:         %[[WP:.*]] = llvm.inttoptr
// CHECK:         memref.extract_aligned_pointer_as_index %[[B]]
// CHECK:         %[[BP:.*]] = llvm.inttoptr
// CHECK:         memref.extract_aligned_pointer_as_index %[[Y]]
// CHECK:         %[[YP:.*]] = llvm.inttoptr
// CHECK:         %[[O:.*]] = memref.dim %[[W]], %{{.*}}
// CHECK:         %[[OUT:.*]] = arith.index_cast %[[O]]
// CHECK:         %[[I:.*]] = memref.dim %[[W]], %{{.*}}
// CHECK:         %[[IN:.*]] = arith.index_cast %[[I]]
// CHECK:         llvm.call @fingpt_linear_f32(%[[XP]], %[[WP]], %[[BP]], %[[YP]], %[[ROWS]], %[[OUT]], %[[IN]])
func.func @linear(%x: memref<?x?x4xf32>, %w: memref<6x4xf32>, %b: memref<6xf32>, %y: memref<?x?x6xf32>) {
  fin_kernel.linear ins(%x, %w, %b : memref<?x?x4xf32>, memref<6x4xf32>, memref<6xf32>)
                    outs(%y : memref<?x?x6xf32>)
  return
}

// -----

// Without a bias its pointer is null; a strided input is copied to scratch, since the
// kernel takes contiguous rows.
// CHECK-LABEL: func.func @strided(
// CHECK-SAME:    %[[X:[^:]+]]: memref<2x4xf32, strided<[8, 1], offset: ?>>
// CHECK:         %[[COPY:.*]] = memref.alloc() {alignment = 64 : i64} : memref<2x4xf32>
// CHECK-NEXT:    memref.copy %[[X]], %[[COPY]]
// CHECK:         memref.extract_aligned_pointer_as_index %[[COPY]]
// CHECK:         %[[NULL:.*]] = llvm.mlir.zero : !llvm.ptr
// CHECK:         llvm.call @fingpt_linear_f32(%{{[^,]+}}, %{{[^,]+}}, %[[NULL]],
func.func @strided(%x: memref<2x4xf32, strided<[8, 1], offset: ?>>, %w: memref<6x4xf32>, %y: memref<2x6xf32>) {
  fin_kernel.linear ins(%x, %w : memref<2x4xf32, strided<[8, 1], offset: ?>>, memref<6x4xf32>)
                    outs(%y : memref<2x6xf32>)
  return
}

// -----

// The shape travels in a struct on the stack of the entry block, so that a loop does not
// grow the stack. Views of the cache go in by their offset and strides; a mask for all
// sequences has batch stride 0.
// CHECK:       llvm.func @fingpt_attention_f32(!llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, i64, i64, i64, !llvm.ptr, !llvm.ptr)
// CHECK-LABEL: func.func @attention(
// CHECK-SAME:    %[[Q:[^:]+]]: memref<?x?x8xf32>, %[[K:[^:]+]]: memref<?x?x4xf32, strided<[?, 4, 1], offset: ?>>
// CHECK-NEXT:    %[[ONE:.*]] = llvm.mlir.constant(1 : i64)
// CHECK-NEXT:    %[[SHAPE:.*]] = llvm.alloca %[[ONE]] x !llvm.struct<(i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, f32, f32, i64, i32, i32, i64)>
// CHECK:         scf.for
// CHECK-NOT:     memref.alloc
// Scale, cap, window and causality are the last fields.
// CHECK:         %[[SCALE:.*]] = llvm.mlir.constant(5.000000e-01 : f32)
// CHECK-NEXT:    %[[CAP:.*]] = llvm.mlir.constant(3.000000e+01 : f32)
// CHECK-NEXT:    %[[WINDOW:.*]] = llvm.mlir.constant(3 : i64)
// CHECK-NEXT:    %[[CAUSAL:.*]] = llvm.mlir.constant(1 : i32)
// CHECK:         %[[FIELD:.*]] = llvm.getelementptr %[[SHAPE]][0, 15]
// CHECK-NEXT:    llvm.store %[[SCALE]], %[[FIELD]]
// CHECK:         llvm.store %[[CAP]],
// CHECK:         llvm.store %[[WINDOW]],
// CHECK:         llvm.store %[[CAUSAL]],
// CHECK:         %[[ZERO:.*]] = llvm.mlir.constant(0 : i64)
// CHECK:         %[[BASE:.*]] = memref.extract_aligned_pointer_as_index %[[K]]
// CHECK:         %{{[^,]+}}, %[[OFFSET:[^,]+]], %{{.*}} = memref.extract_strided_metadata %[[K]]
// CHECK:         %[[OFFSET64:.*]] = arith.index_cast %[[OFFSET]]
// CHECK:         %[[FOUR:.*]] = llvm.mlir.constant(4 : i64)
// CHECK-NEXT:    arith.muli %[[OFFSET64]], %[[FOUR]]
// CHECK:         llvm.call @fingpt_attention_f32(%[[SHAPE]], %{{[^,]+}}, %{{[^,]+}}, %{{[^,]+}}, %{{[^,]+}}, %{{[^,]+}}, %{{[^,]+}}, %[[ZERO]],
func.func @attention(%q: memref<?x?x8xf32>, %k: memref<?x?x4xf32, strided<[?, 4, 1], offset: ?>>,
                     %p: memref<?x?xi32>, %m: memref<1x2x?x?xf32>, %o: memref<?x?x8xf32>, %n: index) {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  scf.for %i = %zero to %n step %one {
    fin_kernel.attention %q, %k, %k at %p mask %m outs(%o)
        {heads = 2 : i64, kv_heads = 1 : i64, causal, window = 3 : i64, soft_cap = 30.0 : f64, scale = 0.5 : f64}
      : (memref<?x?x8xf32>, memref<?x?x4xf32, strided<[?, 4, 1], offset: ?>>,
         memref<?x?x4xf32, strided<[?, 4, 1], offset: ?>>, memref<?x?xi32>, memref<1x2x?x?xf32>,
         memref<?x?x8xf32>) -> ()
  }
  return
}

// -----

func.func @strided_destination(%x: memref<2x4xf32>, %w: memref<6x4xf32>, %y: memref<2x6xf32, strided<[12, 1]>>) {
  // expected-error @+1 {{needs a contiguous destination}}
  fin_kernel.linear ins(%x, %w : memref<2x4xf32>, memref<6x4xf32>) outs(%y : memref<2x6xf32, strided<[12, 1]>>)
  return
}

// -----

!q = memref<1x2x8xf32>
!k = memref<1x3x4xf32, strided<[24, 8, 2]>>
func.func @strided_heads(%q: !q, %k: !k) {
  // expected-error @+1 {{needs a contiguous last axis, got 'memref<1x3x4xf32, strided<[24, 8, 2]>>'}}
  fin_kernel.attention %q, %k, %k outs(%q) {heads = 2 : i64, kv_heads = 1 : i64, scale = 0.5 : f64} : (!q, !k, !k, !q) -> ()
  return
}

// -----

!q = memref<1x2x4xf32>
!m = memref<1x1x2x2xf32, strided<[8, 8, 4, 2]>>
func.func @strided_mask(%q: !q, %o: !q, %m: !m) {
  // expected-error @+1 {{needs a mask with a contiguous last axis}}
  fin_kernel.attention %q, %q, %q mask %m outs(%o) {heads = 1 : i64, kv_heads = 1 : i64, scale = 0.5 : f64} : (!q, !q, !q, !m, !q) -> ()
  return
}

// -----

// Rows, then width, bits and group; width and size of runs.
// CHECK-LABEL: func.func @rows(
// CHECK:         llvm.call @fingpt_quantize_rows_f32(%{{[^,]+}}, %{{[^,]+}}, %[[ROWS:[^,]+]], %[[WIDTH:[^,]+]], %[[BITS:[^,]+]], %[[GROUP:[^,]+]])
// CHECK:         llvm.mlir.zero : !llvm.ptr
// CHECK:         llvm.call @fingpt_hadamard_f32(
func.func @rows(%x: memref<?x?x8xf32>, %q: memref<?x?x8xi8>, %y: memref<?x?x8xf32>) {
  fin_kernel.quantize_rows ins(%x : memref<?x?x8xf32>) outs(%q : memref<?x?x8xi8>) {bits = 4 : i64, group_size = 8 : i64}
  fin_kernel.hadamard ins(%x : memref<?x?x8xf32>) outs(%y : memref<?x?x8xf32>) {size = 8 : i64}
  return
}
