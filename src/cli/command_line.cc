// How the commands are spelled. The only file that knows the library that reads flags.
#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <ostream>

#include "cli/commands.h"
#include "cli/completion.h"

namespace mesh::cli {

namespace {

constexpr const char* kProgram = "taskmeshctl";

using Carry = std::function<Status(Session&)>;

// What the flags were read into, and what is to be done.
struct Commands {
  GlobalOptions global;
  std::string api_timeout = "1m";
  std::string log_level = "off";  // accepted; there is nothing to log
  Carry carry_out;

  ApplyOptions apply;
  std::vector<std::string> variables;
  GetOptions get;
  std::string format = "table";
  DeleteOptions remove;
  InspectListOptions inspect;
  InspectDataplaneOptions inspect_one;
  std::vector<std::string> tags;
  AddControlPlaneOptions add;
  std::vector<std::string> headers, auth_conf;
  std::string name;
  TokenOptions token;
  std::vector<std::string> hostnames, scope, groups, include;
  CertificateOptions certificate;
  std::string key_format = "pem-base64";
  std::string key_path;
  bool detailed = false;
  std::string shell;
};

std::vector<std::string> split_commas(const std::string& text) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    if (c == ',') {
      out.emplace_back();
    } else {
      out.back() += c;
    }
  }
  return out;
}

// --flag a --flag b,c
std::vector<std::string> flatten(const std::vector<std::string>& given) {
  std::vector<std::string> out;
  for (const auto& text : given) std::ranges::copy(split_commas(text), std::back_inserter(out));
  return out;
}

// key=value, or several of them with commas between; the commas of a single one belong to its value.
Result<std::map<std::string, std::string>> pairs(const std::string& flag, const std::vector<std::string>& given) {
  std::map<std::string, std::string> out;
  for (const auto& text : given) {
    const bool is_single = std::ranges::count(text, '=') == 1;
    for (const auto& pair : is_single ? std::vector<std::string>{text} : split_commas(text)) {
      const auto equals = pair.find('=');
      if (equals == std::string::npos) return invalid(flag, fmt::format("\"{}\" must be formatted as key=value", pair));
      out[pair.substr(0, equals)] = pair.substr(equals + 1);
    }
  }
  return out;
}

Result<Format> parse_format(const std::string& text) {
  if (text == "table") return Format::Table;
  if (text == "yaml") return Format::Yaml;
  if (text == "json") return Format::Json;
  return invalid("--output", fmt::format("is \"{}\"; may be table, yaml or json", text));
}

// A command that does something, and needs no more preparation than `carry_out`.
CLI::App* add(CLI::App* parent, const char* name, const char* description, Commands& commands, Carry carry_out) {
  CLI::App* command = parent->add_subcommand(name, description);
  command->fallthrough();
  command->callback([&commands, carry_out = std::move(carry_out)] { commands.carry_out = carry_out; });
  return command;
}

CLI::App* add_group(CLI::App* parent, const char* name, const char* description) {
  CLI::App* group = parent->add_subcommand(name, description);
  group->fallthrough();
  group->require_subcommand(1);
  return group;
}

void add_mesh(CLI::App* command, std::string& mesh) {
  command->add_option("-m,--mesh", mesh, "mesh to use")->capture_default_str();
}
void add_output(CLI::App* command, std::string& format) {
  command->add_option("-o,--output", format, "output format: one of table|yaml|json")->capture_default_str();
}

