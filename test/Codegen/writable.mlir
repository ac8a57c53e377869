// An argument that says nothing is writable upstream: a residual addition then overwrites
// the caller's tensor. So every tensor of a public function says whether it may be.
// RUN: fingpt-opt %S/Inputs/two-layers.mlir --fin-jit-graph --fin-bind-params | FileCheck %s --check-prefix=SAYS \
// RUN:   --implicit-check-not='{{func.func @.*%arg[0-9]+: tensor<[^>]*>[,)]}}'
// SAYS: func.func @prepare_0({{.*}}bufferization.writable = true
// SAYS: func.func @forward({{.*}}bufferization.writable = false
// SAYS: func.func @prefill({{.*}}bufferization.writable = false
// SAYS: func.func @decode({{.*}}bufferization.writable = false

// RUN: fingpt-opt %s --fin-jit-bufferize | FileCheck %s
// CHECK-LABEL: func.func @residual(
// CHECK-SAME:    %{{[^:]+}}: !llvm.ptr, %[[X:[^:]+]]: memref<?x4xf32>, %[[OUT:[^:]+]]: memref<?x4xf32>)
// CHECK-NOT:     outs(%[[X]]
// CHECK-NOT:     store {{.*}}%[[X]]
// CHECK:         outs(%[[OUT]] : memref<?x4xf32>)
// CHECK-NOT:     outs(%[[X]]
// CHECK:         return
func.func @residual(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = fin.silu %x : tensor<?x4xf32>
  %s = arith.addf %x, %y : tensor<?x4xf32>
  return %s : tensor<?x4xf32>
}
