#include "store/postgres/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/log.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kLargestGroup = 2000;
constexpr int kAttempts = 4;
constexpr auto kAskWhatBecameOfIt = 10s;

const std::string kLoad =
    "WITH RECURSIVE wanted AS (SELECT * FROM json_to_recordset($1::json) "
    "AS w(kind text, mesh text, name text, with_owned boolean)),"
    "tree AS (SELECT r.kind, r.mesh, r.name, r.revision, r.created, r.owner_kind, r.owner_mesh, r.owner_name, "
    "w.with_owned FROM taskmesh.resources r JOIN wanted w USING (kind, mesh, name) "
    "UNION SELECT r.kind, r.mesh, r.name, r.revision, r.created, r.owner_kind, r.owner_mesh, r.owner_name, true "
    "FROM taskmesh.resources r JOIN tree t ON t.with_owned AND r.owner_kind = t.kind AND r.owner_mesh = t.mesh "
    "AND r.owner_name = t.name) SELECT " +
    std::string(kOutlineColumns) + " FROM tree";

const std::string kPut =
    "INSERT INTO taskmesh.resources (kind, mesh, name, revision, created, modified, labels, owner_kind, owner_mesh, "
    "owner_name, spec, status) SELECT kind, mesh, name, revision, created, modified, labels, owner_kind, owner_mesh, "
    "owner_name, spec, status FROM json_to_recordset($1::json) AS w(kind text, mesh text, name text, revision bigint, "
    "created bigint, modified bigint, labels jsonb, owner_kind text, owner_mesh text, owner_name text, spec json, "
    "status json) ON CONFLICT (kind, mesh, name) DO UPDATE SET revision = excluded.revision, created = "
    "excluded.created, modified = excluded.modified, labels = excluded.labels, owner_kind = excluded.owner_kind, "
    "owner_mesh = excluded.owner_mesh, owner_name = excluded.owner_name, spec = excluded.spec, status = "
    "excluded.status";

const std::string kErase =
    "WITH gone AS (SELECT * FROM json_to_recordset($1::json) AS w(kind text, mesh text, name text, revision bigint)),"
    "erased AS (DELETE FROM taskmesh.resources r USING gone g WHERE r.kind = g.kind AND r.mesh = g.mesh AND r.name = "
    "g.name) INSERT INTO taskmesh.deletions (revision, kind, mesh, name) SELECT revision, kind, mesh, name FROM gone";

bool has_deletion(const std::vector<Write>& writes) {
  return std::ranges::any_of(writes, [](const Write& write) { return write.op == Write::Op::Delete; });
}

// What the draft must see: the resources, their owners, their meshes; of what may be deleted all that goes with it. An
// update may hang a resource on an owner that the same group deletes, so with a deletion all of them may go.
std::vector<WantedKey> wanted_keys(const std::vector<const std::vector<Write>*>& batches, const Kind* mesh_kind) {
  const bool deletes = std::ranges::any_of(batches, [](const auto* batch) { return has_deletion(*batch); });
  std::map<ResourceKey, bool> wanted;
  for (const std::vector<Write>* batch : batches) {
    for (const Write& write : *batch) {
      const ResourceKey& key = write.resource.key;
      if (key.kind == nullptr) continue;
      wanted[key] |= deletes;
      if (write.owner && write.owner->kind != nullptr) wanted.try_emplace(*write.owner, false);
      if (mesh_kind != nullptr && !key.mesh.empty()) wanted.try_emplace({mesh_kind, "", key.mesh}, false);
    }
  }
  std::vector<WantedKey> out;
  for (auto& [key, with_owned] : wanted) out.push_back({key, with_owned});
  return out;
}

Error lost_the_lead(const Fence& fence) {
  return error(ErrorKind::Conflict, "another control plane leads now (lease \"" + fence.lease + "\")");
}

bool is_worth_a_second_try(const PostgresConnection& connection) {
  return connection.is_broken() || connection.last_state() == "40P01" || connection.last_state() == "40001";
}

}  // namespace

PostgresWriter::PostgresWriter(PostgresPool& pool, RowKinds& kinds, PostgresFeed& feed,
                               std::size_t remembered_deletions)
    : pool_(pool),
      kinds_(kinds),
      feed_(feed),
      remembered_deletions_(remembered_deletions),
      deletions_since_forgetting_(remembered_deletions),
      thread_([this](std::stop_token stop) { run(std::move(stop)); }) {}

