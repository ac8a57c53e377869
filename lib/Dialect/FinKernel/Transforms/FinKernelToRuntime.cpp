// fin_kernel ops on memrefs become calls of the C ABI in fingpt/Runtime/Kernels.h.

#include "fingpt/Dialect/FinKernel/IR/FinKernel.h"
#include "fingpt/Dialect/FinKernel/Transforms/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace fingpt::fin_kernel {
#define GEN_PASS_DEF_FINKERNELTORUNTIME
#include "fingpt/Dialect/FinKernel/Transforms/Passes.h.inc"
} // namespace fingpt::fin_kernel

using namespace mlir;
using namespace fingpt::fin_kernel;

namespace {

struct FinKernelToRuntime final
    : fingpt::fin_kernel::impl::FinKernelToRuntimeBase<FinKernelToRuntime> {
  void runOnOperation() override;
};

/// Builds calls at one op.
struct CallBuilder {
  OpBuilder b;
  Location loc;
  ModuleOp module;
  Type pointer, i64, i32, f32;

  CallBuilder(Operation *op, ModuleOp module)
      : b(op), loc(op->getLoc()), module(module),
        pointer(LLVM::LLVMPointerType::get(op->getContext())), i64(b.getI64Type()),
        i32(b.getI32Type()), f32(b.getF32Type()) {}

  Value constant(int64_t v) {
    return LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(v));
  }
  Value null() { return LLVM::ZeroOp::create(b, loc, pointer); }
  Value toI64(Value index) { return arith::IndexCastOp::create(b, loc, i64, index); }

  /// Address of the first element of a memref.
  Value address(Value memref) {
    if (!memref)
      return null();
    auto type = cast<MemRefType>(memref.getType());
    Value bytes = toI64(memref::ExtractAlignedPointerAsIndexOp::create(b, loc, memref));
    if (!type.getLayout().isIdentity()) {
      auto metadata = memref::ExtractStridedMetadataOp::create(b, loc, memref);
      Value offset = toI64(metadata.getOffset());
      Value scaled =
          arith::MulIOp::create(b, loc, offset, constant(type.getElementTypeBitWidth() / 8));
      bytes = arith::AddIOp::create(b, loc, bytes, scaled);
    }
    return LLVM::IntToPtrOp::create(b, loc, pointer, bytes);
  }
  Value size(Value memref, int64_t axis) {
    return toI64(memref::DimOp::create(b, loc, memref, axis));
  }
  Value stride(Value memref, int64_t axis) {
    auto metadata = memref::ExtractStridedMetadataOp::create(b, loc, memref);
    return toI64(metadata.getStrides()[axis]);
  }
  /// `memref`, or a contiguous copy of it in scratch memory.
  Value contiguous(Value memref) {
    auto type = cast<MemRefType>(memref.getType());
    if (type.getLayout().isIdentity())
      return memref;
    SmallVector<Value> sizes;
    for (int64_t axis = 0; axis < type.getRank(); ++axis)
      if (type.isDynamicDim(axis))
        sizes.push_back(memref::DimOp::create(b, loc, memref, axis));
    Value copy =
        memref::AllocOp::create(b, loc, MemRefType::get(type.getShape(), type.getElementType()),
                                sizes, b.getI64IntegerAttr(64));
    memref::CopyOp::create(b, loc, memref, copy);
    return copy;
  }
  void call(StringRef name, ValueRange arguments) {
    auto function = module.lookupSymbol<LLVM::LLVMFuncOp>(name);
    if (!function) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(module.getBody());
      auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                              llvm::to_vector(arguments.getTypes()));
      function = LLVM::LLVMFuncOp::create(b, module.getLoc(), name, type);
    }
    LLVM::CallOp::create(b, loc, function, arguments);
  }
};

} // namespace

/// Product of all axes but the last.
static Value rowsOf(CallBuilder &c, Value memref) {
  Value rows = c.constant(1);
  for (int64_t axis = 0; axis + 1 < cast<MemRefType>(memref.getType()).getRank(); ++axis)
    rows = arith::MulIOp::create(c.b, c.loc, rows, c.size(memref, axis));
  return rows;
}

static LogicalResult lowerLinear(LinearOp op, ModuleOp module) {
  CallBuilder c(op, module);
  auto outType = cast<MemRefType>(op.getOut().getType());
  if (!outType.getLayout().isIdentity())
    return op.emitOpError("needs a contiguous destination");
  Value x = c.contiguous(op.getInput()), w = c.contiguous(op.getWeight());
  Value rows = rowsOf(c, x);
  Value bias = op.getBias() ? c.contiguous(op.getBias()) : Value();
  c.call("fingpt_linear_f32", {c.address(x), c.address(w), c.address(bias), c.address(op.getOut()),
                               rows, c.size(w, 0), c.size(w, 1)});
  op.erase();
  return success();
}

static LogicalResult lowerHadamard(HadamardOp op, ModuleOp module) {
  CallBuilder c(op, module);
  if (!cast<MemRefType>(op.getOut().getType()).getLayout().isIdentity())
    return op.emitOpError("needs a contiguous destination");
  Value x = c.contiguous(op.getInput());
  Value signs = op.getSigns() ? c.contiguous(op.getSigns()) : Value();
  int64_t width = cast<MemRefType>(x.getType()).getShape().back();
  c.call("fingpt_hadamard_f32", {c.address(x), c.address(signs), c.address(op.getOut()),
                                 rowsOf(c, x), c.constant(width), c.constant(op.getSize())});
  op.erase();
  return success();
}

