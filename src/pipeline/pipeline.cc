#include "pipeline/pipeline.h"

#include <boost/json/object.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/mailbox.h"
#include "pipeline/traits.h"

namespace mesh {
namespace {

using WriterEvent = std::move_only_function<void(Writer&)>;

constexpr std::chrono::milliseconds kLongTurn{1}, kLongestGather{20};
constexpr std::chrono::microseconds kShortWait{200}, kShortGather{1000};

DiscoveryKind kind_of(XdsType type) {
  switch (type) {
    case XdsType::Cluster: return DiscoveryKind::Cluster;
    case XdsType::Endpoint: return DiscoveryKind::Endpoint;
    case XdsType::Listener: return DiscoveryKind::Listener;
    case XdsType::Route: return DiscoveryKind::Route;
    case XdsType::Secret: return DiscoveryKind::Secret;
  }
  return DiscoveryKind::Cluster;
}

// Streams, to the writer and to the insight.
class StreamEvents final : public AdsSink {
 public:
  StreamEvents(Mailbox<WriterEvent>& writer, InsightWriter& insights, const Clock& clock)
      : writer_(writer), insights_(insights), clock_(clock) {}

  void on_connected(const StreamInfo& stream) override {
    Connection connection{stream.node.id, stream.node.metadata_json, stream.node.envoy_version,
                          stream.node.envoy_build};
    writer_.put([proxy = stream.node.id, id = stream.stream, traits = traits_of(stream.node.metadata_json),
                 own = registered_itself(stream.node.metadata_json)](Writer& writer) mutable {
      writer.on_connected(proxy, id, std::move(traits), own);
    });
    // The time that it came and not that of its being written down: of two control planes that have it, it counts.
    insights_.tell([connection = std::move(connection), id = stream.stream, now = clock_.now()](
                       InsightBook& book, SystemTime) { book.on_connected(id, connection, now); });
  }
  void on_sent(StreamId stream, XdsType type, const std::string& version) override {
    ++pushes;
    MESH_LOG_DEBUG("pipeline", "stream {}: sent {} {}", stream, type_url(type), version);
    insights_.tell([=](InsightBook& book, SystemTime now) { book.on_sent(stream, kind_of(type), now); });
  }
  void on_acknowledged(StreamId stream, XdsType type, const std::string& version) override {
    MESH_LOG_DEBUG("pipeline", "stream {}: acknowledged {} {}", stream, type_url(type), version);
    insights_.tell([=](InsightBook& book, SystemTime now) { book.on_acknowledged(stream, kind_of(type), now); });
  }
  void on_refused(StreamId stream, XdsType type, const std::string&, const std::string& reason) override {
    ++refusals;
    insights_.tell([=](InsightBook& book, SystemTime now) { book.on_refused(stream, kind_of(type), reason, now); });
  }
  void on_holds(StreamId stream, XdsType type, std::uint64_t number) override {
    MESH_LOG_DEBUG("pipeline", "stream {}: holds {} of offer {}", stream, type_url(type), number);
    writer_.put([=](Writer& writer) { writer.on_holds(stream, type, number); });
  }
  void on_disconnected(StreamId stream) override {
    writer_.put([=](Writer& writer) { writer.on_disconnected(stream); });
    insights_.tell([=](InsightBook& book, SystemTime now) { book.on_disconnected(stream, now); });
  }

  std::atomic<std::uint64_t> pushes{0}, refusals{0};

 private:
  Mailbox<WriterEvent>& writer_;
  InsightWriter& insights_;
  const Clock& clock_;
};

class ReporterEvents final : public LivenessSink {
 public:
  explicit ReporterEvents(Mailbox<WriterEvent>& writer) : writer_(writer) {}

  void on_reporter_connected(const ProxyId& proxy, std::uint64_t session, LivenessSource source) override {
    writer_.put([=](Writer& writer) { writer.on_reporter_connected(proxy, session, source); });
  }
  void on_reporter_disconnected(const ProxyId& proxy, std::uint64_t session, LivenessSource source) override {
    writer_.put([=](Writer& writer) { writer.on_reporter_disconnected(proxy, session, source); });
  }
  void on_readiness(const ProxyId& proxy, std::uint64_t session, const ReadinessReport& report) override {
    writer_.put([=](Writer& writer) { writer.on_readiness(proxy, session, report); });
  }
  void on_leaving(const ProxyId& proxy, std::uint64_t, std::move_only_function<void()> withdrawn) override {
    writer_.put([proxy, withdrawn = std::move(withdrawn)](Writer& writer) mutable {
      writer.on_leaving(proxy, std::move(withdrawn));
    });
  }

