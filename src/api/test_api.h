// The API on a memory store, without sockets, for the tests of this room.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "admission/admission.h"
#include "api/api_server.h"
#include "model/builtin.h"
#include "model/dataplane.h"
#include "model/insight.h"
#include "model/json.h"
#include "model/mesh.h"
#include "model/secret.h"
#include "store/memory/memory_store.h"
#include "store/secrets.h"

namespace mesh {

// A policy of the tests' own: this room knows no real one.
struct Speed {
  std::uint32_t limit = 0;
  std::optional<std::string> unit;
};
BOOST_DESCRIBE_STRUCT(Speed, (), (limit, unit))
extern const Kind kSpeedKind;

class FixedConfigs final : public ProxyConfigSource {
 public:
  Result<std::string> config_json(const ProxyId& proxy) const override {
    if (proxy.name != "web-1") return error(ErrorKind::NotFound, "no configuration was built for it");
    return R"({"type.googleapis.com/envoy.config.cluster.v3.Cluster": {}})";
  }
};

enum class As { Admin, Anonymous };

class ApiTest : public testing::Test {
 protected:
  ApiTest();

  // A program on this machine, or somebody elsewhere.
  wire::Request request(std::string method, std::string target, std::string body = {}, As as = As::Admin) const;
  wire::Response send(std::string method, std::string target, std::string body = {}, As as = As::Admin) const;
  wire::Response send(const wire::Request& request) const { return api->answer(request); }
  boost::json::value get_json(std::string target, As as = As::Admin) const;
  void make_api(ApiSettings settings);

  // Straight into the store.
  void put_mesh(const std::string& name, Mesh spec = {});
  void put_dataplane(const std::string& mesh, const std::string& name, const std::string& service);
  void put_insight(const std::string& mesh, const std::string& name, DataplaneInsight insight);
  void put_secret(const std::string& mesh, const std::string& name, const std::string& value);
  void put(const Kind& kind, const std::string& mesh, const std::string& name, AnySpec spec, Labels labels = {});

  KindRegistry kinds;
  MemoryStore store;
  ManualClock clock{SystemTime(std::chrono::seconds(1'795'000'000))};
  StoreSecrets secrets{store};
  TokenIssuer issuer{secrets, clock};
  TokenVerifier verifier{secrets, clock};
  std::optional<Admission> admission;
  FixedConfigs configs;
  std::optional<Api> api;
};

// The fields that an answer finds fault with, in their order.
std::vector<std::string> invalid_fields(const wire::Response& response);
std::string text_at(const boost::json::value& from, std::string_view pointer);
std::vector<std::string> names_in(const boost::json::value& list);

}  // namespace mesh
