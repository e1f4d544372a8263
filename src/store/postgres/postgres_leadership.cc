#include "store/postgres/postgres_leadership.h"

#include "base/log.h"

namespace mesh {
namespace {

const std::string kTake =
    "INSERT INTO taskmesh.leases AS l (name, holder, token, expires) "
    "VALUES ($1, $2, 1, clock_timestamp() + $3::text::interval) ON CONFLICT (name) DO UPDATE SET holder = "
    "excluded.holder, token = l.token + CASE WHEN l.holder = excluded.holder THEN 0 ELSE 1 END, expires = "
    "excluded.expires WHERE l.holder = excluded.holder OR l.expires < clock_timestamp() RETURNING token";

const std::string kGiveBack =
    "UPDATE taskmesh.leases SET expires = clock_timestamp() - interval '1 second' WHERE name = $1 AND holder = $2";

}  // namespace

class PostgresLeadership::FencedStore final : public Store {
 public:
  explicit FencedStore(PostgresLeadership& leadership) : leadership_(leadership), store_(leadership.store_) {}
  Result<Revision> write(std::vector<Write> writes) override {
    return store_.write_fenced(std::move(writes), leadership_.fence());
  }
  Result<Resource> get(const ResourceKey& key) const override { return store_.get(key); }
  Result<Page> list(const Query& query) const override { return store_.list(query); }
  Result<ChangeBatch> wait_for_changes(Revision after, std::stop_token stop) override {
    return store_.wait_for_changes(after, std::move(stop));
  }
  std::string id() const override { return store_.id(); }

 private:
  PostgresLeadership& leadership_;
  PostgresStore& store_;
};

PostgresLeadership::PostgresLeadership(Settings settings, PostgresStore& store, std::function<void(bool)> changed)
    : settings_(std::move(settings)),
      store_(store),
      changed_(std::move(changed)),
      fenced_(std::make_unique<FencedStore>(*this)) {}

PostgresLeadership::~PostgresLeadership() {
  if (thread_.joinable()) {
    thread_.request_stop();
    thread_.join();
  }
  if (is_leader()) give_back();
}

void PostgresLeadership::start() {
  thread_ = std::jthread([this](std::stop_token stop) { run(std::move(stop)); });
}

bool PostgresLeadership::is_leader() const {
  return real_clock().steady().time_since_epoch().count() < leads_until_.load();
}

Store& PostgresLeadership::store() { return *fenced_; }
Fence PostgresLeadership::fence() const { return {settings_.lease, settings_.holder, token_.load()}; }

void PostgresLeadership::run(std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any pause;
  while (!stop.stop_requested()) {
    (void)try_once();
    std::unique_lock lock(mutex);
    pause.wait_for(lock, stop, settings_.renew, [] { return false; });
  }
}

bool PostgresLeadership::try_once() {
  // By our clock it ends before it does by the database's: the request takes time.
  const SteadyTime asked = real_clock().steady();
  const Result<PostgresRows> rows = store_.pool().with([&](PostgresConnection& connection) {
    return connection.ask(kTake, {settings_.lease, settings_.holder,
                                  std::to_string(settings_.holds.count()) + " milliseconds"});
  });
  if (!rows.has_value() && !said_away_)
    MESH_LOG_WARN("store", "the leader's lease cannot be asked for: {}", rows.error().message());
  said_away_ = !rows.has_value();
  if (rows.has_value() && rows->count() == 1) {
    token_ = static_cast<std::uint64_t>(rows->number(0, 0));
    leads_until_ = (asked + settings_.holds).time_since_epoch().count();
  } else if (rows.has_value()) {
    leads_until_ = 0;
  }
  const bool leads = is_leader();
  if (leads != led_) {
    MESH_LOG_INFO("store", "{} (lease \"{}\", token {})", leads ? "leads now" : "leads no more", settings_.lease,
                  token_.load());
    if (changed_) changed_(leads);
  }
  led_ = leads;
  return leads;
}

void PostgresLeadership::give_back() {
  leads_until_ = 0;
  (void)store_.pool().with([&](PostgresConnection& connection) {
    return connection.ask(kGiveBack, {settings_.lease, settings_.holder});
  });
}

}  // namespace mesh
