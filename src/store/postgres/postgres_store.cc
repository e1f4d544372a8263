#include "store/postgres/postgres_store.h"

#include <fmt/format.h>

#include "base/log.h"
#include "store/postgres/feed.h"
#include "store/postgres/migrations.h"
#include "store/postgres/rows.h"
#include "store/postgres/writer.h"
#include "store/stored_text.h"

namespace mesh {
namespace {

// The server would read a name up to its first zero character.
bool has_zero(const ResourceKey& key) { return key.mesh.contains('\0') || key.name.contains('\0'); }

Error not_there(const ResourceKey& key) { return error(ErrorKind::NotFound, key.to_string() + " is not there"); }

struct Condition {
  std::string sql;
  std::vector<std::string> parameters;

  void add(const char* test, std::string parameter) {
    parameters.push_back(std::move(parameter));
    sql += fmt::format(fmt::runtime(test), fmt::format("${}", parameters.size()));
  }
};

// Only what is asked for is in the text, so that each text has one good plan.
Condition condition_of(const Query& query) {
  Condition out;
  out.add("kind = {}", query.kind->name);
  if (!query.mesh.empty()) out.add(" AND mesh = {}", query.mesh);
  if (!query.name_contains.empty()) out.add(" AND strpos(name, {}) > 0", query.name_contains);
  if (!query.labels.empty()) out.add(" AND labels @> {}::jsonb", stored_labels(query.labels));
  return out;
}

bool has_zero(const Query& query) {
  const bool in_labels = std::ranges::any_of(
      query.labels, [](const auto& label) { return label.first.contains('\0') || label.second.contains('\0'); });
  return in_labels || query.mesh.contains('\0') || query.name_contains.contains('\0');
}

}  // namespace

struct PostgresStore::Inside {
  Inside(Settings settings, const KindRegistry& given, std::string given_id)
      : registry(given),
        id(std::move(given_id)),
        pool(std::move(settings.server), settings.pool),
        kinds(given),
        feed(pool, given),
        writer(pool, kinds, feed, settings.remembered_deletions) {}

  const KindRegistry& registry;
  const std::string id;
  mutable PostgresPool pool;
  RowKinds kinds;
  PostgresFeed feed;
  PostgresWriter writer;
};

Result<std::unique_ptr<PostgresStore>> PostgresStore::open(Settings settings, const KindRegistry& registry) {
  MESH_TRY(const std::unique_ptr<PostgresConnection> connection, PostgresConnection::open(settings.server));
  MESH_TRY(const SchemaState schema, read_schema(*connection));
  MESH_RETURN_IF_ERROR(check_schema(schema, settings.server));
  MESH_TRY(const PostgresRows row, connection->ask("SELECT id, revision FROM taskmesh.store"));
  MESH_LOG_INFO("store", "opened database \"{}\" at {}:{}: schema {}, revision {}", settings.server.database,
                settings.server.host, settings.server.port, schema.version, row.number(0, 1));
  std::string id(row.text(0, 0));
  auto inside = std::make_unique<Inside>(std::move(settings), registry, std::move(id));
  MESH_RETURN_IF_ERROR(inside->pool.look_after());
  inside->feed.start();
  return std::unique_ptr<PostgresStore>(new PostgresStore(std::move(inside)));
}

PostgresStore::PostgresStore(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
PostgresStore::~PostgresStore() = default;

Result<Revision> PostgresStore::write(std::vector<Write> writes) {
  return inside_->writer.write(std::move(writes), std::nullopt);
}
Result<Revision> PostgresStore::write_fenced(std::vector<Write> writes, Fence fence) {
  return inside_->writer.write(std::move(writes), std::move(fence));
}

Result<Resource> PostgresStore::get(const ResourceKey& key) const {
  if (key.kind == nullptr || has_zero(key)) return not_there(key);
  static const std::string kGet =
      fmt::format("SELECT {} FROM taskmesh.resources r WHERE kind = $1 AND mesh = $2 AND name = $3", kResourceColumns);
  MESH_TRY(const PostgresRows rows, inside_->pool.with([&](PostgresConnection& connection) {
    return connection.ask(kGet, {key.kind->name, key.mesh, key.name});
  }));
  if (rows.count() == 0) return not_there(key);
  Result<Resource> resource = read_resource(rows, 0, inside_->registry);
  if (!resource.has_value()) return with_context(std::move(resource).error(), key.to_string() + " as it is stored");
  return resource;
}

Result<Page> PostgresStore::list(const Query& query) const {
  Page page;
  if (query.kind == nullptr || has_zero(query)) return page;
  const Condition condition = condition_of(query);
  std::vector<std::string> parameters = condition.parameters;
  std::string cut;
  if (query.size != 0 || query.offset != 0) {
    cut = fmt::format(" OFFSET ${}::bigint", parameters.size() + 1);
    parameters.push_back(std::to_string(query.offset));
  }
  if (query.size != 0) {
    cut += fmt::format(" LIMIT ${}::bigint", parameters.size() + 1);
    parameters.push_back(std::to_string(query.size));
  }
  // The total is there even when the page is empty; when all is asked for, all that came is the total.
  const std::string total =
      cut.empty() ? "NULL::bigint" : fmt::format("(SELECT count(*) FROM taskmesh.resources WHERE {})", condition.sql);
  const std::string sql = fmt::format(
      "SELECT {}, {} FROM (SELECT {}) AS one(total) LEFT JOIN LATERAL (SELECT * FROM taskmesh.resources WHERE {} "
      "ORDER BY mesh, name{}) AS r ON true",
      "one.total", kResourceColumns, total, condition.sql, cut);
  MESH_TRY(const PostgresRows rows,
           inside_->pool.with([&](PostgresConnection& connection) { return connection.ask(sql, parameters); }));
  page.items.reserve(static_cast<std::size_t>(rows.count()));
  for (int row = 0; row < rows.count(); ++row) {
    if (rows.is_null(row, 1)) continue;  // nothing but the total
    Result<Resource> resource = read_resource(rows, row, inside_->registry, 1);
    if (resource.has_value()) page.items.push_back(*std::move(resource));
  }
  page.total = cut.empty() ? page.items.size() : static_cast<std::size_t>(rows.number(0, 0));
  return page;
}

Result<ChangeBatch> PostgresStore::wait_for_changes(Revision after, std::stop_token stop) {
  return inside_->feed.wait_for_changes(after, std::move(stop));
}

std::string PostgresStore::id() const { return inside_->id; }
PostgresPool& PostgresStore::pool() { return inside_->pool; }

}  // namespace mesh
