#ifndef FINGPT_DIALECT_FIN_IR_FINTYPES_TD
#define FINGPT_DIALECT_FIN_IR_FINTYPES_TD

include "mlir/IR/CommonTypeConstraints.td"

// Type constraints; the dialect adds no type of its own.

def Fin_Float : AnyTypeOf<[F16, BF16, F32, F64]>;
def Fin_FloatTensor : RankedTensorOf<[Fin_Float]>;
class Fin_FloatTensorOfRank<list<int> ranks> : TensorRankOf<[Fin_Float], ranks>;
def Fin_FloatVector : Fin_FloatTensorOfRank<[1]>;
def Fin_FloatMatrix : Fin_FloatTensorOfRank<[2]>;

def Fin_Code : Type<CPred<[{
    [](::mlir::Type t) {
      auto i = ::llvm::dyn_cast<::mlir::IntegerType>(t);
      return i && !i.isSignless() && i.getWidth() >= 2 && i.getWidth() <= 8;
    }($_self)}]>, "signed or unsigned integer of 2 to 8 bits">;
def Fin_CodeMatrix : TensorRankOf<[Fin_Code], [2]>;
def Fin_CodeTensor : RankedTensorOf<[Fin_Code]>;
def Fin_ByteTensor : RankedTensorOf<[I8]>;
def Fin_CacheTensor : TensorRankOf<[Fin_Float, I8], [5]>;
def Fin_CacheRows : TensorRankOf<[Fin_Float, I8], [3]>;

def Fin_IndexTensor : RankedTensorOf<[I32]>;
def Fin_IndexVector : TensorRankOf<[I32], [1]>;
def Fin_IndexMatrix : TensorRankOf<[I32], [2]>;

#endif // FINGPT_DIALECT_FIN_IR_FINTYPES_TD
