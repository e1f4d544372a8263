// The report stream of one sidecar manager of ours (taskmesh.proxy.v1.ProxyLifecycle): where its proxy stands, and the
// goodbye that is confirmed when nobody is sent there any more.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "dpserver/proxy_stream.h"

namespace mesh {

class LifecycleStream final : public ProxyStream {
 public:
  LifecycleStream(std::shared_ptr<StreamContext> context, std::shared_ptr<wire::GrpcStream> stream)
      : ProxyStream(std::move(context), std::move(stream), LivenessSource::Manager) {}

 protected:
  Result<ProxyNode> read_node(const std::string& message) override;
  void on_open(const Resource&) override {}
  Status take(const std::string& message) override;

 private:
  void instruct(std::uint64_t sequence, bool withdrawn);

  std::uint64_t newest_ = 0;  // report
  bool is_leaving_ = false;
  bool is_withdrawn_ = false;
};

}  // namespace mesh
