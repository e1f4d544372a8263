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

// Instances have names like "instance/8a5a1c2e". Those that are long gone are nobody's any more.
const std::string kInstance = "instance/";
const std::string kLookRound =
    "WITH gone AS (DELETE FROM taskmesh.leases WHERE starts_with(name, $1) AND expires < clock_timestamp() - interval "
    "'1 hour') SELECT holder FROM taskmesh.leases WHERE starts_with(name, $1) AND expires >= clock_timestamp() AND "
    "holder <> $2";

std::string milliseconds(std::chrono::milliseconds time) { return std::to_string(time.count()) + " milliseconds"; }

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

PostgresLeadership::PostgresLeadership(Settings settings, PostgresStore& store, std::function<void()> changed)
    : settings_(std::move(settings)),
      store_(store),
      changed_(std::move(changed)),
      fenced_(std::make_unique<FencedStore>(*this)) {}

PostgresLeadership::~PostgresLeadership() { stop(); }

void PostgresLeadership::pause() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void PostgresLeadership::step_down() {
  const bool was_running = thread_.joinable();
  pause();  // or it might take back what is given back here
  if (!std::exchange(stepped_down_, true)) {
    leads_until_ = 0;
    give_back(settings_.lease);
  }
  if (was_running) start();
}

void PostgresLeadership::stop() {
  step_down();
  pause();
  if (!std::exchange(stopped_, true)) give_back(kInstance + settings_.holder);
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

std::set<std::string> PostgresLeadership::others() const {
  std::lock_guard lock(others_mutex_);
  return others_;
}

bool PostgresLeadership::try_once() {
  const bool lead_changed = !stepped_down_ && take_lead(real_clock().steady());
  const bool others_changed = look_round();
  if ((lead_changed || others_changed) && changed_) changed_();
  return is_leader();
}

bool PostgresLeadership::take_lead(SteadyTime asked) {
  // By our clock it ends before it does by the database's: the request takes time.
  const Result<PostgresRows> rows = store_.pool().with([&](PostgresConnection& connection) {
    return connection.ask(kTake, {settings_.lease, settings_.holder, milliseconds(settings_.holds)});
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
  if (leads == led_) return false;
  led_ = leads;
  MESH_LOG_INFO("store", "{} (lease \"{}\", token {})", leads ? "leads now" : "leads no more", settings_.lease,
                token_.load());
  return true;
}

// What cannot be asked stays as it was: who is cut off from the database knows nothing of the others.
bool PostgresLeadership::look_round() {
  const Result<PostgresRows> rows = store_.pool().with([&](PostgresConnection& connection) -> Result<PostgresRows> {
    MESH_RETURN_IF_ERROR(
        connection.ask(kTake, {kInstance + settings_.holder, settings_.holder, milliseconds(settings_.holds)}));
    return connection.ask(kLookRound, {kInstance, settings_.holder});
  });
  if (!rows.has_value()) return false;
  std::set<std::string> found;
  for (int row = 0; row < rows->count(); ++row) found.emplace(rows->text(row, 0));
  std::lock_guard lock(others_mutex_);
  if (found == others_) return false;
  MESH_LOG_INFO("store", "{} other control planes share this database (were {})", found.size(), others_.size());
  others_ = std::move(found);
  return true;
}

void PostgresLeadership::give_back(const std::string& lease) {
  (void)store_.pool().with(
      [&](PostgresConnection& connection) { return connection.ask(kGiveBack, {lease, settings_.holder}); });
}

}  // namespace mesh
