#include "model/hostname_generator.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>

#include "model/hostname_template.h"
#include "model/rules.h"

namespace mesh {
namespace {

std::string_view text_at(const boost::json::value& object, std::string_view name) {
  const boost::json::value* found = object.is_object() ? object.get_object().if_contains(name) : nullptr;
  return found != nullptr && found->is_string() ? std::string_view(found->get_string()) : std::string_view();
}

const boost::json::array* hosted_zones(const boost::json::value& config) {
  const boost::json::value* found = config.is_object() ? config.get_object().if_contains("hostedZones") : nullptr;
  return found == nullptr ? nullptr : found->if_array();
}

void check_route53(const boost::json::value& config, Violations& violations) {
  const std::string path = "spec.extension.config";
  const boost::json::array* zones = hosted_zones(config);
  if (zones == nullptr) {
    if (text_at(config, "hostedZoneId").empty())
      violations.push_back({path + ".hostedZoneId",
                            "must not be empty: the ID of the private hosted zone, or for "
                            "several zones of the mesh a list `hostedZones` of name and "
                            "hostedZoneId"});
    return;
  }
  if (!text_at(config, "hostedZoneId").empty())
    violations.push_back({path, "hostedZoneId and hostedZones cannot stand together"});
  for (std::size_t i = 0; i < zones->size(); ++i)
    for (const std::string_view name : {"name", "hostedZoneId"})
      if (text_at((*zones)[i], name).empty())
        violations.push_back({at_index(path + ".hostedZones", i) + "." + std::string(name), "must not be empty"});
}

void validate(const AnySpec& spec, Violations& violations) {
  const auto* generator = spec.as<HostnameGenerator>();
  if (generator == nullptr) return;
  const GeneratorSelector& selector = generator->selector;
  if (selector.mesh_service.has_value() + selector.mesh_external_service.has_value() +
          selector.mesh_multi_zone_service.has_value() !=
      1)
    violations.push_back(
        {"spec.selector", "must have exactly one of meshService, meshExternalService and meshMultiZoneService"});
  if (generator->template_.empty())
    violations.push_back({"spec.template", "must not be empty"});
  else if (const Status checked = check_hostname_template(generator->template_); !checked)
    violations.push_back({"spec.template", checked.error().text});
  if (!generator->extension) return;
  if (generator->extension->type.empty()) violations.push_back({"spec.extension.type", "must not be empty"});
  if (generator->extension->type == kRoute53Extension) check_route53(generator->extension->config, violations);
}

}  // namespace

const Kind kHostnameGeneratorKind = describe_kind<HostnameGenerator>({.name = "HostnameGenerator",
                                                                      .path = "hostnamegenerators",
                                                                      .short_name = "hg",
                                                                      .singular = "Hostname Generator",
                                                                      .plural = "Hostname Generators",
                                                                      .scope = Scope::Global,
                                                                      .validate = validate});

bool LabelSelector::matches(const std::map<std::string, std::string>& labels) const {
  for (const auto& [name, value] : match_labels) {
    const auto found = labels.find(name);
    if (found == labels.end() || found->second != value) return false;
  }
  return true;
}

std::string hosted_zone_of(const HostnameGenerator& generator, const std::string& zone) {
  if (!generator.extension || generator.extension->type != kRoute53Extension) return {};
  const boost::json::value& config = generator.extension->config;
  const boost::json::array* zones = hosted_zones(config);
  if (zones == nullptr) return std::string(text_at(config, "hostedZoneId"));
  for (const boost::json::value& each : *zones)
    if (text_at(each, "name") == zone) return std::string(text_at(each, "hostedZoneId"));
  return {};
}

}  // namespace mesh
