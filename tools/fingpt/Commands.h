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

/// --kv: how keys and values are stored.
inline void addKvOption(CLI::App &command, std::string &kv) {
  command.add_option("--kv", kv, "Keys and values: f32, int8 or int4, one scale per 32 of a token")
      ->check(CLI::IsMember({"f32", "int8", "int4"}))
      ->capture_default_str();
}
inline int64_t kvBits(const std::string &kv) { return kv == "int8" ? 8 : kv == "int4" ? 4 : 0; }

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
