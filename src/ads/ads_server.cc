#include <utility>

#include "ads/ads.h"
#include "ads/stream.h"
#include "ads/stream_registry.h"

namespace mesh {
namespace {

constexpr const char* kSotwPath = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
constexpr const char* kDeltaPath = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

// What the transport holds of a stream. The stream itself is shared with those who want to tell it something.
class StreamEvents final : public wire::GrpcEvents {
 public:
  explicit StreamEvents(std::shared_ptr<AdsStream> stream) : stream_(std::move(stream)) {}
  void on_message(std::string message) override { stream_->on_message(std::move(message)); }
  void on_half_closed() override { stream_->on_half_closed(); }
  void on_closed(const wire::GrpcStatus&) override { stream_->on_closed(); }

 private:
  std::shared_ptr<AdsStream> stream_;
};

}  // namespace

struct AdsServer::Impl {
  std::shared_ptr<StreamRegistry> registry;
};

AdsServer::AdsServer(AdsSink& sink, Admit admit)
    : impl_(std::make_shared<Impl>(Impl{std::make_shared<StreamRegistry>(sink, std::move(admit))})) {}

AdsServer::~AdsServer() = default;

void AdsServer::add_services(wire::GrpcServices& services) {
  const auto open = [registry = impl_->registry](Encoding encoding) {
    return [registry, encoding](std::shared_ptr<wire::GrpcStream> stream) -> std::unique_ptr<wire::GrpcEvents> {
      return std::make_unique<StreamEvents>(
          std::make_shared<AdsStream>(registry, std::move(stream), registry->next_id(), encoding));
    };
  };
  services[kSotwPath] = open(Encoding::StateOfTheWorld);
  services[kDeltaPath] = open(Encoding::Delta);
}

void AdsServer::offer(StreamId stream, Offer offer) {
  if (const auto found = impl_->registry->find(stream)) found->offer(std::move(offer));
}

void AdsServer::close(StreamId stream, wire::GrpcStatus status) {
  if (const auto found = impl_->registry->find(stream)) found->close(std::move(status));
}

}  // namespace mesh
