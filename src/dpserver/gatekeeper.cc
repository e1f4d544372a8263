#include "dpserver/gatekeeper.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "base/log.h"
#include "model/json.h"
#include "model/proxy.h"
#include "model/rules.h"
#include "model/yaml.h"

namespace mesh {
namespace {

constexpr const char* kDefaultMesh = "default";

// Anybody can send a document: it is read before it is known who it is from. A Dataplane of more than 1 MiB could not
// be stored; what aliases write out may be a little more, since it is counted in memory.
constexpr DocumentLimits kDocumentLimits{.bytes = 1UL << 20, .expanded_bytes = 4UL << 20};

std::string text_at(const boost::json::value& metadata, std::string_view key) {
  const auto* object = metadata.if_object();
  const auto* value = object == nullptr ? nullptr : object->if_contains(key);
  const auto* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : std::string(*text);
}

}  // namespace

bool Gatekeeper::would_wait(ProxyRole type, const wire::Headers& headers) const {
  const auto credential = find_credential(headers);
  return credential && authenticator(type).would_wait(*credential);
}

Result<Resource> Gatekeeper::read_resource(std::string_view document, const ProxyId& proxy) const {
  const Kind& kind = proxy_kind(proxy.type);
  MESH_TRY(const boost::json::value value, parse_yaml_document(document, kDocumentLimits));
  MESH_TRY(Document parsed, parse_document(value, kinds_));
  Resource& resource = parsed.resource;
  if (resource.key.kind != &kind)
    return invalid("type", fmt::format("must be {}, for a proxy of type {}", kind.name, proxy_type_name(proxy.type)));
  const auto refused = [&](std::vector<Violation> violations) {
    return Error{ErrorKind::Invalid, {}, fmt::format("the {} is not valid", kind.name), std::move(violations)};
  };
  if (!parsed.violations.empty()) return refused(std::move(parsed.violations));
  if (kind.scope == Scope::Mesh && resource.key.mesh.empty()) resource.key.mesh = kDefaultMesh;
  if (resource.key.mesh != proxy.mesh || resource.key.name != proxy.name) {
    return invalid("dataplane.resource",
                   "is " + resource.key.to_string() + ", but the proxy says that it is " + proxy.node_id());
  }
  std::vector<Violation> violations;
  check_name(resource.key.name, "name", violations);
  if (kind.validate != nullptr) kind.validate(resource.spec, violations);
  if (!violations.empty()) return refused(std::move(violations));
  return std::move(resource);
}

Result<Resource> Gatekeeper::find_resource(const ProxyId& proxy) const {
  const ResourceKey key = proxy_key(proxy);
  auto found = store_.get(key);
  if (!found && found.error().kind == ErrorKind::NotFound) {
    return error(ErrorKind::NotFound,
                 "there is no " + key.to_string() + "; create it, or start the sidecar with its definition");
  }
  return found;
}

Result<std::optional<Resource>> Gatekeeper::find_brought(const ProxyNode& node) const {
  MESH_TRY(const boost::json::value metadata, parse_json(node.metadata_json));
  const std::string document = text_at(metadata, "dataplane.resource");
  if (document.empty()) return std::optional<Resource>();
  MESH_TRY(Resource resource, read_resource(document, node.id));
  return std::optional<Resource>(std::move(resource));
}

Result<Resource> Gatekeeper::identify(const ProxyNode& node, const wire::Headers& headers,
                                      const std::string& source) const {
  MESH_TRY(std::optional<Resource> brought, find_brought(node));
  if (!brought) return identify(node.id, headers, source);
  MESH_TRY(const Secret credential, find_credential(headers));
  MESH_RETURN_IF_ERROR(authenticator(node.id.type).authenticate(*brought, credential, source));
  return std::move(*brought);
}

Result<Resource> Gatekeeper::identify(const ProxyId& proxy, const wire::Headers& headers,
                                      const std::string& source) const {
  MESH_TRY(const Secret credential, find_credential(headers));
  // Who has no credential at all learns nothing of what exists.
  const Authenticator& authenticator = this->authenticator(proxy.type);
  if (authenticator.needs_credential() && credential.empty()) {
    return error(ErrorKind::Unauthenticated, authenticator.what_is_missing());
  }
  MESH_TRY(Resource stored, find_resource(proxy));
  MESH_RETURN_IF_ERROR(authenticator.authenticate(stored, credential, source));
  return stored;
}

Status Gatekeeper::let_in(const ProxyNode& node, const wire::Headers& headers, const std::string& source) const {
  MESH_TRY(std::optional<Resource> brought, find_brought(node));
  if (!brought) {
    MESH_RETURN_IF_ERROR(identify(node.id, headers, source));
    return {};
  }
  MESH_TRY(const Secret credential, find_credential(headers));
  MESH_RETURN_IF_ERROR(authenticator(node.id.type).authenticate(*brought, credential, source));
  // A token that is bound to a service must not be good for taking over somebody else's name.
  if (auto stored = find_resource(node.id)) {
    if (auto status = authenticator(node.id.type).authenticate(*stored, credential, source); !status) {
      return with_context(std::move(status).error(),
                          "replacing a " + proxy_kind(node.id.type).name + " that is there already");
    }
  } else if (stored.error().kind != ErrorKind::NotFound) {
    return std::move(stored).error();
  }
  MESH_TRY(const Admission::Outcome outcome, admission_.put(std::move(*brought), Actor{.user = {}, .via = Via::Proxy}));
  if (outcome.created) MESH_LOG_INFO("dpserver", "{} registered itself", outcome.resource.key.to_string());
  return {};
}

}  // namespace mesh
