#ifndef FINGPT_DIALECT_FIN_IR_FINATTRS_TD
#define FINGPT_DIALECT_FIN_IR_FINATTRS_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "fingpt/Dialect/Fin/IR/FinDialect.td"

class Fin_Attr<string name, string attrMnemonic> : AttrDef<Fin_Dialect, name> {
  let mnemonic = attrMnemonic;
}

def Fin_ModelAttr : Fin_Attr<"Model", "model"> {
  let summary = "What a module is a model of";
  let description = [{
    Stands on the module as `fin.model`. `context_length` is the longest sequence the
    model was made for, `vocab_size` the width of the logits (0 for an encoder),
    `layers` the number of blocks.

    ```mlir
    module attributes {fin.model = #fin.model<arch = "llama", context_length = 8192,
                                              vocab_size = 49152, layers = 30>}
    ```
  }];
  let parameters = (ins StringRefParameter<"architecture family">:$arch,
                        "int64_t":$context_length, "int64_t":$vocab_size, "int64_t":$layers);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Fin_RopeStyle : I32EnumAttr<"RopeStyle", "which elements form a pair", [
    I32EnumAttrCase<"Half", 0, "half">,
    I32EnumAttrCase<"Interleaved", 1, "interleaved">]> {
  let cppNamespace = "::fingpt::fin";
}

def Fin_RopeScalingAttr : Fin_Attr<"RopeScaling", "rope_scaling"> {
  let summary = "how rotary frequencies are stretched to a longer context";
  let description = [{
    A kind and its numbers (f64; `original_context` i64; factors per pair as
    `array<f64: …>`):

    | kind | parameters |
    |---|---|
    | `linear` | factor |
    | `llama3` | factor, low_frequency_factor, high_frequency_factor, original_context |
    | `yarn` | factor, original_context, beta_fast, beta_slow, attention_factor, truncate (i64, 1: whole correction bounds) |
    | `longrope` | short_factors, long_factors, original_context, attention_factor |

    With longrope the long factors serve every position of a call as soon as one
    of them reaches original_context.

    ```mlir
    #fin.rope_scaling<"linear", {factor = 8.0 : f64}>
    ```
  }];
  let parameters = (ins StringRefParameter<"">:$kind, "::mlir::DictionaryAttr":$params);
  let assemblyFormat = "`<` $kind `,` $params `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The f64 parameter `name`; 0 if absent.
    double number(::llvm::StringRef name) const;
    int64_t integer(::llvm::StringRef name) const;
    ::llvm::ArrayRef<double> numbers(::llvm::StringRef name) const;
  }];
}

def Fin_Axis : I32EnumAttr<"Axis", "rows (outputs) or columns (inputs) of a weight", [
    I32EnumAttrCase<"Rows", 0, "rows">,
    I32EnumAttrCase<"Columns", 1, "columns">]> {
  let cppNamespace = "::fingpt::fin";
}

def Fin_Gelu : I32EnumAttr<"GeluKind", "formula of gelu", [
    I32EnumAttrCase<"Exact", 0, "exact">,
    I32EnumAttrCase<"Tanh", 1, "tanh">,
    I32EnumAttrCase<"Quick", 2, "quick">]> {
  let cppNamespace = "::fingpt::fin";
}

#endif // FINGPT_DIALECT_FIN_IR_FINATTRS_TD
