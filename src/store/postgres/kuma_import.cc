#include "store/postgres/kuma_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "store/stored_text.h"

namespace mesh {
namespace {

constexpr std::string_view kMesh = "Mesh";

// Times are without a zone there, and mean UTC. What has no labels or status has NULL or a JSON null there. Meshes come
// first: everything of a mesh belongs to its Mesh.
constexpr const char* kRows =
    "SELECT type, mesh, name, spec, CASE jsonb_typeof(labels) WHEN 'null' THEN '{}' ELSE coalesce(labels::text, '{}') "
    "END, CASE jsonb_typeof(status) WHEN 'null' THEN '' ELSE coalesce(status::text, '') END,"
    " (extract(epoch from creation_time) * 1000000)::bigint, (extract(epoch from modification_time) * 1000000)::bigint,"
    " coalesce(owner_type, ''), coalesce(owner_mesh, ''), coalesce(owner_name, '')"
    " FROM public.resources ORDER BY type <> 'Mesh', type, mesh, name";
constexpr const char* kColumns =
    "SELECT count(*), count(*) FILTER (WHERE column_name IN ('labels', 'status', 'owner_type')) FROM "
    "information_schema.columns"
    " WHERE table_schema = 'public' AND table_name = 'resources'";

Status check_table(PostgresConnection& from) {
  MESH_TRY(const PostgresRows columns, from.ask(kColumns));
  if (columns.number(0, 0) == 0)
    return invalid("", "this database has no table public.resources: it is not that of a Kuma control plane");
  if (columns.number(0, 1) == 3) return {};
  return invalid("", "its table public.resources is of an old Kuma; upgrade that first (kuma-cp migrate up)");
}

Status check_empty(Store& into, const KindRegistry& kinds) {
  for (const Kind* kind : kinds.all()) {
    MESH_TRY(const Page page, into.list({.kind = kind, .size = 1}));
    if (page.total == 0) continue;
    return invalid(
        "",
        fmt::format(
            "there are resources here already ({} of kind {}); import before the control plane runs for the first time",
            page.total, kind->name));
  }
  return {};
}

SystemTime time_of(std::int64_t microseconds) { return SystemTime(std::chrono::microseconds(microseconds)); }

class Reader {
 public:
  explicit Reader(const KindRegistry& kinds) : kinds_(kinds) {}

  void take(const PostgresRows& rows, int row) {
    const std::string type(rows.text(row, 0));
    const Kind* kind = kinds_.find_by_name(type);
    if (kind == nullptr || kind->read_only || type.ends_with("Insight")) {
      ++import_.left[type];
      return;
    }
    Write write;
    Resource& resource = write.resource;
    resource.key = {kind, kind->scope == Scope::Mesh ? std::string(rows.text(row, 1)) : std::string(),
                    std::string(rows.text(row, 2))};
    const Status read = fill(resource, rows, row);
    if (!read) {
      for (const Violation& violation : read.error().violations)
        problems_.push_back({resource.key.to_string(), violation.field + ": " + violation.reason});
      if (read.error().violations.empty()) problems_.push_back({resource.key.to_string(), read.error().message()});
      return;
    }
    write.expect = Expect::absent();
    write.owner = owner(rows, row);
    ++import_.taken[type];
    writes_.push_back(std::move(write));
  }

  Result<KumaImport> write_to(Store& into) {
    if (!problems_.empty())
      return Error{ErrorKind::Invalid, {}, "resources of Kuma cannot be read", std::move(problems_)};
    if (!writes_.empty()) MESH_RETURN_IF_ERROR(into.write(std::move(writes_)));
    return std::move(import_);
  }

 private:
  static Status fill(Resource& resource, const PostgresRows& rows, int row) {
    MESH_TRY(resource.spec, spec_of_stored(*resource.key.kind, rows.text(row, 3)));
    MESH_TRY(resource.labels, labels_of_stored(rows.text(row, 4)));
    MESH_TRY(resource.status, status_of_stored(*resource.key.kind, rows.text(row, 5)));
    resource.created = time_of(rows.number(row, 6));
    resource.modified = time_of(rows.number(row, 7));
    return {};
  }

  // Its Mesh owns what names no other; an owner that does not come along owns nothing.
  std::optional<ResourceKey> owner(const PostgresRows& rows, int row) const {
    const Kind* kind = kinds_.find_by_name(rows.text(row, 8));
    if (kind == nullptr || kind->name == kMesh || kind->read_only) return std::nullopt;
    return ResourceKey{kind, kind->scope == Scope::Mesh ? std::string(rows.text(row, 9)) : std::string(),
                       std::string(rows.text(row, 10))};
  }

  const KindRegistry& kinds_;
  KumaImport import_;
  std::vector<Write> writes_;
  std::vector<Violation> problems_;
};

}  // namespace

Result<KumaImport> import_from_kuma(PostgresConnection& from, Store& into, const KindRegistry& kinds) {
  MESH_RETURN_IF_ERROR(check_table(from));
  MESH_RETURN_IF_ERROR(check_empty(into, kinds));
  MESH_TRY(const PostgresRows rows, from.ask(kRows));
  Reader reader(kinds);
  for (int row = 0; row < rows.count(); ++row) reader.take(rows, row);
  return reader.write_to(into);
}

}  // namespace mesh
