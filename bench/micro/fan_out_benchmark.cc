// One change for many streams, without sockets: each stream's protocol state finds the difference, a response is
// written round the shared bytes, and the answer is taken in.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "ads/messages.h"
#include "delta/discovery_state.h"
#include "micro/allocations.h"
#include "micro/town.h"

namespace mesh::micro {
namespace {

constexpr std::size_t kStreams = 10'000;
constexpr std::size_t index_of(XdsType type) { return static_cast<std::size_t>(type); }

OfferedResources offer_of(const ProxyConfig& config) {
  OfferedResources out;
  out[XdsType::Cluster] = config.clusters;
  out[XdsType::Endpoint] = config.endpoints;
  out[XdsType::Listener] = config.listeners;
  return out;
}

class Streams {
 public:
  Streams(Encoding encoding, const ProxyConfig& config) : encoding_(encoding) {
    std::vector<std::string> services;
    for (const NamedResourcePtr& endpoints : *config.endpoints) services.push_back(endpoints->name);
    for (std::size_t i = 0; i < kStreams; ++i) {
      states_.push_back(std::make_unique<DiscoveryState>(encoding, kXdsPlan));
      DiscoveryState& state = *states_.back();
      answer(state, ask(state, XdsType::Cluster, {}));
      answer(state, state.on_offer(offer_of(config).by_type()));
      answer(state, ask(state, XdsType::Endpoint, services));
      answer(state, ask(state, XdsType::Listener, {}));
    }
  }

  // Returns the number of bytes written.
  std::size_t offer(const OfferedResources& offered) {
    std::size_t bytes = 0;
    for (const auto& state : states_) bytes += answer(*state, state->on_offer(offered.by_type()));
    return bytes;
  }

 private:
  Actions ask(DiscoveryState& state, XdsType type, std::vector<std::string> names) {
    if (encoding_ == Encoding::Delta) {
      DeltaRequest request;
      request.subscribe = std::move(names);
      return *state.on_request(index_of(type), std::move(request));
    }
    SotwRequest request;
    request.names = std::move(names);
    return *state.on_request(index_of(type), std::move(request));
  }

  std::size_t answer(DiscoveryState& state, Actions actions) {
    std::size_t bytes = 0;
    while (!actions.empty()) {
      Actions next;
      for (const Action& action : actions) {
        const Push* push = std::get_if<Push>(&action);
        if (push == nullptr) continue;
        for (const Bytes& piece : encoding_ == Encoding::Delta ? make_delta_response(*push) : make_sotw_response(*push))
          bytes += piece->size();
        Actions more = acknowledge(state, *push);
        next.insert(next.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
      }
      actions = std::move(next);
    }
    return bytes;
  }

  Actions acknowledge(DiscoveryState& state, const Push& push) {
    if (encoding_ == Encoding::Delta) {
      DeltaRequest request;
      request.nonce = push.nonce;
      return *state.on_request(push.type, std::move(request));
    }
    SotwRequest request;
    request.nonce = push.nonce;
    request.version = push.version;
    if (push.type == index_of(XdsType::Endpoint))
      for (const Edition& resource : push.resources) request.names.push_back(resource.name());
    return *state.on_request(push.type, std::move(request));
  }

  const Encoding encoding_;
  std::vector<std::unique_ptr<DiscoveryState>> states_;
};

void fan_out(benchmark::State& state, Encoding encoding, const FoldInput& one, const FoldInput& other) {
  const Town town = make_town(1'000);
  const ConfigBuilder builder = make_builder();
  const std::string proxy = dataplane_name(0);
  Streams streams(encoding, *builder.build(town.mesh(), proxy, traits()));
  OfferedResources offers[2];
  const FoldInput* inputs[] = {&one, &other};
  for (int i = 0; i < 2; ++i)
    offers[i] = offer_of(*builder.build(*fold(*town.snapshot, *inputs[i]).snapshot->find("load"), proxy, traits()));

  std::size_t which = 0, bytes = 0;
  streams.offer(offers[1]);
  {
    CountsAllocations counts(state, kStreams);  // of each stream
    for (auto _ : state) {
      bytes += streams.offer(offers[which]);
      which = 1 - which;
    }
  }
  const auto pushes = static_cast<double>(state.iterations()) * kStreams;
  state.counters["CPU/stream"] = benchmark::Counter(pushes, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["bytes/stream"] = static_cast<double>(bytes) / pushes;
}

// Task 1 is an instance of the service that task 0 calls first.
void fan_out_an_endpoint_delta(benchmark::State& state) {
  fan_out(state, Encoding::Delta, liveness_of(dataplane_name(1), false), liveness_of(dataplane_name(1), true));
}
BENCHMARK(fan_out_an_endpoint_delta)->Unit(benchmark::kMillisecond);

void fan_out_an_endpoint_sotw(benchmark::State& state) {
  fan_out(state, Encoding::StateOfTheWorld, liveness_of(dataplane_name(1), false),
          liveness_of(dataplane_name(1), true));
}
BENCHMARK(fan_out_an_endpoint_sotw)->Unit(benchmark::kMillisecond);

void fan_out_a_policy_delta(benchmark::State& state) {
  fan_out(state, Encoding::Delta, changed_timeout(4001), changed_timeout(4002));
}
BENCHMARK(fan_out_a_policy_delta)->Unit(benchmark::kMillisecond);

void fan_out_a_policy_sotw(benchmark::State& state) {
  fan_out(state, Encoding::StateOfTheWorld, changed_timeout(4001), changed_timeout(4002));
}
BENCHMARK(fan_out_a_policy_sotw)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace mesh::micro
