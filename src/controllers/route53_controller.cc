#include "controllers/route53_controller.h"

#include <atomic>
#include <condition_variable>

#include "base/log.h"

namespace mesh {
namespace {

constexpr std::size_t kWritesAtOnce = 200;
constexpr Duration kRetry = std::chrono::milliseconds(500);
constexpr Duration kGather = std::chrono::milliseconds(20);  // services come in swarms: one batch for all of them

void pause(std::stop_token stop, Duration time) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
}

}  // namespace

Route53Controller::Route53Controller(Route53NamesSettings names, Route53PublisherSettings publisher, Needs needs)
    : needs_(std::move(needs)),
      names_(std::move(names)),
      publisher_(std::move(publisher),
                 {needs_.api, needs_.clock, needs_.leads, needs_.term,
                  [events = events_](Route53Publisher::States states) { events->put(std::move(states)); }}) {}

Route53Controller::~Route53Controller() { stop(); }

void Route53Controller::start() {
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
  feed_ = std::jthread([this](std::stop_token stop) { follow(std::move(stop)); });
  publisher_.start();
}

void Route53Controller::stop() {
  feed_.request_stop();
  thread_.request_stop();
  events_->close();
  if (feed_.joinable()) feed_.join();
  if (thread_.joinable()) thread_.join();
  publisher_.stop();
}

void Route53Controller::follow(std::stop_token stop) {
  Revision after = 0;
  while (!stop.stop_requested()) {
    Result<ChangeBatch> batch = needs_.store.wait_for_changes(after, stop);
    if (!batch) {
      MESH_LOG_WARN("controllers", "names for Route 53 wait for the store: {}", batch.error().message());
      pause(stop, std::chrono::seconds(1));
      continue;
    }
    if (stop.stop_requested()) return;
    after = batch->upto;
    events_->put(*std::move(batch));
  }
}

void Route53Controller::run(std::stop_token stop) {
  bool is_all_written = true;
  while (!stop.stop_requested() && !events_->is_closed()) {
    std::vector<Event> events =
        is_all_written ? events_->take_all(stop) : events_->take_all_until(stop, needs_.clock.steady() + kRetry);
    for (Event& event : events) {
      if (auto* batch = std::get_if<ChangeBatch>(&event)) take(std::move(*batch));
      if (auto* states = std::get_if<Route53Publisher::States>(&event)) names_.on_states(*states);
      if (auto* released = std::get_if<Released>(&event)) names_.release(released->names);
    }
    if (auto wanted = names_.take_wanted()) publisher_.want(std::move(*wanted));
    const bool leads = needs_.leads();
    if (led_ && !leads) names_.forget_states();
    led_ = leads;
    is_all_written = !leads || write_statuses();
    if (!events.empty()) events_->gather_until(stop, needs_.clock.steady() + kGather);
  }
}

void Route53Controller::take(ChangeBatch batch) {
  Route53Names::News news = names_.on_batch(batch);
  if (news.names.empty()) return;
  if (news.meshes.empty()) return names_.release(news.names);
  // Released with the last mesh.
  auto left = std::make_shared<std::atomic<std::size_t>>(news.meshes.size());
  auto names = std::make_shared<std::vector<Route53Names::NameKey>>(std::move(news.names));
  for (const std::string& mesh : news.meshes) {
    needs_.when_listeners_are_out(mesh, batch.upto, [left, names, events = events_] {
      if (left->fetch_sub(1) == 1) events->put(Released{std::move(*names)});
    });
  }
}

// Many at once; when one of them was changed by somebody else meanwhile, each alone.
bool Route53Controller::write_statuses() {
  std::vector<Write> writes = names_.take_writes(needs_.clock.now());
  bool is_all_written = true;
  for (std::size_t from = 0; from < writes.size(); from += kWritesAtOnce) {
    const auto begin = writes.begin() + static_cast<std::ptrdiff_t>(from);
    const auto end = writes.begin() + static_cast<std::ptrdiff_t>(std::min(from + kWritesAtOnce, writes.size()));
    if (needs_.store.write({begin, end})) continue;
    for (auto at = begin; at != end; ++at) {
      if (needs_.store.write({*at})) continue;
      names_.on_write_failed(at->resource.key);
      is_all_written = false;
    }
  }
  return is_all_written;
}

}  // namespace mesh
