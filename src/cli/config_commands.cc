// `config`: which control planes there are, and which one is used.
#include <fmt/format.h>

#include <ostream>

#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/table.h"

namespace mesh::cli {

namespace {

Status check_reachable(const ControlPlane& control_plane, Duration timeout) {
  MESH_TRY(const Client client, Client::open(control_plane, timeout));
  const auto index = client.get_json("/");
  if (!index) return with_context(index.error(), "could not connect to the Control Plane API Server");
  if (text_at(*index, {"product"}).empty()) {
    return error(ErrorKind::Invalid, fmt::format("{} answers, but it is not a control plane", control_plane.url));
  }
  return {};
}

}  // namespace

Status add_control_plane(Session& session, const AddControlPlaneOptions& options) {
  const ControlPlane& added = options.control_plane;
  if (added.client_cert_file.empty() != added.client_key_file.empty()) {
    return error(ErrorKind::Invalid, "Both --client-cert-file and --client-key-file needs to be specified");
  }
  MESH_RETURN_IF_ERROR(Client::open(added, session.timeout()));  // is what was given usable at all?
  if (!options.skip_check) MESH_RETURN_IF_ERROR(check_reachable(added, session.timeout()));
  MESH_TRY(ConfigFile config, session.load_config());
  MESH_RETURN_IF_ERROR(config.add(added, options.overwrite));
  MESH_RETURN_IF_ERROR(session.save_config(config));
  session.terminal.out << fmt::format("added Control Plane \"{0}\"\nswitched active Control Plane to \"{0}\"\n",
                                      added.name);
  return {};
}

Status list_control_planes(Session& session) {
  MESH_TRY(const ConfigFile config, session.load_config());
  Table table({"ACTIVE", "NAME", "ADDRESS"});
  for (const auto& known : config.control_planes())
    table.add({known.name == config.current() ? "*" : "", known.name, known.url});
  table.print(session.terminal.out);
  return {};
}

Status remove_control_plane(Session& session, const std::string& name) {
  MESH_TRY(ConfigFile config, session.load_config());
  MESH_RETURN_IF_ERROR(config.remove(name));
  MESH_RETURN_IF_ERROR(session.save_config(config));
  session.terminal.out << fmt::format("removed Control Plane \"{}\"\n", name);
  if (config.current().empty()) {
    session.terminal.out << "there is no active Control Plane left. Use `config control-planes add` to add one\n";
  } else {
    session.terminal.out << fmt::format("switched active Control Plane to \"{}\"\n", config.current());
  }
  return {};
}

Status switch_control_plane(Session& session, const std::string& name) {
  MESH_TRY(ConfigFile config, session.load_config());
  MESH_RETURN_IF_ERROR(config.switch_to(name));
  MESH_RETURN_IF_ERROR(session.save_config(config));
  session.terminal.out << fmt::format("switched active Control Plane to \"{}\"\n", name);
  return {};
}

Status view_config(Session& session) {
  MESH_TRY(const ConfigFile config, session.load_config());
  session.terminal.out << config.to_yaml() << '\n';
  return {};
}

}  // namespace mesh::cli
