#include "micro/town.h"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <cstdlib>

#include "load/messages.h"
#include "model/builtin.h"
#include "policies/all.h"

namespace mesh::micro {

namespace json = boost::json;

namespace {

ResourceChange put(const std::string& text) {
  Result<Document> document = parse_document(json::parse(text), kinds());
  if (!document || !document->violations.empty()) std::abort();  // these are our own documents
  if (document->resource.key.mesh.empty() && document->resource.key.kind->name != "Mesh")
    document->resource.key.mesh = "load";
  return {document->resource.key, std::make_shared<Resource>(std::move(document->resource))};
}

std::string timeout(const std::string& name, const std::string& target, int milliseconds) {
  return fmt::format(
      R"({{"type":"MeshTimeout","mesh":"load","name":"{}","spec":{{"targetRef":{},"to":[{{"targetRef":{{"kind":"Mesh"}},)"
      R"("default":{{"connectionTimeout":"{}ms"}}}}]}}}})",
      name, target, milliseconds);
}

std::string permission(const std::string& name, const std::string& target, const std::string& from) {
  return fmt::format(
      R"({{"type":"MeshTrafficPermission","mesh":"load","name":"{}","spec":{{"targetRef":{},"from":[{{"targetRef":{},)"
      R"("default":{{"action":"Allow"}}}}]}}}})",
      name, target, from);
}

constexpr const char* kAll = R"({"kind":"Mesh"})";
std::string subset(const std::string& service) {
  return fmt::format(R"({{"kind":"MeshSubset","tags":{{"kuma.io/service":"{}"}}}})", service);
}

int services_of(int dataplanes) { return std::max(6, dataplanes / 10); }

load::Instance instance(int number, int services) {
  load::Instance out;
  out.name = dataplane_name(number);
  out.address = fmt::format("10.{}.{}.{}", number >> 14, (number >> 7) & 127, 1 + (number & 127));
  out.service = number % services;
  for (int i = 1; i <= 5; ++i) out.calls.push_back((out.service + i) % services);
  return out;
}

}  // namespace

const KindRegistry& kinds() {
  static const KindRegistry registry = [] {
    KindRegistry all;
    add_builtin_kinds(all);
    add_policy_kinds(all);
    return all;
  }();
  return registry;
}

std::string dataplane_name(int number) { return fmt::format("task-{}", number); }

Town make_town(int dataplanes) {
  FoldInput input;
  input.upto = 1;
  input.from_start = true;
  input.resources.push_back(put(
      R"({"type":"Mesh","name":"load","mtls":{"enabledBackend":"ca","backends":[{"name":"ca","type":"builtin"}]}})"));
  const int services = services_of(dataplanes);
  for (int i = 0; i < dataplanes; ++i) {
    input.resources.push_back(put(load::dataplane_json("load", instance(i, services))));
    input.liveness.push_back({{"load", dataplane_name(i)}, true, {}});
  }
  for (Resource& policy : default_policies("load")) {
    ResourceKey key = policy.key;
    input.resources.push_back({std::move(key), std::make_shared<Resource>(std::move(policy))});
  }
  input.resources.push_back(put(timeout("a-all", kAll, 5000)));
  input.resources.push_back(put(permission("allow-all", kAll, kAll)));
  for (int i = 2; i < 10; ++i) {
    const std::string name = fmt::format("some-{}", i);
    const std::string target = subset(load::service_name(i % services));
    input.resources.push_back(
        put(i % 2 == 0 ? timeout(name, target, 4000) : permission(name, target, subset("friend"))));
  }
  return {fold(Snapshot(), input).snapshot};
}

ConfigBuilder make_builder() { return ConfigBuilder("zone-1", all_policies()); }

ProxyTraits traits() {
  ProxyTraits out;
  out.admin_port = 9901;
  out.readiness_port = 9902;
  out.ipv6 = false;
  return out;
}

FoldInput liveness_of(const std::string& dataplane, bool live) {
  FoldInput input;
  input.upto = 2;
  input.liveness.push_back({{"load", dataplane}, live, {}});
  return input;
}

FoldInput dataplane_of(int number, int dataplanes, bool comes) {
  FoldInput input;
  input.upto = 2;
  input.resources.push_back(put(load::dataplane_json("load", instance(number, services_of(dataplanes)))));
  if (!comes) input.resources.back().now = nullptr;
  return input;
}

FoldInput changed_timeout(int milliseconds) {
  FoldInput input;
  input.upto = 2;
  input.resources.push_back(put(timeout("a-all", kAll, milliseconds)));
  return input;
}

}  // namespace mesh::micro
