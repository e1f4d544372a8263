// The schema of the database, brought forward in numbered steps (db/migrations). Each step names the oldest build that
// can work with what it leaves (`min_compatible`, by that build's newest step): a step that only adds keeps the number,
// and what old builds need is taken away by a later step, when they are gone.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "store/postgres/connection.h"

namespace mesh {

struct Migration {
  int version;
  std::string name;
  int min_compatible;
  std::string sql;
};

std::span<const Migration> known_migrations();  // of this build, in order

struct SchemaState {
  int version = 0;         // zero: there is none yet
  int min_compatible = 0;  // builds that know less must not use it
};
Result<SchemaState> read_schema(PostgresConnection& connection);

// Runs the steps that are missing, each in a transaction of its own. Any number of programs may do so at once: one
// works, the others wait and find nothing left to do. `done` is told of each step.
Status migrate_up(PostgresConnection& connection, const std::function<void(const Migration&)>& done,
                  std::span<const Migration> steps = known_migrations());

// Unavailable, in words for whoever runs the control plane, when this build cannot work with the schema.
Status check_schema(const SchemaState& schema, const PostgresServer& server,
                    std::span<const Migration> steps = known_migrations());

}  // namespace mesh