static LogicalResult lowerQuantizeRows(QuantizeRowsOp op, ModuleOp module) {
  CallBuilder c(op, module);
  if (!cast<MemRefType>(op.getOut().getType()).getLayout().isIdentity())
    return op.emitOpError("needs a contiguous destination");
  Value x = c.contiguous(op.getInput());
  int64_t width = cast<MemRefType>(x.getType()).getShape().back();
  c.call("fingpt_quantize_rows_f32",
         {c.address(x), c.address(op.getOut()), rowsOf(c, x), c.constant(width),
          c.constant(op.getBits()), c.constant(op.getGroupSize())});
  op.erase();
  return success();
}

/// The innermost axis of `v` must be contiguous; the kernel handles the outer strides.
static bool innermostContiguous(Value v) {
  auto type = cast<MemRefType>(v.getType());
  SmallVector<int64_t> strides;
  int64_t offset;
  return succeeded(type.getStridesAndOffset(strides, offset)) && strides.back() == 1;
}

static LogicalResult lowerAttention(AttentionOp op, ModuleOp module) {
  CallBuilder c(op, module);
  OpBuilder &b = c.b;
  for (Value v : {op.getQuery(), op.getKey(), op.getValue(), op.getOut()})
    if (!innermostContiguous(v))
      return op.emitOpError() << "needs a contiguous last axis, got " << v.getType();
  Value q = op.getQuery(), k = op.getKey(), v = op.getValue(), out = op.getOut();
  int64_t headDim = cast<MemRefType>(q.getType()).getShape()[2] / op.getHeads();
  int64_t valueDim = cast<MemRefType>(out.getType()).getShape()[2] / op.getHeads();

  // FingptAttention, field by field.
  SmallVector<Value> fields{c.size(q, 0),
                            c.size(q, 1),
                            c.size(k, 1),
                            c.constant(op.getHeads()),
                            c.constant(op.getKvHeads()),
                            c.constant(headDim),
                            c.constant(valueDim),
                            c.stride(q, 0),
                            c.stride(q, 1),
                            c.stride(k, 0),
                            c.stride(k, 1),
                            c.stride(v, 0),
                            c.stride(v, 1),
                            c.stride(out, 0),
                            c.stride(out, 1)};
  auto real = [&](const llvm::APFloat &f) -> Value {
    return LLVM::ConstantOp::create(b, c.loc, c.f32, b.getF32FloatAttr(f.convertToDouble()));
  };
  fields.push_back(real(op.getScale()));
  fields.push_back(real(op.getSoftCap()));
  fields.push_back(c.constant(op.getWindow()));
  auto small = [&](int64_t value) -> Value {
    return LLVM::ConstantOp::create(b, c.loc, c.i32, b.getI32IntegerAttr(int32_t(value)));
  };
  fields.push_back(small(op.getCausal() ? 1 : 0));
  fields.push_back(small(op.getKvBits()));
  fields.push_back(c.constant(op.getKvGroup()));
  SmallVector<Type> types;
  for (Value f : fields)
    types.push_back(f.getType());
  auto structType = LLVM::LLVMStructType::getLiteral(b.getContext(), types);
  Value shape;
  {
    // In the entry block: a stack slot per call site, not per iteration.
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(&op->getParentOfType<func::FuncOp>().getBody().front());
    Value one = LLVM::ConstantOp::create(b, c.loc, c.i64, b.getI64IntegerAttr(1));
    shape = LLVM::AllocaOp::create(b, c.loc, c.pointer, structType, one, /*alignment=*/8);
  }
  for (auto [i, field] : llvm::enumerate(fields)) {
    Value slot = LLVM::GEPOp::create(b, c.loc, c.pointer, structType, shape,
                                     ArrayRef<LLVM::GEPArg>{0, int32_t(i)});
    LLVM::StoreOp::create(b, c.loc, field, slot);
  }
  Value zero = c.constant(0), maskBatch = zero, maskHead = zero, maskToken = zero;
  if (Value mask = op.getMask()) {
    if (!innermostContiguous(mask))
      return op.emitOpError("needs a mask with a contiguous last axis");
    ArrayRef<int64_t> m = cast<MemRefType>(mask.getType()).getShape();
    maskBatch = m[0] == 1 ? zero : c.stride(mask, 0);
    maskHead = m[1] == 1 ? zero : c.stride(mask, 1);
    maskToken = c.stride(mask, 2);
  }
  auto vector = [&](Value optional) { return optional ? c.contiguous(optional) : Value(); };
  c.call("fingpt_attention_f32",
         {shape, c.address(q), c.address(k), c.address(v), c.address(vector(op.getPositions())),
          c.address(vector(op.getLengths())), c.address(op.getMask()), maskBatch, maskHead,
          maskToken, c.address(vector(op.getSinks())), c.address(out)});
  op.erase();
  return success();
}

void FinKernelToRuntime::runOnOperation() {
  ModuleOp module = getOperation();
  WalkResult result = module.walk([&](Operation *op) {
    LogicalResult lowered = success();
    if (auto linear = dyn_cast<LinearOp>(op))
      lowered = lowerLinear(linear, module);
    else if (auto attention = dyn_cast<AttentionOp>(op))
      lowered = lowerAttention(attention, module);
    else if (auto hadamard = dyn_cast<HadamardOp>(op))
      lowered = lowerHadamard(hadamard, module);
    else if (auto quantize = dyn_cast<QuantizeRowsOp>(op))
      lowered = lowerQuantizeRows(quantize, module);
    return failed(lowered) ? WalkResult::interrupt() : WalkResult::advance();
  });
  if (result.wasInterrupted())
    signalPassFailure();
}
