#include "store/postgres/feed.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/log.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;

constexpr Revision kNewLife = Revision{1} << 32;
// How long a notification that never came can hold up what was written.
constexpr std::chrono::milliseconds kLookAnyway{2000};
constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{2000};

Revision revision_at(const PostgresRows& rows, int row, int column) {
  return static_cast<Revision>(rows.number(row, column));
}

Status settle(PostgresConnection& connection) {
  MESH_TRY(const std::vector<PostgresRows> rows,
           connection.run("BEGIN; SELECT epoch, revision FROM taskmesh.store FOR UPDATE"));
  const PostgresRows& row = rows.back();
  Result<Revision> settled = settle_epoch(connection, row.text(0, 0), revision_at(row, 0, 1));
  if (!settled.has_value()) {
    (void)connection.run("ROLLBACK");
    return std::move(settled).error();
  }
  MESH_RETURN_IF_ERROR(connection.run(fmt::format("SELECT pg_notify('{}', '{}'); COMMIT", kChangesChannel, *settled)));
  return {};
}

// Puts two lists in the order of their revisions.
void merge_by_revision(std::vector<Change>& changes, std::size_t middle) {
  std::inplace_merge(changes.begin(), changes.begin() + static_cast<std::ptrdiff_t>(middle), changes.end(),
                     [](const Change& a, const Change& b) { return a.resource.revision < b.resource.revision; });
}

// A file descriptor that becomes readable when asked to stop.
class StopEvent {
 public:
  explicit StopEvent(const std::stop_token& stop) : file_(::eventfd(0, EFD_CLOEXEC)), callback_(stop, Write{file_}) {}
  ~StopEvent() { ::close(file_); }
  StopEvent(const StopEvent&) = delete;
  StopEvent& operator=(const StopEvent&) = delete;
  int file() const { return file_; }

 private:
  struct Write {
    int file;
    void operator()() const {
      const std::uint64_t one = 1;
      (void)!::write(file, &one, sizeof one);
    }
  };
  int file_;
  std::stop_callback<Write> callback_;
};

}  // namespace

Result<Revision> settle_epoch(PostgresConnection& connection, std::string_view given_epoch, Revision given_revision) {
  if (given_epoch == connection.epoch()) return given_revision;
  const bool first = given_epoch.empty();
  const Revision revision = first ? given_revision : given_revision + kNewLife;
  MESH_RETURN_IF_ERROR(
      connection.ask("UPDATE taskmesh.store SET epoch = $1, revision = $2::bigint, "
                     "forgotten = greatest(forgotten, $3::bigint)",
                     {connection.epoch(), std::to_string(revision), first ? "0" : std::to_string(revision)}));
  if (!first)
    MESH_LOG_WARN("store", "the database has begun a new life (was {}, is {}): everything is read again", given_epoch,
                  connection.epoch());
  return revision;
}

PostgresFeed::PostgresFeed(PostgresPool& pool, const KindRegistry& registry) : pool_(pool), registry_(registry) {}
PostgresFeed::~PostgresFeed() = default;

void PostgresFeed::start() {
  listener_ = std::jthread([this](std::stop_token stop) { listen(std::move(stop)); });
}

void PostgresFeed::note(Revision committed) {
  {
    std::lock_guard lock(mutex_);
    if (committed <= committed_) return;
    committed_ = committed;
  }
  changed_.notify_all();
}

void PostgresFeed::set_listening(bool listening) {
  {
    std::lock_guard lock(mutex_);
    listening_ = listening;
  }
  if (listening) changed_.notify_all();
}

// ---- readers

Result<ChangeBatch> PostgresFeed::wait_for_changes(Revision after, std::stop_token stop) {
  bool knows_nothing_newer = false;
  {
    std::lock_guard lock(mutex_);
    knows_nothing_newer = listening_ && after != 0 && committed_ == after && !stop.stop_requested();
  }
  Revision seen = after;  // when it is different again, there is something to look at
  bool away = false;
  for (;; knows_nothing_newer = false) {
    if (!knows_nothing_newer) {
      Result<Look> found = look(after);
      if (!found.has_value() && found.error().kind != ErrorKind::Unavailable) return std::move(found).error();
      if (!found.has_value() && !away)
        MESH_LOG_WARN("store", "changes cannot be read for now, and will be when it is back: {}",
                      found.error().message());
      if (away && found.has_value()) MESH_LOG_INFO("store", "changes can be read again");
      away = !found.has_value();
      if (found.has_value()) {
        if (found->batch.upto != after && !(after == 0 && found->is_empty)) return std::move(found->batch);
        seen = found->batch.upto;
      }
    }
    if (stop.stop_requested()) return ChangeBatch{.upto = after, .from_start = false, .changes = {}};
    std::unique_lock lock(mutex_);
    if (away)
      changed_.wait_for(lock, stop, kLookAnyway, [&, was = listening_] { return listening_ && !was; });
    else
      changed_.wait(lock, stop, [&] { return committed_ > seen; });
  }
}

