// Folding a change into the picture, and building what one proxy should have from it.
#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#include "micro/allocations.h"
#include "micro/town.h"

namespace mesh::micro {
namespace {

void fold_a_joining_endpoint(benchmark::State& state) {
  Town town = make_town(static_cast<int>(state.range(0)));
  const FoldInput leaves = liveness_of(dataplane_name(7), false), joins = liveness_of(dataplane_name(7), true);
  bool live = true;
  CountsAllocations counts(state);
  for (auto _ : state) {
    live = !live;
    town.snapshot = fold(*town.snapshot, live ? joins : leaves).snapshot;
  }
}
BENCHMARK(fold_a_joining_endpoint)->Arg(100)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMicrosecond);

// And goes, by turns: with its outbounds, and as one instance more of its service.
void fold_a_new_dataplane(benchmark::State& state) {
  const int dataplanes = static_cast<int>(state.range(0));
  Town town = make_town(dataplanes);
  const FoldInput comes = dataplane_of(dataplanes, dataplanes, true),
                  goes = dataplane_of(dataplanes, dataplanes, false);
  bool is_there = false;
  CountsAllocations counts(state);
  for (auto _ : state) {
    is_there = !is_there;
    town.snapshot = fold(*town.snapshot, is_there ? comes : goes).snapshot;
  }
}
BENCHMARK(fold_a_new_dataplane)->Arg(100)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMicrosecond);

void fold_a_changed_policy(benchmark::State& state) {
  Town town = make_town(static_cast<int>(state.range(0)));
  const FoldInput one = changed_timeout(4001), other = changed_timeout(4002);
  bool which = false;
  CountsAllocations counts(state);
  for (auto _ : state) {
    which = !which;
    town.snapshot = fold(*town.snapshot, which ? one : other).snapshot;
  }
}
BENCHMARK(fold_a_changed_policy)->Arg(100)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMicrosecond);

void build_a_proxy(benchmark::State& state) {
  const Town town = make_town(static_cast<int>(state.range(0)));
  const ConfigBuilder builder = make_builder();
  const ProxyTraits proxy = traits();
  int number = 0;
  CountsAllocations counts(state);
  for (auto _ : state) {
    number = (number + 1) % static_cast<int>(state.range(0));
    benchmark::DoNotOptimize(builder.build(town.mesh(), dataplane_name(number), proxy));
  }
}
BENCHMARK(build_a_proxy)->Arg(100)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMicrosecond);

// All of a mesh that are connected, and have what they should.
struct Connected {
  explicit Connected(const benchmark::State& state) : town(make_town(static_cast<int>(state.range(0)))) {
    for (int i = 0; i < state.range(0); ++i) all.push_back(build(i));
  }
  std::shared_ptr<const ProxyConfig> build(int number, const ProxyConfig* before = nullptr) const {
    return builder.build(town.mesh(), dataplane_name(number), proxy, nullptr, before);
  }
  int after(int number) const { return (number + 1) % static_cast<int>(all.size()); }

  const Town town;
  const ConfigBuilder builder = make_builder();
  const ProxyTraits proxy = traits();
  std::vector<std::shared_ptr<const ProxyConfig>> all;
};

// Others are connected, and have most of its outbounds.
void build_a_proxy_among_others(benchmark::State& state) {
  const Connected connected(state);
  int number = 0;
  CountsAllocations counts(state);
  for (auto _ : state) {
    number = connected.after(number);
    benchmark::DoNotOptimize(connected.build(number));
  }
}
BENCHMARK(build_a_proxy_among_others)->Arg(100)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMicrosecond);

// The same, of one that was built before: a policy about what it calls changed.
void build_a_proxy_again(benchmark::State& state) {
  const Connected connected(state);
  int number = 0;
  CountsAllocations counts(state);
  for (auto _ : state) {
    number = connected.after(number);
    benchmark::DoNotOptimize(connected.build(number, connected.all[static_cast<std::size_t>(number)].get()));
  }
}
BENCHMARK(build_a_proxy_again)->Arg(100)->Arg(1'000)->Arg(10'000)->Unit(benchmark::kMicrosecond);

void rebuild_endpoints_of_a_proxy(benchmark::State& state) {
  Town town = make_town(1'000);
  const ConfigBuilder builder = make_builder();
  const auto before = builder.build(town.mesh(), dataplane_name(0), traits());
  Touched touched;
  for (const Outbound& outbound :
       town.mesh().dataplanes.at(dataplane_name(0))->spec_as<Dataplane>().networking.outbound)
    touched.endpoints.insert(outbound.service());
  CountsAllocations counts(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(builder.rebuild(*before, town.mesh(), dataplane_name(0), traits(), touched));
  }
}
BENCHMARK(rebuild_endpoints_of_a_proxy)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace mesh::micro
