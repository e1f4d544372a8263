#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "model/mesh.h"
#include "model/rules.h"

namespace mesh {
namespace {

void check_mtls(const Mtls& mtls, Violations& violations) {
  // Two at once would need proxies that trust both: a change of CA goes through its own steps, with one in the Mesh.
  if (mtls.backends.size() > 1) violations.push_back({"mtls.backends", "cannot have more than 1 backend"});
  std::set<std::string> names;
  for (std::size_t i = 0; i < mtls.backends.size(); ++i) {
    const CaBackend& backend = mtls.backends[i];
    const std::string path = at_index("mtls.backends", i);
    if (!names.insert(backend.name).second)
      violations.push_back({path + ".name", fmt::format("\"{}\" is the name of another backend", backend.name)});
    if (backend.type != "builtin" && backend.type != "provided")
      violations.push_back(
          {path + ".type",
           fmt::format("\"{}\" is no type of certificate authority; may be builtin or provided", backend.type)});
    if (backend.type == "builtin" && !is_subdomain(backend.name))
      violations.push_back(
          {path + ".name",
           fmt::format("\"{}\" must be made of lower case letters, digits, '-' and '.'", backend.name)});
    if (backend.dp_cert && backend.dp_cert->rotation && !backend.dp_cert->rotation->expiration.empty())
      if (const auto lifetime = parse_lifetime(backend.dp_cert->rotation->expiration); !lifetime)
        violations.push_back({"mtls.dpcert.rotation.expiration", lifetime.error().text});
  }
  if (!mtls.enabled_backend.empty() && !names.contains(mtls.enabled_backend))
    violations.push_back(
        {"mtls.enabledBackend", fmt::format("is \"{}\", which is none of the mesh's backends", mtls.enabled_backend)});
}

void check_rules(const std::vector<TagRules>& rules, const std::string& path, Violations& violations) {
  for (std::size_t i = 0; i < rules.size(); ++i) {
    const std::string tags = at_index(path, i) + ".tags";
    if (rules[i].tags.empty()) violations.push_back({tags, "must have at least one tag"});
    check_tags(rules[i].tags, tags, true, violations);
  }
}

std::string_view text_of(const boost::json::value& object, std::string_view name) {
  const boost::json::value* value = object.is_object() ? object.get_object().if_contains(name) : nullptr;
  return value != nullptr && value->is_string() ? std::string_view(value->get_string()) : std::string_view();
}

// Logging, tracing and metrics of the kind from before policies: their names and types, and the choice of one of them.
struct OldSection {
  const boost::json::value& json;
  std::string path;
  std::string_view choice;
  std::vector<std::string_view> types;
};

void check_old_section(const OldSection& section, Violations& violations) {
  if (!section.json.is_object()) {
    if (!section.json.is_null()) violations.push_back({section.path, "in body must be of type object"});
    return;
  }
  std::set<std::string_view> names;
  const boost::json::value* backends = section.json.get_object().if_contains("backends");
  if (backends != nullptr && backends->is_array()) {
    for (std::size_t i = 0; i < backends->get_array().size(); ++i) {
      const boost::json::value& backend = backends->get_array()[i];
      const std::string path = at_index(section.path + ".backends", i);
      const std::string_view name = text_of(backend, "name");
      if (name.empty())
        violations.push_back({path + ".name", "must not be empty"});
      else if (!names.insert(name).second)
        violations.push_back({path + ".name", fmt::format("\"{}\" is the name of another backend", name)});
      if (std::ranges::find(section.types, text_of(backend, "type")) == section.types.end())
        violations.push_back({path + ".type", fmt::format("may be {}", fmt::join(section.types, " or "))});
    }
  }
  if (const std::string_view chosen = text_of(section.json, section.choice); !chosen.empty() && !names.contains(chosen))
    violations.push_back(
        {fmt::format("{}.{}", section.path, section.choice), "must be the name of one of the backends"});
}

}  // namespace

void validate_mesh(const AnySpec& spec, Violations& violations) {
  const auto* mesh = spec.as<Mesh>();
  if (mesh == nullptr) return;
  if (mesh->mtls) check_mtls(*mesh->mtls, violations);
  check_old_section({mesh->logging, "logging", "defaultBackend", {"file", "tcp"}}, violations);
  check_old_section({mesh->tracing, "tracing", "defaultBackend", {"zipkin", "datadog"}}, violations);
  check_old_section({mesh->metrics, "metrics", "enabledBackend", {"prometheus"}}, violations);
  if (mesh->constraints && mesh->constraints->dataplane_proxy) {
    check_rules(mesh->constraints->dataplane_proxy->requirements, "constraints.dataplaneProxy.requirements",
                violations);
    check_rules(mesh->constraints->dataplane_proxy->restrictions, "constraints.dataplaneProxy.restrictions",
                violations);
  }
  if (mesh->routing && mesh->routing->zone_egress && mesh->enabled_ca() == nullptr)
    violations.push_back({"mtls", "must be set when zoneEgress is enabled"});
}

}  // namespace mesh