Result<PostgresFeed::Look> PostgresFeed::look(Revision after) {
  return pool_.with([&](PostgresConnection& connection) { return look(connection, after); });
}

Result<PostgresFeed::Look> PostgresFeed::look(PostgresConnection& connection, Revision after) {
  MESH_TRY(Look found, read(connection, after));
  if (!found.batch.from_start || after == 0) return found;
  return read(connection, 0);
}

Result<PostgresFeed::Look> PostgresFeed::read(PostgresConnection& connection, Revision after) {
  // One snapshot, in one journey.
  const std::string script = fmt::format(
      "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
      "SELECT revision, forgotten, epoch FROM taskmesh.store;"
      "SELECT {0} FROM taskmesh.resources r WHERE {1} AND r.revision > {2} ORDER BY r.revision;"
      "SELECT revision, kind, mesh, name FROM taskmesh.deletions WHERE {1} AND revision > {2} AND {2} > 0 "
      "ORDER BY revision;"
      "COMMIT",
      kResourceColumns,
      // Who is too far behind gets nothing here, and everything with the next question.
      fmt::format("(SELECT {0} = 0 OR ({0} >= forgotten AND {0} <= revision) FROM taskmesh.store)", after), after);
  MESH_TRY(const std::vector<PostgresRows> results, connection.run(script));
  const PostgresRows &store = results[1], &rows = results[2], &deletions = results[3];
  if (store.text(0, 2) != connection.epoch()) {
    MESH_RETURN_IF_ERROR(settle(connection));
    return read(connection, after);
  }
  Look out;
  out.batch.upto = revision_at(store, 0, 0);
  out.batch.from_start = after == 0 || after < revision_at(store, 0, 1) || after > out.batch.upto;
  out.is_empty = rows.count() == 0;
  note(out.batch.upto);
  std::vector<Change>& changes = out.batch.changes;
  changes.reserve(static_cast<std::size_t>(rows.count() + deletions.count()));
  for (int row = 0; row < rows.count(); ++row) {
    Result<Resource> resource = read_resource(rows, row, registry_);
    if (resource.has_value())
      changes.push_back({Change::Op::Put, *std::move(resource)});
    else
      MESH_LOG_ERROR("store", "{} \"{}\" in mesh \"{}\" is left out: {}", rows.text(row, 0), rows.text(row, 2),
                     rows.text(row, 1), resource.error().message());
  }
  const std::size_t middle = changes.size();
  for (int row = 0; row < deletions.count(); ++row) {
    const Kind* kind = registry_.find_by_name(deletions.text(row, 1));
    if (kind == nullptr) continue;
    Change& change = changes.emplace_back();
    change.op = Change::Op::Delete;
    change.resource.key = {kind, std::string(deletions.text(row, 2)), std::string(deletions.text(row, 3))};
    change.resource.revision = revision_at(deletions, row, 0);
  }
  merge_by_revision(changes, middle);
  return out;
}

// ---- the listener

void PostgresFeed::listen(std::stop_token stop) {
  const StopEvent wake(stop);
  std::chrono::milliseconds pause = kFirstPause;
  bool said = false;
  while (!stop.stop_requested()) {
    const SteadyTime began = real_clock().steady();
    const Status ended = listen_once(stop, wake.file());
    set_listening(false);
    if (stop.stop_requested()) return;
    if (real_clock().steady() - began > 10s) {
      pause = kFirstPause;
      said = false;
    }
    if (!said)
      MESH_LOG_WARN("store", "not told of changes for now; tries again: {}",
                    ended.has_value() ? "the connection ended" : ended.error().message());
    said = true;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, stop, pause, [] { return false; });
    pause = std::min(pause * 2, kLongestPause);
  }
}

Status PostgresFeed::listen_once(std::stop_token stop, int wake) {
  MESH_TRY(const std::unique_ptr<PostgresConnection> connection, PostgresConnection::open(pool_.server()));
  MESH_RETURN_IF_ERROR(connection->run(fmt::format("LISTEN {}", kChangesChannel)));
  const auto look_anyway = [&]() -> Status {
    MESH_TRY(const PostgresRows row, connection->ask("SELECT revision, epoch FROM taskmesh.store"));
    if (row.text(0, 1) != connection->epoch()) return settle(*connection);
    note(revision_at(row, 0, 0));
    return {};
  };
  MESH_RETURN_IF_ERROR(look_anyway());
  set_listening(true);
  while (!stop.stop_requested()) {
    MESH_TRY(const std::vector<std::string> payloads, connection->wait_for_notifications(wake, kLookAnyway));
    for (const std::string& payload : payloads) {
      Revision revision = 0;
      std::from_chars(payload.data(), payload.data() + payload.size(), revision);
      note(revision);
    }
    if (payloads.empty() && !stop.stop_requested()) {
      MESH_RETURN_IF_ERROR(look_anyway());
      (void)pool_.look_after();
    }
  }
  return {};
}

}  // namespace mesh
