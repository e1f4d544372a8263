#include "pipeline/traits.h"

#include <boost/json.hpp>

#include <charconv>

namespace mesh {
namespace {

std::string text_at(const boost::json::object& object, std::string_view key) {
  const boost::json::value* value = object.if_contains(key);
  const boost::json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::string() : std::string(*text);
}

// Ports are written as text: "9901".
std::uint32_t port_at(const boost::json::object& object, std::string_view key) {
  const boost::json::value* value = object.if_contains(key);
  if (value == nullptr) return 0;
  std::uint32_t port = 0;
  if (const auto* text = value->if_string()) {
    const auto [end, problem] = std::from_chars(text->data(), text->data() + text->size(), port);
    if (problem != std::errc{} || end != text->data() + text->size()) return 0;
  } else if (value->is_number()) {
    boost::system::error_code problem;
    port = value->to_number<std::uint32_t>(problem);
    if (problem) return 0;
  }
  return port <= 65535 ? port : 0;
}

}  // namespace

bool registered_itself(const std::string& metadata_json) {
  boost::system::error_code problem;
  const boost::json::value metadata = boost::json::parse(metadata_json, problem);
  const boost::json::object* object = problem ? nullptr : metadata.if_object();
  return object != nullptr && !text_at(*object, "dataplane.resource").empty();
}

ProxyTraits traits_of(const std::string& metadata_json) {
  boost::system::error_code problem;
  const boost::json::value metadata = boost::json::parse(metadata_json, problem);
  ProxyTraits out;
  const boost::json::object* object = problem ? nullptr : metadata.if_object();
  if (object == nullptr) return out;
  if (const boost::json::value* features = object->if_contains("features"); features != nullptr && features->is_array())
    for (const boost::json::value& feature : features->get_array())
      if (feature.is_string()) out.features.emplace_back(feature.get_string());
  out.admin_port = port_at(*object, "dataplane.admin.port");
  out.admin_socket = text_at(*object, "dataplane.admin.socketPath");
  out.readiness_port = port_at(*object, "dataplane.readinessReporter.port");
  out.readiness_socket = text_at(*object, "dataplane.readinessReporter.socketPath");
  out.work_dir = text_at(*object, "workdir");
  out.system_ca_path = text_at(*object, "systemCaPath");
  if (const boost::json::value* ipv6 = object->if_contains("ipv6Enabled"); ipv6 != nullptr && ipv6->is_bool())
    out.ipv6 = ipv6->get_bool();
  return out;
}

}  // namespace mesh
