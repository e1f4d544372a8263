// From a message to bytes and their version.
#include <benchmark/benchmark.h>
#include <envoy/config/endpoint/v3/endpoint.pb.h>
#include <fmt/format.h>

#include <string>

#include "envoy/pack.h"
#include "micro/allocations.h"

namespace mesh::micro {
namespace {

::envoy::config::endpoint::v3::ClusterLoadAssignment assignment(int endpoints) {
  ::envoy::config::endpoint::v3::ClusterLoadAssignment out;
  out.set_cluster_name("svc-1");
  auto* locality = out.add_endpoints();
  for (int i = 0; i < endpoints; ++i) {
    auto* address = locality->add_lb_endpoints()->mutable_endpoint()->mutable_address()->mutable_socket_address();
    address->set_address(fmt::format("10.0.{}.{}", i / 250, i % 250));
    address->set_port_value(8080);
  }
  return out;
}

void hash_bytes(benchmark::State& state) {
  const std::string bytes(static_cast<std::size_t>(state.range(0)), 'x');
  CountsAllocations counts(state);
  for (auto _ : state) benchmark::DoNotOptimize(envoy::version_of(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(hash_bytes)->Arg(256)->Arg(4'096)->Arg(65'536);

void serialise_endpoints(benchmark::State& state) {
  const auto message = assignment(static_cast<int>(state.range(0)));
  CountsAllocations counts(state);
  for (auto _ : state) benchmark::DoNotOptimize(envoy::make_resource("svc-1", message));
}
BENCHMARK(serialise_endpoints)->Arg(10)->Arg(100)->Arg(1'000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace mesh::micro
