#include "cli/completion.h"

#include <fmt/format.h>

namespace mesh::cli {

namespace {

std::string words(const CommandNode& node) {
  std::string out;
  for (const auto& child : node.children) out += (out.empty() ? "" : " ") + child.name;
  for (const auto& flag : node.flags) out += (out.empty() ? "" : " ") + flag;
  return out;
}

// One line of a case statement per command: its path, and what may follow.
void bash_cases(std::string& out, const CommandNode& node, const std::string& path) {
  out += fmt::format("    \"{}\") words=\"{}\" ;;\n", path, words(node));
  for (const auto& child : node.children) bash_cases(out, child, path + " " + child.name);
}

std::string bash(const std::string& program, const CommandNode& root) {
  std::string cases;
  bash_cases(cases, root, program);
  std::string function = "_" + program;
  for (auto& c : function) c = c == '-' ? '_' : c;
  return fmt::format(R"(# Load it with: source <({0} completion bash)
{1}() {{
  local path="{0}" word words=""
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    [[ "$word" == -* ]] || path="$path $word"
  done
  while true; do
    case "$path" in
{2}    esac
    [[ -n "$words" || "$path" != *" "* ]] && break
    path="${{path% *}}"
  done
  COMPREPLY=($(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"))
}}
complete -o default -F {1} {0}
)",
                     program, function, cases);
}

std::string zsh(const std::string& program, const CommandNode& root) {
  return fmt::format(
      "#compdef {0}\n# Load it with: source <({0} completion zsh)\nautoload -U +X bashcompinit && bashcompinit\n{1}",
      program, bash(program, root));
}

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "\\'" : std::string(1, c);
  return out + "'";
}

// `path` are the commands that lead to the node.
void fish_lines(std::string& out, const std::string& program, const CommandNode& node, const std::string& path) {
  const std::string condition = fmt::format("test (__{}_path) = {}", program, quoted(path));
  for (const auto& child : node.children) {
    out += fmt::format("complete -c {} -f -n {} -a {} -d {}\n", program, quoted(condition), child.name,
                       quoted(child.description));
  }
  for (const auto& flag : node.flags) {
    const bool is_long = flag.starts_with("--");
    out += fmt::format("complete -c {} -n {} {} {}\n", program, quoted(condition), is_long ? "-l" : "-s",
                       flag.substr(is_long ? 2 : 1));
  }
  for (const auto& child : node.children)
    fish_lines(out, program, child, path.empty() ? child.name : path + " " + child.name);
}

std::string fish(const std::string& program, const CommandNode& root) {
  std::string out = fmt::format(R"(# Load it with: {0} completion fish | source
function __{0}_path
  set -l words (commandline -opc)
  set -e words[1]
  string join ' ' -- (string match -v -- '-*' $words)
end
)",
                                program);
  fish_lines(out, program, root, "");
  return out;
}

}  // namespace

Result<std::string> completion_script(const std::string& shell, const std::string& program, const CommandNode& root) {
  if (shell == "bash") return bash(program, root);
  if (shell == "zsh") return zsh(program, root);
  if (shell == "fish") return fish(program, root);
  return invalid("shell", fmt::format("is \"{}\"; may be bash, zsh or fish", shell));
}

}  // namespace mesh::cli
