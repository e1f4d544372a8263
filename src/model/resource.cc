#include "model/resource.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <fmt/format.h>

#include "model/describe.h"

namespace mesh {
namespace {

namespace json = boost::json;

constexpr std::string_view kZoneLabel = "kuma.io/zone";
constexpr std::string_view kNamespaceLabel = "k8s.kuma.io/namespace";
constexpr std::string_view kDisplayNameLabel = "kuma.io/display-name";

std::string label(const Labels& labels, std::string_view name) {
  const auto found = labels.find(std::string(name));
  return found == labels.end() ? std::string() : found->second;
}

// What stands beside the spec in a document.
struct Meta {
  std::string type, mesh, name;
  boost::json::value creation_time, modification_time;
  Labels labels;
};
BOOST_DESCRIBE_STRUCT(Meta, (), (type, mesh, name, creation_time, modification_time, labels))

// The times in a document are what its sender saw; nothing depends on them. Others write the year 1 where there is
// none.
SystemTime time_or_none(const json::value& value) {
  if (!value.is_string()) return {};
  const auto time = parse_time(std::string_view(value.get_string()));
  return time && *time > SystemTime{} ? *time : SystemTime{};
}

json::object print_spec(const AnySpec& spec, const Kind& kind) {
  json::value printed = kind.print == nullptr || spec.empty() ? json::value(json::object()) : kind.print(spec);
  return printed.is_object() ? std::move(printed.get_object()) : json::object();
}

// The server names by which what can be called is asked for in TLS.
json::array snis_json(const Resource& resource) {
  const Kind& kind = *resource.key.kind;
  const std::string zone = label(resource.labels, kZoneLabel);
  const std::string display = label(resource.labels, kDisplayNameLabel);
  std::string prefix = fmt::format("sni.{}.{}", kind.short_name, resource.key.mesh);
  for (const std::string& part : {zone, zone.empty() ? zone : label(resource.labels, kNamespaceLabel),
                                  display.empty() ? resource.key.name : display})
    if (!part.empty()) prefix += "." + part;
  json::array out;
  for (const auto& [port, section] : kind.sections(resource.spec))
    out.push_back(json::object{{"port", port}, {"sni", prefix + "." + section}});
  return out;
}

}  // namespace

std::string ResourceKey::to_string() const {
  const std::string& type = kind == nullptr ? "resource" : kind->name;
  return mesh.empty() ? fmt::format("{} \"{}\"", type, name)
                      : fmt::format("{} \"{}\" in mesh \"{}\"", type, name, mesh);
}

std::string kri_of(const Resource& resource, std::string_view section) {
  const Kind& kind = *resource.key.kind;
  if (kind.short_name.empty()) return {};
  const std::string display = label(resource.labels, kDisplayNameLabel);
  return fmt::format("kri_{}_{}_{}_{}_{}_{}", kind.short_name, resource.key.mesh, label(resource.labels, kZoneLabel),
                     label(resource.labels, kNamespaceLabel), display.empty() ? resource.key.name : display, section);
}

json::object meta_json(const Resource& resource) {
  json::object out;
  out["type"] = resource.key.kind->name;
  if (!resource.key.mesh.empty()) out["mesh"] = resource.key.mesh;
  out["name"] = resource.key.name;
  out["creationTime"] = format_time(resource.created);
  out["modificationTime"] = format_time(resource.modified);
  if (!resource.labels.empty()) {
    json::object& labels = out["labels"].emplace_object();
    for (const auto& [key, value] : resource.labels) labels[key] = value;
  }
  if (std::string kri = kri_of(resource); !kri.empty()) out["kri"] = std::move(kri);
  return out;
}

json::object to_json(const Resource& resource) {
  const Kind& kind = *resource.key.kind;
  json::object out = meta_json(resource);
  if (kind.sections != nullptr)
    if (json::array snis = snis_json(resource); !snis.empty()) out["snis"] = std::move(snis);
  json::object spec = print_spec(resource.spec, kind);
  if (kind.layout == Layout::Flat) {
    for (auto& [key, value] : spec) out.insert_or_assign(key, std::move(value));
    return out;
  }
  out["spec"] = std::move(spec);
  if (!resource.status.empty() && kind.print_status != nullptr) out["status"] = kind.print_status(resource.status);
  return out;
}

Result<Document> parse_document(const json::value& document, const KindRegistry& registry) {
  if (!document.is_object()) return invalid("", "a resource must be an object with `type` and `name`");
  std::vector<Violation> violations;
  const auto meta = read_as<Meta>(document, Dialect::Spec, "", violations);
  if (!violations.empty()) return Document{{}, std::move(violations)};
  if (meta.type.empty()) return invalid("type", "`type` is missing: it says what kind of resource this is");
  const Kind* kind = registry.find_by_name(meta.type);
  if (kind == nullptr) return invalid("type", fmt::format("\"{}\" is not a kind of resource", meta.type));

  Resource resource;
  resource.key = {kind, kind->scope == Scope::Mesh ? meta.mesh : std::string(), meta.name};
  resource.labels = meta.labels;
  resource.created = time_or_none(meta.creation_time);
  resource.modified = time_or_none(meta.modification_time);

  static const json::value nothing = json::object();
  const json::object& fields = document.get_object();
  const auto under = [&](std::string_view name) -> const json::value& {
    const json::value* found = fields.if_contains(name);
    return found == nullptr || found->is_null() ? nothing : *found;
  };
  resource.spec = kind->parse(kind->layout == Layout::Flat ? document : under("spec"), violations);
  if (kind->layout == Layout::Spec && kind->parse_status != nullptr && fields.contains("status"))
    resource.status = kind->parse_status(under("status"), violations);
  return Document{std::move(resource), std::move(violations)};
}

}  // namespace mesh
