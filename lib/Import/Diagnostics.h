// MLIR reports through handlers; our errors are values. While one of these
// lives, diagnostics of the context go to it and the first error is kept.
#ifndef FINGPT_LIB_IMPORT_DIAGNOSTICS_H
#define FINGPT_LIB_IMPORT_DIAGNOSTICS_H

#include "fingpt/Support/Result.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Location.h"

#include <optional>
#include <string>

namespace fingpt {

class DiagnosticCapture {
public:
  explicit DiagnosticCapture(mlir::MLIRContext *context)
      : handler(context, [this](mlir::Diagnostic &d) {
          if (!first && d.getSeverity() == mlir::DiagnosticSeverity::Error)
            first = describe(d);
          return mlir::success();
        }) {}

  /// "FILE:LINE:COLUMN: message" or "FILE: message" of the first error.
  Error error(const std::string &file) const {
    return Error::at(escaped(file, 1000) + (first ? first->at : ""),
                     first ? first->message : "invalid IR");
  }

private:
  struct Problem {
    std::string at, message;
  };
  static Problem describe(mlir::Diagnostic &d) {
    Problem p;
    if (auto loc = d.getLocation()->findInstanceOf<mlir::FileLineColLoc>())
      p.at = ":" + std::to_string(loc.getLine()) + ":" + std::to_string(loc.getColumn());
    p.message = escaped(d.str(), 500);
    return p;
  }

  std::optional<Problem> first;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace fingpt

#endif // FINGPT_LIB_IMPORT_DIAGNOSTICS_H
