// The store that the settings name, and who leads when several control planes share it.
#pragma once

#include <memory>

#include "settings/control_plane.h"
#include "store/leadership.h"
#include "store/postgres/postgres_store.h"

namespace mesh {

struct OpenedStore {
  std::unique_ptr<Store> store;
  std::unique_ptr<Leadership> leadership;  // goes before the store
};

Result<OpenedStore> open_store(const settings::StoreSection& settings, const KindRegistry& kinds,
                               const std::string& instance_id);
Result<PostgresStore::Settings> postgres_settings(const settings::Postgres& settings);

}  // namespace mesh
