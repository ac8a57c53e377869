// Graphs as text, from strangers: what the parser must not be given is refused
// before it sees it.
#ifndef FINGPT_LIB_IMPORT_MLIRTEXT_H
#define FINGPT_LIB_IMPORT_MLIRTEXT_H

#include "fingpt/Support/Result.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>
#include <string_view>
#include <vector>

namespace fingpt {

/// Brackets deeper than this would recurse deep in the parser.
constexpr unsigned kMaxNesting = 256;

/// Refuses bytecode, NUL bytes and nesting deeper than kMaxNesting.
Status checkMLIRText(std::string_view text, const std::string &file);

/// Checks, parses and verifies: in a limited child process, and then here. Errors read
/// FILE:LINE:COLUMN: message.
Result<mlir::OwningOpRef<mlir::ModuleOp>>
parseMLIRText(const std::string &text, const std::string &file, mlir::MLIRContext &context);

/// Error unless `name` is a name in its own directory: "model.safetensors".
Status checkPlainName(const std::string &name, const std::string &where);

/// The module's fin.params attribute: a string or an array of strings.
Result<std::vector<std::string>> paramsAttribute(mlir::ModuleOp module, const std::string &file);

/// #fin.model's arch; empty without one.
std::string architectureOf(mlir::ModuleOp module);

} // namespace fingpt

#endif // FINGPT_LIB_IMPORT_MLIRTEXT_H
