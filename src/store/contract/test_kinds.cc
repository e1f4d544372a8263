#include "store/contract/test_kinds.h"

#include <boost/json.hpp>

namespace mesh::contract {
namespace {

AnySpec parse(const boost::json::value& json, std::vector<Violation>& violations) {
  TestSpec spec;
  const boost::json::object* object = json.if_object();
  const boost::json::value* color = object == nullptr ? nullptr : object->if_contains("color");
  if (color == nullptr || !color->is_string() || color->get_string().empty()) {
    violations.push_back({"spec.color", "must be a colour"});
    return {};
  }
  spec.color = std::string(color->get_string());
  if (const boost::json::value* extra = object->if_contains("extra")) spec.extra = *extra;
  return AnySpec::of(std::move(spec));
}

boost::json::value print(const AnySpec& any) {
  const TestSpec& spec = *any.as<TestSpec>();
  return boost::json::object{{"color", spec.color}, {"extra", spec.extra}};
}

Kind kind(const char* name, const char* path, Scope scope) {
  Kind kind;
  kind.name = name;
  kind.path = path;
  kind.scope = scope;
  kind.parse = parse;
  kind.print = print;
  return kind;
}

}  // namespace

const Kind kMesh = kind("Mesh", "meshes", Scope::Global);
const Kind kWidget = kind("Widget", "widgets", Scope::Mesh);
const Kind kGadget = kind("Gadget", "gadgets", Scope::Global);

KindRegistry test_registry() {
  KindRegistry registry;
  for (const Kind* each : {&kMesh, &kWidget, &kGadget}) registry.add(*each);
  return registry;
}

ResourceKey mesh_key(std::string name) { return {&kMesh, "", std::move(name)}; }
ResourceKey widget_key(std::string mesh, std::string name) { return {&kWidget, std::move(mesh), std::move(name)}; }
ResourceKey gadget_key(std::string name) { return {&kGadget, "", std::move(name)}; }

Resource make_resource(ResourceKey key, TestSpec spec) {
  Resource resource;
  resource.key = std::move(key);
  resource.spec = AnySpec::of(std::move(spec));
  return resource;
}

}  // namespace mesh::contract