void add_resource_commands(CLI::App& app, Commands& c) {
  CLI::App* apply_command = add(&app, "apply", "Create or modify resources", c, [&c](Session& session) -> Status {
    MESH_TRY(c.apply.variables, pairs("--var", c.variables));
    return apply(session, c.apply);
  });
  apply_command->add_option("-f,--file", c.apply.file, "file, folder or URL with resources; - for standard input")
      ->required();
  apply_command->add_option("-v,--var", c.variables, "variable to replace in the resources: key=value")
      ->allow_extra_args(false);
  apply_command->add_flag("--dry-run", c.apply.dry_run, "only print the resources, with variables replaced");

  CLI::App* get_command =
      add(&app, "get", "Show resources: a list, or the one that is named", c, [&c](Session& session) -> Status {
        MESH_TRY(c.get.format, parse_format(c.format));
        return get(session, c.get);
      });
  get_command->add_option("kind", c.get.kind, "kind of resource: dataplanes, dp, mesh, meshtimeout …")->required();
  get_command->add_option("name", c.get.name, "name of one resource");
  get_command->add_option("--size", c.get.size, "maximum number of resources to show")->capture_default_str();
  get_command->add_option("--offset", c.get.offset, "where the list begins");
  add_mesh(get_command, c.get.mesh);
  add_output(get_command, c.format);

  CLI::App* delete_command =
      add(&app, "delete", "Delete a resource", c, [&c](Session& session) { return remove(session, c.remove); });
  delete_command->add_option("kind", c.remove.kind, "kind of resource")->required();
  delete_command->add_option("name", c.remove.name, "its name")->required();
  add_mesh(delete_command, c.remove.mesh);
}

void add_inspect_commands(CLI::App& app, Commands& c) {
  CLI::App* inspect = add_group(&app, "inspect", "What is known of running things");
  add_output(inspect, c.format);
  using Inspect = Status (*)(Session&, const InspectListOptions&);
  const auto list = [&](const char* name, const char* description, Inspect run_it) {
    return add(inspect, name, description, c, [&c, run_it](Session& session) -> Status {
      MESH_TRY(c.inspect.format, parse_format(c.format));
      MESH_TRY(c.inspect.tags, pairs("--tag", c.tags));
      return run_it(session, c.inspect);
    });
  };
  CLI::App* dataplanes = list("dataplanes", "Proxies: connections, certificates, versions", inspect_dataplanes);
  add_mesh(dataplanes, c.inspect.mesh);
  dataplanes->add_option("--tag", c.tags, "only those with this tag: key=value")->allow_extra_args(false);
  dataplanes->add_flag("--gateway", c.inspect.gateway, "only gateways");
  dataplanes->add_flag("--ingress", c.inspect.ingress, "only ingresses");
  list("meshes", "Meshes: proxies and policies", inspect_meshes);
  add_mesh(list("services", "Services: status and proxies", inspect_services), c.inspect.mesh);
  list("zones", "Zones: connections of their control planes", inspect_zones);

  CLI::App* one = add(inspect, "dataplane", "One proxy: its policies or its configuration", c, [&c](Session& session) {
    c.inspect_one.include = flatten(c.include);
    return inspect_dataplane(session, c.inspect_one);
  });
  one->add_option("name", c.inspect_one.name, "name of the Dataplane")->required();
  add_mesh(one, c.inspect_one.mesh);
  one->add_option("--type", c.inspect_one.type, "one of policies|config-dump|stats|clusters|config")
      ->capture_default_str();
  one->add_flag("--include-eds", c.inspect_one.include_eds, "with config-dump: endpoints too");
  one->add_flag("--shadow", c.inspect_one.shadow, "with config: as if shadow policies held");
  one->add_option("--include", c.include, "with config: diff")->allow_extra_args(false);
}

