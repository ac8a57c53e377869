// The verbs of `fingpt`. Each adds its subcommand and returns what runs it.
#ifndef FINGPT_TOOLS_FINGPT_COMMANDS_H
#define FINGPT_TOOLS_FINGPT_COMMANDS_H

#include "fingpt/Support/Result.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace fingpt::cli {

/// Options that every verb knows.
struct Common {
  bool json = false, quiet = false;
};

/// Exit code, or the error that main prints (exit 1).
using Action = std::function<Result<int>()>;

Action addImport(CLI::App &app, const Common &common);
Action addInspect(CLI::App &app, const Common &common);
Action addCalibrate(CLI::App &app, const Common &common);
Action addCompress(CLI::App &app, const Common &common);
Action addReport(CLI::App &app, const Common &common);
Action addRun(CLI::App &app, const Common &common);
Action addEval(CLI::App &app, const Common &common);
Action addDoctor(CLI::App &app, const Common &common);
Action addCompletion(CLI::App &app, const Common &common);

} // namespace fingpt::cli

#endif // FINGPT_TOOLS_FINGPT_COMMANDS_H
