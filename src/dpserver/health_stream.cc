#include "dpserver/health_stream.h"

#include <algorithm>
#include <utility>

namespace mesh {

void HealthStreams::add(const ProxyId& proxy, std::uint64_t session, std::weak_ptr<HealthStream> stream) {
  std::lock_guard lock(mutex_);
  streams_[{proxy, session}] = std::move(stream);
}

void HealthStreams::remove(const ProxyId& proxy, std::uint64_t session) {
  std::lock_guard lock(mutex_);
  streams_.erase({proxy, session});
}

std::vector<std::shared_ptr<HealthStream>> HealthStreams::find(const ProxyId& proxy) const {
  std::vector<std::shared_ptr<HealthStream>> found;
  std::lock_guard lock(mutex_);
  for (auto at = streams_.lower_bound({proxy, 0}); at != streams_.end() && at->first.first == proxy; ++at) {
    if (auto stream = at->second.lock()) found.push_back(std::move(stream));
  }
  return found;
}

HealthStream::HealthStream(std::shared_ptr<StreamContext> context, std::shared_ptr<HealthStreams> streams,
                           std::shared_ptr<wire::GrpcStream> stream, HealthStreamSettings settings,
                           std::uint32_t default_admin_port)
    : ProxyStream(std::move(context), std::move(stream), LivenessSource::HealthStream),
      streams_(std::move(streams)),
      settings_(settings),
      default_admin_port_(default_admin_port) {}

HealthStream::~HealthStream() { streams_->remove(proxy(), session()); }

Result<ProxyNode> HealthStream::read_node(const std::string& message) {
  MESH_TRY(HealthMessage parsed, parse_health_message(message));
  if (!parsed.node) return invalid("node", "the first message of a stream must say who sends it");
  if (parsed.node->id.type != ProxyRole::Dataplane)
    return invalid("node", "a zone proxy has no application whose health could be asked for");
  return std::move(*parsed.node);
}

void HealthStream::on_open(const Resource& dataplane) {
  dataplane_ = dataplane;
  streams_->add(proxy(), session(), std::static_pointer_cast<HealthStream>(shared_from_this()));
  tell();
}

void HealthStream::tell() {
  const Dataplane& spec = dataplane_.spec_as<Dataplane>();
  const Duration interval = was_ready_ ? settings_.interval : std::min(settings_.interval, kIntervalUntilReady);
  std::string specifier = make_health_specifier(spec, admin_address_of(node().metadata_json, spec, default_admin_port_),
                                                settings_, interval);
  if (specifier == told_) return;
  told_ = specifier;
  send(std::move(specifier));
}

Status HealthStream::take(const std::string& message) {
  MESH_TRY(const HealthMessage parsed, parse_health_message(message));
  if (parsed.healthy.empty()) return {};  // the first message, or nothing was probed yet
  ReadinessReport report = readiness_of(parsed.healthy, dataplane_.spec_as<Dataplane>());
  if (report.proxy_ready && !std::exchange(was_ready_, true)) tell();
  // Envoy takes for unhealthy what it has not checked yet, also after a reconnect: its first words say nothing.
  if (!report.proxy_ready && !was_ready_) return {};
  if (reported_ && *reported_ == report) return {};
  reported_ = report;
  context().sink.on_readiness(proxy(), session(), report);
  return {};
}

void HealthStream::refresh() {
  auto read = [self = std::weak_ptr<ProxyStream>(weak_from_this()), context = shared_context(), strand = strand(),
               id = proxy()] {
    auto found = context->gatekeeper.find_resource(id);
    if (!found) return;  // it is gone; its streams will end
    strand.post([self, dataplane = std::move(*found)]() mutable {
      const auto stream = std::static_pointer_cast<HealthStream>(self.lock());
      if (!stream || !stream->is_open()) return;
      stream->dataplane_ = std::move(dataplane);
      stream->tell();
    });
  };
  // When too much waits, the next change will be heard.
  if (!context().workers.near.run(std::move(read))) return;
}

}  // namespace mesh
