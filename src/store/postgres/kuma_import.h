// Takes over what an existing Kuma control plane keeps in PostgreSQL: its table `resources`. Kuma may go on running
// meanwhile; nothing of its own is changed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/kind.h"
#include "store/postgres/connection.h"
#include "store/store.h"

namespace mesh {

struct KumaImport {
  std::map<std::string, std::size_t> taken;  // how many of each kind
  std::map<std::string, std::size_t> left;   // kinds that are not known here, or that control planes write themselves
};

// All in one transaction, or nothing. Invalid: `into` is not empty, there is no such table, or what is in it cannot be
// read; then all that is wrong is said. Unavailable.
Result<KumaImport> import_from_kuma(PostgresConnection& from, Store& into, const KindRegistry& kinds);

}  // namespace mesh
