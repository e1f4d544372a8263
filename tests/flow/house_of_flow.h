// A control plane in this process, on ports of its own, with a store that outlives it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cp/control_plane.h"
#include "flow/fake_envoy.h"
#include "pipeline/pipeline.h"
#include "wire/client.h"
#include "wire/event_loop.h"

namespace mesh::flow {

class HouseOfFlow {
 public:
  HouseOfFlow();  // stores in memory unless told otherwise before start()
  ~HouseOfFlow();

  ControlPlaneSettings settings;
  const std::filesystem::path folder;

  void start();
  void stop();
  ControlPlane& control_plane() { return *control_plane_; }
  PipelineCounters counters() { return control_plane_->pipeline().counters(); }

  // REST as the admin on the loopback; the document is JSON. Fails the test when the answer is no 2xx.
  void put(const std::string& path, const std::string& document);
  void remove(const std::string& path);
  std::string get(const std::string& path);
  wire::Response request(const std::string& method, const std::string& path, const std::string& body = "");

  void put_mesh(const std::string& name, const std::string& mtls_backend = "",
                const std::vector<std::string>& backends = {});
  void put_dataplane(const std::string& mesh, const std::string& name, const std::string& address,
                     const std::string& offers, const std::vector<std::string>& calls = {});

  std::unique_ptr<FakeEnvoy> envoy(const std::string& mesh, const std::string& name, Speaks speaks = Speaks::Delta,
                                   bool with_secrets = false, const std::vector<std::string>& features = {});

 private:
  std::unique_ptr<wire::EventLoop> client_loop_;  // of the Envoys
  std::unique_ptr<wire::EventLoop> loop_;
  std::unique_ptr<ControlPlane> control_plane_;
};

}  // namespace mesh::flow
