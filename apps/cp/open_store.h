// The store that the settings name, and who leads when several control planes share it.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "settings/control_plane.h"
#include "store/leadership.h"
#include "store/postgres/postgres_store.h"

namespace mesh {

struct OpenedStore {
  std::unique_ptr<Store> store;
  std::unique_ptr<Leadership> leadership;  // goes before the store
  std::function<void()> watch;             // starts to renew what it holds
};

// `changed` is told when the leader or the set of instances changes; from a thread of its own, as soon as `watch`
// began.
Result<OpenedStore> open_store(const settings::StoreSection& settings, const KindRegistry& kinds,
                               const std::string& instance_id, std::function<void()> changed);
Result<PostgresStore::Settings> postgres_settings(const settings::Postgres& settings);

}  // namespace mesh