 private:
  Mailbox<WriterEvent>& writer_;
};

}  // namespace

struct Pipeline::State {
  State(PipelineSettings given_settings, PipelineNeeds given_needs)
      : settings(given_settings),
        needs(std::move(given_needs)),
        stream_events(events, needs.insights, needs.clock),
        reporter_events(events),
        certificates(needs.secrets, needs.clock),
        builders(
            needs.builder, certificates, published,
            [this](StreamId stream, Offer offer) { outputs.offer(stream, std::move(offer)); },
            [this](BuildReport report) {
              events.put([report = std::move(report)](Writer& target) { target.on_built(report); });
            }),
        writer(settings.writer, needs.clock, certificates, builders, published, needs.selects, writer_outputs()) {}

  WriterOutputs writer_outputs() {
    WriterOutputs out;
    out.live = [this](const ProxyId& proxy, bool live) {
      needs.insights.tell([=](InsightBook& book, SystemTime) { book.on_live(proxy, live); });
      needs.cleanup.tell([=](OfflineProxies& proxies, SteadyTime now) { proxies.on_live(proxy, live, now); });
    };
    out.certificate = [this](const ProxyId& proxy, const ProxyCertificate& certificate) {
      needs.insights.tell([=](InsightBook& book, SystemTime) {
        book.on_certificate(proxy, certificate.issued, certificate.expires, certificate.backend,
                            certificate.supported_backends);
      });
    };
    out.dataplane_changed = [this](const ProxyId& proxy) {
      if (outputs.dataplane_changed) outputs.dataplane_changed(proxy);
    };
    out.online = [this](const ProxyId& proxy, bool registered_itself) {
      needs.cleanup.tell([=](OfflineProxies& proxies, SteadyTime) { proxies.on_connected(proxy, registered_itself); });
    };
    out.offline = [this](const ProxyId& proxy) {
      needs.cleanup.tell([=](OfflineProxies& proxies, SteadyTime now) { proxies.on_disconnected(proxy, now); });
    };
    out.leaving = [this](const ProxyId& proxy) {
      needs.cleanup.tell([=](OfflineProxies& proxies, SteadyTime) { proxies.on_leaving(proxy); });
    };
    out.stored = [this](const ProxyId& proxy, std::shared_ptr<const DataplaneInsight> row, Whose whose) {
      const boost::json::object* metadata = row->metadata.if_object();
      const bool is_elsewhere = whose == Whose::AnothersThatIsAlive && row->is_online();
      const OfflineProxies::Elsewhere there{
          .is_ours = whose == Whose::Ours,
          .connected_to = is_elsewhere ? row->subscriptions.back().control_plane_instance_id : "",
          .leaving = row->manager && row->manager->leaving,
          .registered_itself = metadata != nullptr && metadata->contains("dataplane.resource")};
      needs.cleanup.tell([=](OfflineProxies& proxies, SteadyTime now) { proxies.on_elsewhere(proxy, there, now); });
      needs.insights.tell([=](InsightBook& book, SystemTime) { book.on_stored(proxy, row); });
    };
    out.others = [this](const std::set<std::string>& alive) {
      needs.cleanup.tell([alive](OfflineProxies& proxies, SteadyTime now) { proxies.on_others(alive, now); });
    };
    out.manager = [this](const ProxyId& proxy, std::optional<ManagerWord> word) {
      needs.insights.tell([=](InsightBook& book, SystemTime) { book.on_manager(proxy, word); });
    };
    out.removed = [this](const ProxyId& proxy) {
      needs.cleanup.tell([=](OfflineProxies& proxies, SteadyTime) { proxies.on_removed(proxy); });
      needs.insights.tell([=](InsightBook& book, SystemTime) { book.forget(proxy); });
    };
    return out;
  }

  // Blocks until there is news. False: asked to stop.
  bool feed(std::stop_token stop);
  void run_feed(std::stop_token stop);
  void run_writer(std::stop_token stop);
  std::optional<SteadyTime> take(std::vector<WriterEvent> batch);

