// The definitions of the state ops: slices of the one cache tensor, which bufferization
// updates in place.
// RUN: fingpt-opt %s --fin-decompose --canonicalize --split-input-file | FileCheck %s \
// RUN:   --implicit-check-not=fin. --implicit-check-not=tensor.empty

// A row of keys and a row of values per sequence and token, each at its own position.
// CHECK-LABEL: func.func @append
// CHECK-SAME:    %[[CACHE:[^:]+]]: tensor<3x2x?x?x8xf16>, %[[LAYER:[^:]+]]: index, %[[K:[^:]+]]: tensor<?x?x8xf16>, %[[V:[^:]+]]: tensor<?x?x8xf16>, %[[P:[^:]+]]: tensor<?x?xi32>
// CHECK:       %[[NEW:.*]] = scf.for %[[B:.*]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args(%[[OUTER:.*]] = %[[CACHE]])
// CHECK:         scf.for %[[T:.*]] = %{{.*}} to %{{.*}} step %{{.*}} iter_args(%[[INNER:.*]] = %[[OUTER]])
// CHECK:           %[[I32:.*]] = tensor.extract %[[P]][%[[B]], %[[T]]]
// CHECK:           %[[AT:.*]] = arith.index_cast %[[I32]] : i32 to index
// CHECK:           %[[KEY:.*]] = tensor.extract_slice %[[K]][%[[B]], %[[T]], 0] [1, 1, 8] [1, 1, 1]
// CHECK:           %[[WITH_KEY:.*]] = tensor.insert_slice %[[KEY]] into %[[INNER]][%[[LAYER]], 0, %[[B]], %[[AT]], 0] [1, 1, 1, 1, 8]
// CHECK:           %[[VALUE:.*]] = tensor.extract_slice %[[V]][%[[B]], %[[T]], 0] [1, 1, 8] [1, 1, 1]
// CHECK:           %[[BOTH:.*]] = tensor.insert_slice %[[VALUE]] into %[[WITH_KEY]][%[[LAYER]], 1, %[[B]], %[[AT]], 0] [1, 1, 1, 1, 8]
// CHECK:           scf.yield %[[BOTH]]
// CHECK:       return %[[NEW]]
func.func @append(%c: tensor<3x2x?x?x8xf16>, %l: index, %k: tensor<?x?x8xf16>,
                  %v: tensor<?x?x8xf16>, %p: tensor<?x?xi32>) -> tensor<3x2x?x?x8xf16> {
  %0 = fin.cache_append %c[%l], %k, %v at %p
     : tensor<3x2x?x?x8xf16>, tensor<?x?x8xf16>, tensor<?x?x8xf16>, tensor<?x?xi32>
  return %0 : tensor<3x2x?x?x8xf16>
}

// -----

// Reads are views of the whole context.
// CHECK-LABEL: func.func @read
// CHECK-SAME:    %[[CACHE:[^:]+]]: tensor<3x2x?x?x8xf16>, %[[LAYER:[^:]+]]: index
// CHECK-DAG:   %[[TWO:.*]] = arith.constant 2 : index
// CHECK-DAG:   %[[THREE:.*]] = arith.constant 3 : index
// CHECK-DAG:   %[[B:.*]] = tensor.dim %[[CACHE]], %[[TWO]]
// CHECK-DAG:   %[[S:.*]] = tensor.dim %[[CACHE]], %[[THREE]]
// CHECK:       %[[KEY:.*]] = tensor.extract_slice %[[CACHE]][%[[LAYER]], 0, 0, 0, 0] [1, 1, %[[B]], %[[S]], 8] [1, 1, 1, 1, 1] : tensor<3x2x?x?x8xf16> to tensor<?x?x8xf16>
// CHECK:       %[[VALUE:.*]] = tensor.extract_slice %[[CACHE]][%[[LAYER]], 1, 0, 0, 0] [1, 1, %[[B]], %[[S]], 8] [1, 1, 1, 1, 1] : tensor<3x2x?x?x8xf16> to tensor<?x?x8xf16>
// CHECK:       return %[[KEY]], %[[VALUE]]
func.func @read(%c: tensor<3x2x?x?x8xf16>, %l: index) -> (tensor<?x?x8xf16>, tensor<?x?x8xf16>) {
  %k, %v = fin.cache_read %c[%l] : tensor<3x2x?x?x8xf16>
  return %k, %v : tensor<?x?x8xf16>, tensor<?x?x8xf16>
}
