#include "load/fleet.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "base/clock.h"

namespace mesh::load {

Counters Counters::operator-(const Counters& before) const {
  Counters out = *this;
  out.pushes -= before.pushes;
  out.bytes -= before.bytes;
  out.resources -= before.resources;
  out.useless_pushes -= before.useless_pushes;
  out.useless_resources -= before.useless_resources;
  out.streams_opened -= before.streams_opened;
  out.streams_lost -= before.streams_lost;
  out.bootstraps_failed -= before.bootstraps_failed;
  out.refusals -= before.refusals;
  return out;
}

Fleet::Fleet(const LoadSettings& settings_in) : settings(settings_in), loop_(1) {}

Fleet::~Fleet() {
  on_loop([this] {
    for (const auto& sidecar : sidecars_) sidecar->stop();
  });
  loop_.stop();
  loop_.wait();
}

SteadyTime Fleet::now() const { return real_clock().steady(); }

void Fleet::on_loop(const std::function<void()>& task) {
  std::promise<void> done;
  loop_.post([&] {
    task();
    done.set_value();
  });
  done.get_future().wait();
}

void Fleet::pause(Duration duration) {
  std::promise<void> never;
  never.get_future().wait_for(duration);
}

bool Fleet::wait_until(const std::function<bool()>& reached, Duration limit, const std::function<void()>& on_look) {
  const SteadyTime deadline = now() + limit;
  while (true) {
    bool is_reached = false;
    on_loop([&] { is_reached = reached(); });
    if (on_look) on_look();
    if (is_reached) return true;
    if (now() >= deadline) return false;
    pause(std::chrono::milliseconds(20));
  }
}

Instance Fleet::make_instance(int service) {
  const int number = next_instance_++;
  Instance instance;
  instance.name = fmt::format("svc-{}-task-{}", service, number);
  instance.address = fmt::format("10.{}.{}.{}", 64 + (number >> 14), (number >> 7) & 127, 1 + (number & 127));
  instance.service = service;
  const int services = settings.service_count();
  for (int i = 1; i <= std::min(settings.outbounds, services); ++i) instance.calls.push_back((service + i) % services);
  return instance;
}

std::shared_ptr<Sidecar> Fleet::add(Instance instance, std::string token) {
  auto sidecar = std::make_shared<Sidecar>(*this, std::move(instance), std::move(token));
  sidecars_.push_back(sidecar);
  return sidecar;
}

void Fleet::remove(const std::shared_ptr<Sidecar>& sidecar) {
  const auto found = std::find(sidecars_.begin(), sidecars_.end(), sidecar);
  if (found == sidecars_.end()) return;
  *found = std::move(sidecars_.back());
  sidecars_.pop_back();
}

int Fleet::live_instances(int service) const {
  return static_cast<int>(std::count_if(sidecars_.begin(), sidecars_.end(), [&](const auto& sidecar) {
    return sidecar->is_running() && sidecar->instance.service == service;
  }));
}

bool Fleet::has_all_endpoints(const Sidecar& sidecar) const {
  static thread_local std::vector<int> live;  // by service, for one look over all sidecars
  static thread_local SteadyTime counted_at{};
  if (now() - counted_at > std::chrono::milliseconds(5) ||
      live.size() != static_cast<std::size_t>(settings.service_count())) {
    live.assign(static_cast<std::size_t>(settings.service_count()), 0);
    for (const auto& other : sidecars_)
      if (other->is_running()) ++live[static_cast<std::size_t>(other->instance.service)];
    counted_at = now();
  }
  return std::all_of(sidecar.instance.calls.begin(), sidecar.instance.calls.end(), [&](int service) {
    return sidecar.endpoints_of(service) == live[static_cast<std::size_t>(service)];
  });
}

void Fleet::watch(Watch what, const std::vector<std::shared_ptr<Sidecar>>& expected) {
  for (const auto& sidecar : sidecars_) sidecar->is_met = true;
  for (const auto& sidecar : expected) sidecar->is_met = false;
  watch_ = std::move(what);
  missing_ = expected.size();
  met_.clear();
}

std::vector<double> Fleet::take_latencies(SteadyTime since) {
  std::vector<double> out;
  for (const SteadyTime met : met_)
    out.push_back(std::max(0.0, std::chrono::duration<double, std::milli>(met - since).count()));
  watch_.reset();
  met_.clear();
  return out;
}

bool Fleet::is_watched(const Sidecar& sidecar, const HeardResponse& response) const {
  if (!watch_ || sidecar.is_met || response.type != watch_->type) return false;
  return std::any_of(response.resources.begin(), response.resources.end(), [&](const HeardResource& heard) {
    if (!watch_->resource.empty() && heard.name != watch_->resource) return false;
    return heard.body.contains(watch_->needle) == watch_->is_wanted;
  });
}

void Fleet::on_met(Sidecar& sidecar) {
  sidecar.is_met = true;
  if (missing_ > 0) --missing_;
  met_.push_back(now());
}

}  // namespace mesh::load