  const PipelineSettings settings;
  const PipelineNeeds needs;
  PipelineOutputs outputs;
  Mailbox<WriterEvent> events;
  Published<Snapshot> published;
  StreamEvents stream_events;
  ReporterEvents reporter_events;
  Certificates certificates;
  Builders builders;
  Writer writer;
  Revision seen = 0;
  std::atomic<std::uint64_t> turns{0};
  std::jthread writer_thread, feed_thread;
};

bool Pipeline::State::feed(std::stop_token stop) {
  Result<ChangeBatch> batch = needs.store.wait_for_changes(seen, stop);
  if (!batch) {
    MESH_LOG_ERROR("pipeline", "the store's changes cannot be read: {}", batch.error().message());
    return false;
  }
  if (batch->upto == seen && !batch->from_start) return false;
  seen = batch->upto;
  events.put([batch = *std::move(batch)](Writer& target) { target.on_changes(batch); });
  return true;
}

void Pipeline::State::run_feed(std::stop_token stop) {
  while (!stop.stop_requested()) {
    if (feed(stop) || stop.stop_requested()) continue;
    std::mutex mutex;  // the store is away: ask again in a while, not at once
    std::unique_lock lock(mutex);
    std::condition_variable_any().wait_for(lock, stop, std::chrono::seconds(1), [] { return false; });
  }
}

std::optional<SteadyTime> Pipeline::State::take(std::vector<WriterEvent> batch) {
  for (WriterEvent& event : batch) event(writer);
  ++turns;
  return writer.turn();
}

void Pipeline::State::run_writer(std::stop_token stop) {
  std::optional<SteadyTime> next = take(events.take_now());
  SteadyTime ready = needs.clock.steady();
  while (!stop.stop_requested() && !events.is_closed()) {
    std::vector<WriterEvent> batch = next ? events.take_all_until(stop, *next) : events.take_all(stop);
    const SteadyTime began = needs.clock.steady();
    next = take(std::move(batch));
    // In a large mesh a turn copies large tables: then more is done in each, and this thread is never busy for more
    // than half of the time.
    const SteadyTime ended = needs.clock.steady();
    if (ended - began > kLongTurn)
      events.gather_until(stop, ended + std::min<SteadyTime::duration>(ended - began, kLongestGather));
    else if (began - ready < kShortWait)  // one after the other: waking up for each costs more than the turn
      events.gather_until(stop, ended + kShortGather);
    ready = needs.clock.steady();
  }
}

Pipeline::Pipeline(PipelineSettings settings, PipelineNeeds needs)
    : state_(std::make_unique<State>(settings, std::move(needs))) {}
Pipeline::~Pipeline() { stop(); }

AdsSink& Pipeline::ads_sink() { return state_->stream_events; }
LivenessSink& Pipeline::liveness_sink() { return state_->reporter_events; }
void Pipeline::connect(PipelineOutputs outputs) { state_->outputs = std::move(outputs); }

Status Pipeline::load() {
  MESH_TRY(const std::vector<ProxyId> live, state_->needs.insights.load());
  state_->writer.restore(live);
  std::stop_source look_only;
  look_only.request_stop();
  state_->feed(look_only.get_token());
  state_->take(state_->events.take_now());
  if (!live.empty()) MESH_LOG_INFO("pipeline", "{} proxies were live before this start", live.size());
  return {};
}

void Pipeline::start() {
  State& state = *state_;
  state.builders.start(state.settings.builder_threads);
  state.writer_thread = std::jthread([&state](std::stop_token stop) { state.run_writer(std::move(stop)); });
  state.feed_thread = std::jthread([&state](std::stop_token stop) { state.run_feed(std::move(stop)); });
}

void Pipeline::stop() {
  State& state = *state_;
  state.events.close();
  for (std::jthread* thread : {&state.feed_thread, &state.writer_thread}) {
    if (!thread->joinable()) continue;
    thread->request_stop();
    thread->join();
  }
  state.builders.stop();
}

void Pipeline::on_others(std::set<std::string> alive) {
  state_->events.put([alive = std::move(alive)](Writer& target) mutable { target.on_others(std::move(alive)); });
}

void Pipeline::when_listeners_are_out(const std::string& mesh, Revision upto, Duration limit,
                                      std::move_only_function<void()> done) {
  state_->events.put([wait = ListenerWait{mesh, upto, limit, std::move(done)}](Writer& target) mutable {
    target.on_waiting(std::move(wait));
  });
}

std::optional<SteadyTime> Pipeline::step() {
  State& state = *state_;
  std::stop_source look_only;
  look_only.request_stop();
  std::optional<SteadyTime> next;
  do {
    state.feed(look_only.get_token());
    next = state.take(state.events.take_now());
  } while (state.builders.run_waiting() > 0 || !state.events.is_empty());
  return next;
}

std::shared_ptr<const Snapshot> Pipeline::snapshot() const { return state_->published.get(); }
std::shared_ptr<Proxy> Pipeline::find(const ProxyId& proxy) const { return state_->writer.find(proxy); }

PipelineCounters Pipeline::counters() const {
  return {state_->builders.counters(),
          state_->certificates.made(),
          state_->stream_events.pushes,
          state_->stream_events.refusals,
          state_->turns,
          state_->writer.connected_count()};
}

}  // namespace mesh
