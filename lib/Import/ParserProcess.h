// A stranger's MLIR is parsed and verified in a limited child process before it is
// parsed here: what overruns the stack, the memory or the time of MLIR's parser ends
// that child, and is one line of error here.
//
//   m.mlir: the MLIR parser crashed on this file (signal 11)
#ifndef FINGPT_LIB_IMPORT_PARSERPROCESS_H
#define FINGPT_LIB_IMPORT_PARSERPROCESS_H

#include "fingpt/Support/Result.h"

#include "mlir/IR/MLIRContext.h"

#include <string>

namespace fingpt {

/// Error: what parser and verifier say, or how the child ended. It may use 128 MiB and 16
/// bytes per byte of `text`, 2 s and another per MiB, and three quarters of the stack. The
/// dialects are those of `context`, which stays as it is.
Status parseInChild(const std::string &text, const std::string &file, mlir::MLIRContext &context);

} // namespace fingpt

#endif // FINGPT_LIB_IMPORT_PARSERPROCESS_H
