#include "insight/insight_writer.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "model/proxy.h"

namespace mesh {
namespace {

constexpr Duration kGather = std::chrono::milliseconds(10);

Write write_of(const ProxyId& proxy, InsightBook::Row row, SystemTime now) {
  Write out;
  out.resource.key = insight_key(proxy);
  out.resource.created = out.resource.modified = now;
  out.resource.spec = AnySpec::sharing(std::move(row));
  out.owner = proxy_key(proxy);
  return out;
}

constexpr std::size_t kMostAtOnce = 200;

constexpr std::size_t index_of(Urgency urgency) { return static_cast<std::size_t>(urgency); }

SteadyTime after(SteadyTime from, Duration time) {
  return from + std::chrono::duration_cast<SteadyTime::duration>(time);
}

}  // namespace

InsightWriter::InsightWriter(InsightWriterSettings settings, Store& store, const Clock& clock)
    : settings_(std::move(settings)), store_(store), clock_(clock), book_(settings_.book) {
  last_written_.fill(after(clock.steady(), -settings_.later));
}

InsightWriter::~InsightWriter() {
  events_.close();
  if (thread_.joinable()) thread_.join();
  flush();
}

Result<std::vector<ProxyId>> InsightWriter::load() {
  std::vector<ProxyId> live;
  for (const ProxyRole type : kProxyRoles) {
    MESH_TRY(Page rows, store_.list({.kind = &insight_kind(type)}));
    for (const Resource& resource : rows.items) {
      const ProxyId proxy{resource.key.mesh, resource.key.name, type};
      InsightBook::Row row = resource.spec.share<DataplaneInsight>();
      if (row == nullptr) continue;
      if (row->is_online() && row->live) live.push_back(proxy);
      book_.load(proxy, std::move(row));
    }
  }
  close_leftovers_at_ = after(clock_.steady(), settings_.leftovers);
  return live;
}

void InsightWriter::tell(Event event) { events_.put(std::move(event)); }

void InsightWriter::start() {
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
}

void InsightWriter::run(std::stop_token stop) {
  std::optional<SteadyTime> next = step();
  while (!stop.stop_requested() && !events_.is_closed()) {
    std::vector<Event> events = next ? events_.take_all_until(stop, *next) : events_.take_all(stop);
    const bool is_busy = !events.empty();
    next = take(std::move(events));
    // Each push tells of itself: this thread need not wake up for each.
    if (is_busy) events_.gather_until(stop, after(clock_.steady(), kGather));
  }
}

std::optional<SteadyTime> InsightWriter::step() { return take(events_.take_now()); }

std::optional<SteadyTime> InsightWriter::take(std::vector<Event> events) {
  const SystemTime now = clock_.now();
  const SteadyTime steady = clock_.steady();
  for (Event& event : events) event(book_, now);
  if (close_leftovers_at_ && *close_leftovers_at_ <= steady) {
    if (settings_.leads()) book_.close_leftovers(now, settings_.others());
    close_leftovers_at_ = after(steady, settings_.leftovers);
  }
  std::optional<SteadyTime> next = close_leftovers_at_;
  for (const Urgency urgency : {Urgency::Later, Urgency::Soon, Urgency::AtOnce}) {
    if (!book_.waits(urgency) || due(urgency) > steady) continue;
    for (const Urgency written : {Urgency::Later, Urgency::Soon, Urgency::AtOnce})
      if (written >= urgency) last_written_[index_of(written)] = steady;
    write(book_.take_changed(urgency));
    break;
  }
  for (const Urgency urgency : {Urgency::Later, Urgency::Soon, Urgency::AtOnce})  // not yet due, or it could not
    if (book_.waits(urgency)) next = std::min(next.value_or(due(urgency)), due(urgency));
  return next;
}

SteadyTime InsightWriter::due(Urgency urgency) const { return after(last_written_[index_of(urgency)], pause(urgency)); }

Duration InsightWriter::pause(Urgency urgency) const {
  if (is_failing_) return std::max(settings_.soon, settings_.at_once);
  switch (urgency) {
    case Urgency::AtOnce: return settings_.at_once;
    case Urgency::Soon: return settings_.soon;
    default: return settings_.later;
  }
}

void InsightWriter::flush() {
  for (Event& event : events_.take_now()) event(book_, clock_.now());
  write(book_.take_changed());
}

void InsightWriter::write(InsightBook::Rows rows) {
  if (rows.empty()) return;
  while (rows.size() > kMostAtOnce) {  // others write as well, and wait for no more than that
    InsightBook::Rows some;
    while (some.size() < kMostAtOnce) some.insert(rows.extract(rows.begin()));
    write(std::move(some));
  }
  const SystemTime now = clock_.now();
  std::vector<Write> batch;
  for (const auto& [proxy, row] : rows) batch.push_back(write_of(proxy, row, now));
  Result<Revision> all = store_.write(std::move(batch));
  if (!all && all.error().kind == ErrorKind::Unavailable) {
    if (!std::exchange(is_failing_, true))
      MESH_LOG_WARN("insight", "what proxies report cannot be written and is kept until it can: {}",
                    all.error().message());
    return book_.put_back(rows);
  }
  if (std::exchange(is_failing_, false)) MESH_LOG_INFO("insight", "what proxies report is written again");
  if (all) return;
  // One Dataplane that was deleted meanwhile must not cost the others their rows.
  for (const auto& [proxy, row] : rows) {
    const Result<Revision> written = store_.write({write_of(proxy, row, now)});
    if (written) continue;
    if (written.error().kind == ErrorKind::Invalid || written.error().kind == ErrorKind::NotFound)
      book_.forget(proxy);
    else
      MESH_LOG_WARN("insight", "the row of proxy {} was not written: {}", proxy.node_id(), written.error().message());
  }
}

}  // namespace mesh
