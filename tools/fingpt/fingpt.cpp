// fingpt VERB SRC [options]: results on stdout, progress on stderr.
// Exit codes: 0 done, 1 refused or failed, 2 usage, 130 interrupted.

#include "Commands.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <new>
#include <unistd.h>
#include <vector>

using namespace fingpt;
using namespace fingpt::cli;

static void interrupted(int) {
  // Only async-signal-safe calls; outputs are published by rename, so nothing is torn.
  static const char text[] = "\ninterrupted\n";
  (void)!::write(STDERR_FILENO, text, sizeof text - 1);
  ::_exit(130);
}

static int report(const Error &error) {
  std::fflush(stdout);
  std::fprintf(stderr, "error: %s\n", error.message().c_str());
  return 1;
}

static int usage(const std::string &message) {
  std::fprintf(stderr, "error: %s\nfingpt --help lists verbs and options\n", message.c_str());
  return 2;
}

static int run(int argc, char **argv) {
  std::signal(SIGINT, interrupted);
  std::signal(SIGPIPE, SIG_DFL); // `fingpt run ... | head` ends quietly
  CLI::App app{"fingpt: import, inspect, evaluate and run transformer models"};
  app.require_subcommand(1);
  app.set_version_flag("--version", "fingpt 0.1.0");
  app.footer("SRC is a GGUF file, a Hugging Face directory, a llama2.c .bin file, a model\n"
             "directory written by `fingpt import`, or an .mlir file.\n\n"
             "  fingpt inspect model.gguf\n"
             "  fingpt run model.gguf --prompt \"Once upon a time\"\n"
             "  fingpt eval model.gguf --text wiki.txt --chunks 32\n\n"
             "`fingpt VERB --help` explains a verb; the pass driver is `fingpt-opt`.");
  Common common;
  std::vector<std::pair<CLI::App *, Action>> verbs;
  auto verb = [&](Action (*add)(CLI::App &, const Common &)) {
    Action action = add(app, common);
    CLI::App *sub = app.get_subcommands({}).back();
    sub->add_flag("--json", common.json, "Machine-readable result on stdout");
    sub->add_flag("--quiet", common.quiet, "No progress on stderr");
    verbs.emplace_back(sub, std::move(action));
  };
  verb(addImport);
  verb(addInspect);
  verb(addCalibrate);
  verb(addCompress);
  verb(addRun);
  verb(addEval);
  verb(addReport);
  verb(addDoctor);
  verb(addCompletion);

  // CLI11 would call a misspelt verb an argument that it did not expect.
  bool isVerb = argc > 1 && std::any_of(verbs.begin(), verbs.end(),
                                        [&](auto &v) { return v.first->check_name(argv[1]); });
  if (argc < 2 || (argv[1][0] != '-' && !isVerb)) {
    std::string known;
    for (auto &[sub, action] : verbs)
      known += (known.empty() ? "" : ", ") + sub->get_name();
    return usage(
        Error::at("fingpt", "verb", "one of " + known, argc < 2 ? "nothing" : quote(argv[1]))
            .message());
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp &e) {
    return app.exit(e);
  } catch (const CLI::CallForVersion &e) {
    return app.exit(e);
  } catch (const CLI::ParseError &e) {
    return usage(e.what());
  }
  try {
    for (auto &[sub, action] : verbs)
      if (sub->parsed()) {
        Result<int> code = action();
        return code ? *code : report(code.error());
      }
  } catch (const std::bad_alloc &) {
    return report(Error("fingpt: out of memory"));
  }
  return 2;
}

int main(int argc, char **argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception &e) {
    // Our libraries return errors; this is for the standard library's.
    std::fprintf(stderr, "error: fingpt: %s\n", e.what());
    return 1;
  }
}
