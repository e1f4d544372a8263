#include "dp/completion.h"

#include "dp/options.h"

namespace mesh {

namespace {

std::string all_flags() {
  std::string words;
  for (const RunOption& option : run_options()) {
    const std::string flag = option.flag;
    if (!flag.empty()) words += " " + flag.substr(0, flag.find(','));
  }
  return words;
}

std::string bash_script() {
  return "_taskmesh_dp() {\n"
         "  local words=\"run wait version completion\"\n"
         "  [ \"$COMP_CWORD\" -gt 1 ] && words=\"" +
         all_flags() +
         "\"\n"
         "  case \"${COMP_WORDS[COMP_CWORD-1]}\" in\n"
         "    -d|--dataplane-file|--ca-cert-file|--dataplane-token-file|--binary-path) COMPREPLY=($(compgen -f -- "
         "\"$2\")); return;;\n"
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$words\" -- \"$2\"))\n"
         "}\n"
         "complete -F _taskmesh_dp taskmesh-dp kuma-dp\n";
}

std::string fish_script() {
  std::string script = "complete -c taskmesh-dp -f -n __fish_use_subcommand -a 'run wait version completion'\n";
  for (const RunOption& option : run_options()) {
    const std::string flag = option.flag;
    if (flag.empty()) continue;
    script +=
        "complete -c taskmesh-dp -n '__fish_seen_subcommand_from run' -l " + flag.substr(2, flag.find(',') - 2) + "\n";
  }
  return script;
}

}  // namespace

Result<std::string> completion_script(const std::string& shell) {
  if (shell == "bash") return bash_script();
  if (shell == "zsh") return "autoload -Uz bashcompinit && bashcompinit\n" + bash_script();
  if (shell == "fish") return fish_script();
  return invalid("completion", "is \"" + shell + "\"; may be bash, zsh or fish");
}

}  // namespace mesh
