// What every decomposition is written with: a builder at one location that
// knows the storage and the accumulation type.
//
// Conventions. Loops read their operands through projected permutations; an
// index that is computed (a group, a table row, a partner element) is read with
// tensor.extract inside the body. Multiplications and additions are separate and
// carry no fast-math flags: relaxing them is a pass's business.
#ifndef FINGPT_LIB_DIALECT_FIN_IR_DECOMPOSEUTILS_H
#define FINGPT_LIB_DIALECT_FIN_IR_DECOMPOSEUTILS_H

#include "fingpt/Dialect/Fin/IR/Fin.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

namespace fingpt::fin {

class Lowering {
public:
  Lowering(mlir::OpBuilder &b, mlir::Operation *op, mlir::Type storage)
      : b(b), loc(op->getLoc()), storage(storage), accumulation(accumulationType(storage)) {}

  mlir::OpBuilder &b;
  mlir::Location loc;
  mlir::Type storage, accumulation;

  // Shapes.
  static mlir::RankedTensorType type(mlir::Value v) {
    return mlir::cast<mlir::RankedTensorType>(v.getType());
  }
  mlir::OpFoldResult dim(mlir::Value v, int64_t axis) const {
    return mlir::tensor::getMixedSize(b, loc, v, axis);
  }
  llvm::SmallVector<mlir::OpFoldResult> dims(mlir::Value v) const {
    return mlir::tensor::getMixedSizes(b, loc, v);
  }
  mlir::OpFoldResult size(int64_t n) const { return b.getIndexAttr(n); }
  mlir::Value empty(llvm::ArrayRef<mlir::OpFoldResult> sizes, mlir::Type element) const {
    return mlir::tensor::EmptyOp::create(b, loc, sizes, element);
  }
  /// Splits the last axis of `v` into [n / inner, inner].
  mlir::Value splitLast(mlir::Value v, int64_t inner) const;
  /// Folds the last two axes into one.
  mlir::Value joinLast(mlir::Value v) const;

  // Scalars.
  mlir::Value real(double value) const { return real(value, accumulation); }
  mlir::Value real(double value, mlir::Type t) const {
    return mlir::arith::ConstantOp::create(b, loc, b.getFloatAttr(t, value));
  }
  mlir::Value index(int64_t value) const {
    return mlir::arith::ConstantIndexOp::create(b, loc, value);
  }
  mlir::Value loopIndex(unsigned axis) const { return mlir::linalg::IndexOp::create(b, loc, axis); }
  /// A float of any width in the accumulation type.
  mlir::Value widen(mlir::Value v) const { return convert(v, accumulation); }
  mlir::Value convert(mlir::Value v, mlir::Type to) const;
  mlir::Value add(mlir::Value x, mlir::Value y) const {
    return mlir::arith::AddFOp::create(b, loc, x, y);
  }
  mlir::Value sub(mlir::Value x, mlir::Value y) const {
    return mlir::arith::SubFOp::create(b, loc, x, y);
  }
  mlir::Value mul(mlir::Value x, mlir::Value y) const {
    return mlir::arith::MulFOp::create(b, loc, x, y);
  }
  mlir::Value div(mlir::Value x, mlir::Value y) const {
    return mlir::arith::DivFOp::create(b, loc, x, y);
  }
  mlir::Value extract(mlir::Value tensor, mlir::ValueRange indices) const {
    return mlir::tensor::ExtractOp::create(b, loc, tensor, indices);
  }
  mlir::Value toIndex(mlir::Value i32) const {
    return mlir::arith::IndexCastOp::create(b, loc, b.getIndexType(), i32);
  }

  // Loops.
  using Body = llvm::function_ref<mlir::Value(mlir::ValueRange)>;
  /// A tensor of `sizes`: element = body(element of each input), where `maps[i]`
  /// lists the loop axes that input i is indexed by. Body runs once per element.
  mlir::Value map(llvm::ArrayRef<mlir::OpFoldResult> sizes, mlir::Type element,
                  mlir::ValueRange inputs, llvm::ArrayRef<llvm::SmallVector<unsigned>> maps,
                  Body body) const;
  /// Sum (or another fold) over loop axes `kept` .. rank-1: result is indexed by
  /// the first `kept` axes and starts as `init`; body gets the inputs' elements
  /// and, last, the running value. The result has init's type.
  mlir::Value reduce(llvm::ArrayRef<mlir::OpFoldResult> keptSizes, mlir::Value init, unsigned loops,
                     mlir::ValueRange inputs, llvm::ArrayRef<llvm::SmallVector<unsigned>> maps,
                     Body body) const;
  /// Elementwise over one tensor, in the accumulation type.
  mlir::Value elementwise(mlir::Value v, llvm::function_ref<mlir::Value(mlir::Value)> f) const;

  /// Axes 0 .. n-1.
  static llvm::SmallVector<unsigned> axes(unsigned n);
};

} // namespace fingpt::fin

#endif // FINGPT_LIB_DIALECT_FIN_IR_DECOMPOSEUTILS_H
