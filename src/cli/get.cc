// `get` and `delete`.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>

#include <ostream>

#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/server_kinds.h"
#include "cli/table.h"
#include "cli/tags.h"

namespace mesh::cli {

namespace {

using boost::json::array;
using boost::json::value;
using Row = std::vector<std::string>;

struct Columns {
  Row headers;
  Row (*row)(const value& item, SystemTime now);
};

std::string age_of(const value& item, SystemTime now) { return ago(text_at(item, {"modificationTime"}), now); }

Row mesh_row(const value& item, SystemTime now) {
  const std::string enabled = text_at(item, {"mtls", "enabledBackend"});
  std::string mtls = "off";
  for (const auto& backend : items_at(item, {"mtls", "backends"})) {
    if (!enabled.empty() && text_at(backend, {"name"}) == enabled) mtls = text_at(backend, {"type"}) + "/" + enabled;
  }
  const auto on_off = [&](const char* key) {
    const auto& flag = value_at(item, {"routing", key});
    return flag.is_bool() && flag.get_bool() ? "on" : "off";
  };
  return {text_at(item, {"name"}), mtls, on_off("localityAwareLoadBalancing"), on_off("zoneEgress"), age_of(item, now)};
}

Row dataplane_row(const value& item, SystemTime now) {
  std::string address = text_at(item, {"networking", "advertisedAddress"});
  if (address.empty()) address = text_at(item, {"networking", "address"});
  return {text_at(item, {"mesh"}), text_at(item, {"name"}), tags_text(item), address, age_of(item, now)};
}

Row external_service_row(const value& item, SystemTime now) {
  return {text_at(item, {"mesh"}), text_at(item, {"name"}), tags_text(item), text_at(item, {"networking", "address"}),
          age_of(item, now)};
}

Row mesh_scoped_row(const value& item, SystemTime now) {
  return {text_at(item, {"mesh"}), text_at(item, {"name"}), age_of(item, now)};
}
Row global_row(const value& item, SystemTime now) { return {text_at(item, {"name"}), age_of(item, now)}; }

Columns columns_of(const ServerKind& kind) {
  if (kind.name == "Mesh") return {{"NAME", "mTLS", "LOCALITY", "ZONEEGRESS", "AGE"}, mesh_row};
  if (kind.name == "Dataplane") return {{"MESH", "NAME", "TAGS", "ADDRESS", "AGE"}, dataplane_row};
  if (kind.name == "ExternalService") return {{"MESH", "NAME", "TAGS", "ADDRESS", "AGE"}, external_service_row};
  if (kind.has_mesh) return {{"MESH", "NAME", "AGE"}, mesh_scoped_row};
  return {{"NAME", "AGE"}, global_row};
}

void print_rows(Session& session, const ServerKind& kind, const array& items) {
  const Columns columns = columns_of(kind);
  Table table(columns.headers);
  for (const auto& item : items) table.add(columns.row(item, session.terminal.clock.now()));
  table.print(session.terminal.out);
}

// The offset in the URL of the next page.
std::string next_offset(const value& list) {
  constexpr std::string_view kKey = "offset=";
  const std::string next = text_at(list, {"next"});
  const auto at = next.find(kKey);
  if (at == std::string::npos) return {};
  return next.substr(at + kKey.size(), next.find('&', at) - at - kKey.size());
}

Status get_list(Session& session, const Client& client, const ServerKind& kind, const GetOptions& options) {
  Query query{{"size", std::to_string(options.size)}};
  if (!options.offset.empty()) query.emplace_back("offset", options.offset);
  auto list = client.get_json(kind.list_path(options.mesh), query);
  if (!list) {
    Error failed = list.error();
    failed.text = fmt::format("failed to list {}: {}", kind.name, failed.text);
    return failed;
  }
  if (options.format != Format::Table) {
    print_document(session.terminal, options.format, *list);
    return {};
  }
  print_rows(session, kind, items_at(*list, {"items"}));
  const std::string offset = next_offset(*list);
  if (!offset.empty()) {
    session.terminal.out << fmt::format("\nRerun command with --offset={} argument to retrieve more resources\n",
                                        offset);
  }
  return {};
}

Status get_one(Session& session, const Client& client, const ServerKind& kind, const GetOptions& options) {
  auto item = client.get_json(kind.item_path(options.mesh, options.name));
  if (!item && item.error().kind == ErrorKind::NotFound) {
    return error(ErrorKind::NotFound,
                 kind.has_mesh ? fmt::format("No resources found in {} mesh", options.mesh) : "No resources found");
  }
  if (!item) return item.error();
  if (options.format == Format::Table) {
    print_rows(session, kind, array{*item});
  } else {
    print_document(session.terminal, options.format, *item);
  }
  return {};
}

}  // namespace

Status get(Session& session, const GetOptions& options) {
  MESH_TRY(const Client client, session.open_client());
  MESH_TRY(const ServerKinds kinds, ServerKinds::fetch(client));
  MESH_TRY(const ServerKind kind, kinds.by_spelling(options.kind));
  return options.name.empty() ? get_list(session, client, kind, options) : get_one(session, client, kind, options);
}

Status remove(Session& session, const DeleteOptions& options) {
  MESH_TRY(const Client client, session.open_client());
  MESH_TRY(const ServerKinds kinds, ServerKinds::fetch(client));
  MESH_TRY(const ServerKind kind, kinds.by_spelling(options.kind));
  if (kind.read_only) {
    return error(ErrorKind::Invalid, fmt::format("TYPE: {} is readOnly, can't use it for write action", options.kind));
  }
  const auto response = client.remove(kind.item_path(options.mesh, options.name));
  if (!response && response.error().kind == ErrorKind::NotFound) {
    return error(ErrorKind::NotFound, fmt::format("there is no {} with name \"{}\"", kind.name, options.name));
  }
  if (!response) {
    Error failed = response.error();
    failed.text = fmt::format("failed to delete {} with the name \"{}\": {}", kind.name, options.name, failed.text);
    return failed;
  }
  session.terminal.out << fmt::format("deleted {} \"{}\"\n", kind.name, options.name);
  return {};
}

}  // namespace mesh::cli
