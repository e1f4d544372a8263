#include "store/sqlite/sqlite_store.h"

#include <future>
#include <thread>

#include "base/log.h"
#include "base/mailbox.h"
#include "store/sqlite/journal.h"

namespace mesh {
namespace {

struct Request {
  std::vector<Write> writes;
  std::promise<Result<Revision>> answer;
};

}  // namespace

struct SqliteStore::Inside {
  Inside(std::unique_ptr<Journal> opened, ContentsLimits limits) : journal(std::move(opened)), contents(limits) {}
  ~Inside() { requests.close(); }

  void write_what_comes();
  void write_together(std::vector<Request> group);
  void write_alone(Request request);

  std::unique_ptr<Journal> journal;
  Contents contents;
  Mailbox<Request> requests;
  std::jthread writer;  // last: it ends before the rest goes
};

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(Settings settings, const KindRegistry& registry) {
  MESH_TRY(std::unique_ptr<Journal> journal, Journal::open(settings.path, settings.wait_for_lock));
  MESH_TRY(Journal::Loaded loaded, journal->load(registry));
  MESH_LOG_INFO("store", "opened {}: {} resources at revision {}", settings.path.string(), loaded.rows.size(),
                loaded.revision);
  auto inside = std::make_unique<Inside>(std::move(journal), settings.limits);
  inside->contents.load(std::move(loaded.rows), loaded.revision);
  inside->writer = std::jthread([&self = *inside] { self.write_what_comes(); });
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(inside)));
}

SqliteStore::SqliteStore(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
SqliteStore::~SqliteStore() = default;

Result<Revision> SqliteStore::write(std::vector<Write> writes) {
  std::promise<Result<Revision>> promise;
  std::future<Result<Revision>> answer = promise.get_future();
  if (!inside_->requests.put({std::move(writes), std::move(promise)}))
    return error(ErrorKind::Unavailable, "the store is closed");
  return answer.get();
}

Result<Resource> SqliteStore::get(const ResourceKey& key) const { return inside_->contents.get(key); }
Result<Page> SqliteStore::list(const Query& query) const { return inside_->contents.list(query); }
Result<ChangeBatch> SqliteStore::wait_for_changes(Revision after, std::stop_token stop) {
  return inside_->contents.wait_for_changes(after, std::move(stop));
}
std::string SqliteStore::id() const { return inside_->journal->id(); }

void SqliteStore::Inside::write_what_comes() {
  for (;;) {
    std::vector<Request> group = requests.take_all();
    if (group.empty()) return;
    write_together(std::move(group));
  }
}

// All that stand go to disk in one transaction. When that fails each is tried alone, so that none suffers for another.
void SqliteStore::Inside::write_together(std::vector<Request> group) {
  Draft draft(contents);
  std::vector<Result<Revision>> answers;
  answers.reserve(group.size());
  for (const Request& request : group) answers.push_back(draft.stage(request.writes));

  Status written;
  if (!draft.entries().empty()) written = journal->append(draft.entries(), draft.revision());
  if (written.has_value()) {
    contents.commit(draft);
    for (std::size_t i = 0; i < group.size(); ++i) group[i].answer.set_value(std::move(answers[i]));
  } else if (group.size() > 1) {
    for (Request& request : group) write_alone(std::move(request));
  } else {
    MESH_LOG_ERROR("store", "a write failed: {}", written.error().message());
    group.front().answer.set_value(std::move(written).error());
  }
}

void SqliteStore::Inside::write_alone(Request request) {
  std::vector<Request> one;
  one.push_back(std::move(request));
  write_together(std::move(one));
}

}  // namespace mesh
