// An Envoy as the control plane sees it: it opens a discovery stream, asks for clusters and listeners, then for what
// they refer to, and acknowledges what it is sent. It remembers what it has over reconnects.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "ads/ads.h"
#include "wire/client.h"

namespace mesh::flow {

enum class Speaks { Delta, StateOfTheWorld };

struct EnvoySettings {
  ProxyId proxy;
  std::string url;  // https://127.0.0.1:5678
  std::string ca_pem;
  Speaks speaks = Speaks::Delta;
  std::string metadata_json = "{}";
  std::set<std::string> secrets;  // that its listeners would refer to
  std::string token;
};

class FakeEnvoy {
 public:
  FakeEnvoy(wire::EventLoop& loop, EnvoySettings settings);
  ~FakeEnvoy();

  void connect();
  void disconnect();
  // Refuses the next push of this type.
  void refuse_next(XdsType type, std::string reason);

  // All thread-safe. The waits end after a minute at most, with false.
  using Resources = std::map<std::string, std::string>;  // name → serialised resource
  Resources resources(XdsType type) const;
  int pushes(XdsType type) const;
  int pushes() const;                  // of all types
  int resources_received() const;      // of all pushes since the last connect
  std::size_t bytes_received() const;  // of those resources
  std::string closed_because() const;
  bool wait(const std::function<bool()>& reached) const;  // looks again whenever something happens
  bool wait_for_type(XdsType type);                       // at least one push of it
  // "kv-address:port …" of the endpoints that a cluster has.
  std::string endpoints(const std::string& cluster) const;
  bool wait_for_endpoints(const std::string& cluster, const std::string& expected);

 private:
  struct State;
  class Events;
  std::shared_ptr<State> state_;
  wire::EventLoop& loop_;
};

}  // namespace mesh::flow
