// A zone with Route 53 at its side and a clock that the test moves.
#pragma once

#include <map>
#include <string>

#include "naming/route53/fake_route53.h"
#include "naming/route53/zone.h"

namespace mesh::route53::test {

using namespace std::chrono_literals;

inline ZoneSettings zone_settings(const std::string& instance = "cp-1", std::uint64_t term = 1,
                                  const std::string& store = "store-1") {
  ZoneSettings out;
  out.zone_id = "Z1";
  out.domain = "mesh.local.";
  out.writer = {"default", store, instance, term};
  out.timing.settle = 0s;
  return out;
}

struct Driver {
  FakeRoute53& aws;
  Zone zone;
  Moment now{SteadyTime(1h), *parse_time("2026-11-24T12:00:00Z")};
  std::vector<std::string> notes;

  Driver(FakeRoute53& route53, ZoneSettings settings = zone_settings()) : aws(route53), zone(std::move(settings)) {}

  void want(const std::map<std::string, std::string>& names) {
    std::map<std::string, Desired> wanted;
    for (const auto& [name, address] : names) wanted[name] = {address, "a test"};
    zone.want(std::move(wanted), now);
  }
  void advance(Duration by) {
    now.steady += by;
    now.wall += std::chrono::duration_cast<SystemTime::duration>(by);
  }

  // One call, if it is time for one.
  bool step() {
    const Zone::Call call = zone.next(now);
    answer(call);
    for (std::string& note : zone.take_notes()) notes.push_back(std::move(note));
    return call.what != Zone::Call::What::None;
  }
  void answer(const Zone::Call& call) {
    const std::string& id = zone.settings().zone_id;
    switch (call.what) {
      case Zone::Call::What::None: break;
      case Zone::Call::What::Check: zone.on_checked(aws.get_hosted_zone(id), now); break;
      case Zone::Call::What::ListPage:
      case Zone::Call::What::ReadName: zone.on_page(aws.list_records(id, call.from), now); break;
      case Zone::Call::What::Change: zone.on_change(aws.change_records(id, call.changes), now); break;
      case Zone::Call::What::GetChange: zone.on_got_change(aws.get_change(call.change_id), now); break;
    }
  }
  // Until there is nothing to do now; time stands still.
  int run(int most = 10'000) {
    int calls = 0;
    while (calls < most && step()) ++calls;
    return calls;
  }
  // The same, and time goes on to whenever there is something to do.
  void run_for(Duration duration) {
    const SteadyTime end = now.steady + duration;
    for (;;) {
      run();
      const auto wake = zone.wake(now);
      if (!wake || *wake > end) break;
      advance(std::max<Duration>(*wake - now.steady, 1ms));
    }
    if (now.steady < end) advance(end - now.steady);
  }
  NameState state(const std::string& name) const { return zone.state_of(name); }
};

}  // namespace mesh::route53::test
