#include "sidecar/proxy_resource.h"

#include <boost/json.hpp>

#include <iostream>
#include <iterator>

#include "base/files.h"
#include "model/proxy.h"
#include "model/template.h"
#include "model/yaml.h"

namespace mesh::sidecar {

namespace json = boost::json;

namespace {

constexpr std::size_t kLargestTemplate = 1UL << 20;

const json::value* find(const json::value& document, std::string_view pointer) {
  boost::system::error_code missing;
  return document.find_pointer(pointer, missing);
}
std::string text_at(const json::value& document, std::string_view pointer) {
  const json::value* found = find(document, pointer);
  return found != nullptr && found->is_string() ? std::string(found->get_string()) : std::string();
}

Error in_source(Error problem, std::string_view source) {
  problem.where = std::string(source) + (problem.where.empty() ? "" : ": " + problem.where);
  return problem;
}

// Inbounds that are meant to take traffic. What is malformed is left to the control plane to complain about.
std::vector<SocketAddress> inbounds_of(const json::value& document) {
  std::vector<SocketAddress> addresses;
  const std::string own = text_at(document, "/networking/address");
  const json::value* inbounds = find(document, "/networking/inbound");
  if (inbounds == nullptr || !inbounds->is_array()) return addresses;
  for (const json::value& inbound : inbounds->get_array()) {
    if (text_at(inbound, "/state") == "Ignored") continue;
    const json::value* port = find(inbound, "/port");
    boost::system::error_code wrong;
    SocketAddress address{text_at(inbound, "/address"), 0};
    if (address.address.empty()) address.address = own;
    if (port != nullptr && port->is_number()) address.port = port->to_number<std::uint16_t>(wrong);
    if (!wrong && address.port != 0 && !address.address.empty()) addresses.push_back(std::move(address));
  }
  return addresses;
}

}  // namespace

std::string SocketAddress::to_string() const {
  const bool is_v6 = address.find(':') != std::string::npos;
  return (is_v6 ? "[" + address + "]" : address) + ":" + std::to_string(port);
}

Result<ProxyResource> render_proxy_resource(std::string_view text, const std::map<std::string, std::string>& variables,
                                            ProxyRole type, std::string_view source) {
  auto rendered = render_template(text, variables);
  if (!rendered) return in_source(std::move(rendered).error(), source);
  auto document = parse_yaml_document(*rendered);
  if (!document) return in_source(std::move(document).error(), source);

  const std::string& wanted = proxy_kind(type).name;
  const std::string found = text_at(*document, "/type");
  if (found != wanted) {
    return invalid(std::string(source) + ": type", "is \"" + found + "\"; must be " + wanted + " with --proxy-type " +
                                                       std::string(proxy_type_name(type)));
  }
  ProxyResource resource;
  resource.json = json::serialize(*document);
  resource.name = text_at(*document, "/name");
  if (type == ProxyRole::Dataplane) resource.mesh = text_at(*document, "/mesh");
  if (resource.name.empty()) return invalid(std::string(source) + ": name", "must be set");
  if (resource.mesh.empty() && type == ProxyRole::Dataplane)
    return invalid(std::string(source) + ": mesh", "must be set");
  resource.inbounds = inbounds_of(*document);
  return resource;
}

Result<ProxyResource> load_proxy_resource(const Settings& settings) {
  if (!settings.resource.empty()) {
    return render_proxy_resource(settings.resource, settings.resource_variables, settings.proxy_type, "--dataplane");
  }
  if (settings.resource_file.empty()) {
    return ProxyResource{.mesh = settings.proxy_type == ProxyRole::Dataplane ? settings.mesh : std::string(),
                         .name = settings.name};
  }
  if (settings.resource_file == "-") {
    const std::string text(std::istreambuf_iterator<char>(std::cin), {});
    return render_proxy_resource(text, settings.resource_variables, settings.proxy_type, "standard input");
  }
  MESH_TRY(const std::string text, read_file(settings.resource_file, kLargestTemplate));
  return render_proxy_resource(text, settings.resource_variables, settings.proxy_type, settings.resource_file);
}

}  // namespace mesh::sidecar
