#include "store/postgres/rows.h"

#include <boost/json.hpp>

#include "store/stored_text.h"

namespace mesh {
namespace {

namespace json = boost::json;

void append_member(std::string& out, const char* name, std::string_view json_text) {
  out += out.back() == '{' ? "\"" : ",\"";
  out += name;
  out += "\":";
  out += json_text;
}
void append_text(std::string& out, const char* name, const std::string& text) {
  append_member(out, name, json::serialize(json::value(text)));
}
void append_key(std::string& out, const ResourceKey& key) {
  append_text(out, "kind", key.kind->name);
  append_text(out, "mesh", key.mesh);
  append_text(out, "name", key.name);
}
std::string_view or_null(const std::string& text) { return text.empty() ? std::string_view("null") : text; }

void append_row(std::string& out, const StoredResource& row) {
  const Resource& resource = row.resource;
  out += '{';
  append_key(out, resource.key);
  append_member(out, "revision", std::to_string(resource.revision));
  append_member(out, "created", std::to_string(stored_time(resource.created)));
  append_member(out, "modified", std::to_string(stored_time(resource.modified)));
  append_member(out, "labels", stored_labels(resource.labels));
  if (row.owner) {
    append_text(out, "owner_kind", row.owner->kind->name);
    append_text(out, "owner_mesh", row.owner->mesh);
    append_text(out, "owner_name", row.owner->name);
  }
  append_member(out, "spec", or_null(stored_spec(resource)));
  append_member(out, "status", or_null(stored_status(resource)));
  out += '}';
}

}  // namespace

const Kind* RowKinds::find_or_make(std::string_view name) {
  if (const Kind* known = registry_.find_by_name(name)) return known;
  std::lock_guard lock(mutex_);
  auto found = unknown_.find(name);
  if (found == unknown_.end()) {
    found = unknown_.emplace(name, std::make_unique<Kind>()).first;
    found->second->name = name;
  }
  return found->second.get();
}

Result<Resource> read_resource(const PostgresRows& rows, int row, const KindRegistry& registry, int first_column) {
  const auto text = [&](int column) { return rows.text(row, first_column + column); };
  Resource resource;
  resource.key = {registry.find_by_name(text(0)), std::string(text(1)), std::string(text(2))};
  if (resource.key.kind == nullptr) return invalid("", "kind \"" + std::string(text(0)) + "\" is unknown");
  resource.revision = static_cast<Revision>(rows.number(row, first_column + 3));
  resource.created = time_of_stored(rows.number(row, first_column + 4));
  resource.modified = time_of_stored(rows.number(row, first_column + 5));
  MESH_TRY(resource.labels, labels_of_stored(text(6)));
  MESH_TRY(resource.spec, spec_of_stored(*resource.key.kind, text(7)));
  MESH_TRY(resource.status, status_of_stored(*resource.key.kind, text(8)));
  return resource;
}

StoredRow read_outline(const PostgresRows& rows, int row, RowKinds& kinds) {
  auto out = std::make_shared<StoredResource>();
  const auto key_at = [&](int column) {
    return ResourceKey{kinds.find_or_make(rows.text(row, column)), std::string(rows.text(row, column + 1)),
                       std::string(rows.text(row, column + 2))};
  };
  out->resource.key = key_at(0);
  out->resource.revision = static_cast<Revision>(rows.number(row, 3));
  out->resource.created = time_of_stored(rows.number(row, 4));
  if (!rows.is_null(row, 5)) out->owner = key_at(5);
  return out;
}

std::string rows_json(std::span<const StoredRow> rows) {
  std::string out = "[";
  for (const StoredRow& row : rows) {
    if (out.size() > 1) out += ',';
    append_row(out, *row);
  }
  return out + "]";
}

std::string deletions_json(std::span<const Draft::Entry> deletions) {
  std::string out = "[";
  for (const Draft::Entry& entry : deletions) {
    if (out.size() > 1) out += ',';
    out += '{';
    append_key(out, entry.key);
    append_member(out, "revision", std::to_string(entry.revision));
    out += '}';
  }
  return out + "]";
}

std::string keys_json(std::span<const WantedKey> keys) {
  std::string out = "[";
  for (const WantedKey& wanted : keys) {
    if (out.size() > 1) out += ',';
    out += '{';
    append_key(out, wanted.key);
    append_member(out, "with_owned", wanted.with_owned ? "true" : "false");
    out += '}';
  }
  return out + "]";
}

}  // namespace mesh
