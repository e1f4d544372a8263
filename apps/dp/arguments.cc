#include "dp/arguments.h"

#include <CLI/CLI.hpp>

#include <deque>

#include "base/version.h"
#include "dp/completion.h"
#include "dp/options.h"

namespace mesh {

namespace {

bool is_flag(OptionKind kind) { return kind == OptionKind::Flag || kind == OptionKind::IgnoredFlag; }
bool is_ignored(OptionKind kind) { return kind == OptionKind::Ignored || kind == OptionKind::IgnoredFlag; }

// What the command line gave for one row of the table.
struct Given {
  const RunOption* option;
  std::vector<std::string> values;
};

std::string long_name(const RunOption& option) {
  return std::string(option.flag).substr(0, std::string(option.flag).find(','));
}

void add_run_options(CLI::App& command, std::deque<Given>& given) {
  for (const RunOption& option : run_options()) {
    given.push_back({&option, {}});
    if (*option.flag == '\0') continue;
    std::string help = is_ignored(option.kind) ? "accepted, without effect: " + std::string(option.help) : option.help;
    if (*option.variable != '\0') help += std::string(" [") + option.variable + "]";
    auto& values = given.back().values;
    if (is_flag(option.kind)) {
      command.add_option(option.flag, values, help)->expected(0, 1)->type_name("[=true|false]");
    } else {
      command.add_option(option.flag, values, help)->allow_extra_args(false)->type_name("VALUE");
    }
  }
}

Status apply(const RunOption& option, const std::string& name, const std::string& value, RunTarget target) {
  auto status = option.apply(target, value);
  if (status) return status;
  Error problem = std::move(status).error();
  problem.where = name;
  return problem;
}

Status fill(Invocation& invocation, const CLI::App& command, const std::deque<Given>& given,
            const Environment& environment) {
  RunTarget target{invocation.settings, invocation.log};
  for (const Given& row : given) {
    const RunOption& option = *row.option;
    const bool on_command_line = *option.flag != '\0' && command.get_option(long_name(option))->count() > 0;
    const auto variable = *option.variable == '\0' ? std::nullopt : environment(option.variable);
    if (is_ignored(option.kind)) {
      if (on_command_line) invocation.remarks.push_back(long_name(option) + " has no effect: " + option.help);
      continue;
    }
    if (on_command_line) {
      for (std::string value : row.values) {
        if (is_flag(option.kind) && value.empty()) value = "true";  // a flag alone
        MESH_RETURN_IF_ERROR(apply(option, long_name(option), value, target));
      }
      if (variable && !row.values.empty() && *variable != row.values.back()) {
        invocation.remarks.push_back(long_name(option) + " is used; the variable " + option.variable +
                                     " says otherwise");
      }
    } else if (variable && !variable->empty()) {
      MESH_RETURN_IF_ERROR(apply(option, option.variable, *variable, target));
    }
  }
  return {};
}

// CLI11 parses text to its own types; these five are few enough to do by hand.
Status set_duration(Duration& target, const std::string& flag, const std::string& text) {
  if (text.empty()) return {};
  const auto duration = parse_duration(text);
  if (!duration || *duration <= Duration::zero())
    return invalid(flag, "is \"" + text + "\"; must be a duration such as 30s");
  target = *duration;
  return {};
}

}  // namespace

Result<Invocation> parse_arguments(const std::vector<std::string>& arguments, const Environment& environment) {
  Invocation invocation;
  std::deque<Given> given;
  std::string frequency, timeout, request_timeout, shell;

  CLI::App app("Runs Envoy beside an application as a proxy of the mesh.", "taskmesh-dp");
  app.require_subcommand(1);
  CLI::App* run =
      app.add_subcommand("run", "Run the proxy: fetch its bootstrap, start Envoy, watch it, leave in good order");
  add_run_options(*run, given);
  CLI::App* wait = app.add_subcommand("wait", "Wait until the proxy is ready");
  wait->add_option("--url", invocation.wait.url, "what to ask (http://localhost:9902/ready)");
  wait->add_option("--unix-socket", invocation.wait.unix_socket, "ask Envoy's admin on this socket instead");
  wait->add_option("--check-frequency", frequency, "how often to ask (1s)");
  wait->add_option("--timeout", timeout, "how long to wait (180s)");
  wait->add_option("--request-timeout", request_timeout, "how long one question may take (500ms)");
  CLI::App* version = app.add_subcommand("version", "Print the version");
  version->add_flag("-a,--detailed");
  CLI::App* completion = app.add_subcommand("completion", "Print a completion script for bash, zsh or fish");
  completion->add_option("shell", shell)->required();

  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    invocation.text =
        app.help("", run->parsed() || wait->parsed() ? CLI::AppFormatMode::Sub : CLI::AppFormatMode::Normal);
    for (CLI::App* command : app.get_subcommands()) invocation.text = command->help("taskmesh-dp");
    return invocation;
  } catch (const CLI::ParseError& problem) {
    return invalid({}, std::string(problem.what()) + "; see taskmesh-dp --help");
  }

  if (version->parsed()) {
    invocation.text = std::string(kProduct) + " " + kVersion + " (compatible with Kuma " + kPeerVersion + ")\n";
    return invocation;
  }
  if (completion->parsed()) {
    MESH_TRY(invocation.text, completion_script(shell));
    return invocation;
  }
  if (wait->parsed()) {
    invocation.command = Invocation::Command::Wait;
    MESH_RETURN_IF_ERROR(set_duration(invocation.wait.check_frequency, "--check-frequency", frequency));
    MESH_RETURN_IF_ERROR(set_duration(invocation.wait.timeout, "--timeout", timeout));
    MESH_RETURN_IF_ERROR(set_duration(invocation.wait.request_timeout, "--request-timeout", request_timeout));
    return invocation;
  }
  invocation.command = Invocation::Command::Run;
  MESH_RETURN_IF_ERROR(fill(invocation, *run, given, environment));
  MESH_RETURN_IF_ERROR(sidecar::check(invocation.settings));
  return invocation;
}

}  // namespace mesh