PostgresWriter::~PostgresWriter() { requests_.close(); }

Result<Revision> PostgresWriter::write(std::vector<Write> writes, std::optional<Fence> fence) {
  std::promise<Result<Revision>> promise;
  std::future<Result<Revision>> answer = promise.get_future();
  if (!requests_.put({std::move(writes), std::move(fence), std::move(promise)}))
    return error(ErrorKind::Unavailable, "the store is closed");
  return answer.get();
}

void PostgresWriter::run(std::stop_token stop) {
  for (;;) {
    std::vector<Request> waiting = requests_.take_all();
    if (waiting.empty()) return;
    for (std::size_t first = 0; first < waiting.size(); first += kLargestGroup)
      write_together(std::span(waiting).subspan(first, std::min(kLargestGroup, waiting.size() - first)), stop);
  }
}

// When a group fails for what one of it asks, each is tried alone, so that none suffers for another.
void PostgresWriter::write_together(std::span<Request> group, const std::stop_token& stop) {
  Answers answers;
  const Status written = try_to_write(group, answers, stop);
  if (written.has_value()) {
    if (said_away_) MESH_LOG_INFO("store", "writes work again");
    said_away_ = false;
    for (std::size_t i = 0; i < group.size(); ++i) group[i].answer.set_value(std::move(answers[i]));
  } else if (group.size() > 1 && written.error().kind != ErrorKind::Unavailable) {
    for (std::size_t i = 0; i < group.size(); ++i) write_together(group.subspan(i, 1), stop);
  } else {
    if (!said_away_ && written.error().kind != ErrorKind::Invalid)
      MESH_LOG_ERROR("store", "a write failed: {}", written.error().message());
    said_away_ = written.error().kind == ErrorKind::Unavailable;
    for (Request& request : group) request.answer.set_value(written.error());
  }
}

Status PostgresWriter::try_to_write(std::span<Request> group, Answers& answers, const std::stop_token& stop) {
  for (int attempt = 1;; ++attempt) {
    MESH_TRY(PostgresPool::Borrowed connection, pool_.borrow());
    Progress progress;
    answers.clear();
    Status done = transact(*connection, group, answers, progress);
    if (done.has_value()) return done;
    if (connection->is_broken()) pool_.close_idle();
    if (!connection->is_broken()) (void)connection->run("ROLLBACK");
    if (connection->is_broken() && progress.is_committing) {
      Result<bool> committed = was_committed(progress, connection->epoch(), stop);
      if (!committed.has_value())
        return error(ErrorKind::Unavailable, "it is not known whether this was written: " + done.error().message());
      if (*committed) return {};
    }
    if (attempt == kAttempts || !is_worth_a_second_try(*connection)) return done;
  }
}

Status PostgresWriter::transact(PostgresConnection& connection, std::span<Request> group, Answers& answers,
                                Progress& progress) {
  MESH_TRY(const std::vector<PostgresRows> begun,
           connection.run("BEGIN; SELECT revision, epoch, pg_current_xact_id() FROM taskmesh.store FOR UPDATE"));
  const PostgresRows& row = begun.back();
  progress.id = row.text(0, 2);
  MESH_TRY(const Revision before, settle_epoch(connection, row.text(0, 1), static_cast<Revision>(row.number(0, 0))));

  std::map<std::string, std::pair<std::string, std::uint64_t>> leaders;
  if (std::ranges::any_of(group, [](const Request& request) { return request.fence.has_value(); })) {
    // Shared locks: nobody takes a lease over before we have committed.
    MESH_TRY(const PostgresRows leases, connection.ask("SELECT name, holder, token FROM taskmesh.leases FOR SHARE"));
    for (int i = 0; i < leases.count(); ++i)
      leaders[std::string(leases.text(i, 0))] = {std::string(leases.text(i, 1)),
                                                 static_cast<std::uint64_t>(leases.number(i, 2))};
  }
  Contents there;
  MESH_RETURN_IF_ERROR(load(connection, group, before, there));
  Draft draft(there);
  for (const Request& request : group) {
    if (request.fence && leaders[request.fence->lease] != std::pair(request.fence->holder, request.fence->token))
      answers.push_back(lost_the_lead(*request.fence));
    else
      answers.push_back(draft.stage(request.writes));
  }
  if (draft.entries().empty()) {
    MESH_RETURN_IF_ERROR(connection.run("COMMIT"));
    return {};
  }
  MESH_RETURN_IF_ERROR(save(connection, draft));
  progress.is_committing = true;
  MESH_RETURN_IF_ERROR(
      connection.run(fmt::format("UPDATE taskmesh.store SET revision = {0}; SELECT pg_notify('{1}', "
                                 "'{0}'); COMMIT",
                                 draft.revision(), kChangesChannel)));
  feed_.note(draft.revision());
  return {};
}