void add_config_commands(CLI::App& app, Commands& c) {
  CLI::App* config = add_group(&app, "config", "The configuration file of this tool");
  add(config, "view", "Show it", c, view_config);
  CLI::App* planes = add_group(config, "control-planes", "Control planes that are known");
  CLI::App* add_command = add(planes, "add", "Add a control plane and use it", c, [&c](Session& session) -> Status {
    MESH_TRY(const auto headers, pairs("--headers", c.headers));
    c.add.control_plane.headers.assign(headers.begin(), headers.end());
    MESH_TRY(c.add.control_plane.auth_conf, pairs("--auth-conf", c.auth_conf));
    return add_control_plane(session, c.add);
  });
  ControlPlane& added = c.add.control_plane;
  add_command->add_option("--name", added.name, "name for the control plane")->required();
  add_command->add_option("--address", added.url, "URL of its API: http://localhost:5681 or https://localhost:5682")
      ->required();
  add_command->add_flag("--overwrite", c.add.overwrite, "replace one of the same name");
  add_command->add_option("--client-cert-file", added.client_cert_file, "certificate to show to the control plane");
  add_command->add_option("--client-key-file", added.client_key_file, "its key");
  add_command->add_option("--ca-cert-file", added.ca_cert_file,
                          "certificate authority that the control plane's certificate must be from");
  add_command->add_flag("--skip-verify", added.skip_verify, "do not verify the control plane's certificate");
  add_command->add_option("--headers", c.headers, "headers to send along: key=value")->allow_extra_args(false);
  add_command->add_option("--auth-type", added.auth_type, "how to authenticate: tokens");
  add_command->add_option("--auth-conf", c.auth_conf, "settings for it: token=…")->allow_extra_args(false);
  add_command->add_flag("--skip-check", c.add.skip_check, "do not try to reach it");
  add(planes, "list", "List them", c, list_control_planes);
  add(planes, "remove", "Forget one", c, [&c](Session& session) { return remove_control_plane(session, c.name); })
      ->add_option("--name", c.name, "its name")
      ->required();
  add(planes, "switch", "Use another one", c, [&c](Session& session) { return switch_control_plane(session, c.name); })
      ->add_option("--name", c.name, "its name")
      ->required();
}

void add_token_flags(CLI::App* command, TokenOptions& token) {
  command->add_option("--valid-for", token.valid_for, "how long the token is good: 24h")->required();
  command->add_option("--signing-key-path", token.signing_key_path,
                      "file with a signing key: sign here, without the control plane");
  command->add_option("--kid", token.key_id, "id of that key");
}

void add_token_commands(CLI::App* generate, Commands& c) {
  CLI::App* dataplane =
      add(generate, "dataplane-token", "A token that proves which proxy it is", c, [&c](Session& session) -> Status {
        MESH_TRY(c.token.tags, pairs("--tag", c.tags));
        return generate_dataplane_token(session, c.token);
      });
  add_mesh(dataplane, c.token.mesh);
  dataplane->add_option("--name", c.token.name, "only for the Dataplane of this name");
  dataplane->add_option("--proxy-type,--type", c.token.proxy_type, "dataplane, ingress or egress");
  dataplane->add_option("--tag", c.tags, "only with this tag: key=value,other-value")->allow_extra_args(false);
  dataplane->add_option("--workload", c.token.workload, "only with this workload label");
  add_token_flags(dataplane, c.token);

  CLI::App* zone = add(generate, "zone-token", "A token for zone ingresses and egresses", c, [&c](Session& session) {
    if (!c.scope.empty()) c.token.scope = flatten(c.scope);
    return generate_zone_token(session, c.token);
  });
  zone->add_option("--zone", c.token.zone, "name of the zone")->required();
  zone->add_option("--scope", c.scope, "ingress, egress (both unless given)")->allow_extra_args(false);
  add_token_flags(zone, c.token);

  CLI::App* user = add(generate, "user-token", "A token for a user of the API", c, [&c](Session& session) {
    c.token.groups = flatten(c.groups);
    return generate_user_token(session, c.token);
  });
  user->add_option("--name", c.token.name, "name of the user")->required();
  user->add_option("--group", c.groups, "groups of the user")->allow_extra_args(false);
  add_token_flags(user, c.token);
}

