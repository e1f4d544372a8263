#include "controllers/service_names.h"

#include <algorithm>
#include <condition_variable>

#include "base/log.h"

namespace mesh {
namespace {

constexpr std::size_t kWritesAtOnce = 256;
constexpr auto kRetry = std::chrono::milliseconds(500);  // after a write that failed

// Waits, but not when asked to stop.
void pause(std::stop_token stop, Duration time) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, time, [] { return false; });
}

Write to_store(const NamePlanner::Write& planned) {
  Write write;
  write.op = planned.remove ? Write::Op::Delete : Write::Op::Put;
  write.resource = planned.resource;
  write.expect = planned.stored == 0 ? Expect::absent() : Expect::at(planned.stored);
  return write;
}

}  // namespace

ServiceNames::ServiceNames(NamingSettings settings, Store& store, const Clock& clock, std::function<bool()> leads)
    : settings_(std::move(settings)), store_(store), clock_(clock), leads_(std::move(leads)) {}

ServiceNames::~ServiceNames() { stop(); }

void ServiceNames::start() {
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
}

void ServiceNames::stop() {
  events_.close();
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
  feed_.request_stop();
  if (feed_.joinable()) feed_.join();
}

void ServiceNames::on_leader_changed() { events_.put({}); }

NamingFigures ServiceNames::figures() const {
  std::lock_guard lock(figures_mutex_);
  return figures_;
}

void ServiceNames::run(std::stop_token stop) {
  std::optional<SteadyTime> next;
  while (!stop.stop_requested() && !events_.is_closed()) {
    if (leads_() != is_term_) {
      is_term_ ? end_term() : begin_term();
      next.reset();
    }
    std::vector<Event> events = next ? events_.take_all_until(stop, *next) : events_.take_all(stop);
    for (Event& event : events)
      if (event.batch && event.term == term_ && is_term_) fold(*std::move(event.batch));
    if (planner_) next = plan();
  }
}

void ServiceNames::begin_term() {
  is_term_ = true;
  feed_ = std::jthread([this, term = ++term_](std::stop_token stop) { follow(term, std::move(stop)); });
}

void ServiceNames::end_term() {
  is_term_ = false;
  feed_.request_stop();
  if (feed_.joinable()) feed_.join();
  planner_.reset();
  std::lock_guard lock(figures_mutex_);
  figures_.ranges.clear();
}

void ServiceNames::follow(int term, std::stop_token stop) {
  Revision after = 0;
  while (!stop.stop_requested()) {
    Result<ChangeBatch> batch = store_.wait_for_changes(after, stop);
    if (!batch) {
      MESH_LOG_WARN("controllers", "names and addresses wait for the store: {}", batch.error().message());
      pause(stop, std::chrono::seconds(1));
      continue;
    }
    if (stop.stop_requested()) return;
    after = batch->upto;
    events_.put({term, *std::move(batch)});
  }
}

void ServiceNames::fold(ChangeBatch batch) {
  if (!planner_ || batch.from_start) planner_ = std::make_unique<NamePlanner>(settings_);
  for (const Change& change : batch.changes) {
    if (change.op == Change::Op::Put)
      planner_->on_put(change.resource);
    else
      planner_->on_delete(change.resource.key);
  }
}

std::optional<SteadyTime> ServiceNames::plan() {
  const SystemTime now = clock_.now();
  NamePlanner::Plan plan = planner_->plan(now);
  bool all_written = true;
  for (std::size_t from = 0; from < plan.writes.size(); from += kWritesAtOnce) {
    const auto begin = plan.writes.begin() + static_cast<std::ptrdiff_t>(from);
    const auto end =
        plan.writes.begin() + static_cast<std::ptrdiff_t>(std::min(from + kWritesAtOnce, plan.writes.size()));
    all_written = write({std::move_iterator(begin), std::move_iterator(end)}) && all_written;
  }
  publish_figures();
  if (!all_written) return clock_.steady() + kRetry;
  if (!plan.next) return std::nullopt;
  return clock_.steady() + std::chrono::duration_cast<SteadyTime::duration>(*plan.next - now);
}

bool ServiceNames::write(std::vector<NamePlanner::Write> writes) {
  std::vector<Write> transaction;
  for (const NamePlanner::Write& each : writes) transaction.push_back(to_store(each));
  const Result<Revision> written = store_.write(std::move(transaction));
  {
    std::lock_guard lock(figures_mutex_);
    if (written)
      figures_.writes += writes.size();
    else
      ++figures_.failures;
  }
  if (written) return true;
  // Of many one may be in the way, such as a resource that somebody just changed: the others go without it.
  if (writes.size() > 1 && written.error().kind != ErrorKind::Unavailable && leads_())
    return write_one_by_one(std::move(writes));
  const bool is_usual = written.error().kind == ErrorKind::Conflict || written.error().kind == ErrorKind::NotFound;
  MESH_LOG("controllers", is_usual ? log::Level::Debug : log::Level::Warn,
           "{} was not written, and will be tried again: {}", writes.front().resource.key.to_string(),
           written.error().message());
  for (const NamePlanner::Write& each : writes) planner_->on_write_failed(each);
  return false;
}

bool ServiceNames::write_one_by_one(std::vector<NamePlanner::Write> writes) {
  bool all_written = true;
  for (NamePlanner::Write& each : writes) {
    std::vector<NamePlanner::Write> one;
    one.push_back(std::move(each));
    all_written = write(std::move(one)) && all_written;
  }
  return all_written;
}

void ServiceNames::publish_figures() {
  std::vector<NamingFigures::Range> ranges;
  const auto add = [&](const char* name, const char* owner) {
    const AddressPool& pool = planner_->ledger().pool_for(owner);
    ranges.push_back({name, pool.range().size(), pool.held(), pool.kept_back()});
  };
  add("service", "service/");
  add("meshService", "msvc/");
  add("meshExternalService", "extsvc/");
  add("meshMultiZoneService", "mzsvc/");
  std::lock_guard lock(figures_mutex_);
  figures_.ranges = std::move(ranges);
}

}  // namespace mesh
