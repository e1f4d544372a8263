#include "dpserver/lifecycle_stream.h"

#include <taskmesh/proxy/v1/lifecycle.pb.h>

#include <utility>

#include "ads/node.h"

namespace mesh {
namespace {

using taskmesh::proxy::v1::ProxyInstruction;
using taskmesh::proxy::v1::ProxyReport;

constexpr std::size_t kMaxReason = 1024;
constexpr int kMaxPorts = 1000;

Result<ProxyReport> parse(const std::string& message) {
  ProxyReport report;
  if (!report.ParseFromString(message)) return invalid("", "the message is not a report");
  if (report.unavailable_ports_size() > kMaxPorts) return invalid("unavailable_ports", "are too many");
  return report;
}

}  // namespace

Result<ProxyNode> LifecycleStream::read_node(const std::string& message) {
  MESH_TRY(const ProxyReport report, parse(message));
  ProxyNode node;
  MESH_TRY(node.id, parse_node_id(report.mesh() + "." + report.name()));
  if (node.id.mesh != report.mesh()) return invalid("mesh", "may not have a dot in it");
  const auto type = report.proxy_type().empty() ? ProxyRole::Dataplane : parse_proxy_type(report.proxy_type());
  if (!type) return invalid("proxy_type", "must be dataplane, ingress or egress");
  node.id.type = *type;
  node.metadata_json = "{}";
  return node;
}

Status LifecycleStream::take(const std::string& message) {
  MESH_TRY(const ProxyReport report, parse(message));
  newest_ = report.sequence();
  if (report.state() == ProxyReport::LEAVING) {
    if (!std::exchange(is_leaving_, true)) {
      context().sink.on_leaving(proxy(), session(), [self = weak_from_this(), strand = strand()] {
        strand.post([self] {
          const auto stream = std::static_pointer_cast<LifecycleStream>(self.lock());
          if (!stream || !stream->is_leaving_) return;
          stream->is_withdrawn_ = true;
          stream->instruct(stream->newest_, true);
        });
      });
    }
    instruct(newest_, is_withdrawn_);
    return {};
  }
  is_leaving_ = is_withdrawn_ = false;  // it thought better of it
  ReadinessReport readiness{.source = LivenessSource::Manager,
                            .proxy_ready = report.state() == ProxyReport::READY,
                            .unavailable_ports = {report.unavailable_ports().begin(), report.unavailable_ports().end()},
                            .reason = report.reason().substr(0, kMaxReason)};
  context().sink.on_readiness(proxy(), session(), readiness);
  instruct(newest_, false);
  return {};
}

void LifecycleStream::instruct(std::uint64_t sequence, bool withdrawn) {
  ProxyInstruction instruction;
  instruction.set_sequence(sequence);
  instruction.set_withdrawn(withdrawn);
  send(instruction.SerializeAsString());
}

}  // namespace mesh