void add_generate_commands(CLI::App& app, Commands& c) {
  CLI::App* generate = add_group(&app, "generate", "Tokens, keys, certificates");
  add_token_commands(generate, c);
  CLI::App* certificate =
      add(generate, "tls-certificate", "A self-signed certificate and its key", c, [&c](Session& session) {
        c.certificate.hostnames = flatten(c.hostnames);
        return generate_tls_certificate(session, c.certificate);
      });
  certificate->add_option("--type", c.certificate.type, "server or client")->required();
  certificate->add_option("--hostname", c.hostnames, "host names or addresses it is for")
      ->required()
      ->allow_extra_args(false);
  certificate->add_option("--key-file", c.certificate.key_file, "where the key goes; - for the terminal")
      ->capture_default_str();
  certificate->add_option("--cert-file", c.certificate.cert_file, "where the certificate goes; - for the terminal")
      ->capture_default_str();
  certificate->add_option("--key-type", c.certificate.key_type, "rsa or ecdsa (the default)");
  add(generate, "signing-key", "A key that tokens are signed with", c,
      [&c](Session& session) { return generate_signing_key(session, c.key_format); })
      ->add_option("--format", c.key_format, "pem-base64 or pem")
      ->capture_default_str();
  add(generate, "public-key", "The public part of a signing key", c,
      [&c](Session& session) { return generate_public_key(session, c.key_path); })
      ->add_option("--signing-key-path", c.key_path, "file with the signing key")
      ->required();
}

CommandNode tree_of(CLI::App& app) {
  CommandNode node{app.get_name(), app.get_description(), {}, {}};
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) node.flags.push_back("--" + name);
    for (const auto& name : option->get_snames()) node.flags.push_back("-" + name);
  }
  for (CLI::App* child : app.get_subcommands({})) node.children.push_back(tree_of(*child));
  return node;
}

void add_other_commands(CLI::App& app, Commands& c) {
  add(&app, "version", "Versions of this tool and of the control plane", c, [&c](Session& session) {
    return version(session, c.detailed);
  })->add_flag("-a,--detailed", c.detailed, "with all details");
  add(&app, "completion", "A script that completes commands in bash, zsh or fish", c,
      [&c, &app](Session& session) -> Status {
        MESH_TRY(const std::string script, completion_script(c.shell, kProgram, tree_of(app)));
        session.terminal.out << script;
        return {};
      })
      ->add_option("shell", c.shell, "bash, zsh or fish")
      ->required();
}

void add_global_flags(CLI::App& app, Commands& c) {
  app.add_option("--config-file", c.global.config_file, "configuration file to use instead of ~/.kumactl/config");
  app.add_option("--context", c.global.context, "name of the control plane to use, this once");
  app.add_option("--log-level", c.log_level, "log level: one of off|info|debug")->capture_default_str();
  app.add_flag("--no-config", c.global.no_config, "do not read a configuration file: use http://localhost:5681");
  app.add_option("--api-timeout", c.api_timeout, "how long an answer may take; 0 for ever")->capture_default_str();
}

Status carry_out(Commands& commands, Terminal& terminal) {
  auto timeout = parse_duration(commands.api_timeout == "0" ? "0s" : commands.api_timeout);
  if (!timeout) return invalid("--api-timeout", timeout.error().text);
  commands.global.api_timeout = *timeout;
  Session session(terminal, commands.global);
  return commands.carry_out(session);
}

// The text, and a line "* field: reason" for each thing that the server did not like.
void print_error(std::ostream& out, const Error& error) {
  out << "Error: " << (error.where.empty() ? "" : error.where + " ") << error.text << '\n';
  for (const auto& violation : error.violations) out << "* " << violation.field << ": " << violation.reason << '\n';
}

}  // namespace

int run(std::vector<std::string> arguments, Terminal& terminal) {
  Commands commands;
  CLI::App app("Management tool for Taskmesh", kProgram);
  app.require_subcommand(1);
  add_resource_commands(app, commands);
  add_inspect_commands(app, commands);
  add_config_commands(app, commands);
  add_generate_commands(app, commands);
  add_other_commands(app, commands);
  add_global_flags(app, commands);
  try {
    std::ranges::reverse(arguments);  // as the library wants them
    app.parse(arguments);
  } catch (const CLI::Success& help) {
    return app.exit(help, terminal.out, terminal.err);
  } catch (const CLI::ParseError& wrong) {
    terminal.err << fmt::format("Error: {}\nRun '{} --help' for usage.\n", wrong.what(), kProgram);
    return 1;
  }
  const Status done = carry_out(commands, terminal);
  if (done) return 0;
  print_error(terminal.err, done.error());
  return 1;
}

}  // namespace mesh::cli