Status PostgresWriter::load(PostgresConnection& connection, std::span<Request> group, Revision revision,
                            Contents& there) {
  std::vector<const std::vector<Write>*> batches;
  for (const Request& request : group) batches.push_back(&request.writes);
  const std::vector<WantedKey> wanted = wanted_keys(batches, kinds_.find("Mesh"));
  std::vector<StoredRow> rows;
  if (!wanted.empty()) {
    MESH_TRY(const PostgresRows found, connection.ask(kLoad, {keys_json(wanted)}));
    std::set<ResourceKey> seen;  // what is wanted both ways comes twice
    for (int i = 0; i < found.count(); ++i) {
      StoredRow row = read_outline(found, i, kinds_);
      if (seen.insert(row->resource.key).second) rows.push_back(std::move(row));
    }
  }
  there.load(std::move(rows), revision);
  return {};
}

Status PostgresWriter::save(PostgresConnection& connection, const Draft& draft) {
  std::map<ResourceKey, const Draft::Entry*> last;  // what counts of each
  for (const Draft::Entry& entry : draft.entries()) last[entry.key] = &entry;
  std::vector<StoredRow> puts;
  std::vector<Draft::Entry> deletions;
  for (const auto& [key, entry] : last) {
    if (entry->row != nullptr)
      puts.push_back(entry->row);
    else
      deletions.push_back(*entry);
  }
  if (!deletions.empty()) {
    MESH_RETURN_IF_ERROR(connection.ask(kErase, {deletions_json(deletions)}));
    MESH_RETURN_IF_ERROR(forget_old_deletions(connection, deletions.size()));
  }
  if (!puts.empty()) MESH_RETURN_IF_ERROR(connection.ask(kPut, {rows_json(puts)}));
  return {};
}

Status PostgresWriter::forget_old_deletions(PostgresConnection& connection, std::size_t new_ones) {
  deletions_since_forgetting_ += new_ones;
  if (deletions_since_forgetting_ * 10 < remembered_deletions_) return {};
  deletions_since_forgetting_ = 0;
  MESH_RETURN_IF_ERROR(connection.run(
      fmt::format("WITH last AS (SELECT revision FROM taskmesh.deletions ORDER BY revision DESC OFFSET {} LIMIT 1),"
                  "gone AS (DELETE FROM taskmesh.deletions WHERE revision <= (SELECT revision FROM last)) "
                  "UPDATE taskmesh.store SET forgotten = greatest(forgotten, (SELECT revision FROM last)) "
                  "WHERE EXISTS (SELECT FROM last)",
                  remembered_deletions_)));
  return {};
}

Result<bool> PostgresWriter::was_committed(const Progress& progress, const std::string& epoch,
                                           const std::stop_token& stop) {
  const SteadyTime give_up = real_clock().steady() + kAskWhatBecameOfIt;
  std::mutex mutex;
  std::condition_variable_any pause;
  for (;;) {
    std::string told;
    const Status asked = pool_.with([&](PostgresConnection& connection) -> Status {
      // In another life of the database the number may be that of another transaction.
      if (connection.epoch() != epoch) return error(ErrorKind::Internal, "the database has begun a new life");
      MESH_TRY(const PostgresRows rows, connection.ask("SELECT pg_xact_status($1::text::xid8)", {progress.id}));
      told = rows.text(0, 0);
      // Where a standby must confirm, it may not have when the connection was lost: a later commit that it confirms has
      // the earlier ones before it.
      if (told == "committed") MESH_RETURN_IF_ERROR(connection.run("UPDATE taskmesh.store SET revision = revision"));
      return {};
    });
    if (asked.has_value() && told == "committed") return true;
    if (asked.has_value() && told == "aborted") return false;
    if (!asked.has_value() && asked.error().kind != ErrorKind::Unavailable) return Error(asked.error());
    if (stop.stop_requested() || real_clock().steady() > give_up)
      return error(ErrorKind::Unavailable, "the server does not tell what became of a transaction");
    std::unique_lock lock(mutex);
    pause.wait_for(lock, stop, 200ms, [] { return false; });
  }
}

}  // namespace mesh
