#include "Commands.h"

#include <memory>

namespace fingpt::cli {

/// Long options of a verb, space separated.
static std::string optionsOf(CLI::App &sub) {
  std::string words;
  for (const CLI::Option *option : sub.get_options())
    for (const std::string &name : option->get_lnames())
      words += "--" + name + " ";
  return words;
}

static void printBash(CLI::App &app) {
  std::printf("_fingpt() {\n"
              "  local word=\"${COMP_WORDS[COMP_CWORD]}\" options=\"\"\n"
              "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n    COMPREPLY=($(compgen -W \"");
  for (CLI::App *sub : app.get_subcommands({}))
    std::printf("%s ", sub->get_name().c_str());
  std::printf("\" -- \"$word\"))\n    return\n  fi\n  case \"${COMP_WORDS[1]}\" in\n");
  for (CLI::App *sub : app.get_subcommands({}))
    std::printf("  %s) options=\"%s\" ;;\n", sub->get_name().c_str(), optionsOf(*sub).c_str());
  std::printf("  esac\n"
              "  if [[ \"$word\" == -* ]]; then\n"
              "    COMPREPLY=($(compgen -W \"$options\" -- \"$word\"))\n"
              "  else\n    COMPREPLY=($(compgen -f -- \"$word\"))\n  fi\n}\n"
              "complete -o filenames -F _fingpt fingpt\n");
}

static void printFish(CLI::App &app) {
  for (CLI::App *sub : app.get_subcommands({})) {
    std::string name = sub->get_name();
    std::printf("complete -c fingpt -n __fish_use_subcommand -a %s -d '%s'\n", name.c_str(),
                sub->get_description().c_str());
    for (const CLI::Option *option : sub->get_options())
      for (const std::string &longName : option->get_lnames())
        std::printf("complete -c fingpt -n '__fish_seen_subcommand_from %s' -l %s\n", name.c_str(),
                    longName.c_str());
  }
}

Action addCompletion(CLI::App &app, const Common &common) {
  auto shell = std::make_shared<std::string>();
  CLI::App *sub = app.add_subcommand("completion", "Shell completion script");
  sub->footer("  source <(fingpt completion bash)\n"
              "  autoload -U bashcompinit && bashcompinit && source <(fingpt completion zsh)\n"
              "  fingpt completion fish | source");
  sub->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  return [shell, &app]() -> Result<int> {
    *shell == "fish" ? printFish(app) : printBash(app);
    return 0;
  };
}

} // namespace fingpt::cli
