#include "Commands.h"

#include "fingpt/Driver/Report.h"
#include "fingpt/Support/AtomicDirectory.h"

#include <climits>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <spawn.h>
#include <unistd.h>

namespace fingpt::cli {

namespace {
struct Options {
  std::string directory, other, format, output;
  bool open = false;
};
} // namespace

/// Beside the report.json that was read: "out/report.html", "out/report-diff.html".
static std::string pageBeside(std::string file, bool diff) {
  constexpr std::string_view suffix = ".json";
  if (file.size() > suffix.size() &&
      file.compare(file.size() - suffix.size(), suffix.size(), suffix.data()) == 0)
    file.resize(file.size() - suffix.size());
  return file + (diff ? "-diff.html" : ".html");
}

/// Shows the page if there is a desktop. That it cannot is no failure: the path was printed.
static void openPage(const std::string &path) {
  if (!std::getenv("DISPLAY") && !std::getenv("WAYLAND_DISPLAY"))
    return;
  char full[PATH_MAX];
  if (!::realpath(path.c_str(), full))
    return;
  posix_spawn_file_actions_t quiet;
  ::posix_spawn_file_actions_init(&quiet);
  for (int fd : {0, 1, 2})
    ::posix_spawn_file_actions_addopen(&quiet, fd, "/dev/null", O_RDWR, 0);
  std::string program = "xdg-open";
  char *arguments[] = {program.data(), full, nullptr};
  pid_t child;
  (void)::posix_spawnp(&child, program.c_str(), &quiet, nullptr, arguments, environ);
  ::posix_spawn_file_actions_destroy(&quiet);
}

static std::string render(const Report &report, const Report *other, const std::string &format) {
  if (format == "html")
    return other ? reportDiffHtml(report, *other) : reportHtml(report);
  if (format == "md")
    return other ? reportDiffMarkdown(report, *other) : reportMarkdown(report);
  if (format == "csv")
    return other ? reportDiffCsv(report, *other) : reportCsv(report);
  return (other ? reportDiffJson(report, *other) : reportJson(report))
             .dump(1, ' ', false, Json::error_handler_t::replace) +
         "\n";
}

static int usage(const char *what) {
  std::fprintf(stderr, "error: %s\nfingpt report --help explains\n", what);
  return 2;
}

static Result<int> run(Options o, const Common &common) {
  if (o.format.empty())
    o.format = common.json ? "json" : "html";
  bool html = o.format == "html", diff = !o.other.empty();
  if (o.open && (!html || o.output == "-"))
    return usage("--open: needs an html file");
  Result<std::string> file = reportFile(o.directory);
  if (!file)
    return file.takeError();
  Result<Report> report = readReport(*file);
  if (!report)
    return report.takeError();
  std::optional<Report> other;
  if (diff) {
    Result<Report> second = readReport(o.other);
    if (!second)
      return second.takeError();
    other = std::move(*second);
  }
  std::string text = render(*report, other ? &*other : nullptr, o.format);
  if (o.output.empty() && html)
    o.output = pageBeside(*file, diff);
  if (o.output.empty() || o.output == "-") {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size())
      return Error("stdout: cannot write");
    return 0;
  }
  if (Status s = writeFileAtomically(o.output, text); !s)
    return s.takeError();
  if (common.json)
    std::printf(
        "%s\n",
        Json{{"file", o.output}}.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  else
    std::printf("%s\n", o.output.c_str());
  std::fflush(stdout);
  if (o.open)
    openPage(o.output);
  return 0;
}

Action addReport(CLI::App &app, const Common &common) {
  auto o = std::make_shared<Options>();
  CLI::App *sub = app.add_subcommand("report", "What a compression did, weight by weight");
  sub->footer(
      "Reads the report.json that `fingpt compress` wrote. The page is one file that loads\n"
      "nothing; md, csv and json go to stdout.\n\n"
      "  fingpt report out\n"
      "  fingpt report out --format csv > weights.csv\n"
      "  fingpt report out --diff other --format md");
  sub->add_option("DIR", o->directory, "Compressed model, or its report.json")->required();
  sub->add_option("--format", o->format, "html (default), md, csv or json")
      ->check(CLI::IsMember({"html", "md", "csv", "json"}));
  sub->add_option("--diff", o->other, "Compressed model to compare with: from DIR to this one");
  sub->add_option("-o,--output", o->output,
                  "File to write, - for stdout [html: report.html in DIR]");
  sub->add_flag("--open", o->open, "Show the page, where there is a desktop");
  return [o, &common] { return run(*o, common); };
}

} // namespace fingpt::cli
